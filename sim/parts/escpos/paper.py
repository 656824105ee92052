"""The paper: 58 mm wide, 384 dots of it printable at 8 dots per mm, growing downwards, cut or torn into strips.

A row is 48 bytes, bit 7 of the first one leftmost, 1 = black. A strip turns into a picture with the 5 mm of bare paper that the
head cannot reach on either side. Nothing is ever printed over: thermal paper moves one way.
"""

from pathlib import Path

from PIL import Image

DOTS = 384
ROW_BYTES = DOTS // 8
DOTS_PER_MM = 8
SIDE_MARGIN = 40  # dots of bare paper on either side: (58 mm - 48 mm) / 2
BLANK_ROW = bytes(ROW_BYTES)


class Strip:
    """A piece of paper that came out: its rows, and what it was cut by ("cut" or "tear")."""

    def __init__(self, rows: "list[bytes]", ended_by: str) -> None:
        self.rows = rows
        self.ended_by = ended_by

    @property
    def length_mm(self) -> float:
        """How long the piece is."""
        return len(self.rows) / DOTS_PER_MM

    def image(self, margin: int = SIDE_MARGIN) -> Image.Image:
        """A greyscale picture, one pixel per dot, black on white, with `margin` bare dots at the left and right."""
        height = max(1, len(self.rows))
        data = b"".join(self.rows) or BLANK_ROW
        printed = Image.frombytes("1", (DOTS, height), bytes(byte ^ 0xFF for byte in data))
        paper = Image.new("L", (DOTS + 2 * margin, height), 255)
        paper.paste(printed, (margin, 0))
        return paper

    def save(self, path: Path) -> None:
        """Write the picture as PNG with its resolution (203 dots per inch)."""
        self.image().save(path, dpi=(203.2, 203.2), optimize=True)


class Paper:
    """The roll: rows printed since the last cut, and how many are left."""

    def __init__(self, rows_left: "int | None" = None) -> None:
        """`rows_left`: dots of paper on the roll, None for a roll without end."""
        self.rows_left = rows_left
        self.rows: list[bytes] = []

    @property
    def present(self) -> bool:
        """Whether there is paper under the head."""
        return self.rows_left is None or self.rows_left > 0

    def advance(self, row: bytes = BLANK_ROW) -> None:
        """Print one row of 48 bytes and move on by one dot."""
        self.rows.append(row)
        if self.rows_left is not None:
            self.rows_left -= 1

    def part(self, ended_by: str) -> Strip:
        """Take off what has come out."""
        strip = Strip(self.rows, ended_by)
        self.rows = []
        return strip
