"""Whether the centre accounts for what was destroyed in a terminal's storage and has not arrived.

A lost record that has not arrived must lie in a gap whose money is in suspense, to the centime; after the loss of a whole storage
there must be one new epoch, proposed and approved by two officers; and whatever nobody can know any more, an alarm names. What was destroyed, and
what of it has arrived, `sim.worlds.simulation.oracle.missing` knows.
"""

import re
from collections.abc import Iterator
from typing import Any

import cbor2
from sqlalchemy import text

from protocol import records as r
from server import codes
from sim.worlds.simulation.oracle.missing import FINALS, Missing, Rows
from sim.worlds.simulation.schedule import START_UTC
from sim.worlds.simulation.verdicts.notebook import Notebook

_GAPS = "SELECT device, first, last, count, amount, declared_seq FROM gaps"
_GAPS_SINCE = "SELECT first, last FROM gaps WHERE device = :d AND at >= :since"
_ALARMED = "SELECT device FROM audit WHERE code = 'GAP'"
_NAMED = "SELECT what FROM audit WHERE code IN ('GAP', :c) AND device = :d"
_SAID = "SELECT what FROM audit WHERE code = 'GAP' AND device = :d"
_BEGUN = "SELECT proposed_by, approved_by FROM epochs WHERE device = :d AND state = 2"
_UNCOLLECTED = (
    "SELECT c.device, c.case_no FROM cases c WHERE c.closure = :c AND NOT EXISTS (SELECT 1 FROM payments p"
    " WHERE p.device = c.device AND p.epoch = c.epoch AND p.case_no = c.case_no AND p.outcome = :o) ORDER BY c.device, c.case_no"
)


