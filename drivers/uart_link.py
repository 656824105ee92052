"""A serial line carried over TCP: contract `Uart` on both runtimes, for simulated parts and serial servers.

The line is opened on the first use, so that building the ports does no I/O. Nothing is paced here.
"""

import asyncio

from drivers.uart_stream import StreamUart


class LinkUart(StreamUart):
    """One TCP connection to `host`:`port`, used as a serial line."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__()
        self._host = host
        self._port = port

    async def _connect(self):  # noqa: ANN202 - (reader, writer) of either runtime
        return await asyncio.open_connection(self._host, self._port)
