"""Strict deterministic CBOR, the subset that records and messages use (RFC 8949 sections 3 and 4.2.1).

Accepted: integers from -2**64 to 2**64-1, byte and text strings, arrays, maps with integer or text keys sorted by their
encoded bytes, false, true, null; tags only where the caller asks for them. Refused: floats, undefined and other simple
values, indefinite lengths, lengths or integers not in their shortest form, unsorted or duplicate keys, text that is not
UTF-8, nesting deeper than a limit, bytes after the end. Hence `encode(decode(x)) == x` for whatever is accepted.

Errors are CborError (a FormatError) with the offset in `detail`: FMT-020 malformed or cut short, FMT-021 well-formed but
not deterministic, FMT-022 outside the subset, FMT-023 over a limit. Does no schema checking and no streaming.
"""

from typing import TYPE_CHECKING

from protocol import pack
from protocol.errors import FormatError

if TYPE_CHECKING:
    from typing import Any

    Bytes = bytes | bytearray | memoryview

MAX_SIZE = 65536
MAX_DEPTH = 8


class CborError(FormatError):
    """Bytes that are not strict CBOR, or a value that has no place in it; `detail` is the offset where known."""

    code = "FMT-020"


class Tag:
    """A tagged item: `number` (unsigned) and `value`."""

    def __init__(self, number: int, value: "Any") -> None:
        self.number = number
        self.value = value

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Tag) and self.number == other.number and self.value == other.value

    def __hash__(self) -> int:
        return hash(self.number)

    def __repr__(self) -> str:
        return "Tag(" + str(self.number) + ", …)"


def _malformed(what: str, offset: int) -> CborError:
    return CborError(what, "FMT-020", detail=offset)


def _loose(what: str, offset: int) -> CborError:
    return CborError(what, "FMT-021", detail=offset)


def _outside(what: str, offset: "int | None" = None) -> CborError:
    return CborError(what, "FMT-022", detail=offset)


def _limit(what: str, offset: "int | None" = None) -> CborError:
    return CborError(what, "FMT-023", detail=offset)


# --- encoding ---------------------------------------------------------------------------------------------------


def head(major: int, argument: int) -> bytes:
    """The initial bytes of an item: major type 0..7 and its argument in the shortest form."""
    major <<= 5
    if argument < 24:
        return bytes((major | argument,))
    if argument < 0x100:
        return bytes((major | 24, argument))
    if argument < 0x10000:
        return bytes((major | 25, argument >> 8, argument & 255))
    if argument >> 32 == 0:
        return bytes((major | 26,)) + pack.u32be(argument)
    if argument >> 64 == 0:
        return bytes((major | 27,)) + pack.u64be(argument)
    raise _outside("integer beyond 64 bits")


def _encode_map(value: "dict[Any, Any]", out: bytearray, depth: int, tags: bool) -> None:
    keys = []
    for key in value:
        if isinstance(key, bool) or not isinstance(key, (int, str)):
            raise _outside("a map key must be an integer or a text")
        encoded = bytearray()
        _encode(key, encoded, depth, tags)
        keys.append((bytes(encoded), key))
    keys.sort(key=_first)  # law: sort keys are distinct, so stability does not matter
    out.extend(head(5, len(keys)))
    for encoded_key, key in keys:
        out.extend(encoded_key)
        _encode(value[key], out, depth, tags)


def _first(pair: "tuple[bytes, Any]") -> bytes:
    return pair[0]


def _encode(value: "Any", out: bytearray, depth: int, tags: bool) -> None:
    if value is None:
        out.append(0xF6)
    elif isinstance(value, bool):
        out.append(0xF5 if value else 0xF4)
    elif isinstance(value, int):
        out.extend(head(0, value) if value >= 0 else head(1, -1 - value))
    elif isinstance(value, str):
        text = value.encode()
        if utf8_error(text) >= 0:  # lone surrogates cannot be built on CPython's encode, but can be on MicroPython
            raise _outside("text is not UTF-8")
        out.extend(head(3, len(text)))
        out.extend(text)
    elif isinstance(value, (bytes, bytearray, memoryview)):
        out.extend(head(2, len(value)))
        out.extend(value)
    elif depth <= 0:
        raise _limit("nested too deeply")
    elif isinstance(value, (list, tuple)):
        out.extend(head(4, len(value)))
        for item in value:
            _encode(item, out, depth - 1, tags)
    elif isinstance(value, dict):
        _encode_map(value, out, depth - 1, tags)
    elif isinstance(value, Tag) and tags:
        out.extend(head(6, value.number))
        _encode(value.value, out, depth - 1, tags)
    else:
        raise _outside("a value of this type has no place in a record")


def encode(value: "Any", tags: bool = False, max_depth: int = MAX_DEPTH, max_size: int = MAX_SIZE) -> bytes:
    """Encode `value` deterministically; CborError if it lies outside the subset or over a limit.

    `tags`: whether `Tag` objects are allowed. bytearray and memoryview encode as byte strings, tuples as arrays.
    """
    out = bytearray()
    try:
        _encode(value, out, max_depth, tags)
    except UnicodeError:
        raise _outside("text is not UTF-8")
    if len(out) > max_size:
        raise _limit("encoding is too large")
    return bytes(out)


# --- decoding ---------------------------------------------------------------------------------------------------


