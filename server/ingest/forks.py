"""Two records with one sequence: both are kept, neither is posted, and somebody is told (design §4).

The branch that came first stays the chain; the other lies in `forks`. What had been posted of a payment that is in both
is undone by opposite entries, and an authorisation or clearing that had not yet been sent to the acquirer is held. Two officers decide about such
a payment (`server.office.branches`). If it stands, it is posted again; a record of one more branch, which they did not know, holds it once more.
If it is given back, and the acquirer will not reverse it, it is held as before, unless it is declined.

How many records lie beside the chain of a device has a bound (`MOST`). What is over it is not kept and holds nothing; an alarm says so once, and the
terminal is told that it was set aside as all else of a branch. When it asks, it hears that the record is here: it would show it again in every
session otherwise, and what it shows it keeps all the same.
"""

from typing import Any

from sqlalchemy import Connection, bindparam, delete, exists, insert, select, update

from protocol import cbor
from protocol import records as r
from server import codes
from server.acquirer import word
from server.ingest import results
from server.ingest.history import History
from server.ingest.lost import gaps, suspense
from server.ledger import accounts, posting
from server.store import aside, audit
from server.store import tables as t
from server.wire.batches import Batch, Entry

MOST = 131072
"""Records beside the chain of a device: five times what the largest journal holds (8 MiB, some 2,700 fines of 9 records: docs/journal.md), and more
than would fit it if they were all of the shortest kind."""
_F = t.forks.c
_SAME = select(_F.seq).where(*(_F[name] == bindparam(name) for name in ("device", "epoch", "seq", "hash")))
_COUNT = select(t.heads.c.forks).where(t.heads.c.device == bindparam("device"))
"""Made once: making a statement costs more than running it."""


def keep(connection: Connection, batch: Batch, entries: list[Entry], now: int) -> tuple[list[Entry], set[int]]:
    """Keep the records of a second branch, hold the payments that it puts in doubt, raise the alarm once per new
    fork. Those that were not there before, and the sequences of those that are over the bound.
    """
    name = batch.device.device
    fresh, over = _store(connection, batch, entries, now)
    if fresh:
        audit.alarm(connection, name, codes.FORK, f"second branch, records {fresh[0].seq} to {fresh[-1].seq}", now)
    for entry in fresh:
        _hold(connection, batch, entry.seq, now)
    return fresh, over


def keep_late(connection: Connection, batch: Batch, entries: list[Entry], now: int) -> set[int]:
    """Keep records of a range that was declared lost and that come all the same: a person who decides about its money has to know. One alarm. The
    sequences of those that are over the bound.
    """
    fresh, over = _store(connection, batch, entries, now)
    if not fresh:
        return over
    end = gaps.ending(connection, batch.device.device, batch.epoch, fresh[-1].seq)
    what = f"records {fresh[0].seq} to {fresh[-1].seq} were declared lost and have come: kept, not posted"
    if end is not None:
        what += "; they are the lost ones" if end == fresh[-1].hash else "; they are not those that were lost"
    audit.alarm(connection, batch.device.device, codes.GAP_CLOSED, what, now)
    return over


def _store(connection: Connection, batch: Batch, entries: list[Entry], now: int) -> tuple[list[Entry], set[int]]:
    """Keep records beside the chain: those that were not there before, and the sequences of those that are over the bound."""
    name = batch.device.device
    fresh = [entry for entry in entries if not kept(connection, batch, entry)]
    room = _room(connection, name) if fresh else 0
    fresh, over = fresh[:room], {entry.seq for entry in fresh[room:]}
    if over:
        audit.alarm_once(
            connection, name, codes.BESIDE_FULL, f"{MOST} records lie beside the chain: no more are kept", now
        )
    if fresh:
        connection.execute(update(t.heads).where(t.heads.c.device == name).values(forks=t.heads.c.forks + len(fresh)))
        row = {"device": name, "epoch": batch.epoch, "received": now}
        connection.execute(
            insert(t.forks),
            [
                {**row, "seq": entry.seq, "hash": entry.hash, "record": entry.data, "signature": entry.signature}
                for entry in fresh
            ],
        )
        records = [entry.record for entry in fresh]
        aside.note(connection, name, records)
        word.beside(connection, name, batch.epoch, records, now)
    return fresh, over


