"""Nonces: every message is bound to the device's last HELLO, so that an old one, replayed, is refused (design §4)."""

from typing import Any

from sqlalchemy import Connection, Row, bindparam, delete, insert, select

from server import codes
from server.store import devices, restore
from server.store import tables as t
from server.wire.messages import Message

NONCE_SECONDS = (
    90 * 86400
)  # so long a nonce is remembered: forgotten earlier, an old HELLO could be played back earlier
_MINE = t.nonces.c.device == bindparam("b_device")
_SEEN = select(t.nonces.c.at).where(_MINE, t.nonces.c.nonce == bindparam("b_nonce"))
_NOTE = insert(t.nonces)
_FORGET = delete(t.nonces).where(_MINE, t.nonces.c.at < bindparam("b_before"))
"""Statements made once: making one costs more than running it."""


def begin(connection: Connection, device: str, nonce: bytes, current: bytes | None, now: int) -> None:
    """Take note of a HELLO's nonce.

    RefusedError NONCE_REUSED unless it is new, or the current one sent again by the network.
    """
    if nonce == current:
        return
    if connection.execute(_SEEN, {"b_device": device, "b_nonce": nonce}).first() is not None:
        raise codes.RefusedError(codes.NONCE_REUSED, "this HELLO was seen before")
    connection.execute(_NOTE, {"device": device, "nonce": nonce, "at": now})
    connection.execute(_FORGET, {"b_device": device, "b_before": now - NONCE_SECONDS})


def must_be_heard(head: Row[Any]) -> None:
    """RefusedError BLOCKED if two officers have blocked the device whose head this is (`server.office.blocks`)."""
    if head.blocked:
        raise codes.RefusedError(codes.BLOCKED, "this terminal is blocked")


def must_be_signed(message: Message, head: Row[Any]) -> None:
    """RefusedError BAD_SIGNATURE unless a message was signed by the key in force: a front may have known another one when it looked."""
    if message.device.key_epoch != head.key_epoch:
        raise codes.RefusedError(codes.BAD_SIGNATURE, "signed by a key that is not in force")


def bound_head(connection: Connection, message: Message) -> Row[Any]:
    """The device's head, if `message` is bound to its last HELLO and of its epoch. RefusedError otherwise."""
    return check_bound(connection, devices.head(connection, message.device.device), message)


def check_bound(connection: Connection, head: Row[Any], message: Message) -> Row[Any]:
    """`head`, the device's own, if `message` is bound to its last HELLO and of its epoch, as it is once that is known. RefusedError otherwise."""
    must_be_heard(head)
    must_be_signed(message, head)
    if head.nonce is None or bytes(head.nonce) != message.nonce:
        raise codes.RefusedError(codes.WRONG_NONCE, "not bound to the last HELLO: say HELLO again")
    if head.epoch != message.epoch:
        raise codes.RefusedError(codes.WRONG_EPOCH, "epoch is not the approved one")
    return devices.head(connection, head.device) if restore.settle(connection, head) else head
