"""uvicorn's HTTP with an end to waiting: a connection on which no whole request comes in time is closed, and told so (408) where no answer is due.

Without it a client that sends half a request, or nothing, keeps its connection and its memory for ever. A batch of 16 KiB takes some ten
seconds over the slowest radio; between requests uvicorn's own keep-alive limit holds.
"""

import asyncio
from typing import Any

from server.web.bounds import BoundedProtocol

REQUEST_S = 60.0
"""Seconds from the connection, or from a request's first byte, to its last."""
_TIMED_OUT = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class PatientProtocol(BoundedProtocol):
    """One connection."""

    patience = REQUEST_S
    _limit: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Of asyncio."""
        super().connection_made(transport)
        self._wait()

    def connection_lost(self, exc: Exception | None) -> None:
        """Of asyncio."""
        self._arrived()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """Of httptools."""
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
