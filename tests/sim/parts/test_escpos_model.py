"""The printer model by itself: paper, sensors, real-time commands, and a stranger (python-escpos) over a pty."""

import asyncio
import io
import threading
from collections.abc import Callable
from typing import Any

import pytest
import zxingcpp
from escpos.printer import Serial
from PIL import Image, ImageChops

from sim.parts.escpos import DOTS, EscPosPrinter, PtyLink, Strip, TcpLink

RASTER = b"\x1dv0\x00\x01\x00\x02\x00\xf0\x0f"


def ink(strip: Strip) -> "tuple[int, int, int, int]":
    """The bounding box of what is black, in dots of the printable area."""
    box = ImageChops.invert(strip.image(margin=0)).getbbox()
    assert box is not None
    return box


def test_raster_lands_where_justification_says() -> None:
    for align, left in ((0, 0), (1, (DOTS - 8) // 2), (2, DOTS - 8)):
        printer = EscPosPrinter()
        printer.transact(b"\x1b@\x1ba" + bytes([align]) + RASTER)
        assert ink(printer.tear()) == (left, 0, left + 8, 2)


def test_feed_moves_by_dots_and_line_feed_by_thirty() -> None:
    printer = EscPosPrinter()
    printer.transact(b"\x1bJ\x07\n")
    assert len(printer.tear().rows) == 37


def test_status_is_answered_at_once_even_inside_a_raster() -> None:
    printer = EscPosPrinter()
    assert printer.transact(b"\x1dv0\x00\x03\x00\x02\x00\x10\x04\x04") == b"\x12"
    assert printer.transact(b"\x00\x00\x00\x1dr\x01") == b"\x00"
    assert len(printer.tear().rows) == 2


@pytest.mark.parametrize(
    ("name", "value", "answers"),
    [
        ("cover_open", True, "1a161212"),
        ("overheat", True, "1a525212"),
        ("near_end", True, "1212121e"),
        ("offline", True, "1a1a1212"),
    ],
)
def test_sensors_show_in_their_status_bytes(name: str, value: bool, answers: str) -> None:
    printer = EscPosPrinter()
    setattr(printer, name, value)
    assert b"".join(printer.transact(bytes([0x10, 0x04, n])) for n in (1, 2, 3, 4)).hex() == answers


def test_paper_ends_in_mid_raster_and_the_rest_follows_on_the_new_roll() -> None:
    printer = EscPosPrinter(paper_rows=1)
    assert printer.transact(RASTER + b"\x1dr\x01") == b""
    assert printer.transact(b"\x10\x04\x04\x10\x04\x01") == b"\x7e\x1a"
    assert len(printer.tear().rows) == 1
    printer.paper.rows_left = 5000
    assert printer.transact(b"") == b"\x00"
    assert len(printer.tear().rows) == 1


def test_clear_buffers_forgets_the_rest() -> None:
    printer = EscPosPrinter()
    printer.cover_open = True
    assert printer.transact(RASTER + b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08") == b"\x37\x25\x00"
    printer.cover_open = False
    printer.transact(RASTER)
    assert len(printer.tear().rows) == 2


def test_silent_takes_and_says_nothing() -> None:
    printer = EscPosPrinter()
    printer.silent = True
    assert printer.transact(RASTER + b"\x10\x04\x01") == b""
    assert printer.received == 0 and not printer.tear().rows


def test_bytes_that_find_the_buffer_full_are_lost() -> None:
    printer = EscPosPrinter(buffer_size=16)
    printer.cover_open = True
    printer.receive(bytes(40))
    assert printer.room == 0 and printer.received == 40


def test_too_wide_a_symbol_prints_nothing() -> None:
    printer = EscPosPrinter()
    symbol = b"\x1d(k\x03\x001C\x10\x1d(k\x2b\x001P0" + b"A" * 40 + b"\x1d(k\x03\x001Q0"
    printer.transact(symbol)
    assert not printer.tear().rows


def test_unknown_commands_are_named() -> None:
    printer = EscPosPrinter()
    printer.transact(b"\x1b\xee\x1d(L\x02\x00\x300")
    assert printer.interpreter.skipped == ["ESC EE", "GS ( L"]


def stranger(path: str, job: "Callable[[Any], Any]") -> "tuple[threading.Thread, list[Any]]":
    """Run `job` with python-escpos on the pty, in a thread of its own as it blocks; its result comes in the list."""
    out: list[Any] = []

    def work() -> None:
        printer = Serial(path, baudrate=115200, timeout=0.5, profile="TM-T88III")
        try:
            out.append(job(printer))
        finally:
            printer.close()

    thread = threading.Thread(target=work)
    thread.start()
    return thread, out


async def with_stranger(printer: EscPosPrinter, job: "Callable[[Any], Any]") -> Any:
    link = PtyLink(printer)
    thread, out = stranger(await link.start(), job)
    while thread.is_alive():
        await asyncio.sleep(0.01)
    await asyncio.sleep(0.1)
    await link.close()
    return out[0]


def test_python_escpos_prints_text_image_qr_and_cuts(tmp_path: Any) -> None:
    picture = Image.new("1", (96, 32), 1)
    picture.paste(0, (8, 8, 88, 24))

    def job(printer: Any) -> None:
        printer.set(align="center", bold=True, double_width=True, double_height=True)
        printer.text("TASDID\n")
        printer.set(align="left", bold=False, normal_textsize=True)
        printer.text("Reçu n° 17: déjà payé\n")
        printer.image(picture)
        printer.qr("https://example.invalid/verify?x=42", native=True, size=6)
        printer.cut()

    printer = EscPosPrinter(folder=tmp_path)
    asyncio.run(with_stranger(printer, job))
    assert len(printer.strips) == 1 and not printer.interpreter.skipped
    with Image.open(tmp_path / "strip-001.png") as strip:
        codes = zxingcpp.read_barcodes(strip.convert("L"))
        assert [code.text for code in codes] == ["https://example.invalid/verify?x=42"]
        assert strip.width == 464 and 300 < strip.height < 900
    rows = printer.strips[0].rows
    bar = bytes([0xFF] * 10)
    assert sum(row.find(bar) == 1 for row in rows) == 16  # the picture's bar, one byte in from the left edge


def test_python_escpos_reads_the_status() -> None:
    printer = EscPosPrinter()
    assert asyncio.run(with_stranger(printer, lambda p: (p.paper_status(), p.is_online()))) == (2, True)
    printer.near_end = True
    assert asyncio.run(with_stranger(printer, lambda p: (p.paper_status(), p.is_online()))) == (1, True)
    printer.paper.rows_left = 0
    assert asyncio.run(with_stranger(printer, lambda p: (p.paper_status(), p.is_online()))) == (0, False)


def test_tcp_link_paces_line_and_paper() -> None:
    async def job() -> float:
        printer = EscPosPrinter()
        link = TcpLink(printer, rate=3520, baud=1_152_000)
        reader, writer = await asyncio.open_connection("127.0.0.1", await link.start())
        begin = asyncio.get_running_loop().time()
        writer.write(RASTER * 200 + b"\x1bJ\xff" * 4 + b"\x1dr\x01")
        assert await asyncio.wait_for(reader.read(1), 10) == b"\x00"
        writer.close()
        await link.close()
        assert len(printer.tear().rows) == 1420
        return asyncio.get_running_loop().time() - begin

    assert 0.4 <= asyncio.run(job()) < 5  # 1,420 rows at ten times 44 mm/s


def test_strips_are_pictures_of_58_mm_paper() -> None:
    printer = EscPosPrinter()
    printer.transact(RASTER + b"\x1bJ\x50")
    stream = io.BytesIO()
    strip = printer.tear()
    strip.image().save(stream, "PNG")
    assert strip.image().size == (464, 82) and strip.ended_by == "tear" and stream.tell() > 50
