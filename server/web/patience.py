"""uvicorn's HTTP with an end to waiting: a connection on which no whole request comes in time is closed, and told so (408) where no answer is due;
one whose client does not take its answer in time is broken off.

Without it a client that sends half a request, or nothing, or reads no answer, keeps its connection and its memory for ever: even one that is
closed waits until what it was sent has left. A batch of 16 KiB takes some ten seconds over the slowest radio, and so does an answer; between
requests uvicorn's own keep-alive limit holds.
"""

import asyncio
from typing import Any

from server.web.bounds import BoundedProtocol

REQUEST_S = 60.0
"""Seconds from the connection, or from a request's first byte, to its last."""
ANSWER_S = 60.0
"""Seconds in which an answer, and whatever else is written, has left for the client."""
_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class PatientProtocol(BoundedProtocol):
    """One connection."""

    patience = REQUEST_S
    answer_patience = ANSWER_S
    _limit: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None  # what was written has not left

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Of asyncio."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Of asyncio."""
        self._arrived()
        self._left()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """Of asyncio: much has not left, be it in the middle of an answer."""
        super().pause_writing()
        self._written()

    def eof_received(self) -> None:
        """Of asyncio, which closes the connection now: nobody can be answered any more."""
        self._hang_up()
        self._take_time()

    def shutdown(self) -> None:
        """Of uvicorn, which ends: nobody waits for the rest of a request."""
        if self._limit is None:
            super().shutdown()
        else:
            self._hang_up()
            self.transport.abort()

    def on_response_complete(self) -> None:
        """Of uvicorn; the door's too."""
        self._written()
        super().on_response_complete()

    def send_400_response(self, msg: str) -> None:
        """Of uvicorn, whenever the parser stops."""
        super().send_400_response(msg)
        self._written()

    def timeout_keep_alive_handler(self) -> None:
        """Of uvicorn: nothing comes any more."""
        super().timeout_keep_alive_handler()
        self._written()

    def on_message_begin(self) -> None:
        """Of httptools."""
        if not self._waits():
            self._left()
        super().on_message_begin()
        self._wait()

    def on_message_complete(self) -> None:
        """Of httptools."""
        self._arrived()
        super().on_message_complete()

    def _wait(self) -> None:
        if self._limit is None:
            self._limit = self.loop.call_later(self.patience, self._too_late)

    def _arrived(self) -> None:
        if self._limit is not None:
            self._limit.cancel()
            self._limit = None

    def _too_late(self) -> None:
        self._limit = None
        transport: Any = self.transport
        if not transport.is_closing():
            if self.cycle is None or self.cycle.response_complete:
                transport.write(_TIMED_OUT)
            transport.close()
            self._written()

    def _end(self) -> None:
        super()._end()
        self._written()

    def _waits(self) -> bool:
        """Whether something has not left, as far as can be seen: below TLS more may lie, so what is closing waits until it is closed."""
        transport: Any = self.transport
        return transport.is_closing() or transport.get_write_buffer_size() > 0

    def _written(self) -> None:
        """What does not leave at once has its time from now, or from what was written before it and has not left."""
        if self._waits():
            self._take_time()

    def _take_time(self) -> None:
        if self._unread is None:
            self._unread = self.loop.call_later(self.answer_patience, self._not_taken)

    def _left(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None

    def _not_taken(self) -> None:
        self._unread = None
        if self._waits():
            self._hang_up()
            self.transport.abort()
