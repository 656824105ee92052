"""BER-TLV as chip cards use it (ISO/IEC 7816-4 section 5.2.2, EMV Book 3 annex B) and data object lists (EMV Book 3 section 5.4).

Tags are integers of their bytes (0x9F02, 0x5F2D), of at most three bytes; lengths are definite, of at most three bytes after
81, 82, 83 (after 84, unless `strict`, a zero and three bytes). Values come out as the type that went in: a memoryview is not copied. One level at a
time, except `walk`. Bytes 00 or FF between objects are filling unless `strict`, which refuses 00, reads FF as a tag and wants
lengths in their shortest form.

Errors are TlvError (a FormatError) with the offset in `detail`: FMT-030 malformed, FMT-031 runs over the end, FMT-032 the same
tag twice, FMT-033 nested too deeply, FMT-034 a data object list. For certificates there is `protocol.der`.
"""

from typing import TYPE_CHECKING

from protocol.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    Bytes = bytes | bytearray | memoryview

MAX_LENGTH = 0xFFFFFF
MAX_DEPTH = 8


class TlvError(FormatError):
    """Bytes that are not the TLV expected; `detail` is the offset."""

    code = "FMT-030"


def _bad(what: str, offset: int) -> TlvError:
    return TlvError(what, "FMT-030", detail=offset)


def _over(offset: int) -> TlvError:
    return TlvError("an object runs over the end", "FMT-031", detail=offset)


def read_tag(data: "Bytes", offset: int) -> "tuple[int, int]":
    """The tag at `offset` and the offset after it."""
    if offset >= len(data):
        raise _over(offset)
    tag = data[offset]
    at = offset + 1
    if tag & 0x1F != 0x1F:
        return tag, at
    for count in range(2):
        if at >= len(data):
            raise _over(offset)
        byte = data[at]
        if count == 0 and byte == 0x80:
            raise _bad("a tag number begins with zeros", offset)
        tag = tag << 8 | byte
        at += 1
        if byte & 0x80 == 0:
            return tag, at
    raise _bad("a tag of more than three bytes", offset)


def read_length(data: "Bytes", offset: int, strict: bool = True) -> "tuple[int, int]":
    """The length at `offset` and the offset after it; the value itself is not looked at."""
    if offset >= len(data):
        raise _over(offset)
    first = data[offset]
    if first < 0x80:
        return first, offset + 1
    count = first & 0x7F
    if count == 0:
        raise _bad("an indefinite length", offset)
    if count > 3 and (strict or count > 4 or (offset + 1 < len(data) and data[offset + 1])):
        raise _bad("a length of more than three bytes", offset)
    end = offset + 1 + count
    if end > len(data):
        raise _over(offset)
    length = 0
    for i in range(offset + 1, end):
        length = length << 8 | data[i]
    if strict and (length < 0x80 or length >> (8 * (count - 1)) == 0):
        raise _bad("a length not in its shortest form", offset)
    return length, end


def read(data: "Bytes", offset: int, strict: bool = True) -> "tuple[int, int, int]":
    """One object at `offset`: its tag, where its value starts and where it ends."""
    tag, at = read_tag(data, offset)
    length, start = read_length(data, at, strict)
    if start + length > len(data):
        raise _over(offset)
    return tag, start, start + length


def is_constructed(tag: int) -> bool:
    """Whether the value of a tag is itself made of TLV objects (bit 6 of the first byte)."""
    while tag > 0xFF:
        tag >>= 8
    return tag & 0x20 != 0


def _objects(data: "Bytes", strict: bool) -> "Generator[tuple[int, int, int]]":
    at = 0
    while at < len(data):
        if data[at] == 0 or (data[at] == 0xFF and not strict):
            if strict:
                raise _bad("padding between objects", at)
            at += 1
            continue
        tag, start, end = read(data, at, strict)
        yield tag, start, end
        at = end


def parse(data: "Bytes", strict: bool = True) -> "list[tuple[int, Bytes]]":
    """The objects of one level, in order: [(tag, value)]."""
    return [(tag, data[start:end]) for tag, start, end in _objects(data, strict)]


def parse_map(data: "Bytes", allow_duplicates: bool = False, strict: bool = True) -> "dict[int, Bytes]":
    """The objects of one level by tag. A tag that comes twice raises TlvError FMT-032, or the first one counts."""
    found: "dict[int, Bytes]" = {}
    for tag, start, end in _objects(data, strict):
        if tag not in found:
            found[tag] = data[start:end]
        elif not allow_duplicates:
            raise TlvError("the same tag twice", "FMT-032", detail=start)
    return found


