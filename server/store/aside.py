"""Outcomes that are kept and not posted, rejected or of a second branch: which payments they say they are the outcomes of.

Noted when they come, so that nobody need look through all that a device was ever refused.
"""

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Connection, insert, select

from protocol import records as r
from server.store import tables as t
from server.wire import schema


def note(connection: Connection, device: str, records: Iterable[dict[int, Any]]) -> None:
    """Take note of those of `records` that are outcomes. The device's head is locked."""
    said = [record.get(r.INTENT) for record in records if record[r.KIND] == r.PAYMENT_OUTCOME]
    intents = {intent for intent in said if type(intent) is int and 0 < intent <= schema.U32}
    if not intents:
        return
    c = t.aside.c
    known = connection.execute(select(c.intent).where(c.device == device, c.intent.in_(intents))).scalars()
    fresh = [{"device": device, "intent": intent} for intent in sorted(intents.difference(known))]
    if fresh:
        connection.execute(insert(t.aside), fresh)


def has(connection: Connection, device: str, intent: int) -> bool:
    """Whether an outcome was set aside that says it is this payment's, of whatever epoch."""
    c = t.aside.c
    return connection.execute(select(c.intent).where(c.device == device, c.intent == intent)).first() is not None
