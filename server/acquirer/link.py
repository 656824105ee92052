"""One TCP connection to the acquirer's host: ISO 8583 messages behind a two-byte length, requests one after the other.

Opened on first use, kept, and opened anew after any trouble. An answer that does not belong to the request in hand is
skipped, since it may be the late answer to an earlier one. Knows nothing of the database.
"""

import asyncio

from server import codes
from server.acquirer.iso import Answer, Request, decode, encode

MAX_MESSAGE = 4096


class AcquirerLink:
    """The host at `host`:`port`."""

    def __init__(self, host: str, port: int, timeout: float = 10.0) -> None:
        self._address = (host, port)
        self._timeout = timeout
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def exchange(self, request: Request, now: int) -> Answer:
        """Send `request` and wait for its answer.

        AcquirerError SRV-050 without one (it may have been received), SRV-051 for nonsense, SRV-053 for a request that cannot be
        written: nothing was sent.
        """
        message = encode(request, now)
        try:
            async with asyncio.timeout(self._timeout):
                return await self._exchange(request, message)
        except (OSError, EOFError, TimeoutError) as error:
            unsent = self._writer is None
            await self.close()
            silent = codes.AcquirerError("the acquirer does not answer", codes.ACQUIRER_UNREACHABLE)
            silent.unsent = unsent
            raise silent from error
        except codes.AcquirerError:
            await self.close()
            raise

    async def _exchange(self, request: Request, message: bytes) -> Answer:
        if self._writer is None or self._reader is None:
            self._reader, self._writer = await asyncio.open_connection(*self._address)
        self._writer.write(len(message).to_bytes(2, "big") + message)
        await self._writer.drain()
        while True:
            size = int.from_bytes(await self._reader.readexactly(2), "big")
            if not 0 < size <= MAX_MESSAGE:
                raise codes.AcquirerError("the acquirer's answer has an impossible length", codes.ACQUIRER_NONSENSE)
            answer = decode(await self._reader.readexactly(size))
            if answer.identity == request.identity and answer.step == request.step:
                return answer

    async def close(self) -> None:
        """Drop the connection; the next request opens another."""
        writer, self._reader, self._writer = self._writer, None, None
        if writer is not None:
            writer.close()
            try:
                await writer.wait_closed()
            except OSError:
                return  # it was broken already: that is why it is being closed
