"""BATCH → ACK: the chain is continued, or what stands in the way is named.

Acknowledged is what is contiguous and committed. Records already there count as duplicates; one of the same sequence
and another content is a fork; a batch that begins after a gap is not kept, and the missing range is asked for, unless its
terminal shows it as a branch. The reply is sent after the commit only.

`batches` takes those of several devices together: what they refer to is read, and what they bring is written, with one
statement per table. `batch` is the same for one alone.
"""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from sqlalchemy import Connection, Row, bindparam, exists, select, update

from protocol import records as r
from protocol import sync as s
from server import codes
from server.ingest import close, forks, namesakes, results, sessions
from server.ingest.flush import Sheaf
from server.ingest.history import History
from server.ingest.lost import gaps, untaken
from server.ingest.work import Work
from server.ledger import twice, unlike
from server.ledger.unlike import Unlike
from server.store import aside, audit, devices, failed
from server.store import tables as t
from server.wire.batches import Batch, Draft, Entry, Span, span

Payload = dict[int, Any]
_MOVES = (
    "seq", "hash", "cum_count", "cum_total", "counter", "utc", "last_case", "last_contact", "opened", "closed", "paid_case",
)  # fmt: skip
_SHIFT = (r.SHIFT_OPENED, r.SHIFT_CLOSED)
_ADVANCE = (
    update(t.heads).where(t.heads.c.device == bindparam("b_device")).values({name: bindparam(name) for name in _MOVES})
)
_NAMED = ("device", "epoch", "intent")
_THERE = exists().where(failed.same(t.sealed.c, t.outbox.c))
_ASKED_AGAIN = (
    update(t.outbox)
    .where(
        *(t.outbox.c[name] == bindparam("b_" + name) for name in _NAMED),
        failed.goes_again(),
        t.outbox.c.response == "25",
        ~_THERE,  # they went out with the request, and will again
    )
    .values(state=t.STATE_DOUBTFUL, next_at=bindparam("b_now"))
)
"""Statements made once: making one costs more than running it."""


@dataclass
class _Intake:
    """One batch against the chain on record."""

    message: Batch
    head: Row[Any]
    duplicates: list[Entry] = field(default_factory=list)
    new: list[Entry] = field(default_factory=list)
    whole: bool = False  # all records of the message are new, whatever `new` says
    draft: Draft | None = None  # the message's, if it holds: then nobody looks at the records
    branch: list[Entry] = field(default_factory=list)
    beside: int = 0  # how many records that are only asked about lie beside the chain
    wanted: list[list[int]] = field(default_factory=list)
    rejected: list[list[Any]] = field(default_factory=list)  # [[seq, code] …]
    unposted: list[list[Any]] = field(default_factory=list)  # those of `rejected` that are new and kept only
    case: int = 0  # the highest case number begun
    shift: tuple[int, int] = (0, 0)  # `opened` and `closed` of the head after the new records
    paid: list[tuple[int, int]] = field(default_factory=list)  # (intent, case) of the payments posted, in order
    unlike: list[Unlike] = field(default_factory=list)  # those not of the amount of a notice beside them
    closures: list[dict[str, Any]] = field(default_factory=list)  # of cases that were begun in earlier batches

    @property
    def count(self) -> int:
        """How many records are new."""
        return len(self.message.raw) if self.whole else len(self.new)

    @property
    def shifts(self) -> list[dict[int, Any]]:
        """New records that open or close a shift."""
        if self.whole:
            found = [row for row in self.message.raw if row[1] in _SHIFT and not row[5]]
            return [self.message.entry(row).record for row in found]
        return [entry.record for entry in self.new if entry.record[r.KIND] in _SHIFT and not entry.rejected]

    @property
    def kept_only(self) -> list[dict[int, Any]]:
        """New outcomes that are not posted."""
        if not self.unposted:
            return []
        kept, message = {seq for seq, _ in self.unposted}, self.message
        return [message.entry(row).record for row in message.raw if row[1] == r.PAYMENT_OUTCOME and row[0] in kept]

    @property
    def erases(self) -> bool:
        """Whether a new record says that card data were erased."""
        kinds = (raw[1] for raw in self.message.raw) if self.whole else (entry.record[r.KIND] for entry in self.new)
        return r.CARD_DATA_ERASED in kinds

    @cached_property
    def ends(self) -> Span:
        """The ends of what is new."""
        return self.message.ends if self.whole else span(self.new)


