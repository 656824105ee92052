"""Lines of text on 384 dots: blocks that flow down the paper, drawn into one reused band of at most 24 rows.

A block is what belongs side by side: a few shaped lines with their places, or a rule. Text is shaped once per block and drawn into
as many bands as the block is high. What a receipt says is not decided here.
"""

from typing import TYPE_CHECKING

from drivers.contracts.printer import DOTS, ROW_BYTES
from terminal.face.canvas import Canvas

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

    from terminal.face.text import Line, TextEngine

    Items = Iterator[tuple[Any, ...]]
    Pair = tuple[str, str]

BAND_ROWS = 24
SMALL = 16
NORMAL = 20
MIDDLE = 24
BIG = 32
_VALUE = 120  # dots that a field's value takes at least, so that the names stand in columns where they can
_GAP = 10  # dots that must stay free between two texts of one line


class Page:
    """Draws blocks. Every method yields print items, whose rows are valid until the next item is asked for."""

    def __init__(self, engine: "TextEngine") -> None:
        self._engine = engine
        self._canvas = Canvas(DOTS, BAND_ROWS, bytearray(ROW_BYTES * BAND_ROWS))

    def _draw(self, places: "list[tuple[Line, int, int]]", height: int) -> "Items":
        """`places`: (shaped line, left, top) of one block `height` dots high."""
        canvas = self._canvas
        top = 0
        while top < height:
            rows = min(BAND_ROWS, height - top)
            canvas.place(0, top, DOTS, rows)
            for line, left, y in places:
                self._engine.draw_line(canvas, left, y, line)
            yield ("raster", canvas.rows(), rows)
            top += rows

    def feed(self, dots: int) -> "Items":
        """Blank paper."""
        yield ("feed", dots)

    def rule(self, thickness: int, dashed: bool = False) -> "Items":
        """A line across the paper, with room above and below."""
        canvas = self._canvas
        canvas.place(0, 0, DOTS, thickness)
        if dashed:
            for x in range(0, DOTS, 16):
                canvas.fill(x, 0, 8, thickness)
        else:
            canvas.fill(0, 0, DOTS, thickness)
        yield ("feed", 5)
        yield ("raster", canvas.rows(), thickness)
        yield ("feed", 5)

    def text(self, text: str, size: int, rtl: bool, align: str = "start") -> "Items":
        """A paragraph, broken into lines as wide as the paper; `align` as in TextEngine.draw."""
        engine = self._engine
        height = engine.line_height(size)
        for part in engine.wrap(text, size, DOTS, rtl):
            line = engine.line(part, size, rtl)
            yield from self._draw([(line, self._left(line.width, rtl, align), 0)], height)

    @staticmethod
    def _left(width: int, rtl: bool, align: str) -> int:
        if align == "center":
            return (DOTS - width) >> 1
        return DOTS - width if (align == "end") != rtl else 0

    def pair(self, words: "Pair", size: int, align: str = "start") -> "Items":
        """Arabic above French."""
        yield from self.text(words[0], size, True, align)
        yield from self.text(words[1], size, False, align)

    def field(self, words: "Pair", value: str, size: int = NORMAL, rtl: bool = False) -> "Items":
        """One line about the middle of the paper: French name, value, Arabic name, the names close to the value. A value that
        leaves them no room goes below, over the whole width. `rtl` is the value's direction."""
        engine = self._engine
        arabic = engine.line(words[0], SMALL, True)
        french = engine.line(words[1], SMALL, False)
        middle = engine.line(value, size, rtl)
        base = max(engine.ascent(size), engine.ascent(SMALL))
        names = base - engine.ascent(SMALL)
        beside = max(middle.width, _VALUE) // 2 + _GAP
        if max(arabic.width, french.width) + beside <= DOTS // 2:
            places = [
                (french, DOTS // 2 - beside - french.width, names),
                (middle, (DOTS - middle.width) >> 1, base - engine.ascent(size)),
                (arabic, DOTS // 2 + beside, names),
            ]
            yield from self._draw(places, max(engine.line_height(size), names + engine.line_height(SMALL)))
            return
        beside = 2 * _GAP
        places = [(french, DOTS // 2 - beside - french.width, 0), (arabic, DOTS // 2 + beside, 0)]
        yield from self._draw(places, engine.line_height(SMALL))
        yield from self.text(value, size, rtl, "center")

    def amount(self, words: "Pair", values: "Pair") -> "Items":
        """The sum in both languages, big: the name and right after it the figure, Arabic above French."""
        engine = self._engine
        base = engine.ascent(BIG)
        for text, value, rtl in ((words[0], values[0], True), (words[1], values[1], False)):
            name = engine.line(text, MIDDLE, rtl)
            figure = engine.line(value, BIG, rtl)
            left = DOTS - name.width if rtl else 0
            beside = left - 2 * _GAP - figure.width if rtl else name.width + 2 * _GAP
            places = [(name, left, base - engine.ascent(MIDDLE)), (figure, beside, 0)]
            yield from self._draw(places, engine.line_height(BIG))
