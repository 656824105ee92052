"""A page being laid out: coloured panels with text and simple shapes, later drawn band by band by the `Face`.

Words are shaped once, here; panels keep glyph runs and rectangles, no pixels. Layout is mirrored for Arabic except where a
thing stands for a physical key. What does not fit is made smaller, then cut with an ellipsis: nothing is ever clipped in
mid-glyph.
"""

from typing import TYPE_CHECKING

from terminal.face.catalogue import is_rtl, ltr
from terminal.face.text import left_edge

if TYPE_CHECKING:
    from terminal.face.canvas import Canvas
    from terminal.face.catalogue import Catalogue
    from terminal.face.text import Line, TextEngine

WIDTH = 320
HEIGHT = 240
STATUS_HEIGHT = 24
TITLE_HEIGHT = 36
FOOTER_HEIGHT = 28
FOOTER_TOP = HEIGHT - FOOTER_HEIGHT
MARGIN = 10
SMALL = 16
NORMAL = 20
LARGE = 24
HUGE = 32
FIGURES = 44  # digits, DA and دج only

TEXT = 0
FILL = 1
BOX = 2
INVERT = 3
BITMAP = 4


def rgb(red: int, green: int, blue: int) -> int:
    """RGB565 of 8-bit components."""
    return (red >> 3 << 11) | (green >> 2 << 5) | (blue >> 3)


WHITE = rgb(255, 255, 255)
BLACK = rgb(16, 20, 24)
NAVY = rgb(20, 56, 104)
GREEN = rgb(0, 120, 60)
LEAF = rgb(120, 230, 150)
AMBER = rgb(255, 184, 0)
RED = rgb(190, 20, 30)
BLUE = rgb(70, 95, 140)
GREY = rgb(88, 96, 104)
LIGHT = rgb(228, 234, 240)


class Panel:
    """A rectangle in two colours; `items` hold what is drawn, in page coordinates."""

    def __init__(self, x: int, y: int, width: int, height: int, ink: int, paper: int) -> None:
        self.x = x
        self.y = y
        self.width = width
        self.height = height
        self.ink = ink
        self.paper = paper
        self.items = []

    def signature(self) -> tuple:
        """Equal for panels that look the same: place, colours and two 25-bit sums over the content."""
        first, second = 7, 11
        for item in self.items:
            values = item[3].entries if item[0] == TEXT else item[3:6]  # of a bitmap: size and sum, not the dots
            for value in item[:3]:
                first = (first * 31 + value) & 0x1FFFFFF
                second = (second * 29 + value) & 0x1FFFFFF
            for value in values:
                first = (first * 31 + value) & 0x1FFFFFF
                second = (second * 29 + value) & 0x1FFFFFF
        return (self.x, self.y, self.width, self.height, self.ink, self.paper, first, second)

    def paint(self, engine: "TextEngine", canvas: "Canvas") -> None:
        """Draw the part that lies in the canvas' window."""
        for item in self.items:
            kind, x, y = item[0], item[1], item[2]
            if kind == TEXT:
                engine.draw_line(canvas, x, y, item[3])
            elif kind == FILL:
                canvas.fill(x, y, item[3], item[4])
            elif kind == BOX:
                canvas.box(x, y, item[3], item[4], item[5])
            elif kind == BITMAP:
                canvas.blit(x, y, item[3], item[4], item[6], 0)
            else:
                canvas.invert(x, y, item[3], item[4])


