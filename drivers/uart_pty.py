"""A pty or serial device on MicroPython's Unix port: contract `Uart`.

The descriptor is made non-blocking with fcntl(F_SETFL, O_RDWR | O_NONBLOCK) through ffi: asyncio's stream would hang in its read
otherwise. Runs on the Unix build only (`ffi`, `termios`); a microcontroller has `machine.UART`, CPython has `uart_serial`.
"""

import asyncio
from typing import TYPE_CHECKING

import ffi  # pyright: ignore[reportMissingImports]

from drivers.contracts.small import Uart

if TYPE_CHECKING:
    from typing import Any

_F_SETFL = 4
_O_RDWR_NONBLOCK = 0o4002


class PtyUart(Uart):
    """One device file, opened at once; OSError if that fails."""

    def __init__(self, path: str) -> None:
        import termios

        self._file = open(path, "r+b")  # noqa: SIM115 - kept until close()
        termios.setraw(self._file.fileno())  # pyright: ignore[reportAttributeAccessIssue]
        fcntl = ffi.open(None).func("i", "fcntl", "iii")
        if fcntl(self._file.fileno(), _F_SETFL, _O_RDWR_NONBLOCK) < 0:
            raise OSError("fcntl failed")
        self._stream: "Any" = asyncio.StreamReader(self._file)  # pyright: ignore[reportArgumentType]

    async def write(self, data: "Any") -> None:
        """Send all. Raises OSError when the line is gone."""
        self._stream.write(data)
        await self._stream.drain()

    async def read_into(self, buffer: "Any", timeout_ms: int) -> int:
        """Read 1..len(buffer) bytes; 0 after `timeout_ms`. Raises OSError when the line is gone."""
        try:
            count = await asyncio.wait_for_ms(self._stream.readinto(buffer), timeout_ms)  # pyright: ignore
        except asyncio.TimeoutError:  # noqa: UP041 - MicroPython has no TimeoutError
            return 0
        if count == 0:
            raise OSError("the line is closed")
        return count or 0

    def close(self) -> None:
        """Give the device back."""
        self._file.close()
