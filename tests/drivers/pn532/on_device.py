"""Runs the readers' suite on the device against a PN532 of the host (called through tests.support.cross). Not a test file itself."""

import asyncio

from drivers.pn532.link import Link
from drivers.pn532.reader import Pn532Reader
from tests.drivers import card_reader_suite


def run(name: str, line: str, port: int) -> str:
    """One part of the suite over TCP (`port`) or the pty `line`; "ok" if it held, else its assertion or error is raised."""
    if line:
        from drivers.uart_pty import PtyUart

        uart = PtyUart(line)
    else:
        from drivers.uart_link import LinkUart

        uart = LinkUart("127.0.0.1", port)
    reader = Pn532Reader(Link(uart), rate=424, timeout_ms=400)
    part = getattr(card_reader_suite, name)
    try:
        asyncio.run(part(reader, card_reader_suite.CONTACTLESS_ATR) if name == "exchange" else part(reader))
    finally:
        reader.close()
        asyncio.new_event_loop()
    return "ok"
