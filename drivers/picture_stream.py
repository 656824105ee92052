"""Portraits on a microcontroller: sequential JPEG is decoded as the chip gives it, fitted and dithered; nothing of the file is kept.

Rows of grey come from `protocol.jpeg` at the smallest scale that is not smaller than the picture shown; they are averaged to its size,
contrast is stretched and errors are diffused. Progressive JPEG, JPEG 2000 and pictures beyond `protocol.jpeg`'s limits are UNABLE.
"""

from array import array
from typing import TYPE_CHECKING

from drivers.contracts.picture import BROKEN, UNABLE, Picture
from protocol.jpeg import PictureError, UnsupportedPicture
from protocol.jpeg.decoder import Decoder

if TYPE_CHECKING:
    Bytes = bytes | bytearray | memoryview

JPEG, JP2, CODESTREAM = b"\xff\xd8\xff", b"\x00\x00\x00\x0cjP  \r\n\x87\n", b"\xff\x4f\xff\x51"
_ROWS_AHEAD = 40  # of the picture shown, until which its contrast is learnt
_DARKEST, _LIGHTEST = 4, 11  # of sixteen greys: what becomes black is no lighter, what becomes white no darker
_AHEAD = 1024  # bytes in which a picture must begin


class StreamPicture(Picture):
    """Looks for the picture's first bytes, then decodes."""

    def __init__(self, width: int, height: int) -> None:
        self._head = b""
        self._fault = ""
        self._whole = False
        self._fit = Fit(width, height)
        self._decoder: "Decoder | None" = None

    def feed(self, data: "Bytes") -> None:
        """See the contract."""
        if self._fault or self._whole:
            return
        if self._decoder is None:
            self._head += bytes(data)
            data = self._look()
        decoder = self._decoder
        if decoder is not None:
            self._try(decoder.feed, data)
            if decoder.done:
                self._try(self._finish)  # at once: what comes after the portrait needs the memory

    def _look(self) -> bytes:
        """What the decoder gets of the bytes before and with the picture's beginning."""
        head = self._head
        at = head.find(JPEG)
        if at >= 0 and self._fit is not None:
            self._decoder = Decoder(self._fit)
            self._head = b""
            return head[at:]
        if head.find(JP2) >= 0 or head.find(CODESTREAM) >= 0:
            self._end(UNABLE)
        elif len(head) > _AHEAD:
            self._end(BROKEN)
        return b""

    def _try(self, function, *arguments: object) -> None:  # noqa: ANN001 - a method of the decoder
        try:
            function(*arguments)
        except UnsupportedPicture:
            self._end(UNABLE)
        except PictureError:
            self._end(BROKEN)
        except MemoryError:  # the heap has no room for a strip of it
            self._end(UNABLE)

    def _end(self, fault: str) -> None:
        self._fault = fault
        self._head = b""
        self._decoder = None
        self._fit = None

    def result(self) -> "tuple[int, int, bytes | bytearray] | str":
        """See the contract."""
        if not self._fault and not self._whole:
            self._try(self._finish)
        if self._fault or self._fit is None:
            return self._fault or BROKEN
        return self._fit.width, self._fit.height, self._fit.dots

    def _finish(self) -> None:
        decoder, fit = self._decoder, self._fit
        if decoder is None or fit is None:
            raise PictureError("no picture has begun", detail="SOI")
        decoder.finish()
        decoder.forget()
        self._decoder = None
        self._whole = True


