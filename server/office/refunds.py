"""Refunds: an approved payment is given back by the centre, under four eyes (domain §4: after the outcome was shown, what
cannot be voided at the roadside is a refund at the centre; a case that was paid twice opens one).

    one officer of the back office proposes, another approves      both signed, both in the audit log
    the approval puts the reversal into the outbox                 an unsent clearing is held back instead
    the acquirer's answer posts the opposite entries               `server.acquirer.outbox`; a refusal is an alarm

The terminal is not asked: its records and totals say what happened at the roadside and stay as they are.
"""

from typing import Any

from sqlalchemy import Connection, and_, func, insert, select, update

from protocol import cbor
from protocol import records as r
from protocol.errors import ParameterError
from server.acquirer import outbox
from server.ledger.posting import Identity
from server.office import proposals
from server.office.signing import VALID_S, Office, other, reason_of
from server.store import audit, devices, failed
from server.store import tables as t
from server.wire import envelope

PROPOSAL, APPROVAL = "tsd/office/refund-proposal", "tsd/office/refund-approval"
_NAMES = ("device", "epoch", "intent", "amount", "pv", "number", "expires", "reason")
_DEVICE, _EPOCH, _INTENT, _NUMBER, _EXPIRES, _REASON = 1, 2, 3, 6, 7, 8
SHOWN, EACH = 50, 20
"""Reports that were paid twice, and payments of one, that are named; how many there are is told."""
_STATES = {t.REFUND_PROPOSED: "proposed", t.REFUND_APPROVED: "approved", t.REFUND_WITHDRAWN: "withdrawn"}


def _of(table: Any, identity: Identity) -> Any:
    c = table.c
    return and_(c.device == identity[0], c.epoch == identity[1], c.intent == identity[2])


def draft(connection: Connection, identity: Identity, reason: str, now: int) -> dict[int, Any]:
    """What an officer signs to propose a refund, and another to approve it: keys 1… in the order of `_NAMES`.

    ParameterError PRM-034 if no approved payment of this identity is there to be given back, PRM-040 for such a reason.
    """
    _must_stand(connection, identity)
    payment = connection.execute(select(t.payments).where(_of(t.payments, identity))).one()
    cases = t.cases.c
    where = (cases.device == payment.device, cases.epoch == payment.epoch, cases.case_no == payment.case_no)
    pv = connection.execute(select(cases.pv).where(*where)).scalar() or ""
    number = connection.execute(select(func.max(t.refunds.c.number)).where(_of(t.refunds, identity))).scalar() or 0
    values = (*identity, payment.amount, pv, number + 1, now + VALID_S, reason_of(reason))
    return dict(enumerate(values, 1))


def _must_stand(connection: Connection, identity: Identity) -> None:
    if not outbox.reversible(connection, identity):
        hint = "look at the ledger page: device, epoch, intent"
        raise ParameterError("there is no approved payment to give back", "PRM-034", hint)


def propose(connection: Connection, office: Office, proposal: bytes, now: int) -> int:
    """Enter a signed proposal; its number. An earlier one that is still open is withdrawn.

    ParameterError: PRM-030 signature, PRM-032 it does not fit the payment as it stands, PRM-034 nothing to give back.
    """
    officer, payload = office.verify(proposal, PROPOSAL)
    identity = _identity(payload)
    devices.heads(connection, [identity[0]])
    expires, reason = payload.get(_EXPIRES), payload.get(_REASON)
    if not isinstance(expires, int) or not isinstance(reason, str) or not now < expires <= now + VALID_S:
        raise ParameterError("the proposal is not about the payment as it stands", "PRM-032", "propose again")
    if payload != draft(connection, identity, reason, expires - VALID_S):
        raise ParameterError("the proposal is not about the payment as it stands", "PRM-032", "propose again")
    withdraw(connection, identity, "overtaken by a later proposal", now)
    row = {name: payload[key] for key, name in enumerate(_NAMES, 1)}
    connection.execute(
        insert(t.refunds).values(
            **row, proposed_by=officer, proposal=proposal, proposed_at=now, state=t.REFUND_PROPOSED
        )
    )
    _note(connection, identity, f"proposed by officer {officer}: {reason}", now)
    return row["number"]


def proposed(connection: Connection, identity: Identity, number: int) -> dict[int, Any]:
    """What proposal `number` for a payment says: what another officer signs to approve it. ParameterError PRM-032 if it is not open."""
    c = t.refunds.c
    where = (_of(t.refunds, identity), c.number == number, c.state == t.REFUND_PROPOSED)
    found = connection.execute(select(c.proposal).where(*where)).scalar()
    if found is None:
        raise ParameterError("no such proposal is open", "PRM-032", "see the list: another may be open", number)
    return cbor.decode(envelope.parse(bytes(found)).payload)


