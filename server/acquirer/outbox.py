"""The outbox: what is to be asked of the acquirer, and what happens with the answer. Synchronous functions on a
connection.

A row is marked *doubtful*, and that committed, before its first byte is sent (`claim`); from then on it goes out as a
repeat. Only an answer ends it (`settle`). So a crash between the two can cause a repeat, never a second new request,
and never a lost one.

    NEW → DOUBTFUL → DONE      (approved, or a refusal, which is final for an authorisation)
              │  └→ FAILED     (needs a person: the alarm says why)
              └→ DOUBTFUL      (no answer, 91, 96, 68, 94, 09: again later, as a repeat)

What approves, and what an answer of another amount means, is said in `server.acquirer.iso`.
"""

from typing import Any

from sqlalchemy import Connection, and_, delete, exists, insert, or_, select, update

from protocol import cbor
from protocol import records as r
from protocol import sync as s
from protocol.errors import ServerError
from server import codes
from server.acquirer import voids
from server.acquirer.iso import Answer, Request, in_clear
from server.ingest import results
from server.ledger import accounts, posting
from server.ledger.posting import Identity
from server.store import audit, restore
from server.store import tables as t

LEASE = 60  # seconds that a claimed row belongs to the process that claimed it
LATER = frozenset((*s.NOT_REACHED, *s.NO_WORD))  # try again: issuer or host unavailable, late, duplicate in progress
NOT_NOW = "12"  # host: it is reversed, or was refused
NO_RECORD = "25"  # host knows nothing of this reference, and no card data came with it
BROKEN = frozenset(
    {"30", "12", NO_RECORD, "63"}
)  # format, invalid, unknown, security: no issuer has judged the payment
MAX_WAIT = 3600


def _where(table: Any, identity: Identity, step: int | None = None) -> Any:
    terms = [table.c.device == identity[0], table.c.epoch == identity[1], table.c.intent == identity[2]]
    if step is not None:
        terms.append(table.c.step == step)
    return and_(*terms)


def claim(connection: Connection, now: int, limit: int = 16) -> list[Request]:
    """Take up to `limit` rows that are due, mark them doubtful and leased. To be committed before anything is sent.

    A reversal waits while the clearing of the same payment is in doubt: the other way round it could be captured afterwards.
    """
    c = t.outbox.c
    same = and_(c.device == t.sealed.c.device, c.epoch == t.sealed.c.epoch, c.intent == t.sealed.c.intent)
    pay = and_(c.device == t.payments.c.device, c.epoch == t.payments.c.epoch, c.intent == t.payments.c.intent)
    said = and_(c.device == t.raw.c.device, c.epoch == t.raw.c.epoch, t.payments.c.outcome_seq == t.raw.c.seq)
    due = connection.execute(
        select(t.outbox, t.sealed.c.blob, t.payments.c.wilaya, t.payments.c.script_results, t.raw.c.record)
        .join(t.payments, pay)
        .outerjoin(t.sealed, same)
        .outerjoin(t.raw, and_(said, t.sealed.c.blob.is_not(None)))
        .where(c.state.in_((t.STATE_NEW, t.STATE_DOUBTFUL)), c.next_at <= now, _in_turn())
        .order_by(c.next_at, c.device, c.epoch, c.intent, c.step)
        .limit(limit)
    ).all()
    taken = []
    for row in due:
        identity = (row.device, row.epoch, row.intent)
        mine = (
            update(t.outbox)
            .where(_where(t.outbox, identity, row.step), c.state == row.state, c.next_at == row.next_at)
            .values(state=t.STATE_DOUBTFUL, tries=row.tries + 1, next_at=now + LEASE)
        )
        if connection.execute(mine).rowcount != 1:
            continue  # another process was faster
        blob = None if row.blob is None else bytes(row.blob)
        repeat = row.state == t.STATE_DOUBTFUL
        scripts, clear = bytes(row.script_results or b""), _in_clear(row)
        request = Request(
            identity, row.step, repeat, row.amount, row.utc, row.auth_code or "", blob, row.wilaya, scripts, clear
        )
        taken.append(request)
    return taken


def _in_clear(row: Any) -> bytes:
    """What the outcome record, which is of its intent's epoch where there are sealed data, says of their chip data."""
    record = {} if row.record is None else cbor.decode(bytes(row.record))
    mine = record.get(r.KIND) == r.PAYMENT_OUTCOME and record.get(r.INTENT) == row.intent
    return in_clear(record) if mine else b""


