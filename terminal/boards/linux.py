"""The Linux handheld: PC/SC readers, pyserial, a POSIX folder, the `cryptography` library. CPython only.

python -m terminal.boards.linux WIRING.json      (see `terminal.boards.config`)
"""

import asyncio
import sys
from pathlib import Path

from drivers.card_link import LinkReader
from drivers.card_pcsc import PcscReader
from drivers.clock_system import SystemClock
from drivers.contracts.card_reader import CardReader
from drivers.contracts.small import Diagnostic, Uart
from drivers.diagnostic_link import LinkDiagnostic
from drivers.escpos import EscPosPrinter
from drivers.indicator_serial import SerialIndicator
from drivers.keypad_serial import SerialKeypad
from drivers.net_http import HttpNetwork
from drivers.picture_pillow import PillowPictures
from drivers.scanner_serial import SerialScanner
from drivers.secure_element_link import LinkSecureElement
from drivers.spi_link import LinkSpi
from drivers.st7789 import St7789
from drivers.storage_folder import FolderStorage
from drivers.tls_native import NativeTls
from drivers.uart_link import LinkUart
from drivers.uart_serial import SerialUart
from protocol.crypto.native import NativeCrypto
from protocol.errors import ConfigError
from protocol.licence.profile import STREAM_LIMIT
from terminal import app
from terminal.boards import config
from terminal.face.atlas import open_blob
from terminal.ports import Ports

_ANSWER_ROOM = 0x4000  # bytes of one extended answer
_BATCH_BYTES = 0x4000
_FACE = Path(__file__).parent.parent / "face"


def uart(value: str) -> Uart:
    """A serial line by its wiring: "tty:PATH" or "tcp:host:port". ConfigError CFG-045 if the line cannot be opened."""
    kind, rest = config.kind(value)
    if kind == "tty":
        try:
            return SerialUart(rest)
        except OSError as error:
            hint = "see that it is there, free, and yours to open"
            raise ConfigError("the serial line cannot be opened: " + rest, "CFG-045", hint, error.errno) from error
    return LinkUart(*config.address(value))


def card_reader(value: str, antennas: "dict | None" = None, rate: int = config.PAYMENT_RATE) -> CardReader:
    """A card reader by its wiring: "pcsc:NAME", "link:host:port", "pn532:tty:PATH" or "pn532:tcp:host:port".

    `antennas` keeps the chips, so that readers on one chip share it; `rate` is the fastest bit rate of a PN532's session in kbit/s.
    """
    reader = config.antenna(value, {} if antennas is None else antennas, uart, rate)
    if reader is not None:
        return reader
    kind, rest = config.kind(value)
    if kind == "pcsc":
        return PcscReader(int(rest) if rest.isascii() and rest.isdigit() else rest)
    if kind == "link":
        return LinkReader(*config.address(value))
    raise ConfigError(
        "no such kind of card reader: " + kind, "CFG-042", "write pcsc:NAME, link:host:port or pn532:tty:PATH"
    )


def diagnostic(wiring: dict) -> Diagnostic:
    """The technician's port; with "trace" in the wiring the payments' explanations go to that file too."""
    port = LinkDiagnostic(*config.address(wiring["diagnostic"]))
    if "trace" not in wiring:
        return port
    from drivers.diagnostic_file import FileDiagnostic

    return FileDiagnostic(port, wiring["trace"])


def ports(wiring: dict) -> Ports:
    """The ports of this board."""
    clock = SystemClock()
    antennas: dict = {}
    tap = wiring.get("contactless_reader")
    return Ports(
        storage=FolderStorage(wiring["store"]),
        se=LinkSecureElement(uart(wiring["secure_element"])),
        crypto=NativeCrypto(),
        clock=clock,
        display=St7789(LinkSpi(*config.address(wiring["display"]))),
        keypad=SerialKeypad(uart(wiring["keypad"]), clock),
        scanner=SerialScanner(uart(wiring["scanner"])) if "scanner" in wiring else None,
        printer=EscPosPrinter(uart(wiring["printer"])),
        licence_reader=card_reader(wiring["licence_reader"], antennas, config.LICENCE_RATE),
        payment_reader=card_reader(wiring["payment_reader"], antennas),
        contactless_reader=card_reader(tap, antennas) if tap else None,
        indicator=SerialIndicator(uart(wiring["indicator"])) if "indicator" in wiring else None,
        network=HttpNetwork(*config.address(wiring["server"]), config.secured(wiring, NativeTls)),
        diagnostic=diagnostic(wiring),
        atlas=open_blob(str(_FACE / "atlas.bin")),
        strings=open_blob(str(_FACE / "strings.bin")),
        pictures=PillowPictures(),
        answer_room=_ANSWER_ROOM,
        file_room=STREAM_LIMIT,
        batch_bytes=_BATCH_BYTES,
    )


async def run(path: str) -> None:
    """Run the application over the wiring in `path` until the power goes."""
    wiring = config.load(path)
    found = ports(wiring)
    port = asyncio.create_task(found.diagnostic.run())
    try:
        await app.build(found, wiring.get("language", "fr")).run()
    finally:
        port.cancel()


if __name__ == "__main__":
    asyncio.run(run(sys.argv[1]))
