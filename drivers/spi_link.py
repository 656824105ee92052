"""SPI with a data/command pin, carried over a TCP link: what a USB-to-SPI bridge on a bench does, and what the simulator's display speaks.

Frames: type (0 = D/C low, command; 1 = D/C high, data), length (2 bytes, big endian), bytes. Both runtimes. Knows nothing of displays.
"""

import asyncio

from drivers.contracts.small import Spi
from protocol.pack import u16be


class LinkSpi(Spi):
    """An SPI bus at `host:port`; connects on first use and again after a loss."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._writer = None
        self._lock = asyncio.Lock()

    async def command(self, opcode: int, data: bytes = b"") -> None:
        """Send an opcode and its parameters. Raises OSError when the link is gone."""
        frame = b"\x00\x00\x01" + bytes((opcode,))
        if data:
            frame += b"\x01" + u16be(len(data)) + data
        await self._send(frame)

    async def data(self, data: object) -> None:
        """Send more data of the last command. Raises OSError when the link is gone."""
        await self._send(b"\x01" + u16be(len(data)), bytes(data))  # type: ignore[arg-type] - a copy: callers reuse their buffers

    async def _send(self, *pieces: bytes) -> None:
        async with self._lock:
            if self._writer is None:
                _, self._writer = await asyncio.open_connection(self._host, self._port)
            try:
                for piece in pieces:
                    self._writer.write(piece)
                await self._writer.drain()
            except OSError:
                writer, self._writer = self._writer, None  # the next use connects again
                writer.close()
                try:
                    await writer.wait_closed()  # on MicroPython this closes it
                except OSError:
                    pass
                raise