def approve(connection: Connection, office: Office, approval: bytes, now: int) -> None:
    """Take the second officer's signature and put the reversal into the outbox, in one transaction.

    ParameterError: PRM-030 signature, PRM-032 no such proposal is open or it has expired, PRM-033 the same officer, PRM-034 the
    payment was given back meanwhile.
    """
    officer, payload = office.verify(approval, APPROVAL)
    identity = _identity(payload)
    devices.heads(connection, [identity[0]])
    c = t.refunds.c
    where = (_of(t.refunds, identity), c.number == payload.get(_NUMBER), c.state == t.REFUND_PROPOSED)
    row = connection.execute(select(t.refunds).where(*where).with_for_update()).first()
    if row is None or row.expires < now:
        raise ParameterError("no such proposal is open", "PRM-032", "propose again")
    other(officer, payload, bytes(row.proposal), row.proposed_by)
    _must_stand(connection, identity)
    values = {"approved_by": officer, "approval": approval, "approved_at": now, "state": t.REFUND_APPROVED}
    connection.execute(update(t.refunds).where(*where).values(values))
    outbox.request_reversal(connection, identity, f"officers {row.proposed_by} and {officer}", now)
    _note(connection, identity, f"approved by officer {officer}, proposed by {row.proposed_by}", now)


def withdraw(connection: Connection, identity: Identity, why: str, now: int) -> None:
    """Withdraw what is proposed for a payment; nothing happens if nothing is."""
    where = and_(_of(t.refunds, identity), t.refunds.c.state == t.REFUND_PROPOSED)
    if connection.execute(update(t.refunds).where(where).values(state=t.REFUND_WITHDRAWN)).rowcount:
        _note(connection, identity, why, now)


def _identity(payload: dict[int, Any]) -> Identity:
    device, epoch, intent = (payload.get(key) for key in (_DEVICE, _EPOCH, _INTENT))
    if (
        not isinstance(device, str)
        or not isinstance(epoch, int)
        or not isinstance(intent, int)
        or not isinstance(payload.get(_NUMBER), int)
    ):
        raise ParameterError("not an officer's decision", "PRM-030")
    return device, epoch, intent


def _note(connection: Connection, identity: Identity, what: str, now: int) -> None:
    audit.write(connection, identity[0], t.LEVEL_WARNING, "REFUND", f"refund of payment {identity[2]} {what}", now)


def listed(connection: Connection) -> list[dict[str, Any]]:
    """Proposals, newest first, for a person."""
    c = t.refunds.c
    rows = proposals.newest(connection, t.refunds, c.device, c.epoch.desc(), c.intent.desc(), c.number.desc())
    names = (*_NAMES, "proposed_by", "approved_by")
    return [{**{name: row[name] for name in names}, "state": _STATES[row["state"]]} for row in rows]


def paid_twice(connection: Connection) -> tuple[list[dict[str, Any]], int]:
    """Reports (PV) with more than one payment that was approved and not given back, nor may be yet: a refund is due, an
    officer proposes it. [{"pv", "count": of its payments, "payments": [[device, epoch, intent] …]}], the oldest payment first, EACH of a report at
    most; the SHOWN first reports by their numbers, and how many there are.
    """
    s = _standing()
    twice = select(s.pv, func.count().label("each"), func.count().over().label("many")).group_by(s.pv)
    rows = connection.execute(twice.having(func.count() > 1).order_by(s.pv).limit(SHOWN)).all()
    if not rows:
        return [], 0
    place = func.row_number().over(partition_by=s.pv, order_by=(s.utc, s.device, s.intent)).label("place")
    wanted = [row.pv for row in rows]
    first = select(s.pv, s.device, s.epoch, s.intent, place).where(s.pv.in_(wanted)).subquery()
    found: dict[str, list[list[Any]]] = {pv: [] for pv in wanted}
    for row in connection.execute(select(first).where(first.c.place <= EACH).order_by(first.c.pv, first.c.place)):
        found[row.pv].append([row.device, row.epoch, row.intent])
    return [{"pv": row.pv, "count": row.each, "payments": found[row.pv]} for row in rows], rows[0].many


def _standing() -> Any:
    """The columns of all payments that stand, each with its report."""
    p, c, q = t.payments.c, t.cases.c, t.results.c
    case = and_(p.device == c.device, p.epoch == c.epoch, p.case_no == c.case_no)
    result = and_(p.device == q.device, p.epoch == q.epoch, p.intent == q.intent)
    paid = (p.outcome == r.OUTCOME_APPROVED) | (
        (p.outcome == r.OUTCOME_PROVISIONAL) & (q.outcome == r.OUTCOME_APPROVED)
    )
    asked = select(t.outbox.c.intent).where(_same(t.outbox), failed.under_way()).exists()
    return (
        select(c.pv, p.device, p.epoch, p.intent, p.utc)
        .select_from(t.payments.join(t.cases, case).outerjoin(t.results, result))
        .where(paid, p.held == 0, ~asked)
        .subquery()
        .c
    )


def _same(table: Any) -> Any:
    p = t.payments.c
    return and_(table.c.device == p.device, table.c.epoch == p.epoch, table.c.intent == p.intent)
