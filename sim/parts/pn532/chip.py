"""The PN532 itself: power-up state, frames in and out, one command at a time, faults of the host link.

After power-up the chip sleeps in its low-battery mode: it needs the wake-up bytes, and answers nothing before SAMConfiguration (AN10609, C106
appendix). A command is acknowledged, then carried out; a new command or an ACK from the host stops the one that runs; a NACK has the last
answer sent again.
"""

import asyncio
from collections.abc import Callable

from sim.parts.pn532 import frames
from sim.parts.pn532.air import Spent
from sim.parts.pn532.commands import Commands
from sim.parts.pn532.field import Field

RATES = {4: 115200, 5: 230400, 6: 460800, 7: 921600}
_SAM_CONFIGURATION, _SET_RATE, _POWER_DOWN = 0x14, 0x10, 0x16
_WAKE = 0x55
Fault = Callable[[int, int], bytes]
"""(number of the byte since power-up, byte) → what arrives: nothing, another byte, several."""


class Pn532:
    """One chip with its antenna's `field`. `send` is where its bytes go; `pace` makes it take the time that it states.

    Faults: `to_chip` and `to_host` lose or change bytes, `deaf` has it hear nothing, `reset()` is a brown-out.
    """

    def __init__(self, field: "Field | None" = None, pace: bool = False) -> None:
        self.field = field if field is not None else Field()
        self.pace = pace
        self.spent = Spent()
        self.baudrate = 115200
        self.send: "Callable[[bytes], None] | None" = None
        self.to_chip: "Fault | None" = None
        self.to_host: "Fault | None" = None
        self.deaf = False
        self.commands_seen: list[int] = []
        self._inbox = frames.Inbox()
        self._commands = Commands(self.field, self.spent)
        self._awake = self._normal = False
        self._last = b""
        self._next_rate = 0
        self._task: "asyncio.Task[None] | None" = None
        self._heard = self._said = 0

    def reset(self) -> None:
        """Power off and on: field off, asleep, 115,200 Bd, nothing remembered."""
        self._stop()
        self._commands.reset()
        self._inbox.clear()
        self._awake = self._normal = False
        self._last, self._next_rate, self.baudrate = b"", 0, 115200
        self._heard = self._said = 0

    def receive(self, data: bytes) -> None:
        """Bytes from the host."""
        self.spent.host_in += len(data)
        self.spent.host_s += 10 * len(data) / self.baudrate
        if self.deaf:
            return
        if self.to_chip is not None:
            data = self._through(self.to_chip, data, self._heard)
        self._heard += len(data)
        if not self._awake:
            at = data.find(_WAKE)
            if at < 0:
                return
            self._awake = True
            data = data[at:]
        for found in self._inbox.take(data):
            if isinstance(found, str):
                self._control(found)
            else:
                self._command(found)

    async def close(self) -> None:
        """Stop what runs."""
        self._stop()
        self.field.switch(False)

    def _control(self, word: str) -> None:
        if word == "nack":
            if self._last and self._task is None:
                self._say(self._last)
            return
        self._stop()
        if self._next_rate:
            self.baudrate, self._next_rate = self._next_rate, 0

    def _command(self, content: bytes) -> None:
        self._stop()
        if not content or (not self._normal and content[0] != _SAM_CONFIGURATION):
            return
        self._normal = True
        self._last = b""
        self.commands_seen.append(content[0])
        self._say(frames.ACK)
        self._task = asyncio.ensure_future(self._carry_out(content))

    async def _carry_out(self, content: bytes) -> None:
        before = self.spent.total_s
        answer = await self._commands.run(content)
        if answer is None:
            self._last = frames.ERROR
        else:
            self._last = frames.frame(bytes([content[0] + 1]) + answer)
            if content[0] == _SET_RATE:
                self._next_rate = RATES.get(content[1], 0) if len(content) > 1 else 0
        if self.pace:
            host_s = 10 * (len(content) + len(self._last) + 15) / self.baudrate
            await asyncio.sleep(self.spent.total_s - before + host_s)
        self._task = None
        self._say(self._last)
        if content[0] == _POWER_DOWN and answer is not None:
            self._awake = False

    def _say(self, data: bytes) -> None:
        self.spent.host_out += len(data)
        self.spent.host_s += 10 * len(data) / self.baudrate
        if self.to_host is not None:
            data = self._through(self.to_host, data, self._said)
        self._said += len(data)
        if self.send is not None and data:
            self.send(data)

    @staticmethod
    def _through(fault: Fault, data: bytes, before: int) -> bytes:
        return b"".join(fault(before + index, byte) for index, byte in enumerate(data))

    def _stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            self._task = None
