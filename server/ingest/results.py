"""The acquirer's final word on provisional payments: recorded once, posted once, handed to the terminal until it
has written it down.
"""

from typing import Any

from sqlalchemy import Connection, Table, and_, bindparam, exists, insert, or_, select

from protocol import records as r
from protocol import sync as s
from server.acquirer import iso
from server.ledger import accounts, posting
from server.store import audit
from server.store import tables as t

MAX_CLEARED = 48  # payments in one receipt; the rest follow
MAX_PENDING = 16  # results in one reply; the rest follow when these have come back as records


def tell(connection: Connection, reply: dict[int, Any], device: str, epoch: int, form: int, erase: bool = True) -> None:
    """Put into a WELCOME or ACK, in the form that its terminal takes, what it has not written down yet: results (RESULTS) and, unless
    not `erase`, the payments whose sealed card data have served (CLEARED).

    Those are a TC's when its clearing was accepted or it was reversed, an ARQC's when the terminal writes the final result down, with
    this very message or before. Results of an epoch that is over stay in the ledger and the report: the terminal has no record left to
    add them to.
    """
    short = form >= s.SHORT_FORM
    found = connection.execute(_PENDING, {"device": device, "epoch": epoch}).all()
    if found:
        reply[s.RESULTS] = [_result(row, short) for row in found]
    told = {row.intent for row in found} if short else set()
    served = _served(connection, device, epoch, told) if erase else []
    if served:
        identity = (device, epoch)
        reply[s.CLEARED] = served if short else [[n, iso.reference((*identity, n))] for n in served]


def _result(row: Any, short: bool) -> dict[int, Any]:
    """A result; its reference derives from the payment."""
    said = {
        s.RESULT_INTENT: row.intent,
        s.RESULT_OUTCOME: row.outcome,
        s.RESULT_AUTH_CODE: row.auth_code,
        s.RESULT_REASON: row.reason,
    }
    return said if short else {**said, s.RESULT_EPOCH: row.epoch, s.RESULT_REF: row.reference}


def _served(connection: Connection, device: str, epoch: int, told: set[int]) -> list[int]:
    """Payments whose sealed card data have served and are not yet erased on the terminal, which hears the results of `told` now."""
    found = connection.execute(_CLEARED, {"device": device, "epoch": epoch})
    served = [row.intent for row in found if row.written or row.intent in told]
    return served[:MAX_CLEARED]


def _pending_statement() -> Any:
    same = and_(
        t.results.c.device == t.payments.c.device,
        t.results.c.epoch == t.payments.c.epoch,
        t.results.c.intent == t.payments.c.intent,
    )
    return (
        select(t.results)
        .join(t.payments, same)
        .where(
            t.results.c.device == bindparam("device"),
            t.results.c.epoch == bindparam("epoch"),
            t.payments.c.result_seq.is_(None),
        )
        .order_by(t.results.c.epoch, t.results.c.intent)
        .limit(MAX_PENDING)
    )


def _cleared_statement() -> Any:
    o, p = t.outbox.c, t.payments.c
    same = and_(o.device == p.device, o.epoch == p.epoch, o.intent == p.intent)
    served = or_(
        and_(p.outcome == r.OUTCOME_APPROVED, o.step == t.STEP_CLEAR, o.response.in_(s.APPROVED)),
        and_(p.outcome == r.OUTCOME_APPROVED, o.step == t.STEP_REVERSE),
        and_(p.outcome == r.OUTCOME_PROVISIONAL, o.step == t.STEP_AUTHORISE),
    )

    def absent(table: Table) -> Any:
        c = table.c
        return ~exists().where(c.device == p.device, c.epoch == p.epoch, c.intent == p.intent)

    kept_none = or_(
        p.outcome != r.OUTCOME_APPROVED, absent(t.authorisations)
    )  # approved online: nothing was sealed for later
    mine = (p.device == bindparam("device"), p.epoch == bindparam("epoch"), o.state == t.STATE_DONE)
    return (
        select(p.intent, or_(p.outcome == r.OUTCOME_APPROVED, p.result_seq.is_not(None)).label("written"))
        .distinct()
        .join(t.outbox, same)
        .where(*mine, served, kept_none, absent(t.erasures))
        .order_by(p.intent)
        .limit(MAX_CLEARED + MAX_PENDING)
    )


_PENDING, _CLEARED = _pending_statement(), _cleared_statement()
"""Statements made once: making one costs more than running it."""


def find(connection: Connection, identity: posting.Identity) -> Any:
    """The recorded result of a payment, or None."""
    return connection.execute(
        select(t.results).where(
            t.results.c.device == identity[0], t.results.c.epoch == identity[1], t.results.c.intent == identity[2]
        )
    ).first()


def record(
    connection: Connection, payment: Any, outcome: int, auth_code: str, reason: str, reference: str, now: int
) -> bool:
    """Record and post the acquirer's final word on `payment` (a row of `payments`).

    False, and nothing done, if it is known already.
    """
    identity = (payment.device, payment.epoch, payment.intent)
    if find(connection, identity) is not None:
        return False
    connection.execute(
        insert(t.results).values(
            device=payment.device,
            epoch=payment.epoch,
            intent=payment.intent,
            outcome=outcome,
            auth_code=auth_code,
            reason=reason,
            reference=reference,
            at=now,
        )
    )
    if payment.held:
        audit.alarm(
            connection, payment.device, "HELD", f"result for payment {payment.intent}, which is part of a fork", now
        )
    elif payment.outcome == r.OUTCOME_PROVISIONAL:
        place = accounts.Place(payment.scheme or "", payment.wilaya, payment.force, payment.unit)
        posting.post(connection, identity, t.PART_FINAL, accounts.final_legs(place, outcome, payment.amount), now)
    return True
