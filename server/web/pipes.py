"""Frames between the server's own processes: four bytes of length, then a pickle. Both ends are this program.

A `Pipe` gathers what is said while the event loop turns once and sends it as one frame, a list; what comes in is a list too.
"""

import asyncio
import pickle
from typing import Any, BinaryIO


def frame(value: object) -> bytes:
    """A value as it crosses a pipe."""
    data = pickle.dumps(value, pickle.HIGHEST_PROTOCOL)
    return len(data).to_bytes(4, "big") + data


def read(stream: BinaryIO) -> Any:
    """The next value of a blocking stream; EOFError at its end."""
    size = stream.read(4)
    if len(size) < 4:
        raise EOFError
    return pickle.loads(stream.read(int.from_bytes(size, "big")))


class Pipe:
    """One end of a two-way connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer
        self._gathered: list[Any] = []

    def say_now(self, item: Any) -> None:
        """Send an item at once: the other end begins with it while more is prepared here."""
        if not self._writer.is_closing():
            self._writer.write(frame([item]))

    def say(self, item: Any) -> None:
        """Send an item, with others of this moment."""
        if not self._gathered:
            asyncio.get_running_loop().call_soon(self._send)
        self._gathered.append(item)

    def _send(self) -> None:
        gathered, self._gathered = self._gathered, []
        if not self._writer.is_closing():
            self._writer.write(frame(gathered))

    async def heard(self) -> list[Any]:
        """The next items. EOFError when the other end is gone."""
        try:
            size = await self._reader.readexactly(4)
            return pickle.loads(await self._reader.readexactly(int.from_bytes(size, "big")))
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise EOFError from error

    def close(self) -> None:
        """Close this end: the other one hears of it."""
        self._writer.close()