def _room(connection: Connection, device: str) -> int:
    """How many more records may lie beside the chain."""
    return max(0, MOST - connection.execute(_COUNT, {"device": device}).scalar_one())


def joined(connection: Connection, batch: Batch, entries: list[Entry], now: int) -> None:
    """Records have joined the chain of which others were kept beside it: hold the payments that both have.

    What was kept may be the very records, shown as a branch of a chain that a restore has lost since: of these there is no branch any more.
    """
    c = t.forks.c
    mine = (c.device == batch.device.device, c.epoch == batch.epoch)
    found = connection.execute(select(c.seq, c.hash).where(*mine, c.seq.between(entries[0].seq, entries[-1].seq))).all()
    ours = {entry.seq: entry.hash for entry in entries}
    same = [row.seq for row in found if bytes(row.hash) == ours[row.seq]]
    for seq in same:
        connection.execute(delete(t.forks).where(*mine, c.seq == seq, c.hash == ours[seq]))
    if same:
        h = t.heads.c
        connection.execute(update(t.heads).where(h.device == batch.device.device).values(forks=h.forks - len(same)))
    for seq in sorted({row.seq for row in found if bytes(row.hash) != ours[row.seq]}):
        _hold(connection, batch, seq, now)


def parted(connection: Connection, batch: Batch) -> bool:
    """Whether a branch is kept that leaves the chain before a batch."""
    f, raw = t.forks.c, t.raw.c
    mine = (f.device == batch.device.device, f.epoch == batch.epoch, f.seq < batch.first_seq)
    same = (raw.device == f.device, raw.epoch == f.epoch, raw.seq == f.seq)
    return connection.execute(select(f.seq).where(*mine, exists().where(*same)).limit(1)).first() is not None


def kept(connection: Connection, batch: Batch, entry: Entry) -> bool:
    """Whether a record lies beside the chain."""
    key = {"device": batch.device.device, "epoch": batch.epoch, "seq": entry.seq, "hash": entry.hash}
    return connection.execute(_SAME, key).first() is not None


def beside(connection: Connection, batch: Batch, entries: list[Entry]) -> int:
    """How many of the records that a terminal asks about need not be shown: they lie beside the chain, or none is kept any more."""
    if entries and not _room(connection, batch.device.device):
        return len(entries)
    return sum(kept(connection, batch, entry) for entry in entries)


def _hold(connection: Connection, batch: Batch, seq: int, now: int) -> None:
    """Undo what the record on file under `seq` posted; the payment may have been begun in an epoch that is over."""
    name = batch.device.device
    stored = connection.execute(
        select(t.raw.c.record).where(
            t.raw.c.device == name,
            t.raw.c.epoch == batch.epoch,
            t.raw.c.seq == seq,
            t.raw.c.kind == r.PAYMENT_OUTCOME,
            t.raw.c.rejected.is_(None),
        )
    ).scalar()
    if stored is None:
        return
    intent = cbor.decode(bytes(stored))[r.INTENT]
    payment = History(connection, []).payments(name, [intent]).get(intent)
    if payment is not None and payment["outcome_seq"] == seq:
        hold_payment(connection, (name, payment["epoch"], intent), now)


def outcome_epoch(connection: Connection, identity: posting.Identity, seq: int) -> int:
    """The epoch of a payment's outcome, which is record `seq`: the payment's own, or a later one that began before the outcome was written."""
    c, e = t.raw.c, t.epochs.c
    later = select(e.epoch).distinct().where(e.device == identity[0], e.epoch > identity[1]).order_by(e.epoch)
    for epoch in (identity[1], *connection.execute(later).scalars().all()):
        mine = (c.device == identity[0], c.epoch == epoch, c.seq == seq)
        outcome = (c.kind == r.PAYMENT_OUTCOME, c.rejected.is_(None))
        record = connection.execute(select(c.record).where(*mine, *outcome)).scalar()
        if record is not None and cbor.decode(bytes(record))[r.INTENT] == identity[2]:
            return epoch
    return identity[1]


