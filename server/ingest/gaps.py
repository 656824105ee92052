"""Records that are lost for good: the chain goes on after them, what they took is held in suspense (design §3, §4).

A terminal that cannot read records any more, nor their second copies, says so twice: in the batch that goes on after
them (`protocol.sync.GAP`, signed with the batch) and in a gap record of its chain. How many payments and centimes are
missing is not taken from its word: it follows from the running totals on both sides. They are posted in suspense, with
an alarm; a person clears them up. What the gap record says must agree.

The running totals count an approved result of a deferred payment when the terminal writes it down; the ledger has it by the acquirer's word
already. So what of the missing money is explained by results that the terminal was told, has not sent as records and may have written
into the lost range, is taken out of suspense, payment by payment (`explained`), and named in the alarm.

That is a guess: the WELCOME that told the result may have been lost, and the range may hold another payment of that amount. So if such a
result comes as a record after the gap, its money goes back into suspense (`put_back`), and a person decides: the terminal has written the
result twice, and nobody is owed anything, or a payment is lost. Records seldom tell one from the other: a terminal that lost what it had
written is told again, and writes it again. Too much in suspense costs a look, too little would cost the Treasury the fine.
"""

from typing import Any

from sqlalchemy import Connection, Row, and_, bindparam, delete, exists, func, insert, select, update

from protocol import records as r
from server import codes
from server.batches import Batch, Entry
from server.ingest import sessions
from server.ledger import accounts, posting
from server.store import audit, devices, restore
from server.store import tables as t
from server.store.devices import Device

MOST_TRIED = 24  # candidates of which every sum is tried
MOST_SUMS = 4096  # different sums: amounts of a tariff have few, amounts that are made up would have millions
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
        raise codes.RefusedError(codes.WRONG_TOTALS, "running totals do not continue those on record")
    enter(
        connection, device, message.epoch, (message.gap, message.first_seq - 1), message.prev_hash, count, amount, now
    )
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
    legs = accounts.gap_legs(device.device, _place(device), amount)
    posting.post(connection, (device.device, epoch, span[0]), t.PART_GAP, legs, now)
    known = explained(_unwritten(connection, device.device, epoch, span[1]), count, amount)
    for row in known:
        _known(connection, device, (device.device, row.epoch, row.intent), row.amount, span[0], now)
    held = amount - sum(row.amount for row in known)
    what = (
        f"records {span[0]} to {span[1]} are lost: {count} approved payments, {held} of {amount} centimes in suspense"
    )
    if known:
        what += "; known are the results of payments " + ", ".join(str(row.intent) for row in known)
    audit.alarm(connection, device.device, "GAP", what, now)


def _place(device: Device) -> accounts.Place:
    return accounts.Place("", device.wilaya, device.force, device.unit)


def _unwritten(connection: Connection, device: str, epoch: int, last: int) -> list[Any]:
    """Deferred payments whose approval is on record and posted, was told to the terminal before it wrote record `last`, and has not come
    back as a record: in the order in which the terminal heard of them.
    """
    p, q = t.payments.c, t.results.c
    same = and_(p.device == q.device, p.epoch == q.epoch, p.intent == q.intent)
    mine = (q.device == device, q.epoch == epoch, q.outcome == r.OUTCOME_APPROVED, q.head < last, q.gap.is_(None))
    open_ = (p.outcome == r.OUTCOME_PROVISIONAL, p.outcome_seq < last, p.result_seq.is_(None), p.held == 0)
    chosen = select(q.epoch, q.intent, p.amount).join(t.payments, same).where(*mine, *open_)
    return list(connection.execute(chosen.order_by(q.head, q.intent)).all())


def fits(amount: int, count: int, total: int) -> bool:
    """Whether a payment may be one of `count` that are `total` centimes together."""
    return count > 0 and amount <= total and (count == 1) == (amount == total)


