"""The operating system's clock (both runtimes): UTC from `time.time`, corrected by an offset once the server has told the time.

The offset is kept in memory only: after a reboot the quality falls back to CLOCK_RTC. Monotonic ticks wrap as `time.ticks_ms` does.
"""

import asyncio
import time

from drivers.contracts.small import CLOCK_RTC, Clock


class SystemClock(Clock):
    """UTC seconds with a correction; ticks from the monotonic clock of the runtime."""

    def __init__(self) -> None:
        self._offset = 0
        self._quality = CLOCK_RTC

    def now(self) -> "tuple[int, int]":
        """(UTC seconds, quality)."""
        return int(time.time()) + self._offset, self._quality

    def set_utc(self, seconds: int, quality: int) -> None:
        """Correct the clock from a trusted source."""
        self._offset = seconds - int(time.time())
        self._quality = quality

    def ticks_ms(self) -> int:
        """A count of milliseconds that only goes forward."""
        if hasattr(time, "ticks_ms"):
            return time.ticks_ms()  # type: ignore[attr-defined]
        return int(time.monotonic() * 1000)  # pyright: ignore[reportAttributeAccessIssue] - CPython's  # law: absent-attribute CPython takes this branch

    def ticks_us(self) -> int:
        """A count of microseconds that only goes forward."""
        if hasattr(time, "ticks_us"):
            return time.ticks_us()  # type: ignore[attr-defined]
        return time.perf_counter_ns() // 1000  # pyright: ignore[reportAttributeAccessIssue] - CPython's  # law: absent-attribute CPython takes this branch

    def ticks_diff(self, later: int, earlier: int) -> int:
        """later - earlier, both of the same count."""
        if hasattr(time, "ticks_diff"):
            return time.ticks_diff(later, earlier)  # type: ignore[attr-defined]
        return later - earlier

    async def sleep_ms(self, duration: int) -> None:
        """Let other tasks run for `duration` ms."""
        await asyncio.sleep(duration / 1000)
