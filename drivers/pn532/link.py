"""Commands to a PN532 over its high speed UART: wake-up, acknowledgement, answer, time-outs, recovery (UM0701-02, 6.2.2, 7.2.11).

A damaged answer is asked for again with NACK, which the chip serves from its memory: nothing is executed twice. A command of which
nothing was heard is repeated only if it may be (`repeat`); the exchange of an APDU may not, since the acknowledgement may be what was
lost. A command that takes too long is ended by an ACK from the host.

Every command is timed: from before its first byte went to the line until the first byte of its answer came, without the time that the line
needs for the command's frame and for that byte. The ACK's six bytes, the chip's own work and the host's delay in reading are in it.
"""

import asyncio
from typing import TYPE_CHECKING

from drivers.clock_system import SystemClock
from drivers.pn532 import frames
from protocol.errors import CardError, CardSilentError

if TYPE_CHECKING:
    from drivers.contracts.small import Clock

SLOW, FAST = 115200, 921600
_BITS = 10  # on the line for a byte: start, eight, stop
_CODES = {115200: 4, 230400: 5, 460800: 6, 921600: 7}  # SetSerialBaudRate, 7.2.11
_WAKE = b"\x55\x55" + bytes(
    14
)  # the chip's clock needs 2 ms: 16 bytes at 115,200 Bd are 1.4 ms, the frame's own preamble the rest
_SAM_CONFIGURATION = b"\x14\x01\x00"  # normal mode, SAM unused: also leaves the low-battery mode of power-up
_FIRMWARE = b"\x02"
_IC = 0x32
_SETTINGS = (
    b"\x12\x14",  # SetParameters: ATS and ATR_RES are asked for by the chip
    b"\x32\x02\x00\x0b\x0a",  # RFConfiguration: time-outs 102.4 ms for ATR_RES, 51.2 ms for other answers
    b"\x32\x05\xff\x01\x00",  # RFConfiguration: one try to activate a card, then say that there is none
    b"\x32\x01\x00",  # RFConfiguration: field off
)
_ACK_MS = 300  # the data sheet's 15 ms, and what a busy host may add
_GAP_MS = 100  # silence within a frame after which it is taken to be cut
_QUIET_MS = 5
_CHANGE_S = 0.005  # the ACK takes 0.6 ms at the old speed
_ANSWER_MS = 1000
_TRIES = 3
_NOISE = 2048  # bytes without a frame after which nobody is listened to any more
UNREACHABLE = "CRD-010"


