"""The outbox: what is to be asked of the acquirer. Synchronous functions on a connection.

A row is marked *doubtful*, and that committed, before its first byte is sent (`claim`); from then on it goes out as a
repeat. Only an answer ends it (`server.acquirer.settling`). So a crash between the two can cause a repeat, never a second new request,
and never a lost one.

A claimed row belongs to its process for LEASE seconds; then any other may claim it. Each claim is a *turn*, and what was claimed in an
earlier one counts for nothing any more: it is not sent (`hold`, committed directly before each request leaves), and what comes of
it moves no row. So what another process has sent, settled or reversed meanwhile never goes out as new.

    NEW → DOUBTFUL → DONE      (approved, or a refusal, which is final for an authorisation)
              │  └→ FAILED     (needs a person: the alarm says why)
              └→ DOUBTFUL      (no answer, or one of `iso.LATER`: again later, as a repeat)

What an answer means is said in `server.acquirer.settling`.

Times are the server's clock's. What was put in, or off, while that was ahead waits no longer than any other once it is right (`bring_near`).
"""

from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, and_, bindparam, case, exists, func, insert, literal, or_, select, update

from protocol import cbor
from protocol import records as r
from protocol.errors import ServerError
from server import codes
from server.acquirer import clearings, waiting, word
from server.acquirer.iso import Request, in_clear
from server.ingest import results
from server.ledger.posting import Identity
from server.store import audit, devices, failed, restore
from server.store import tables as t

HOLDS = 3600  # seconds that the host may hold a message before it acts on it, unless the configuration says otherwise
LEASE = 60  # seconds that a claimed row belongs to the process that claimed it
MAX_WAIT = 3600
SPREAD = 30 * 86400  # seconds over which inquiries after a restore may be spread (`server.store.restore`)
_WAITING = t.outbox.c.state < literal(t.STATE_DONE, literal_execute=True)  # written out: else no partial index is taken
_UNSETTLED = select(func.count()).select_from(t.outbox).where(_WAITING)


@lru_cache(maxsize=1024)
def where(table: Any, identity: Identity, step: int | None = None) -> Any:
    """Condition: the rows of a payment, of one step if given. Kept for a while: several statements ask about one payment."""
    terms = [table.c.device == identity[0], table.c.epoch == identity[1], table.c.intent == identity[2]]
    if step is not None:
        terms.append(table.c.step == step)
    return and_(*terms)


def claim(connection: Connection, now: int, limit: int = 16, holds: int = HOLDS) -> list[Request]:
    """Take up to `limit` rows that are due, mark them doubtful and leased. To be committed before anything is sent.

    Rows that another process is just changing are left to it. A reversal waits while the clearing of the same payment is in doubt, or its
    deferred authorisation unanswered: the other way round it could be captured, or approved, afterwards. So it does while the host may act yet on a
    clearing that a person sends no more (`holds` seconds). So does, after a restore, that of a void until its terminal has said how the void ended
    (`server.acquirer.word`).
    """
    due = connection.execute(_DUE, {"b_now": now, "b_limit": limit, "b_heard": now - holds}).all()
    taken = []
    for row in due:
        identity, turn = (row.device, row.epoch, row.intent), row.tries + 1
        connection.execute(
            update(t.outbox)
            .where(where(t.outbox, identity, row.step))
            .values(state=t.STATE_DOUBTFUL, tries=turn, next_at=now + LEASE)
        )
        blob = None if row.blob is None else bytes(row.blob)
        repeat = row.state == t.STATE_DOUBTFUL
        scripts, clear = bytes(row.script_results or b""), _in_clear(row)
        request = Request(
            identity, row.step, repeat, row.amount, row.utc, row.auth_code or "", blob, row.wilaya, scripts, clear or b"",
            row.created, turn, clear is None,
        )  # fmt: skip
        taken.append(request)
    return taken


def hold(connection: Connection, request: Request, now: int) -> bool:
    """Whether a claimed row is still its claimer's, for LEASE more seconds then. To be committed directly before the request is sent."""
    return connection.execute(update(t.outbox).where(held(request)).values(next_at=now + LEASE)).rowcount == 1


def held(request: Request) -> Any:
    """Condition: the row of a request, unless it was settled, kept back or claimed by another since."""
    mine = where(t.outbox, request.identity, request.step)
    return and_(mine, t.outbox.c.state == t.STATE_DOUBTFUL, t.outbox.c.tries == request.turn)


def _in_clear(row: Any) -> bytes | None:
    """What the outcome record, which is of its intent's epoch where there are sealed data, says of their chip data; None if it cannot be read. A
    reversal goes without card data, so that nothing is read for it.
    """
    if row.record is None or row.step == t.STEP_REVERSE:
        return b""
    try:
        record = cbor.decode(bytes(row.record))
        mine = record.get(r.KIND) == r.PAYMENT_OUTCOME and record.get(r.INTENT) == row.intent
        return in_clear(record) if mine else b""
    except Exception:  # noqa: BLE001 - whatever is wrong with the record of one payment must not stop the others
        return None


