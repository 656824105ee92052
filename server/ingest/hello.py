"""HELLO → WELCOME: where the server stands, what it wants, what it has for the device."""

import json
from typing import Any

from sqlalchemy import Connection, bindparam, select, update

from protocol import sync as s
from server import codes
from server.acquirer import voids
from server.ingest import results, sessions
from server.keys import Keys
from server.office import epochs
from server.sets import Shelf
from server.store import audit, devices, restore
from server.store import tables as t
from server.wire.messages import Hello

SURELY = 3  # HELLOs in a row that are behind: so many were not all on their way for long
FORKS = 16  # alarms about forks among which this one is looked for
SETS_ROOM = 16384  # bytes of parameter sets in one WELCOME: the terminal takes replies of 32 KiB
_SAID = ("epoch", "nonce", "doubtful_seq", "last_contact", "claimed_seq", "behind", "firmware", "health", "sets")
_HEARD = (
    update(t.heads).where(t.heads.c.device == bindparam("b_device")).values({name: bindparam(name) for name in _SAID})
)
_HASH = select(t.raw.c.hash).where(
    t.raw.c.device == bindparam("b_device"), t.raw.c.epoch == bindparam("b_epoch"), t.raw.c.seq == bindparam("b_seq")
)
"""Statements made once: making one costs more than running it."""


def hello(connection: Connection, message: Hello, now: int, shelf: Shelf, keys: Keys | None = None) -> dict[int, Any]:
    """Answer a HELLO: the payload of WELCOME. RefusedError for a blocked terminal, a replay or a foreign epoch.

    `keys` are the server's own: with them it knows its approval of an epoch again.
    """
    name = message.device.device
    head = devices.head(connection, name)
    sessions.must_be_heard(head)
    epochs.must_be_signed(connection, message, head)
    current = None if head.nonce is None else bytes(head.nonce)
    sessions.begin(connection, name, message.nonce, current, now)
    if message.trouble:
        return _help(connection, message, head, now)
    if message.epoch != (head.epoch or 1):
        head = epochs.begin(connection, message, head, keys, now)
    repeated = message.nonce == current  # the same one once more has been compared
    behind = 0
    if message.head_seq < head.seq:
        behind = head.behind + (not repeated)
    said = {
        "epoch": message.epoch,
        "nonce": message.nonce,
        "doubtful_seq": restore.heard(connection, head, message.head_seq, now),
        "last_contact": now,
        "claimed_seq": message.head_seq,
        "behind": behind,
        "firmware": message.firmware,
        "health": json.dumps(message.health, sort_keys=True),
        "sets": json.dumps(message.sets, sort_keys=True),
    }
    connection.execute(_HEARD, {"b_device": name, **said})
    if not repeated:
        _compare_heads(connection, message, head, behind, now)
    wanted = [[head.seq + 1, message.head_seq]] if message.head_seq > head.seq else []
    if wanted and message.first_retained > head.seq + 1:
        what = f"retains from {message.first_retained}, acknowledged {head.seq}"
        audit.alarm_once(connection, name, "GAP", what, now)
    reply = {
        s.NONCE: message.nonce,
        s.EPOCH: message.epoch,
        s.DEVICE: name,
        s.ACKED_SEQ: head.seq,
        s.ACKED_HASH: bytes(head.hash),
        s.WANTED: wanted,
        s.SERVER_UTC: now,
        s.RETRY_AFTER: 0,
    }
    told = epochs.commands(connection, message.device, head, now)
    if told:
        reply[s.COMMANDS] = told
    new_sets = shelf.newer(message.sets, SETS_ROOM, now)
    if new_sets:
        reply[s.NEW_SETS] = new_sets
    ended = voids.pending(connection, name, message.epoch, now)
    if ended:
        reply[s.VOIDS] = ended
    results.tell(connection, reply, results.Hearer(name, message.epoch, message.form, message.head_seq), now)
    return reply


def _help(connection: Connection, message: Hello, head: Any, now: int) -> dict[int, Any]:
    """WELCOME for a terminal that cannot read its journal: what it says of its head counts for nothing, but for the epoch.

    With the command that begins a new epoch the old one is over, whether the terminal is heard of in the new one at once or not: what is
    still on its way from the old session is not bound to anything any more, and cannot carry the chain on past the approved record.
    """
    name = message.device.device
    head = epochs.trouble(connection, message, head, now)
    reply = {
        s.NONCE: message.nonce, s.EPOCH: message.epoch, s.DEVICE: name, s.ACKED_SEQ: head.seq,
        s.ACKED_HASH: bytes(head.hash), s.SERVER_UTC: now, s.RETRY_AFTER: 0,
    }  # fmt: skip
    told = epochs.commands(connection, message.device, head, now)
    if told:
        reply[s.COMMANDS] = told
        connection.execute(update(t.heads).where(t.heads.c.device == name).values(nonce=None))
    return reply


def _compare_heads(connection: Connection, message: Hello, head: Any, behind: int, now: int) -> None:
    """Alarm if the device's head is behind what it sent before, or is another record than the one on file: once as long as no more is
    acknowledged, whatever heads it names and however often. One HELLO alone may have been on its way for long, and its head the right one then:
    the next one in a row says (`behind` counts them), if its time is not before the last record's by the device's own clock; a third one does,
    whatever the clock.
    """
    name, acked = message.device.device, head.seq
    if behind >= SURELY or behind == SURELY - 1 and message.utc >= head.utc:
        audit.alarm_once(connection, name, codes.ROLLED_BACK, f"a head behind the acknowledged {acked}", now)
    if 0 < message.head_seq <= acked:
        key = {"b_device": name, "b_epoch": message.epoch, "b_seq": message.head_seq}
        known = connection.execute(_HASH, key).scalar()
        if known is not None and bytes(known) != message.head_hash:
            what = f"a head up to the acknowledged {acked} is another record than the one on file"
            audit.alarm_once(connection, name, codes.FORK, what, now, FORKS)
