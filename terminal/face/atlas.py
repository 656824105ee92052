"""The glyph atlas: 1-bit glyphs of a few sizes, read in place from one bytes-like object (never copied, no object per glyph).

Made at build time by `tools.face.atlas`. All numbers big-endian:

    "TFA1"  u8 sizes  3 x u8 zero
    per size, 16 bytes: u8 size (em, px)  u8 ascent  u8 line height  u8 zero  u16 glyphs  u16 zero  u32 codes at  u32 entries at
    codes: u16 each, ascending code points (presentation forms for Arabic)
    entries, 8 bytes each: u24 bitmap at  u8 advance  u8 left + 64  u8 top (from the line's top)  u8 width  u8 height
    bitmaps: rows of ceil(width / 8) bytes, most significant bit left

On a microcontroller the bytes come from the read-only file system: `open_blob`.
"""

from typing import TYPE_CHECKING

from protocol.errors import ConfigError

if TYPE_CHECKING:
    Bytes = bytes | bytearray | memoryview

MISSING = 0xFFFD
_RECORD = 16


def open_blob(path: str) -> memoryview:
    """A resource file as a memoryview: in place where the file system offers it (ROMFS), else read once into memory."""
    with open(path, "rb") as file:
        try:
            return memoryview(file)  # pyright: ignore[reportArgumentType]
        except TypeError:
            return memoryview(file.read())


class Atlas:
    """Reader of an atlas. `data` is any bytes-like object that outlives this one. Raises ConfigError CFG-050 on other bytes."""

    def __init__(self, data: "Bytes") -> None:
        if len(data) < 8 or bytes(data[:4]) != b"TFA1":
            raise ConfigError("the glyph atlas is not one", "CFG-050", "install the terminal's image again")
        self.data = data
        self._size = 0
        self._record = 0

    def sizes(self) -> list:
        """The sizes held, in pixels per em, ascending."""
        return [self.data[8 + _RECORD * at] for at in range(self.data[4])]

    def _select(self, size: int) -> int:
        """Offset of the record of `size`; raises ConfigError CFG-051 for a size that the atlas lacks."""
        if size == self._size:
            return self._record
        for at in range(self.data[4]):
            record = 8 + _RECORD * at
            if self.data[record] == size:
                self._size, self._record = size, record
                return record
        raise ConfigError("the glyph atlas has no size " + str(size), "CFG-051", "use one of its sizes", size)

    def ascent(self, size: int) -> int:
        """Pixels from the top of a line to its baseline."""
        return self.data[self._select(size) + 1]

    def line_height(self, size: int) -> int:
        """Pixels from the top of a line to the top of the next."""
        return self.data[self._select(size) + 2]

    def _u32(self, at: int) -> int:
        data = self.data
        return ((data[at + 1] << 16) | (data[at + 2] << 8) | data[at + 3]) + (data[at] << 24)

    def find(self, size: int, code: int) -> int:
        """Offset of a glyph's entry; of U+FFFD's (a box) if the atlas lacks the glyph."""
        entry = self._find(size, code)
        return entry if entry >= 0 else self._find(size, MISSING)

    def has(self, size: int, code: int) -> bool:
        """Whether the atlas holds the glyph in that size."""
        return self._find(size, code) >= 0

    def _find(self, size: int, code: int) -> int:
        data = self.data
        record = self._select(size)
        codes = self._u32(record + 8)
        low = 0
        high = (data[record + 4] << 8) | data[record + 5]
        while low < high:
            middle = (low + high) >> 1
            at = codes + 2 * middle
            here = (data[at] << 8) | data[at + 1]
            if here == code:
                return self._u32(record + 12) + 8 * middle
            if here < code:
                low = middle + 1
            else:
                high = middle
        return -1
