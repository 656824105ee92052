"""A band of 1-bit pixels with a place on the page: drawing uses page coordinates, what lies outside the band is clipped.

Rows are ceil(width / 8) bytes, most significant bit left, 1 = ink: what `Display.band` and the printer's raster take. The
buffer is the caller's and is never resized. Colours, text and layout are not done here.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    Bytes = bytes | bytearray | memoryview


class Canvas:
    """`width` x `height` pixels in `buffer`, whose upper left corner lies at (`left`, `top`) of the page."""

    def __init__(self, width: int, height: int, buffer: "bytearray | memoryview", left: int = 0, top: int = 0) -> None:
        self.width = width
        self.height = height
        self.stride = (width + 7) >> 3
        self.buffer = buffer
        self.left = left
        self.top = top

    def place(self, left: int, top: int, width: int, height: int) -> None:
        """Make the band another window of the page, and blank it. The buffer must hold ceil(width / 8) * height bytes."""
        self.left = left
        self.top = top
        self.width = width
        self.height = height
        self.stride = (width + 7) >> 3
        self.clear()

    def clear(self) -> None:
        """Make every pixel of the band blank."""
        buffer = self.buffer
        for at in range(self.stride * self.height):
            buffer[at] = 0

    def rows(self) -> memoryview:
        """The bytes of the band as they are now."""
        return memoryview(self.buffer)[: self.stride * self.height]

    def blit(self, x: int, y: int, width: int, height: int, data: "Bytes", offset: int) -> None:
        """Add the ink of a bitmap (rows of ceil(width / 8) bytes in `data` from `offset`) with its upper left corner at (x, y)."""
        y -= self.top
        x -= self.left
        if y >= self.height or y + height <= 0 or x >= self.width or x + width <= 0:
            return
        source_stride = (width + 7) >> 3
        first = -y if y < 0 else 0
        last = min(height, self.height - y)
        shift = x & 7
        back = 8 - shift
        column = x >> 3
        stride = self.stride
        buffer = self.buffer
        inside = column >= 0 and column + source_stride < stride
        row = (y + first) * stride + column
        source = offset + first * source_stride
        for _ in range(first, last):
            for at in range(source_stride):
                bits = data[source + at]
                if bits:
                    if inside or 0 <= column + at < stride:
                        buffer[row + at] |= bits >> shift
                    if shift and (inside or 0 <= column + at + 1 < stride):
                        buffer[row + at + 1] |= (bits << back) & 0xFF
            row += stride
            source += source_stride

    def _span(self, x: int, y: int, width: int, invert: bool) -> None:
        """Ink or invert one row of pixels."""
        y -= self.top
        start = max(0, x - self.left)
        end = min(self.width, x - self.left + width)
        if y < 0 or y >= self.height or start >= end:
            return
        row = y * self.stride
        first, last = start >> 3, (end - 1) >> 3
        for at in range(first, last + 1):
            mask = 0xFF
            if at == first:
                mask &= 0xFF >> (start & 7)
            if at == last:
                mask &= (0xFF00 >> (((end - 1) & 7) + 1)) & 0xFF
            if invert:
                self.buffer[row + at] ^= mask
            else:
                self.buffer[row + at] |= mask

    def hline(self, x: int, y: int, width: int, thickness: int = 1) -> None:
        """A horizontal line of ink, `thickness` pixels high downwards from y."""
        for row in range(y, y + thickness):
            self._span(x, row, width, False)

    def fill(self, x: int, y: int, width: int, height: int) -> None:
        """A filled rectangle of ink."""
        for row in range(max(y, self.top), min(y + height, self.top + self.height)):
            self._span(x, row, width, False)

    def box(self, x: int, y: int, width: int, height: int, thickness: int = 1) -> None:
        """The frame of a rectangle, drawn inwards."""
        self.hline(x, y, width, thickness)
        self.hline(x, y + height - thickness, width, thickness)
        self.fill(x, y, thickness, height)
        self.fill(x + width - thickness, y, thickness, height)

    def invert(self, x: int, y: int, width: int, height: int) -> None:
        """Swap ink and blank in a rectangle."""
        for row in range(max(y, self.top), min(y + height, self.top + self.height)):
            self._span(x, row, width, True)