def utf8_error(data: "Bytes") -> int:
    """Offset of the first byte that breaks UTF-8 (RFC 3629: no overlong forms, surrogates or values over 10FFFF), or -1."""
    i, end = 0, len(data)
    if not end or max(data) < 0x80:
        return -1
    while i < end:
        lead = data[i]
        if lead < 0x80:
            i += 1
            continue
        if 0xC2 <= lead <= 0xDF:
            more, low, high = 1, 0x80, 0xBF
        elif 0xE0 <= lead <= 0xEF:
            more, low, high = 2, 0xA0 if lead == 0xE0 else 0x80, 0x9F if lead == 0xED else 0xBF
        elif 0xF0 <= lead <= 0xF4:
            more, low, high = 3, 0x90 if lead == 0xF0 else 0x80, 0x8F if lead == 0xF4 else 0xBF
        else:
            return i
        if i + more >= end or not low <= data[i + 1] <= high:
            return i
        for k in range(i + 2, i + 1 + more):
            if data[k] & 0xC0 != 0x80:
                return i
        i += more + 1
    return -1


class _Reader:
    """One pass over one byte string; `at` is the offset of the next unread byte."""

    def __init__(self, data: "Bytes", at: int, tags: bool) -> None:
        self.data = data
        self.at = at
        self.tags = tags

    def argument(self, info: int) -> int:
        """Read the argument announced by the low five bits of an initial byte already taken."""
        start = self.at - 1
        if info < 24:
            return info
        if info > 27:
            raise _outside("indefinite length", start) if info == 31 else _malformed("reserved length", start)
        size = 1 << (info - 24)
        end = self.at + size
        if end > len(self.data):
            raise _malformed("cut short", start)
        value = self.data[self.at] if size == 1 else pack.int_from(self.data[self.at : end])
        if value < 24 or (size > 1 and value >> (4 * size) == 0):
            raise _loose("not the shortest form", start)
        self.at = end
        return value

    def take(self, length: int) -> bytes:
        """Read `length` bytes of string content."""
        end = self.at + length
        if end > len(self.data):
            raise _malformed("cut short", self.at)
        piece = bytes(self.data[self.at : end])
        self.at = end
        return piece

    def count(self, info: int, each: int) -> int:
        """Read a number of items, each of which needs at least `each` bytes of what is left."""
        start = self.at - 1
        number = info if info < 24 else self.argument(info)
        if number * each > len(self.data) - self.at:
            raise _malformed("cut short", start)
        return number

    def text(self, length: int) -> str:
        start = self.at
        piece = self.take(length)
        if piece and max(piece) >= 0x80:
            bad = utf8_error(piece)
            if bad >= 0:
                raise _malformed("text is not UTF-8", start + bad)
        return piece.decode()

    def item(self, depth: int) -> "Any":
        """Read one item; `depth` more levels may be opened."""
        start = self.at
        if start >= len(self.data):
            raise _malformed("cut short", start)
        initial = self.data[start]
        self.at = start + 1
        if initial < 24:  # most items of a record are small numbers
            return initial
        major, info = initial >> 5, initial & 31
        if major == 0:
            return self.argument(info)
        if major == 2:
            return self.take(info if info < 24 else self.argument(info))
        if major == 3:
            return self.text(info if info < 24 else self.argument(info))
        if major == 1:
            return -1 - self.argument(info)
        if major == 7:
            return self.simple(info, start)
        if depth <= 0:
            raise _limit("nested too deeply", start)
        if major == 4:
            return [self.item(depth - 1) for _ in range(self.count(info, 1))]
        if major == 5:
            return self.map(self.count(info, 2), depth - 1)
        if not self.tags:
            raise _outside("a tag has no place here", start)
        number = self.argument(info)
        return Tag(number, self.item(depth - 1))

    def simple(self, info: int, start: int) -> "bool | None":
        if info == 20:
            return False
        if info == 21:
            return True
        if info == 22:
            return None
        raise _outside("float, undefined or other simple value", start)

    def map(self, pairs: int, depth: int) -> "dict[Any, Any]":
        data = self.data
        result = {}
        small, before = -1, None  # the key before: its only byte, or all of them
        for _ in range(pairs):
            start = self.at
            if start >= len(data):
                raise _malformed("cut short", start)
            key = data[start]
            if key < 24:
                if key <= small:
                    raise _loose("duplicate key" if key == small else "keys out of order", start)
                self.at = start + 1
                small = key
            elif key >> 5 in (0, 1, 3):
                key = self.item(depth)
                encoded = bytes(data[start : self.at])
                if before is not None and before >= encoded:
                    raise _loose("duplicate key" if before == encoded else "keys out of order", start)
                small, before = 24, encoded
            else:
                raise _outside("a map key must be an integer or a text", start)
            at = self.at
            if at < len(data) and data[at] < 24:  # most values of a record are small numbers
                self.at = at + 1
                result[key] = data[at]
            else:
                result[key] = self.item(depth)
        return result


def decode_prefix(
    data: "Bytes", offset: int = 0, max_depth: int = MAX_DEPTH, tags: bool = False, max_size: int = MAX_SIZE
) -> "tuple[Any, int]":
    """Decode the one item that starts at `offset`; return it and the offset after it. Strings are copied."""
    if offset < 0 or len(data) - offset > max_size:
        raise _limit("input is too large", offset)
    reader = _Reader(data, offset, tags)
    value = reader.item(max_depth)
    return value, reader.at


def decode(data: "Bytes", max_depth: int = MAX_DEPTH, tags: bool = False, max_size: int = MAX_SIZE) -> "Any":
    """Decode exactly one item that fills `data`; CborError otherwise.

    Arrays become lists, maps dicts, byte strings bytes. At most `max_depth` levels of arrays, maps and tags.
    """
    value, end = decode_prefix(data, 0, max_depth, tags, max_size)
    if end != len(data):
        raise _malformed("bytes after the end", end)
    return value
