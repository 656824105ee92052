"""Records that were destroyed in a terminal's storage: what of them has arrived, and what follows from it for payments, results and voids.

Only what was destroyed is excused by it: everything else is judged as ever (`sim.worlds.simulation.oracle.judge`). Whether the centre accounts for
what has not arrived is judged in `sim.worlds.simulation.oracle.accounted`.
"""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cbor2
from sqlalchemy import text

from protocol import records as r
from server import codes
from sim.worlds.simulation.draws.losses import Lost
from sim.worlds.simulation.factory import factory
from sim.worlds.simulation.verdicts.notebook import Notebook

Rows = dict[tuple[str, int], Any]
_SUSPENSE = "SELECT COALESCE(SUM(amount), 0) FROM legs WHERE device = :d AND account = :a"
FINALS = (
    "SELECT p.intent, p.amount FROM payments p JOIN results q ON p.device = q.device AND p.epoch = q.epoch"
    " AND p.intent = q.intent WHERE p.device = :d AND q.outcome = 1 AND p.held = 0"
)
_UNEXPLAINED = FINALS + " AND q.gap IS NULL"
_VOIDED = "SELECT v.amount FROM voids v WHERE v.device = :d AND v.epoch < :e AND v.state = 2"
_ARRIVED = "SELECT COUNT(*) FROM raw WHERE device = ? AND seq = ?"
_FORGOTTEN = "SELECT epoch, intent, state FROM voids WHERE device = :d AND seq = :s AND result_seq IS NULL AND state <> 1 AND reason NOT LIKE 'SRV%'"
_UNTOLD = (
    "SELECT v.epoch, v.intent, v.state FROM voids v JOIN heads h ON h.device = v.device WHERE v.device = :d AND v.epoch < h.epoch"
    " AND v.result_seq IS NULL AND v.state <> 1 AND v.reason NOT LIKE 'SRV%'"
)


@dataclass(frozen=True)
class Spell:
    """One loss: records `first` to `last` of a terminal that had written up to `head`, and had heard at some time that the centre has those up to
    `acked`.
    """

    device: str
    first: int
    last: int
    head: int
    acked: int


