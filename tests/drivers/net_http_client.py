"""Posts to a server of the host, on either runtime, and says what came of it. Not a test file itself."""

import asyncio
import sys

from drivers.net_http import HttpNetwork
from protocol.errors import NetworkError


def _tls(authority: bytes, name: str):
    if sys.implementation.name == "micropython":
        from drivers.tls_mbed import MbedTls

        return MbedTls(authority, name)
    from drivers.tls_native import NativeTls

    return NativeTls(authority, name)


def run(port: int, authority: bytes, name: str, times: int, timeout_ms: int, pause_ms: int) -> list:
    """For each of `times` posts the reply's text, or "CODE detail". No authority: plain HTTP."""
    found = asyncio.run(_posts(port, authority, name, times, timeout_ms, pause_ms))
    asyncio.new_event_loop()
    return found


async def _posts(port, authority, name, times, timeout_ms, pause_ms):
    network = HttpNetwork("127.0.0.1", port, _tls(authority, name) if authority else None)
    found = []
    for number in range(times):
        if number:
            await asyncio.sleep(pause_ms / 1000)
        try:
            found.append((await network.post("/v1/sync", b"message %d" % number, timeout_ms)).decode())
        except NetworkError as error:
            found.append(error.code + " " + str(error.detail))
    await network.close()
    return found
