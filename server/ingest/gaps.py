"""Records that are lost for good: the chain goes on after them, what they took is held in suspense (design §3, §4).

A terminal that cannot read records any more, nor their second copies, says so twice: in the batch that goes on after
them (`protocol.sync.GAP`, signed with the batch) and in a gap record of its chain. How many payments and centimes are
missing is not taken from its word: it follows from the running totals on both sides. They are posted in suspense, with
an alarm; a person clears them up. What the gap record says must agree.
"""

from typing import Any

from sqlalchemy import Connection, Row, insert, select, update

from protocol import records as r
from server import codes
from server.batches import Batch, Entry
from server.ingest import sessions
from server.ledger import accounts, posting
from server.store import audit
from server.store import tables as t
from server.store.devices import Device


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
    place = accounts.Place("", device.wilaya, device.force, device.unit)
    legs = accounts.gap_legs(device.device, place, amount)
    posting.post(connection, (device.device, epoch, span[0]), t.PART_GAP, legs, now)
    what = f"records {span[0]} to {span[1]} are lost: {count} payments, {amount} centimes in suspense"
    audit.alarm(connection, device.device, "GAP", what, now)


def declared(connection: Connection, device: str, epoch: int, entry: Entry) -> str | None:
    """Take a gap record: the code of what is wrong with it, if anything.

    It may name records that had arrived before they were lost, then or now; those that had not must be the gap on file.
    """
    record = entry.record
    first, last = record[r.FIRST], record[r.GAP_LAST]
    if not first <= last < entry.seq:
        return codes.GAP_OTHERWISE
    c = t.gaps.c
    mine = (c.device == device, c.epoch == epoch)
    found = connection.execute(select(t.gaps).where(*mine, c.first <= last, c.last >= first)).all()
    for row in found:
        if row.first < first or row.last > last:
            return codes.GAP_OTHERWISE
        if row.last == last and record.get(r.GAP_HASH, bytes(row.hash)) != bytes(row.hash):
            return codes.GAP_OTHERWISE
        same = (row.first, row.last) == (first, last)
        told = (record.get(r.GAP_COUNT, row.count), record.get(r.GAP_TOTAL, row.amount))
        if same and told != (row.count, row.amount):
            return codes.GAP_OTHERWISE
    where = (*mine, c.first >= first, c.last <= last, c.declared_seq.is_(None))
    connection.execute(update(t.gaps).where(*where).values(declared_seq=entry.seq))
    return None


def late(connection: Connection, message: Batch, known: dict[int, bytes]) -> set[int]:
    """Sequences of a batch that lie in a gap which is closed: they are not posted, a person decides."""
    absent = [entry.seq for entry in message.entries if entry.seq not in known]
    if not absent:
        return set()
    c = t.gaps.c
    found = connection.execute(
        select(c.first, c.last).where(
            c.device == message.device.device, c.epoch == message.epoch, c.first <= absent[-1], c.last >= absent[0]
        )
    ).all()
    return {seq for seq in absent if any(row.first <= seq <= row.last for row in found)}


def lost_intent(connection: Connection, device: Device, epoch: int, entry: Entry) -> dict[str, Any] | None:
    """The row of a payment whose intent is among the lost records, made from its outcome, which says all but the
    place of the report; None if the intent is not lost.
    """
    record, c = entry.record, t.gaps.c
    intent = record[r.INTENT]
    where = (c.device == device.device, c.epoch == epoch, c.first <= intent, c.last >= intent)
    if intent >= entry.seq or connection.execute(select(c.first).where(*where)).first() is None:
        return None
    return {
        "device": device.device, "epoch": epoch, "intent": intent, "case_no": record.get(r.CASE, 0),
        "amount": record[r.AMOUNT], "utc": record[r.UTC], "unit": record[r.UNIT],
        "force": record.get(r.FORCE, device.force), "wilaya": record.get(r.WILAYA, device.wilaya), "outcome": None,
        "outcome_seq": None, "scheme": None, "last4": None, "result_seq": None, "held": 0, "script_results": None,
    }  # fmt: skip
