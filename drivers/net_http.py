"""HTTP/1.1 POST over TCP or TLS (RFC 9112), for CBOR bodies. Both runtimes. No redirects, no chunked replies.

A connection is kept for the next request until `close`, so that a session costs one handshake; one that the server has
ended meanwhile is opened anew and the request sent again, which the sync protocol is made for. Replies must carry
Content-Length; at most 32 KiB of body and 32 header lines are taken.
"""

import asyncio

from drivers.contracts.small import Network
from protocol.errors import NetworkError

_BODY_MAX = 32768
_LINES_MAX = 32
_LATER_S = 5  # what a server that says "later" means if it does not say when


class _Ended(Exception):
    """The kept connection had been ended by the server before it took the request."""


class HttpNetwork(Network):
    """The one server at `host:port`; `tls` says how the link is secured, None only where it never leaves the machine."""

    def __init__(self, host: str, port: int, tls=None) -> None:  # noqa: ANN001 - drivers.contracts.small.Tls or None
        self._host = host
        self._port = port
        self._tls = tls
        self._reader = None
        self._writer = None

    async def post(self, path: str, body: bytes, timeout_ms: int) -> bytes:
        """POST and return the reply's body. Raises NetworkError NET-001..004, 007..011."""
        whole = False
        try:
            reply = await asyncio.wait_for(self._exchange(path, body), timeout_ms / 1000)
            whole = True
            return reply
        except asyncio.TimeoutError:
            raise NetworkError("the server does not answer in time", "NET-002") from None
        except OSError:
            raise NetworkError("the server cannot be reached", "NET-001") from None
        except (ValueError, MemoryError):  # a line beyond all bounds
            raise NetworkError("the server's reply has no acceptable length", "NET-004") from None
        finally:
            if not whole:
                await self.close()

    async def close(self) -> None:
        """End the connection that was kept."""
        writer = self._writer
        self._reader = self._writer = None
        if writer is None:
            return
        writer.close()
        try:
            await asyncio.wait_for(writer.wait_closed(), 1)
        except (OSError, asyncio.TimeoutError):
            pass  # it is gone either way

    async def _exchange(self, path: str, body: bytes) -> bytes:
        if self._writer is not None:
            try:
                return await self._ask(path, body)
            except (OSError, _Ended):
                await self.close()
        await self._connect()
        try:
            return await self._ask(path, body)
        except _Ended:
            raise NetworkError("the server's reply broke off", "NET-001") from None

    async def _connect(self) -> None:
        """Open the connection; with TLS the handshake is over when this returns on CPython, and with the first bytes on MicroPython."""
        if self._tls is None:
            self._reader, self._writer = await asyncio.open_connection(self._host, self._port)
            return
        try:
            self._reader, self._writer = await asyncio.open_connection(
                self._host, self._port, ssl=self._tls.context, server_hostname=self._tls.name
            )
        except (OSError, ValueError) as error:
            raise self._named(error) from None

    def _named(self, error: Exception) -> Exception:
        """A failure of TLS by its code, any other as it is."""
        found = self._tls.trouble(error) if self._tls is not None else None
        return found if found is not None else error

    async def _ask(self, path: str, body: bytes) -> bytes:
        reader, writer = self._reader, self._writer
        if reader is None or writer is None:
            raise _Ended
        try:
            head = "POST {} HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: application/cose\r\nContent-Length: {}\r\n\r\n"
            writer.write(head.format(path, self._host, self._port, len(body)).encode())
            writer.write(body)
            await writer.drain()
            first = await reader.readline()
        except (OSError, ValueError) as error:
            raise self._named(error) from None
        if not first:
            raise _Ended
        status, length, later, kept = await self._head(reader, first)
        if not 0 <= length <= _BODY_MAX:
            raise NetworkError("the server's reply has no acceptable length", "NET-004", detail=length)
        try:
            reply = await reader.readexactly(length)
        except EOFError:
            raise NetworkError("the server's reply broke off", "NET-001") from None
        if not kept:
            await self.close()
        if status == 503:
            raise NetworkError("the server is busy", "NET-011", "try again a little later", later)
        if status != 200:
            raise NetworkError("the server answers with an HTTP error", "NET-003", detail=status)
        return reply

    async def _head(self, reader, first: bytes) -> "tuple[int, int, int, bool]":  # noqa: ANN001 - StreamReader of either runtime
        """(status, length of the body, seconds of Retry-After, whether the connection is kept)."""
        parts = self._line(first).split(b" ")
        if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or len(parts[1]) != 3 or not parts[1].isdigit():
            raise NetworkError("the server's reply is not HTTP", "NET-004")
        length, later, kept = -1, _LATER_S, parts[0] == b"HTTP/1.1"
        for _ in range(_LINES_MAX):
            line = self._line(await reader.readline())
            if not line:
                return int(parts[1]), length, later, kept
            name, _, value = line.partition(b":")
            name, value = name.lower(), value.strip()
            if name == b"content-length" and value.isdigit():
                length = int(value)
            elif name == b"retry-after" and value.isdigit() and len(value) < 6:
                later = int(value)
            elif name == b"connection" and value.lower() == b"close":
                kept = False
        raise NetworkError("the server's reply has too many header lines", "NET-004")

    @staticmethod
    def _line(line: bytes) -> bytes:
        if not line.endswith(b"\n") or len(line) > 1024:
            raise NetworkError("the server's reply broke off", "NET-001")
        return line.rstrip(b"\r\n")
