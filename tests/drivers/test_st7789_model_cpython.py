"""The display's model by its data sheet alone, and the driver against the model."""

import asyncio
import io
import random

import pytest
from PIL import Image

from drivers.st7789 import St7789
from sim.parts.st7789 import COLUMNS, ROWS, SpiLinkServer, St7789Panel


def awake(madctl: int = 0, colmod: int = 0x55, inverted: bool = True) -> St7789Panel:
    panel = St7789Panel()
    invert = 0x21 if inverted else 0x20
    for opcode, data in ((0x11, b""), (0x3A, bytes((colmod,))), (0x36, bytes((madctl,))), (invert, b""), (0x29, b"")):
        panel.command(opcode)
        panel.data(data)
    return panel


def window(panel: St7789Panel, x0: int, x1: int, y0: int, y1: int) -> None:
    for opcode, first, last in ((0x2A, x0, x1), (0x2B, y0, y1)):
        panel.command(opcode)
        panel.data(first.to_bytes(2, "big") + last.to_bytes(2, "big"))


def stored(panel: St7789Panel, column: int, row: int) -> "tuple[int, ...]":
    at = 3 * (row * COLUMNS + column)
    return tuple(panel.memory[at : at + 3])


RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)


@pytest.mark.parametrize(
    ("madctl", "corner"),
    [
        (0x00, (0, 0)),
        (0x40, (239, 0)),
        (0x80, (0, 319)),
        (0xC0, (239, 319)),
        (0x20, (0, 0)),
        (0x60, (239, 0)),
        (0xA0, (0, 319)),
    ],
)
def test_first_pixel_lands_in_the_corner_that_madctl_names(madctl, corner):
    panel = awake(madctl)
    window(panel, 0, 9, 0, 9)
    panel.command(0x2C)
    panel.data(b"\xf8\x00\x07\xe0")
    assert stored(panel, *corner) == RED
    column, row = corner
    along_row = bool(madctl & 0x20)
    second = (column, row + (-1 if madctl & 0x80 else 1)) if along_row else (column + (-1 if madctl & 0x40 else 1), row)
    assert stored(panel, *second) == GREEN


def test_bgr_swaps_red_and_blue():
    panel = awake(0x08)
    panel.command(0x2C)
    panel.data(b"\xf8\x00")
    assert stored(panel, 0, 0) == BLUE


@pytest.mark.parametrize(
    ("colmod", "data"), [(0x55, b"\xf8\x00\x07\xe0"), (0x66, b"\xfc\x00\x00\x00\xfc\x00"), (0x53, b"\xf0\x00\xf0")]
)
def test_pixel_formats(colmod, data):
    panel = awake(colmod=colmod)
    panel.command(0x2C)
    for byte in data:
        panel.data(bytes((byte,)))
    assert stored(panel, 0, 0) == RED and stored(panel, 1, 0) == GREEN


def test_writing_wraps_in_the_window_and_continues():
    panel = awake()
    window(panel, 10, 11, 20, 21)
    panel.command(0x2C)
    panel.data(b"\xf8\x00" * 4 + b"\x07\xe0")
    assert stored(panel, 10, 20) == GREEN and stored(panel, 11, 21) == RED
    panel.command(0x3C)
    panel.data(b"\x00\x1f")
    assert stored(panel, 11, 20) == BLUE
    panel.command(0x2C)
    panel.data(b"\x00\x1f")
    assert stored(panel, 10, 20) == BLUE
    assert stored(panel, 12, 20) != RED


def test_nothing_is_seen_asleep_or_off_and_colours_need_inversion():
    panel = awake()
    panel.command(0x2C)
    panel.data(b"\xf8\x00" * (COLUMNS * ROWS))
    assert panel.image().getpixel((5, 5)) == RED
    panel.command(0x20)
    assert panel.image().getpixel((5, 5)) == (0, 255, 255)
    panel.command(0x21)
    panel.command(0x28)
    assert panel.image().getpixel((5, 5)) == (0, 0, 0)
    panel.command(0x29)
    panel.command(0x10)
    assert panel.image().getpixel((5, 5)) == (0, 0, 0)


