"""Two officers decide about payments that a fork holds: they stand, or are given back."""

from typing import Any

from protocol import records as r
from server.acquirer.iso import reference
from server.office import branches
from server.store.engine import reading
from sim.worlds.simulation.factory import factory
from sim.worlds.simulation.verdicts.desk import Desk
from sim.worlds.simulation.verdicts.notebook import Entry, Identity

CAPTURED_STANDS, OTHER_STANDS = 0.6, 0.5
REASON = "both drivers were asked"
_HELD = "SELECT 1 FROM payments WHERE held = 1 LIMIT 1"


class Forks(Desk):
    """The desk for `tasdid server fork`."""

    real = branches

    def idle(self) -> bool:
        return not self.waiting and not factory().look(_HELD)

    def look(self) -> None:
        for row in self._list():
            about = self._about(row)
            if not self.puts_off(about):
                self._judge(about, row)

    def _list(self) -> list[dict[str, Any]]:
        with reading(self.centre.engine) as connection:
            return branches.held(connection)

    @staticmethod
    def _about(row: dict[str, Any]) -> Identity:
        return row["device"], row["epoch"], row["intent"]

    def holds(self, about: Any) -> Any:
        return next((self._said(row) for row in self._list() if self._about(row) == about), None)

    @staticmethod
    def _said(row: dict[str, Any]) -> tuple[int, bool]:
        """How many other records there are, and whether it is declined and to be reversed, or asked about for another card: nobody can have that
        stand.
        """
        declined = row["result"] == r.OUTCOME_DECLINED and row["reversal"] is not None
        return len(row["others"]), declined or row["another"]

    def _judge(self, about: Identity, row: dict[str, Any]) -> None:
        """What the host has captured mostly stands, what it refuses to capture does not; nor what they had given back, and it has reversed, before a
        restore forgot that. Of the rest the officers believe one driver or the other.
        """
        known = self.centre.book.entries.get(reference(about))
        captured = known is not None and known.captured == "00" and not known.reversed
        if row["acquirer"] == "captured" and not captured or row["acquirer"] == "nothing" and known is not None:
            self.fail(f"the list says of {self.name(about)} that the acquirer has {row['acquirer']}, which is not so")
        refused = known is not None and known.captured not in (None, "00")
        refused |= (
            known is not None
            and known.reversed
            and any(one.about == about and one.stands is False for one in self.book.entries)
        )
        said = self._said(row)
        stands = self.rng.random() < (CAPTURED_STANDS if captured else OTHER_STANDS) and not refused and not said[1]
        entry = Entry(about, stands=stands)

        def drafted(connection: Any) -> dict[int, Any]:
            return branches.draft(connection, about, stands, REASON, self.schedule.utc)

        self.propose(about, drafted, entry, said)

    def approved(self, entry: Entry, moved: dict[str, int]) -> None:
        """What is given back is in no book already."""
        if not entry.stands and any(moved.values()):
            self.fail(f"{self.name(entry.about)} is given back, and that has moved {moved}")

    def name(self, about: Identity) -> str:
        return f"payment {about[2]} of {about[0]}"

    def words(self, entry: Entry) -> str:
        return "it stands" if entry.stands else "it is given back"
