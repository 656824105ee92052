"""Blocked terminals: nothing is taken from one that was stolen or lost, nor told to it, under four eyes.

    one officer of the back office proposes, another approves      both signed, both in the audit log
    blocked       every message is answered by a refusal (SRV-067): no card is put to its issuer, no command, result or set goes there
    unblocked     proposed and approved likewise; the terminal's next HELLO is heard, and its records come as ever

What a blocked terminal has on record at the centre goes on: what was paid before is authorised, cleared and settled, once. What it still has
itself it keeps, since nothing of it is acknowledged: backlog of honest days is not told from what a thief may write, and no card is charged for
either without a person. A question that was put to an issuer before the block is answered. What the terminal does offline no server can forbid.
"""

from typing import Any

from sqlalchemy import Connection, func, insert, select, update

from protocol import cbor
from protocol.errors import ParameterError
from server.office import proposals
from server.office.epochs import must_be_known
from server.office.signing import VALID_S, Office, other, reason_of
from server.store import audit, devices
from server.store import tables as t
from server.wire import envelope

PROPOSAL, APPROVAL = "tsd/office/block-proposal", "tsd/office/block-approval"
_NAMES = ("device", "number", "blocked", "expires", "reason")
_STATES = {t.DECISION_PROPOSED: "proposed", t.DECISION_APPROVED: "approved", t.DECISION_WITHDRAWN: "withdrawn"}
_WORDS = {1: "blocked", 0: "unblocked"}


def draft(connection: Connection, device: str, blocked: bool, reason: str, now: int) -> dict[int, Any]:
    """What an officer signs to propose that a terminal is blocked, or is not any more, and another to approve it: keys 1… in the order of `_NAMES`.

    ParameterError PRM-031 for an unknown device, PRM-042 if it stands so already, PRM-040 for such a reason.
    """
    must_be_known(connection, device)
    _must_change(connection, device, int(blocked))
    number = connection.execute(select(func.max(t.blocks.c.number)).where(t.blocks.c.device == device)).scalar() or 0
    return dict(enumerate((device, number + 1, int(blocked), now + VALID_S, reason_of(reason)), 1))


def _must_change(connection: Connection, device: str, blocked: int) -> None:
    if bool(devices.head(connection, device).blocked) == bool(blocked):
        raise ParameterError(
            f"the terminal is {_WORDS[blocked]} already", "PRM-042", "see: tasdid server device list", device
        )


def propose(connection: Connection, office: Office, proposal: bytes, now: int) -> int:
    """Enter a signed proposal; its number. An earlier one about the terminal that is still open is withdrawn.

    ParameterError: PRM-030 signature, PRM-031, PRM-032 it does not fit the terminal as it stands, PRM-042.
    """
    officer, payload = office.verify(proposal, PROPOSAL)
    said = _named(payload)
    must_be_known(connection, said["device"])
    devices.heads(connection, [said["device"]])
    drawn = draft(connection, said["device"], said["blocked"] == 1, said["reason"], said["expires"] - VALID_S)
    if not now < said["expires"] <= now + VALID_S or payload != drawn:
        raise ParameterError("the proposal is not about the terminal as it stands", "PRM-032", "propose again")
    c = t.blocks.c
    still = (c.device == said["device"], c.state == t.DECISION_PROPOSED)
    if connection.execute(update(t.blocks).where(*still).values(state=t.DECISION_WITHDRAWN)).rowcount:
        _note(connection, said, "an earlier proposal is overtaken by a later one", now)
    connection.execute(
        insert(t.blocks).values(
            **said, proposed_by=officer, proposal=proposal, proposed_at=now, state=t.DECISION_PROPOSED
        )
    )
    _note(connection, said, f"to be {_WORDS[said['blocked']]}, proposed by officer {officer}: {said['reason']}", now)
    return said["number"]


def proposed(connection: Connection, device: str, number: int) -> dict[int, Any]:
    """What proposal `number` about a terminal says: what another officer signs to approve it. ParameterError PRM-031, PRM-032 if it is not open."""
    must_be_known(connection, device)
    c = t.blocks.c
    where = (c.device == device, c.number == number, c.state == t.DECISION_PROPOSED)
    found = connection.execute(select(c.proposal).where(*where)).scalar()
    if found is None:
        raise ParameterError("no such proposal is open", "PRM-032", "see the list: another may be open", number)
    return cbor.decode(envelope.parse(bytes(found)).payload)


def approve(connection: Connection, office: Office, approval: bytes, now: int) -> None:
    """Take the second officer's signature; the block is there, or gone, with the commit.

    ParameterError: PRM-030 signature, PRM-032 no such proposal is open or it has expired, PRM-033 the same officer, PRM-042.
    """
    officer, payload = office.verify(approval, APPROVAL)
    said = _named(payload)
    devices.heads(connection, [said["device"]])
    c = t.blocks.c
    where = (c.device == said["device"], c.number == said["number"], c.state == t.DECISION_PROPOSED)
    row = connection.execute(select(t.blocks).where(*where)).first()
    if row is None or row.expires < now:
        raise ParameterError("no such proposal is open", "PRM-032", "propose again")
    other(officer, payload, bytes(row.proposal), row.proposed_by)
    _must_change(connection, row.device, row.blocked)
    values = {"approved_by": officer, "approval": approval, "approved_at": now, "state": t.DECISION_APPROVED}
    connection.execute(update(t.blocks).where(*where).values(values))
    since = now if row.blocked else 0
    connection.execute(update(t.heads).where(t.heads.c.device == row.device).values(blocked=since))
    _note(connection, said, f"{_WORDS[row.blocked]} by officer {officer}, proposed by {row.proposed_by}", now)


def _named(payload: dict[int, Any]) -> dict[str, Any]:
    """A proposal by names. ParameterError PRM-030 if it is none."""
    said = {name: payload.get(key) for key, name in enumerate(_NAMES, 1)}
    right = all(type(value) is (str if name in ("device", "reason") else int) for name, value in said.items())
    if not right or len(payload) != len(_NAMES) or said["blocked"] not in _WORDS:
        raise ParameterError("not an officer's decision", "PRM-030")
    return said


def _note(connection: Connection, said: dict[str, Any], what: str, now: int) -> None:
    audit.write(connection, said["device"], t.LEVEL_WARNING, "BLOCK", f"terminal {what}", now)


def terminals(connection: Connection) -> list[dict[str, Any]]:
    """All terminals by name, for a person: unit, when one was heard last (None: never), since when it is blocked (0: it is not)."""
    d, h = t.devices.c, t.heads.c
    columns = (d.device, d.unit, h.epoch, h.seq, h.last_contact, h.blocked)
    rows = connection.execute(select(*columns).join(t.heads, d.device == h.device).order_by(d.device))
    return [dict(row) for row in rows.mappings()]


def listed(connection: Connection) -> list[dict[str, Any]]:
    """Proposals, newest first, for a person."""
    rows = proposals.newest(connection, t.blocks, t.blocks.c.device, t.blocks.c.number.desc())
    names = (*_NAMES, "proposed_by", "approved_by")
    return [
        {**{name: row[name] for name in names}, "blocked": row["blocked"] == 1, "state": _STATES[row["state"]]}
        for row in rows
    ]
