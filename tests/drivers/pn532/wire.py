"""A line between the PN532 driver and the model within one process: no kernel between them, so that a test is the same every time."""

import asyncio

from sim.parts.pn532 import Pn532


class Wire:
    """Both ends of the line; what is sent at another speed than the chip's is lost."""

    def __init__(self, chip: Pn532) -> None:
        self.chip = chip
        self.waiting = b""
        self.speed = 0
        self.arrived = asyncio.Event()
        chip.send = self._hear

    def _hear(self, data: bytes) -> None:
        if self.speed == self.chip.baudrate:
            self.waiting += data
            self.arrived.set()

    async def write(self, data: bytes) -> None:
        if self.speed == self.chip.baudrate:
            self.chip.receive(bytes(data))

    async def read_into(self, buffer, timeout_ms: int) -> int:
        if not self.waiting:
            self.arrived.clear()
            try:
                await asyncio.wait_for(
                    self.arrived.wait(), min(timeout_ms, 40) / 1000
                )  # nothing here takes longer: silence is silence
            except TimeoutError:
                return 0
        count = min(len(buffer), len(self.waiting))
        buffer[:count], self.waiting = self.waiting[:count], self.waiting[count:]
        return count

    def set_baudrate(self, baudrate: int) -> None:
        self.speed = baudrate