class Accounting:
    """The centre's database and its records (`rows`), held against what is missing; what is `decided` is in suspense no longer.

    Of a terminal that was copied only what is missing from the branch that is on file counts: the other one's word is not taken any more.
    """

    def __init__(self, missing: Missing, connection: Any, rows: Rows, decided: Notebook) -> None:
        self._missing, self._connection, self._rows, self._decided = missing, connection, rows, decided

    def problems(self) -> Iterator[str]:
        """Sentences about destroyed records, or money of theirs, that nobody is told of."""
        missing = self._missing
        gaps = list(self._connection.execute(text(_GAPS)))
        for gap in gaps:
            yield from self._gap(gap)
        yield from self._outside(gaps)
        with_gaps = {gap.device for gap in gaps}
        for name in sorted(with_gaps - missing.erased):
            yield from self._suspense(name)
        alarmed = {row.device for row in self._connection.execute(text(_ALARMED))}
        for name in sorted(with_gaps - alarmed):
            yield f"{name} has lost records and nobody was told"
        yield from self._uncollected()
        for name in sorted(missing.devices):
            yield from self._doubled(name)
            yield from self._silent(name)
        for name in sorted(missing.erased):
            yield from self._epoch(name)

    def _gap(self, gap: Any) -> Iterator[str]:
        """A gap holds what was destroyed and nothing else; its count and money are those of the lost records, or, where a copied terminal goes on
        behind the other one's branch, what their counters say: nobody else can know what lay between.
        """
        rows = self._rows
        inside = {item.seq: item for item in self._missing.lost.values() if item.device == gap.device}
        span = range(gap.first, gap.last + 1)
        if any(seq not in inside or (gap.device, seq) in rows for seq in span):
            yield f"{gap.device}: records {gap.first} to {gap.last} count as lost, but were not all destroyed"
            return
        steps = [r.approved_step(inside[seq].record) for seq in span]
        right = (sum(step[0] for step in steps), sum(step[1] for step in steps))
        if any(self._missing.beside(inside[seq], rows) for seq in span):
            before, after = (cbor2.loads(bytes(rows[gap.device, seq].record)) for seq in (gap.first - 1, gap.last + 1))
            own = r.approved_step(after)
            right = (
                after[r.CUM_COUNT] - own[0] - before[r.CUM_COUNT],
                after[r.CUM_TOTAL] - own[1] - before[r.CUM_TOTAL],
            )
        if right != (gap.count, gap.amount):
            yield f"{gap.device}: the gap from {gap.first} to {gap.last} holds {gap.amount} centimes in suspense"
        if gap.declared_seq is None:
            yield f"{gap.device}: no gap record says that {gap.first} to {gap.last} are lost"

    def _outside(self, gaps: list[Any]) -> Iterator[str]:
        """What was destroyed and has not arrived lies in a gap."""
        missing, rows = self._missing, self._rows
        for item in missing.lost.values():
            if item.device in missing.erased or not missing.gone(
                item.device, item.data, rows.get((item.device, item.seq))
            ):
                continue
            if missing.beside(item, rows):
                continue
            if not any(gap.device == item.device and gap.first <= item.seq <= gap.last for gap in gaps):
                yield f"record {item.seq} of {item.device} is lost, and no gap says so"

    def _suspense(self, name: str) -> Iterator[str]:
        """The money of the gaps is in suspense, as far as nobody has decided about it."""
        missing, rows, decided = self._missing, self._rows, self._decided
        lost = [item for item in missing.of(name, r.PAYMENT_OUTCOME) if not missing.beside(item, rows)]
        must = sum(r.approved_step(item.record)[1] for item in lost if missing.never_came(name, item.seq))
        must += missing.written_again(name, rows) + missing.set_aside(name, rows, codes.OUTCOME_LOST)
        held = missing.in_suspense(self._connection, name) + sum(decided.decided(name))
        held -= missing.decided_by_word(self._connection, name, rows, decided)
        if held != must:
            yield f"{name}: {held} centimes in suspense, {must} are lost, or are results that came all the same: others are the acquirer's word"

    def _uncollected(self) -> Iterator[str]:
        """A case is closed as deferred, and no payment says that anybody will be asked for the money: an alarm names the case. Of a copied terminal
        it may name the outcome instead: the other one had put another amount to an issuer under that identity, so it is kept and not posted.
        """
        closed = {"c": r.CLOSURE_PROVISIONAL, "o": r.OUTCOME_PROVISIONAL}
        for case in self._connection.execute(text(_UNCOLLECTED), closed):
            alarms = self._alarms(_NAMED, case.device, c=codes.AMOUNT_DIFFERS)
            aside = [f"|record {seq} is kept but not posted" for seq in self._set_aside(case)]
            named = re.compile(rf"case {case.case_no}\b.*not collected" + "".join(aside))
            if not any(named.search(words) for words in alarms):
                yield f"case {case.case_no} of {case.device} is closed as deferred without such a payment, and nobody was told"

    def _set_aside(self, case: Any) -> Iterator[int]:
        """The deferred outcomes of a copied terminal's case whose amount is not the one that an issuer was asked for."""
        for (name, seq), row in self._rows.items() if case.device in self._missing.copied else ():
            if name == case.device and row.rejected == codes.AMOUNT_DIFFERS:
                record = cbor2.loads(bytes(row.record))
                if (record[r.CASE], record.get(r.OUTCOME)) == (case.case_no, r.OUTCOME_PROVISIONAL):
                    yield seq

    def _doubled(self, name: str) -> Iterator[str]:
        """A result that a terminal wrote down twice, since it lost the first, counts twice in its totals: an alarm names the payment. Where a
        restored database learns of the loss when it has forgotten the result, the alarm about the gap names the amount.
        """
        said, written = self._alarms(_SAID, name), self._missing.written(name, self._rows)
        approved = [row.intent for row in self._connection.execute(text(FINALS), {"d": name})]
        for intent in sorted(approved):
            named = re.compile(rf"the result of payment {intent} ha(s come|d arrived)")
            if len(written.get(intent, ())) > 1 and not any(named.search(words) for words in said):
                if not self._lost_before(name, intent):
                    yield f"{name} wrote the result of payment {intent} down twice and nobody was told"

    def _lost_before(self, name: str, intent: int) -> bool:
        """Whether the loss of a payment's result became known to a database that was restored, be it that it was restored once more since."""
        since = min((START_UTC + restore // 1000 for _, restore in self._decided.restores), default=None)
        spans = self._connection.execute(text(_GAPS_SINCE), {"d": name, "since": since}).all()
        results = self._missing.of(name, r.AUTHORISATION_RESULT)
        lost = [item.seq for item in results if item.record[r.INTENT] == intent]
        return any(span.first <= seq <= span.last for span in spans for seq in lost)

    def _silent(self, name: str) -> Iterator[str]:
        """A void that its terminal has forgotten and tells nobody the end of: an alarm names the payment."""
        if name in self._missing.erased:
            return
        said = self._alarms(_SAID, name)
        for (owner, _, intent), _ in self._missing.untold(self._connection):
            if owner == name and not any(f"the void of payment {intent} had" in words for words in said):
                yield f"{name} has forgotten the void of payment {intent}, and nobody was told"

    def _epoch(self, name: str) -> Iterator[str]:
        """A new epoch, once, by two officers, and the terminal works on in it."""
        begun = self._connection.execute(text(_BEGUN), {"d": name}).all()
        if len(begun) != 1:
            yield f"{name} lost its storage and has begun {len(begun)} new epochs"
        elif begun[0].proposed_by == begun[0].approved_by:
            yield f"one officer alone gave {name} a new epoch"
        elif not any(owner == name and row.kind == r.NEW_EPOCH for (owner, _), row in self._rows.items()):
            yield f"{name} has a new epoch and has sent nothing of it"

    def _alarms(self, which: str, name: str, **more: str) -> list[str]:
        """What alarms about a device say."""
        return list(self._connection.execute(text(which), {"d": name, **more}).scalars())
