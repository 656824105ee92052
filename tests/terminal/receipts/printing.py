"""A receipt printed over a real line by whichever runtime runs this: called on the device by test_printed_cpython."""

import asyncio

from drivers.escpos import EscPosPrinter
from protocol.errors import TasdidError
from terminal.face.resources import atlas_blob
from terminal.face.text import TextEngine
from terminal.receipts import print_receipt
from tests.terminal.receipts import sample


def print_on(kind, wiring):
    """Print a receipt on "tty:PATH" or "tcp:PORT"; [bytes sent, paper seen, or the error's code]."""
    return asyncio.run(_print_on(kind, wiring))


async def _print_on(kind, wiring):
    if wiring.startswith("tty:"):
        from drivers.uart_pty import PtyUart

        uart = PtyUart(wiring[4:])
    else:
        from drivers.uart_link import LinkUart

        uart = LinkUart("127.0.0.1", int(wiring[4:]))
    printer = EscPosPrinter(uart, patience_ms=3000)
    try:
        status = await printer.status()
        await print_receipt(printer, TextEngine(atlas_blob()), kind, sample.facts(kind), 1)
    except TasdidError as error:
        return [printer.bytes_sent, error.detail, error.code]
    return [printer.bytes_sent, status.paper, ""]
