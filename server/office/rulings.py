"""Who rules on a request that failed: an officer of the back office signs what `server.office.failures` carries out.

    again, again --clear, give-up, reversed      signed by one officer, with a reason, in the audit log; the signature stays in `rulings`
    against the last word of two officers        signed by a second officer as well, over the very same statement

The statement says what the ruling does to which request, and holds a digest of the payment's state, the number of the ruling and the time: once it is
carried out, or anything has changed, or an hour has passed, it is about nothing any more. What it does is found out by doing it and taking it back.

Two officers' word that a payment is given back is a refund or a verdict about a fork; that it stands, such a verdict; either, a ruling that two have
signed. Against the former go `again --clear`, `give-up` of the reversal, be it only that it is sent no more, and of a clearing (it is captured);
against the latter `reversed`, and `again` of the reversal. What carries their word out needs one: the refund's reversal is sent again, or done. The
end of a void that two officers have asked for at the roadside is the acquirer's answer, and one officer passes that on; to clear a payment after all
while its void is open takes two.
"""

import hashlib
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, func, insert, select

from protocol.errors import ParameterError
from server.acquirer import outbox, voids
from server.acquirer.waiting import WAITS
from server.ledger.posting import Identity
from server.office import failures
from server.office.proposals import LISTED
from server.office.signing import Office, other, reason_of
from server.store import audit, devices
from server.store import tables as t
from server.wire import envelope

RULING = "tsd/office/failed-ruling"
AGAIN, CLEAR, GIVE_UP, REVERSED = "again", "again --clear", "give-up", "reversed"
VALID_S = 3600
"""How long what is signed may be carried out."""
_NAMES = ("device", "epoch", "intent", "number", "ruling", "step", "state", "at", "reason")
_KINDS = {"device": str, "ruling": str, "step": str, "state": bytes, "reason": str}
_KEPT = ("device", "epoch", "intent", "number", "ruling", "step", "reason")
_STATE = {
    t.outbox: ("step", "state", "amount", "tries", "created", "answered", "response"),
    t.payments: ("amount", "outcome", "outcome_seq", "result_seq", "held"),
    t.results: ("outcome", "auth_code", "reason"),
    t.voids: ("seq", "state", "reason", "result_seq"),
    t.refunds: ("number", "state"),
    t.verdicts: ("number", "state"),
}
"""What a ruling depends on; not when a request is due, or when a terminal was told."""


class Limits(NamedTuple):
    """Seconds: after which a request has waited too long, and that the acquirer's host may hold one."""

    waits: int = WAITS
    holds: int = outbox.HOLDS


def _of(table: Any, identity: Identity) -> Any:
    c = table.c
    return and_(c.device == identity[0], c.epoch == identity[1], c.intent == identity[2])


def draft(
    connection: Connection, identity: Identity, ruling: str, reason: str, now: int, limits: Limits = Limits()
) -> dict[int, Any]:
    """What an officer signs, and a second one where it needs two: keys 1… in the order of `_NAMES`. Nothing is changed.

    ParameterError PRM-036 if it may not be (`server.office.failures`), PRM-040 for such a reason.
    """
    devices.heads(connection, [identity[0]])
    return _statement(connection, identity, ruling, reason_of(reason), now, now, limits)


def _statement(
    connection: Connection, identity: Identity, ruling: str, reason: str, at: int, now: int, limits: Limits
) -> dict[int, Any]:
    number = connection.execute(select(func.max(t.rulings.c.number)).where(_of(t.rulings, identity))).scalar() or 0
    attempt = connection.begin_nested()
    try:
        step = _carry_out(connection, identity, ruling, now, limits)
    finally:
        attempt.rollback()
    values = (*identity, number + 1, ruling, step, _state(connection, identity), at, reason)
    return dict(enumerate(values, 1))


def _state(connection: Connection, identity: Identity) -> bytes:
    """A digest of all that is on file about the payment and that a ruling may depend on."""
    found = []
    for table, names in _STATE.items():
        columns = [table.c[name] for name in names]
        rows = connection.execute(select(*columns).where(_of(table, identity)).order_by(*table.primary_key.columns))
        found.append([list(row) for row in rows])
    return hashlib.sha256(envelope.canonical(found)).digest()


def _carry_out(connection: Connection, identity: Identity, ruling: str, now: int, limits: Limits) -> str:
    """Do it; the names of the steps, or what `server.office.failures.give_up` says was done."""
    if ruling == GIVE_UP:
        return failures.give_up(connection, identity, now, *limits)
    if ruling == REVERSED:
        failures.confirm_reversed(connection, identity, now, limits.holds)
        return failures.STEPS[t.STEP_REVERSE]
    return ", ".join(failures.again(connection, identity, now, ruling == CLEAR))


def needs_second(connection: Connection, payload: dict[int, Any]) -> bool:
    """Whether a ruling goes against the last word of two officers, so that a second officer has to sign it."""
    said = named(payload)
    identity, keeps = _identity(said), _keeps(said["ruling"], said["step"])
    against_void = said["ruling"] == CLEAR and voids.of(connection, identity) is not None
    return against_void or keeps is not None and (not keeps) in _last_words(connection, identity)


