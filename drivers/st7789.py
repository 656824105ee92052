"""ST7789V display controller on a write-only SPI bus: a 240 x 320 IPS panel mounted on its side, 320 x 240 for the viewer.

Follows Sitronix' ST7789V data sheet: chapters on the system commands, the serial interface and address control (MADCTL).
RGB565, most significant byte first. Shown are filled rectangles and 1-bit bands in two colours; nothing is read back, since
most modules leave MISO out. Tearing control, gamma and voltages stay as the controller's defaults.
"""

import asyncio
from typing import TYPE_CHECKING

from drivers.contracts.small import Display

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    from drivers.contracts.small import Spi

SWRESET = 0x01
SLPIN = 0x10
SLPOUT = 0x11
NORON = 0x13
INVON = 0x21
DISPOFF = 0x28
DISPON = 0x29
CASET = 0x2A
RASET = 0x2B
RAMWR = 0x2C
MADCTL = 0x36
COLMOD = 0x3A
LANDSCAPE = 0x60  # MX | MV: columns of the viewer are rows of the panel
RGB565 = 0x55
_BUFFER = 1280  # two rows of the display


async def _sleep_ms(duration: int) -> None:
    await asyncio.sleep(duration / 1000)


class St7789(Display):
    """The display on `spi` (contract `drivers.contracts.small.Spi`). `sleep_ms` is an async function, asyncio's if not given.

    The controller is initialised before the first drawing, or by `start`. Errors of the bus (OSError) are passed on,
    and the next drawing initialises it again.
    """

    def __init__(
        self, spi: "Spi", sleep_ms: "Callable[[int], Awaitable[None]] | None" = None, madctl: int = LANDSCAPE
    ) -> None:
        self._spi = spi
        self._sleep_ms = sleep_ms or _sleep_ms
        self._madctl = madctl
        self._started = False
        self._window = bytearray(4)
        self._out = bytearray(_BUFFER)
        self._nibbles = [b""] * 16
        self._colours = (-1, -1)

    async def start(self) -> None:
        """Reset and switch on: about 280 ms, most of it prescribed waiting."""
        spi = self._spi
        await spi.command(SWRESET)
        await self._sleep_ms(150)
        await spi.command(SLPOUT)
        await self._sleep_ms(120)
        await spi.command(COLMOD, bytes((RGB565,)))
        await spi.command(MADCTL, bytes((self._madctl,)))
        await spi.command(INVON)
        await spi.command(NORON)
        self._started = True
        await self.fill(0, 0, self.width, self.height, 0)
        await self._send(DISPON)

    async def sleep(self) -> None:
        """Picture off and sleep; the next drawing wakes and initialises it."""
        await self._spi.command(DISPOFF)
        await self._spi.command(SLPIN)
        self._started = False
        await self._sleep_ms(120)

    async def _open_window(self, x: int, y: int, width: int, height: int) -> None:
        if not self._started:
            await self.start()
        if x < 0 or y < 0 or width <= 0 or height <= 0 or x + width > self.width or y + height > self.height:
            raise ValueError("rectangle outside the display")
        window = self._window
        for opcode, first, last in ((CASET, x, x + width - 1), (RASET, y, y + height - 1)):
            window[0] = first >> 8
            window[1] = first & 0xFF
            window[2] = last >> 8
            window[3] = last & 0xFF
            await self._send(opcode, bytes(window))
        await self._send(RAMWR)

    async def _send(self, opcode: int, data: "Any" = b"", more: bool = False) -> None:
        """A command, or `more` data of the last one. A panel whose bus failed is initialised again before the next drawing."""
        try:
            await (self._spi.data(data) if more else self._spi.command(opcode, data))
        except OSError:
            self._started = False
            raise

    async def fill(self, x: int, y: int, width: int, height: int, colour: int) -> None:
        """Fill a rectangle with an RGB565 colour. ValueError outside the display."""
        await self._open_window(x, y, width, height)
        out = self._out
        left = 2 * width * height
        high, low = colour >> 8, colour & 0xFF
        for at in range(0, min(left, _BUFFER), 2):
            out[at] = high
            out[at + 1] = low
        view = memoryview(out)
        while left:
            part = min(left, _BUFFER)
            await self._send(RAMWR, view[:part], True)
            left -= part

    def _set_colours(self, foreground: int, background: int) -> None:
        """Make the 4 pixels of each nibble."""
        if self._colours == (foreground, background):
            return
        for nibble in range(16):
            pixels = bytearray(8)
            for bit in range(4):
                colour = foreground if nibble & (8 >> bit) else background
                pixels[2 * bit] = colour >> 8
                pixels[2 * bit + 1] = colour & 0xFF
            self._nibbles[nibble] = bytes(pixels)
        self._colours = (foreground, background)

    async def band(
        self, x: int, y: int, width: int, height: int, rows: "Any", foreground: int, background: int
    ) -> None:
        """Draw 1-bit rows (ceil(width / 8) bytes each, most significant bit left). ValueError outside the display."""
        await self._open_window(x, y, width, height)
        self._set_colours(foreground, background)
        stride = (width + 7) >> 3
        blank = self._nibbles[0] * (2 * stride)
        view = memoryview(self._out)
        per_part = max(1, _BUFFER // (16 * stride))
        row = 0
        while row < height:
            count = min(per_part, height - row)
            length = 0
            for _ in range(count):
                self._expand(rows, row * stride, stride, length, blank)
                length += 2 * width  # what a row has beyond `width` is overwritten by the next one
                row += 1
            await self._send(RAMWR, view[:length], True)

    def _expand(self, rows: "Any", source: int, stride: int, target: int, blank: bytes) -> None:
        """Turn one 1-bit row into pixels at `target` of the buffer."""
        out = self._out
        nibbles = self._nibbles
        out[target : target + 16 * stride] = blank
        for at in range(source, source + stride):
            bits = rows[at]
            if bits:
                out[target : target + 8] = nibbles[bits >> 4]
                out[target + 8 : target + 16] = nibbles[bits & 15]
            target += 16