def _in_turn() -> Any:
    clearing = t.outbox.alias("clearing").c
    o = t.outbox.c
    same = and_(clearing.device == o.device, clearing.epoch == o.epoch, clearing.intent == o.intent)
    doubt = exists().where(same, clearing.step == t.STEP_CLEAR, clearing.state == t.STATE_DOUBTFUL)
    return or_(o.step != t.STEP_REVERSE, ~doubt)


def postpone(connection: Connection, request: Request, now: int) -> None:
    """No answer came, or not a final one: the row stays doubtful and waits 1, 2, 4 … seconds, at most an hour."""
    where = and_(_where(t.outbox, request.identity, request.step), t.outbox.c.state == t.STATE_DOUBTFUL)
    tries = connection.execute(select(t.outbox.c.tries).where(where)).scalar()
    if tries is not None:
        wait = min(MAX_WAIT, 1 << min(max(tries - 1, 0), 12))
        connection.execute(update(t.outbox).where(where).values(next_at=now + wait))


def unsendable(connection: Connection, request: Request, now: int) -> None:
    """A request that cannot be written was never sent and never will be: the row is FAILED, and a person must look."""
    where = and_(_where(t.outbox, request.identity, request.step), t.outbox.c.state == t.STATE_DOUBTFUL)
    done = connection.execute(update(t.outbox).where(where).values(state=t.STATE_FAILED, answered=now))
    if done.rowcount:
        what = f"step {request.step} of payment {request.identity[2]}: the request cannot be written"
        audit.alarm(connection, request.identity[0], codes.UNSENDABLE, what, now)
        if request.step == t.STEP_REVERSE:
            voids.end(connection, request.identity, r.VOID_REFUSED, codes.UNSENDABLE, now)


def settle(connection: Connection, answer: Answer, now: int) -> bool:
    """Take note of an answer. False if the row was settled before (a late or repeated answer changes nothing)."""
    where = _where(t.outbox, answer.identity, answer.step)
    row = connection.execute(select(t.outbox).where(where).with_for_update()).first()
    if row is None or row.state in (t.STATE_DONE, t.STATE_HELD, t.STATE_NEW):
        return False
    if answer.response in LATER:
        request = Request(answer.identity, answer.step, True, row.amount, row.utc, "", None, 0)
        postpone(connection, request, now)
        return False
    state = _ends(connection, answer, row.amount)
    connection.execute(update(t.outbox).where(where).values(state=state, response=answer.response, answered=now))
    if state == t.STATE_HELD:
        return True
    if state == t.STATE_FAILED:
        _failed(connection, answer, row.amount, now)
        return True
    {t.STEP_AUTHORISE: _authorised, t.STEP_CLEAR: _cleared, t.STEP_REVERSE: _reversed}[answer.step](
        connection, answer, row, now
    )
    return True


def _ends(connection: Connection, answer: Answer, amount: int) -> int:
    """The state in which a final answer leaves its row, which was about `amount`."""
    if answer.step == t.STEP_AUTHORISE:
        return t.STATE_FAILED if answer.response in BROKEN else t.STATE_DONE
    if answer.step == t.STEP_CLEAR and answer.response == NOT_NOW and reversal_asked(connection, answer.identity):
        return t.STATE_HELD  # asked again after a restore: it was reversed already, nothing is to be captured
    never_sent = answer.step == t.STEP_REVERSE and answer.response == NO_RECORD  # as good as reversed
    return t.STATE_DONE if answer.approves(amount) or never_sent else t.STATE_FAILED


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
        voids.end(connection, answer.identity, r.VOID_REFUSED, reason, now)
    if answer.response == NO_RECORD:
        connection.execute(delete(t.sealed).where(_where(t.sealed, answer.identity)))


def another_amount(connection: Connection, answer: Answer, amount: int, now: int) -> None:
    """The alarm about an answer that speaks of another amount than was asked."""
    what = (
        f"step {answer.step} of payment {answer.identity[2]}: asked about {amount} centimes,"
        f" the acquirer answered {answer.response} about {answer.spoken_of}"
    )
    audit.alarm(connection, answer.identity[0], codes.OTHER_AMOUNT, what, now)


def _payment(connection: Connection, identity: Identity) -> Any:
    return connection.execute(select(t.payments).where(_where(t.payments, identity))).one()


