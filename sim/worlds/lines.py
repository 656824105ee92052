"""The world's ends of the terminal's lines: keypad, scanner, technician's port, and the radio gateway with its switch.

Each listens on a free loopback port; a terminal that reboots connects anew. They carry bytes and decide nothing.
"""

import asyncio
import json
from collections.abc import Callable
from typing import Any


class Line:
    """A TCP listener to which the terminal connects; the newest connection counts."""

    def __init__(self) -> None:
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._connected = asyncio.Event()
        self.port = 0

    async def start(self) -> None:
        """Listen on a free loopback port."""
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=1 << 20)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening and drop connections."""
        if self._server is not None:
            self._server.close()
        for writer in list(self._writers):
            writer.close()

    @property
    def wiring(self) -> str:
        """How the terminal's wiring names this line."""
        return f"tcp:127.0.0.1:{self.port}"

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        self._connected.set()
        try:
            await self.serve(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the terminal lost power: the next boot connects anew
        finally:
            self._writers.discard(writer)
            if not self._writers:
                self._connected.clear()
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection to its end."""
        await reader.read()

    async def connected(self, timeout: float = 10.0) -> None:
        """Return once the terminal listens on this line. TimeoutError."""
        await asyncio.wait_for(self._connected.wait(), timeout)

    def send(self, data: bytes) -> bool:
        """Send to every connected terminal; False if there is none."""
        for writer in self._writers:
            writer.write(data)
        return bool(self._writers)


class ByteSink(Line):
    """A line whose bytes feed a model, e.g. the display's SPI stream; `feed(bytes)` per connection chunk."""

    def __init__(self, feed: Callable[[bytes], None]) -> None:
        super().__init__()
        self._feed = feed

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Feed whole link frames to the model: type, length (2 bytes), bytes."""
        while True:
            head = await reader.readexactly(3)
            self._feed(head + await reader.readexactly(int.from_bytes(head[1:], "big")))


class ByteStream(Line):
    """A line whose bytes feed a model as they come: `feed(bytes)`."""

    def __init__(self, feed: Callable[[bytes], None]) -> None:
        super().__init__()
        self._feed = feed

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Feed the model until the connection ends."""
        while data := await reader.read(4096):
            self._feed(data)


class DiagnosticLine(Line):
    """The technician's port: keeps events, and lets a script wait for one."""

    def __init__(self) -> None:
        super().__init__()
        self.events: list[dict[str, Any]] = []
        self._changed = asyncio.Event()
        self.listeners: list[Callable[[dict[str, Any]], None]] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take one line of JSON per event."""
        while line := await reader.readline():
            event = json.loads(line)
            self.events.append(event)
            for listener in self.listeners:
                listener(event)
            self._changed.set()

    async def wait(
        self, wanted: Callable[[dict[str, Any]], bool], start: int, timeout: float
    ) -> tuple[int, dict[str, Any]]:
        """The first event from index `start` on that is wanted: (index after it, event). TimeoutError after `timeout` seconds."""
        async with asyncio.timeout(timeout):
            while True:
                for index in range(start, len(self.events)):
                    if wanted(self.events[index]):
                        return index + 1, self.events[index]
                start = max(start, len(self.events))
                self._changed.clear()
                await self._changed.wait()


class Gateway(Line):
    """The radio network between terminal and server: forwards bytes while `up`, refuses and cuts while down."""

    def __init__(self, server_port: int) -> None:
        super().__init__()
        self.server_port = server_port
        self.up = True
        self.bytes_up = 0
        self.bytes_down = 0

    def switch(self, up: bool) -> None:
        """Turn the network on or off; off cuts what is open."""
        self.up = up
        if not up:
            for writer in list(self._writers):
                writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Forward one connection both ways."""
        if not self.up:
            writer.transport.abort()
            return
        server_reader, server_writer = await asyncio.open_connection("127.0.0.1", self.server_port)
        upward = asyncio.create_task(self._copy(reader, server_writer, True))
        try:
            await self._copy(server_reader, writer, False)
        finally:
            upward.cancel()
            server_writer.close()

    async def _copy(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, upward: bool) -> None:
        while data := await source.read(65536):
            if upward:
                self.bytes_up += len(data)
            else:
                self.bytes_down += len(data)
            sink.write(data)
            await sink.drain()
