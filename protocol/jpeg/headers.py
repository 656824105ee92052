"""Marker segments (ITU-T T.81 annex B): quantisation and Huffman tables, frame, scan, restart interval; and Adobe's APP14.

`Frame.segment` takes each segment that has a meaning here; what the other ones hold is passed over by the decoder.
"""

from array import array
from typing import TYPE_CHECKING

from protocol import pack
from protocol.jpeg import PictureError, UnsupportedPicture
from protocol.jpeg.blocks import HuffmanTable

if TYPE_CHECKING:
    Bytes = bytes | bytearray | memoryview

SOF0, SOF1, DHT, SOI, EOI, SOS, DQT, DNL, DRI, APP14 = 0xC0, 0xC1, 0xC4, 0xD8, 0xD9, 0xDA, 0xDB, 0xDC, 0xDD, 0xEE
MOST_PIXELS_A_SIDE = 2048
MOST_PIXELS = (
    1 << 19
)  # 8,192 blocks of lightness; portraits have up to 480 x 640. No card keeps a terminal busy for ever
_MOST_BLOCKS = 10  # of an interleaved unit (B.2.3)


class Component:
    """One component of the frame: sampling factors, and once its scan is known its tables."""

    def __init__(self, number: int, across: int, down: int, quantisation: int) -> None:
        self.number = number
        self.across = across
        self.down = down
        self.quantisation = quantisation
        self.first: "HuffmanTable | None" = None
        self.rest: "HuffmanTable | None" = None


class Frame:
    """What the segments said so far."""

    def __init__(self) -> None:
        self.width = self.height = 0
        self.components: "list[Component]" = []
        self.scan: "list[Component]" = []
        self.quantised: "list[array[int] | None]" = [None] * 4
        self.tables: "list[HuffmanTable | None]" = [None] * 8  # DC tables, then AC tables
        self.interval = 0
        self._transformed = True

    @staticmethod
    def means(marker: int) -> bool:
        """Whether the segment of this marker must be taken whole. UnsupportedPicture for frames of other processes."""
        if marker in (SOF0, SOF1, DHT, SOS, DQT, DRI, APP14):
            return True
        if 0xC0 <= marker <= 0xCF and marker != 0xC8:
            raise UnsupportedPicture(
                "this kind of JPEG is not decoded here", detail="progressive" if marker == 0xC2 else "process"
            )
        if marker == DNL or marker < 0xC0 or 0xD0 <= marker <= 0xD9:
            raise PictureError("a marker where none may be", detail=marker)
        return False

    def segment(self, marker: int, data: "Bytes") -> None:
        """Take the content of one segment, without its length."""
        if marker == DQT:
            self._quantisation(data)
        elif marker == DHT:
            self._huffman(data)
        elif marker == DRI:
            if len(data) != 2:
                raise PictureError("a restart interval of another length", detail="DRI")
            self.interval = pack.rd16(data)
        elif marker == APP14:
            if len(data) >= 12 and bytes(data[:5]) == b"Adobe":
                self._transformed = data[11] == 1
        elif marker == SOS:
            self._scan(data)
        else:
            self._frame(data)

    def _quantisation(self, data: "Bytes") -> None:
        at = 0
        while at < len(data):
            wide, number = data[at] >> 4, data[at] & 15
            size = 128 if wide else 64
            if wide > 1 or number > 3 or at + 1 + size > len(data):
                raise PictureError("a malformed quantisation table", detail="DQT")
            at += 1
            table = array("H", bytes(128))
            for k in range(64):
                table[k] = pack.rd16(data, at + 2 * k) if wide else data[at + k]
            self.quantised[number] = table
            at += size

    def _huffman(self, data: "Bytes") -> None:
        at = 0
        while at < len(data):
            kind, number = data[at] >> 4, data[at] & 15
            if kind > 1 or number > 3 or at + 17 > len(data):
                raise PictureError("a malformed Huffman table", detail="DHT")
            counts = data[at + 1 : at + 17]
            total = sum(counts)
            at += 17
            if total > 256 or at + total > len(data):
                raise PictureError("a malformed Huffman table", detail="DHT")
            self.tables[4 * kind + number] = HuffmanTable(counts, data[at : at + total])
            at += total

    def _frame(self, data: "Bytes") -> None:
        if self.components:
            raise PictureError("a second frame", detail="SOF")
        if len(data) < 6 or len(data) != 6 + 3 * data[5]:
            raise PictureError("a malformed frame", detail="SOF")
        self.height, self.width = pack.rd16(data, 1), pack.rd16(data, 3)
        if data[0] != 8:
            raise UnsupportedPicture("samples of other than 8 bits", detail="precision")
        if not self.width:
            raise PictureError("a picture without width", detail="SOF")
        longer = max(self.width, self.height)
        if not self.height or longer > MOST_PIXELS_A_SIDE or self.width * self.height > MOST_PIXELS:
            raise UnsupportedPicture("the picture is too large", detail="size")
        for at in range(6, len(data), 3):
            across, down = data[at + 1] >> 4, data[at + 1] & 15
            if not (1 <= across <= 4 and 1 <= down <= 4 and data[at + 2] <= 3):
                raise PictureError("a malformed frame", detail="SOF")
            self.components.append(Component(data[at], across, down, data[at + 2]))
        self._lightness()

    def _lightness(self) -> None:
        """The first component must be the lightness, not subsampled."""
        parts = self.components
        if len(parts) not in (1, 3) or bytes([part.number for part in parts]) == b"RGB":
            raise UnsupportedPicture("colours other than YCbCr", detail="colours")
        for part in parts[1:]:
            if part.across > parts[0].across or part.down > parts[0].down:
                raise UnsupportedPicture("lightness that is subsampled", detail="sampling")
        if parts[0].down > 2:
            raise UnsupportedPicture("a sampling that is not decoded here", detail="sampling")

    def _scan(self, data: "Bytes") -> None:
        if not self.components or not data or not data[0] or len(data) != 4 + 2 * data[0]:
            raise PictureError("a malformed scan", detail="SOS")
        if len(self.components) == 3 and not self._transformed:
            raise UnsupportedPicture("colours other than YCbCr", detail="colours")
        for at in range(1, 1 + 2 * data[0], 2):
            found = [part for part in self.components if part.number == data[at]]
            if len(found) != 1 or found[0] in self.scan:
                raise PictureError("a scan of unknown components", detail="SOS")
            part = found[0]
            first, rest = data[at + 1] >> 4, data[at + 1] & 15
            if first > 3 or rest > 3:
                raise PictureError("a malformed scan", detail="SOS")
            part.first, part.rest = self.tables[first], self.tables[4 + rest]
            if part.first is None or part.rest is None:
                raise PictureError("a scan without its Huffman table", detail="SOS")
            self.scan.append(part)
        if data[len(data) - 3] != 0 or data[len(data) - 2] != 63 or data[len(data) - 1] != 0:
            raise PictureError("a scan that is not sequential", detail="SOS")
        self._arrangement()

    def _arrangement(self) -> None:
        """A scan of all components, or of the lightness alone."""
        parts = self.scan
        if parts[0] is not self.components[0] or len(parts) not in (1, len(self.components)):
            raise UnsupportedPicture("a scan without the lightness", detail="scan")
        if self.quantised[parts[0].quantisation] is None:
            raise PictureError("a scan without its quantisation table", detail="SOS")
        if len(parts) > 1 and sum([part.across * part.down for part in parts]) > _MOST_BLOCKS:
            raise PictureError("too many blocks in a unit", detail="SOS")
