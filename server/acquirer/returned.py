"""After a restore: what the acquirer's answer to a clearing tells of a reversal that this database has forgotten (`server.store.restore`).

    inquiry, the same answer as before     the payment stands
    inquiry or repeat, 12                  it was reversed since the backup: the opposite is posted, an alarm names it. One that was authorised
                                           again since the restore is reversed again as well: the host's reversal may be the older one
    inquiry, anything else                 it stands as the backup says, an alarm tells a person to look

A repeat is believed to be reversed only if nothing else can be the cause: the payment was doubtful after the restore, and no issuer is
known to have refused it. Synchronous functions on a connection.
"""

from typing import Any

from sqlalchemy import Connection, and_, delete, insert, select

from protocol import sync as s
from server.acquirer import outbox
from server.acquirer.iso import Answer, Request
from server.ledger.posting import Identity
from server.store import audit, restore
from server.store import tables as t

REVERSED = "12"  # host, to a clearing: it is reversed, or was refused; in a row of a reversal: found, not asked for


def _row(table: Any, identity: Identity) -> Any:
    return and_(table.c.device == identity[0], table.c.epoch == identity[1], table.c.intent == identity[2])


def is_inquiry(connection: Connection, request: Request) -> bool:
    """Whether a clearing is asked about again though it was answered before the backup."""
    if request.step != t.STEP_CLEAR:
        return False
    mine = (_row(t.outbox, request.identity), t.outbox.c.step == t.STEP_CLEAR, t.outbox.c.state == t.STATE_DOUBTFUL)
    return connection.execute(select(t.outbox.c.response).where(*mine)).scalar() in s.APPROVED


def tells(connection: Connection, request: Request, answer: Answer, inquiry: bool) -> bool:
    """Whether an answer says that a payment was reversed before the restore."""
    if request.step != t.STEP_CLEAR or answer.response != REVERSED:
        return False
    if inquiry:
        return True
    mine = (_row(t.outbox, request.identity), t.outbox.c.step == t.STEP_CLEAR)
    if connection.execute(select(t.outbox.c.answered).where(*mine)).scalar() is not None:
        return False  # it was refused before, perhaps with just this
    asked = connection.execute(select(t.authorisations).where(_row(t.authorisations, request.identity))).first()
    refused = (
        asked is not None and asked.state == s.ASKED_ANSWERED and asked.response not in (*s.APPROVED, *s.NOT_REACHED)
    )
    return request.repeat and not refused and restore.doubtful(connection, request.identity[0], request.identity[2])


def reverse_again(connection: Connection, request: Request, now: int) -> None:
    """Have an approval of after the restore reversed (`clearings.approved_since`); the alarm. Its terminal may have heard it since."""
    outbox.put_reversal(connection, request.identity, request.amount, request.utc, now)
    device, epoch, intent = request.identity
    what = f"payment {intent} of epoch {epoch}, {request.amount} centimes: authorised since the restore, and the acquirer refuses to clear it:"
    audit.alarm(
        connection,
        device,
        "RESTORED",
        what + " reversed before; reversed again, the driver may have heard that he has paid",
        now,
    )


def enter(connection: Connection, request: Request, now: int) -> None:
    """Enter the reversal that was forgotten, as answered, in the place of one that had failed; the alarm."""
    device, epoch, intent = request.identity
    connection.execute(delete(t.outbox).where(_row(t.outbox, request.identity), t.outbox.c.step == t.STEP_REVERSE))
    key = {"device": device, "epoch": epoch, "intent": intent, "step": t.STEP_REVERSE}
    said = {"state": t.STATE_DONE, "response": REVERSED, "answered": now, "auth_code": None}
    row = {**key, **said, "amount": request.amount, "utc": request.utc, "tries": 0, "next_at": now, "created": now}
    connection.execute(insert(t.outbox).values(**row))
    what = (
        f"payment {intent} of epoch {epoch}, {request.amount} centimes: the acquirer has reversed it since the backup;"
    )
    audit.alarm(connection, device, "RESTORED", what + " the books follow", now)


def found(connection: Connection, identity: Identity) -> bool:
    """Whether a payment's reversal was found in this way, and nobody has asked for it here."""
    mine = (_row(t.outbox, identity), t.outbox.c.step == t.STEP_REVERSE, t.outbox.c.response == REVERSED)
    done = select(t.outbox.c.step).where(*mine, t.outbox.c.state == t.STATE_DONE)
    return connection.execute(done).first() is not None


def differs(connection: Connection, request: Request, answer: Answer, now: int) -> None:
    """The alarm about an inquiry that was answered otherwise than before the backup."""
    what = f"payment {request.identity[2]} of epoch {request.identity[1]}, {request.amount} centimes, was captured before the backup;"
    audit.alarm(connection, request.identity[0], "RESTORED", f"{what} the acquirer now answers {answer.response}", now)
