"""The command interpreter: takes the bytes that left the receive buffer, one by one, and says what the mechanism shall do.

A generator that yields `None` for "give me the next byte" and events otherwise:
  ("row", bytes48)    print one row of dots and advance by it
  ("answer", bytes)   transmit
  ("cut",)            cut here
Follows Epson's ESC/POS command reference as far as 58 mm printers carry it. Page mode, macros, downloaded characters, bar codes and
graphics (GS ( L, ESC *) are read to their end and not drawn: `skipped` names them, so that a test can see it.
"""

from collections.abc import Generator
from typing import Any

from PIL import Image

from sim.parts.escpos.paper import BLANK_ROW, DOTS, ROW_BYTES
from sim.parts.escpos.symbol import QrStore
from sim.parts.escpos.text import Line, Style

Event = "tuple[Any, ...] | None"
Steps = Generator[Any, Any, Any]

DEFAULT_SPACING = 30
# Commands that are read to their end and have no effect here: bytes of parameters after the two of the name.
ESC_IGNORED = {
    0x20: 1,
    0x25: 1,
    0x3D: 1,
    0x47: 1,
    0x52: 1,
    0x53: 0,
    0x54: 1,
    0x55: 1,
    0x56: 1,
    0x63: 2,
    0x69: 0,
    0x6D: 0,
    0x70: 3,
    0x72: 1,
    0x7B: 1,
}
GS_IGNORED = {0x24: 2, 0x48: 1, 0x50: 2, 0x5C: 2, 0x5E: 3, 0x61: 1, 0x62: 1, 0x66: 1, 0x68: 1, 0x77: 1}
FS_IGNORED = {0x21: 1, 0x26: 0, 0x2D: 1, 0x2E: 0, 0x43: 1, 0x53: 2, 0x57: 1, 0x70: 2}


