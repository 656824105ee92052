"""Makes `terminal/face/atlas.bin`: draws the glyphs of Vazirmatn (OFL) at build time, 1 bit, no dithering.

Run: `python -m tools.face.atlas` writes it, `--check` only says whether it is current (exit code 1 if not). The format is
described in `terminal.face.atlas`. Joining letters are mended so that they meet exactly: the rows of the tatweel's stroke reach
the edge of each side on which a form joins. The font's licence lies beside the atlas (`atlas.OFL.txt`).
"""

import sys
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from tools.house import fonts

TARGET = Path(__file__).resolve().parents[2] / "terminal" / "face" / "atlas.bin"
INK = 256 - 150
"""Coverage (0..255) from which a pixel is ink: black on white below 150."""
BIG = 44
SIZES = {16: "arabic", 20: "arabic", 24: "arabic", 32: "arabic_bold", BIG: "arabic_bold"}
"""Pixels per em and the weight that reads best there."""
MISSING = 0xFFFD
TATWEEL = 0x640
LETTERS = [*range(0xFE80, 0xFEFD)]
EXTRA_LETTERS = [
    *range(0xFB56, 0xFB5A),
    *range(0xFB6A, 0xFB6E),
    *range(0xFB7A, 0xFB7E),
    0xFB8A,
    0xFB8B,
    *range(0xFB92, 0xFB96),
]
LATIN = "".join(map(chr, range(0x20, 0x7F))) + "\u00a0ÀÂÆÇÉÈÊËÎÏÔÙÛÜŒàâæçéèêëîïôùûüÿœäöáíóúñ°·×«»–—‘’“”…•€²"
ARABIC_SIGNS = "،؛؟٪ـ"
SYMBOLS = "←→↑↓✓✗▲▼●○■□⚠"
BIG_TEXT = "0123456789 \u00a0.,-+:%DA/*" + "\ufea9\ufeaa\ufe9d\ufe9e" + "ـ"


def code_points(size: int) -> "list[int]":
    """The code points drawn at `size`, ascending."""
    if size == BIG:
        return sorted({*map(ord, BIG_TEXT), MISSING})
    text = LATIN + ARABIC_SIGNS + SYMBOLS + "\u202f"
    return sorted({*LETTERS, *EXTRA_LETTERS, *map(ord, text), MISSING})


def joins(code: int) -> "tuple[bool, bool]":
    """Whether a presentation form joins on its right side and on its left side."""
    if code == TATWEEL:
        return True, True
    for first, last in ((0xFE80, 0xFE80), (0xFEF5, 0xFEFC)):
        if first <= code <= last:
            return code >= 0xFEF5 and (code - 0xFEF5) % 2 == 1, False
    base, forms = _family(code)
    if base == 0:
        return False, False
    form = code - base
    return form in (1, 3), forms == 4 and form in (2, 3)


def _family(code: int) -> "tuple[int, int]":
    """First form and number of forms of the letter that `code` is a form of; (0, 0) for no joining letter."""
    counts = [2, 2, 2, 2, 4, 2, 4, 2, *[4] * 5, 2, 2, 2, 2, *[4] * 14, 2, 2, 4]
    base = 0xFE81
    for count in counts:
        if base <= code < base + count:
            return base, count
        base += count
    for base, count in ((0xFB56, 4), (0xFB6A, 4), (0xFB7A, 4), (0xFB8A, 2), (0xFB92, 4)):
        if base <= code < base + count:
            return base, count
    return 0, 0


class Glyph:
    """Pixels of one glyph as a set of (x, y), y from the line's top; `advance` in pixels."""

    def __init__(self, advance: int, pixels: "set[tuple[int, int]]") -> None:
        self.advance = advance
        self.pixels = pixels


