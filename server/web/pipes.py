"""Frames between the server's own processes: four bytes of length, then a pickle. Both ends are this program.

Questions go to the desk's process in lists, those of a moment together, and answers come back in lists, those of a commit together.
"""

import asyncio
import pickle
from typing import Any, BinaryIO

LENGTH = 4


def frame(value: object) -> bytes:
    """A value as it crosses a pipe."""
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return len(data).to_bytes(LENGTH, "big") + data


def read(stream: BinaryIO) -> Any:
    """The next value of a blocking stream; EOFError at its end."""
    size = stream.read(LENGTH)
    if len(size) < LENGTH:
        raise EOFError
    return pickle.loads(stream.read(int.from_bytes(size, "big")))


class Line(asyncio.Protocol):
    """One end of a two-way connection: `heard` gets what is in each frame, unopened."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._transport: Any = None
        self.ended = asyncio.Event()

    def heard(self, data: bytes) -> None:
        """A frame's pickle has come."""
        raise NotImplementedError

    def send(self, framed: bytes) -> None:
        """Send a frame; nothing happens if the other end is gone."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(framed)

    def is_idle(self) -> bool:
        """Whether everything that was to be sent is sent."""
        return (
            self._transport is not None
            and not self._transport.is_closing()
            and not self._transport.get_write_buffer_size()
        )

    def close(self) -> None:
        """Close this end: the other one hears of it."""
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Of asyncio."""
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Of asyncio."""
        buffer = self._buffer
        buffer += data
        at = 0
        while len(buffer) - at >= LENGTH:
            end = at + LENGTH + int.from_bytes(buffer[at : at + LENGTH], "big")
            if end > len(buffer):
                break
            self.heard(bytes(buffer[at + LENGTH : end]))
            at = end
        if at:
            del buffer[:at]

    def connection_lost(self, exc: Exception | None) -> None:
        """Of asyncio."""
        self.ended.set()