class Sheet:
    """One page in one language. Panels are stacked from below the status bar down to the footer."""

    def __init__(self, engine: "TextEngine", catalogue: "Catalogue", lang: str) -> None:
        self.engine = engine
        self.catalogue = catalogue
        self.lang = lang
        self.rtl = is_rtl(lang)
        self.panels = []
        self.y = STATUS_HEIGHT
        self.panel_ = Panel(0, 0, WIDTH, STATUS_HEIGHT, WHITE, BLACK)  # where stacking begins; not itself drawn

    def t(self, key: str, **fields: object) -> str:
        """Text of the catalogue in the sheet's language."""
        return self.catalogue.text(key, self.lang, **fields)

    # panels

    def panel(self, height: int, ink: int = BLACK, paper: int = WHITE) -> Panel:
        """Begin a panel of full width below the one before."""
        top = self.panel_.y + self.panel_.height
        panel = Panel(0, top, WIDTH, height, ink, paper)
        self.panels.append(panel)
        self.panel_ = panel
        self.y = top
        return panel

    def cell(self, x: int, y: int, width: int, height: int, ink: int, paper: int, text: str) -> None:
        """A panel of its own beside others, with one line of small text in its middle."""
        panel = Panel(x, y, width, height, ink, paper)
        self.panels.append(panel)
        if text:
            line = self.fit(text, SMALL, width - 4)
            top = y + ((height - self.engine.line_height(line.size)) >> 1)
            panel.items.append((TEXT, x + ((width - line.width) >> 1), top, line))

    def title(self, text: str, colour: int = NAVY, ink: int = WHITE) -> None:
        """The coloured bar under the status bar; a body panel follows it."""
        self.panel(TITLE_HEIGHT, ink, colour)
        self.middle(text, LARGE, TITLE_HEIGHT)
        self.panel(FOOTER_TOP - STATUS_HEIGHT - TITLE_HEIGHT)
        self.space(6)

    def paged(self, key: str, page: int, pages: int) -> None:
        """A title that says which of several pages this is."""
        text = self.t(key)
        if pages > 1:
            text += " · " + self.t("offence.page", page=ltr(str(page) + "/" + str(pages)))
        self.title(text)

    def footer(self, left: str, middle: str, right: str) -> None:
        """Hints for the red, yellow and green keys, in the keys' own order in every language; empty for a dead key."""
        for x, width, text, ink, paper in (
            (0, 104, left, WHITE, RED),
            (104, 112, middle, BLACK, AMBER),
            (216, 104, right, WHITE, GREEN),
        ):
            self.cell(x, FOOTER_TOP, width, FOOTER_HEIGHT, ink, paper if text else LIGHT, text)

    # text

    def fit(self, text: str, size: int, width: int) -> "Line":
        """The line in the largest size up to `size` in which it fits, cut with an ellipsis if it fits in none."""
        engine = self.engine
        glyphs = engine.shape(text, self.rtl)
        line = engine.line_of(glyphs, size)
        for smaller in (LARGE, NORMAL, SMALL):
            if line.width <= width:
                return line
            if smaller < size:
                line = engine.line_of(glyphs, smaller)
        cut = len(text)
        while line.width > width and cut:
            cut = min(cut - 1, cut * width // line.width + 1)
            line = engine.line(text[:cut] + "…", SMALL, self.rtl)
        return line

    def put(self, line: "Line", x: int, y: int, align: str) -> None:
        """A shaped line at a place of the current panel (see `TextEngine.draw`)."""
        self.panel_.items.append((TEXT, left_edge(x, line.width, align, self.rtl), y, line))

    def start_x(self, indent: int = 0) -> int:
        """The edge where reading begins."""
        return WIDTH - MARGIN - indent if self.rtl else MARGIN + indent

    def end_x(self) -> int:
        """The edge where reading ends."""
        return MARGIN if self.rtl else WIDTH - MARGIN

    def space(self, pixels: int) -> None:
        """Leave room."""
        self.y += pixels

    def line(self, text: str, size: int = NORMAL, align: str = "start", indent: int = 0) -> None:
        """One line of text at the cursor, which moves below it."""
        line = self.fit(text, size, WIDTH - 2 * MARGIN - indent)
        x = WIDTH >> 1 if align == "center" else (self.end_x() if align == "end" else self.start_x(indent))
        self.put(line, x, self.y, align)
        self.y += self.engine.line_height(line.size)

    def middle(self, text: str, size: int, height: int) -> None:
        """One line in the middle of the `height` pixels below the cursor, which stays."""
        line = self.fit(text, size, WIDTH - 2 * MARGIN)
        self.put(line, WIDTH >> 1, self.y + ((height - self.engine.line_height(line.size)) >> 1), "center")

    def para(self, text: str, size: int = NORMAL, align: str = "start", height: int = 0, lines: int = 9) -> None:
        """A paragraph of at most `lines` lines in the largest size up to `size` in which it fits.

        It has the room down to the footer; or, if `height` is given, it stands in the middle of that height, and the cursor
        moves below it.
        """
        room = height or FOOTER_TOP - self.y
        width = WIDTH - 2 * MARGIN
        wrapped = self.engine.wrap(text, size, width, self.rtl)
        most = min(lines, room // self.engine.line_height(size))
        while len(wrapped) > most and size > SMALL:
            size = LARGE if size > LARGE else NORMAL if size > NORMAL else SMALL
            wrapped = self.engine.wrap(text, size, width, self.rtl)
            most = min(lines, room // self.engine.line_height(size))
        if len(wrapped) > most:
            wrapped = wrapped[:most]
            wrapped[most - 1] += "…"
        bottom = self.y + height
        if height:
            self.y += (height - len(wrapped) * self.engine.line_height(size)) >> 1
        for part in wrapped:
            self.line(part, size, align)
        if height:
            self.y = bottom

    def pair(self, label: str, value: str, size: int = NORMAL) -> None:
        """A label where reading begins and its value at the other end."""
        value_line = self.fit(value, size, 220)
        label_line = self.fit(label, size, WIDTH - 2 * MARGIN - 8 - value_line.width)
        self.put(label_line, self.start_x(), self.y + self._drop(label_line, size), "start")
        self.put(value_line, self.end_x(), self.y + self._drop(value_line, size), "end")
        self.y += self.engine.line_height(size)

    def _drop(self, line: "Line", size: int) -> int:
        """How much lower a smaller line must begin to share the baseline."""
        return self.engine.ascent(size) - self.engine.ascent(line.size)

    def amount(self, text: str) -> None:
        """A sum in big figures in the middle."""
        self.line(text, FIGURES, "center")

    # shapes

    def fill(self, x: int, y: int, width: int, height: int) -> None:
        """A filled rectangle."""
        self.panel_.items.append((FILL, x, y, width, height))

    def box(self, x: int, y: int, width: int, height: int, thickness: int = 1) -> None:
        """A frame."""
        self.panel_.items.append((BOX, x, y, width, height, thickness))

    def invert(self, x: int, y: int, width: int, height: int) -> None:
        """Swap ink and paper."""
        self.panel_.items.append((INVERT, x, y, width, height))

    def picture(self, x: int, y: int, width: int, height: int, rows: "bytes") -> None:
        """A bitmap: rows of ceil(width / 8) bytes, 1 = ink."""
        mark = 0
        for value in rows:
            mark = (mark * 31 + value) & 0x1FFFFFF
        self.panel_.items.append((BITMAP, x, y, width, height, mark, rows))

    def rule(self) -> None:
        """A thin line across."""
        self.fill(MARGIN, self.y + 1, WIDTH - 2 * MARGIN, 1)
        self.y += 5

    def menu(self, labels: list, height: int = 36, size: int = LARGE) -> None:
        """Numbered choices, 1 first: the number in a filled square where reading begins."""
        for index, label in enumerate(labels):
            side = height - 8
            x = self.start_x() - side if self.rtl else self.start_x()
            top = self.y + 4
            self.fill(x, top, side, side)
            number = self.engine.line(str(index + 1), NORMAL)
            drop = (side - self.engine.line_height(NORMAL)) >> 1
            self.put_inverted(number, x + ((side - number.width) >> 1), top + drop)
            line = self.fit(label, size, WIDTH - 2 * MARGIN - side - 10)
            self.put(
                line, self.start_x(side + 10), self.y + ((height - self.engine.line_height(line.size)) >> 1), "start"
            )
            self.y += height

    def put_inverted(self, line: "Line", left: int, top: int) -> None:
        """A line of text in the paper's colour, to lie on a filled shape: the shape's part is inverted around the text."""
        height = self.engine.line_height(line.size)
        self.invert(left, top, line.width, height)
        self.panel_.items.append((TEXT, left, top, line))
        self.invert(left, top, line.width, height)

    def row(self, text: str, size: int, height: int, selected: bool) -> None:
        """A row of a list, on dark ground if selected."""
        line = self.fit(text, size, WIDTH - 2 * MARGIN)
        self.put(line, self.start_x(), self.y + ((height - self.engine.line_height(line.size)) >> 1), "start")
        if selected:
            self.invert(0, self.y, WIDTH, height)
        self.y += height

    def progress(self, done: int, total: int) -> None:
        """A bar that fills from where reading begins; empty when the total is 0."""
        width = WIDTH - 4 * MARGIN
        part = (width - 8) * min(done, total) // total if total > 0 else 0
        x = 2 * MARGIN
        self.box(x, self.y, width, 24, 2)
        self.fill(x + width - 4 - part if self.rtl else x + 4, self.y + 4, part, 16)
        self.y += 32

    def card_icon(self, chip_left: bool) -> None:
        """A card with its chip, in the middle."""
        x, y = (WIDTH - 96) >> 1, self.y
        self.box(x, y, 96, 60, 3)
        self.box(x + 12 if chip_left else x + 62, y + 16, 22, 18, 2)
        self.fill(x + 12, y + 44, 50, 4)
        self.y += 66
