"""Key matrix behind a small scanning controller on a serial line (9600 Bd, 8N1): one byte per event.

    bits 0-6  key: 30-39 the digits, 0D ok, 1B cancel, 08 clear, 11 up, 12 down, 13 menu, 14 lang (hexadecimal)
    bit 7     0 pressed, 1 released

The controller debounces and does not repeat. Releases and unknown codes are passed over. This is no PIN entry device in the
sense of PCI PTS: a certified product replaces it, behind the same contract.
"""

from typing import TYPE_CHECKING

from drivers.contracts.small import Keypad

if TYPE_CHECKING:
    from drivers.contracts.small import Clock, Uart

KEPT = 8
_PAUSE_MS = 500  # between looks at a line that is gone
_MOST = 32  # buffers of a line that are dropped at once
_CODES = b"0123456789\r\x1b\x08\x11\x12\x13\x14"
_NAMES = ("0", "1", "2", "3", "4", "5", "6", "7", "8", "9", "ok", "cancel", "clear", "up", "down", "menu", "lang")


class SerialKeypad(Keypad):
    """Keys from `uart` (contract `Uart`); `clock` (contract `Clock`) measures time-outs. `unknown` counts bytes that are no key, `lost` how
    often the line was gone."""

    def __init__(self, uart: "Uart", clock: "Clock") -> None:
        self._uart = uart
        self._clock = clock
        self._buffer = bytearray(16)
        self._waiting = bytearray(KEPT)
        self._count = 0
        self.unknown = 0
        self.lost = 0

    async def read_key(self, timeout_ms: int) -> "str | None":
        """Next key by name, None after `timeout_ms`. Keys pressed meanwhile are kept, at most 8, the latest dropped."""
        began = self._clock.ticks_ms()
        left = timeout_ms
        while not self._count:
            try:
                got = await self._uart.read_into(self._buffer, max(0, left))
            except OSError:  # nobody presses anything on a line that is gone; it may come back
                self.lost += 1
                await self._clock.sleep_ms(max(0, min(left, _PAUSE_MS)))
                got = 0
                left = timeout_ms - self._clock.ticks_diff(self._clock.ticks_ms(), began)
                if left > 0:
                    continue
            self._take(got)
            left = timeout_ms - self._clock.ticks_diff(self._clock.ticks_ms(), began)
            if not self._count and (left <= 0 or not got):
                return None
        name = _NAMES[self._waiting[0]]
        self._count -= 1
        for at in range(self._count):
            self._waiting[at] = self._waiting[at + 1]
        self._waiting[self._count] = 0
        return name

    def _take(self, got: int) -> None:
        """Keep the keys among the bytes just read, and wipe those bytes (they may be digits of a PIN)."""
        for at in range(got):
            code = self._buffer[at]
            self._buffer[at] = 0
            if code & 0x80:
                continue
            place = _CODES.find(bytes((code,)))
            if place < 0:
                self.unknown += 1
            elif self._count < KEPT:
                self._waiting[self._count] = place
                self._count += 1

    async def forget(self) -> None:
        """Drop keys that were pressed but not read yet; of a line that never rests no more than half a kilobyte."""
        try:
            for _ in range(_MOST):
                if not await self._uart.read_into(self._buffer, 1):
                    break
        except OSError:
            self.lost += 1
        for buffer in (self._buffer, self._waiting):
            for at in range(len(buffer)):
                buffer[at] = 0
        self._count = 0
