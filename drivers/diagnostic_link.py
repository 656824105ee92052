"""The technician's port over a TCP link: one line of JSON per event. Both runtimes.

Never blocks and never raises: with nobody listening, or a listener that does not read, events are dropped. Carries screen ids, state
and codes, never personal data (the callers leave those out).
"""

import asyncio
import json

from drivers.contracts.small import Diagnostic


class LinkDiagnostic(Diagnostic):
    """Writes events to `host:port`."""

    def __init__(self, host: str, port: int) -> None:
        self._host = host
        self._port = port
        self._queue: "list[bytes]" = []
        self._wake = asyncio.Event()

    def emit(self, event: str, fields: dict) -> None:
        """Queue an event (16 are kept, the oldest go first)."""
        line = {"event": event}
        line.update(fields)
        self._queue.append(json.dumps(line).encode() + b"\n")
        if len(self._queue) > 16:
            self._queue.pop(0)
        self._wake.set()

    async def run(self) -> None:
        """Send what is queued, for ever; a lost link is tried again every second."""
        while True:
            try:
                _, writer = await asyncio.open_connection(self._host, self._port)
                while True:
                    while self._queue:
                        writer.write(self._queue.pop(0))
                        await writer.drain()
                    self._wake.clear()
                    await self._wake.wait()
            except OSError:
                await asyncio.sleep(1)
