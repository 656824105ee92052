"""New epochs: how a terminal whose journal is lost or cannot be trusted goes on counting, under four eyes (design §4).

    a terminal in trouble says so in HELLO (`protocol.sync.TROUBLE`)     alarm, nothing else
    one officer of the back office proposes, another approves            both signed, both in the audit log
    WELCOME carries the command until the terminal's first HELLO of the new epoch: then it is never sent again

The new epoch begins at the last record that the server holds, and has a number that neither the server nor the terminal has had: the
terminal says in HELLO of which it knows (`trouble`), since the database may be older than its present epoch. An approval whose chain went
on meanwhile is withdrawn. A terminal that was told of it may have begun it by then, and shows it: what was told cannot be taken back. So a
number that was approved once is never proposed again, withdrawn or not: it would have two beginnings, and the records after the one would be
taken for records after the other. A number that was only proposed is free again.
Once a terminal in trouble was told, its old session is over (`server.ingest.hello`): no straggler carries the chain on past the approval.
A new epoch may bring a new key, of a terminal whose secure element was exchanged: both officers sign it. From the approval on that key may say
HELLO, in trouble or in the new epoch; with its first HELLO there it is the key in force, and the one before signs nothing any more (`former_keys`).
Only that key is told of it: the secure element of before could begin such an epoch, and never be heard in it. Once a terminal has had another
key every later approval names the one in force as well, since a terminal keeps the last approval only, and a backup may be older than the key.
After a restore of the database the terminal shows its approval: it is signed by the role key "epoch", so what was
approved stands; records between the database's head and the approved one are lost (`server.ingest.lost.gaps`).
"""

import hashlib
import re
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Row, bindparam, func, insert, select, update

from protocol import cbor
from protocol import sync as s
from protocol.errors import FormatError, ParameterError
from server import codes
from server.acquirer import word
from server.ingest import sessions
from server.ingest.lost import gaps, untaken
from server.keys import Keys
from server.office import proposals
from server.office.signing import VALID_S, Office, other, reason_of
from server.store import audit, devices, restore
from server.store import tables as t
from server.wire import envelope
from server.wire.messages import Hello

PROPOSAL, APPROVAL = "tsd/office/epoch-proposal", "tsd/office/epoch-approval"
AHEAD = 16  # epochs by which a terminal may be ahead of the chain on file: of no backup's age so many are begun
_ASKS = "the terminal asks for a new epoch"
_REMEMBERED = 200  # such alarms that are looked through for the same one
_NAMES = ("device", "epoch", "seq", "hash", "cum_count", "cum_total", "cases", "number", "expires", "reason")
NEW_KEY = 11
"""Of what officers sign, only where the epoch brings a new key: its 65 bytes."""
_KEY = 8
"""Of what the server approves: the key that the epoch brings, or the one in force, unless that is the terminal's first."""


@dataclass(frozen=True)
class Beginning:
    """Where a new epoch begins."""

    epoch: int
    seq: int
    hash: bytes
    cum_count: int
    cum_total: int
    public_key: bytes = b""


def digest(key: bytes) -> str:
    """What officers compare of a public key: the first 16 hexadecimal digits of its SHA-256."""
    return hashlib.sha256(key).hexdigest()[:16]


def _brings(key: bytes | None) -> str:
    return f" with a new key (SHA-256 {digest(key)})" if key else ""


def draft(connection: Connection, device: str, reason: str, now: int, new_key: bytes | None = None) -> dict[int, Any]:
    """What an officer signs to propose a new epoch for `device`, and another to approve it: keys 1… in the order of
    `_NAMES`, and NEW_KEY. ParameterError PRM-031 for an unknown device, PRM-040 for such a reason, PRM-043 for a key that is none, or not new.
    """
    must_be_known(connection, device)
    head = devices.head(connection, device)
    c = t.epochs.c
    number = connection.execute(select(func.max(c.number)).where(c.device == device)).scalar() or 0
    cases = connection.execute(select(func.max(t.cases.c.case_no)).where(t.cases.c.device == device)).scalar() or 0
    last = (head.seq, bytes(head.hash), head.cum_count, head.cum_total)
    values = (device, _next(connection, head), *last, cases, number + 1)
    said: dict[int, Any] = dict(enumerate((*values, now + VALID_S, reason_of(reason)), 1))
    if new_key is not None:
        _must_be_new(connection, device, new_key)
        said[NEW_KEY] = new_key
    return said


