"""A licence chip as a conversation: select, open, talk secured, rebuild the channel when the chip drops it.

`Chip` wraps what one reading needs. All methods that talk are machines: they yield ("apdu", command) and are sent the answer.
Quirks survived here: the first BAC refused with 6982, 63CF or 6300 (select again, once); 61xx in clear (GET RESPONSE).
"""

from typing import TYPE_CHECKING

from protocol import pack
from protocol.licence import profile
from protocol.licence.access import bac
from protocol.licence.errors import MessagingError, ReadError, WrongMrzError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from protocol.crypto import Crypto
    from protocol.licence.access.messaging import SecureChannel
    from protocol.licence.mrz import Mrz

NOT_FOUND = (0x6A82, 0x6A83, 0x6A88, 0x6A81)
MAX_REBUILDS = 6


def exchange(command: bytes) -> "Generator[tuple, bytes, tuple[bytes, int]]":
    """Send one command as it is; (data, status) of the answer, 61xx followed. ReadError if the answer is no APDU."""
    answer = yield ("apdu", command)
    data = b""
    for _ in range(64):
        if len(answer) < 2:
            raise ReadError("the chip's answer is cut short", detail="length")
        status = pack.rd16(answer, len(answer) - 2)
        data = data + bytes(answer[:-2]) if data else bytes(answer[:-2])
        if status >> 8 != 0x61:
            return data, status
        answer = yield ("apdu", bytes((0, 0xC0, 0, 0, status & 255)))
    raise ReadError("the chip's answer never ends", detail="61xx")


class Chip:
    """One licence chip: `aid` once selected, `channel` once open, `rebuilds` counts how often the channel was lost."""

    def __init__(self, crypto: "Crypto", mrz: "Mrz", rnd: "Callable[[int], bytes]") -> None:
        self.crypto = crypto
        self._mrz = mrz
        self._rnd = rnd
        self.aid = b""
        self.access = ""
        self.channel: "SecureChannel | None" = None
        self.rebuilds = 0

    def close(self) -> None:
        """Forget the session keys."""
        if self.channel is not None:
            self.channel.close()
            self.channel = None

    def random(self, count: int) -> bytes:
        """`count` random bytes from the caller's source."""
        return self._rnd(count)

    def replace(self, channel: "SecureChannel") -> None:
        """Go on under another channel (chip authentication)."""
        self.close()
        self.channel = channel

    def select(self) -> "Generator[tuple, bytes, None]":
        """Select the licence application: ISO's first, then the EU's. ReadError LIC-030 if there is none."""
        status = 0
        for aid in (self.aid,) if self.aid else (profile.ISO_AID, profile.EU_AID):
            _, status = yield from exchange(b"\x00\xa4\x04\x0c" + bytes((len(aid),)) + aid)
            if status == 0x9000:
                self.aid = aid
                return
        raise ReadError("no licence application on this card", "LIC-030", "present a driving licence", status)

    def open(self) -> "Generator[tuple, bytes, None]":
        """Select and get access; a refused first attempt is repeated once after another SELECT."""
        self.close()
        yield from self.select()
        try:
            self.channel = yield from bac.establish(self.crypto, self._mrz.bac_key_input, self._rnd)
        except WrongMrzError as refusal:
            if refusal.detail not in (0x6982, 0x63CF, 0x6300):
                raise
            yield from self.select()
            self.channel = yield from bac.establish(self.crypto, self._mrz.bac_key_input, self._rnd)
        self.access = "BAC"

    def rebuild(self, cause: MessagingError) -> "Generator[tuple, bytes, None]":
        """Open the channel again after `cause`; ReadError LIC-031 when that happened too often."""
        self.rebuilds += 1
        if self.rebuilds > MAX_REBUILDS:
            raise ReadError("the chip drops the secure channel again and again", detail=cause.detail)
        yield from self.open()

    def send(self, command: bytes) -> "Generator[tuple, bytes, tuple[bytes, int]]":
        """Send one plain command through the channel; (data, status). MessagingError if the channel is gone afterwards."""
        channel = self.channel
        if channel is None:
            raise MessagingError("there is no secure channel", detail="closed")
        data, status = yield from exchange(channel.wrap(command))
        return channel.unwrap(data + pack.u16be(status))
