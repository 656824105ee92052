"""The outbox: what is to be asked of the acquirer, and what happens with the answer. Synchronous functions on a
connection.

A row is marked *doubtful*, and that committed, before its first byte is sent (`claim`); from then on it goes out as a
repeat. Only an answer ends it (`settle`). So a crash between the two can cause a repeat, never a second new request,
and never a lost one.

A claimed row belongs to its process for LEASE seconds; then any other may claim it. Each claim is a *turn*, and what was claimed in an
earlier one counts for nothing any more: it is not sent (`hold`, committed directly before each request leaves), and what comes of
it moves no row. So what another process has sent, settled or reversed meanwhile never goes out as new.

    NEW → DOUBTFUL → DONE      (approved, or a refusal, which is final for an authorisation)
              │  └→ FAILED     (needs a person: the alarm says why)
              └→ DOUBTFUL      (no answer, 91, 96, 68, 94, 09: again later, as a repeat)

A reversal may overtake what it reverses: a host that knows nothing (25) of a request which was sent may act on it yet. Then the
reversal is repeated until the host can hold the request no longer (`holds` seconds of the configuration); what it says after that is
taken as reversed, and named in the audit log. Only of what surely never left is it believed at once.

What approves, and what an answer of another amount means, is said in `server.acquirer.iso`.
"""

from typing import Any

from sqlalchemy import Connection, and_, bindparam, delete, exists, func, insert, literal, or_, select, update

from protocol import cbor
from protocol import records as r
from protocol import sync as s
from protocol.errors import ServerError
from server import codes
from server.acquirer import clearings, returned, voids, waiting
from server.acquirer.iso import Answer, Request, in_clear
from server.ingest import results
from server.ledger import accounts, posting
from server.ledger.posting import Identity
from server.store import audit, devices, restore
from server.store import tables as t

HOLDS = 3600  # seconds that the host may hold a message before it acts on it, unless the configuration says otherwise
LEASE = 60  # seconds that a claimed row belongs to the process that claimed it
LATER = frozenset((*s.NOT_REACHED, *s.NO_WORD))  # try again: issuer or host unavailable, late, duplicate in progress
NOT_NOW = "12"  # host: it is reversed, or was refused
NO_RECORD = "25"  # host knows nothing of this reference, and no card data came with it
BROKEN = frozenset(
    {"30", "12", NO_RECORD, "63"}
)  # format, invalid, unknown, security: no issuer has judged the payment
MAX_WAIT = 3600
_WAITING = t.outbox.c.state < literal(t.STATE_DONE, literal_execute=True)  # written out: else no partial index is taken


def _where(table: Any, identity: Identity, step: int | None = None) -> Any:
    terms = [table.c.device == identity[0], table.c.epoch == identity[1], table.c.intent == identity[2]]
    if step is not None:
        terms.append(table.c.step == step)
    return and_(*terms)


def claim(connection: Connection, now: int, limit: int = 16) -> list[Request]:
    """Take up to `limit` rows that are due, mark them doubtful and leased. To be committed before anything is sent.

    Rows that another process is just changing are left to it. A reversal waits while the clearing of the same payment is in doubt, or its
    deferred authorisation unanswered: the other way round it could be captured, or approved, afterwards.
    """
    due = connection.execute(_DUE, {"b_now": now, "b_limit": limit}).all()
    taken = []
    for row in due:
        identity, turn = (row.device, row.epoch, row.intent), row.tries + 1
        connection.execute(
            update(t.outbox)
            .where(_where(t.outbox, identity, row.step))
            .values(state=t.STATE_DOUBTFUL, tries=turn, next_at=now + LEASE)
        )
        blob = None if row.blob is None else bytes(row.blob)
        repeat = row.state == t.STATE_DOUBTFUL
        scripts, clear = bytes(row.script_results or b""), _in_clear(row)
        request = Request(
            identity, row.step, repeat, row.amount, row.utc, row.auth_code or "", blob, row.wilaya, scripts, clear,
            row.created, turn,
        )  # fmt: skip
        taken.append(request)
    return taken


def hold(connection: Connection, request: Request, now: int) -> bool:
    """Whether a claimed row is still its claimer's, for LEASE more seconds then. To be committed directly before the request is sent."""
    return connection.execute(update(t.outbox).where(_held(request)).values(next_at=now + LEASE)).rowcount == 1