def _must_be_new(connection: Connection, device: str, key: bytes) -> None:
    """PRM-043 unless it is a point of P-256 that never was this device's key."""
    known, c = devices.find(connection, device), t.former_keys.c
    before = select(c.epoch).where(c.device == device, c.public_key == key)
    if not devices.is_point(key):
        raise ParameterError("that is no public key", "PRM-043", "a point of P-256, 65 bytes", len(key))
    if known is None or known.public_key == key or connection.execute(before).first() is not None:
        raise ParameterError("that key is no new one", "PRM-043", "enter the new one in the list of devices", device)


def propose(connection: Connection, office: Office, proposal: bytes, now: int) -> int:
    """Enter a signed proposal; its number. Earlier ones that are still open are withdrawn. ParameterError PRM-030 … 032, PRM-040."""
    officer, payload = office.verify(proposal, PROPOSAL)
    device, expires, reason, new_key = (payload.get(key) for key in (1, 9, 10, NEW_KEY))
    if (
        not isinstance(device, str)
        or not isinstance(expires, int)
        or not isinstance(reason, str)
        or not isinstance(new_key, bytes | None)
    ):
        raise ParameterError("not an officer's decision", "PRM-030")
    if not now < expires <= now + VALID_S or payload != draft(connection, device, reason, expires - VALID_S, new_key):
        raise ParameterError("the proposal is not about the chain as it stands", "PRM-032", "propose again")
    _withdraw(connection, device, "overtaken by a later proposal", now)
    row = {name: payload[key] for key, name in enumerate(_NAMES, 1)}
    connection.execute(
        insert(t.epochs).values(
            **row, public_key=new_key, proposed_by=officer, proposal=proposal, proposed_at=now, state=t.EPOCH_PROPOSED
        )
    )
    what = f"epoch {row['epoch']}{_brings(new_key)} after record {row['seq']} proposed by officer {officer}: {row['reason']}"
    audit.write(connection, device, t.LEVEL_WARNING, "EPOCH", what, now)
    return row["number"]


def must_be_known(connection: Connection, device: str) -> None:
    """PRM-031 unless it is a registered device; what is no text at all is in no database."""
    if not device.isprintable() or devices.find(connection, device) is None:
        hint = "the ledger page has their names: TSD-000001"
        raise ParameterError("device is not registered", "PRM-031", hint, ascii(device))


def proposed(connection: Connection, device: str, number: int) -> dict[int, Any]:
    """What proposal `number` for a device says: what another officer signs to approve it. ParameterError PRM-031 for an unknown device, PRM-032 if
    it is not open.
    """
    must_be_known(connection, device)
    c = t.epochs.c
    where = (c.device == device, c.number == number, c.state == t.EPOCH_PROPOSED)
    found = connection.execute(select(c.proposal).where(*where)).scalar()
    if found is None:
        raise ParameterError("no such proposal is open", "PRM-032", "see the list: another may be open", number)
    return cbor.decode(envelope.parse(bytes(found)).payload)


def approve(connection: Connection, office: Office, approval: bytes, now: int) -> None:
    """Take the second officer's signature. ParameterError: PRM-030 signature, PRM-032 no such proposal, or the chain went
    on, or it has expired; PRM-033 the same officer.
    """
    officer, payload = office.verify(approval, APPROVAL)
    device, number = payload.get(1), payload.get(8)
    if not isinstance(device, str) or not isinstance(number, int):
        raise ParameterError("not an officer's decision", "PRM-030")
    devices.heads(connection, [device])  # before anything is read: another officer may decide just now
    c = t.epochs.c
    where = (c.device == device, c.number == number, c.state == t.EPOCH_PROPOSED)
    row = connection.execute(select(t.epochs).where(*where)).first()
    if row is None or row.expires < now:
        raise ParameterError("no such proposal is open", "PRM-032", "propose again")
    other(officer, payload, bytes(row.proposal), row.proposed_by)
    if not _stands(connection, devices.head(connection, row.device), row):
        raise ParameterError("the chain went on since the proposal", "PRM-032", "propose again")
    values = {"approved_by": officer, "approval": approval, "approved_at": now, "state": t.EPOCH_APPROVED}
    connection.execute(update(t.epochs).where(*where).values(values))
    what = f"epoch {row.epoch}{_brings(row.public_key)} after record {row.seq} approved by officer {officer}, proposed by {row.proposed_by}"
    audit.write(connection, row.device, t.LEVEL_WARNING, "EPOCH", what, now)