def batch(connection: Connection, message: Batch, now: int) -> Payload:
    """Take in a batch: the payload of ACK.

    RefusedError when it is not bound to the session or its totals do not continue the chain's.
    """
    (reply,) = batches(connection, [message], now)
    if isinstance(reply, codes.RefusedError):
        raise reply
    return reply


def batches(connection: Connection, messages: list[Batch], now: int) -> list[Payload | codes.RefusedError]:
    """Take in batches of different devices: for each the payload of ACK, or what `batch` would raise."""
    heads = devices.heads(connection, [message.device.device for message in messages])
    found: list[_Intake | codes.RefusedError] = []
    for message in messages:
        try:
            found.append(_sort(connection, message, heads[message.device.device], now))
        except codes.RefusedError as error:
            found.append(error)
    intakes = [intake for intake in found if isinstance(intake, _Intake)]
    for intake in intakes:
        if intake.whole:
            intake.rejected += intake.message.notices
        else:
            intake.rejected += [[e.seq, e.notice] for e in intake.duplicates + intake.new if e.notice]
        if intake.branch:
            fresh, over = forks.keep(connection, intake.message, intake.branch, now)
            records = [entry.record for entry in fresh]
            namesakes.beside(connection, intake.message.device.device, intake.message.epoch, records, now)
            intake.rejected += [[e.seq, codes.BESIDE_FULL if e.seq in over else codes.FORK] for e in intake.branch]
        _reattach(connection, intake.message, intake.duplicates, now)
    _append(connection, [intake for intake in intakes if intake.count], now)
    return [item if isinstance(item, codes.RefusedError) else _ack(connection, item, now) for item in found]


def _sort(connection: Connection, message: Batch, head: Row[Any], now: int) -> _Intake:
    """Which records are known, which continue the chain, which are of another branch. RefusedError as `batch`."""
    head = sessions.check_bound(connection, head, message)
    if message.branch:
        return _beside(connection, message, head, now)
    if message.gap == head.seq + 1:
        head = gaps.bridge(connection, message, head, now)
    intake = _Intake(message, head)
    if message.first_seq > head.seq + 1:
        intake.wanted = [[head.seq + 1, message.entries[-1].seq]]
        return intake
    continues = message.first_seq == head.seq + 1 and message.prev_hash == bytes(head.hash)
    if continues and (message.cum_count, message.cum_total) != (head.cum_count, head.cum_total):
        raise codes.RefusedError(codes.WRONG_TOTALS, "running totals do not continue those on record")
    if continues:
        intake.whole = True
        if _holds(message.draft, message, head):
            intake.draft = message.draft
        else:
            intake.new = list(message.entries)
        return intake
    known = _known_hashes(connection, message, head.seq)
    late = gaps.late(connection, message, known) if message.first_seq <= head.seq else set()
    if late:
        intake.rejected = _late(connection, message, [entry for entry in message.entries if entry.seq in late], now)
    previous = message.prev_hash
    for entry in message.entries:
        if entry.seq in late and not intake.branch:
            previous = entry.hash
            continue
        if intake.branch or entry.seq <= head.seq and known.get(entry.seq) != entry.hash:
            intake.branch.append(entry)
        elif entry.seq <= head.seq:
            intake.duplicates.append(entry)
        elif entry.seq == head.seq + 1 and previous != bytes(head.hash):
            intake.branch.append(entry)
        else:
            intake.new.append(entry)
        previous = entry.hash
    return intake


