"""The ledger computed anew, from the raw records and the acquirer's answers alone.

Shares no code with the posting of batches: it reads the records as they were signed, pairs outcomes with intents
itself, and adds up. `differences` compares with what was posted; an empty list is the only good answer. A record, or an
officers' approval, that cannot be read is named there (`server.ledger.reading`), and left out of the books. Rejected
records and forked payments count for nothing. What no record says of a place is taken as it was kept at the time, since a
device may serve another unit later: a payment's wilaya and force, the place of what is in suspense.

What is in suspense for lost records is held against the acquirer's word too: a payment that is posted by it and whose
result the terminal may have written into them must not be in both, unless the result has come as a record after them:
then a person decides.

Raw records are gone through once, in the order of their chains, and few of them are in memory at any time, however many there are: of a
device the intents without an outcome so far, and outcomes by the STEP, for which the rest is looked up. Only what is lost, forked or decided is
kept as a whole, and of a device with lost records what it has deferred. The time that it takes grows with the records: a server has it done in a
process of its own (`server.web.auditing`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from sqlalchemy import (
    Connection,
    LargeBinary,
    String,
    and_,
    bindparam,
    cast,
    func,
    literal,
    null,
    or_,
    select,
    union_all,
)

from protocol import records as r
from server import codes
from server.ledger.forked import JUDGED, Forks, Question
from server.ledger.reading import COLUMNS, Records
from server.ledger.suspended import STEP, Deferred, Item, decided, lost
from server.store import tables as t

_RAW, _PAID, _LEGS, _ASKED, _SENT = t.raw.c, t.payments.c, t.legs.c, t.authorisations.c, t.outbox.c
_ALL = (
    select(*COLUMNS)
    .where(
        or_(
            and_(_RAW.kind.in_((r.PAYMENT_INTENT, r.PAYMENT_OUTCOME)), _RAW.rejected.is_(None)),
            and_(_RAW.kind == r.AUTHORISATION_RESULT, _RAW.rejected == codes.OUTCOME_LOST),
        )
    )
    .order_by(_RAW.device, _RAW.epoch, _RAW.seq)
    .execution_options(yield_per=STEP)
)
_PLACED, _FINAL, _BACK, _QUESTION = range(4)


def _beside(what: int, table: Any, *columns: Any) -> Any:
    """Of a run of payments' intents what a table says, in the form in which all that is said beside the records can be had together."""
    c = table.c
    mine = (c.device == bindparam("b_device"), c.epoch == bindparam("b_epoch"))
    return select(literal(what, literal_execute=True).label("what"), c.intent, *columns).where(
        *mine, c.intent.between(bindparam("b_least"), bindparam("b_most"))
    )


_ZERO, _NOTHING, _NO_WORD = literal(0, literal_execute=True), cast(null(), LargeBinary), cast(null(), String)
_SAID = union_all(
    _beside(
        _PLACED,
        t.payments,
        _PAID.wilaya.label("one"),
        _PAID.force.label("two"),
        _NOTHING.label("digest"),
        _NO_WORD.label("response"),
    ),
    _beside(_FINAL, t.results, t.results.c.outcome, _ZERO, _NOTHING, _NO_WORD),
    _beside(_BACK, t.outbox, _ZERO, _ZERO, _NOTHING, _NO_WORD).where(
        _SENT.step == t.STEP_REVERSE, _SENT.state == t.STATE_DONE
    ),
    _beside(_QUESTION, t.authorisations, _ZERO, _ZERO, _ASKED.digest, _ASKED.response).where(JUDGED),
)
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


class _Payer(NamedTuple):
    """What an intent says of whom its payment belongs to."""

    epoch: int
    unit: str
    wilaya: int | None
    force: int | None


def _payer(record: dict[int, Any]) -> _Payer:
    """Of an intent, or of an outcome whose intent is lost: it says as much."""
    return _Payer(record[r.EPOCH], record[r.UNIT], record.get(r.WILAYA), record.get(r.FORCE))


