"""What the issuer answered, out of a bare exchange: whoever recorded card commands only has it in those that brought the answer to the card.

After the ARQC: EXTERNAL AUTHENTICATE has the issuer authentication data (91), the second GENERATE AC the response code (8A) and often 91, in
the places that CDOL2 gives them; what else was sent was an issuer's script, before that command (71) or after it (72).
An authorisation that was sent and never answered is not told from one that could not be sent.
"""

from typing import Any

from protocol import tlv
from protocol.emv import tags
from protocol.errors import EmvError, FormatError
from tools.emv import record

_GENERATE, _EXTERNAL, _RESPONSE = 0xAE, 0x82, 0xC0
_OFFLINE = ("Y1", "Y3", "Z1", "Z3")  # the terminal's own codes: nobody answered


def answer(steps: list[tuple[bytes, bytes]], at: int) -> dict[str, Any] | None:
    """The reply that the steps from `at` on were made with; None if nobody answered, or nothing of it is there to be seen."""
    following = [(command[1], *record.parsed(command)) for command, _ in steps[at:] if len(command) > 1]
    second = next((i for i, step in enumerate(following) if step[0] == _GENERATE), None)
    if second is None:
        return None
    given = fields(object_in(steps[:at], tags.CDOL2), following[second][2])
    approved = following[second][1][2] & 0xC0 == 0x40
    code = given.get(tags.ARC, b"00" if approved else b"Z3").decode("ascii", "replace")
    if code in _OFFLINE or not (code.isascii() and code.isalnum()):
        return None
    external = next((data for ins, _, data in following[:second] if ins == _EXTERNAL), b"")
    proof = external or given.get(tags.ISSUER_AUTHENTICATION, b"")
    data = tlv.encode(tags.ISSUER_AUTHENTICATION, proof) if any(proof) else b""
    commands = [command for command, _ in steps[at:] if len(command) > 1]
    for template, part in ((0x71, commands[:second]), (0x72, commands[second + 1 :])):
        script = b"".join(tlv.encode(0x86, c) for c in part if c[1] not in (_EXTERNAL, _RESPONSE, _GENERATE))
        data += tlv.encode(template, script) if script else b""
    return {"arc": code, "data": data.hex()}


def object_in(steps: list[tuple[bytes, bytes]], tag: int) -> bytes:
    """A data object out of the records that were read, b"" if there is none."""
    for _, response in steps:
        try:
            found = next((bytes(value) for _, name, value in tlv.walk(response[:-2]) if name == tag), b"")
        except FormatError:
            continue
        if found:
            return found
    return b""


def fields(dol: bytes, data: bytes) -> dict[int, bytes]:
    """The data of a command by the list that it was made from; empty if they do not fit each other."""
    try:
        wanted = tags.parse_dol(dol)
    except (EmvError, FormatError):
        return {}
    if sum(size for _, size in wanted) != len(data):
        return {}
    found, at = {}, 0
    for tag, size in wanted:
        found[tag] = data[at : at + size]
        at += size
    return found
