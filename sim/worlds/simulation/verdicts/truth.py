"""What became of money in suspense, as officers find out: the acquirer says what it has captured, and what of that the centre has on file it would
show. Here they know besides which records were destroyed; nothing is asked of the server's own code.
"""

from typing import TYPE_CHECKING, Any

from sim.worlds.simulation.factory import factory
from sim.worlds.simulation.verdicts.notebook import Identity

if TYPE_CHECKING:
    from sim.worlds.simulation.centre import Centre
    from sim.worlds.simulation.oracle.missing import Missing

from protocol import records as r

_ON_FILE = "SELECT 1 FROM payments WHERE device = ? AND epoch = ? AND intent = ? AND outcome IS NOT NULL"
_UNSEEN = "SELECT amount FROM postings WHERE device = ? AND epoch = ? AND intent = ? AND part = 8"
_ANY_SCHEME = "SELECT MIN(account) FROM legs WHERE account LIKE 'receivable:%'"


class Truth:
    """What was destroyed, held against the host's book."""

    def __init__(self, centre: "Centre", missing: "Missing") -> None:
        self._centre, self._missing = centre, missing

    def captured(self) -> dict[Identity, int]:
        """What the acquirer pays for, in centimes."""
        return {capture.identity: capture.amount for capture in self._centre.book.captures()}

    def on_file(self, payment: Identity) -> bool:
        """Whether the centre has the outcome of a payment: then it is booked by that, and by the acquirer's word."""
        return factory().look(_ON_FILE, *payment) is not None

    def lost(self, row: dict[str, Any]) -> list[tuple[Identity, int]]:
        """(payment, centimes) of what an item of the list holds: of each lost record that counts, or of the one result."""
        if row["kind"] == "result":
            return [((row["device"], row["epoch"], row["seq"]), row["amount"])]
        inside = [
            item.record
            for item in self._missing.lost.values()
            if item.device == row["device"] and row["first"] <= item.seq <= row["last"]
        ]
        steps = sorted((one[r.SEQ], one) for one in inside if r.approved_step(one)[0])
        return [((one[r.DEVICE], one[r.EPOCH], one[r.INTENT]), one[r.AMOUNT]) for _, one in steps]

    def counted(self, payment: Identity) -> bool:
        """Whether a payment counts in the running totals around a gap, or by a result that was set aside: then it is, or was, in suspense."""
        name, epoch, intent = payment
        steps = [item for item in self._missing.lost.values() if r.approved_step(item.record)[0]]
        mine = [
            one for one in steps if (one.device, one.record[r.EPOCH], one.record[r.INTENT]) == (name, epoch, intent)
        ]
        return (
            any(self._missing.never_came(name, one.seq) for one in mine)
            or factory().look(_UNSEEN, *payment) is not None
        )

    def amounts(self, payments: set[Identity]) -> dict[Identity, int]:
        """What lost records say of payments, or the results that were set aside, in centimes."""
        found = {payment: factory().look(_UNSEEN, *payment) for payment in payments}
        lost = [item.record for item in self._missing.lost.values() if r.approved_step(item.record)[0]]
        found.update({(one[r.DEVICE], one[r.EPOCH], one[r.INTENT]): one[r.AMOUNT] for one in lost})
        return {payment: found[payment] for payment in payments}

    def owed(self, row: dict[str, Any], known: set[Identity]) -> dict[Identity, int]:
        """What of an item is captured and in no book; `known`: what was decided as collected already."""
        captured = self.captured()
        return {
            payment: amount
            for payment, amount in self.lost(row)
            if payment in captured and payment not in known and not self.on_file(payment)
        }

    def scheme(self, payments: Any) -> str:
        """A card scheme for what was collected: as the payment's lost record says it, else one that the ledger has."""
        for item in self._missing.lost.values():
            whose = (item.device, item.record[r.EPOCH], item.record.get(r.INTENT))
            if whose in payments and item.record.get(r.SCHEME):
                return item.record[r.SCHEME]
        found = factory().look(_ANY_SCHEME)
        return "CIB" if found is None else found.removeprefix("receivable:")
