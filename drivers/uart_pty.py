"""A pty or serial device on MicroPython's Unix port: contract `Uart`.

The descriptor is made non-blocking with fcntl(F_SETFL, O_RDWR | O_NONBLOCK) through ffi: asyncio's stream would hang in its read
otherwise. Runs on the Unix build only (`ffi`, `termios`); a microcontroller has `machine.UART`, CPython has `uart_serial`.
"""

import asyncio

import ffi  # pyright: ignore[reportMissingImports]

from drivers.uart_stream import StreamUart

_F_SETFL = 4
_O_RDWR_NONBLOCK = 0o4002


class PtyUart(StreamUart):
    """One device file, opened at once; OSError if that fails."""

    def __init__(self, path: str) -> None:
        import termios

        super().__init__()
        self._file = open(path, "r+b")  # noqa: SIM115 - kept until close()
        termios.setraw(self._file.fileno())  # pyright: ignore[reportAttributeAccessIssue]
        fcntl = ffi.open(None).func("i", "fcntl", "iii")
        if fcntl(self._file.fileno(), _F_SETFL, _O_RDWR_NONBLOCK) < 0:
            raise OSError("fcntl failed")

    async def _connect(self):  # noqa: ANN202 - (reader, writer): one stream for both
        stream = asyncio.StreamReader(self._file)  # pyright: ignore[reportArgumentType]
        return stream, stream

    def close(self) -> None:
        """Give the device back."""
        super().close()
        self._file.close()
