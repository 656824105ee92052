"""A chip without a line: content of a command in, content of the answer out. Not a test file itself."""

import asyncio

from sim.parts.pn532 import Pn532
from sim.parts.pn532.frames import ACK, NACK

FIELD_OFF, LIST_A, LIST_B = b"\x32\x01\x00", b"\x4a\x02\x00", b"\x4a\x01\x03\x00"


def frame(content: bytes) -> bytes:
    """A frame to the chip, by the arithmetic of UM0701-02, 6.2.1."""
    body = b"\xd4" + content
    if len(body) < 256:
        head = bytes([len(body), -len(body) & 0xFF])
    else:
        head = b"\xff\xff" + len(body).to_bytes(2, "big")
        head += bytes([-sum(head[2:]) & 0xFF])
    return b"\x00\x00\xff" + head + body + bytes([-sum(body) & 0xFF, 0])


class Host:
    """The other end of a chip's line."""

    def __init__(self, chip: Pn532) -> None:
        self.chip = chip
        self.heard = b""
        chip.send = self._hear

    def _hear(self, data: bytes) -> None:
        self.heard += data

    async def start(self) -> None:
        """Wake-up, SAMConfiguration, one try to find a card."""
        self.chip.receive(b"\x55\x55" + bytes(14))
        assert await self.ask(b"\x14\x01\x00") == b"\x15"
        assert await self.ask(b"\x32\x05\xff\x01\x00") == b"\x33"

    async def ask(self, content: bytes, seconds: float = 5.0) -> bytes:
        """Send a command, take its acknowledgement and its answer."""
        self.heard = b""
        self.chip.receive(frame(content))
        assert self.heard[:6] == ACK, self.heard.hex()
        return await self.answer(6, seconds)

    async def answer(self, at: int = 0, seconds: float = 5.0) -> bytes:
        """The answer's content that begins at `at` of what is heard; ends a test that never gets one."""
        async with asyncio.timeout(seconds):
            while len(self.heard) <= at:
                await asyncio.sleep(0.001)
        data = self.heard[at:]
        start = 8 if data[3:5] == b"\xff\xff" else 5
        assert sum(data[start:-1]) & 0xFF == 0
        if data[start : start + 1] == b"\x7f":
            return b"\x7f"
        assert data[start] == 0xD5
        return data[start + 1 : -2]


__all__ = ["ACK", "FIELD_OFF", "LIST_A", "LIST_B", "NACK", "Host", "frame"]