def _held(request: Request) -> Any:
    """The row of a request, unless it was settled, kept back or claimed by another since."""
    mine = _where(t.outbox, request.identity, request.step)
    return and_(mine, t.outbox.c.state == t.STATE_DOUBTFUL, t.outbox.c.tries == request.turn)


def _in_clear(row: Any) -> bytes:
    """What the outcome record, which is of its intent's epoch where there are sealed data, says of their chip data."""
    record = {} if row.record is None else cbor.decode(bytes(row.record))
    mine = record.get(r.KIND) == r.PAYMENT_OUTCOME and record.get(r.INTENT) == row.intent
    return in_clear(record) if mine else b""


def _in_turn() -> Any:
    first = t.outbox.alias("first").c
    o = t.outbox.c
    same = and_(first.device == o.device, first.epoch == o.epoch, first.intent == o.intent)
    unsent = and_(first.step == t.STEP_AUTHORISE, first.state == t.STATE_NEW)
    doubt = and_(first.step != t.STEP_REVERSE, first.state == t.STATE_DOUBTFUL)
    return or_(o.step != t.STEP_REVERSE, ~exists().where(same, or_(unsent, doubt)))


def _due() -> Any:
    """The rows that are due, and what their requests are made of."""
    c = t.outbox.c
    same = and_(c.device == t.sealed.c.device, c.epoch == t.sealed.c.epoch, c.intent == t.sealed.c.intent)
    pay = and_(c.device == t.payments.c.device, c.epoch == t.payments.c.epoch, c.intent == t.payments.c.intent)
    wilaya = func.coalesce(t.payments.c.wilaya, t.devices.c.wilaya).label("wilaya")
    said = and_(c.device == t.raw.c.device, c.epoch == t.raw.c.epoch, t.payments.c.outcome_seq == t.raw.c.seq)
    return (
        select(t.outbox, t.sealed.c.blob, wilaya, t.payments.c.script_results, t.raw.c.record)
        .join(t.devices, c.device == t.devices.c.device)
        .outerjoin(t.payments, pay)  # of what the issuer was asked and the terminal has lost there is none
        .outerjoin(t.sealed, same)
        .outerjoin(t.raw, and_(said, t.sealed.c.blob.is_not(None)))
        .where(_WAITING, c.next_at <= bindparam("b_now"), _in_turn())
        .order_by(c.next_at, c.device, c.epoch, c.intent, c.step)
        .limit(bindparam("b_limit"))
        .with_for_update(of=t.outbox, skip_locked=True)
    )


_DUE = _due()
"""Made once: making it costs more than running it."""


def postpone(
    connection: Connection, request: Request, now: int, most: int = MAX_WAIT, waits: int = waiting.WAITS
) -> None:
    """No answer came, or not a final one: the row stays doubtful and waits 1, 2, 4 … seconds, at most an hour or `most`. After `waits` seconds
    an alarm says so.
    """
    waiting.tell(connection, request, now, waits)
    wait = min(most, MAX_WAIT, 1 << min(max(request.turn - 1, 0), 12))
    connection.execute(update(t.outbox).where(_held(request)).values(next_at=now + wait))


def unsendable(connection: Connection, request: Request, now: int) -> None:
    """A request that cannot be written was never sent and never will be: the row is FAILED, and a person must look."""
    devices.head(connection, request.identity[0])
    done = connection.execute(update(t.outbox).where(_held(request)).values(state=t.STATE_FAILED, answered=now))
    if done.rowcount:
        what = f"step {request.step} of payment {request.identity[2]}: the request cannot be written"
        audit.alarm(connection, request.identity[0], codes.UNSENDABLE, what, now)
        if request.step == t.STEP_REVERSE:
            _stands(connection, request.identity, codes.UNSENDABLE, now)


