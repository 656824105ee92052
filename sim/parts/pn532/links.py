"""Lines to the chip: a pty (pyserial, MicroPython's Unix build or libnfc opens its slave end) and a TCP port.

A pty carries no speed, but its terminal settings say which one the host has set: with `strict_speed` bytes at another than the chip's are
lost, as on a real line.
"""

import asyncio
import contextlib
import os
import pty
import termios
import tty

from sim.parts.pn532.chip import Pn532

_CHUNK = 4096
_SPEEDS = {getattr(termios, f"B{rate}"): rate for rate in (9600, 19200, 38400, 57600, 115200, 230400, 460800, 921600)}
_OUTPUT_SPEED = 5  # in what tcgetattr gives


class PtyLink:
    """The chip on a pty: `path` is the slave's name, valid after `start`."""

    def __init__(self, chip: Pn532, strict_speed: bool = False) -> None:
        self.chip = chip
        self.strict_speed = strict_speed
        self.path = ""
        self._master = self._slave = -1

    async def start(self) -> str:
        """Open the pty and serve it; returns the slave's path. The slave end is kept open here too, against EIO."""
        self._master, self._slave = pty.openpty()
        tty.setraw(self._master)
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self.chip.send = self._send
        asyncio.get_running_loop().add_reader(self._master, self._readable)
        return self.path

    @property
    def speed(self) -> "int | None":
        """What the host has set; None for a speed that no PN532 has."""
        return _SPEEDS.get(termios.tcgetattr(self._slave)[_OUTPUT_SPEED])

    def _readable(self) -> None:
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._master, _CHUNK)
            if not self.strict_speed or self.speed == self.chip.baudrate:
                self.chip.receive(data)

    def _send(self, data: bytes) -> None:
        if self.strict_speed and self.speed != self.chip.baudrate:
            return
        with contextlib.suppress(BlockingIOError):  # nobody reads: a real line loses the bytes too
            os.write(self._master, data)

    async def close(self) -> None:
        """Stop serving; whoever holds the slave then sees the line go."""
        self.chip.send = None
        await self.chip.close()
        if self._master >= 0:
            asyncio.get_running_loop().remove_reader(self._master)
        for descriptor in (self._master, self._slave):
            if descriptor >= 0:
                os.close(descriptor)
        self._master = self._slave = -1


class TcpLink:
    """The chip on a TCP port of this machine: `port` is valid after `start`. The newest connection is the line."""

    def __init__(self, chip: Pn532, host: str = "127.0.0.1", port: int = 0) -> None:
        self.chip = chip
        self.host = host
        self.port = port
        self._server: "asyncio.Server | None" = None
        self._writer: "asyncio.StreamWriter | None" = None

    async def start(self) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self.chip.send = self._send
        return self.port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = writer
        try:
            while data := await reader.read(_CHUNK):
                self.chip.receive(data)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the terminal went away, or the link closes
        finally:
            writer.close()
            if self._writer is writer:
                self._writer = None

    def _send(self, data: bytes) -> None:
        if self._writer is not None:
            self._writer.write(data)

    async def close(self) -> None:
        """Stop listening and drop the connection."""
        self.chip.send = None
        await self.chip.close()
        if self._writer is not None:
            self._writer.close()
        if self._server is not None:
            self._server.close()
