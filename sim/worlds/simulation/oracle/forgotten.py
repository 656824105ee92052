"""What a terminal that has lost any of its records may do: held against all that it ever wrote, lost or not.

A payment that stands is not asked for again, called interrupted or given back by a terminal that forgot it, unless a person was warned (RSK-016)
before. Of docs/journal.md "Known" one thing is excused, and nothing else: a deferred payment whose outcome the terminal lost before it knew that
the centre had it is called interrupted, may be asked for again, and what of it reached the issuer is given back.
"""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import cbor2
from sqlalchemy import text

from protocol import records as r

if TYPE_CHECKING:
    from sim.worlds.simulation.draws.refunds import Refunds
    from sim.worlds.simulation.oracle.missing import Missing, Spell
    from sim.worlds.simulation.verdicts.notebook import Notebook

Life = dict[int, dict[int, Any]]  # all records that a terminal wrote, by number
_STANDS = (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL)
_RETURNED = (  # not what was declined at last, as what the issuer approves in part or too late: that does not stand
    "SELECT o.epoch, o.intent FROM outbox o WHERE o.device = :d AND o.step = 3 AND o.state <> 3 AND NOT EXISTS (SELECT 1 FROM results q"
    " WHERE q.device = o.device AND q.epoch = o.epoch AND q.intent = o.intent AND q.outcome <> 1) ORDER BY o.intent"
)


class Forgotten:
    """Which warnings persons were shown, and whether they came in time."""

    def __init__(self, missing: "Missing", refunds: "Refunds", decided: "Notebook") -> None:
        self._missing, self._refunds, self._decided = missing, refunds, decided
        self._warned: set[tuple[str, int]] = set()  # device, records that it had written when it said RSK-016

    def warn(self, name: str, head: int) -> None:
        """A person reads RSK-016."""
        self._warned.add((name, head))

    def warned(self, name: str, since: int, before: int) -> bool:
        """Whether that was said after record `since` and before record `before` was written."""
        return any(device == name and since <= head < before for device, head in self._warned)

    def life(self, name: str, rows: dict[tuple[str, int], Any]) -> Life:
        """All that a terminal wrote, whether it was lost there, here, or nowhere."""
        lost = [item for item in self._missing.lost.values() if item.device == name]
        found = {item.seq: item.record for item in lost if not self._missing.beside(item, rows)}
        found.update({seq: cbor2.loads(bytes(row.record)) for (owner, seq), row in rows.items() if owner == name})
        return dict(sorted(found.items()))

    def problems(self, connection: Any, rows: dict[tuple[str, int], Any]) -> Iterator[str]:
        """Sentences about payments that were forgotten without a warning; of terminals that lost records and go on in their epoch."""
        for name in sorted(self._missing.devices - self._missing.erased):
            life = self.life(name, rows)
            yield from self._again(name, life)
            yield from self._given_back(connection, name, life)
            for spell in self._missing.spells:
                if spell.device == name and not self._missing.strays(spell, rows):
                    yield from self._untold(spell, life)

    def _again(self, name: str, life: Life) -> Iterator[str]:
        """A payment that stands, neither refused nor voided, is called interrupted, or its case is asked for again."""
        stands: dict[int, dict[int, Any]] = {}  # by case
        for seq, record in life.items():
            kind, case = record[r.KIND], record.get(r.CASE, 0)
            known = stands.get(case)
            if kind == r.PAYMENT_OUTCOME and record[r.OUTCOME] in _STANDS:
                stands[case] = record
            elif known is None:
                continue
            elif kind == r.PAYMENT_OUTCOME and record[r.INTENT] == known[r.INTENT] and not self._deferred(known):
                yield f"{name}: payment {known[r.INTENT]} stands, and record {seq} calls it interrupted"
            elif kind == r.PAYMENT_INTENT and not self._deferred(known) and not self._warned_of(name, known, seq):
                yield f"{name}: record {seq} asks again for case {case}, which payment {known[r.INTENT]} has paid, without a warning"
            elif _ends(record, known):
                del stands[case]

    def _deferred(self, outcome: dict[int, Any]) -> bool:
        """Whether it is the one thing that is excused: the outcome of a deferred payment, lost before the terminal knew that it had arrived."""
        spell = self._missing.spell(outcome[r.DEVICE], outcome[r.SEQ])
        return outcome[r.OUTCOME] == r.OUTCOME_PROVISIONAL and spell is not None and outcome[r.SEQ] > spell.acked

    def _warned_of(self, name: str, outcome: dict[int, Any], before: int) -> bool:
        """Whether a person was warned between the loss of a payment's outcome and record `before`."""
        spell = self._missing.spell(name, outcome[r.SEQ])
        return spell is not None and self.warned(name, spell.head, before)

    def _given_back(self, connection: Any, name: str, life: Life) -> Iterator[str]:
        """A payment that stands is given back though nobody wanted it."""
        outcomes: dict[int, dict[int, Any]] = {}
        for record in life.values():
            if record[r.KIND] == r.PAYMENT_OUTCOME:
                outcomes.setdefault(record[r.INTENT], record)
        voided = {record[r.INTENT] for record in life.values() if record[r.KIND] == r.VOID}
        for row in connection.execute(text(_RETURNED), {"d": name}):
            first = outcomes.get(row.intent)
            wanted = row.intent in voided or self._refunds.names(name, row.intent)
            wanted |= any(
                one.about == (name, row.epoch, row.intent) for one in self._decided.entries if one.stands is False
            )
            if first is not None and first[r.OUTCOME] in _STANDS and not wanted and not self._deferred(first):
                yield f"{name}: payment {row.intent} stands, and is given back though nobody asked for it"

    def _untold(self, spell: "Spell", life: Life) -> Iterator[str]:
        """Payments are among lost records, or may be: who logs in next is warned. What had arrived and is missed only while it is sent again, behind
        a log-in, is told with the one after it (docs/journal.md).
        """
        again = spell.last <= spell.acked and self._missing.never_came(spell.device, spell.last)
        since = _missed(spell, life) if again else spell.head
        logins = [seq for seq, record in life.items() if seq > since and record[r.KIND] == r.LOGIN]
        if logins and self._may_hold_payments(spell, life) and not self.warned(spell.device, spell.head, logins[0]):
            what = f"payments may be lost in records {spell.first} to {spell.last}"
            yield f"{spell.device}: {what}, and who logs in in record {logins[0]} was not warned"

    def _may_hold_payments(self, spell: "Spell", life: Life) -> bool:
        """Approved payments are among lost records that the centre does not have, or a gap record says so of any; or two records or more that it
        never had, an intent and an outcome may be these; or a deferred payment that it never had and whose case is over; or what it had of an open
        case, which the terminal takes for over since.
        """
        lost = [seq for seq in range(spell.first, spell.last + 1) if self._missing.never_came(spell.device, seq)]
        later = [record for seq, record in life.items() if seq > spell.head]
        never = [seq for seq in lost if seq > spell.acked]
        return (
            len(never) > 1
            or any(r.approved_step(life[seq])[0] for seq in lost)
            or any(record[r.KIND] == r.GAP and record.get(r.GAP_COUNT, 1) for record in later)
            or any(_over(life[seq], spell, life) for seq in never)
            or _ended_a_case(spell, life, later)
        )