def settle(
    connection: Connection,
    request: Request,
    answer: Answer,
    now: int,
    holds: int = HOLDS,
    waits: int = waiting.WAITS,
    sent: int | None = None,
) -> bool:
    """Take note of the answer to a request. False if the row was settled before, or another process has it now and asks again
    itself (a late or repeated answer changes nothing). `sent`: when the request left, if not now: what the host knew is what it knew then.

    The device's head is locked first, as where batches are taken in: one that makes the payment part of a fork comes before or after.
    """
    devices.head(connection, request.identity[0])
    if answer.response in LATER:
        postpone(connection, request, now, waits=waits)
        return False
    unknown = (
        answer.step == t.STEP_REVERSE and answer.response == NO_RECORD and may_have_left(connection, request.identity)
    )
    if unknown and (now if sent is None else sent) < (until := _left(connection, request) + holds):
        postpone(connection, request, now, max(1, until - now), waits)
        return False
    inquiry = returned.is_inquiry(connection, request)
    forgotten = returned.tells(connection, request, answer, inquiry)
    if (inquiry or forgotten) and not given_back(connection, request.identity):
        return _asked_again(connection, request, answer, forgotten, now)
    state = _ends(connection, answer, request.amount)
    ended = update(t.outbox).where(_held(request)).values(state=state, response=answer.response, answered=now)
    if not connection.execute(ended).rowcount:
        return False
    if unknown:
        what = f"payment {answer.identity[2]} was asked about, the acquirer knows nothing of it: taken as reversed"
        audit.write(connection, answer.identity[0], t.LEVEL_WARNING, "REVERSAL", what, now)
    if state == t.STATE_HELD:
        return True
    if state == t.STATE_FAILED:
        _failed(connection, answer, request.amount, now)
        return True
    {t.STEP_AUTHORISE: _authorised, t.STEP_CLEAR: _cleared, t.STEP_REVERSE: _reversed}[answer.step](
        connection, answer, request, now
    )
    return True


def _asked_again(connection: Connection, request: Request, answer: Answer, forgotten: bool, now: int) -> bool:
    """`settle` for a clearing of which the backup may not know all (`server.acquirer.returned`); `forgotten`: it was reversed."""
    values: dict[str, Any] = {"state": t.STATE_DONE, "answered": now}  # an inquiry leaves the response as it was
    if forgotten:
        values = {"state": t.STATE_HELD, "response": answer.response, "answered": now}
    if not connection.execute(update(t.outbox).where(_held(request)).values(values)).rowcount:
        return False
    if forgotten:
        returned.enter(connection, request, now)
        _reversed(connection, answer, request, now)
    elif not answer.approves(request.amount):
        returned.differs(connection, request, answer, now)
    return True


def _left(connection: Connection, request: Request) -> int:
    """When the payment of a reversal was last asked about, as far as is known: a message of then may still be under way."""
    o = t.outbox.c
    answered = select(func.max(o.answered)).where(_where(t.outbox, request.identity), o.step != t.STEP_REVERSE)
    return max(request.since, connection.execute(answered).scalar() or 0)


def _ends(connection: Connection, answer: Answer, amount: int) -> int:
    """The state in which a final answer leaves its row, which was about `amount`."""
    if answer.step == t.STEP_AUTHORISE:
        return t.STATE_FAILED if answer.response in BROKEN else t.STATE_DONE
    if answer.step == t.STEP_CLEAR and answer.response == NOT_NOW and given_back(connection, answer.identity):
        return t.STATE_HELD  # asked again after a restore: it was reversed already, nothing is to be captured
    never_sent = answer.step == t.STEP_REVERSE and answer.response == NO_RECORD  # as good as reversed
    return t.STATE_DONE if answer.approves(amount) or never_sent else t.STATE_FAILED


def may_have_left(connection: Connection, identity: Identity) -> bool:
    """Whether a question about a payment that a reversal takes back, or its clearing, may ever have left for the host."""
    asked = connection.execute(select(t.authorisations.c.state).where(_where(t.authorisations, identity))).scalar()
    o = t.outbox.c
    tried = or_(o.tries > 0, o.state.not_in((t.STATE_NEW, t.STATE_HELD)))
    other = select(o.step).where(_where(t.outbox, identity), o.step != t.STEP_REVERSE, tried)
    if asked not in (None, s.ASKED_NOT) or connection.execute(other).first() is not None:
        return True
    return asked is None and restore.doubtful(connection, identity[0], identity[2])


def _failed(connection: Connection, answer: Answer, amount: int, now: int) -> None:
    """A person must look: the alarm says why. A void whose reversal it was has not come about."""
    other = answer.response in s.APPROVED  # and yet not approved: it speaks of another amount
    if other:
        another_amount(connection, answer, amount, now)
    else:
        what = f"step {answer.step} of payment {answer.identity[2]}: the acquirer answered {answer.response}"
        audit.alarm(connection, answer.identity[0], "ACQUIRER", what, now)
    if answer.step == t.STEP_REVERSE:
        reason = codes.OTHER_AMOUNT if other else answer.response
        _stands(connection, answer.identity, reason, now)
    if answer.response == NO_RECORD:
        connection.execute(delete(t.sealed).where(_where(t.sealed, answer.identity)))


