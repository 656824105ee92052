"""What waits too long for an answer. A host that says "later" again and again (91, 94, 96, 68, 09), or nothing at all, keeps a deferred
authorisation or a reversal open for ever, and with it a driver's licence: after WAITS seconds, or what the configuration says (`waits`), an alarm
names it, once, and `tasdid server failed` lists it; either may be given up then. A clearing keeps nobody waiting but a reversal, which
is named in its place. So is a reversal that is never asked for, since it waits for its terminal (`server.acquirer.word`). Synchronous functions on
a connection.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, and_, select

from server.acquirer.iso import Request
from server.ledger.posting import Identity
from server.store import audit, devices
from server.store import tables as t

WAITS = 86400
REMEMBERED = 1000  # alarms of a device that are looked through for the same one


def too_long(now: int, waits: int) -> Any:
    """Whether a row of the outbox has waited for `waits` seconds, in SQL."""
    o = t.outbox.c
    return and_(o.step != t.STEP_CLEAR, o.state < t.STATE_DONE, o.created <= now - waits)


def tell(connection: Connection, request: Request, now: int, waits: int) -> None:
    """A request was not answered once more: the alarm, if it has waited too long and nobody has said so."""
    device, epoch, intent = request.identity
    step, since = request.step, request.since
    if step == t.STEP_CLEAR:
        o = t.outbox.c
        mine = (
            o.device == device,
            o.epoch == epoch,
            o.intent == intent,
            o.step == t.STEP_REVERSE,
            o.state < t.STATE_DONE,
        )
        step, since = t.STEP_REVERSE, connection.execute(select(o.created).where(*mine)).scalar() or now
    if now < since + waits:
        return
    devices.head(connection, device)
    name(connection, request.identity, step, request.amount, "the acquirer gives no final answer", since, now)


def name(connection: Connection, identity: Identity, step: int, amount: int, why: str, since: int, now: int) -> None:
    """The alarm, once; the device's head is locked."""
    device, epoch, intent = identity
    what = f"step {step} of payment {intent} of epoch {epoch}, {amount} centimes: {why}"
    what += f" since {datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M} UTC"
    audit.alarm_once(connection, device, "WAITING", what, now, REMEMBERED)
