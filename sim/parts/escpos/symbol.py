"""QR codes that the printer draws itself (GS ( k, cn = 49): the symbol store and its rendering, by segno.

Functions 165 (model), 167 (module size), 169 (error correction), 180 (store), 181 (print). Like the real part it prints no quiet
zone, and nothing at all when there is no data or the symbol is wider than the print area.
"""

import segno
from PIL import Image

LEVELS = {48: "l", 49: "m", 50: "q", 51: "h"}
STORE_MAX = 7089


class QrStore:
    """What GS ( k has set so far; ESC @ clears it."""

    def __init__(self) -> None:
        self.module = 3
        self.level = 48
        self.model = 50
        self.data = b""

    def function(self, fn: int, parameters: bytes) -> bool:
        """Carry out function `fn`; True if it is the one that prints. Values out of range are ignored, as on the part."""
        value = parameters[0] if parameters else 0
        if fn == 65 and value in (49, 50):
            self.model = value
        elif fn == 67 and 1 <= value <= 16:
            self.module = value
        elif fn == 69 and value in LEVELS:
            self.level = value
        elif fn == 80 and value == 48 and len(parameters) - 1 <= STORE_MAX:
            self.data = parameters[1:]
        return fn == 81 and value == 48

    def image(self) -> "Image.Image | None":
        """The symbol, one pixel per dot, white (255) = ink; None if there is nothing to print."""
        if not self.data:
            return None
        code = segno.make(self.data.decode("latin-1"), error=LEVELS[self.level], micro=False, boost_error=False)
        size = len(code.matrix)
        image = Image.new("1", (size, size), 0)
        for y, row in enumerate(code.matrix):
            for x, dark in enumerate(row):
                if dark:
                    image.putpixel((x, y), 255)
        return image.resize((size * self.module, size * self.module))
