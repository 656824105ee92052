"""The acquirer's final word on provisional payments: recorded once, posted once, handed to the terminal until it
has written it down.
"""

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, and_, bindparam, exists, func, insert, or_, select, update

from protocol import cbor
from protocol import records as r
from protocol import sync as s
from server import codes
from server.acquirer import iso
from server.ingest.lost import gaps, suspense
from server.ledger import accounts, posting
from server.store import audit, restore
from server.store import tables as t

MAX_CLEARED = 48  # payments in one receipt; the rest follow
MAX_PENDING = 16  # results in one reply; the rest follow


@dataclass(frozen=True)
class Hearer:
    """The terminal that a WELCOME or ACK goes to."""

    device: str
    epoch: int
    form: int  # in which it takes the reply
    head: int  # its last record, or an earlier one: what it writes down of the reply comes after it


def tell(connection: Connection, reply: dict[int, Any], to: Hearer, now: int, erase: bool = True) -> None:
    """Put into a WELCOME or ACK, in the form that its terminal takes, what it has not written down yet: results (RESULTS) and, unless
    not `erase`, the payments whose sealed card data have served (CLEARED).

    Whatever waits longest, or was told longest ago, comes first: what a terminal cannot take any more, since it has lost the payment or
    the record in which it wrote the result down, is told again and again and keeps nobody else waiting.

    Those are payments of which the terminal has sealed data, whoever was asked about them before: a TC when its clearing was accepted
    or it was reversed, an ARQC when the terminal writes the final result down, with this very message or before. Results of an epoch that is over
    stay in the ledger and the report: the terminal has no record left to add them to.
    """
    short, whose = to.form >= s.SHORT_FORM, {"device": to.device, "epoch": to.epoch}
    found = connection.execute(_PENDING, whose).all()
    if found:
        reply[s.RESULTS] = [_result(row, short) for row in sorted(found, key=lambda row: row.intent)]
        told = {"b_device": to.device, "b_epoch": to.epoch, "b_now": now, "b_head": to.head}
        connection.execute(_TOLD, [{**told, "b_intent": row.intent} for row in found])
    with_it = [row.intent for row in found] if short else []
    served = (
        connection.execute(*(_CLEARED_WITH, {**whose, "with_it": with_it}) if with_it else (_CLEARED, whose)).all()
        if erase
        else []
    )
    if served:
        numbers = sorted(row.intent for row in served)
        reply[s.CLEARED] = numbers if short else [[n, iso.reference((to.device, to.epoch, n))] for n in numbers]
        told = {"b_device": to.device, "b_epoch": to.epoch, "b_now": now}
        connection.execute(_NAMED, [{**told, "b_intent": n} for n in numbers])


def _result(row: Any, short: bool) -> dict[int, Any]:
    """A result; its reference derives from the payment."""
    said = {
        s.RESULT_INTENT: row.intent,
        s.RESULT_OUTCOME: row.outcome,
        s.RESULT_AUTH_CODE: row.auth_code,
        s.RESULT_REASON: row.reason,
    }
    return said if short else {**said, s.RESULT_EPOCH: row.epoch, s.RESULT_REF: row.reference}


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
        .order_by(t.results.c.told, t.results.c.intent)
        .limit(MAX_PENDING)
    )


def _cleared_statement(hears: bool) -> Any:
    """Payments whose sealed card data have served and are not yet erased on the terminal, which `hears` the results of `with_it` now, or none."""
    o, p = t.outbox.c, t.payments.c
    same = and_(o.device == p.device, o.epoch == p.epoch, o.intent == p.intent)
    served = or_(
        and_(p.outcome == r.OUTCOME_APPROVED, o.step == t.STEP_CLEAR, o.response.in_(s.APPROVED)),
        and_(p.outcome == r.OUTCOME_APPROVED, o.step == t.STEP_REVERSE),
        and_(p.outcome == r.OUTCOME_PROVISIONAL, o.step == t.STEP_AUTHORISE),
    )
    with_it = (p.intent.in_(bindparam("with_it", expanding=True)),) if hears else ()
    written = or_(p.outcome == r.OUTCOME_APPROVED, p.result_seq.is_not(None), *with_it)
    e = t.erasures.c
    erased = exists().where(e.device == p.device, e.epoch == p.epoch, e.intent == p.intent)
    mine = (p.device == bindparam("device"), p.epoch == bindparam("epoch"))
    return (
        select(p.intent, p.told)
        .distinct()
        .join(t.outbox, same)
        .where(*mine, o.state == t.STATE_DONE, served, written, p.sealed == 1, ~erased)
        .order_by(p.told, p.intent)
        .limit(MAX_CLEARED)
    )


def _mine(table: Any) -> Any:
    c = table.c
    return and_(c.device == bindparam("b_device"), c.epoch == bindparam("b_epoch"), c.intent == bindparam("b_intent"))


_PENDING, _CLEARED, _CLEARED_WITH = _pending_statement(), _cleared_statement(False), _cleared_statement(True)
_FIRST_HEAD = func.coalesce(t.results.c.head, bindparam("b_head"))
_TOLD = update(t.results).where(_mine(t.results)).values(told=bindparam("b_now"), head=_FIRST_HEAD)
_NAMED = update(t.payments).where(_mine(t.payments)).values(told=bindparam("b_now"))
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
    """Record and post the acquirer's final word on `payment` (a row of `payments`). If the terminal has written another one down
    before, an alarm says so.

    False, and nothing done, if it is known already.
    """
    identity = (payment.device, payment.epoch, payment.intent)
    if find(connection, identity) is not None:
        return False
    open_ = payment.outcome == r.OUTCOME_PROVISIONAL and payment.result_seq is None
    forgotten = open_ and restore.doubtful(connection, payment.device, payment.intent)
    head = gaps.told_before(connection, payment, restore.restored(connection)) if forgotten else None
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
            told=now,
            head=head,
        )
    )
    written = None if payment.result_seq is None else _written(connection, payment)
    if written not in (None, outcome):
        what = (
            f"record {payment.result_seq}: outcome {written} of payment {payment.intent}, the acquirer says {outcome}"
        )
        audit.alarm(connection, payment.device, codes.RESULT_DIFFERS, what, now)
    if payment.held:
        audit.alarm(
            connection, payment.device, "HELD", f"result for payment {payment.intent}, which is part of a fork", now
        )
    elif payment.outcome == r.OUTCOME_PROVISIONAL:
        place = accounts.Place(payment.scheme or "", payment.wilaya, payment.force, payment.unit)
        posting.post(connection, identity, t.PART_FINAL, accounts.final_legs(place, outcome, payment.amount), now)
        if head is not None and outcome == r.OUTCOME_APPROVED:
            suspense.recall(connection, payment, head, now)
    return True


def declined_before(connection: Connection, payment: Any) -> bool:
    """Whether the terminal has written down that `payment` is declined, which it had from this centre before a restore."""
    known = payment.result_seq is not None and restore.doubtful(connection, payment.device, payment.intent)
    return known and _written(connection, payment) == r.OUTCOME_DECLINED


def _written(connection: Connection, payment: Any) -> int | None:
    """The outcome in the record in which the terminal has written a result down."""
    c = t.raw.c
    mine = (
        c.device == payment.device,
        c.seq == payment.result_seq,
        c.kind == r.AUTHORISATION_RESULT,
        c.rejected.is_(None),
    )
    for data in connection.execute(select(c.record).where(*mine).order_by(c.epoch.desc())).scalars():
        record = cbor.decode(bytes(data))
        if record[r.INTENT] == payment.intent:
            return record[r.OUTCOME]
    return None
