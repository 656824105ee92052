"""What an issuer approved, or may have, while a card waited, and whose outcome is lost for good: reversed, or named for a person.

A gap says how many approved payments it holds, and how much money (`server.ingest.lost.gaps`). If that cannot be the payment, its outcome was
*declined*, *interrupted* or *provisional*, or was never written: nobody took what the issuer approved, and it is given back, with an alarm. If it
can, the driver may have paid: an alarm names payment and amount, and a person asks the acquirer. So it is with what a restored database may have
known, and with an outcome that was set aside.

The outcome may be the first record after a gap that took the intent only. So nothing is decided before a record that a terminal writes only when
it is done with the payment (`_GOES_ON`); it is looked for once for each gap, with the batch that brings it (`look`). When an epoch ends nothing of it
can come any more, and what it leaves is decided by the same rule, behind a gap or not (`forsake`): what was left to a person stays so. An outcome
that comes later all the same is *interrupted*, and reversed once more, which does no harm.
"""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection, and_, bindparam, select

from protocol import records as r
from server.acquirer import online, outbox
from server.ingest.lost import gaps, suspense
from server.store import aside, audit, restore
from server.store import tables as t

_GOES_ON = (r.SHIFT_OPENED, r.SHIFT_CLOSED, r.LICENCE_READ, r.NOTICE, r.PAYMENT_INTENT, r.VOID, r.CASE_CLOSED)
_LATER = t.gaps.alias("later").c
_GAP = (
    select(_LATER.first)
    .where(_LATER.device == t.heads.c.device, _LATER.epoch == t.heads.c.epoch)
    .order_by(_LATER.first.desc())
    .limit(1)
    .correlate(t.heads)
    .scalar_subquery()
)
_LAST = (
    select(t.gaps)
    .join(t.heads, and_(t.gaps.c.device == t.heads.c.device, t.gaps.c.epoch == t.heads.c.epoch))
    .where(t.heads.c.device.in_(bindparam("b_devices", expanding=True)), t.gaps.c.first == _GAP)
)
_NEXT = (
    select(t.raw.c.seq)
    .where(t.raw.c.device == bindparam("b_device"), t.raw.c.epoch == bindparam("b_epoch"))
    .where(t.raw.c.seq > bindparam("b_seq"), t.raw.c.kind.in_(_GOES_ON))
    .order_by(t.raw.c.seq)
    .limit(1)
)
_BEFORE = (
    select(t.raw.c.seq)
    .where(t.raw.c.device == bindparam("b_device"), t.raw.c.epoch == bindparam("b_epoch"))
    .where(t.raw.c.seq < bindparam("b_seq"), t.raw.c.kind.in_(_GOES_ON))
    .order_by(t.raw.c.seq.desc())
    .limit(1)
)
"""Statements made once: making one costs more than running it."""


def look(connection: Connection, heads: dict[str, int], now: int) -> None:
    """New records of devices are on file: `heads` are the last ones before them, by device."""
    for gap in connection.execute(_LAST, {"b_devices": sorted(heads)}).all():
        before = heads[gap.device]
        new = _goes_on(connection, gap, max(gap.last, before))
        if new is not None and (before <= gap.last or before < (_goes_on(connection, gap, gap.last) or 0)):
            _decide(connection, gap, now)


def forsake(connection: Connection, device: str, ended: int, epoch: int, now: int) -> None:
    """Epoch `epoch` of a device begins; epoch `ended` and all between are over: decide about what an issuer was asked in them, has approved, or may
    have, and of which there is no outcome. To be called while the head is still the old epoch's.
    """
    a, p, g = t.authorisations.c, t.payments.c, t.gaps.c
    same = and_(a.device == p.device, a.epoch == p.epoch, a.intent == p.intent)
    mine = (a.device == device, a.epoch >= ended, a.epoch < epoch, p.outcome.is_(None))
    chosen = select(t.authorisations).outerjoin(t.payments, same).where(*mine).order_by(a.epoch, a.intent)
    open_ = _open(connection, connection.execute(chosen).all())
    lost = select(t.gaps).where(g.device == device, g.epoch >= ended, g.epoch < epoch).order_by(g.epoch, g.first)
    spans = connection.execute(lost).all() if open_ else []
    for row in open_:
        _settle(connection, row, _around(connection, row, spans), now)


def _open(connection: Connection, rows: Sequence[Any]) -> list[Any]:
    """Those payments of which an approval stands, or may stand, and whose reversal nobody has asked for."""
    return [
        row
        for row in rows
        if online.stands(row) and not outbox.reversal_asked(connection, (row.device, row.epoch, row.intent))
    ]


def _goes_on(connection: Connection, of: Any, seq: int) -> int | None:
    """The first record after `seq`, in the epoch of a gap or a payment, that shows that its terminal is done with a payment of before."""
    return connection.execute(_NEXT, {"b_device": of.device, "b_epoch": of.epoch, "b_seq": seq}).scalar()


def _around(connection: Connection, row: Any, spans: Sequence[Any]) -> list[Any]:
    """Those gaps that lie between a payment's intent and the first record that shows that its terminal is done with it."""
    mine = [span for span in spans if span.epoch == row.epoch and span.last >= row.intent]
    end = _goes_on(connection, row, row.intent) if mine else None
    return [span for span in mine if end is None or span.first < end]


def _decide(connection: Connection, gap: Any, now: int) -> None:
    """Every payment of which an approval may stand and no outcome is on file, and which the terminal may have begun with the last record before its
    last gap that shows so, or since.
    """
    a, p, g = t.authorisations.c, t.payments.c, t.gaps.c
    device, epoch = gap.device, gap.epoch
    since = connection.execute(_BEFORE, {"b_device": device, "b_epoch": epoch, "b_seq": gap.first}).scalar() or 0
    same = and_(a.device == p.device, a.epoch == p.epoch, a.intent == p.intent)
    mine = (a.device == device, a.epoch == epoch, a.intent.between(since, gap.last), p.outcome.is_(None))
    open_ = select(t.authorisations).outerjoin(t.payments, same).where(*mine).order_by(a.intent)
    lost = select(t.gaps).where(g.device == device, g.epoch == epoch, g.first > since).order_by(g.first)
    spans = connection.execute(lost).all()
    for row in _open(connection, connection.execute(open_).all()):
        around = _around(connection, row, spans)
        if around:
            _settle(connection, row, around, now)


def _settle(connection: Connection, row: Any, around: list[Any], now: int) -> None:
    """One such payment, and the gaps in which its outcome may be, if there are any."""
    device, epoch, intent = identity = (row.device, row.epoch, row.intent)
    holds = [
        gap for gap in around if gap.last > intent and suspense.fits(row.amount, gap._mapping["count"], gap.amount)
    ]
    what = f"payment {intent} of epoch {epoch}, {row.amount} centimes, is or may be approved by its issuer"
    if aside.has(connection, device, intent):
        what += "; its outcome was set aside: decide"
    elif restore.doubtful(connection, device, intent):
        what += "; its outcome may have been on file before the restore: ask the acquirer"
    elif holds:
        what += f"; the gap from record {holds[0].first} may hold its outcome: ask the acquirer"
    else:
        outbox.reverse(connection, identity, row.amount, row.utc, now)
        what += " and its outcome is lost: reversed"
    audit.alarm_once(connection, device, "GAP" if around else "EPOCH", what, now, gaps.MOST_LATEST)
