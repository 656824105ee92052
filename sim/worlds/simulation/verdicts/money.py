"""Two officers decide what became of money in suspense: right in the end, wrong at times, a part first and the rest later."""

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection, text

from protocol.errors import ParameterError
from server.office import decisions
from server.store.engine import reading
from sim.worlds.simulation.factory import factory
from sim.worlds.simulation.verdicts.desk import Desk
from sim.worlds.simulation.verdicts.notebook import Entry, Identity
from sim.worlds.simulation.verdicts.truth import Truth

if TYPE_CHECKING:
    from sim.worlds.simulation.oracle.missing import Missing

WRONG, PART, DOUBTS = (
    0.3,
    0.5,
    0.1,
)  # findings that are wrong; a part of it first; a right one that is taken back all the same
REASON = "the acquirer's capture list"
_LEFT = "SELECT 1 FROM legs WHERE account LIKE 'missing:%' GROUP BY account HAVING SUM(amount) <> 0 LIMIT 1"
_MISSING = "SELECT COALESCE(SUM(amount), 0) FROM legs WHERE account LIKE 'missing:%'"
_LOOK_AGAIN = re.compile(r"gap from (\d+)\b.*(have that decision undone|look whether that stands)")
_ALARMS = "SELECT what FROM audit WHERE code = 'GAP' AND device = :d"
_KINDS = {word: number for number, word in decisions.KINDS.items()}


