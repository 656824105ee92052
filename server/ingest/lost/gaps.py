"""Records that are lost for good: the chain goes on after them, what they took is held in suspense (design §3, §4).

A terminal that cannot read records any more, nor their second copies, says so twice: in the batch that goes on after
them (`protocol.sync.GAP`, signed with the batch) and in a gap record of its chain. How many payments and centimes are
missing is not taken from its word: it follows from the running totals on both sides. They are posted in suspense, with
an alarm (`server.ingest.lost.suspense`); two officers decide about them. What the gap record says must agree.
"""

from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, func, insert, select, update

from protocol import records as r
from server import codes
from server.acquirer import word
from server.ingest import sessions
from server.ingest.lost import suspense
from server.store import audit
from server.store import tables as t
from server.store.devices import Device
from server.wire.batches import Batch, Entry

MOST_LATEST = 512  # payments among which those of a case that is just closed are: a terminal has one case at a time
MOST_NAMED = 64  # payments of one gap record of which each has an alarm of its own


def _within(table: Any, column: Any) -> tuple[Any, ...]:
    c = table.c
    return c.device == bindparam("b_device"), c.epoch == bindparam("b_epoch"), column.between(*_SPAN)


_SPAN = (bindparam("b_first"), bindparam("b_last"))
_BEFORE = (
    select(t.gaps)
    .where(
        t.gaps.c.device == bindparam("b_device"),
        t.gaps.c.epoch == bindparam("b_epoch"),
        t.gaps.c.first <= bindparam("b_seq"),
    )
    .order_by(t.gaps.c.first.desc())
    .limit(1)
)
_DECLARED = (
    update(t.gaps)
    .where(*_within(t.gaps, t.gaps.c.first), t.gaps.c.declared_seq.is_(None))
    .values(declared_seq=bindparam("b_seq"))
)
_WRITTEN = (
    select(t.payments.c.intent, t.payments.c.amount)
    .where(*_within(t.payments, t.payments.c.result_seq))
    .order_by(t.payments.c.result_seq)
    .limit(MOST_NAMED + 1)
)
_ALL_WRITTEN = select(func.count(), func.sum(t.payments.c.amount)).where(*_within(t.payments, t.payments.c.result_seq))
_ASKED = (
    select(t.voids.c.intent)
    .where(*_within(t.voids, t.voids.c.seq), t.voids.c.result_seq.is_(None))
    .order_by(t.voids.c.seq)
    .limit(MOST_NAMED)
)
_PAYMENTS_AGAIN = update(t.payments).where(*_within(t.payments, t.payments.c.result_seq)).values(result_seq=None)
_VOIDS_AGAIN = update(t.voids).where(*_within(t.voids, t.voids.c.result_seq)).values(result_seq=None)
_ERASED_AGAIN = delete(t.erasures).where(*_within(t.erasures, t.erasures.c.seq))
"""Statements made once: making one costs more than running it."""


def bridge(connection: Connection, message: Batch, head: Row[Any], now: int) -> Row[Any]:
    """Close the gap before `message`, which follows the chain's head at once; the head after it.

    RefusedError WRONG_TOTALS if the running totals would go back.
    """
    count, amount = message.cum_count - head.cum_count, message.cum_total - head.cum_total
    device = message.device
    if message.first_seq <= message.gap or count < 0 or amount < 0 or (count == 0) != (amount == 0):
        what = f"the running totals behind a gap that begins with record {message.gap} do not go on from those before it: another chain?"
        audit.alarm_once(connection, device.device, codes.FORK, what, now)
        raise codes.RefusedError(codes.WRONG_TOTALS, "running totals do not continue those on record")
    enter(
        connection, device, message.epoch, (message.gap, message.first_seq - 1), message.prev_hash, count, amount, now
    )
    word.lost(connection, device.device, message.epoch, now)
    connection.execute(
        update(t.heads)
        .where(t.heads.c.device == device.device)
        .values(
            seq=message.first_seq - 1, hash=message.prev_hash, cum_count=message.cum_count, cum_total=message.cum_total
        )
    )
    return sessions.bound_head(connection, message)


def enter(
    connection: Connection, device: Device, epoch: int, span: tuple[int, int], digest: bytes, count: int, amount: int, now: int
) -> None:  # fmt: skip
    """Note that the records `span` (first, last) are lost, hold their money in suspense, raise the alarm."""
    connection.execute(
        insert(t.gaps).values(
            device=device.device, epoch=epoch, first=span[0], last=span[1], hash=digest, count=count, amount=amount,
            declared_seq=None, at=now,
        )
    )  # fmt: skip
    suspense.hold(connection, device, epoch, span, count, amount, now)


