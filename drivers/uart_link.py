"""A serial line carried over TCP: contract `Uart` on both runtimes, for simulated parts and serial servers.

The line is opened on the first use, so that building the ports does no I/O. Nothing is paced here.
"""

import asyncio
from typing import TYPE_CHECKING

from drivers.contracts.small import Uart

if TYPE_CHECKING:
    from typing import Any


class LinkUart(Uart):
    """One TCP connection to `host`:`port`, used as a serial line."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._reader: "Any" = None
        self._writer: "Any" = None

    async def _open(self) -> None:
        if self._writer is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)

    async def write(self, data: "Any") -> None:
        """Send all. Raises OSError when the line is gone."""
        await self._open()
        self._writer.write(bytes(data))  # a copy: CPython's transport may keep it, and callers reuse their buffers
        await self._writer.drain()

    async def read_into(self, buffer: "Any", timeout_ms: int) -> int:
        """Read 1..len(buffer) bytes; 0 after `timeout_ms`. Raises OSError when the line is gone."""
        await self._open()
        try:
            data = await asyncio.wait_for(self._reader.read(len(buffer)), timeout_ms / 1000)
        except asyncio.TimeoutError:  # noqa: UP041 - MicroPython has no TimeoutError
            return 0
        if not data:
            raise OSError("the line is closed")
        buffer[: len(data)] = data
        return len(data)

    async def close(self) -> None:
        """Drop the connection; the next use opens a new one."""
        if self._writer is not None:
            self._writer.close()
            self._reader = self._writer = None