def _in_turn() -> Any:
    first = t.outbox.alias("first").c
    o = t.outbox.c
    silent = (first.step == t.STEP_CLEAR, first.state == t.STATE_FAILED, first.response == failed.NO_ANSWER)
    held_yet = and_(*silent, first.answered > bindparam("b_heard"))
    same = and_(first.device == o.device, first.epoch == o.epoch, first.intent == o.intent)
    unsent = and_(first.step == t.STEP_AUTHORISE, first.state == t.STATE_NEW)
    doubt = and_(first.step != t.STEP_REVERSE, first.state == t.STATE_DOUBTFUL)
    return or_(o.step != t.STEP_REVERSE, and_(~exists().where(same, or_(unsent, doubt, held_yet)), ~word.awaited()))


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
    connection.execute(update(t.outbox).where(held(request)).values(next_at=now + wait))


def bring_near(connection: Connection, now: int) -> None:
    """Have what would wait longer than any request may asked at once: the server's clock was ahead when it was put in, or off. Since when it waits
    nobody knows then; it counts from now.
    """
    connection.execute(_NEAR, {"b_now": now, "b_far": now + MAX_WAIT, "b_spread": now + SPREAD})


def _near() -> Any:
    o, now = t.outbox.c, bindparam("b_now")
    inquiry = o.response.is_not(None)
    far = (o.next_at > bindparam("b_far"), or_(~inquiry, o.next_at > bindparam("b_spread")))
    created = case((o.created > now, now), else_=o.created)
    return update(t.outbox).where(_WAITING, *far).values(next_at=now, created=created)


_NEAR = _near()
"""Made once, as `_DUE`."""


def reversal_asked(connection: Connection, identity: Identity) -> bool:
    """Whether a reversal of the payment was ever put into the outbox."""
    return _reversal(connection, identity) is not None


def given_back(connection: Connection, identity: Identity) -> bool:
    """Whether a reversal of the payment is under way, or done: not one that has failed."""
    return _reversal(connection, identity) not in (None, t.STATE_FAILED)


def is_reversed(connection: Connection, identity: Identity) -> bool:
    """Whether a reversal of the payment is done."""
    return _reversal(connection, identity) == t.STATE_DONE


def _reversal(connection: Connection, identity: Identity) -> int | None:
    mine = where(t.outbox, identity, t.STEP_REVERSE)
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


def reverse(
    connection: Connection, identity: Identity, amount: int, utc: int, now: int, why: str = "authorised, not taken"
) -> None:
    """Have what the issuer approved, or may have, and nobody took given back; asked again, it is sent again, since the
    first may have overtaken the authorisation: what comes of one that is under way counts for nothing.
    """
    if put_reversal(connection, identity, amount, utc, now):
        audit.write(connection, identity[0], t.LEVEL_NOTE, "REVERSAL", f"payment {identity[2]}: {why}", now)


def put_reversal(connection: Connection, identity: Identity, amount: int, utc: int, now: int) -> bool:
    """Put a reversal into the outbox; whether it is the first. Another goes out as a repeat."""
    again = update(t.outbox).where(where(t.outbox, identity, t.STEP_REVERSE))
    turn = t.outbox.c.tries + 1
    values = {"state": t.STATE_DOUBTFUL, "next_at": now, "created": now, "tries": turn, "response": None}
    if connection.execute(again.values(**values)).rowcount:
        return False
    enqueue(connection, identity, t.STEP_REVERSE, t.STATE_NEW, amount, utc, None, now)
    return True


def reversible(connection: Connection, identity: Identity) -> bool:
    """Whether there is an approved payment of this identity whose reversal was never asked for, or has failed, and that no verdict about a fork
    has given back.
    """
    held = connection.execute(select(t.payments.c.held).where(where(t.payments, identity))).scalar()
    return held != t.HELD_BACK and taken(connection, identity) and not given_back(connection, identity)


def taken(connection: Connection, identity: Identity) -> bool:
    """Whether the money of a payment was taken, by its record or by its issuer's final word: only then can it stand."""
    outcome = connection.execute(select(t.payments.c.outcome).where(where(t.payments, identity))).scalar()
    if outcome != r.OUTCOME_PROVISIONAL:
        return outcome == r.OUTCOME_APPROVED
    final = results.find(connection, identity)
    return final is not None and final.outcome == r.OUTCOME_APPROVED


def request_reversal(connection: Connection, identity: Identity, who: str, now: int) -> None:
    """Have an approved payment given back. ServerError SRV-061 if there is no approved, unreversed payment of this
    identity.

    An unsent clearing is held back; whatever was sent is reversed at the acquirer, and the ledger follows its answer. A reversal that has failed
    goes out again, as a repeat.
    """
    devices.heads(connection, [identity[0]])
    payment = connection.execute(select(t.payments).where(where(t.payments, identity))).first()
    if payment is None or not reversible(connection, identity):
        raise ServerError("no approved payment of this identity waits for a reversal", codes.NO_SUCH_PAYMENT)
    clearings.hold(connection, identity)
    put_reversal(connection, identity, payment.amount, payment.utc, now)
    audit.write(connection, identity[0], t.LEVEL_NOTE, "REVERSAL", f"payment {identity[2]}, asked by {who}", now)


def unsettled(connection: Connection) -> int:
    """How many requests still wait for an answer."""
    return connection.execute(_UNSETTLED).scalar() or 0
