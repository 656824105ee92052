"""Frames of vpcd (vsmartcard) as an asyncio protocol: two bytes of big-endian length, then that many bytes.

One-byte payloads are controls, anything longer is an APDU. TCP_NODELAY and, after *every* receive, TCP_QUICKACK:
without it each APDU costs a delayed acknowledgement of some 40 ms, since the other side sends length and payload
apart.
"""

import asyncio
import socket
from collections.abc import Awaitable, Callable

POWER_OFF = 0
POWER_ON = 1
RESET = 2
GET_ATR = 4

QUICKACK = getattr(socket, "TCP_QUICKACK", 12)


class Frames(asyncio.Protocol):
    """One connection. `answer(payload)` gives the bytes to send back, or None for no answer; one frame is served at a time."""

    def __init__(
        self, answer: Callable[[bytes], Awaitable[bytes | None]], closed: Callable[["Frames"], None] | None = None
    ) -> None:
        self._answer = answer
        self._closed = closed
        self._buffer = bytearray()
        self._queue: asyncio.Queue[bytes] = asyncio.Queue()
        self._task: asyncio.Task[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._socket: socket.socket | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Start serving."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._socket = transport.get_extra_info("socket")
        self._set(socket.TCP_NODELAY)
        self._set(QUICKACK)
        self._task = asyncio.ensure_future(self._serve())

    def data_received(self, data: bytes) -> None:
        """Collect bytes into frames."""
        self._set(QUICKACK)
        self._buffer += data
        while len(self._buffer) >= 2:
            end = 2 + int.from_bytes(self._buffer[:2], "big")
            if len(self._buffer) < end:
                return
            self._queue.put_nowait(bytes(self._buffer[2:end]))
            del self._buffer[:end]

    def connection_lost(self, exc: Exception | None) -> None:
        """The other side went away: whatever is being served is dropped."""
        self._transport = None
        if self._task is not None:
            self._task.cancel()
        if self._closed is not None:
            self._closed(self)

    def send(self, payload: bytes) -> None:
        """Send one frame in one segment."""
        if self._transport is not None:
            self._transport.write(len(payload).to_bytes(2, "big") + payload)

    def close(self) -> None:
        """Close the connection after what is still to be sent."""
        if self._transport is not None:
            self._transport.close()

    async def _serve(self) -> None:
        while True:
            answer = await self._answer(await self._queue.get())
            if answer is not None:
                self.send(answer)

    def _set(self, option: int) -> None:
        if self._socket is not None:
            try:
                self._socket.setsockopt(socket.IPPROTO_TCP, option, 1)
            except OSError:  # the peer closed between two reads; connection_lost follows
                self._socket = None
