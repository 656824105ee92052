"""Lines to the printer: a pty (pyserial, a 32-bit MicroPython or a stranger opens its slave end) and a TCP port.

`rate` paces the mechanism in rows per second (44 mm/s = 352; None: at once) and `baud` the line in bits per second, 10 bits a
byte; a pty itself paces nothing. No more than the receive buffer's room is taken from the line, which is what hardware flow control
does.
"""

import asyncio
import contextlib
import os
import pty
import tty

from sim.parts.escpos.engine import EscPosPrinter

ROWS_PER_SECOND = 352  # 44 mm/s
TICK = 0.01
CHUNK = 1024


class _Mechanism:
    """Feeds the printer from a line and lets it print, at its pace."""

    def __init__(self, printer: EscPosPrinter, rate: "int | None", baud: "int | None") -> None:
        self.printer = printer
        self.rate = rate
        self.baud = baud
        self._wake = asyncio.Event()

    def room(self) -> int:
        """How many bytes the line may hand over now; a silent printer swallows everything."""
        return CHUNK if self.printer.silent else min(CHUNK, self.printer.room)

    async def take(self, data: bytes) -> None:
        """Take bytes off the line at the line's speed."""
        self.printer.receive(data)
        self._wake.set()
        if self.baud is not None:
            await asyncio.sleep(len(data) * 10 / self.baud)

    async def work(self) -> None:
        """Print for ever. Wakes by itself too, because sensors are plain attributes."""
        while True:
            moved = self.printer.pump(None if self.rate is None else max(1, int(self.rate * TICK)))
            if moved and self.rate is not None:
                await asyncio.sleep(moved / self.rate)
                continue
            self._wake.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._wake.wait(), TICK if self.printer.room < CHUNK or self.rate else 0.05)


class PtyLink:
    """The printer on a pty: `path` is the slave's name, valid after `start`."""

    def __init__(self, printer: EscPosPrinter, rate: "int | None" = None, baud: "int | None" = None) -> None:
        self.printer = printer
        self.path = ""
        self._mechanism = _Mechanism(printer, rate, baud)
        self._tasks: list[asyncio.Task[None]] = []
        self._master = self._slave = -1

    async def start(self) -> str:
        """Open the pty and serve it; returns the slave's path. The slave end is kept open here too, against EIO."""
        self._master, self._slave = pty.openpty()
        tty.setraw(self._master)
        tty.setraw(self._slave)
        os.set_blocking(self._master, False)
        self.path = os.ttyname(self._slave)
        self.printer.on_reply = self._reply
        self._tasks = [asyncio.create_task(self._read()), asyncio.create_task(self._mechanism.work())]
        return self.path

    def _reply(self, data: bytes) -> None:
        with contextlib.suppress(BlockingIOError):  # nobody reads: a real line loses the bytes too
            os.write(self._master, data)

    async def _read(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            room = self._mechanism.room()
            if not room:
                await asyncio.sleep(TICK)
                continue
            try:
                data = os.read(self._master, room)
            except BlockingIOError:
                readable = asyncio.Event()
                loop.add_reader(self._master, readable.set)
                try:
                    await readable.wait()
                finally:
                    loop.remove_reader(self._master)
                continue
            await self._mechanism.take(data)

    async def close(self) -> None:
        """Stop serving; whoever holds the slave then sees the line go."""
        await _stop(self._tasks)
        self.printer.on_reply = None
        for descriptor in (self._master, self._slave):
            if descriptor >= 0:
                os.close(descriptor)
        self._master = self._slave = -1


class TcpLink:
    """The printer on a TCP port of this machine: `port` is valid after `start`. One connection at a time."""

    def __init__(
        self,
        printer: EscPosPrinter,
        host: str = "127.0.0.1",
        port: int = 0,
        rate: "int | None" = None,
        baud: "int | None" = None,
    ) -> None:
        self.printer = printer
        self.host = host
        self.port = port
        self._mechanism = _Mechanism(printer, rate, baud)
        self._tasks: list[asyncio.Task[None]] = []
        self._server: asyncio.Server | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def start(self) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        self._tasks = [asyncio.create_task(self._mechanism.work())]
        return self.port

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._writer is not None:
            self._writer.close()
        self._writer = writer
        self.printer.on_reply = self._reply
        try:
            while True:
                room = self._mechanism.room()
                if not room:
                    await asyncio.sleep(TICK)
                    continue
                data = await reader.read(room)
                if not data:
                    break
                await self._mechanism.take(data)
        except (ConnectionError, asyncio.CancelledError):
            pass  # the terminal went away, or the link closes
        finally:
            writer.close()
            if self._writer is writer:
                self._writer = None
                self.printer.on_reply = None

    def _reply(self, data: bytes) -> None:
        if self._writer is not None:
            self._writer.write(data)

    async def close(self) -> None:
        """Stop listening and drop the connection."""
        await _stop(self._tasks)
        if self._writer is not None:
            self._writer.close()
        if self._server is not None:
            self._server.close()


async def _stop(tasks: "list[asyncio.Task[None]]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    tasks.clear()
