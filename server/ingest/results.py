"""The acquirer's final word on provisional payments: recorded once, posted once, handed to the terminal until it
has written it down.
"""

from typing import Any

from sqlalchemy import Connection, and_, insert, select

from protocol import records as r
from protocol import sync as s
from server.ledger import accounts, posting
from server.store import audit
from server.store import tables as t

MAX_PENDING = 16  # results in one reply; the rest follow when these have come back as records


def pending(connection: Connection, device: str) -> list[dict[int, Any]]:
    """Results that the device has not yet written as AUTHORISATION_RESULT records, oldest payment first."""
    same = and_(
        t.results.c.device == t.payments.c.device,
        t.results.c.epoch == t.payments.c.epoch,
        t.results.c.intent == t.payments.c.intent,
    )
    found = connection.execute(
        select(t.results)
        .join(t.payments, same)
        .where(t.results.c.device == device, t.payments.c.result_seq.is_(None))
        .order_by(t.results.c.epoch, t.results.c.intent)
        .limit(MAX_PENDING)
    )
    return [
        {
            s.RESULT_EPOCH: row.epoch,
            s.RESULT_INTENT: row.intent,
            s.RESULT_OUTCOME: row.outcome,
            s.RESULT_AUTH_CODE: row.auth_code,
            s.RESULT_REASON: row.reason,
            s.RESULT_REF: row.reference,
        }
        for row in found
    ]


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