def hold_payment(connection: Connection, identity: posting.Identity, now: int) -> None:
    """Take a payment out of the ledger by opposite entries, and keep from the acquirer what is unsent and could bring money in. A reversal goes
    on: it gives back what a host holds, or may hold, and the books, which hold nothing of the payment any more, follow no less.
    """
    key = (t.payments.c.device == identity[0], t.payments.c.epoch == identity[1], t.payments.c.intent == identity[2])
    payment: Any = connection.execute(select(t.payments).where(*key)).first()
    if payment is None or payment.held:
        return
    connection.execute(update(t.payments).where(*key).values(held=t.HELD_FORK))
    stood = posting.stood(connection, identity)
    if stood:
        what = f"payment {payment.intent} stood by verdict {stood}; it is part of one more fork, and held again"
        audit.alarm(connection, payment.device, "HELD", what, now)
    part = t.verdict_part(stood, t.AFTER_HELD) if stood else t.PART_FORK
    posting.post(connection, identity, part, _net(posting.posted(connection, identity)), now)
    connection.execute(
        update(t.outbox)
        .where(
            t.outbox.c.device == identity[0],
            t.outbox.c.epoch == identity[1],
            t.outbox.c.intent == identity[2],
            t.outbox.c.step != t.STEP_REVERSE,
            t.outbox.c.state == t.STATE_NEW,
        )
        .values(state=t.STATE_HELD)
    )
    suspense.forked(connection, payment, now)


def stand(connection: Connection, identity: posting.Identity, number: int, now: int) -> None:
    """By verdict `number`, post a payment that was held as its outcome on file says, and what the acquirer has said of it since."""
    key = (t.payments.c.device == identity[0], t.payments.c.epoch == identity[1], t.payments.c.intent == identity[2])
    connection.execute(update(t.payments).where(*key).values(held=t.HELD_NOT))
    payment: Any = connection.execute(select(t.payments).where(*key)).one()
    place = accounts.Place(payment.scheme or "", payment.wilaya, payment.force, payment.unit)
    final = results.find(connection, identity) if payment.outcome == r.OUTCOME_PROVISIONAL else None
    legs = accounts.outcome_legs(place, payment.outcome, payment.amount)
    if final is not None:
        legs += accounts.final_legs(place, final.outcome, payment.amount)
    if r.OUTCOME_APPROVED in (payment.outcome, None if final is None else final.outcome):
        o = t.outbox.c
        mine = (o.device == identity[0], o.epoch == identity[1], o.intent == identity[2])
        back = select(o.step).where(*mine, o.step == t.STEP_REVERSE, o.state == t.STATE_DONE)
        if connection.execute(back).first() is not None:
            legs += accounts.opposite(accounts.outcome_legs(place, r.OUTCOME_APPROVED, payment.amount))
        if final is not None:
            legs += suspense.stands(connection, payment, now)
    due = _net(posting.posted(connection, identity) + accounts.opposite(legs))
    posting.post(connection, identity, t.verdict_part(number, t.AFTER_STANDS), due, now)


def hold_again(connection: Connection, identity: posting.Identity, now: int) -> None:
    """What a verdict gives back is not reversed, and that is given up: the payment, which is in no book, is held until two officers decide anew."""
    c = t.payments.c
    mine = (c.device == identity[0], c.epoch == identity[1], c.intent == identity[2])
    connection.execute(update(t.payments).where(*mine).values(held=t.HELD_FORK))
    what = f"payment {identity[2]} of epoch {identity[1]}, given back by a verdict about a fork, is not reversed, says the acquirer: held again"
    audit.alarm(connection, identity[0], "HELD", what, now)


def _net(legs: list[accounts.Leg]) -> list[accounts.Leg]:
    """One opposite leg per account with something on it."""
    sums: dict[str, int] = {}
    for account, amount in legs:
        sums[account] = sums.get(account, 0) + amount
    return accounts.opposite([(account, amount) for account, amount in sorted(sums.items()) if amount])
