"""The ledger computed anew, from the raw records and the acquirer's answers alone.

Shares no code with the posting of batches: it reads the records as they were signed, pairs outcomes with intents
itself, and adds up. `differences` compares with what was posted; an empty list is the only good answer. Rejected
records and forked payments count for nothing. What no record says of a place is taken as it was kept at the time, since a
device may serve another unit later: a payment's wilaya and force, the place of what is in suspense.

What is in suspense for lost records is held against the acquirer's word too: a payment that is posted by it and whose
result the terminal may have written into them must not be in both, unless the result has come as a record after them:
then a person decides.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, func, select

from protocol import cbor
from protocol import records as r
from server import codes
from server.ledger.forked import Forks
from server.store import tables as t
from server.wire import envelope

Identity = tuple[str, int, int]
_Item = tuple[str, int, int, int]  # device, epoch, sequence, the part that has put it into suspense
_RAW, _PAID, _LEGS = t.raw.c, t.payments.c, t.legs.c
_OF_ALL = (
    select(_RAW.record)
    .where(_RAW.kind == bindparam("b_kind"), _RAW.rejected.is_(None))
    .order_by(_RAW.device, _RAW.epoch, _RAW.seq)
)
_OF_ONE = _OF_ALL.where(_RAW.device == bindparam("b_device"))
_OF_THE_UNSEEN = select(_RAW.record).where(_RAW.kind == r.AUTHORISATION_RESULT, _RAW.rejected == codes.OUTCOME_LOST)
_PLACES = select(_PAID.device, _PAID.epoch, _PAID.intent, _PAID.wilaya, _PAID.force)
_GAPS, _FINALS = select(t.gaps), select(t.results)
_DECIDED = select(t.decisions.c.approval).where(t.decisions.c.state == t.DECISION_APPROVED)
_DECIDED_OF_GAP = _DECIDED.where(
    t.decisions.c.device == bindparam("b_device"),
    t.decisions.c.epoch == bindparam("b_epoch"),
    t.decisions.c.seq == bindparam("b_first"),
    t.decisions.c.kind == t.ITEM_GAP,
)
_REVERSED = select(t.outbox).where(t.outbox.c.step == t.STEP_REVERSE, t.outbox.c.state == t.STATE_DONE)
_SUMS = select(_LEGS.account, func.sum(_LEGS.amount).label("sum")).group_by(_LEGS.account)
_HELD_AT = select(_LEGS.device, _LEGS.epoch, _LEGS.intent, _LEGS.part, _LEGS.account).where(
    _LEGS.part.in_((t.PART_GAP, t.PART_UNSEEN)), _LEGS.account.startswith("suspense:")
)
_TOTALS = (
    select(_PAID.outcome, func.count().label("n"), func.sum(_PAID.amount).label("sum"))
    .where(_PAID.outcome.is_not(None))
    .group_by(_PAID.outcome)
)
_POSTING = (_LEGS.device, _LEGS.epoch, _LEGS.intent, _LEGS.part)
_UNEVEN = select(*_POSTING).group_by(*_POSTING).having(func.sum(_LEGS.amount) != 0)
"""Statements made once: making one costs more than running it."""


@dataclass
class Books:
    """Balances by account (centimes, debit positive) and totals by outcome {outcome: [count, centimes]}."""

    balances: dict[str, int] = field(default_factory=dict)
    totals: dict[int, list[int]] = field(default_factory=dict)

    def enter(self, account: str, amount: int) -> None:
        """Add to an account; accounts that come back to zero disappear."""
        value = self.balances.get(account, 0) + amount
        if value:
            self.balances[account] = value
        else:
            self.balances.pop(account, None)

    def count(self, outcome: int, amount: int) -> None:
        """Add to the totals of an outcome."""
        entry = self.totals.setdefault(outcome, [0, 0])
        entry[0] += 1
        entry[1] += amount


def _records(connection: Connection, kind: int, device: str | None = None) -> Iterator[dict[int, Any]]:
    of = (_OF_ALL, {"b_kind": kind}) if device is None else (_OF_ONE, {"b_kind": kind, "b_device": device})
    for row in connection.execute(*of):
        yield cbor.decode(bytes(row.record))


def _identities(connection: Connection, chosen: Any) -> dict[Identity, Any]:
    return {(row.device, row.epoch, row.intent): row for row in connection.execute(chosen)}


def _paid(outcome: int, final: Any) -> bool:
    """Whether the money is there: approved by the card, or by the issuer later."""
    return outcome == r.OUTCOME_APPROVED or (final is not None and final.outcome == r.OUTCOME_APPROVED)


def recompute(connection: Connection) -> Books:
    """The books as they must be."""
    return _recompute(connection, _Deferred(connection))


def _recompute(connection: Connection, deferred: "_Deferred") -> Books:
    books = Books()
    places = _identities(connection, _PLACES)
    intents = {(rec[r.DEVICE], rec[r.SEQ]): rec for rec in _records(connection, r.PAYMENT_INTENT)}
    forks = deferred.forks
    finals = _identities(connection, _FINALS)
    reversed_ = _identities(connection, _REVERSED)
    for rec in _records(connection, r.PAYMENT_OUTCOME):
        intent = intents.get((rec[r.DEVICE], rec[r.INTENT]), rec)  # lost: the outcome says as much
        identity = (rec[r.DEVICE], intent[r.EPOCH], rec[r.INTENT])
        amount, outcome = rec[r.AMOUNT], rec[r.OUTCOME]
        books.count(outcome, amount)
        if forks.hold(rec, intent[r.EPOCH]) or outcome not in (1, 2):
            continue
        final = finals.get(identity)
        place = places.get(identity)  # none: the payment is posted nowhere, which shows
        wilaya, force = (0, 0) if place is None else (place.wilaya, place.force)
        owner = f"{intent.get(r.WILAYA, wilaya)}:{intent.get(r.FORCE, force)}:{intent[r.UNIT]}"
        scheme = rec.get(r.SCHEME) or "?"
        if outcome == r.OUTCOME_PROVISIONAL and final is None:
            books.enter(f"provisional:{scheme}", amount)
            books.enter(f"awaited:{owner}", -amount)
        elif _paid(outcome, final) and identity not in reversed_:
            books.enter(f"receivable:{scheme}", amount)
            books.enter(f"treasury:{owner}", -amount)
    decided = list(_decided(connection))
    owners = {(row.device, row.epoch, row.intent, row.part): row.account for row in connection.execute(_HELD_AT)}
    for item, amount in [
        *_unseen(connection),
        *_lost(connection, deferred),
        *((one.item, -one.amount) for one in decided),
    ]:
        books.enter(f"missing:{item[0]}", amount)
        books.enter(owners.get(item, "suspense"), -amount)
    for one in decided:
        books.enter(f"receivable:{one.scheme}", one.collected)
        books.enter(owners.get(one.item, "suspense").replace("suspense", "treasury", 1), -one.collected)
    return books


class _Decision(NamedTuple):
    """What two officers have signed about an item in suspense; less than nothing if they took it back."""

    device: str
    epoch: int
    kind: int
    seq: int
    collected: int
    scheme: str
    amount: int
    payments: int

    @property
    def item(self) -> "_Item":
        """What it is about."""
        return self.device, self.epoch, self.seq, t.PART_GAP if self.kind == t.ITEM_GAP else t.PART_UNSEEN


def _decided(connection: Connection, gap: Any = None) -> Iterator[_Decision]:
    """All that was approved, as the second officer signed it; of one gap if given."""
    if gap is None:
        found = connection.execute(_DECIDED)
    else:
        found = connection.execute(
            _DECIDED_OF_GAP, {"b_device": gap.device, "b_epoch": gap.epoch, "b_first": gap.first}
        )
    for signed in found.scalars():
        device, epoch, kind, seq, _, collected, scheme, untaken, payments, undoes, *_ = (
            cbor.decode(envelope.parse(bytes(signed)).payload)[key] for key in range(1, 13)
        )
        sign = -1 if undoes else 1
        amount = sign * (collected + untaken)
        yield _Decision(device, epoch, kind, seq, sign * collected, scheme, amount, sign * payments)


def _lost(connection: Connection, deferred: "_Deferred") -> Iterator[tuple[_Item, int]]:
    """(item, centimes in suspense) of each range of lost records."""
    for gap, amount in _missing(connection):
        item = (gap.device, gap.epoch, gap.first, t.PART_GAP)
        yield item, amount - sum(known.amount for known in deferred.approvals(gap) if known.gap == gap.first)


def _unseen(connection: Connection) -> Iterator[tuple[_Item, int]]:
    """(item, centimes) of approved results whose payments have no outcome, which is lost: each payment once."""
    for data in connection.execute(_OF_THE_UNSEEN).scalars():
        record = cbor.decode(bytes(data))
        yield (record[r.DEVICE], record[r.EPOCH], record[r.INTENT], t.PART_UNSEEN), record[r.AMOUNT]


class _Approval(NamedTuple):
    """A deferred payment that the acquirer has approved and whose result is in no record that is not lost."""

    intent: int
    amount: int
    head: int | None
    gap: int | None


class _Deferred:
    """The deferred payments of devices that have gaps, and the results that have come of them; each device's records are read once."""

    def __init__(self, connection: Connection) -> None:
        self.forks = Forks(connection)
        self._connection = connection
        self._of: dict[str, tuple[list[dict[int, Any]], dict[int, int], dict[Identity, Any]]] = {}

    def _read(self, device: str) -> tuple[list[dict[int, Any]], dict[int, int], dict[Identity, Any]]:
        """(outcomes, {intent: sequence of its last result}, what the acquirer said) of a device."""
        if device not in self._of:
            outcomes = _records(self._connection, r.PAYMENT_OUTCOME, device)
            results = _records(self._connection, r.AUTHORISATION_RESULT, device)
            self._of[device] = (
                [rec for rec in outcomes if rec[r.OUTCOME] == r.OUTCOME_PROVISIONAL],
                {rec[r.INTENT]: rec[r.SEQ] for rec in results},
                _identities(self._connection, _FINALS.where(t.results.c.device == device)),
            )
        return self._of[device]

    def approvals(self, gap: Any) -> Iterator[_Approval]:
        """Those whose result the terminal may have written into a gap; and those of which that was said and that have not come after it."""
        outcomes, written, finals = self._read(gap.device)
        for rec in outcomes:
            final = finals.get((rec[r.DEVICE], gap.epoch, rec[r.INTENT]))
            if (
                final is None
                or rec[r.SEQ] >= gap.last
                or final.outcome != r.OUTCOME_APPROVED
                or self.forks.hold(rec, gap.epoch)
            ):
                continue
            came = written.get(rec[r.INTENT], 0)
            if came < gap.last if final.gap == gap.first else final.gap is not None or not came:
                yield _Approval(rec[r.INTENT], rec[r.AMOUNT], final.head, final.gap)


