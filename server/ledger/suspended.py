"""What the recomputed books have in suspense: by the running totals on both sides of lost records, less what was found out since; and what two
officers have signed about it. Shares no code with what posts it (`server.ingest.lost.suspense`).

One device's deferred payments are in memory at a time, and only of a device that has lost records.
"""

from collections.abc import Iterator
from typing import Any, NamedTuple

from sqlalchemy import Connection, bindparam, select

from protocol import records as r
from server.ledger.forked import JUDGED, Forks, Question
from server.ledger.reading import COLUMNS, DECISION, Records
from server.store import tables as t

Item = tuple[str, int, int, int]  # device, epoch, sequence, the part that has put it into suspense
STEP = 256
"""Rows of an answer, and outcomes, that are in memory together."""
_RAW, _ASKED = t.raw.c, t.authorisations.c
_OF_ONE = (
    select(*COLUMNS)
    .where(_RAW.device == bindparam("b_device"), _RAW.kind == bindparam("b_kind"), _RAW.rejected.is_(None))
    .order_by(_RAW.epoch, _RAW.seq)
    .execution_options(yield_per=STEP)
)
_QUESTIONS = select(_ASKED.epoch, _ASKED.intent, _ASKED.digest, _ASKED.response).where(
    _ASKED.device == bindparam("b_device"), JUDGED
)
_GAPS = select(t.gaps).order_by(t.gaps.c.device, t.gaps.c.epoch, t.gaps.c.first)
_FINALS = select(t.results).where(t.results.c.device == bindparam("b_device"))
_DECIDED = select(t.decisions.c.approval, *(t.decisions.c[name] for name in DECISION)).where(
    t.decisions.c.state == t.DECISION_APPROVED
)
_DECIDED_OF_GAP = _DECIDED.where(
    t.decisions.c.device == bindparam("b_device"),
    t.decisions.c.epoch == bindparam("b_epoch"),
    t.decisions.c.seq == bindparam("b_first"),
    t.decisions.c.kind == t.ITEM_GAP,
)
"""Statements made once: making one costs more than running it."""


def _records(connection: Connection, records: Records, kind: int, device: str) -> Iterator[dict[int, Any]]:
    for row in connection.execute(_OF_ONE, {"b_kind": kind, "b_device": device}):
        record = records.read(row)
        if record is not None:
            yield record


class Decision(NamedTuple):
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
    def item(self) -> "Item":
        """What it is about."""
        return self.device, self.epoch, self.seq, t.PART_GAP if self.kind == t.ITEM_GAP else t.PART_UNSEEN


def decided(connection: Connection, records: Records, gap: Any = None) -> Iterator[Decision]:
    """All that was approved, as the second officer signed it and as far as it can be read; of one gap if given."""
    if gap is None:
        found = connection.execute(_DECIDED)
    else:
        found = connection.execute(
            _DECIDED_OF_GAP, {"b_device": gap.device, "b_epoch": gap.epoch, "b_first": gap.first}
        )
    for row in found:
        said = records.approval(row, DECISION)
        if said is None:
            continue
        device, epoch, kind, seq, _, collected, scheme, untaken, payments, undoes = said
        sign = -1 if undoes else 1
        amount = sign * (collected + untaken)
        yield Decision(device, epoch, kind, seq, sign * collected, scheme, amount, sign * payments)


class _Approval(NamedTuple):
    """A deferred payment that the acquirer has approved and whose result is in no record that is not lost."""

    intent: int
    amount: int
    head: int | None
    gap: int | None