def _stands(connection: Connection, identity: Identity, reason: str, now: int) -> None:
    """A reversal has come to nothing: its void ends refused, and a clearing that it held back goes out after all."""
    voids.end(connection, identity, r.VOID_REFUSED, reason, now)
    clearings.let_go(connection, identity, now)


def another_amount(connection: Connection, answer: Answer, amount: int, now: int) -> None:
    """The alarm about an answer that speaks of another amount than was asked."""
    what = (
        f"step {answer.step} of payment {answer.identity[2]}: asked about {amount} centimes,"
        f" the acquirer answered {answer.response} about {answer.spoken_of}"
    )
    audit.alarm(connection, answer.identity[0], codes.OTHER_AMOUNT, what, now)


def _payment(connection: Connection, identity: Identity) -> Any:
    return connection.execute(select(t.payments).where(_where(t.payments, identity))).one()


def _authorised(connection: Connection, answer: Answer, request: Request, now: int) -> None:
    """The final word on a provisional payment: record, post, hand to the terminal; an approval is then cleared, and
    one of another amount reversed. So is one whose reversal was asked for, and an earlier approval that this word does not repeat.
    """
    payment = _payment(connection, answer.identity)
    outcome, reason = r.OUTCOME_DECLINED, answer.response
    back = _approved_before(connection, answer.identity)
    if not answer.about(request.amount):
        reason, back = codes.OTHER_AMOUNT, True
        another_amount(connection, answer, request.amount, now)
    elif answer.approves(request.amount) and reversal_asked(connection, answer.identity):
        reason, back = codes.REVERSED, True
        what = f"payment {answer.identity[2]}, {request.amount} centimes: approved after its reversal was asked for; declined"
        audit.alarm(connection, answer.identity[0], codes.REVERSED, what, now)
    elif answer.approves(request.amount):
        outcome, back = r.OUTCOME_APPROVED, False
    if back:
        reverse(connection, answer.identity, request.amount, request.utc, now)
    results.record(connection, payment, outcome, answer.auth_code, reason, answer.reference, now)
    had_data = connection.execute(delete(t.sealed).where(_where(t.sealed, answer.identity))).rowcount
    if outcome == r.OUTCOME_APPROVED and not payment.held:
        state = t.STATE_NEW if had_data else t.STATE_DOUBTFUL
        enqueue(connection, answer.identity, t.STEP_CLEAR, state, request.amount, request.utc, answer.auth_code, now)


def _approved_before(connection: Connection, identity: Identity) -> bool:
    """Whether the issuer is known to have approved when it was asked while the card waited."""
    c = t.authorisations.c
    mine = (_where(t.authorisations, identity), c.state == s.ASKED_ANSWERED, c.response.in_(s.APPROVED))
    return connection.execute(select(c.state).where(*mine)).first() is not None


def _cleared(connection: Connection, answer: Answer, request: Request, now: int) -> None:
    """Captured: the card data have served. What a fork has taken out of the ledger meanwhile is a person's to decide."""
    connection.execute(delete(t.sealed).where(_where(t.sealed, answer.identity)))
    if _payment(connection, answer.identity).held:
        what = f"payment {answer.identity[2]}, which is part of a fork, is captured: {request.amount} centimes"
        audit.alarm(connection, answer.identity[0], "HELD", what, now)


def _reversed(connection: Connection, answer: Answer, _request: Request, now: int) -> None:
    """The money is given back: post the opposite of what the payment earned, if it ever earned anything."""
    voids.end(connection, answer.identity, r.VOID_DONE, answer.response, now)
    connection.execute(delete(t.sealed).where(_where(t.sealed, answer.identity)))
    payment = connection.execute(select(t.payments).where(_where(t.payments, answer.identity))).first()
    if payment is None:
        return
    result = results.find(connection, answer.identity)
    later = payment.outcome == r.OUTCOME_PROVISIONAL and result is not None and result.outcome == r.OUTCOME_APPROVED
    if payment.held or not (payment.outcome == r.OUTCOME_APPROVED or later):
        return
    place = accounts.Place(payment.scheme or "", payment.wilaya, payment.force, payment.unit)
    earned = accounts.outcome_legs(place, r.OUTCOME_APPROVED, payment.amount)
    posting.post(connection, answer.identity, t.PART_REVERSAL, accounts.opposite(earned), now)


