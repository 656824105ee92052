"""BATCH → ACK: the chain is continued, or what stands in the way is named.

Acknowledged is what is contiguous and committed. Records already there count as duplicates; one of the same sequence
and another content is a fork; a batch that begins after a gap is not kept, and the missing range is asked for. The
reply is sent after the commit only.
"""

from typing import Any

from sqlalchemy import Connection, Row, bindparam, select, update

from protocol import records as r
from protocol import sync as s
from server import codes
from server.ingest import forks, results, sessions
from server.ingest.work import Work
from server.messages import Batch, Entry
from server.store import audit
from server.store import tables as t

_MOVES = ("seq", "hash", "cum_count", "cum_total", "counter", "utc", "last_contact")
_ADVANCE = (
    update(t.heads).where(t.heads.c.device == bindparam("b_device")).values({name: bindparam(name) for name in _MOVES})
)


def batch(connection: Connection, message: Batch, now: int) -> dict[int, Any]:
    """Take in a batch: the payload of ACK.

    RefusedError when it is not bound to the session or its totals do not continue the chain's.
    """
    head = sessions.bound_head(connection, message)
    if message.first_seq > head.seq + 1:
        return _ack(
            connection, message, head.seq, bytes(head.hash), now, wanted=[[head.seq + 1, message.entries[-1].seq]]
        )
    continues = message.first_seq == head.seq + 1 and message.prev_hash == bytes(head.hash)
    if continues and (message.cum_count, message.cum_total) != (head.cum_count, head.cum_total):
        raise codes.RefusedError(codes.WRONG_TOTALS, "running totals do not continue those on record")
    known = _known_hashes(connection, message, head.seq)
    duplicates, new, branch = [], [], []
    previous = message.prev_hash
    for entry in message.entries:
        if branch or entry.seq <= head.seq and known.get(entry.seq) != entry.hash:
            branch.append(entry)
        elif entry.seq <= head.seq:
            duplicates.append(entry)
        elif entry.seq == head.seq + 1 and previous != bytes(head.hash):
            branch.append(entry)
        else:
            new.append(entry)
        previous = entry.hash
    rejected = [[entry.seq, entry.notice] for entry in duplicates + new if entry.notice]
    if branch:
        forks.keep(connection, message, branch, now)
        rejected += [[entry.seq, codes.FORK] for entry in branch]
    _reattach(connection, message, duplicates, now)
    seq, digest = head.seq, bytes(head.hash)
    if new:
        rejected += _append(connection, message, head, new, now)
        seq, digest = new[-1].seq, new[-1].hash
    return _ack(connection, message, seq, digest, now, len(new), len(duplicates), sorted(rejected))


def _known_hashes(connection: Connection, message: Batch, acked: int) -> dict[int, bytes]:
    if message.first_seq > acked:
        return {}
    found = connection.execute(
        select(t.raw.c.seq, t.raw.c.hash).where(
            t.raw.c.device == message.device.device,
            t.raw.c.epoch == message.epoch,
            t.raw.c.seq.between(message.first_seq, message.entries[-1].seq),
        )
    )
    return {row.seq: bytes(row.hash) for row in found}


def _append(connection: Connection, message: Batch, head: Row[Any], new: list[Entry], now: int) -> list[list[Any]]:
    """Add new records to the chain; [[seq, code] …] of those kept but not posted."""
    name = message.device.device
    work = Work(connection, message.device, message.epoch, new, head.doubtful_seq, now)
    rejected = [[entry.seq, code] for entry in new if (code := work.take(entry))]
    work.flush()
    if head.forks:
        forks.hold_known(connection, message, new, now)
    _watch(connection, name, head, new, now)
    for seq, code in rejected:
        audit.alarm(connection, name, code, f"record {seq} is kept but not posted", now)
    last = new[-1].record
    connection.execute(
        _ADVANCE,
        {
            "b_device": name,
            "seq": new[-1].seq,
            "hash": new[-1].hash,
            "cum_count": last[r.CUM_COUNT],
            "cum_total": last[r.CUM_TOTAL],
            "counter": last[r.COUNTER],
            "utc": last[r.UTC],
            "last_contact": now,
        },
    )
    return rejected


def _watch(connection: Connection, name: str, head: Row[Any], new: list[Entry], now: int) -> None:
    """Alarms about time and counter: they stop nothing, since the records are signed and chained."""
    counter, utc = head.counter, head.utc
    for entry in new:
        if entry.record[r.COUNTER] <= counter:
            audit.alarm(connection, name, codes.COUNTER_BACK, f"record {entry.seq}: counter did not advance", now)
        if entry.record[r.UTC] < utc:
            audit.write(connection, name, t.LEVEL_WARNING, codes.CLOCK_BACK, f"record {entry.seq}: time went back", now)
        counter, utc = entry.record[r.COUNTER], entry.record[r.UTC]


def _reattach(connection: Connection, message: Batch, duplicates: list[Entry], now: int) -> None:
    """Sealed data that came again for a payment whose request failed for want of them: ask the acquirer again."""
    for entry in duplicates:
        if entry.sealed is None or entry.record[r.KIND] != r.PAYMENT_OUTCOME:
            continue
        key = {"device": message.device.device, "epoch": message.epoch, "intent": entry.record[r.INTENT]}
        c = t.outbox.c
        waiting = update(t.outbox).where(
            c.device == key["device"],
            c.epoch == key["epoch"],
            c.intent == key["intent"],
            c.state == t.STATE_FAILED,
            c.response == "25",
        )
        if connection.execute(waiting.values(state=t.STATE_DOUBTFUL, next_at=now)).rowcount:
            connection.execute(t.sealed.insert().values(**key, blob=entry.sealed))


def _ack(
    connection: Connection,
    message: Batch,
    seq: int,
    digest: bytes,
    now: int,
    new: int = 0,
    duplicates: int = 0,
    rejected: list[list[Any]] | None = None,
    wanted: list[list[int]] | None = None,
) -> dict[int, Any]:
    name = message.device.device
    reply: dict[int, Any] = {
        s.NONCE: message.nonce,
        s.EPOCH: message.epoch,
        s.DEVICE: name,
        s.ACKED_SEQ: seq,
        s.ACKED_HASH: digest,
        s.SERVER_UTC: now,
        s.NEW: new,
        s.DUPLICATES: duplicates,
    }
    if rejected:
        reply[s.REJECTED] = rejected
    if wanted:
        reply[s.WANTED] = wanted
    pending = results.pending(connection, name)
    if pending:
        reply[s.RESULTS] = pending
    cleared = results.cleared(connection, name, message.epoch)
    if cleared:
        reply[s.CLEARED] = cleared
    return reply