class Fit:
    """A consumer of rows that makes them `dots`, a picture of one bit within `width` x `height`.

    Its first rows, where light background and hair are, are held in sixteen greys until they tell the contrast; the others are drawn as
    they come.
    """

    def __init__(self, width: int, height: int) -> None:
        self.width = width
        self.height = height
        self.dots = bytearray()
        self._across = self._down = 0  # size of what comes
        self._came = self._kept = self._drawn = self._held = 0
        self._ahead: "list[bytearray]" = []
        self._counts = array("H", bytes(32))
        self._levels = b""
        self._sums = array("l")
        self._errors = array("h")

    def start(self, width: int, height: int) -> int:
        """Size and memory of the picture shown; the scale to decode at."""
        if width * self.height > height * self.width:
            self.height = max(1, (height * self.width + (width >> 1)) // width)
        else:
            self.width = max(1, (width * self.height + (height >> 1)) // height)
        n = 1
        while n < 8 and (width * n < self.width << 3 or height * n < self.height << 3):
            n <<= 1
        self._across, self._down = (width * n + 7) >> 3, (height * n + 7) >> 3
        self.dots = bytearray(((self.width + 7) >> 3) * self.height)
        self._sums = array("l", [0] * self.width)
        self._errors = array("h", bytes(2 * (self.width + 2)))
        return n

    def row(self, pixels: memoryview) -> None:
        """One row of grey: added to the row in the making, which is kept when it has all its own."""
        self._came += 1
        while self._kept < self.height and self._kept * self._down // self.height < self._came:
            self._add(pixels)
            if self._came < (self._kept + 1) * self._down // self.height:
                return  # the row shown has more of its own to come
            self._keep()

    def _add(self, pixels: memoryview) -> None:
        sums, width, across = self._sums, self.width, self._across
        start = 0
        for x in range(width):
            end = (x + 1) * across // width
            if end - start < 2:
                sums[x] += pixels[start]
            else:
                total = 0
                for at in range(start, end):
                    total += pixels[at]
                sums[x] += total // (end - start)
            start = end if end < across else across - 1
        self._held += 1

    def _keep(self) -> None:
        """Make the sums one row of greys, what rounding takes from one going to the next; draw what can be drawn."""
        sums, held, counts = self._sums, self._held, self._counts
        greys = bytearray((self.width + 1) >> 1)
        owed = 0
        for x in range(self.width):
            value = sums[x] // held + owed
            sums[x] = 0
            grey = max(0, min(15, (value + 8) // 17))
            owed = value - 17 * grey
            counts[grey] += 1
            greys[x >> 1] |= grey if x & 1 else grey << 4
        self._held = 0
        self._kept += 1
        self._ahead.append(greys)
        if self._levels or self._kept == min(_ROWS_AHEAD, self.height):
            self._levels = self._levels or self._contrast()
            for greys in self._ahead:
                self._draw(greys)
            self._ahead = []

    def _contrast(self) -> bytes:
        """What each grey becomes when the darkest and lightest hundredth so far are black and white, within _DARKEST and _LIGHTEST."""
        cut = self.width * self._kept // 100
        low, left = 0, cut
        while low < _DARKEST and self._counts[low] <= left:
            left -= self._counts[low]
            low += 1
        high, left = 15, cut
        while high > _LIGHTEST and self._counts[high] <= left:
            left -= self._counts[high]
            high -= 1
        return bytes([max(0, min(255, 255 * (grey - low) // (high - low))) for grey in range(16)])

    def _draw(self, greys: bytearray) -> None:
        """The next row of dots; errors go right, and down by `_errors`, in sixteenths (Floyd-Steinberg)."""
        errors, levels, dots = self._errors, self._levels, self.dots
        base = self._drawn * ((self.width + 7) >> 3)
        errors[0] = 0
        right = corner = 0  # owed to the next dot, and to the dot below it
        for x in range(self.width):
            value = levels[greys[x >> 1] & 15 if x & 1 else greys[x >> 1] >> 4] + ((errors[x + 1] + right + 8) >> 4)
            if value < 128:
                dots[base + (x >> 3)] |= 0x80 >> (x & 7)
            else:
                value -= 255
            right = 7 * value
            errors[x] += 3 * value
            errors[x + 1] = 5 * value + corner
            corner = value
        self._drawn += 1