def _missed(spell: "Spell", life: Life) -> int:
    """The gap record that names a loss, or the terminal's last record before it."""
    gaps = [(seq, record) for seq, record in life.items() if seq > spell.head and record[r.KIND] == r.GAP]
    named = [seq for seq, record in gaps if record[r.FIRST] <= spell.first and spell.last <= record[r.GAP_LAST]]
    return min(named, default=spell.head)


def _ends(record: dict[int, Any], outcome: dict[int, Any]) -> bool:
    """Whether a record says that a payment stands no longer: its void is done, or it was refused."""
    if record.get(r.INTENT) != outcome[r.INTENT]:
        return False
    done = record[r.KIND] == r.VOID and record[r.VOID_STATE] == r.VOID_DONE
    return done or record[r.KIND] == r.AUTHORISATION_RESULT and record[r.OUTCOME] != r.OUTCOME_APPROVED


def _over(outcome: dict[int, Any], spell: "Spell", life: Life) -> bool:
    """Whether it is of a deferred payment, and a record that was not lost says that its case is over: closed as deferred, or the next one begun."""
    if outcome[r.KIND] != r.PAYMENT_OUTCOME or outcome[r.OUTCOME] != r.OUTCOME_PROVISIONAL:
        return False
    behind = [record for seq, record in life.items() if spell.last < seq <= spell.head]
    return any(
        record[r.KIND] == r.NOTICE
        or record[r.KIND] == r.CASE_CLOSED
        and (record.get(r.CASE), record[r.CLOSURE]) == (outcome[r.CASE], r.CLOSURE_PROVISIONAL)
        for record in behind
    )


def _ended_a_case(spell: "Spell", life: Life, later: list[dict[int, Any]]) -> bool:
    """Whether a case was open and unpaid when records were lost that the centre had, and its payment may be among them: the outcome of one that was
    begun, or two records or more; and the terminal missed them, as a gap record says: no segment's head remembers them.
    """
    gaps = [(record[r.FIRST], record[r.GAP_LAST]) for record in later if record[r.KIND] == r.GAP]
    if spell.last > spell.acked or not any(first <= spell.first and spell.last <= last for first, last in gaps):
        return False
    open_ = begun = ended = False
    for seq, record in life.items():
        if seq >= spell.first:
            break
        if record[r.KIND] == r.NOTICE:
            open_, begun, ended = True, False, False
        elif record[r.KIND] in (r.CASE_CLOSED, r.VOID):
            ended = True
        elif record[r.KIND] == r.PAYMENT_INTENT:
            begun = True
        elif record[r.KIND] == r.PAYMENT_OUTCOME:
            begun, ended = False, ended or record[r.OUTCOME] in _STANDS
    return open_ and not ended and (begun or spell.last > spell.first)