def draw(font: ImageFont.FreeTypeFont, code: int, baseline: int) -> Glyph:
    """Draw one glyph with its pen at x = 0."""
    text = chr(code)
    advance = max(1, round(font.getlength(text)))
    margin = 16
    image = Image.new("L", (advance + 2 * margin + 8, baseline * 3))
    ImageDraw.Draw(image).text((margin, baseline), text, fill=255, font=font, anchor="ls")
    data = image.tobytes()
    width = image.size[0]
    pixels = {(at % width - margin, at // width) for at, value in enumerate(data) if value >= INK}
    return Glyph(advance, pixels)


def symbol(code: int, size: int, baseline: int) -> "Glyph | None":
    """Signs that Vazirmatn lacks, drawn as polygons on a square of the size of a capital."""
    side = max(9, round(size * (0.85 if code == 0x26A0 else 0.7))) | 1
    half = side // 2
    grid = [(x, y) for y in range(side) for x in range(side)]
    thick = max(1, size // 12)

    def near(x: int, y: int, x0: float, y0: float, x1: float, y1: float) -> bool:
        length = (x1 - x0) ** 2 + (y1 - y0) ** 2
        part = max(0.0, min(1.0, ((x - x0) * (x1 - x0) + (y - y0) * (y1 - y0)) / length))
        return (x - x0 - part * (x1 - x0)) ** 2 + (y - y0 - part * (y1 - y0)) ** 2 <= (thick * 0.75) ** 2

    def arrow(x: int, y: int) -> bool:  # to the right
        shaft = near(x, y, 0, half, side - 1, half)
        return shaft or near(x, y, side - 1, half, half, 1) or near(x, y, side - 1, half, half, side - 2)

    def triangle(x: int, y: int) -> bool:
        return abs(x - half) * 2 <= y and y > 0

    def warning(x: int, y: int) -> bool:  # the exclamation mark cut out of a triangle
        bar = side * 0.38 <= y <= side * 0.66
        dot = side * 0.76 <= y <= side * 0.76 + max(1, side // 10)
        return abs(x - half) <= side // 16 and (bar or dot)

    edge = side - 1
    radius = half + 0.3
    shapes = {
        0x2192: arrow,
        0x2190: lambda x, y: arrow(edge - x, y),
        0x2193: lambda x, y: arrow(y, x),
        0x2191: lambda x, y: arrow(edge - y, x),
        0x2713: lambda x, y: near(x, y, 0, half, half * 0.7, edge) or near(x, y, half * 0.7, edge, edge, 0),
        0x2717: lambda x, y: near(x, y, 0, 0, edge, edge) or near(x, y, 0, edge, edge, 0),
        0x25B2: triangle,
        0x25BC: lambda x, y: triangle(x, edge - y),
        0x25CF: lambda x, y: (x - half) ** 2 + (y - half) ** 2 <= radius**2,
        0x25CB: lambda x, y: (radius - thick - 0.4) ** 2 < (x - half) ** 2 + (y - half) ** 2 <= radius**2,
        0x25A0: lambda x, y: True,
        0x25A1: lambda x, y: min(x, y, edge - x, edge - y) < thick,
        0xFFFD: lambda x, y: x <= half and min(x, y, half - x, edge - y) < thick,
        0x26A0: lambda x, y: abs(x - half) * 2 <= y and not warning(x, y),
    }  # fmt: skip
    inside = shapes.get(code)
    if inside is None:
        return None
    pixels = {(x + 1, baseline - side + y) for x, y in grid if inside(x, y)}
    return Glyph((half + 1 if code == MISSING else side) + 3, pixels)


def stroke_rows(tatweel: Glyph) -> "list[int]":
    """Rows of the joining stroke, from the tatweel."""
    middle = tatweel.advance // 2
    return sorted(y for x, y in tatweel.pixels if x == middle)


def mend(glyph: Glyph, code: int, rows: "list[int]") -> None:
    """Let the joining stroke reach exactly to x = 0 and x = advance - 1 where the form joins, and never beyond."""
    right, left = joins(code)
    for joined, edge, inward in ((right, glyph.advance - 1, -1), (left, 0, 1)):
        if not joined:
            continue
        outside = {(x, y) for x, y in glyph.pixels if (x - edge) * inward < 0 and y in rows}
        glyph.pixels -= outside
        for y in rows:
            x = edge
            reach = 0
            while (x, y) not in glyph.pixels and reach <= 3:
                x += inward
                reach += 1
            stop = x if reach <= 3 else edge
            glyph.pixels |= {(k, y) for k in range(min(edge, stop), max(edge, stop) + 1)}


def render(size: int) -> "tuple[dict[int, Glyph], int, int]":
    """Glyphs of a size, its ascent and its line height (enough for every glyph)."""
    paths = fonts.font_paths()
    font = ImageFont.truetype(str(paths[SIZES[size]]), size, layout_engine=ImageFont.Layout.BASIC)
    baseline = size * 2
    glyphs: "dict[int, Glyph]" = {}
    tatweel = draw(font, TATWEEL, baseline)
    rows = stroke_rows(tatweel)
    for code in code_points(size):
        glyph = symbol(code, size, baseline)
        if glyph is None:
            source = 0x20 if code in (0xA0, 0x202F) else code
            glyph = draw(font, source, baseline)
        mend(glyph, code, rows)
        glyphs[code] = glyph
    inked = [y for glyph in glyphs.values() for _, y in glyph.pixels]
    top = min(inked) - (1 if size < 30 else 2)
    bottom = max(inked) + 1
    for glyph in glyphs.values():
        glyph.pixels = {(x, y - top) for x, y in glyph.pixels}
    return glyphs, baseline - top, bottom - top


def pack_bitmap(glyph: Glyph) -> "tuple[int, int, int, int, bytes]":
    """(left, top, width, height, rows) of the smallest box that holds the ink."""
    if not glyph.pixels:
        return 0, 0, 0, 0, b""
    left = min(x for x, _ in glyph.pixels)
    top = min(y for _, y in glyph.pixels)
    width = max(x for x, _ in glyph.pixels) - left + 1
    height = max(y for _, y in glyph.pixels) - top + 1
    stride = (width + 7) // 8
    rows = bytearray(stride * height)
    for x, y in glyph.pixels:
        rows[(y - top) * stride + (x - left) // 8] |= 0x80 >> ((x - left) % 8)
    return left, top, width, height, bytes(rows)


def build() -> bytes:
    """The whole atlas."""
    rendered = {size: render(size) for size in sorted(SIZES)}
    tables = bytearray()
    bitmaps = bytearray()
    start = 8 + 16 * len(rendered)
    records = bytearray()
    known: "dict[bytes, int]" = {}
    code_tables: "dict[bytes, int]" = {}
    for size, (glyphs, ascent, height) in rendered.items():
        codes = b"".join(code.to_bytes(2, "big") for code in glyphs)
        if codes not in code_tables:
            code_tables[codes] = start + len(tables)
            tables += codes
        entries = b""
        for glyph in glyphs.values():
            left, top, width, rows_count, rows = pack_bitmap(glyph)
            if rows not in known:
                known[rows] = len(bitmaps)
                bitmaps += rows
            at = start + total_size(rendered) + known[rows]
            entries += at.to_bytes(3, "big") + bytes((glyph.advance, left + 64, top, width, rows_count))
        entries_at = start + len(tables)
        tables += entries
        records += bytes((size, ascent, height, 0)) + len(glyphs).to_bytes(2, "big") + b"\0\0"
        records += code_tables[codes].to_bytes(4, "big") + entries_at.to_bytes(4, "big")
    return b"TFA1" + bytes((len(rendered), 0, 0, 0)) + bytes(records) + bytes(tables) + bytes(bitmaps)


def total_size(rendered: dict) -> int:
    """Bytes of all code and entry tables; sizes with the same repertoire share their code table."""
    repertoires = {tuple(glyphs) for glyphs, _, _ in rendered.values()}
    return sum(2 * len(codes) for codes in repertoires) + sum(8 * len(glyphs) for glyphs, _, _ in rendered.values())


def main() -> int:
    """Write the atlas, or with `--check` compare."""
    data = build()
    if "--check" in sys.argv:
        current = TARGET.is_file() and TARGET.read_bytes() == data
        print("current" if current else "stale: run python -m tools.face.atlas")
        return 0 if current else 1
    TARGET.write_bytes(data)
    print(f"{TARGET.name}: {len(data)} bytes, sizes {list(SIZES)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