class _Run:
    """Outcomes of one device whose intents are of one epoch, until what is said beside them is looked up for all at once."""

    def __init__(self, connection: Connection, books: Books, forks: Forks) -> None:
        self._connection = connection
        self._books = books
        self._forks = forks
        self._device, self._epoch = "", 0
        self._outcomes: list[tuple[_Payer, dict[int, Any]]] = []

    def take(self, payer: _Payer, outcome: dict[int, Any]) -> None:
        """One more."""
        whose = (outcome[r.DEVICE], payer.epoch)
        if len(self._outcomes) >= STEP or whose != (self._device, self._epoch):
            self.end()
            self._device, self._epoch = whose
        self._outcomes.append((payer, outcome))

    def end(self) -> None:
        """Enter those that there are."""
        outcomes, self._outcomes = self._outcomes, []
        if not outcomes:
            return
        intents = [outcome[r.INTENT] for _, outcome in outcomes]
        span = {"b_least": min(intents), "b_most": max(intents)}
        said: tuple[dict[int, Any], ...] = ({}, {}, {}, {})
        wanted = set(intents)
        for row in self._connection.execute(_SAID, {"b_device": self._device, "b_epoch": self._epoch, **span}):
            if row.intent in wanted:
                said[row.what][row.intent] = row
        for payer, outcome in outcomes:
            self._enter(payer, outcome, *(each.get(outcome[r.INTENT]) for each in said))

    def _enter(self, payer: _Payer, rec: dict[int, Any], place: Any, final: Any, back: Any, asked: Any) -> None:
        amount, outcome = rec[r.AMOUNT], rec[r.OUTCOME]
        question = None if asked is None else Question(bytes(asked.digest), asked.response)
        if self._forks.hold(rec, payer.epoch, question) or outcome not in (1, 2):
            return
        wilaya, force = (0, 0) if place is None else (place.one, place.two)  # posted nowhere, which shows
        wilaya, force = wilaya if payer.wilaya is None else payer.wilaya, force if payer.force is None else payer.force
        owner, scheme = f"{wilaya}:{force}:{payer.unit}", rec.get(r.SCHEME) or "?"
        if outcome == r.OUTCOME_PROVISIONAL and final is None:
            self._books.enter(f"provisional:{scheme}", amount)
            self._books.enter(f"awaited:{owner}", -amount)
        elif back is None and (outcome == r.OUTCOME_APPROVED or final.one == r.OUTCOME_APPROVED):
            self._books.enter(f"receivable:{scheme}", amount)
            self._books.enter(f"treasury:{owner}", -amount)


def recompute(connection: Connection) -> Books:
    """The books as they must be."""
    return _recompute(connection)[0]


def _recompute(connection: Connection) -> tuple[Books, list[str]]:
    """The books as they must be; which records and approvals are not in them since they cannot be read, and what may be in them twice."""
    books, records, twice = Books(), Records(), []
    forks = Forks(connection, records)
    owners = {(row.device, row.epoch, row.intent, row.part): row.account for row in connection.execute(_HELD_AT)}

    def suspend(item: Item, amount: int) -> None:
        books.enter(f"missing:{item[0]}", amount)
        books.enter(owners.get(item, "suspense"), -amount)

    for item, amount in _chains(connection, books, forks, records):
        suspend(item, amount)
    for item, amount, sentences in lost(connection, Deferred(connection, forks, records), records):
        suspend(item, amount)
        twice += sentences
    for one in decided(connection, records):
        suspend(one.item, -one.amount)
        books.enter(f"receivable:{one.scheme}", one.collected)
        books.enter(owners.get(one.item, "suspense").replace("suspense", "treasury", 1), -one.collected)
    return books, records.wrong + twice


def _chains(connection: Connection, books: Books, forks: Forks, records: Records) -> Iterator[tuple[Item, int]]:
    """Enter all outcomes. (item, centimes) of approved results whose payments have no outcome, which is lost: each payment once."""
    run = _Run(connection, books, forks)
    device, payers = "", dict[int, _Payer]()  # of its intents that have no outcome yet, by sequence
    for row in connection.execute(_ALL):
        record = records.read(row)
        if record is None:
            continue
        if record[r.DEVICE] != device:
            device, payers = record[r.DEVICE], {}
        if record[r.KIND] == r.PAYMENT_INTENT:
            payers[record[r.SEQ]] = _payer(record)
        elif record[r.KIND] == r.PAYMENT_OUTCOME:
            books.count(record[r.OUTCOME], record[r.AMOUNT])
            run.take(payers.pop(record[r.INTENT], None) or _payer(record), record)
        else:
            yield (record[r.DEVICE], record[r.EPOCH], record[r.INTENT], t.PART_UNSEEN), record[r.AMOUNT]
    run.end()


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
    is_, (must, named) = posted(connection), _recompute(connection)
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
    return found + named
