"""A case that is paid twice: two payments of it stand, neither refused, given back nor on its way back, nor perhaps so (`server.store.failed`).

No terminal asks for a second one while it knows of the first; one whose storage has lost the first may. The driver would have paid twice and the
books would balance, so it is looked for when a payment is posted, and when one that a fork held stands. A terminal has one case at a time: only
the case of its last payment can be paid again, and only then is anything asked of the database.
"""

from typing import Any

from sqlalchemy import Connection, and_, bindparam, exists, select

from protocol import cbor
from protocol import records as r
from server import codes
from server.store import audit, failed, restore
from server.store import tables as t


def _earlier() -> Any:
    p, v, q, o = t.payments.c, t.voids.c, t.results.c, t.outbox.c

    def same(c: Any) -> Any:
        return and_(c.device == p.device, c.epoch == p.epoch, c.intent == p.intent)

    refused = exists().where(same(q), q.outcome != r.OUTCOME_APPROVED)
    voided = exists().where(same(v), v.state != r.VOID_REFUSED)
    returned = exists().where(same(o), failed.under_way())
    stands = (p.held == 0, p.outcome.in_((r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL)), ~refused, ~voided, ~returned)
    mine = (p.device == bindparam("b_device"), p.epoch == bindparam("b_epoch"), p.intent < bindparam("b_intent"))
    return (
        select(p.intent, p.result_seq).where(*mine, p.case_no == bindparam("b_case"), *stands).order_by(p.intent.desc())
    )


_LAST = 1 << 32  # above any intent
_EARLIER = _earlier()
"""Made once: making it costs more than running it."""


def look(connection: Connection, device: str, epoch: int, last: int, paid: list[tuple[int, int]], now: int) -> None:
    """After a batch was written: raise the alarm if one of the payments `paid` (intent, case) is of a case of which another one stands. `last` is the
    case of the payment posted before them.
    """
    for intent, case in paid:
        if case == last and case:
            _look(connection, device, epoch, intent, case, now)
        last = case


def stands(connection: Connection, payment: Any, now: int) -> None:
    """After two officers have said that a payment which a fork held stands: raise the alarm if another one of its case stands, since the terminal may
    have asked for a second one while this one was held.
    """
    whose = {"b_device": payment.device, "b_epoch": payment.epoch, "b_intent": _LAST, "b_case": payment.case_no}
    rows = connection.execute(_EARLIER, whose).all() if payment.case_no else []
    standing = [row.intent for row in rows if not _refused(connection, payment.device, payment.epoch, row.result_seq)]
    if payment.intent in standing and len(standing) > 1:
        other = next(intent for intent in standing if intent != payment.intent)
        pair = (min(payment.intent, other), max(payment.intent, other))
        _tell(connection, payment.device, payment.epoch, payment.case_no, pair, now)


def _look(connection: Connection, device: str, epoch: int, intent: int, case: int, now: int) -> None:
    whose = {"b_device": device, "b_epoch": epoch, "b_intent": intent, "b_case": case}
    for row in connection.execute(_EARLIER, whose).all():
        if _refused(connection, device, epoch, row.result_seq):
            continue
        _tell(connection, device, epoch, case, (row.intent, intent), now)
        return


def _tell(connection: Connection, device: str, epoch: int, case: int, pair: tuple[int, int], now: int) -> None:
    first, second = pair
    what = f"two payments of case {case} stand, {first} and {second}: one is to be given back, a deferred one once it is approved"
    if _may_be_forgotten(connection, device, epoch, first, second):
        what += f", unless the void of {first} is lost: ask the acquirer about it first"
    audit.alarm(connection, device, codes.PAID_TWICE, what, now)


def _may_be_forgotten(connection: Connection, device: str, epoch: int, first: int, second: int) -> bool:
    """Whether a void between two payments may be in records that are lost, or be forgotten by a database that was restored."""
    g = t.gaps.c
    between = (g.device == device, g.epoch == epoch, g.last > first, g.first < second)
    return (
        restore.doubtful(connection, device, first)
        or connection.execute(select(g.first).where(*between)).first() is not None
    )


def _refused(connection: Connection, device: str, epoch: int, seq: int | None) -> bool:
    """Whether the terminal has written down that a deferred payment was refused: after a restore the acquirer may not have said it again yet."""
    c = t.raw.c
    mine = (c.device == device, c.epoch == epoch, c.seq == seq)
    found = None if seq is None else connection.execute(select(c.record).where(*mine)).scalar()
    return found is not None and cbor.decode(bytes(found)).get(r.OUTCOME) != r.OUTCOME_APPROVED