def told_before(connection: Connection, payment: Any, since: int) -> int:
    """After which record of its terminal a result was told that this database has forgotten in a restore at `since`: after the
    payment's outcome, and after the gaps that the backup knew.
    """
    c = t.gaps.c
    mine = (c.device == payment.device, c.epoch == payment.epoch, c.at < since)
    return max(payment.outcome_seq, connection.execute(select(func.max(c.last)).where(*mine)).scalar() or 0)


def declared(connection: Connection, device: str, epoch: int, entry: Entry, now: int) -> str | None:
    """Take a gap record: the code of what is wrong with it, if anything.

    It may name records that had arrived before they were lost, then or now; those that had not must be the gap on file, or lie within it: a loss that
    has grown before anything was sent, or has been declared piece by piece, is one gap here.
    """
    record = entry.record
    first, last = record[r.FIRST], record[r.GAP_LAST]
    if not first <= last < entry.seq:
        return codes.GAP_OTHERWISE
    found = _last_before(connection, device, epoch, last)
    below = _last_before(connection, device, epoch, first - 1)
    within = found is not None and found.first <= first and found.last >= last
    if below is not None and below.last >= first and not within:
        return codes.GAP_OTHERWISE
    if found is not None and found.last >= first:
        if found.last > last and not within:
            return codes.GAP_OTHERWISE
        if found.last == last and record.get(r.GAP_HASH, bytes(found.hash)) != bytes(found.hash):
            return codes.GAP_OTHERWISE
        told = (record.get(r.GAP_COUNT, found.count), record.get(r.GAP_TOTAL, found.amount))
        if (found.first, found.last) == (first, last) and told != (found.count, found.amount):
            return codes.GAP_OTHERWISE
        if within and (told[0] > found.count or told[1] > found.amount):
            return codes.GAP_OTHERWISE
        if found.last == last or not within:
            span = {"b_device": device, "b_epoch": epoch, "b_first": first, "b_last": last}
            connection.execute(_DECLARED, {**span, "b_seq": entry.seq})
    _tell_again(connection, device, epoch, first, last, now)
    return None


def _last_before(connection: Connection, device: str, epoch: int, seq: int) -> Any:
    """The last gap that begins with record `seq` or before it; gaps do not overlap."""
    return connection.execute(_BEFORE, {"b_device": device, "b_epoch": epoch, "b_seq": seq}).first()


def _tell_again(connection: Connection, device: str, epoch: int, first: int, last: int, now: int) -> None:
    """What the terminal had written down of the centre's words in records that arrived and that it has lost since, it may wait for again:
    results, ends of voids, receipts for sealed data.
    """
    span = {"b_device": device, "b_epoch": epoch, "b_first": first, "b_last": last}
    again = connection.execute(_WRITTEN, span).all()
    for row in again[:MOST_NAMED]:
        what = f"records {first} to {last} are lost: the result of payment {row.intent} had arrived; written again,"
        what += f" {row.amount} count twice in the device's totals"
        audit.alarm(connection, device, "GAP", what, now)
    if len(again) > MOST_NAMED:
        count, amount = connection.execute(_ALL_WRITTEN, span).one()
        what = f"records {first} to {last} are lost: results of {count} payments had arrived, those named and more; written again,"
        what += f" {int(amount)} count twice in the device's totals"
        audit.alarm(connection, device, "GAP", what, now)
    if again:
        connection.execute(_PAYMENTS_AGAIN, span)
    connection.execute(_VOIDS_AGAIN, span)
    for intent in connection.execute(_ASKED, span).scalars().all():
        what = f"records {first} to {last} are lost: the void of payment {intent} had arrived; its terminal may tell nobody how it ends"
        audit.alarm(connection, device, "GAP", what, now)
    connection.execute(_ERASED_AGAIN, span)


def late(connection: Connection, message: Batch, known: dict[int, bytes]) -> set[int]:
    """Sequences of a batch that lie in a gap which is closed: they are kept and not posted (`server.ingest.forks.keep_late`), a person decides."""
    absent = [entry.seq for entry in message.entries if entry.seq not in known]
    if not absent:
        return set()
    c = t.gaps.c
    device, epoch, first, last = message.device.device, message.epoch, absent[0], absent[-1]
    inside = (c.device == device, c.epoch == epoch, c.first.between(first + 1, last))
    found = [
        _last_before(connection, device, epoch, first),
        *connection.execute(select(c.first, c.last).where(*inside)),
    ]
    return {seq for seq in absent if any(row is not None and row.first <= seq <= row.last for row in found)}


