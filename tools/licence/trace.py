"""APDUs as lines for a technician, with everything masked that is personal or leads to it.

Headers, lengths and status words stay in clear under secure messaging (ICAO Doc 9303-11 section 9.8), so they are decoded; data
objects are named with their length. Never shown: enciphered data (who knows the MRZ could open them), challenges and the answers
to them (the MRZ could be found from them by trying), PACE nonces and keys, file contents read in clear.
"""

from collections.abc import Callable

from drivers.contracts.card_reader import CardReader
from protocol.licence.profile import CARD_ACCESS, COM, LAST_GROUP, SOD, name_of

COMMANDS = {
    0xA4: "SELECT", 0xB0: "READ BINARY", 0xB1: "READ BINARY (odd)", 0x84: "GET CHALLENGE", 0x82: "EXTERNAL AUTHENTICATE",
    0x88: "INTERNAL AUTHENTICATE", 0x86: "GENERAL AUTHENTICATE", 0x22: "MSE", 0xC0: "GET RESPONSE",
}  # fmt: skip
OBJECTS = {0x85: "data", 0x87: "data", 0x97: "Le", 0x99: "status", 0x8E: "MAC"}
SHOWN = {0x97: (1, 2), 0x99: (2,)}  # lengths of what may be shown
STATUS = {
    0x9000: "ok", 0x6282: "end of file", 0x6300: "authentication failed", 0x63CF: "authentication failed", 0x6700: "wrong length",
    0x6882: "no secure messaging", 0x6982: "security status", 0x6985: "conditions not met", 0x6986: "no file selected",
    0x6987: "objects missing", 0x6988: "objects wrong", 0x6A82: "not found", 0x6A86: "wrong P1 P2",
    0x6B00: "beyond the end", 0x6D00: "no such command",
}  # fmt: skip


def command(apdu: bytes) -> str:
    """One command, decoded and masked."""
    cla, ins, p1, p2 = apdu[:4]
    text = f"{apdu[:4].hex(' ').upper()}  {COMMANDS.get(ins, 'command')}{_place(ins, p1, p2)}"
    body = apdu[5:] if len(apdu) < 6 or apdu[4] else apdu[7:]
    count = (apdu[4] or int.from_bytes(apdu[5:7], "big")) if len(apdu) > 5 else 0
    if cla & 0x0C == 0x0C:
        return f"{text}  secured {{{_objects(body[:count])}}}"
    if ins == 0xA4 and p1 == 4:
        return f"{text} {apdu[5 : 5 + count].hex().upper()}"
    if count:
        text += f"  ‹{count} bytes›"
    elif len(apdu) == 5:
        text += f"  Le {apdu[4] or 256}"
    return text


def response(apdu: bytes, secured: bool) -> str:
    """One answer, decoded and masked; `secured`: the command was."""
    status = int.from_bytes(apdu[-2:], "big")
    word = STATUS.get(status) or (f"ask for {status & 255} bytes" if status >> 8 == 0x6C else "")
    text = f"{status:04X} {word}".rstrip()
    if len(apdu) > 2:
        text += f"  secured {{{_objects(apdu[:-2])}}}" if secured else f"  ‹{len(apdu) - 2} bytes›"
    return text


def _place(ins: int, p1: int, p2: int) -> str:
    if ins != 0xB0:
        return ""
    if not p1 & 0x80:
        return f" from {p1 << 8 | p2}"
    file = p1 & 0x1F
    known = 1 <= file <= LAST_GROUP or file in (COM, SOD)
    name = "EF.CardAccess" if file == CARD_ACCESS else name_of(file) if known else f"file {file:02X}"
    return f" {name} from {p2}"


def _objects(data: bytes) -> str:
    """Names of the data objects; only Le and status are shown by value, and only as long as those are."""
    parts, at = [], 0
    while at + 2 <= len(data):
        tag, length, start = data[at], data[at + 1], at + 2
        if length in (0x81, 0x82):
            start += length & 3
            length = int.from_bytes(data[at + 2 : start], "big")
        value = data[start : start + length]
        name = OBJECTS.get(tag, f"{tag:02X}")
        parts.append(
            f"{name} {value.hex().upper()}"
            if len(value) == length in SHOWN.get(tag, ())
            else f"{name} ‹{length} bytes›"
        )
        at = start + length
    return ", ".join(parts)


class TracingReader:
    """A card reader that says each APDU to `say` on its way."""

    def __init__(self, reader: CardReader, say: Callable[[str], None]) -> None:
        self._reader = reader
        self._say = say

    async def transceive(self, apdu: bytes) -> bytes:
        """Pass one APDU on."""
        self._say("→ " + command(apdu))
        answer = await self._reader.transceive(apdu)
        self._say("← " + response(answer, apdu[0] & 0x0C == 0x0C))
        return answer