class Link:
    """One chip on `uart`. `lock` is held by who uses the chip, `owner` is whose session is on; both are the readers' business."""

    def __init__(self, uart, baudrate: int = FAST, clock: "Clock | None" = None) -> None:  # noqa: ANN001 - contract Uart
        self.took_us = 0
        """How long the last command took, as the module has it; 0 for what was quicker than its line."""
        self._clock = clock or SystemClock()
        self._began = 0  # when the frame that is being read began to arrive
        self.lock = asyncio.Lock()
        self.owner: object = None
        self.parser = frames.Parser()
        self.restarts = 0
        self._uart = uart
        self._wanted = baudrate
        self._speed = SLOW
        self._awake = False
        self._dirty = False
        self._out = bytearray(frames.LONGEST + frames.OVERHEAD)
        self._in = bytearray(64)
        self._held = 0
        self._used = 0
        self._silent = True

    async def start(self) -> None:
        """Wake and set up the chip unless that is done. Raises CardError CRD-010."""
        if not self._awake:
            try:
                await self._begin()
            except OSError:
                raise _broken() from None

    async def _begin(self) -> None:
        self.owner = None
        for speed in (self._speed, SLOW, self._wanted):
            self._set_speed(speed)
            if await self._wakes():
                break
        else:
            raise _unreachable()
        await self._run(_FIRMWARE, b"", _ANSWER_MS, True)
        if self.parser.length < 6 or self.parser.body[2] != _IC:
            raise CardError(
                "another part answers on the reader's line", UNREACHABLE, "check how the reader is connected"
            )
        for setting in _SETTINGS:
            await self._run(setting, b"", _ANSWER_MS, True)
        if self._speed != self._wanted:
            await self._run(bytes((0x10, _CODES[self._wanted])), b"", _ANSWER_MS, True)
            await self._send(frames.ACK)  # on which the chip changes its speed
            await asyncio.sleep(_CHANGE_S)
            self._set_speed(self._wanted)
        self._awake = True
        self.restarts += 1

    async def command(self, head: bytes, data: object = b"", timeout_ms: int = _ANSWER_MS, repeat: bool = True) -> int:
        """One command, `head` its code and parameters, answered within `timeout_ms`; the answer is `parser.body[2:count]`, count is returned.

        Raises CardError CRD-010 (the chip does not answer; it is set up anew at the next use), CRD-014 (it does not take the command),
        CardSilentError (it was at work for too long, and was stopped).
        """
        await self.start()
        try:
            return await self._run(head, data, timeout_ms, repeat)
        except CardError as error:
            if error.code == UNREACHABLE:
                self._awake = False
            raise

    def close(self) -> None:
        """Give the line back, where it can be."""
        self._awake = False
        self.owner = None
        close = getattr(self._uart, "close", None)
        if close is not None:
            close()

    def forget(self) -> None:
        """Overwrite what the card said, and was told."""
        for buffer in (self._out, self._in, self.parser.body):
            buffer[:] = bytes(len(buffer))

    async def _wakes(self) -> bool:
        """Wake-up and SAMConfiguration at the present speed; False if nobody answers."""
        self._dirty = True
        for _ in range(2):
            await self._send(_WAKE)
            try:
                await self._run(_SAM_CONFIGURATION, b"", _ANSWER_MS, False)
            except CardError:
                continue
            return True
        return False

    async def _run(self, head: bytes, data: object, timeout_ms: int, repeat: bool) -> int:
        try:
            for attempt in range(_TRIES if repeat else 1):
                if self._dirty:
                    await self._settle(attempt > 0)
                self._dirty = True  # until the answer is here: whoever comes after a cancelled command has to tidy up
                count = frames.write(self._out, head, data)
                sent = self._clock.ticks_us()
                await self._send(memoryview(self._out)[:count])
                if await self._answered(head[0], timeout_ms):
                    self._dirty = False
                    line_us = (count + 1) * _BITS * 1000000 // self._speed
                    self.took_us = max(0, self._clock.ticks_diff(self._began, sent) - line_us)
                    return self.parser.length
        except OSError:
            raise _broken() from None
        raise _unreachable()

    async def _answered(self, code: int, timeout_ms: int) -> bool:
        """True when the answer to `code` is in the parser, False if nothing was heard of the command."""
        heard = False
        asked_again = 0
        noise = 0
        while noise < _NOISE:
            found = await self._next(timeout_ms if heard else _ACK_MS)
            noise += self._used
            if found == frames.GOT_DATA:
                if self.parser.body[1] == code + 1:
                    return True
                continue  # a late answer to something else
            if found == frames.GOT_ERROR:
                self._dirty = False
                raise CardError(
                    "the card reader does not take the command", "CRD-014", "present the card again", detail=code
                )
            if found == frames.NOTHING and self._silent:
                if not heard:
                    return False
                await self._send(frames.ACK)  # stops the command
                raise CardSilentError("the card does not answer in time")
            if found in (frames.DAMAGED, frames.NOTHING) and heard:
                asked_again += 1
                if asked_again > _TRIES:
                    return False
                await self._send(frames.NACK)
            heard = True
        return False

    async def _next(self, timeout_ms: int) -> int:
        """What the next frame is; NOTHING after `timeout_ms` of silence, or when a frame breaks off."""
        self._silent = True
        while True:
            if self._used == self._held:
                self._used = 0
                within = self.parser.within
                self._held = await self._uart.read_into(self._in, _GAP_MS if within else timeout_ms)
                if not within:
                    self._began = self._clock.ticks_us()
                if not self._held:
                    self._silent = not self.parser.within
                    self.parser.reset()
                    return frames.NOTHING
            found = self.parser.feed(self._in, self._used, self._held)
            self._used = self.parser.at
            if found != frames.NOTHING:
                return found

    async def _settle(self, hard: bool) -> None:
        """Stop what the chip is doing and drop what it said. `hard`: complete a frame of which it may still wait for bytes."""
        if hard:
            await self._send(bytes(len(self._out)))
        await self._send(frames.ACK)
        dropped = 0
        while dropped < _NOISE:
            got = await self._uart.read_into(self._in, _QUIET_MS)
            if not got:
                break
            dropped += got
        self._held = self._used = 0
        self.parser.reset()

    async def _send(self, data: object) -> None:
        await self._uart.write(data)

    def _set_speed(self, speed: int) -> None:
        self._speed = speed
        self._uart.set_baudrate(speed)


def _broken() -> CardError:
    return CardError("the contactless reader's line broke", UNREACHABLE, "check that the reader is connected")


def _unreachable() -> CardError:
    return CardError("the contactless reader does not answer", UNREACHABLE, "check that the reader is connected")