class Money(Desk):
    """The desk for `tasdid server suspense`."""

    real = decisions

    def __init__(self, *arguments: Any, missing: "Missing") -> None:
        super().__init__(*arguments)
        self.truth = Truth(self.centre, missing)

    def idle(self) -> bool:
        return not self.waiting and not factory().look(_LEFT) and not self._wrong()

    def look(self) -> None:
        for entry in self._wrong():
            if entry.about not in self.waiting and not self.puts_off(entry.about):
                self._take_back(entry)
        rows = self._list()
        if sum(row["left"] for row in rows) != factory().look(_MISSING):
            self.fail(f"the list has {sum(row['left'] for row in rows)} centimes in suspense, the ledger another sum")
        for row in rows:
            about = self._about(row)
            if not self.puts_off(about):
                self._find(about, row)

    def _list(self) -> list[dict[str, Any]]:
        with reading(self.centre.engine) as connection:
            return decisions.items(connection)

    @staticmethod
    def _about(row: dict[str, Any]) -> decisions.Item:
        return decisions.Item(_KINDS[row["kind"]], row["device"], row["epoch"], row["seq"])

    def holds(self, about: Any) -> Any:
        return next(((row["left"], row.get("payments")) for row in self._list() if self._about(row) == about), None)

    def _find(self, about: decisions.Item, row: dict[str, Any]) -> None:
        """Find out what became of an item, or of a part of it, and propose that."""
        waits = self.waiting.get(about)
        if waits is not None and waits.then.undoes:
            return  # first what is wrong is taken back
        owed = self.truth.owed(row, self.book.collected())
        if sum(owed.values()) > row["left"]:
            return  # what results explain instead comes as a record first, and is put back
        found = self._whole(about, row, owed)
        if self.whim(WRONG):
            found = self._wrong_one(about, row, owed)
        elif self.whim(PART):
            found = self._part(about, row, owed) or found
        if self.whim(DOUBTS):
            found = replace(found, wrong=True)
        many = 1 if found.income + found.untaken < row["left"] else 0
        self.propose(about, lambda c: self._drafted(c, found, row, many), found, (row["left"], row.get("payments")))

    def _drafted(self, connection: Connection, entry: Entry, row: dict[str, Any], many: int) -> dict[int, Any]:
        """As the command does, `--new-scheme` where the ledger knows no such one."""
        scheme = self.truth.scheme(entry.collected or {one for one, _ in self.truth.lost(row)}) if entry.income else ""
        finding = decisions.Finding(entry.income, scheme, entry.untaken, many)
        payload = decisions.draft(connection, entry.about, finding, REASON, self.schedule.utc)
        try:
            decisions.must_know(connection, scheme) if scheme else None
        except ParameterError as unknown:
            if unknown.code != "PRM-041":
                raise
        return payload

    @staticmethod
    def _whole(about: decisions.Item, row: dict[str, Any], owed: dict[Identity, int]) -> Entry:
        income = sum(owed.values())
        return Entry(about, income, row["left"] - income, collected=frozenset(owed))

    def _part(self, about: decisions.Item, row: dict[str, Any], owed: dict[Identity, int]) -> Entry | None:
        """One payment of several, of which it is certain that it is in suspense still."""
        done = {payment for entry in self.book.standing() for payment in entry.collected | entry.nothing}
        certain = [
            (payment, amount)
            for payment, amount in self.truth.lost(row)
            if amount < row["left"] and payment not in done and not self.truth.on_file(payment)
        ]
        if row.get("payments", 1) < 2 or not certain:
            return None
        payment, amount = self.rng.choice(certain)
        if payment in owed:
            return Entry(about, amount, 0, collected=frozenset([payment]))
        enough = row["left"] - amount >= sum(owed.values())
        return Entry(about, 0, amount, nothing=frozenset([payment])) if enough else None

    @staticmethod
    def _wrong_one(about: decisions.Item, row: dict[str, Any], owed: dict[Identity, int]) -> Entry:
        """The opposite of the truth, of all that is left."""
        income, untaken = (0, row["left"]) if owed else (row["left"], 0)
        return Entry(about, income, untaken, wrong=True)

    def _wrong(self) -> list[Entry]:
        """Decisions that stand and are to be taken back: wrong from the beginning, or since something came that an alarm names."""
        return [entry for entry in self.book.standing() if entry.wrong or entry.collected and self._overtaken(entry)]

    def _overtaken(self, entry: Entry) -> bool:
        captured = self.truth.captured()
        false = any(payment not in captured or self.truth.on_file(payment) for payment in entry.collected)
        return false and self._alarmed(entry)

    def _alarmed(self, entry: Entry) -> bool:
        """Whether an alarm asks for another look at what was decided of a gap."""
        with reading(self.centre.engine) as connection:
            said = connection.execute(text(_ALARMS), {"d": entry.about.device}).scalars()
            return any(int(found[1]) == entry.about.seq for what in said if (found := _LOOK_AGAIN.search(what)))

    def _take_back(self, wrong: Entry) -> None:
        entry = Entry(wrong.about, wrong.income, wrong.untaken, wrong.number)

        def drafted(connection: Connection) -> dict[int, Any]:
            return decisions.draft_undo(connection, wrong.about, wrong.number, REASON, self.schedule.utc)

        self.propose(wrong.about, drafted, entry, self.holds(wrong.about))

    def approved(self, entry: Entry, moved: dict[str, int]) -> None:
        """What is collected is income, and owed; all of it leaves suspense. What is taken back returns, less what results explain by now."""
        income, both = entry.income, entry.income + entry.untaken
        must = {"treasury": -income, "receivable": income, "missing": -both, "suspense": both}
        if entry.undoes:
            must = {kind: -amount for kind, amount in must.items()}
            explained = must["missing"] - moved["missing"]
            if 0 <= explained <= both:
                must.update(missing=moved["missing"], suspense=-moved["missing"])
        if moved != must:
            self.fail(f"decision {entry.number} about {self.name(entry.about)} has moved {moved}, and must move {must}")

    def name(self, about: decisions.Item) -> str:
        return f"{decisions.KINDS[about.kind]} {about.seq} of {about.device}"

    def words(self, entry: Entry) -> str:
        undone = f"decision {entry.undoes} undone, " if entry.undoes else ""
        return f"{undone}{entry.income} collected, {entry.untaken} nothing{', wrongly' if entry.wrong else ''}"