def _beside(connection: Connection, message: Batch, head: Row[Any], now: int) -> _Intake:
    """The same of a batch that its terminal shows, or asks about, as it knows the chain on record to be another one: it may begin anywhere, and
    what does not continue the chain at once never joins it.
    """
    intake = _Intake(message, head)
    known = _known_hashes(connection, message, head.seq)
    found, late, previous = gaps.may_be_late(connection, message, known), [], message.prev_hash
    parted = known.get(message.first_seq - 1, previous) != previous or bool(found) and forks.parted(connection, message)
    for entry in message.entries:
        if not parted and known.get(entry.seq) == entry.hash:
            intake.duplicates.append(entry)
        elif not parted and entry.seq in found:
            late.append(entry)
        elif intake.new or not parted and entry.seq == head.seq + 1 and previous == bytes(head.hash):
            intake.new.append(entry)  # a restore has lost the other chain since
        else:
            intake.branch.append(entry)
            parted = parted or entry.seq in known or entry.seq > head.seq
        previous = entry.hash
    if (
        intake.new
        and not intake.duplicates
        and (message.cum_count, message.cum_total) != (head.cum_count, head.cum_total)
    ):
        raise codes.RefusedError(codes.WRONG_TOTALS, "running totals do not continue those on record")
    if message.branch == s.ASKED:
        intake.beside = forks.beside(connection, message, [*late, *intake.branch])
        intake.branch, intake.new = [], []
    elif late:
        intake.rejected = _late(connection, message, late, now)
    return intake


def _late(connection: Connection, message: Batch, late: list[Entry], now: int) -> list[list[Any]]:
    """Have records of a range that was declared lost kept: what is said of them."""
    over = forks.keep_late(connection, message, late, now)
    return [[entry.seq, codes.BESIDE_FULL if entry.seq in over else codes.GAP_CLOSED] for entry in late]


def _known_hashes(connection: Connection, message: Batch, acked: int) -> dict[int, bytes]:
    """Of what is on file of a batch's records, and of the one before."""
    if message.first_seq > acked + 1:
        return {}
    found = connection.execute(
        select(t.raw.c.seq, t.raw.c.hash).where(
            t.raw.c.device == message.device.device,
            t.raw.c.epoch == message.epoch,
            t.raw.c.seq.between(message.first_seq - 1, message.entries[-1].seq),
        )
    )
    return {row.seq: bytes(row.hash) for row in found}


def _holds(draft: Draft | None, message: Batch, head: Row[Any]) -> bool:
    """Whether a draft holds as far as the head tells: new cases have numbers above those on record, and nothing is doubtful."""
    if draft is None or head.forks or head.doubtful_seq >= message.first_seq:
        return False
    return draft.cases is None or draft.cases[0] > head.last_case


def _append(connection: Connection, intakes: list[_Intake], now: int) -> None:
    """Add new records to their chains, and move the heads."""
    if not intakes:
        return
    history = _history(connection, intakes)
    sheaf = Sheaf(now)
    for intake in intakes:
        message, head = intake.message, intake.head
        if intake.draft is not None:
            intake.unposted = [[seq, code] for seq, _, _, _, _, code in message.raw if code]
            intake.paid, intake.unlike, intake.closures = intake.draft.paid, intake.draft.unlike, intake.draft.closures
            sheaf.add_draft(message, intake.draft)
        else:
            work = Work(connection, message.device, message.epoch, history, head.doubtful_seq, now)
            intake.unposted = [[entry.seq, code] for entry in intake.new if (code := work.take(entry))]
            intake.case, intake.paid, intake.closures = max(work.cases, default=0), work.paid, work.closures
            intake.unlike = work.unlike
            sheaf.add_work(message, work)
        intake.rejected += intake.unposted
    sheaf.write(connection)
    for intake in intakes:
        name = intake.message.device.device
        epoch, end = intake.message.epoch, intake.ends.seq
        intake.shift = close.follow(connection, intake.head, epoch, intake.shifts, end, now)
        if intake.head.forks:
            forks.joined(connection, intake.message, intake.new, now)
        _watch(connection, name, intake, now)
        twice.look(connection, name, epoch, intake.head.paid_case, intake.paid, now)
        unlike.look(connection, name, intake.unlike, now)
        gaps.closed_unpaid(connection, name, epoch, intake.closures, now)
        aside.note(connection, name, intake.kept_only)
        for seq, code in intake.unposted:
            audit.alarm(connection, name, code, f"record {seq} is kept but not posted", now)
        for seq, code in (
            intake.message.notices if intake.whole else [[e.seq, e.notice] for e in intake.new if e.notice]
        ):
            audit.alarm(connection, name, code, f"what lies beside record {seq} is absent or not what it names", now)
    untaken.look(connection, {intake.message.device.device: intake.head.seq for intake in intakes}, now)
    connection.execute(_ADVANCE, [_moved(intake, now) for intake in intakes])