def withdraw(connection: Connection, device: str, officer: int, now: int) -> None:
    """Withdraw what is open for a device."""
    devices.heads(connection, [device])
    _withdraw(connection, device, f"withdrawn by officer {officer}", now)


def _withdraw(connection: Connection, device: str, why: str, now: int) -> None:
    c = t.epochs.c
    where = (c.device == device, c.state.in_((t.EPOCH_PROPOSED, t.EPOCH_APPROVED)))
    if connection.execute(update(t.epochs).where(*where).values(state=t.EPOCH_WITHDRAWN)).rowcount:
        audit.write(connection, device, t.LEVEL_WARNING, "EPOCH", "new epoch " + why, now)


def _stands(connection: Connection, head: Row[Any], row: Row[Any]) -> bool:
    """Whether the chain is still where a proposal says, approved or not, and its number is nobody else's."""
    place = (head.seq, bytes(head.hash)) == (row.seq, bytes(row.hash))
    return place and _next(connection, head, row.number) == row.epoch


_TAKEN = select(func.max(t.epochs.c.epoch)).where(
    t.epochs.c.device == bindparam("b_device"),
    t.epochs.c.approved_at.is_not(None),
    t.epochs.c.number != bindparam("b_number"),
)


def _next(connection: Connection, head: Row[Any], number: int = 0) -> int:
    """The number of the next epoch: later than any that this database or the terminal knows of, and than any that was ever approved, since
    its terminal may have begun it unheard. Proposal `number` itself takes none.
    """
    taken = connection.execute(_TAKEN, {"b_device": head.device, "b_number": number}).scalar() or 0
    return max(head.epoch or 1, head.told_epoch, taken) + 1


def trouble(connection: Connection, message: Hello, head: Row[Any], now: int) -> Row[Any]:
    """A terminal says that it cannot go on: an alarm, once until something is decided. Which epoch it knows of is remembered; one
    further ahead than `AHEAD` is not. The head as it stands then.
    """
    name, known = message.device.device, head.epoch or 1
    code = message.trouble if re.fullmatch(r"[A-Z]{3}-\d{3}", message.trouble or "") else "?"
    what = f"{_ASKS}: {code}"
    if message.epoch > known + AHEAD:
        what += f"; it claims to know of one more than {AHEAD} after epoch {known}, which is on file"
    elif message.epoch > known:
        what += f"; it knows of epoch {message.epoch}, epoch {known} is on file"
    if not _said(connection, name, what):
        audit.alarm(connection, name, "EPOCH", what, now)
    if not max(known, head.told_epoch) < message.epoch <= known + AHEAD:
        return head
    connection.execute(update(t.heads).where(t.heads.c.device == name).values(told_epoch=message.epoch))
    return devices.head(connection, name)


def _said(connection: Connection, device: str, what: str) -> bool:
    """Whether an alarm has said this since anything was decided."""
    c = t.audit.c
    last = select(c.what).where(c.device == device, c.code == "EPOCH").order_by(c.number.desc()).limit(_REMEMBERED)
    for line in connection.execute(last).scalars():
        if line == what[:200] or not line.startswith(_ASKS):
            return line == what[:200]
    return False


_APPROVED = select(t.epochs).where(t.epochs.c.device == bindparam("b_device"), t.epochs.c.state == t.EPOCH_APPROVED)


