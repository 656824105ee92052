"""A JPEG picture fed in pieces: its lightness in rows, at an eighth, a quarter, a half or the whole of its size.

The consumer says how large: `start(width, height)` is asked once the frame is known and answers n in 1, 2, 4, 8; then `row(pixels)`
gets each row of ceil(width n / 8) grey values, ceil(height n / 8) times. What follows the lightness is not looked at.
"""

from array import array
from typing import TYPE_CHECKING

from protocol import pack
from protocol.jpeg import PictureError, inverse
from protocol.jpeg.blocks import Bits, MoreNeeded
from protocol.jpeg.headers import SOI, SOS, Frame

if TYPE_CHECKING:
    from typing import Protocol

    from protocol.jpeg.headers import Component

    Bytes = bytes | bytearray | memoryview

    class Consumer(Protocol):
        """Takes the picture."""

        def start(self, width: int, height: int) -> int:
            """The picture's size; the answer is n."""
            ...

        def row(self, pixels: memoryview) -> None:
            """The next row; the memory is used again."""
            ...


BUFFER = 1024  # bytes: the largest segment that is taken whole, or unit of blocks


class Decoder:
    """Feed it; `done` once every row has come. PictureError (UnsupportedPicture) as soon as the bytes are wrong; then it is over."""

    def __init__(self, consumer: "Consumer") -> None:
        self.done = False
        self._consumer = consumer
        self._bits = Bits(bytearray(BUFFER))
        self._frame = Frame()
        self._begun = False
        self._skip = 0
        self._scan: "Scan | None" = None

    def feed(self, data: "Bytes") -> None:
        """The next bytes of the file."""
        bits, view, at = self._bits, memoryview(data), 0
        while at < len(data) and not self.done:
            if self._skip:
                count = min(self._skip, len(data) - at)
                self._skip -= count
                at += count
                continue
            count = min(BUFFER - bits.end, len(data) - at)
            if not count:
                raise PictureError("a part of the picture is too large", detail="buffer")
            bits.buffer[bits.end : bits.end + count] = view[at : at + count]
            bits.end += count
            at += count
            while not self.done and self._step():
                pass
            self._compact()

    def finish(self) -> None:
        """The file is over: PictureError unless the whole picture has come."""
        if self._scan is not None:
            self.feed(b"\xff\xd9\xff\xd9")
        if not self.done:
            raise PictureError("the picture is cut short", detail="end")

    def forget(self) -> None:
        """Let the memory go; what is `done` stays so."""
        self._scan = None
        self._frame = Frame()
        self._bits = Bits(bytearray())

    def _compact(self) -> None:
        """Move what is not used up to the buffer's beginning."""
        bits = self._bits
        left = bits.end - bits.position
        if bits.position:
            bits.buffer[:left] = bits.buffer[bits.position : bits.end]
            bits.position, bits.end = 0, left

    def _step(self) -> bool:
        """Go on by one segment or one row of units; False if more bytes are needed."""
        if self._scan is not None:
            going = self._scan.step()
            self.done = self._scan.done
            return going
        bits = self._bits
        buffer, at, left = bits.buffer, bits.position, bits.end - bits.position
        if left < 2:
            return False
        if buffer[at] != 0xFF:
            raise PictureError("no marker where one must be", detail="marker")
        marker = buffer[at + 1]
        if not self._begun:
            if marker != SOI:
                raise PictureError("no JPEG picture", detail="SOI")
            self._begun = True
            bits.position += 2
            return True
        if marker == 0xFF:  # fill byte, B.1.1.2
            bits.position += 1
            return True
        return self._segment(marker, at, left)

    def _segment(self, marker: int, at: int, left: int) -> bool:
        bits = self._bits
        whole = self._frame.means(marker)
        if left < 4:
            return False
        length = pack.rd16(bits.buffer, at + 2)
        if length < 2 or (whole and length + 2 > BUFFER):
            raise PictureError("a segment of an impossible length", detail=marker)
        if whole and left < length + 2:
            return False
        if whole:
            self._frame.segment(marker, memoryview(bits.buffer)[at + 4 : at + 2 + length])
        if length + 2 > left:
            self._skip = length + 2 - left
            bits.position = bits.end
            return False
        bits.position = at + 2 + length
        if marker == SOS:
            self._scan = Scan(self._frame, bits, self._consumer)
        return True


