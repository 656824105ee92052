"""HTTP/1.1 POST over TCP (RFC 9112), one request a connection, for CBOR bodies. Both runtimes. No TLS, no redirects, no chunked replies.

Replies must carry Content-Length; at most 32 KiB of body and 2 KiB of header are taken.
"""

import asyncio

from drivers.contracts.small import Network
from protocol.errors import NetworkError

_BODY_MAX = 32768
_LINES_MAX = 32


class HttpNetwork(Network):
    """The one server at `host:port`."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port

    async def post(self, path: str, body: bytes, timeout_ms: int) -> bytes:
        """POST and return the reply's body. Raises NetworkError NET-001..004."""
        try:
            return await asyncio.wait_for(self._exchange(path, body), timeout_ms / 1000)
        except asyncio.TimeoutError:
            raise NetworkError("the server does not answer in time", "NET-002") from None
        except OSError:
            raise NetworkError("the server cannot be reached", "NET-001") from None

    async def _exchange(self, path: str, body: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(self._host, self._port)
        try:
            head = "POST {} HTTP/1.1\r\nHost: {}:{}\r\nContent-Type: application/cose\r\nContent-Length: {}\r\nConnection: close\r\n\r\n"
            writer.write(head.format(path, self._host, self._port, len(body)).encode())
            writer.write(body)
            await writer.drain()
            status, length = await self._head(reader)
            if not 0 <= length <= _BODY_MAX:
                raise NetworkError("the server's reply has no acceptable length", "NET-004", detail=length)
            try:
                reply = await reader.readexactly(length)
            except EOFError:
                raise NetworkError("the server's reply broke off", "NET-001") from None
            if status != 200:
                raise NetworkError("the server answers with an HTTP error", "NET-003", detail=status)
            return reply
        finally:
            writer.close()

    async def _head(self, reader) -> "tuple[int, int]":  # noqa: ANN001 - StreamReader of either runtime
        parts = (await self._line(reader)).split(b" ")
        if len(parts) < 2 or not parts[0].startswith(b"HTTP/1.") or len(parts[1]) != 3 or not parts[1].isdigit():
            raise NetworkError("the server's reply is not HTTP", "NET-004")
        length = -1
        for _ in range(_LINES_MAX):
            line = await self._line(reader)
            if not line:
                return int(parts[1]), length
            name, _, value = line.partition(b":")
            if name.lower() == b"content-length" and value.strip().isdigit():
                length = int(value.strip())
        raise NetworkError("the server's reply has too many header lines", "NET-004")

    @staticmethod
    async def _line(reader) -> bytes:  # noqa: ANN001
        line = await reader.readline()
        if not line.endswith(b"\n") or len(line) > 1024:
            raise NetworkError("the server's reply broke off", "NET-001")
        return line.rstrip(b"\r\n")