def test_commands_too_soon_after_reset_are_lost():
    now = [0]
    panel = St7789Panel(lambda: now[0])
    panel.command(0x01)
    now[0] = 4
    panel.command(0x11)
    assert panel.asleep and panel.ignored == 1
    now[0] = 5
    panel.command(0x11)
    assert not panel.asleep


def test_unknown_commands_are_ignored_with_their_parameters():
    panel = awake()
    panel.command(0xB2)
    panel.data(b"\x0c\x0c\x00\x33\x33")
    panel.command(0x2C)
    panel.data(b"\xf8\x00")
    assert stored(panel, 0, 0) == RED and panel.unknown == {0xB2}


class Bus:
    """The driver's bus, wired to the model."""

    def __init__(self, panel: St7789Panel) -> None:
        self.panel = panel

    async def command(self, opcode: int, data: bytes = b"") -> None:
        self.panel.command(opcode)
        if data:
            self.panel.data(data)

    async def data(self, data: bytes) -> None:
        self.panel.data(data)


def driven() -> "tuple[St7789, St7789Panel]":
    now = [0]
    panel = St7789Panel(lambda: now[0])

    async def sleep(duration: int) -> None:
        now[0] += duration

    display = St7789(Bus(panel), sleep)
    asyncio.run(display.start())
    assert not panel.ignored and not panel.unknown
    return display, panel


def test_driver_draws_what_it_is_asked_for_where_the_viewer_expects_it():
    display, panel = driven()
    rng = random.Random(5)
    expected = Image.new("RGB", (320, 240))

    async def draw() -> None:
        for _ in range(40):
            width, height = rng.randint(1, 200), rng.randint(1, 40)
            x, y = rng.randint(0, 320 - width), rng.randint(0, 240 - height)
            ink, paper = (rng.choice((0xF800, 0x07E0, 0x001F, 0xFFFF, 0)) for _ in "ab")
            colours = {c: tuple(255 * bool(c & m) for m in (0xF800, 0x07E0, 0x001F)) for c in (ink, paper)}
            if rng.random() < 0.3:
                await display.fill(x, y, width, height, ink)
                expected.paste(colours[ink], (x, y, x + width, y + height))
                continue
            rows = rng.randbytes((width + 7) // 8 * height)
            await display.band(x, y, width, height, rows, ink, paper)
            mask = Image.frombytes("1", (width, height), rows)
            patch = Image.new("RGB", (width, height), colours[paper])
            patch.paste(colours[ink], (0, 0, width, height), mask)
            expected.paste(patch, (x, y))

    asyncio.run(draw())
    assert panel.image().tobytes() == expected.tobytes()
    assert Image.open(io.BytesIO(panel.png())).size == (320, 240)


def test_driver_reaches_the_model_over_the_link():
    from drivers.spi_link import LinkSpi

    async def run() -> "tuple[int, ...]":
        panel = St7789Panel()
        server = SpiLinkServer(panel)
        port = await server.start()
        bus = LinkSpi("127.0.0.1", port)

        async def no_wait(duration: int) -> None:
            """The model has no clock here."""

        display = St7789(bus, no_wait)
        await display.fill(0, 0, 320, 240, 0x07E0)
        await display.band(4, 5, 8, 1, b"\x80", 0xF800, 0)
        for _ in range(500):
            if panel.image().getpixel((4, 5)) == RED:
                break
            await asyncio.sleep(0.01)
        pixels = panel.image()
        await server.close()
        return pixels.getpixel((4, 5)), pixels.getpixel((5, 5)), pixels.getpixel((100, 100))

    assert asyncio.run(asyncio.wait_for(run(), 20)) == (RED, (0, 0, 0), GREEN)
