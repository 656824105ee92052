"""What the stream-backed serial lines share: bytes are taken off the stream by a task of their own, so that a time-out never loses any.

Cancelling a stream's read in the instant in which it completes drops what it read (MicroPython's `asyncio.wait_for`). Here only an event is ever
waited for with a time-out. One chunk is held at a time: who does not read makes the other side wait. A line that is
gone is an OSError once; the next use opens a new one. Both runtimes.
"""

import asyncio

from drivers.contracts.small import Uart

CHUNK = 64


class StreamUart(Uart):
    """A serial line over an asyncio stream pair; `_connect` of a sub-class gives (reader, writer) on the first use."""

    def __init__(self) -> None:
        self._writer = None
        self._task = None
        self._held = b""
        self._gone = self._told = False
        self._ready = asyncio.Event()
        self._taken = asyncio.Event()

    async def _connect(self):  # noqa: ANN202 - (reader, writer) of either runtime
        raise NotImplementedError

    async def _open(self) -> None:
        if self._told:  # of the line that is gone: look whether there is another
            self._told = False
            StreamUart.close(self)
        if self._writer is None:
            reader, self._writer = await self._connect()
            self._gone = False
            self._task = asyncio.create_task(self._pump(reader))

    async def _pump(self, reader) -> None:  # noqa: ANN001
        try:
            while True:
                data = await reader.read(CHUNK)
                if not data:
                    break
                self._held = data
                data = b""  # the next one may be long in coming
                self._ready.set()
                while self._held:
                    self._taken.clear()
                    await self._taken.wait()
        except OSError:
            pass  # told to the next reader below
        self._gone = True
        self._ready.set()

    async def write(self, data: object) -> None:
        """Send all. Raises OSError when the line is gone."""
        await self._open()
        if self._gone:
            raise self._closed()
        self._writer.write(bytes(data))  # type: ignore[attr-defined, arg-type] - a copy: transports keep it, callers reuse their buffers
        await self._writer.drain()  # type: ignore[attr-defined]

    async def read_into(self, buffer: object, timeout_ms: int) -> int:
        """Read 1..len(buffer) bytes; 0 after `timeout_ms`. Raises OSError when the line is gone."""
        await self._open()
        if not self._held and not self._gone:
            try:
                await asyncio.wait_for(self._ready.wait(), timeout_ms / 1000)
            except asyncio.TimeoutError:
                return 0
        if not self._held:
            raise self._closed()
        count = min(len(buffer), len(self._held))  # type: ignore[arg-type]
        buffer[:count] = self._held[:count]  # type: ignore[index]
        self._held = self._held[count:]
        if not self._held and not self._gone:
            self._ready.clear()
            self._taken.set()
        return count

    def _closed(self) -> OSError:
        self._told = True
        return OSError("the line is closed")

    def close(self) -> None:
        """Drop the line; the next use opens a new one."""
        if self._task is not None:
            self._task.cancel()
        if self._writer is not None:
            self._writer.close()
        self._writer = self._task = None
        self._held = b""
        self._ready.clear()
