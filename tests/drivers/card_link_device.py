"""Runs the readers' suite on the device against a LinkSlot of the host (called through tests.support.cross). Not a
test file itself.
"""

import asyncio

from drivers.card_link import LinkReader
from tests.drivers import card_reader_suite


def run(name: str, port: int) -> str:
    """One part of the suite over TCP; "ok" if it held, else its assertion or error is raised."""
    reader = LinkReader("127.0.0.1", port, timeout_ms=400)
    try:
        asyncio.run(getattr(card_reader_suite, name)(reader))
    finally:
        reader.close()
        asyncio.new_event_loop()
    return "ok"