def _history(connection: Connection, intakes: list[_Intake]) -> History:
    """What the new records refer to. A draft that does not hold is dropped."""
    drafted = {
        (i.message.device.device, i.message.epoch, intent): i for i in intakes if i.draft for intent in i.draft.unasked
    }
    if drafted:
        asked = History(connection, [], drafted).asked
        for key, intake in drafted.items():
            if asked(key) is not None:
                intake.draft, intake.new = None, list(intake.message.entries)
    return History(connection, [(i.message.device.device, i.message.epoch, i.new) for i in intakes if i.draft is None])


def _moved(intake: _Intake, now: int) -> dict[str, Any]:
    """Where the head stands after the new records."""
    ends, draft = intake.ends, intake.draft
    case = draft.cases[1] if draft is not None and draft.cases is not None else intake.case
    return {
        "b_device": intake.message.device.device,
        "seq": ends.seq,
        "hash": ends.hash,
        "cum_count": ends.cum_count,
        "cum_total": ends.cum_total,
        "counter": ends.counter,
        "utc": ends.utc,
        "last_case": max(intake.head.last_case, case),
        "last_contact": now,
        "opened": intake.shift[0],
        "closed": intake.shift[1],
        "paid_case": intake.paid[-1][1] if intake.paid else intake.head.paid_case,
    }


def _watch(connection: Connection, name: str, intake: _Intake, now: int) -> None:
    """Alarms about time and counter: they stop nothing, since the records are signed and chained."""
    counter, utc = intake.head.counter, intake.head.utc
    ends = intake.ends
    if ends.steady and ends.first_counter > counter and ends.first_utc >= utc:
        return
    for entry in intake.new or intake.message.entries:
        if entry.record[r.COUNTER] <= counter:
            audit.alarm(connection, name, codes.COUNTER_BACK, f"record {entry.seq}: counter did not advance", now)
        if entry.record[r.UTC] < utc:
            audit.write(connection, name, t.LEVEL_WARNING, codes.CLOCK_BACK, f"record {entry.seq}: time went back", now)
        counter, utc = entry.record[r.COUNTER], entry.record[r.UTC]


def _reattach(connection: Connection, message: Batch, duplicates: list[Entry], now: int) -> None:
    """Sealed data that came again for a payment whose request failed for want of them: ask the acquirer again."""
    for entry in duplicates:
        if entry.sealed is None or entry.rejected is not None or entry.record[r.KIND] != r.PAYMENT_OUTCOME:
            continue
        whose = (message.device.device, message.epoch, entry.record[r.INTENT])
        bound = {"b_" + name: value for name, value in zip(_NAMED, whose, strict=True)}
        if connection.execute(_ASKED_AGAIN, {**bound, "b_now": now}).rowcount:
            connection.execute(t.sealed.insert(), dict(zip(_NAMED, whose, strict=True)) | {"blob": entry.sealed})


def _ack(connection: Connection, intake: _Intake, now: int) -> Payload:
    """The payload of ACK. What the acquirer has said is told with the last of a backlog, and in every WELCOME: while more
    is coming, nothing is looked for.
    """
    message, head = intake.message, intake.head
    name = message.device.device
    count = intake.count
    seq, digest = (intake.ends.seq, intake.ends.hash) if count else (head.seq, bytes(head.hash))
    reply: Payload = {
        s.NONCE: message.nonce,
        s.EPOCH: message.epoch,
        s.DEVICE: name,
        s.ACKED_SEQ: seq,
        s.ACKED_HASH: digest,
        s.SERVER_UTC: now,
        s.NEW: count,
        s.DUPLICATES: len(intake.duplicates),
    }
    if intake.rejected:
        reply[s.REJECTED] = sorted(intake.rejected)
    if message.branch:
        reply[s.FIRST_SEQ], reply[s.BRANCH] = message.first_seq, message.branch  # a session asks about many
    if intake.beside:
        reply[s.BESIDE] = intake.beside
    if intake.wanted:
        reply[s.WANTED] = intake.wanted
    if seq < (head.claimed_seq or 0):
        return reply
    # a terminal erases once a session: the rest is for the next WELCOME
    to = results.Hearer(name, message.epoch, message.form, seq)
    results.tell(connection, reply, to, now, not intake.erases)
    return reply