def _in_both(connection: Connection, deferred: _Deferred) -> Iterator[str]:
    """Payments that the acquirer's word has posted and that a gap may hold in suspense as well."""
    for gap in connection.execute(_GAPS).all():
        found = list(deferred.approvals(gap))
        known = [one for one in found if one.gap == gap.first]
        decided = list(_decided(connection, gap))
        many = gap._mapping["count"] - len(known) - sum(one.payments for one in decided)
        amount = gap.amount - sum(one.amount for one in [*known, *decided])
        if many < 0 or amount < 0 or (many == 0) != (amount == 0):
            yield f"gap from {gap.first} of {gap.device}: {amount} centimes of {many} payments are left in suspense"
        for one in found:
            told = one.head is not None and one.head < gap.last
            alone = (many == 1) == (amount == one.amount)
            if one.gap is None and told and many > 0 and one.amount <= amount and alone:
                yield f"payment {one.intent} of {gap.device} is posted, and may be in suspense with the gap from {gap.first}"


def _missing(connection: Connection) -> Iterator[tuple[Any, int]]:
    """(gap, centimes) of each range of lost records: the running totals before the record after it, less those of the
    record before it.
    """
    c, e = t.raw.c, t.epochs.c
    for gap in connection.execute(_GAPS).all():
        after = (c.device == gap.device, c.epoch >= gap.epoch, c.seq == gap.last + 1)
        following = connection.execute(select(c.record).where(*after).order_by(c.epoch).limit(1)).scalar()
        if following is None:  # a new epoch began after the gap, and its first record has not arrived, or is lost too
            most = _begun(connection, gap.device, e.seq == gap.last, e.epoch > gap.epoch)
        else:
            record = cbor.decode(bytes(following))
            most = record[r.CUM_TOTAL] - r.approved_step(record)[1]
        yield gap, (most or 0) - _before(connection, gap)