class Deferred:
    """The deferred payments of devices that have gaps, and the results that have come of them: of one device at a time."""

    def __init__(self, connection: Connection, forks: Forks, records: Records) -> None:
        self._forks = forks
        self._records = records
        self._connection = connection
        self._device: str | None = None
        self._outcomes: list[dict[int, Any]] = []
        self._written: dict[int, int] = {}  # the sequence of a payment's last result
        self._finals: dict[tuple[int, int], Any] = {}  # what the acquirer said, by epoch and intent
        self._questions: dict[tuple[int, int], Question] = {}

    def _of(self, kind: int, device: str) -> Iterator[dict[int, Any]]:
        return _records(self._connection, self._records, kind, device)

    def _read(self, device: str) -> None:
        if device == self._device:
            return
        mine, outcomes = {"b_device": device}, self._of(r.PAYMENT_OUTCOME, device)
        results = self._of(r.AUTHORISATION_RESULT, device)
        self._outcomes = [rec for rec in outcomes if rec[r.OUTCOME] == r.OUTCOME_PROVISIONAL]
        self._written = {rec[r.INTENT]: rec[r.SEQ] for rec in results}
        self._finals = {(row.epoch, row.intent): row for row in self._connection.execute(_FINALS, mine)}
        asked = self._connection.execute(_QUESTIONS, mine)
        self._questions = {(row.epoch, row.intent): Question(bytes(row.digest), row.response) for row in asked}
        self._device = device

    def approvals(self, gap: Any) -> Iterator[_Approval]:
        """Those whose result the terminal may have written into a gap; and those of which that was said and that have not come after it."""
        self._read(gap.device)
        for rec in self._outcomes:
            name = (gap.epoch, rec[r.INTENT])
            final = self._finals.get(name)
            if (
                final is None
                or rec[r.SEQ] >= gap.last
                or final.outcome != r.OUTCOME_APPROVED
                or self._forks.hold(rec, gap.epoch, self._questions.get(name))
            ):
                continue
            came = self._written.get(rec[r.INTENT], 0)
            if came < gap.last if final.gap == gap.first else final.gap is not None or not came:
                yield _Approval(rec[r.INTENT], rec[r.AMOUNT], final.head, final.gap)


def lost(connection: Connection, deferred: Deferred, records: Records) -> Iterator[tuple[Item, int, list[str]]]:
    """(item, centimes in suspense) of each range of lost records, and in words which payments that the acquirer's word has posted it may hold as
    well.
    """
    for gap in connection.execute(_GAPS).all():
        found = list(deferred.approvals(gap))
        known = [one for one in found if one.gap == gap.first]
        amount = _missing(connection, gap, records) - sum(one.amount for one in known)
        yield (
            (gap.device, gap.epoch, gap.first, t.PART_GAP),
            amount,
            list(_in_both(list(decided(connection, records, gap)), gap, found, known)),
        )


def _in_both(known_of: list[Decision], gap: Any, found: list[_Approval], known: list[_Approval]) -> Iterator[str]:
    """Payments that the acquirer's word has posted and that a gap may hold in suspense as well; `known_of`: what was decided about it."""
    many = gap._mapping["count"] - len(known) - sum(one.payments for one in known_of)
    amount = gap.amount - sum(one.amount for one in [*known, *known_of])
    if many < 0 or amount < 0 or (many == 0) != (amount == 0):
        yield f"gap from {gap.first} of {gap.device}: {amount} centimes of {many} payments are left in suspense"
    for one in found:
        told = one.head is not None and one.head < gap.last
        alone = (many == 1) == (amount == one.amount)
        if one.gap is None and told and many > 0 and one.amount <= amount and alone:
            yield f"payment {one.intent} of {gap.device} is posted, and may be in suspense with the gap from {gap.first}"


def _missing(connection: Connection, gap: Any, records: Records) -> int:
    """The centimes of a range of lost records: the running totals before the record after it, less those of the record before it."""
    c, e = t.raw.c, t.epochs.c
    after = (c.device == gap.device, c.epoch >= gap.epoch, c.seq == gap.last + 1)
    following = connection.execute(select(*COLUMNS).where(*after).order_by(c.epoch).limit(1)).first()
    if following is None:  # a new epoch began after the gap, and its first record has not arrived, or is lost too
        most = _begun(connection, gap.device, e.seq == gap.last, e.epoch > gap.epoch)
    else:
        record = records.read(following)
        most = None if record is None else record[r.CUM_TOTAL] - r.approved_step(record)[1]
    return (most or 0) - _before(connection, gap, records)


def _begun(connection: Connection, device: str, *which: Any) -> int | None:
    """The running total with which the first of those epochs of a device began, if one did."""
    e = t.epochs.c
    mine = (e.device == device, e.state == t.EPOCH_BEGUN, *which)
    return connection.execute(select(e.cum_total).where(*mine).order_by(e.epoch).limit(1)).scalar()


def _before(connection: Connection, gap: Any, records: Records) -> int:
    """The running total before a gap: of the last record before it; of the epoch that began there, if what the one before ended with is lost."""
    c, e = t.raw.c, t.epochs.c
    before = (c.device == gap.device, c.epoch <= gap.epoch, c.seq < gap.first)
    last = select(*COLUMNS).where(*before).order_by(c.seq.desc(), c.epoch.desc()).limit(1)
    preceding = connection.execute(last).first()
    if preceding is None or preceding.seq < gap.first - 1:
        begun = _begun(connection, gap.device, e.seq == gap.first - 1, e.epoch <= gap.epoch)
        if begun is not None:
            return begun
    record = None if preceding is None else records.read(preceding)
    return 0 if record is None else record[r.CUM_TOTAL]