def reversal_asked(connection: Connection, identity: Identity) -> bool:
    """Whether a reversal of the payment was ever put into the outbox."""
    return _reversal(connection, identity) is not None


def given_back(connection: Connection, identity: Identity) -> bool:
    """Whether a reversal of the payment is under way, or done: not one that has failed."""
    return _reversal(connection, identity) not in (None, t.STATE_FAILED)


def _reversal(connection: Connection, identity: Identity) -> int | None:
    mine = _where(t.outbox, identity, t.STEP_REVERSE)
    return connection.execute(select(t.outbox.c.state).where(mine)).scalar()


def enqueue(
    connection: Connection,
    identity: Identity,
    step: int,
    state: int,
    amount: int,
    utc: int,
    auth_code: str | None,
    now: int,
) -> None:
    """Put a request into the outbox; a new one is doubtful when it may have been sent before a restore."""
    if state == t.STATE_NEW and restore.doubtful(connection, identity[0], identity[2]):
        state = t.STATE_DOUBTFUL
    connection.execute(
        insert(t.outbox).values(
            device=identity[0],
            epoch=identity[1],
            intent=identity[2],
            step=step,
            state=state,
            amount=amount,
            utc=utc,
            auth_code=auth_code,
            tries=0,
            next_at=now,
            created=now,
        )
    )


def reverse(connection: Connection, identity: Identity, amount: int, utc: int, now: int) -> None:
    """Have what the issuer approved, or may have, and nobody took given back; asked again, it is sent again, since the
    first may have overtaken the authorisation: what comes of one that is under way counts for nothing.
    """
    if _reverse(connection, identity, amount, utc, now):
        what = f"payment {identity[2]}: authorised, not taken"
        audit.write(connection, identity[0], t.LEVEL_NOTE, "REVERSAL", what, now)


def _reverse(connection: Connection, identity: Identity, amount: int, utc: int, now: int) -> bool:
    """Put a reversal into the outbox; whether it is the first. Another goes out as a repeat."""
    again = update(t.outbox).where(_where(t.outbox, identity, t.STEP_REVERSE))
    turn = t.outbox.c.tries + 1
    values = {"state": t.STATE_DOUBTFUL, "next_at": now, "created": now, "tries": turn, "response": None}
    if connection.execute(again.values(**values)).rowcount:
        return False
    enqueue(connection, identity, t.STEP_REVERSE, t.STATE_NEW, amount, utc, None, now)
    return True


def reversible(connection: Connection, identity: Identity) -> bool:
    """Whether there is an approved payment of this identity whose reversal was never asked for, or has failed."""
    payment = connection.execute(select(t.payments).where(_where(t.payments, identity))).first()
    result = results.find(connection, identity)
    approved = payment is not None and (
        payment.outcome == r.OUTCOME_APPROVED
        or (payment.outcome == r.OUTCOME_PROVISIONAL and result is not None and result.outcome == r.OUTCOME_APPROVED)
    )
    return approved and not given_back(connection, identity)


def request_reversal(connection: Connection, identity: Identity, who: str, now: int) -> None:
    """Have an approved payment given back. ServerError SRV-061 if there is no approved, unreversed payment of this
    identity.

    An unsent clearing is held back; whatever was sent is reversed at the acquirer, and the ledger follows its answer. A reversal that has failed
    goes out again, as a repeat.
    """
    devices.heads(connection, [identity[0]])
    payment = connection.execute(select(t.payments).where(_where(t.payments, identity))).first()
    if payment is None or not reversible(connection, identity):
        raise ServerError("no approved payment of this identity waits for a reversal", codes.NO_SUCH_PAYMENT)
    clearings.hold(connection, identity)
    _reverse(connection, identity, payment.amount, payment.utc, now)
    audit.write(connection, identity[0], t.LEVEL_NOTE, "REVERSAL", f"payment {identity[2]}, asked by {who}", now)


def unsettled(connection: Connection) -> int:
    """How many requests still wait for an answer."""
    return connection.execute(select(func.count()).select_from(t.outbox).where(_WAITING)).scalar() or 0