def commands(connection: Connection, speaker: devices.Device, head: Row[Any], now: int) -> list[dict[int, Any]]:
    """The command that WELCOME carries: {1: device, 2: id, 3: expires, 4: "epoch", 5: {what the approval signs}}. `speaker`: with the key that
    has signed the HELLO. None for the key in force if the epoch brings another one.
    """
    device = speaker.device
    row = connection.execute(_APPROVED, {"b_device": device}).first()
    if row is None:
        return []
    if row.expires < now or not _stands(connection, head, row):
        _withdraw(connection, device, "withdrawn: expired, or the chain went on", now)
        return []
    if row.public_key is not None and bytes(row.public_key) != speaker.public_key:
        return []
    approved: dict[int, Any] = dict(
        enumerate((device, row.epoch, row.seq, bytes(row.hash), row.cum_count, row.cum_total, row.cases), 1)
    )
    if row.public_key is not None or head.key_epoch:
        approved[_KEY] = speaker.public_key
    return [{1: device, 2: row.number, 3: row.expires, 4: s.COMMAND_EPOCH, 5: approved}]


def seal(keys: Keys, command: dict[int, Any]) -> bytes:
    """The signed command; what it approves is signed by the role key "epoch" inside."""
    approval = envelope.seal(keys.private("epoch"), s.TYPE_EPOCH, "epoch", command[5])
    return envelope.seal(keys.private("cmd"), s.TYPE_COMMAND, "cmd", {**command, 5: approval})


def must_be_signed(connection: Connection, message: Hello, head: Row[Any]) -> None:
    """RefusedError BAD_SIGNATURE unless a HELLO was signed by the key in force; one in trouble may be by that of an approved epoch. Of one that
    begins an epoch `begin` says.
    """
    if message.trouble and message.device.key_epoch != head.key_epoch:
        row = connection.execute(_APPROVED, {"b_device": head.device}).first()
        if row is not None and row.public_key is not None and bytes(row.public_key) == message.device.public_key:
            return
    if message.trouble or message.epoch == (head.epoch or 1):
        sessions.must_be_signed(message, head)


def _must_be_its_key(message: Hello, head: Row[Any], key: bytes | None) -> None:
    """RefusedError BAD_SIGNATURE unless a HELLO was signed by `key`, which the approval of its epoch names, or, if that names none, by the one in
    force.
    """
    if not key:
        sessions.must_be_signed(message, head)
    elif bytes(key) != message.device.public_key:
        raise codes.RefusedError(codes.BAD_SIGNATURE, "not signed by the key that the approval names")


def begin(connection: Connection, message: Hello, head: Row[Any], keys: Keys | None, now: int) -> Row[Any]:
    """The device says HELLO in another epoch: the head of the new one, if it was approved. RefusedError WRONG_EPOCH,
    EPOCH_STALE, BAD_SIGNATURE.
    """
    name, c = message.device.device, t.epochs.c
    where = (c.device == name, c.epoch == message.epoch, c.state == t.EPOCH_APPROVED)
    row = connection.execute(select(t.epochs).where(*where)).first()
    if row is not None and not _stands(connection, head, row):
        row = None  # the chain has overtaken it; in a restored database nobody has been told yet that it is withdrawn
    approved = row if row is not None else _shown_by(message, keys)
    if approved is None or message.epoch <= (head.epoch or 1):
        if message.epoch < (head.epoch or 1):
            what = f"a HELLO of epoch {message.epoch}, which is over: late on its way, or of a second terminal of this name"
            audit.alarm_once(connection, name, "EPOCH", f"{what}, whose records are not taken", now, _REMEMBERED)
        raise codes.RefusedError(codes.WRONG_EPOCH, "epoch is not the approved one")
    _must_be_its_key(message, head, approved.public_key)
    if head.seq > approved.seq or (head.seq == approved.seq and bytes(head.hash) != bytes(approved.hash)):
        what = f"a terminal that began epoch {message.epoch} after record {approved.seq} is not heard, since another one of this name has gone on in"
        audit.alarm_once(connection, name, "EPOCH", f"{what} epoch {head.epoch or 1}", now, _REMEMBERED)
        raise codes.RefusedError(codes.EPOCH_STALE, "the chain went on after the new epoch was approved")
    if head.seq < approved.seq:
        span, missing = (head.seq + 1, approved.seq), approved.cum_count - head.cum_count
        amount = approved.cum_total - head.cum_total
        gaps.enter(connection, message.device, head.epoch or 1, span, bytes(approved.hash), missing, amount, now)
    word.lost(connection, name, head.epoch or 1, now)
    untaken.forsake(connection, name, head.epoch or 1, message.epoch, now)
    connection.execute(
        update(t.heads)
        .where(t.heads.c.device == name)
        .values(
            epoch=message.epoch, seq=approved.seq, hash=bytes(approved.hash), cum_count=approved.cum_count,
            cum_total=approved.cum_total, opened=0, closed=approved.seq, doubtful_seq=restore.cut(head.doubtful_seq, approved.seq),
        )
    )  # fmt: skip
    new_key = _exchange(connection, head, message) if approved.public_key else b""
    if row is None:
        _withdraw(connection, name, f"withdrawn: epoch {message.epoch} had begun", now)
    _note_begun(connection, message, row, approved, new_key, now)
    return devices.head(connection, name)