class Interpreter:
    """Modes, margins and buffers of one printer between ESC @ and ESC @."""

    def __init__(self, sensors: "Any") -> None:
        """`sensors.paper_byte()` gives GS r 1's answer at the moment it is processed."""
        self._sensors = sensors
        self.skipped: list[str] = []
        self._reset()

    def _reset(self) -> None:
        self._style = Style()
        self._line = Line()
        self._qr = QrStore()
        self._align = 0
        self._left = 0
        self._area = DOTS
        self._spacing = DEFAULT_SPACING

    def run(self) -> Steps:
        """The endless interpretation of a byte stream."""
        while True:
            byte = yield None
            if byte == 0x1B:
                yield from self._escape()
            elif byte == 0x1D:
                yield from self._group()
            elif byte == 0x1C:
                name = yield None
                yield from self._skip("FS", name, FS_IGNORED)
            elif byte == 0x10:
                yield from self._real_time()
            elif byte == 0x0A:
                yield from self._end_line(self._spacing)
            elif byte >= 0x20:
                yield from self._character(byte)

    # -- text ------------------------------------------------------------------------------------------------------------------
    def _character(self, byte: int) -> Steps:
        if self._line.width + self._style.cell()[0] > self._area:
            yield from self._end_line(self._spacing)
        self._line.add(byte, self._style)

    def _end_line(self, advance: int) -> Steps:
        """Print what is in the line buffer; feed so that line and feed together measure at least `advance` dots."""
        rows: list[bytes] = []
        if self._line.width:
            rows = self._line.rows(self._offset(self._line.width))
            self._line = Line()
        for row in rows:
            yield ("row", row)
        for _ in range(advance - len(rows)):
            yield ("row", BLANK_ROW)

    def _offset(self, width: int) -> int:
        """Dots from the left edge at which something `width` dots wide begins, by margin and justification."""
        room = max(0, self._area - width)
        return self._left + (0, room // 2, room)[self._align]

    # -- ESC -------------------------------------------------------------------------------------------------------------------
    def _escape(self) -> Steps:
        name = yield None
        if name == 0x40:
            self._reset()
        elif name == 0x32:
            self._spacing = DEFAULT_SPACING
        elif name == 0x44:
            while (yield None) != 0:
                pass
        elif name == 0x2A:
            mode, low, high = yield from self._take(3)
            yield from self._take((low + 256 * high) * (3 if mode in (32, 33) else 1))
            self.skipped.append("ESC *")
        elif name in (0x21, 0x2D, 0x33, 0x45, 0x4A, 0x4D, 0x61, 0x64, 0x74):
            value = yield None
            yield from self._escape_one(name, value)
        else:
            yield from self._skip("ESC", name, ESC_IGNORED)

    def _escape_one(self, name: int, value: int) -> Steps:
        style = self._style
        if name == 0x4A:
            yield from self._end_line(0)
            yield from self._feed(value)
        elif name == 0x64:
            yield from self._end_line(0)
            yield from self._feed(value * self._spacing)
        elif name == 0x33:
            self._spacing = value
        elif name == 0x61 and not self._line.width:
            self._align = value % 48 if value % 48 in (0, 1, 2) else self._align
        elif name == 0x74:
            style.code_page = value
        elif name == 0x45:
            style.bold = bool(value & 1)
        elif name == 0x2D:
            style.underline = value % 48 if value % 48 in (0, 1, 2) else style.underline
        elif name == 0x4D:
            style.font = value % 48 if value % 48 in (0, 1) else style.font
        elif name == 0x21:
            style.font, style.bold = value & 1, bool(value & 8)
            style.height, style.width = 1 + (value >> 4 & 1), 1 + (value >> 5 & 1)
            style.underline = value >> 7

    def _feed(self, dots: int) -> Steps:
        for _ in range(dots):
            yield ("row", BLANK_ROW)

    # -- GS --------------------------------------------------------------------------------------------------------------------
    def _group(self) -> Steps:
        name = yield None
        if name == 0x76:
            yield from self._raster()
        elif name == 0x28:
            yield from self._function()
        elif name == 0x72:
            which = yield None
            if which in (1, 49):
                yield ("answer", bytes([self._sensors.paper_byte()]))
            elif which in (2, 50):
                yield ("answer", b"\x00")
        elif name == 0x56:
            yield from self._cut()
        elif name == 0x21:
            value = yield None
            self._style.width, self._style.height = 1 + (value >> 4 & 7), 1 + (value & 7)
        elif name == 0x42:
            self._style.inverse = bool((yield None) & 1)
        elif name in (0x4C, 0x57):
            low, high = yield from self._take(2)
            if name == 0x4C:
                self._left = min(low + 256 * high, DOTS)
            else:
                self._area = low + 256 * high
            self._area = min(self._area, DOTS - self._left)
        elif name == 0x49:
            which = yield None
            yield ("answer", b"_TASDID SIM 58\x00" if which in (66, 67) else b"\x20")
        elif name == 0x6B:
            yield from self._bar_code()
        else:
            yield from self._skip("GS", name, GS_IGNORED)

    def _raster(self) -> Steps:
        """GS v 0 m xL xH yL yH d1...dk: rows are printed as they arrive; what lies beyond the print area is lost."""
        kind, mode, xl, xh, yl, yh = yield from self._take(6)
        width, height, wide, high = xl + 256 * xh, yl + 256 * yh, 1 + (mode & 1), 1 + (mode >> 1 & 1)
        if kind != 0x30:
            self.skipped.append("GS v")
        yield from self._end_line(0)
        for _ in range(height):
            data = yield from self._take(width)
            row = (
                self._place(Image.frombytes("1", (width * 8, 1), data).resize((width * 8 * wide, 1)))
                if width
                else [BLANK_ROW]
            )
            for _ in range(high):
                yield ("row", row[0])

    def _place(self, image: Image.Image) -> "list[bytes]":
        """Rows of 48 bytes with `image` (white = ink) at its justified place, clipped to the print area."""
        canvas = Image.new("1", (DOTS, image.height), 0)
        canvas.paste(image.crop((0, 0, min(image.width, self._area), image.height)), (self._offset(image.width), 0))
        data = canvas.tobytes()
        return [data[i : i + ROW_BYTES] for i in range(0, len(data), ROW_BYTES)]

    def _function(self) -> Steps:
        """GS ( <letter> pL pH ...: the symbols of GS ( k with cn = 49 are QR codes; other functions are skipped."""
        letter, low, high = yield from self._take(3)
        body = yield from self._take(low + 256 * high)
        if letter != 0x6B or len(body) < 2 or body[0] != 49:
            self.skipped.append("GS ( " + chr(letter))
            return
        if self._qr.function(body[1], body[2:]):
            image = self._qr.image()
            yield from self._end_line(0)
            if image is not None and image.width <= self._area:
                for row in self._place(image):
                    yield ("row", row)

    def _cut(self) -> Steps:
        mode = yield None
        yield from self._end_line(0)
        if mode in (65, 66, 97, 98, 103, 104):
            feed = yield None
            yield from self._feed(feed)
        yield ("cut",)

    def _bar_code(self) -> Steps:
        kind = yield None
        self.skipped.append("GS k")
        if kind <= 6:
            while (yield None) != 0:
                pass
        else:
            yield from self._take((yield None))

    # -- the rest --------------------------------------------------------------------------------------------------------------
    def _real_time(self) -> Steps:
        """DLE sequences were obeyed on reception (engine); here they are only stepped over."""
        name = yield None
        if name == 0x04:
            if (yield None) in (7, 8):
                yield None
        elif name == 0x05:
            yield None
        elif name == 0x14:
            yield from self._take({1: 2, 2: 2, 8: 7}.get((yield None), 0))

    def _take(self, count: int) -> Generator[Any, Any, bytes]:
        out = bytearray()
        while len(out) < count:
            out.append((yield None))
        return bytes(out)

    def _skip(self, family: str, name: int, lengths: "dict[int, int]") -> Steps:
        yield from self._take(lengths.get(name, 0))
        if name not in lengths:
            self.skipped.append(f"{family} {name:02X}")