class Missing:
    """What was destroyed, by device and bytes, and when."""

    def __init__(self, copied: set[str]) -> None:
        self.copied = copied  # devices of which there is a second one
        self.lost: dict[tuple[str, bytes], Lost] = {}
        self.spells: list[Spell] = []
        self.erased: set[str] = set()  # devices whose storage was lost as a whole

    def lose(self, records: list[Lost], head: int, acked: int) -> None:
        """These records are destroyed."""
        for item in records:
            self.lost[item.device, item.data] = item
        if records:
            self.spells.append(Spell(records[0].device, records[0].seq, records[-1].seq, head, acked))

    @property
    def devices(self) -> set[str]:
        """Devices that have lost something."""
        return {name for name, _ in self.lost} | self.erased

    def spell(self, name: str, seq: int) -> Spell | None:
        """The loss that destroyed a record, if any did."""
        return next((one for one in self.spells if one.device == name and one.first <= seq <= one.last), None)

    def forgets(self, name: str, since: int, before: int) -> Spell | None:
        """The loss of records from `since` on that a terminal had behind it when it wrote record `before`, if there was one."""
        mine = [one for one in self.spells if one.device == name and name not in self.erased]
        return next((one for one in mine if one.last >= since and one.head < before), None)

    def never_came(self, name: str, seq: int) -> bool:
        """Whether record `seq` of a device was destroyed and the centre does not have it."""
        destroyed = any(item.device == name and item.seq == seq for item in self.lost.values())
        return destroyed and not factory().look(_ARRIVED, name, seq)

    def gone(self, name: str, data: bytes, row: Any) -> bool:
        """Whether a record was destroyed before it arrived; `row` is what the server has in its place."""
        return (name, data) in self.lost and (row is None or bytes(row.record) != data)

    def excuses(self, name: str, intent: int, outcomes: int, rows: Rows) -> bool:
        """Whether a payment may have so many outcomes at the server because records are lost."""
        row = rows.get((name, intent))
        if outcomes == 0 and name in self.erased and row is not None:
            return row.seq <= self._last_of_the_old(name, rows)
        if outcomes == 0 and self._must_end(name, intent):
            return False
        for item in self.of(name, r.PAYMENT_OUTCOME):
            if item.record[r.INTENT] == intent and outcomes == 0:
                return self.gone(name, item.data, rows.get((name, item.seq)))
            if item.record[r.INTENT] == intent:
                return outcomes == 2 and self._unheard(item)
        return False

    def _must_end(self, name: str, intent: int) -> bool:
        """Whether a terminal must say of a payment that it was interrupted: the outcome, deferred, is lost before the terminal knew that it had
        arrived, the intent is not, and less was approved among what is lost than the payment's amount.
        """
        for item in self.of(name, r.PAYMENT_OUTCOME) if self.spell(name, intent) is None else ():
            if item.record[r.INTENT] == intent and self._unheard(item):
                return self._approved_beside(item) < item.record[r.AMOUNT]
        return False

    def _approved_beside(self, item: Lost) -> int:
        """Centimes that were approved in the records that were lost together with `item`."""
        spell = self.spell(item.device, item.seq)
        beside = [other for other in self.lost.values() if self.spell(other.device, other.seq) == spell]
        return sum(r.approved_step(other.record)[1] for other in beside)

    def _unheard(self, item: Lost) -> bool:
        """Whether it is the outcome of a deferred payment that was lost before the terminal knew that it had arrived: it calls that interrupted, and
        the centre sets it aside (SRV-023).
        """
        spell = self.spell(item.device, item.seq)
        return item.record[r.OUTCOME] == r.OUTCOME_PROVISIONAL and spell is not None and item.seq > spell.acked

    def said_again(self, name: str) -> bool:
        """Whether a terminal may say of a payment that the centre has that it was interrupted."""
        return any(self._unheard(item) for item in self.of(name, r.PAYMENT_OUTCOME))

    def in_a_gap(self, name: str, _epoch: int, intent: int) -> bool:
        """Whether the outcome of a payment was destroyed before it arrived, in a terminal that goes on in its epoch."""
        outcomes = [item.seq for item in self.of(name, r.PAYMENT_OUTCOME) if item.record[r.INTENT] == intent]
        return name not in self.erased and any(self.never_came(name, seq) for seq in outcomes)

    def set_aside(self, name: str, rows: Rows, code: str = codes.RESULT_UNEXPECTED) -> int:
        """Centimes of approved results that the centre keeps and does not post as income, since the payment's outcome is lost here and with a
        restored database. The first of each payment is in suspense (OUTCOME_LOST), one that was written again only kept.
        """
        aside = [
            cbor2.loads(bytes(row.record)) for (owner, _), row in rows.items() if owner == name and row.rejected == code
        ]
        mine = [record for record in aside if self.in_a_gap(name, record[r.EPOCH], record[r.INTENT])]
        return sum(r.approved_step(record)[1] for record in mine)

    def of(self, name: str, kind: int) -> list[Lost]:
        return [item for item in self.lost.values() if item.device == name and item.record[r.KIND] == kind]

    def forgotten(self, rows: Rows) -> dict[str, int]:
        """Of each device whose storage is lost for good, the last record before its new epoch."""
        return {name: self._last_of_the_old(name, rows) for name in self.erased}

    @staticmethod
    def _last_of_the_old(name: str, rows: Rows) -> int:
        """The last record before a device's new epoch."""
        begun = [seq for (owner, seq), row in rows.items() if owner == name and row.kind == r.NEW_EPOCH]
        return min(begun) - 1 if begun else 0

    def beside(self, item: Lost, rows: Rows) -> bool:
        """Whether a lost record of a terminal that was copied is of another branch than the one on file: there another one has its place, or the
        place of one before it that was lost too, or precedes these.
        """
        if item.device not in self.copied:
            return False
        lost = {hashlib.sha256(one.data).digest(): one for one in self.lost.values() if one.device == item.device}
        first = item
        while (item.device, first.seq) not in rows and first.record[r.PREV] in lost:
            first = lost[first.record[r.PREV]]
        row, before = rows.get((item.device, first.seq)), rows.get((item.device, first.seq - 1))
        if row is not None or first.seq == 1:
            return row is not None and bytes(row.record) != first.data
        return before is None or hashlib.sha256(bytes(before.record)).digest() != first.record[r.PREV]

    def strays(self, spell: Spell, rows: Rows) -> bool:
        """Whether what was lost at that time is of another branch than the one on file."""
        mine = [
            one for one in self.lost.values() if one.device == spell.device and spell.first <= one.seq <= spell.last
        ]
        return any(self.beside(item, rows) for item in mine)

    def in_suspense(self, connection: Any, name: str) -> int:
        """Centimes that wait in suspense for a device's lost records."""
        return connection.execute(text(_SUSPENSE), {"d": name, "a": f"missing:{name}"}).scalar_one()

    def otherwise_written(self, connection: Any, name: str, rows: Rows) -> int:
        """Centimes of final approvals that the terminal can write down no more, less those that it wrote down, and counted, more than once: it
        has lost the payment, or the record. Those of which one record lies in a gap are in suspense.
        """
        if name not in self.devices:
            return 0
        written = self.written(name, rows)
        finals = connection.execute(text(FINALS), {"d": name})
        more_or_less = sum(row.amount * (1 - len(written.get(row.intent, ()))) for row in finals)
        return more_or_less + self.written_again(name, rows)

    def written_again(self, name: str, rows: Rows) -> int:
        """Centimes of approved results that lie in a gap and that the terminal, told again, has written down once more: nobody at the centre
        can know that it is not another payment.
        """
        if name in self.erased:
            return 0
        came = self._came(name, rows)
        lost = [item for item in self.of(name, r.AUTHORISATION_RESULT) if self.never_came(name, item.seq)]
        return sum(r.approved_step(item.record)[1] for item in lost if item.record[r.INTENT] in came)

    @staticmethod
    def _came(name: str, rows: Rows) -> set[int]:
        """The payments of which the centre has a result as a record."""
        mine = [row for (owner, _), row in rows.items() if owner == name and row.kind == r.AUTHORISATION_RESULT]
        return {cbor2.loads(bytes(row.record))[r.INTENT] for row in mine}

    def decided_by_word(self, connection: Any, name: str, rows: Rows, decided: Notebook) -> int:
        """Centimes of what was decided that are lost results: their payments are booked by the acquirer's word, which explains nothing of a gap
        of which nothing is left.
        """
        if not sum(decided.decided(name)):
            return 0
        lost = [item for item in self.of(name, r.AUTHORISATION_RESULT) if self.never_came(name, item.seq)]
        intents = {item.record[r.INTENT] for item in lost}
        alone = connection.execute(text(_UNEXPLAINED), {"d": name})
        return sum(row.amount for row in alone if row.intent in intents - self._came(name, rows))

    def untaken(self, connection: Any, name: str, rows: Rows, decided: Notebook) -> int:
        """Centimes that a terminal counts and that two officers have decided are nothing; not those that are booked by the acquirer's word."""
        return decided.decided(name)[1] - self.decided_by_word(connection, name, rows, decided)

    def written(self, name: str, rows: Rows) -> dict[int, set[bytes]]:
        """The results of each payment that a device has written down, those that it has lost since included."""
        written: dict[int, set[bytes]] = {}
        for (owner, _), row in rows.items():
            if owner == name and row.kind == r.AUTHORISATION_RESULT:
                written.setdefault(cbor2.loads(bytes(row.record))[r.INTENT], set()).add(bytes(row.record))
        for item in self.of(name, r.AUTHORISATION_RESULT) if name not in self.erased else ():
            if not self.beside(item, rows):
                written.setdefault(item.record[r.INTENT], set()).add(item.data)
        return written

    def results(self, name: str, intent: int) -> list[int]:
        """What the destroyed results of a payment said."""
        lost = [item.record for item in self.of(name, r.AUTHORISATION_RESULT)]
        return [record[r.OUTCOME] for record in lost if record[r.INTENT] == intent]

    def voided(self, connection: Any, name: str, told: dict[int, int]) -> int:
        """Centimes given back of which a terminal's records do not tell, though the books do: in an epoch that is over; where the end of a void was
        lost, or its beginning, which had arrived. `told` are those that it has, by intent.
        """
        if name not in self.erased:
            ends = {i: state for (device, _, i), state in self.untold(connection) if device == name}
            lost = [item.record for item in self.of(name, r.VOID)]
            ends.update({one[r.INTENT]: one[r.VOID_STATE] for one in lost if one[r.VOID_STATE] != r.VOID_ASKED})
            amounts = {one[r.INTENT]: one[r.AMOUNT] for one in lost}
            return sum(amounts[i] for i, state in ends.items() if state == r.VOID_DONE and i not in told)
        epoch = connection.execute(text("SELECT epoch FROM heads WHERE device = :d"), {"d": name}).scalar_one()
        return sum(row.amount for row in connection.execute(text(_VOIDED), {"d": name, "e": epoch}))

    def named(self, name: str) -> bool:
        """Whether a shift may lack records that the centre names: they are lost."""
        return name in self.devices - self.erased

    def untold(self, connection: Any) -> Iterator[tuple[tuple[str, int, int], int]]:
        """((device, epoch, intent), end) of voids whose end the terminal writes down no more, since it has lost the question: with an epoch that is
        over, or with the record that asked, which had arrived.
        """
        for name in sorted(self.erased):
            for row in connection.execute(text(_UNTOLD), {"d": name}):
                yield (name, row.epoch, row.intent), row.state
        for item in self.lost.values():
            asked = item.record[r.KIND] == r.VOID and item.record[r.VOID_STATE] == r.VOID_ASKED
            if asked and item.device not in self.erased:
                for row in connection.execute(text(_FORGOTTEN), {"d": item.device, "s": item.seq}):
                    yield (item.device, row.epoch, row.intent), row.state

    def void_ends(self) -> Iterator[tuple[tuple[str, int, int], int]]:
        """((device, epoch, intent), end) of voids whose end was destroyed before it arrived: what followed on it may say that the void is over."""
        for item in self.lost.values():
            ended = item.record[r.KIND] == r.VOID and item.record[r.VOID_STATE] != r.VOID_ASKED
            if ended and item.device not in self.erased and self.never_came(item.device, item.seq):
                yield (item.device, item.record[r.EPOCH], item.record[r.INTENT]), item.record[r.VOID_STATE]

    def destroyed(self, name: str, data: bytes) -> bool:
        """Whether a terminal has lost a record, be it that it had arrived: what the centre said there it says again."""
        return (name, data) in self.lost
