"""Receipts on simulated paper: bytes, length, and the QR code read back from the picture and verified."""

import asyncio

import pytest
import zxingcpp
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils

from drivers.escpos import EscPosPrinter as Driver
from drivers.uart_link import LinkUart
from drivers.uart_serial import SerialUart
from protocol.claim_reader import claim_verify
from protocol.crypto.native import NativeCrypto
from sim.parts.escpos import EscPosPrinter, PtyLink, Strip, TcpLink
from terminal.face.resources import atlas_blob
from terminal.face.text import TextEngine
from terminal.receipts import KINDS, print_receipt
from tests.support import cross
from tests.terminal.receipts import sample

MEANINGS = {
    "payment": "paid",
    "provisional": "not-yet-paid",
    "document": "not-yet-paid",
    "declined": "not-paid",
    "notice": "not-paid",
    "interrupted": "nothing-taken",
    "void": "not-paid",
    "voiding": "not-yet-paid",
}


class Signer:
    """A device key as the secure element holds it."""

    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        form = serialization.PublicFormat.UncompressedPoint
        self.public = self._key.public_key().public_bytes(serialization.Encoding.X962, form)

    def sign(self, digest: bytes) -> bytes:
        """r | s over a SHA-256 digest."""
        r, s = utils.decode_dss_signature(self._key.sign(digest, ec.ECDSA(utils.Prehashed(hashes.SHA256()))))
        return r.to_bytes(32, "big") + s.to_bytes(32, "big")


async def printed(kind: str, facts: "dict[str, object]", copy: int = 1) -> "tuple[Driver, Strip]":
    """Print over pyserial and a pty."""
    printer = EscPosPrinter()
    link = PtyLink(printer)
    uart = SerialUart(await link.start())
    driver = Driver(uart, cutter=True)
    try:
        await print_receipt(driver, TextEngine(atlas_blob()), kind, facts, copy)
    finally:
        uart.close()
        await link.close()
    assert printer.interpreter.skipped == []
    return driver, printer.strips[0]


@pytest.mark.parametrize("kind", KINDS)
def test_qr_code_is_read_from_the_picture_and_says_what_it_means(kind: str) -> None:
    signer = Signer()
    facts = sample.facts(kind, signer.sign(sample.claim_parts(kind)[2]))
    driver, strip = asyncio.run(printed(kind, facts, 3))
    codes = zxingcpp.read_barcodes(strip.image(), formats=zxingcpp.BarcodeFormat.QRCode)  # letters may look like bars
    assert [code.text for code in codes] == [facts["qr"]]
    claim = claim_verify(NativeCrypto(), codes[0].text, signer.public)
    assert (claim.meaning, claim.amount, claim.pv) == (MEANINGS[kind], 500000, sample.PV)
    assert driver.bytes_sent < 20_000, driver.bytes_sent
    assert strip.length_mm < 200


def test_the_paper_shows_exactly_the_rows_that_were_drawn() -> None:
    """Trimming, justification and feeds change nothing but one dot beside a byte pair that would spell a real-time command."""
    from terminal.receipts import receipt_items

    facts = sample.facts("payment")
    facts["qr"] = ""
    wanted: list[bytes] = []
    for item in receipt_items(TextEngine(atlas_blob()), "payment", facts, 1):
        if item[0] == "raster":
            data = bytes(item[1])
            wanted += [data[i : i + 48] for i in range(0, len(data), 48)]
        elif item[0] == "feed":
            wanted += [bytes(48)] * item[1]
    _, strip = asyncio.run(printed("payment", facts))
    different = [y for y, row in enumerate(wanted) if strip.rows[y] != row]
    for y in different:
        assert bin(int.from_bytes(strip.rows[y], "big") ^ int.from_bytes(wanted[y], "big")).count("1") == 1
    assert len(different) <= 12 and len(strip.rows) == len(wanted) + 96


def test_a_receipt_takes_few_seconds_on_a_real_line_and_paper() -> None:
    """At 115200 Bd and 44 mm/s the printing sets the pace, not the line; here ten times as fast."""

    async def job() -> float:
        printer = EscPosPrinter()
        link = TcpLink(printer, rate=3520, baud=1_152_000)
        uart = LinkUart("127.0.0.1", await link.start())
        begin = asyncio.get_running_loop().time()
        await print_receipt(Driver(uart), TextEngine(atlas_blob()), "payment", sample.facts("payment"), 1)
        took = asyncio.get_running_loop().time() - begin
        uart.close()
        await link.close()
        assert len(printer.strips[0].rows) > 1200
        return took

    assert asyncio.run(job()) < 3


async def from_device(kind: str, over: str, paper_rows: "int | None" = None) -> "tuple[list[object], EscPosPrinter]":
    """Let 32-bit MicroPython print over a pty or TCP; what it says, and the printer."""
    printer = EscPosPrinter(paper_rows=paper_rows)
    link = PtyLink(printer) if over == "tty" else TcpLink(printer)
    wiring = f"{over}:{await link.start()}"
    module = "tests.terminal.receipts.printing"
    try:
        said = await asyncio.to_thread(cross.run_on_device, module, "print_on", [(kind, wiring)])
    finally:
        await link.close()
    return said[0], printer


@pytest.mark.parametrize("over", ["tty", "tcp"])
def test_micropython_prints_the_same_paper_over_a_real_line(over: str) -> None:
    said, printer = asyncio.run(from_device("provisional", over))
    driver, strip = asyncio.run(printed("provisional", sample.facts("provisional")))
    assert said == [driver.bytes_sent, True, ""]
    assert printer.strips[0].rows == strip.rows


def test_micropython_is_told_when_the_paper_ends_in_mid_receipt() -> None:
    said, printer = asyncio.run(from_device("payment", "tty", paper_rows=500))
    assert said[2] == "PRN-003" and isinstance(said[1], int) and said[1] > 0
    assert not printer.strips and len(printer.paper.rows) == 500