def _authorised(connection: Connection, answer: Answer, row: Any, now: int) -> None:
    """The final word on a provisional payment: record, post, hand to the terminal; an approval is then cleared, and
    one of another amount reversed.
    """
    payment = _payment(connection, answer.identity)
    outcome, reason = r.OUTCOME_DECLINED, answer.response
    if answer.approves(row.amount):
        outcome = r.OUTCOME_APPROVED
    elif not answer.about(row.amount):
        reason = codes.OTHER_AMOUNT
        another_amount(connection, answer, row.amount, now)
        reverse(connection, answer.identity, row.amount, row.utc, now)
    results.record(connection, payment, outcome, answer.auth_code, reason, answer.reference, now)
    had_data = connection.execute(delete(t.sealed).where(_where(t.sealed, answer.identity))).rowcount
    if outcome == r.OUTCOME_APPROVED and not payment.held:
        state = t.STATE_NEW if had_data else t.STATE_DOUBTFUL
        enqueue(connection, answer.identity, t.STEP_CLEAR, state, row.amount, row.utc, answer.auth_code, now)


def _cleared(connection: Connection, answer: Answer, _row: Any, _now: int) -> None:
    """Captured: the card data have served."""
    connection.execute(delete(t.sealed).where(_where(t.sealed, answer.identity)))


def _reversed(connection: Connection, answer: Answer, _row: Any, now: int) -> None:
    """The money is given back: post the opposite of what the payment earned, if it ever earned anything."""
    voids.end(connection, answer.identity, r.VOID_DONE, answer.response, now)
    connection.execute(delete(t.sealed).where(_where(t.sealed, answer.identity)))
    payment = _payment(connection, answer.identity)
    result = results.find(connection, answer.identity)
    later = payment.outcome == r.OUTCOME_PROVISIONAL and result is not None and result.outcome == r.OUTCOME_APPROVED
    if payment.held or not (payment.outcome == r.OUTCOME_APPROVED or later):
        return
    place = accounts.Place(payment.scheme or "", payment.wilaya, payment.force, payment.unit)
    earned = accounts.outcome_legs(place, r.OUTCOME_APPROVED, payment.amount)
    posting.post(connection, answer.identity, t.PART_REVERSAL, accounts.opposite(earned), now)


def reversal_asked(connection: Connection, identity: Identity) -> bool:
    """Whether a reversal of the payment was ever put into the outbox."""
    return (
        connection.execute(select(t.outbox.c.step).where(_where(t.outbox, identity, t.STEP_REVERSE))).first()
        is not None
    )


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
    first may have overtaken the authorisation.
    """
    where = _where(t.outbox, identity, t.STEP_REVERSE)
    if connection.execute(update(t.outbox).where(where).values(state=t.STATE_DOUBTFUL, next_at=now)).rowcount:
        return
    enqueue(connection, identity, t.STEP_REVERSE, t.STATE_NEW, amount, utc, None, now)
    what = f"payment {identity[2]}: authorised, not taken"
    audit.write(connection, identity[0], t.LEVEL_NOTE, "REVERSAL", what, now)


def reversible(connection: Connection, identity: Identity) -> bool:
    """Whether there is an approved payment of this identity whose reversal was never asked for."""
    payment = connection.execute(select(t.payments).where(_where(t.payments, identity))).first()
    result = results.find(connection, identity)
    approved = payment is not None and (
        payment.outcome == r.OUTCOME_APPROVED
        or (payment.outcome == r.OUTCOME_PROVISIONAL and result is not None and result.outcome == r.OUTCOME_APPROVED)
    )
    return approved and not reversal_asked(connection, identity)


def request_reversal(connection: Connection, identity: Identity, who: str, now: int) -> None:
    """Have an approved payment given back. ServerError SRV-061 if there is no approved, unreversed payment of this
    identity.

    An unsent clearing is held back; whatever was sent is reversed at the acquirer, and the ledger follows its answer.
    """
    payment = connection.execute(select(t.payments).where(_where(t.payments, identity))).first()
    if payment is None or not reversible(connection, identity):
        raise ServerError("no approved payment of this identity waits for a reversal", codes.NO_SUCH_PAYMENT)
    hold_clearing(connection, identity)
    enqueue(connection, identity, t.STEP_REVERSE, t.STATE_NEW, payment.amount, payment.utc, None, now)
    audit.write(connection, identity[0], t.LEVEL_NOTE, "REVERSAL", f"payment {identity[2]}, asked by {who}", now)


def hold_clearing(connection: Connection, identity: Identity) -> None:
    """Keep a clearing that was never sent from the acquirer."""
    unsent = and_(_where(t.outbox, identity, t.STEP_CLEAR), t.outbox.c.state == t.STATE_NEW)
    connection.execute(update(t.outbox).where(unsent).values(state=t.STATE_HELD))


def unsettled(connection: Connection) -> int:
    """How many requests still wait for an answer."""
    states = or_(t.outbox.c.state == t.STATE_NEW, t.outbox.c.state == t.STATE_DOUBTFUL)
    return len(connection.execute(select(t.outbox.c.device).where(states)).all())
