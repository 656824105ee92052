"""The card of the readers' suite (tests/drivers/card_reader_suite.py): echoes, counts, leaves, falls silent. Steers
its own slot.
"""

import asyncio

from sim.cards.base import BAD_INS, OK, Card, parse, sw
from sim.links.slot import Slot


class EchoCard(Card):
    """CLA 80: 01 echo, 02 P1P2 zero bytes, 03 leave, 04 silent, 05 count since power-on. `away_s`: how long it stays away."""

    atr = bytes.fromhex("3B6500005453444944")
    extended_length = True

    def __init__(self, slot: Slot, away_s: float = 0.3, silent_s: float = 1.0) -> None:
        super().__init__()
        self.slot = slot
        self.away_s = away_s
        self.silent_s = silent_s
        self.count = 0
        self._tasks: set[asyncio.Task[None]] = set()

    def power_on(self) -> None:
        super().power_on()
        self.count = 0

    async def transmit(self, capdu: bytes) -> bytes:
        apdu = parse(capdu)
        assert apdu is not None
        self.count += 1
        if apdu.ins == 0x01:
            return apdu.data + sw(OK)
        if apdu.ins == 0x02:
            return bytes(apdu.p1 << 8 | apdu.p2) + sw(OK)
        if apdu.ins == 0x03:
            await self.slot.remove()
            self._later(self.away_s)
            return b""
        if apdu.ins == 0x04:
            self._later(self.silent_s, leave_first=True)
            await asyncio.Event().wait()
        if apdu.ins == 0x05:
            return bytes([self.count]) + sw(OK)
        return sw(BAD_INS)

    def _later(self, seconds: float, leave_first: bool = False) -> None:
        task = asyncio.ensure_future(self._come_back(seconds, leave_first))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _come_back(self, seconds: float, leave_first: bool) -> None:
        await asyncio.sleep(seconds)
        if leave_first:
            await self.slot.remove()
            await asyncio.sleep(self.away_s)
        await self.slot.insert(self)