def _begun(connection: Connection, device: str, *which: Any) -> int | None:
    """The running total with which the first of those epochs of a device began, if one did."""
    e = t.epochs.c
    mine = (e.device == device, e.state == t.EPOCH_BEGUN, *which)
    return connection.execute(select(e.cum_total).where(*mine).order_by(e.epoch).limit(1)).scalar()


def _before(connection: Connection, gap: Any) -> int:
    """The running total before a gap: of the last record before it; of the epoch that began there, if what the one before ended with is lost."""
    c, e = t.raw.c, t.epochs.c
    before = (c.device == gap.device, c.epoch <= gap.epoch, c.seq < gap.first)
    last = select(c.seq, c.record).where(*before).order_by(c.seq.desc(), c.epoch.desc()).limit(1)
    preceding = connection.execute(last).first()
    if preceding is None or preceding.seq < gap.first - 1:
        begun = _begun(connection, gap.device, e.seq == gap.first - 1, e.epoch <= gap.epoch)
        if begun is not None:
            return begun
    return 0 if preceding is None else cbor.decode(bytes(preceding.record))[r.CUM_TOTAL]


def posted(connection: Connection) -> Books:
    """The books as they are."""
    books = Books()
    for row in connection.execute(_SUMS):
        books.enter(row.account, int(row.sum))
    for row in connection.execute(_TOTALS):
        books.totals[row.outcome] = [row.n, int(row.sum)]
    return books


def differences(connection: Connection) -> list[str]:
    """What does not agree between posted and recomputed books, in words; empty when all does, every posting
    balances and all is zero in sum.
    """
    deferred = _Deferred(connection)
    is_, must = posted(connection), _recompute(connection, deferred)
    found = [
        f"account {account}: posted {is_.balances.get(account, 0)}, recomputed {must.balances.get(account, 0)}"
        for account in sorted(set(is_.balances) | set(must.balances))
        if is_.balances.get(account, 0) != must.balances.get(account, 0)
    ]
    found += [
        f"outcome {outcome}: counted {is_.totals.get(outcome)}, recomputed {must.totals.get(outcome)}"
        for outcome in sorted(set(is_.totals) | set(must.totals))
        if is_.totals.get(outcome) != must.totals.get(outcome)
    ]
    found += [f"posting {tuple(row)} does not balance" for row in connection.execute(_UNEVEN)]
    return found + list(_in_both(connection, deferred))