def explained(candidates: list[Any], count: int, total: int) -> list[Any]:
    """Those of `candidates` (each with an `amount`) that `count` payments of `total` centimes may be: if any are just these, they, as far as that is
    tried; else the first that may be among them.
    """
    sums: dict[tuple[int, int], list[Any]] = {(0, 0): []}
    for row in candidates[:MOST_TRIED]:
        if len(sums) > MOST_SUMS:
            break
        for (many, so_far), rows in list(sums.items()):
            if many < count and so_far + row.amount <= total:
                sums.setdefault((many + 1, so_far + row.amount), [*rows, row])
    if (count, total) in sums:
        return sums[count, total]
    found = []
    for row in candidates:
        if fits(row.amount, count, total):
            found.append(row)
            count, total = count - 1, total - row.amount
    return found


def _known(
    connection: Connection, device: Device, identity: posting.Identity, amount: int, first: int, now: int
) -> None:
    """Take a payment that is posted by the acquirer's word out of what is in suspense for the gap that begins with `first`."""
    c = t.results.c
    mine = and_(c.device == identity[0], c.epoch == identity[1], c.intent == identity[2])
    connection.execute(update(t.results).where(mine).values(gap=first))
    legs = accounts.opposite(accounts.gap_legs(device.device, _place(device), amount))
    posting.post(connection, identity, t.PART_KNOWN, legs, now)


def put_back(connection: Connection, device: Device, payment: Any, first: int, written: set[int], now: int) -> None:
    """The result of `payment`, which was taken out of the suspense of the gap from `first`, has come as a record: back into it, once, until
    a person decides. Other results may be what the gap holds instead, save those that are `written` by the same batch.
    """
    name, epoch, intent = payment["device"], payment["epoch"], payment["intent"]
    p = t.postings.c
    again = select(p.part).where(p.device == name, p.epoch == epoch, p.intent == intent, p.part == t.PART_AGAIN)
    if connection.execute(again).first() is not None or payment["held"]:  # held for a fork: its legs were undone
        audit.alarm(connection, name, "GAP", f"the result of payment {intent} has come once more", now)
        return
    legs = accounts.gap_legs(name, _place(device), payment["amount"])
    posting.post(connection, (name, epoch, intent), t.PART_AGAIN, legs, now)
    gap = _of(connection, name, epoch, first)
    known = _known_instead(connection, device, gap, written, now)
    held = payment["amount"] - sum(row.amount for row in known)
    why = f"or the gap from {first} holds another payment"
    if not _may_hold_a_payment(connection, gap):
        why = f"record {first} alone holds no payment"
    what = f"the result of payment {intent} has come: written twice, {why}; {held} centimes in suspense again"
    if known:
        what += "; known are the results of payments " + ", ".join(str(row.intent) for row in known)
    audit.alarm(connection, name, "GAP", what, now)


def forked(connection: Connection, payment: Any, now: int) -> None:
    """What a fork has undone of a payment that is held now is in the suspense of its gap again: other results may be what that holds."""
    q = t.results.c
    mine = (q.device == payment.device, q.epoch == payment.epoch, q.intent == payment.intent)
    first = connection.execute(select(q.gap).where(*mine)).scalar()
    device = None if first is None else devices.find(connection, payment.device)
    if device is None or first is None:
        return
    gap = _of(connection, payment.device, payment.epoch, first)
    known = _known_instead(connection, device, gap, set(), now)
    what = f"payment {payment.intent} is part of a fork: its money is in the suspense of the gap from {first} again"
    if known:
        what += "; known are the results of payments " + ", ".join(str(row.intent) for row in known)
    audit.alarm(connection, payment.device, "GAP", what, now)


def _of(connection: Connection, device: str, epoch: int, first: int) -> Any:
    """The gap that begins with record `first`."""
    c = t.gaps.c
    return connection.execute(select(t.gaps).where(c.device == device, c.epoch == epoch, c.first == first)).one()


def _known_instead(connection: Connection, device: Device, gap: Any, written: set[int], now: int) -> list[Any]:
    """Take out of a gap's suspense other results than it was explained with, save those of the payments `written`."""
    others = [row for row in _unwritten(connection, gap.device, gap.epoch, gap.last) if row.intent not in written]
    known = explained(others, *_left(connection, gap))
    for row in known:
        _known(connection, device, (gap.device, row.epoch, row.intent), row.amount, gap.first, now)
    return known