class Scan:
    """The blocks of the scan, unit by unit (A.2.3: across, then down), in one strip of pixels."""

    def __init__(self, frame: Frame, bits: Bits, consumer: "Consumer") -> None:
        self.done = False
        self._frame = frame
        self._bits = bits
        self._consumer = consumer
        n = self._n = consumer.start(frame.width, frame.height)
        self._width, self._left = (frame.width * n + 7) >> 3, (frame.height * n + 7) >> 3
        lightness = frame.components[0]
        alone = len(frame.scan) == 1
        self._across, self._down = (1, 1) if alone else (lightness.across, lightness.down)
        self._units = (frame.width + 8 * self._across - 1) // (8 * self._across)
        self._stride = self._units * self._across * n
        self._strip = bytearray(self._stride * self._down * n)
        self._place = inverse.places(n)
        self._basis = inverse.basis(n)
        self._block = array("i", bytes(4 * n * n))
        self._work = array("i", bytes(4 * (n * n + inverse.WORDS)))
        self._unit = self._since = self._restarts = self._prediction = 0

    def step(self) -> bool:
        """Decode as many units as there are bytes for, at most to the end of the strip; False if more are needed."""
        bits = self._bits
        while self._unit < self._units:
            bits.mark()
            before = self._prediction
            try:
                if self._frame.interval and self._since == self._frame.interval:
                    self._restart()
                    continue
                self._one()
            except MoreNeeded:
                bits.back()
                self._prediction = before
                return False
            self._unit += 1
            self._since += 1
        self._unit = 0
        self._emit()
        return not self.done

    def _restart(self) -> None:
        """Pass the restart marker that is due here (F.2.1.3.1)."""
        bits = self._bits
        bits.align()
        while True:
            if bits.position + 2 > bits.end:
                raise MoreNeeded
            if bits.buffer[bits.position] != 0xFF:
                raise PictureError("a restart marker is missing", detail="RST")
            if bits.buffer[bits.position + 1] != 0xFF:
                break
            bits.position += 1
        if bits.buffer[bits.position + 1] != 0xD0 + self._restarts:
            raise PictureError("a restart marker is missing", detail="RST")
        bits.position += 2
        self._restarts = (self._restarts + 1) & 7
        self._since = self._prediction = 0

    def _one(self) -> None:
        """One unit: the lightness' blocks are computed, the others' passed over."""
        lightness = self._frame.scan[0]
        for part in self._frame.scan:
            if part is lightness:
                for row in range(self._down):
                    for column in range(self._across):
                        self._pixels(part, row, column)
            else:
                for _ in range(part.across * part.down):
                    self._bits.block(part.first, part.rest, b"", b"", None)  # type: ignore[arg-type]

    def _pixels(self, part: "Component", row: int, column: int) -> None:
        n, block, strip = self._n, self._block, self._strip
        for at in range(n * n):
            block[at] = 0
        table = self._frame.quantised[part.quantisation]
        difference = self._bits.block(part.first, part.rest, self._place, table, block)  # type: ignore[arg-type]
        self._prediction += difference
        if not -2048 <= self._prediction <= 2047:  # F.1.2.1: the difference has 12 bits
            raise PictureError("a brightness beyond eight bits", detail="scan")
        limit = inverse.COEFFICIENT_LIMIT
        block[0] = max(-limit, min(limit, self._prediction * table[0]))  # type: ignore[index]
        at = (row * self._stride + self._unit * self._across + column) * n
        inverse.block(block, n, self._basis, self._work, strip, at, self._stride)

    def _emit(self) -> None:
        """Hand over the strip's rows that belong to the picture."""
        view = memoryview(self._strip)
        for row in range(min(self._left, self._down * self._n)):
            self._consumer.row(view[row * self._stride : row * self._stride + self._width])
            self._left -= 1
        self.done = self._left == 0
