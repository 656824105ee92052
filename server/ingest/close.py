"""CLOSE → RECON: the server adds a shift up from its raw records and says whether the terminal's totals agree.

If they do not, it names sequences: those of the shift that it does not have, and the payments of each total that
differs.
"""

from typing import Any

from sqlalchemy import Connection, select

from protocol import cbor
from protocol import records as r
from protocol import sync as s
from server.ingest import sessions
from server.messages import Close
from server.store import audit
from server.store import tables as t

MAX_NAMED = 64


def close(connection: Connection, message: Close, now: int) -> dict[int, Any]:
    """Reconcile one shift: the payload of RECON."""
    sessions.bound_head(connection, message)
    name, first, last = message.device.device, message.first_seq, message.last_seq
    c = t.raw.c
    in_shift = (c.device == name, c.epoch == message.epoch, c.seq.between(first, last))
    present = {row.seq for row in connection.execute(select(c.seq).where(*in_shift))}
    counted = connection.execute(
        select(c.seq, c.record, c.rejected)
        .where(*in_shift, c.kind.in_((r.PAYMENT_OUTCOME, r.AUTHORISATION_RESULT, r.VOID)))
        .order_by(c.seq)
    )
    totals: dict[int, list[int]] = {}
    members: dict[int, list[int]] = {}
    set_aside = []
    for row in counted:
        if row.rejected is not None:
            set_aside.append(row.seq)
            continue
        step: dict[int, list[int]] = {}
        r.totals_step(step, cbor.decode(bytes(row.record)))
        for key, (count, amount) in step.items():
            entry = totals.setdefault(key, [0, 0])
            entry[0], entry[1] = entry[0] + count, entry[1] + amount
            members.setdefault(key, []).append(row.seq)
    differing = _missing(present, first, last) + set_aside
    for key in sorted(set(totals) | set(message.totals)):
        if totals.get(key, [0, 0]) != list(message.totals.get(key, [0, 0])):
            differing += members.get(key, [])
    balanced = not differing and _same(totals, message.totals)
    if not balanced:
        audit.alarm(connection, name, "RECON", f"shift {first} to {last} does not balance", now)
    return {
        s.NONCE: message.nonce,
        s.EPOCH: message.epoch,
        s.DEVICE: name,
        s.LAST_SEQ: last,
        s.TOTALS: totals,
        s.BALANCED: balanced,
        s.DIFFERING: sorted(set(differing))[:MAX_NAMED],
        s.SERVER_UTC: now,
    }


def _missing(present: set[int], first: int, last: int) -> list[int]:
    """Up to MAX_NAMED sequences of the range that are not there; a range far too long is not walked through."""
    found: list[int] = []
    for seq in range(first, last + 1):
        if seq not in present:
            found.append(seq)
            if len(found) == MAX_NAMED:
                break
    return found


def _same(a: dict[int, list[int]], b: dict[int, list[int]]) -> bool:
    """Equality of totals, an absent entry being [0, 0]."""
    return all(a.get(key, [0, 0]) == list(b.get(key, [0, 0])) for key in set(a) | set(b))