def _may_hold_a_payment(connection: Connection, gap: Any) -> bool:
    """Whether an outcome may be among lost records: with its intent, or alone if the last intent before them has none."""
    if gap.last > gap.first:
        return True
    p = t.payments.c
    mine = (p.device == gap.device, p.epoch == gap.epoch, p.intent < gap.first)
    last = connection.execute(select(p.outcome).where(*mine).order_by(p.intent.desc()).limit(1)).first()
    return last is not None and last.outcome is None


def _left(connection: Connection, gap: Any) -> tuple[int, int]:
    """(payments, centimes) that a gap holds in suspense."""
    q, p, back = t.results.c, t.payments.c, t.postings.c
    same = and_(p.device == q.device, p.epoch == q.epoch, p.intent == q.intent)
    again = and_(back.device == q.device, back.epoch == q.epoch, back.intent == q.intent, back.part == t.PART_AGAIN)
    of_gap = (q.device == gap.device, q.epoch == gap.epoch, q.gap == gap.first, ~exists().where(again))
    known = select(func.count(), func.coalesce(func.sum(p.amount), 0)).join_from(t.results, t.payments, same)
    count, amount = connection.execute(known.where(*of_gap, p.held == 0)).one()
    return gap._mapping["count"] - count, gap.amount - int(amount)


def told_before(connection: Connection, payment: Any, since: int) -> int:
    """After which record of its terminal a result was told that this database has forgotten in a restore at `since`: after the
    payment's outcome, and after the gaps that the backup knew.
    """
    c = t.gaps.c
    mine = (c.device == payment.device, c.epoch == payment.epoch, c.at < since)
    return max(payment.outcome_seq, connection.execute(select(func.max(c.last)).where(*mine)).scalar() or 0)


def since_restore(connection: Connection, device: str) -> int:
    """The last record of the gaps that were closed after the last restore, 0 if there are none: what they hold may have been on file once."""
    since = restore.restored(connection)
    c = t.gaps.c
    found = select(func.max(c.last)).where(c.device == device, c.at >= since)
    return (connection.execute(found).scalar() or 0) if since else 0


def recall(connection: Connection, payment: Any, head: int, now: int) -> None:
    """An approval is on record again after a restore, and was told after record `head`: if a gap that was told again before it may hold what
    the terminal wrote down, it is taken out of its suspense.
    """
    c = t.gaps.c
    mine = (c.device == payment.device, c.epoch == payment.epoch, c.last > head)
    device = devices.find(connection, payment.device)
    for gap in connection.execute(select(t.gaps).where(*mine).order_by(c.first)).all():
        if device is not None and fits(payment.amount, *_left(connection, gap)):
            identity = (payment.device, payment.epoch, payment.intent)
            _known(connection, device, identity, payment.amount, gap.first, now)
            what = f"records {gap.first} to {gap.last} are lost: known is the result of payment {payment.intent}"
            audit.alarm(connection, payment.device, "GAP", what, now)
            return


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
    p = t.postings.c
    mine = (p.device == device.device, p.epoch == epoch, p.intent == intent, p.part == t.PART_UNSEEN)
    if connection.execute(select(p.part).where(*mine)).first() is not None:
        return codes.RESULT_UNEXPECTED
    posting.post(
        connection,
        (device.device, epoch, intent),
        t.PART_UNSEEN,
        accounts.gap_legs(device.device, _place(device), amount),
        now,
    )
    what = f"payment {intent} is approved by record {entry.seq}, its outcome is lost: {amount} centimes in suspense, ask the acquirer about it"
    audit.alarm(connection, device.device, "GAP", what, now)
    return codes.OUTCOME_LOST


def closed_unpaid(connection: Connection, device: str, epoch: int, closures: list[dict[str, Any]], now: int) -> None:
    """Alarms for the cases of earlier batches that are closed as deferred though no such payment of theirs is on record, where records of its device
    are lost: its outcome is among them, its card data with it, so nobody will ever be asked to pay. `closures`: as `server.batches.Draft`.
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
