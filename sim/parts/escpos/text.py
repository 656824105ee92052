"""Text as the printer's own fonts set it: font A (12 x 24) and font B (9 x 17), code pages 437, 850, 852, 858, 1252.

The shapes come from DejaVu Sans Mono where it is installed, else from Pillow's own font; a real printer has other shapes in the
same cells. Only for text that a host sends as characters: Tasdid's own receipts are raster, since no code page prints Arabic.
"""

from functools import lru_cache
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from sim.parts.escpos.paper import DOTS

CODE_PAGES = {
    0: "cp437",
    2: "cp850",
    3: "cp860",
    4: "cp863",
    5: "cp865",
    16: "cp1252",
    17: "cp866",
    18: "cp852",
    19: "cp858",
}
CELLS = {0: (12, 24), 1: (9, 17)}
MONO = Path("/usr/share/fonts/truetype/dejavu/DejaVuSansMono.ttf")


class Style:
    """How the next characters look; ESC @ makes a fresh one."""

    def __init__(self) -> None:
        self.code_page = 0
        self.font = 0
        self.bold = False
        self.underline = 0
        self.inverse = False
        self.width = 1
        self.height = 1

    def cell(self) -> "tuple[int, int]":
        """(width, height) of a character in dots."""
        width, height = CELLS[self.font]
        return width * self.width, height * self.height

    def decode(self, byte: int) -> str:
        """The character of `byte` in the chosen code page."""
        return bytes([byte]).decode(CODE_PAGES.get(self.code_page, "cp437"), errors="replace")


class Line:
    """The print buffer of one line of text."""

    def __init__(self) -> None:
        self._cells: list[Image.Image] = []
        self.width = 0
        self.height = 0

    def add(self, byte: int, style: Style) -> None:
        """Append one character."""
        image = _cell(style.decode(byte), style.font, style.bold, style.underline).resize(style.cell())
        if style.inverse:
            image = image.point([255 - value for value in range(256)])
        self._cells.append(image)
        self.width += image.width
        self.height = max(self.height, image.height)

    def rows(self, offset: int) -> "list[bytes]":
        """The line's rows of 48 bytes, its characters beginning at dot `offset`, standing on a common base line."""
        canvas = Image.new("1", (DOTS, self.height), 0)
        x = offset
        for cell in self._cells:
            canvas.paste(cell, (x, self.height - cell.height))
            x += cell.width
        data = canvas.tobytes()
        return [data[i : i + DOTS // 8] for i in range(0, len(data), DOTS // 8)]


@lru_cache(maxsize=1024)
def _cell(character: str, font: int, bold: bool, underline: int) -> Image.Image:
    width, height = CELLS[font]
    image = Image.new("L", (width, height), 0)
    draw = ImageDraw.Draw(image)
    draw.text((0, height * 4 // 5), character, font=_typeface(font), fill=255, anchor="ls")
    if bold:
        draw.text((1, height * 4 // 5), character, font=_typeface(font), fill=255, anchor="ls")
    if underline:
        draw.rectangle((0, height - underline, width, height), fill=255)
    return image.point([0] * 111 + [255] * 145)


@lru_cache(maxsize=2)
def _typeface(font: int) -> "ImageFont.FreeTypeFont | ImageFont.ImageFont":
    size = {0: 20, 1: 15}[font]
    return ImageFont.truetype(str(MONO), size) if MONO.is_file() else ImageFont.load_default(size)
