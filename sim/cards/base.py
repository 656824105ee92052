"""The base of every simulated card: power, command APDU parsing (ISO/IEC 7816-4, short and extended), status words.

A card is a plain object: `respond(command)` gives the response at once (handy for tests that step a machine by hand),
`transmit` is the same for links. No T=0/T=1 framing here; a card with `t0 = True` answers 61xx/6Cxx as a T=0 card
does at the APDU level.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sim.cards.contactless import Activation

OK = 0x9000
WRONG_LENGTH = 0x6700
NO_CHAINING = 0x6884
SECURITY = 0x6982
BLOCKED = 0x6983
CONDITIONS = 0x6985
NO_EF = 0x6986
WRONG_DATA = 0x6A80
NOT_SUPPORTED = 0x6A81
NOT_FOUND = 0x6A82
NO_RECORD = 0x6A83
WRONG_P1P2 = 0x6A86
NO_DATA = 0x6A88
OUTSIDE_EF = 0x6B00
BAD_INS = 0x6D00
BAD_CLA = 0x6E00


@dataclass(frozen=True)
class Apdu:
    """One command. `le` is the expected length (256 for Le=00, 65 536 for extended 0000), None if absent."""

    cla: int
    ins: int
    p1: int
    p2: int
    data: bytes
    le: int | None
    extended: bool

    @property
    def header(self) -> bytes:
        """CLA INS P1 P2."""
        return bytes([self.cla, self.ins, self.p1, self.p2])


def parse(command: bytes) -> Apdu | None:
    """Cases 1 to 4, short and extended; None if the lengths do not fit."""
    if len(command) < 4:
        return None
    cla, ins, p1, p2 = command[:4]
    body = command[4:]
    if not body:
        return Apdu(cla, ins, p1, p2, b"", None, False)
    if len(body) == 1:
        return Apdu(cla, ins, p1, p2, b"", body[0] or 256, False)
    if body[0] or len(body) < 3:
        count, rest = body[0], body[1 + body[0] :]
        if not count or len(body) < 1 + count or len(rest) > 1:
            return None
        return Apdu(cla, ins, p1, p2, body[1 : 1 + count], (rest[0] or 256) if rest else None, False)
    if len(body) == 3:
        return Apdu(cla, ins, p1, p2, b"", int.from_bytes(body[1:], "big") or 65536, True)
    count = int.from_bytes(body[1:3], "big")
    rest = body[3 + count :]
    if not count or len(body) < 3 + count or len(rest) not in (0, 2):
        return None
    return Apdu(cla, ins, p1, p2, body[3 : 3 + count], (int.from_bytes(rest, "big") or 65536) if rest else None, True)


def sw(status: int) -> bytes:
    """Two bytes of status word."""
    return status.to_bytes(2, "big")


class Card:
    """A card without content: answers 6D00 to everything. Sub-classes override `process` and `power_on`."""

    name = "card"
    atr = bytes.fromhex("3B80800101")
    t0 = False
    extended_length = False
    activation: "Activation | None" = None
    """How the card introduces itself on air; None: made up from its ATR."""

    def __init__(self) -> None:
        self.powered = False
        self._waiting = b""
        self._last: Apdu | None = None

    def power_on(self) -> None:
        """Cold or warm reset: volatile state is lost."""
        self.powered = True
        self._waiting = b""
        self._last = None

    def power_off(self) -> None:
        """Power is gone: volatile state is lost."""
        self.powered = False

    async def transmit(self, capdu: bytes) -> bytes:
        """The response to one command, for a link."""
        return self.respond(capdu)

    def respond(self, capdu: bytes) -> bytes:
        """The response to one command (data + SW). A card that nobody powered is powered first."""
        if not self.powered:
            self.power_on()
        apdu = parse(capdu)
        if apdu is None or (apdu.extended and not self.extended_length):
            return sw(WRONG_LENGTH)
        return self._as_t0(apdu) if self.t0 else self.process(apdu)

    def process(self, apdu: Apdu) -> bytes:
        """Answer a well-formed command; to be overridden."""
        return sw(BAD_INS)

    def _as_t0(self, apdu: Apdu) -> bytes:
        """What a T=0 card does: data after a command with data waits for GET RESPONSE (61xx); a wrong Le gives 6Cxx."""
        if apdu.ins == 0xC0 and apdu.cla & 0xFC == 0:
            full = self._waiting
            if not full:
                return sw(CONDITIONS)
        elif self._last is not None and apdu.header == self._last.header and not apdu.data and self._waiting:
            full = self._waiting
        else:
            full = self.process(apdu)
        self._waiting, self._last = b"", None
        data, status = full[:-2], full[-2:]
        if not data or len(data) > 256:
            return full
        if apdu.data:
            self._waiting = full
            return bytes([0x61, len(data) & 0xFF])
        if apdu.le != len(data):
            self._waiting, self._last = full, apdu
            return bytes([0x6C, len(data) & 0xFF])
        return data + status
