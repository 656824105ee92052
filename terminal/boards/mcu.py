"""The microcontroller handheld, as MicroPython's Unix build runs it: littlefs on a flash file, ports over links and ptys. MicroPython only.

Started out of the ROMFS image with the path of a wiring file (`terminal.boards.config`). `store` names the flash image, a file of whole 4 KiB
blocks that holds a littlefs 2 volume. On real hardware only this file changes: the buses become `machine.UART`, `machine.SPI`, `machine.I2C`.
"""

import asyncio
import gc

from drivers.card_link import LinkReader
from drivers.clock_system import SystemClock
from drivers.diagnostic_link import LinkDiagnostic
from drivers.escpos import EscPosPrinter
from drivers.flash_file import FileFlash
from drivers.indicator_serial import SerialIndicator
from drivers.keypad_serial import SerialKeypad
from drivers.late_pictures import LatePictures
from drivers.net_http import HttpNetwork
from drivers.scanner_serial import SerialScanner
from drivers.secure_element_link import LinkSecureElement
from drivers.spi_link import LinkSpi
from drivers.st7789 import St7789
from drivers.storage_vfs import VfsStorage
from drivers.tls_mbed import MbedTls
from drivers.uart_link import LinkUart
from drivers.uart_pty import PtyUart
from protocol.crypto.pure import PureCrypto
from terminal import app, phases
from terminal.boards import config
from terminal.face.atlas import open_blob
from terminal.ports import Ports

_FACE = "/rom/terminal/face/"
_FLASH = "/flash"


def uart(value: str):  # noqa: ANN201 - Uart
    """A serial line by its wiring: "tty:PATH" or "tcp:host:port"."""
    kind, rest = config.kind(value)
    if kind == "tty":
        return PtyUart(rest)
    return LinkUart(*config.address(value))


def card_reader(value: str, antennas: dict, rate: int = config.PAYMENT_RATE):  # noqa: ANN201 - CardReader
    """A card reader by its wiring: "link:host:port", "pn532:tty:PATH" or "pn532:tcp:host:port"."""
    return config.antenna(value, antennas, uart, rate, True) or LinkReader(*config.address(value))


def mount(path: str) -> None:
    """Mount the littlefs volume in the flash file `path`. Raises OSError."""
    import vfs

    vfs.mount(vfs.VfsLfs2(FileFlash(path), progsize=64, readsize=64, lookahead=32), _FLASH)


def diagnostic(wiring: dict):  # noqa: ANN201 - Diagnostic
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
        storage=VfsStorage(_FLASH, lambda: mount(wiring["store"])),
        se=LinkSecureElement(uart(wiring["secure_element"])),
        crypto=PureCrypto(),
        clock=clock,
        display=St7789(LinkSpi(*config.address(wiring["display"]))),
        keypad=SerialKeypad(uart(wiring["keypad"]), clock),
        scanner=SerialScanner(uart(wiring["scanner"])) if "scanner" in wiring else None,
        printer=EscPosPrinter(uart(wiring["printer"])),
        licence_reader=card_reader(wiring["licence_reader"], antennas, config.LICENCE_RATE),
        payment_reader=card_reader(wiring["payment_reader"], antennas),
        contactless_reader=card_reader(tap, antennas) if tap else None,
        indicator=SerialIndicator(uart(wiring["indicator"])) if "indicator" in wiring else None,
        network=HttpNetwork(*config.address(wiring["server"]), config.secured(wiring, MbedTls)),
        diagnostic=diagnostic(wiring),
        atlas=open_blob(_FACE + "atlas.bin"),
        strings=open_blob(_FACE + "strings.bin"),
        pictures=LatePictures(),
        curves_in_element=True,
    )


async def run(path: str) -> None:
    """Run the application over the wiring in `path` until the power goes."""
    wiring = config.load(path)
    found = ports(wiring)
    asyncio.create_task(found.diagnostic.run())
    asyncio.create_task(_report_memory(found.diagnostic))
    phases.warm()
    await app.build(found, wiring.get("language", "fr")).run()


async def _report_memory(diagnostic) -> None:  # noqa: ANN001
    """Tell the technician's port the most that was alive after a collection, looked at twice a second."""
    most = 0
    while True:
        gc.collect()
        live = gc.mem_alloc()  # type: ignore[attr-defined]
        if live > most:
            most = live
            diagnostic.emit("heap", {"live": live, "free": gc.mem_free()})  # type: ignore[attr-defined]
        await asyncio.sleep(0.5)


def main(arguments: list) -> None:
    """Entry of the image's boot stub."""
    gc.threshold(phases.COLLECT_EVERY)  # type: ignore[attr-defined]
    asyncio.run(run(arguments[0]))