def _keeps(ruling: str, step: str) -> bool | None:
    """Whether a ruling has the money kept (True), or given back (False); None if it says nothing of that."""
    if ruling == GIVE_UP:
        return None if step in (failures.STEPS[t.STEP_AUTHORISE], failures.STOPPED_CLEARING) else True
    if ruling == REVERSED or step == failures.STEPS[t.STEP_REVERSE]:
        return False
    return True if step == failures.STEPS[t.STEP_CLEAR] else None


def _last_words(connection: Connection, identity: Identity) -> set[bool]:
    """Whether a payment stands, as two officers have said last; both, if they have said so within one second, and nothing, if they never did."""
    refunds, verdicts, rulings = t.refunds.c, t.verdicts.c, t.rulings.c
    refunded = select(refunds.approved_at).where(_of(t.refunds, identity), refunds.state == t.REFUND_APPROVED)
    words = [(at, False) for at in connection.execute(refunded).scalars()]
    judged = select(verdicts.approved_at, verdicts.stands)
    judged = judged.where(_of(t.verdicts, identity), verdicts.state == t.DECISION_APPROVED)
    words += [(row.approved_at, row.stands == 1) for row in connection.execute(judged)]
    ruled = select(t.rulings).where(_of(t.rulings, identity), rulings.second_by.is_not(None))
    for row in connection.execute(ruled):
        keeps = _keeps(row.ruling, row.step)
        if keeps is not None and row.step != failures.STOPPED:  # which is not decided yet
            words.append((row.at, keeps))
    last = max((at for at, _ in words), default=0)
    return {stands for at, stands in words if at == last}


def decide(
    connection: Connection,
    office: Office,
    signed: bytes,
    now: int,
    second: bytes | None = None,
    limits: Limits = Limits(),
) -> str:
    """Carry out what an officer has signed, and a `second` one, if need be; what was done, as `_carry_out` names it.

    ParameterError: PRM-030 signature, PRM-032 it is not about the payment as it stands, PRM-033 another officer must sign as well, PRM-036 it may not
    be. Nothing is changed then.
    """
    officer, payload = office.verify(signed, RULING)
    said = named(payload)
    identity = _identity(said)
    devices.heads(connection, [identity[0]])
    if not 0 <= now - said["at"] <= VALID_S:
        raise _stale()
    reason = reason_of(said["reason"])
    if payload != _statement(connection, identity, said["ruling"], reason, said["at"], now, limits):
        raise _stale()
    by = None
    if second is not None:
        by, same = office.verify(second, RULING)
        other(by, same, signed, officer)
    elif needs_second(connection, payload):
        hint = "two have decided otherwise: add --second NUMBER --second-key KEY"
        raise ParameterError("another officer must sign as well", "PRM-033", hint, identity[2])
    step = _carry_out(connection, identity, said["ruling"], now, limits)
    row = {**{name: said[name] for name in _KEPT}, "at": now, "ruled_by": officer, "signature": signed}
    connection.execute(insert(t.rulings).values(**row, second_by=by, second_signature=second))
    _note(connection, said, f"officer {officer}" if by is None else f"officers {officer} and {by}", now)
    return step


def _stale() -> ParameterError:
    return ParameterError("the decision is not about the payment as it stands", "PRM-032", "decide again")


def named(payload: dict[int, Any]) -> dict[str, Any]:
    """A ruling by names. ParameterError PRM-030 if it is none."""
    said = {name: payload.get(key) for key, name in enumerate(_NAMES, 1)}
    right = all(type(value) is _KINDS.get(name, int) for name, value in said.items())
    if not right or len(payload) != len(_NAMES) or said["ruling"] not in (AGAIN, CLEAR, GIVE_UP, REVERSED):
        raise ParameterError("not an officer's decision", "PRM-030")
    return said


def listed(connection: Connection) -> list[dict[str, Any]]:
    """What was ruled, newest first, for a person: the last `LISTED`. `amount` (centimes) is the payment's, `second_by` the other officer or None."""
    c, o = t.rulings.c, t.outbox.c
    same = and_(o.device == c.device, o.epoch == c.epoch, o.intent == c.intent)
    amount = select(func.max(o.amount)).where(same).scalar_subquery().label("amount")  # the same of every step
    shown = select(*(c[name] for name in (*_KEPT, "at", "ruled_by", "second_by")), amount)
    newest = (c.at.desc(), c.device, c.epoch.desc(), c.intent.desc(), c.number.desc())
    return [dict(row) for row in connection.execute(shown.order_by(*newest).limit(LISTED)).mappings()]


def _identity(said: dict[str, Any]) -> Identity:
    return said["device"], said["epoch"], said["intent"]


def _note(connection: Connection, said: dict[str, Any], who: str, now: int) -> None:
    what = f"payment {said['intent']} of epoch {said['epoch']}: {said['ruling']} ({said['step']}) by {who}: {said['reason']}"
    audit.write(connection, said["device"], t.LEVEL_WARNING, "FAILED", what, now)