def walk(data: "Bytes", strict: bool = True, max_depth: int = MAX_DEPTH) -> "Generator[tuple[int, int, Bytes]]":
    """All objects, outer before inner: (depth, tag, value), depth 0 being the top level."""
    if max_depth <= 0:
        raise TlvError("nested too deeply", "FMT-033")
    for tag, start, end in _objects(data, strict):
        value = data[start:end]
        yield 0, tag, value
        if is_constructed(tag):
            for depth, inner, inner_value in walk(value, strict, max_depth - 1):
                yield depth + 1, inner, inner_value


def find(data: "Bytes", tag: int, *path: int, strict: bool = True) -> "Bytes | None":
    """The value of the first object `tag` of this level; with more tags, of that path downwards. None if there is none."""
    for found, start, end in _objects(data, strict):
        if found == tag:
            value = data[start:end]
            return find(value, *path, strict=strict) if path else value
    return None


def first(data: "Bytes", tag: int, strict: bool = True) -> "Bytes | None":
    """The value of the first object `tag` at any depth, outer before inner; None if there is none."""
    for _, found, value in walk(data, strict):
        if found == tag:
            return value
    return None


def encode_tag(tag: int) -> bytes:
    """The bytes of a tag; TlvError if the integer is no tag."""
    if not 0 < tag <= 0xFFFFFF:
        raise _bad("not a tag", 0)
    size = 1 if tag < 0x100 else 2 if tag < 0x10000 else 3
    data = tag.to_bytes(size, "big")
    if read_tag(data, 0)[1] != size:
        raise _bad("not a tag", 0)
    return data


def encode_length(length: int) -> bytes:
    """A length in its shortest form."""
    if not 0 <= length <= MAX_LENGTH:
        raise _bad("a length of more than three bytes", 0)
    if length < 0x80:
        return bytes((length,))
    size = 1 if length < 0x100 else 2 if length < 0x10000 else 3
    return bytes((0x80 | size,)) + length.to_bytes(size, "big")


def encode(tag: int, value: "Bytes") -> bytes:
    """One object."""
    return encode_tag(tag) + encode_length(len(value)) + bytes(value)


# --- data object lists (PDOL, CDOL, DDOL, TDOL) -----------------------------------------------------------------


def parse_dol(data: "Bytes") -> "list[tuple[int, int]]":
    """Tags and lengths (one plain byte, 0..255) of a data object list, in order, repeated tags included."""
    entries = []
    at = 0
    while at < len(data):
        tag, at = read_tag(data, at)
        if at >= len(data):
            raise TlvError("a data object list is cut short", "FMT-034", detail=at)
        entries.append((tag, data[at]))
        at += 1
    return entries


def fit(value: "Bytes", length: int, form: str = "b") -> bytes:
    """Shorten or lengthen a value as a data object list asks (EMV Book 3 section 5.4, steps 2c and 2d).

    `form` "n" numeric: cut on the left, filled with 00 on the left; "cn" compressed numeric: cut on the right, filled with FF
    on the right; anything else: cut on the right, filled with 00 on the right.
    """
    have = len(value)
    if have >= length:
        return bytes(value[have - length :] if form == "n" else value[:length])
    if form == "n":
        return bytes(length - have) + bytes(value)
    return bytes(value) + (b"\xff" if form == "cn" else b"\x00") * (length - have)


def build_dol(
    dol: "Bytes | list[tuple[int, int]]", lookup: "Callable[[int], Bytes | tuple[Bytes, str] | None]"
) -> bytes:
    """The concatenated values that a data object list asks for.

    `lookup(tag)` gives a value, or (value, form) with `form` as in `fit`, or None for an object that is unknown, absent or
    constructed: zeros stand for it (steps 2a and 2b).
    """
    entries = dol if isinstance(dol, list) else parse_dol(dol)
    out = bytearray()
    for tag, length in entries:
        found = None if is_constructed(tag) else lookup(tag)
        if found is None:
            out.extend(bytes(length))
        elif isinstance(found, tuple):
            out.extend(fit(found[0], length, found[1]))
        else:
            out.extend(fit(found, length))
    return bytes(out)
