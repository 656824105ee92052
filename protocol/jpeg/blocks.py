"""Entropy-coded data: Huffman tables (ITU-T T.81 annex C) and the blocks of a sequential scan (F.2.2), out of a buffer that fills.

A block that needs bytes which have not come raises `MoreNeeded`; the caller goes back to where its unit began (`mark`, `back`) and
tries again later. At a marker the data end: zero bits follow, and a block that used one of them is cut short (PictureError).
"""

from array import array
from typing import TYPE_CHECKING

from protocol.jpeg import PictureError
from protocol.jpeg.inverse import COEFFICIENT_LIMIT, DROPPED

if TYPE_CHECKING:
    Bytes = bytes | bytearray | memoryview


FAST = 7  # bits; few codes of a picture are longer, and a table takes 2 bytes for each value


class MoreNeeded(Exception):
    """The block goes on beyond the bytes that have come."""


class HuffmanTable:
    """`fast` by the next FAST bits: length and symbol, 0 for a longer code; `limits` and `offsets` by length for those."""

    def __init__(self, counts: "Bytes", symbols: "Bytes") -> None:
        """`counts` of codes by length 1 to 16 (BITS), `symbols` in their order (HUFFVAL). PictureError if they make no code."""
        self.symbols = bytes(symbols)
        self.fast = array("H", bytes(2 << FAST))
        self.limits = array("H", bytes(34))
        self.offsets = array("l", [0] * 17)
        code = at = 0
        for length in range(1, 17):
            count = counts[length - 1]
            if code + count > 1 << length or (length == 16 and code + count > 0xFFFF):
                raise PictureError("a Huffman table is overfull", detail="DHT")
            self.offsets[length] = at - code
            if length <= FAST:
                for _ in range(count):
                    first = code << (FAST - length)
                    for entry in range(first, first + (1 << (FAST - length))):
                        self.fast[entry] = length << 8 | self.symbols[at]
                    code += 1
                    at += 1
            else:
                code += count
                at += count
            self.limits[length] = min(code << (16 - length), 0xFFFF)
            code <<= 1

    def long(self, peek: int) -> int:
        """Length and symbol, as in `fast`, of a code longer than FAST bits that `peek` (16 bits) begins with."""
        for length in range(FAST + 1, 17):
            if peek < self.limits[length]:
                return length << 8 | self.symbols[self.offsets[length] + (peek >> (16 - length))]
        raise PictureError("a code that no Huffman table has", detail="scan")


class Bits:
    """`buffer` with what has come from `position` up to `end`; `bits` of it already taken into `pool`."""

    def __init__(self, buffer: bytearray) -> None:
        self.buffer = buffer
        self.position = self.end = 0
        self.pool = self.bits = self.padding = 0
        self._mark = array("l", (0, 0, 0, 0))

    def mark(self) -> None:
        """Remember this place."""
        mark = self._mark
        mark[0], mark[1], mark[2], mark[3] = self.position, self.pool, self.bits, self.padding

    def back(self) -> None:
        """Return to the place remembered."""
        mark = self._mark
        self.position, self.pool, self.bits, self.padding = mark[0], mark[1], mark[2], mark[3]

    def align(self) -> None:
        """Forget the bits left before a marker."""
        self.pool = self.bits = self.padding = 0

    def block(
        self,
        first: HuffmanTable,
        rest: HuffmanTable,
        place: "Bytes",
        quantised: "Bytes | array[int]",
        out: "array[int] | None",
    ) -> int:
        """Decode one block and return its DC difference (F.2.2.1); its other coefficients, times `quantised`, go to `out`, which is
        blank, where `place` says (F.2.2.2). `out` None: the block is passed over."""
        buffer, position, pool, bits = self.buffer, self.position, self.pool, self.bits
        table, difference, at, size = first, 0, 0, 0
        while at < 64:
            while bits <= 16:
                if position + 1 >= self.end:
                    raise MoreNeeded
                byte = buffer[position]
                position += 1
                if byte == 0xFF:
                    if buffer[position]:
                        position -= 1
                        byte = 0
                        self.padding += 8
                    else:
                        position += 1
                pool = (pool << 8 | byte) & 0xFFFFFF
                bits += 8
            if size:  # the bits after a symbol: F.2.2.1, EXTEND
                bits -= size
                value = pool >> bits & ((1 << size) - 1)
                if not value >> (size - 1):
                    value -= (1 << size) - 1
                size = 0
                if at == 0:
                    difference = value
                elif out is not None and place[at] != DROPPED:
                    value *= quantised[at]
                    out[place[at]] = max(-COEFFICIENT_LIMIT, min(COEFFICIENT_LIMIT, value))
                at += 1
                table = rest
                continue
            peek = pool >> (bits - 16) & 0xFFFF
            entry = table.fast[peek >> (16 - FAST)] or table.long(peek)
            bits -= entry >> 8
            size = entry & 15
            if at:
                if size:
                    at += entry >> 4 & 15
                elif entry & 0xF0 == 0xF0:
                    at += 16
                else:
                    break  # EOB
            elif entry & 0xF0:
                raise PictureError("a DC difference of too many bits", detail="scan")
            elif not size:
                at, table = 1, rest
            if at > 64 or (size and at > 63):
                raise PictureError("a block of more than 64 coefficients", detail="scan")
        if self.padding > bits:
            raise PictureError("the picture is cut short", detail="scan")
        self.position, self.pool, self.bits = position, pool, bits
        return difference