def _exchange(connection: Connection, head: Row[Any], message: Hello) -> bytes:
    """The key that an approval names, and has signed, is in force, and the counter of its secure element counts anew: that key. Nothing changes if it
    is the one in force already.
    """
    name, key = message.device.device, message.device.public_key
    mine = t.devices.c.device == name
    former = connection.execute(select(t.devices.c.public_key).where(mine)).scalar_one()
    if bytes(former) == key:
        return b""
    connection.execute(insert(t.former_keys).values(device=name, epoch=head.key_epoch, public_key=former))
    connection.execute(update(t.devices).where(mine).values(public_key=key))
    anew = update(t.heads).where(t.heads.c.device == name).values(key_epoch=message.epoch, counter=0)
    connection.execute(anew)
    return key


def _note_begun(connection: Connection, message: Hello, row: Any, approved: Any, new_key: bytes, now: int) -> None:
    name, c = message.device.device, t.epochs.c
    done = {"state": t.EPOCH_BEGUN, "begun_at": now}
    if row is not None:
        connection.execute(update(t.epochs).where(c.device == name, c.number == row.number).values(done))
    else:
        number = connection.execute(select(func.max(c.number)).where(c.device == name)).scalar() or 0
        connection.execute(
            insert(t.epochs).values(
                device=name, epoch=approved.epoch, number=number + 1, seq=approved.seq, hash=approved.hash,
                cum_count=approved.cum_count, cum_total=approved.cum_total, cases=0, reason="shown by the terminal",
                public_key=new_key or None,
                expires=now, proposed_by=0, proposal=message.approval, proposed_at=now, **done,
            )
        )  # fmt: skip
    what = f"epoch {approved.epoch} has begun after record {approved.seq}{_brings(new_key)}"
    audit.alarm(connection, name, "EPOCH", what, now)


def _shown_by(message: Hello, keys: Keys | None) -> Beginning | None:
    """The approval that the terminal shows, if it is one of ours for this device and epoch."""
    if not message.approval or keys is None:
        return None
    return shown(message.approval, message.device.device, message.epoch, keys)


def shown(approval: bytes, device: str, epoch: int, keys: Keys) -> Beginning | None:
    """What an approval says, if it is one of ours for this device and epoch. Whoever shows it may be a stranger: nothing is read before it holds."""
    try:
        opened = envelope.parse(approval)
        right = (opened.content_type, opened.key_id) == (s.TYPE_EPOCH, b"epoch")
        if not right or not envelope.holds(keys.public("epoch"), opened.protected, opened.payload, opened.signature):
            return None
        body = cbor.decode(opened.payload)
        found = Beginning(*[body[key] for key in (2, 3, 4, 5, 6)], public_key=body.get(_KEY, b""))
        named = body[1]
    except (FormatError, codes.RefusedError, KeyError, TypeError):
        return None
    return found if (named, found.epoch) == (device, epoch) else None


def listed(connection: Connection) -> list[dict[str, Any]]:
    """Proposals, newest first, for a person."""
    rows = proposals.newest(connection, t.epochs, t.epochs.c.device, t.epochs.c.number.desc())
    names = (
        "device",
        "number",
        "epoch",
        "seq",
        "cum_count",
        "cum_total",
        "reason",
        "expires",
        "proposed_by",
        "approved_by",
    )
    states = {0: "proposed", 1: "approved", 2: "begun", 3: "withdrawn"}
    return [
        {
            **{name: row[name] for name in names},
            "new_key": row["public_key"] is not None,
            "new_key_digest": None if row["public_key"] is None else digest(bytes(row["public_key"])),
            "state": states[row["state"]],
        }
        for row in rows
    ]
