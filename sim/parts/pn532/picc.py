"""A card's side of the block protocol (ISO/IEC 14443-4, 7.5): chaining both ways, repeated blocks, waiting time extension, deselect."""

import asyncio

from sim.cards.base import Card
from sim.parts.pn532.field import Field

I_BLOCK, R_BLOCK = 0x02, 0xA2
CHAINED, NAK = 0x10, 0x10
DESELECT, WTX = 0xC2, 0xF2
SLICE_S = 0.02
"""How long of real time the reader is left waiting before the card asks for more, when its answer is not there."""


class Picc:
    """One activated card. `answer(block)` gives its next block without CRC, None if it does not answer; `worked_s` is what it computed."""

    def __init__(self, field: Field, card: Card, frame_size: int) -> None:
        self.field = field
        self.card = card
        self.inf = frame_size - 3  # PCB and CRC
        self.worked_s = 0.0
        self._number = 1
        self._command = b""
        self._pieces: list[bytes] = []
        self._last = b""
        self._current = b""
        self._work: "asyncio.Task[bytes] | None" = None
        self._ahead_s = 0.0

    async def answer(self, block: bytes) -> "bytes | None":
        """Rules 9 to 13 and B to E of 7.5.4."""
        if self.card not in self.field.cards or not self.card.powered:
            return None
        code, number = block[0], block[0] & 1
        if code & 0xE2 == I_BLOCK:
            self._number ^= 1
            self._command += block[1:]
            if code & CHAINED:
                return self._say(bytes([R_BLOCK | self._number]))
            self._current, self._command = self._command, b""
            self._work = asyncio.ensure_future(self.field.apdu(self._current))
            return await self._progress(True)
        if code & 0xE6 == R_BLOCK:
            if number == self._number:
                return self._last or None
            if code & NAK:
                return bytes([R_BLOCK | self._number])  # "I am here"
            if not self._pieces:
                return None
            self._number ^= 1
            return self._next()
        if code == WTX and self._work is not None:
            return await self._progress(False)
        if code == DESELECT:
            self.field.power(False)
            return bytes([DESELECT])
        return None

    def drop(self) -> None:
        """The field went: the card's work ends where it is."""
        if self._work is not None:
            self._work.cancel()
            self._work = None

    async def _progress(self, fresh: bool) -> "bytes | None":
        """The first block of the answer, or a request for more time; None if the card says nothing."""
        work = self._work
        assert work is not None
        running = not work.done()
        if running:
            await asyncio.wait({work}, timeout=SLICE_S)
            if not work.done():
                return self._say(bytes([WTX, 1]))
        response = work.result()
        if fresh or running:
            self._ahead_s = self.field.stated(self._current, response)
        waiting = self.field.activation(self.card).waiting_s
        spent = min(self._ahead_s, waiting)
        self.worked_s += spent
        self._ahead_s -= spent
        if self._ahead_s > 0:
            return self._say(bytes([WTX, 1]))
        self._work = None
        if not response:
            self._last = b""
            return None
        self._pieces = [response[at : at + self.inf] for at in range(0, len(response), self.inf)]
        return self._next()

    def _next(self) -> bytes:
        piece = self._pieces.pop(0)
        return self._say(bytes([I_BLOCK | (CHAINED if self._pieces else 0) | self._number]) + piece)

    def _say(self, block: bytes) -> bytes:
        self._last = block
        return block
