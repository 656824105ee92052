"""The clearing of a payment that is to be given back: held back if it never left, and let go if the reversal comes to nothing.

So never are a capture and a reversal on their way together: while a reversal waits, the clearing is held, has failed, or is in doubt, and then
the reversal waits for it (`server.acquirer.outbox.claim`). Synchronous functions on a connection.
"""

from typing import Any

from sqlalchemy import Connection, and_, update

from protocol import sync as s
from server.ledger.posting import Identity
from server.store import audit, failed, restore
from server.store import tables as t


def _in_state(identity: Identity, state: int) -> Any:
    c = t.outbox.c
    mine = and_(c.device == identity[0], c.epoch == identity[1], c.intent == identity[2])
    return and_(mine, c.step == t.STEP_CLEAR, c.state == state)


def hold(connection: Connection, identity: Identity) -> None:
    """Keep a clearing that was never sent from the acquirer; one that is to be asked about again is asked about now."""
    inquiry = and_(_in_state(identity, t.STATE_DOUBTFUL), t.outbox.c.response.in_(s.APPROVED))
    connection.execute(update(t.outbox).where(inquiry).values(next_at=0))
    connection.execute(update(t.outbox).where(_in_state(identity, t.STATE_NEW)).values(state=t.STATE_HELD))


def let_go(connection: Connection, identity: Identity, now: int) -> None:
    """The reversal has failed, the payment stands: its clearing goes to the acquirer after all, unless a fork holds it. One that was answered
    while it was to be reversed (12) has failed.
    """
    held, answered = and_(_in_state(identity, t.STATE_HELD), ~failed.forked()), t.outbox.c.response.is_not(None)
    connection.execute(update(t.outbox).where(held, answered).values(state=t.STATE_FAILED))
    state = t.STATE_DOUBTFUL if restore.doubtful(connection, identity[0], identity[2]) else t.STATE_NEW
    if connection.execute(update(t.outbox).where(held).values(state=state, next_at=now)).rowcount:
        what = f"payment {identity[2]} of epoch {identity[1]} is not reversed: its clearing goes out after all"
        audit.write(connection, identity[0], t.LEVEL_NOTE, "ACQUIRER", what, now)
