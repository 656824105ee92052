"""Range-checked integers and small byte helpers (big-endian, as in ISO 7816, EMV, CBOR and X9.24).

Replaces `struct`, whose MicroPython version truncates silently on overflow, and `int.to_bytes`, which there accepts
negative numbers. Also holds the two helpers whose built-in counterparts differ between the runtimes: a stable sort
and a comparison that does not stop at the first difference. Does no little-endian: nothing on our wires needs it
except single drivers, which do it themselves.
"""

from typing import TYPE_CHECKING

from protocol.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

    Bytes = bytes | bytearray | memoryview


def be(value: int, length: int) -> bytes:
    """Encode `value` as exactly `length` big-endian bytes; FormatError if it is negative or too large."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise FormatError("an integer is needed here", "FMT-010")
    if length < 0 or value < 0 or value >> (8 * length):
        raise FormatError("integer does not fit " + str(length) + " bytes", "FMT-010")
    return value.to_bytes(length, "big")


def hexed(value: "Bytes") -> str:
    """Hexadecimal digits in small letters; of nothing no digits, where MicroPython's own `hex` gives bytes."""
    return bytes(value).hex() if len(value) else ""  # law: hex the one place


def u8(value: int) -> bytes:
    """One byte, 0..255."""
    return be(value, 1)


def u16be(value: int) -> bytes:
    """Two bytes, big-endian."""
    return be(value, 2)


def u24be(value: int) -> bytes:
    """Three bytes, big-endian."""
    return be(value, 3)


def u32be(value: int) -> bytes:
    """Four bytes, big-endian."""
    return be(value, 4)


def u64be(value: int) -> bytes:
    """Eight bytes, big-endian."""
    return be(value, 8)


def int_from(data: "Bytes") -> int:
    """The unsigned big-endian integer in `data`; an empty string is 0."""
    return int.from_bytes(data, "big")


def _read(data: "Bytes", offset: int, length: int) -> int:
    if offset < 0 or offset + length > len(data):
        raise FormatError("integer runs over the end", "FMT-011", detail=offset)
    value = 0
    for i in range(offset, offset + length):
        value = value << 8 | data[i]
    return value


def rd16(data: "Bytes", offset: int = 0) -> int:
    """Read two big-endian bytes at `offset`; FormatError if they are not there."""
    return _read(data, offset, 2)


def rd24(data: "Bytes", offset: int = 0) -> int:
    """Read three big-endian bytes at `offset`; FormatError if they are not there."""
    return _read(data, offset, 3)


def rd32(data: "Bytes", offset: int = 0) -> int:
    """Read four big-endian bytes at `offset`; FormatError if they are not there."""
    return _read(data, offset, 4)


def rd64(data: "Bytes", offset: int = 0) -> int:
    """Read eight big-endian bytes at `offset`; FormatError if they are not there."""
    return _read(data, offset, 8)


def ct_equal(a: "Bytes", b: "Bytes") -> bool:
    """Compare two byte strings without stopping at the first difference.

    The length is not secret. "Constant time" as far as an interpreter allows: no early exit, no data-dependent branch.
    """
    if len(a) != len(b):
        return False
    difference = 0
    for i in range(len(a)):
        difference |= a[i] ^ b[i]
    return difference == 0


def xor(a: "Bytes", b: "Bytes") -> bytes:
    """Bytewise exclusive or of two strings of equal length; FormatError otherwise."""
    if len(a) != len(b):
        raise FormatError("exclusive or of different lengths", "FMT-012")
    out = bytearray(a)
    for i in range(len(out)):
        out[i] ^= b[i]
    return bytes(out)


def stable_sorted(items: "Iterable[Any]", key: "Callable[[Any], Any] | None" = None) -> "list[Any]":
    """A sorted list in which equal items keep their order (MicroPython's `sorted` does not promise that).

    Bottom-up merge sort: O(n log n) comparisons with `<` only, one second list of the same length.
    """
    rows = [(item if key is None else key(item), item) for item in items]
    width, total = 1, len(rows)
    while width < total:
        merged = []
        for low in range(0, total, 2 * width):
            middle, high = min(low + width, total), min(low + 2 * width, total)
            left, right = low, middle
            while left < middle and right < high:
                if rows[right][0] < rows[left][0]:
                    merged.append(rows[right])
                    right += 1
                else:
                    merged.append(rows[left])
                    left += 1
            merged.extend(rows[left:middle])
            merged.extend(rows[right:high])
        rows = merged
        width *= 2
    return [row[1] for row in rows]
