"""Nonces: every message is bound to the device's last HELLO, so that an old one, replayed, is refused (design §4)."""

from typing import Any

from sqlalchemy import Connection, Row, delete, insert, select

from server import codes
from server.messages import Message
from server.store import devices
from server.store import tables as t

KEPT = 1000  # nonces remembered per device
NONCE_SECONDS = 90 * 86400


def begin(connection: Connection, device: str, nonce: bytes, current: bytes | None, now: int) -> None:
    """Take note of a HELLO's nonce.

    RefusedError NONCE_REUSED unless it is new, or the current one sent again by the network.
    """
    if nonce == current:
        return
    seen = select(t.nonces.c.at).where(t.nonces.c.device == device, t.nonces.c.nonce == nonce)
    if connection.execute(seen).first() is not None:
        raise codes.RefusedError(codes.NONCE_REUSED, "this HELLO was seen before")
    connection.execute(insert(t.nonces).values(device=device, nonce=nonce, at=now))
    connection.execute(delete(t.nonces).where(t.nonces.c.device == device, t.nonces.c.at < now - NONCE_SECONDS))


def bound_head(connection: Connection, message: Message) -> Row[Any]:
    """The device's head, if `message` is bound to its last HELLO and of its epoch. RefusedError otherwise."""
    return check_bound(devices.head(connection, message.device.device), message)


def check_bound(head: Row[Any], message: Message) -> Row[Any]:
    """`head`, the device's own, if `message` is bound to its last HELLO and of its epoch. RefusedError otherwise."""
    if head.nonce is None or bytes(head.nonce) != message.nonce:
        raise codes.RefusedError(codes.WRONG_NONCE, "not bound to the last HELLO: say HELLO again")
    if head.epoch != message.epoch:
        raise codes.RefusedError(codes.WRONG_EPOCH, "epoch is not the approved one")
    return head