def may_be_late(connection: Connection, message: Batch, known: dict[int, bytes]) -> set[int]:
    """Those of them that may be the lost ones: not where the batch has the last record of the gap, and it is another one."""
    absent = late(connection, message, known)
    if not absent:
        return set()
    c, hashes = t.gaps.c, {entry.seq: entry.hash for entry in message.entries}
    mine = (c.device == message.device.device, c.epoch == message.epoch)
    rows = connection.execute(select(c.first, c.last, c.hash).where(*mine, c.last.in_(absent))).all()
    others = [(row.first, row.last) for row in rows if bytes(row.hash) != hashes[row.last]]
    return {seq for seq in absent if not any(first <= seq <= last for first, last in others)}


def ending(connection: Connection, device: str, epoch: int, seq: int) -> bytes | None:
    """The hash of record `seq`, if a gap ends with it."""
    c = t.gaps.c
    found = connection.execute(select(c.hash).where(c.device == device, c.epoch == epoch, c.last == seq)).scalar()
    return None if found is None else bytes(found)


def unseen(connection: Connection, device: Device, epoch: int, entry: Entry, now: int) -> str:
    """The code of a result whose payment has no outcome on record. If that is among lost records and the issuer has approved, a restored database has
    forgotten both what came of them and what the acquirer said: the money is held in suspense, once, and an alarm names it.
    """
    record = entry.record
    intent, amount = record[r.INTENT], record[r.AMOUNT]
    gap = _last_before(connection, device.device, epoch, entry.seq)
    if gap is None or gap.last < intent or intent >= entry.seq or record[r.OUTCOME] != r.OUTCOME_APPROVED:
        return codes.RESULT_UNEXPECTED
    if not suspense.hold_unseen(connection, device, (device.device, epoch, intent), amount, now):
        return codes.RESULT_UNEXPECTED
    what = f"payment {intent} is approved by record {entry.seq}, its outcome is lost: {amount} centimes in suspense, ask the acquirer about it"
    audit.alarm(connection, device.device, "GAP", what, now)
    return codes.OUTCOME_LOST


def closed_unpaid(connection: Connection, device: str, epoch: int, closures: list[dict[str, Any]], now: int) -> None:
    """Alarms for the cases of earlier batches that are closed as deferred though no such payment of theirs is on record, where records of its device
    are lost: its outcome is among them, its card data with it, so nobody will ever be asked to pay. `closures`: as `server.wire.batches.Draft`.
    """
    deferred = [row["b_case"] for row in closures if row["closure"] == r.CLOSURE_PROVISIONAL]
    if not deferred:
        return
    g, p = t.gaps.c, t.payments.c
    lost = select(g.first).where(g.device == device, g.epoch == epoch).limit(1)
    if connection.execute(lost).first() is None:
        return
    mine = select(p.case_no, p.outcome, p.amount).where(p.device == device, p.epoch == epoch)
    latest = connection.execute(mine.order_by(p.intent.desc()).limit(MOST_LATEST)).all()
    for case in deferred:
        found = [row for row in latest if row.case_no == case]
        if any(row.outcome == r.OUTCOME_PROVISIONAL for row in found):
            continue
        amount = f", {found[0].amount} centimes" if found else ""
        what = f"case {case}{amount}: closed as deferred, its payment is among the lost records: it is not collected"
        audit.alarm(connection, device, "GAP", what, now)


def lost_intent(connection: Connection, device: Device, epoch: int, entry: Entry) -> dict[str, Any] | None:
    """The row of a payment whose intent is among the lost records, made from its outcome, which says all but the
    place of the report; None if the intent is not lost.
    """
    record = entry.record
    intent = record[r.INTENT]
    gap = _last_before(connection, device.device, epoch, intent) if intent < entry.seq else None
    if gap is None or gap.last < intent:
        return None
    return {
        "device": device.device, "epoch": epoch, "intent": intent, "case_no": record.get(r.CASE, 0),
        "amount": record[r.AMOUNT], "utc": record[r.UTC], "unit": record[r.UNIT],
        "force": record.get(r.FORCE, device.force), "wilaya": record.get(r.WILAYA, device.wilaya), "outcome": None,
        "outcome_seq": None, "scheme": None, "last4": None, "result_seq": None, "held": 0, "script_results": None,
        "sealed": 0,
    }  # fmt: skip
