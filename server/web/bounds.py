"""uvicorn's HTTP with an end to what it takes: it keeps any number of connections, each with a request in the making and every one sent
before the reply; httptools keeps whatever a client sends as head or trailers. What is over these bounds ends the connection, with 431
where no answer is due; the body has a bound of its own (`server.web.sync`).
"""

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from server import codes

HEAD = 8192
"""Bytes of a request line and its headers, of trailers, and of what is neither read nor done with so far; a terminal's take some 200."""
LINES = 64  # headers or trailers
CONNECTIONS = 4096
"""Of a process at once; one more is closed, and a terminal takes that for no network. Each may hold a body (`server.wire.envelope.MAX_BODY`)."""
AHEAD = 1  # requests of a connection that wait for the reply to another
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\n"
    b"content-length: %d\r\nconnection: close\r\n\r\n%b" % (len(codes.TOO_LARGE), codes.TOO_LARGE.encode())
)


class BoundedProtocol(HttpToolsProtocol):
    """One connection."""

    _size = _lines = 0  # of the head or the trailers so far
    _idle = 0  # bytes that came since anything could be made of some
    _spent = False  # it is over a bound
    _first: Any = None  # the request that others wait behind
    most = CONNECTIONS

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Of asyncio."""
        super().connection_made(transport)
        if len(self.connections) > self.most:
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Of asyncio."""
        self._hang_up()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Of asyncio."""
        for at in range(0, len(data), HEAD):
            if self.transport.is_closing():
                return
            piece = data[at : at + HEAD]
            self._idle += len(piece)
            super().data_received(piece)
            if self._idle > HEAD and not self.transport.is_closing():
                self._end()

    def send_400_response(self, msg: str) -> None:
        """Of uvicorn, whenever the parser stops."""
        if self._spent:
            self._end()
        else:
            super().send_400_response(msg)

    def on_message_begin(self) -> None:
        """Of httptools."""
        self._count(0, not self.flow.write_paused)  # else it asks for more without reading what it was answered
        self.went_on()
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Of httptools."""
        self._count(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Of httptools; trailers too."""
        self._lines += 1
        self._count(len(name) + len(value) + 4, self._lines <= LINES)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """Of httptools."""
        self.went_on()
        before, ahead = self.cycle, len(self.pipeline)
        super().on_headers_complete()
        if not ahead:
            self._first = before if self.pipeline else None
        self._count(0, len(self.pipeline) <= AHEAD)

    def on_body(self, body: bytes) -> None:
        """Of httptools."""
        self.went_on()
        super().on_body(body)

    def went_on(self) -> None:
        """Something came to its end, or is some of a body."""
        self._size = self._lines = self._idle = 0

    def _count(self, size: int, well: bool = True) -> None:
        """So many bytes more, and whether all else is `well`. RefusedError TOO_LARGE stops the parser."""
        self._size += size
        if self._size > HEAD or not well:
            self._spent = True
            raise codes.RefusedError(codes.TOO_LARGE, "more than a request may take")

    def _end(self) -> None:
        """Say so where nothing else is to be said, and close; what is not read is not waited for."""
        cycle, transport = self.cycle, self.transport
        quiet: Any = cycle is None or cycle.response_complete
        if quiet and not self.flow.write_paused:
            transport.write(_TOO_LARGE)
            transport.close()
        else:
            self._hang_up()
            transport.abort()

    def _hang_up(self) -> None:
        """Nobody is answered any more; uvicorn says so to the last request alone, and others would be written to what is closed."""
        for cycle in (self._first, self.cycle):
            if cycle is not None and not cycle.response_complete:
                cycle.disconnected = True
                cycle.message_event.set()
