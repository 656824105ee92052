"""The clearing of a payment that is to be given back: held back if it never left, and let go if the reversal comes to nothing.

So never are a capture and a reversal on their way together: while a reversal waits, the clearing is held, has failed, or is in doubt, and then
the reversal waits for it (`server.acquirer.outbox.claim`). Synchronous functions on a connection.
"""

from typing import Any

from sqlalchemy import Connection, and_, select, update

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


def approved_since(connection: Connection, identity: Identity) -> bool:
    """Whether a payment was authorised since the restore. What the host then refuses to clear was reversed before that: the approval may stand, and
    is reversed once more.
    """
    o = t.outbox.c
    mine = and_(o.device == identity[0], o.epoch == identity[1], o.intent == identity[2], o.step == t.STEP_AUTHORISE)
    answered = connection.execute(select(o.answered).where(mine)).scalar()
    return answered is not None and answered >= restore.restored(connection)


def let_go(connection: Connection, identity: Identity, now: int) -> None:
    """The reversal has failed, or a verdict about a fork is that the payment stands: its clearing goes to the acquirer after all, unless a fork holds
    it. One that was answered while it was to be reversed (12) has failed: the alarm. After a restore that answer may tell of a reversal that was
    forgotten: it is asked for again, and counts as any other then (`server.acquirer.returned`). Not of what was authorised since: its reversal was
    the answer to that.
    """
    held, answered = and_(_in_state(identity, t.STATE_HELD), ~failed.forked()), t.outbox.c.answered
    goes: dict[str, Any] = {"state": t.STATE_NEW, "next_at": now, "created": now}
    over = and_(held, answered.is_not(None))
    if restore.doubtful(connection, identity[0], identity[2]):
        goes = {**goes, "state": t.STATE_DOUBTFUL, "response": None, "answered": None}
        if not approved_since(connection, identity):  # answered so before the backup: it is no news (`restore.mark`)
            over = and_(over, answered < restore.restored(connection))
    if connection.execute(update(t.outbox).where(over).values(state=t.STATE_FAILED)).rowcount:
        what = f"step {t.STEP_CLEAR} of payment {identity[2]}: the acquirer answered 12 while it was to be reversed: ask it what became of it"
        audit.alarm(connection, identity[0], "ACQUIRER", what, now)
    if connection.execute(update(t.outbox).where(held).values(**goes)).rowcount:
        what = f"payment {identity[2]} of epoch {identity[1]} is not reversed: its clearing goes out after all"
        audit.write(connection, identity[0], t.LEVEL_NOTE, "ACQUIRER", what, now)
