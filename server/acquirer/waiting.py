"""What waits too long for an answer. A host that says "later" again and again (`server.acquirer.iso.LATER`), or nothing at all, keeps a deferred
authorisation, a clearing or a reversal open for ever, and with it a driver's licence, or the Treasury's money: after WAITS seconds, or what the
configuration says (`waits`), an alarm names it, once, and `tasdid server failed` lists it; it may be given up then. A reversal that waits behind a
clearing is named beside it, although nothing is asked about it. So is one that waits for its terminal (`server.acquirer.word`). Of a clearing the
time before a restore does not count: the backup does not know how long it has waited. Synchronous functions on a connection.
"""

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Connection, and_, literal, or_, select

from server.acquirer.iso import Request
from server.ledger.posting import Identity
from server.store import audit, devices, restore
from server.store import tables as t

WAITS = 86400
REMEMBERED = 1000  # alarms of a device that are looked through for the same one


def too_long(now: int, waits: int) -> Any:
    """Whether a row of the outbox has waited for `waits` seconds, in SQL."""
    o, restored = t.outbox.c, t.meta.alias("restored").c
    since = select(restored.name).where(restored.name == restore.NAME, restored.value > now - waits)
    open_ = o.state < literal(t.STATE_DONE, literal_execute=True)  # written out: else no partial index is taken
    return and_(open_, o.created <= now - waits, or_(o.step != t.STEP_CLEAR, ~since.exists()))


def since(connection: Connection, step: int, created: int) -> int:
    """Since when a request waits that was put into the outbox at `created`, as far as is known."""
    return max(created, restore.restored(connection)) if step == t.STEP_CLEAR else created


def tell(connection: Connection, request: Request, now: int, waits: int) -> None:
    """A request was not answered once more: the alarm, if it has waited too long, or a reversal behind it has, and nobody has said so."""
    device, epoch, intent = request.identity
    found = [(request.step, request.since)]
    if request.step == t.STEP_CLEAR:
        o = t.outbox.c
        mine = (o.device == device, o.epoch == epoch, o.intent == intent, o.step == t.STEP_REVERSE)
        behind = connection.execute(select(o.created).where(*mine, o.state < t.STATE_DONE)).scalars()
        found += [(t.STEP_REVERSE, created) for created in behind]
    for step, created in found:
        if now < created + waits or now < (begun := since(connection, step, created)) + waits:
            continue
        devices.head(connection, device)
        name(connection, request.identity, step, request.amount, "the acquirer gives no final answer", begun, now)


def name(connection: Connection, identity: Identity, step: int, amount: int, why: str, since: int, now: int) -> None:
    """The alarm, once; the device's head is locked."""
    device, epoch, intent = identity
    what = f"step {step} of payment {intent} of epoch {epoch}, {amount} centimes: {why}"
    what += f" since {datetime.fromtimestamp(since, UTC):%Y-%m-%d %H:%M} UTC"
    audit.alarm_once(connection, device, "WAITING", what, now, REMEMBERED)
