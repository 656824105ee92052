"""Drawing and measuring text: `TextEngine` joins the shaper, the atlas and a canvas.

Coordinates are pixels, y downwards. No bold, no colours, no justification: those are the screens' and receipts' affair.
"""

from typing import TYPE_CHECKING

from terminal.face import bidi, shaper
from terminal.face.atlas import Atlas

if TYPE_CHECKING:
    from terminal.face.atlas import Bytes
    from terminal.face.canvas import Canvas


class Line:
    """A shaped line: entries of its glyphs in the atlas from left to right, and its width in pixels."""

    def __init__(self, entries: list, width: int, size: int) -> None:
        self.entries = entries
        self.width = width
        self.size = size


class TextEngine:
    """Text of the sizes of an atlas. `atlas` is a bytes-like object in the format of `terminal.face.atlas`."""

    def __init__(self, atlas: "Bytes") -> None:
        self.atlas = Atlas(atlas)

    def line(self, text: str, size: int, rtl: bool = False) -> Line:
        """Shape one line once, to draw it into several bands."""
        return self.line_of(shaper.shape(text, rtl), size)

    def shape(self, text: str, rtl: bool = False) -> list:
        """Glyph code points of one line from left to right, for `line_of` in one or more sizes."""
        return shaper.shape(text, rtl)

    def line_of(self, glyphs: list, size: int) -> Line:
        """A line of glyph code points in a size."""
        atlas = self.atlas
        entries = []
        width = 0
        for code in glyphs:
            entry = atlas.find(size, code)
            entries.append(entry)
            width += atlas.data[entry + 3]
        return Line(entries, width, size)

    def draw(
        self, canvas: "Canvas", x: int, y: int, text: str, size: int, align: str = "start", rtl: bool = False
    ) -> int:
        """Draw one line whose top is at y; returns its width.

        `rtl` is the paragraph's direction. `align` says what x is: "start" the edge where reading begins (left, or right if
        `rtl`), "end" the other edge, "center" the middle.
        """
        line = self.line(text, size, rtl)
        self.draw_line(canvas, left_edge(x, line.width, align, rtl), y, line)
        return line.width

    def draw_line(self, canvas: "Canvas", left: int, y: int, line: Line) -> None:
        """Draw a shaped line with its left edge at `left` and its top at y."""
        if y >= canvas.top + canvas.height or y + self.line_height(line.size) <= canvas.top:
            return
        data = self.atlas.data
        for at in line.entries:
            height = data[at + 7]
            if height:
                offset = (data[at] << 16) | (data[at + 1] << 8) | data[at + 2]
                canvas.blit(left + data[at + 4] - 64, y + data[at + 5], data[at + 6], height, data, offset)
            left += data[at + 3]

    def width(self, text: str, size: int, rtl: bool = False) -> int:
        """Width in pixels of one line of text."""
        return self.line(text, size, rtl).width

    def line_height(self, size: int) -> int:
        """Pixels from one line's top to the next one's."""
        return self.atlas.line_height(size)

    def ascent(self, size: int) -> int:
        """Pixels from a line's top to its baseline."""
        return self.atlas.ascent(size)

    def wrap(self, text: str, size: int, width: int, rtl: bool = False) -> list:
        """Break at spaces and line feeds into lines of at most `width` pixels; a word that is wider is broken anywhere.

        A number with spaces between its thousands is never broken. Isolates that a break divides are closed and opened again.
        """
        lines = []
        space = self.width(" ", size)
        for paragraph in text.split("\n"):
            current = ""
            used = 0
            for word in _words(paragraph):
                wide = self.width(word, size, rtl)  # no letter joins across a space: widths add up
                if current and used + space + wide <= width:
                    current += " " + word
                    used += space + wide
                    continue
                if current:
                    lines.append(current)
                while wide > width and len(word) > 1:
                    cut = self._fitting(word, size, width, rtl)
                    lines.append(word[:cut])
                    word = word[cut:]
                    wide = self.width(word, size, rtl)
                current = word
                used = wide
            lines.append(current)
        return _balanced(lines)

    def _fitting(self, word: str, size: int, width: int, rtl: bool) -> int:
        """How many characters of a word fit in `width`, at least one."""
        cut = len(word) - 1
        while cut > 1 and self.width(word[:cut], size, rtl) > width:
            cut -= 1
        return cut


def left_edge(x: int, width: int, align: str, rtl: bool) -> int:
    """Left edge of a line of `width` pixels anchored at x (see `TextEngine.draw`)."""
    if align == "center":
        return x - (width >> 1)
    if (align == "end") != rtl:
        return x - width
    return x


def _words(paragraph: str) -> list:
    """Words of a paragraph; a space that divides thousands does not divide words."""
    words = []
    for word in paragraph.split(" "):
        if words and _ends_group(words[-1]) and _starts_group(word):
            words[-1] += " " + word
        elif word:
            words.append(word)
    return words


def _ends_group(word: str) -> bool:
    count = 0
    while count < len(word) and word[len(word) - 1 - count].isdigit():
        count += 1
    return 1 <= count <= 3


def _starts_group(word: str) -> bool:
    return len(word) >= 3 and word[:3].isdigit() and not (len(word) > 3 and word[3].isdigit())


def _balanced(lines: list) -> list:
    """Close at each line's end the isolates that are open there, and open them again on the next line."""
    out = []
    opened = ""
    for line in lines:
        line = opened + line
        opened = ""
        for char in line:
            code = ord(char)
            if bidi.LRI <= code <= bidi.FSI:
                opened += char
            elif code == bidi.PDI and opened:
                opened = opened[: len(opened) - 1]
        out.append(line + chr(bidi.PDI) * len(opened))
    return out
