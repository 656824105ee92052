"""Strict deterministic CBOR at speed: the same verdict and the same values as `protocol.cbor`, several times faster on what terminals
send.

`decode` reads what messages are made of in one pass: unsigned keys in ascending order, integers, byte and text strings, arrays,
maps, true, false, null, each in its shortest form. At the first thing beyond that it leaves the whole input to `protocol.cbor.decode`,
which accepts it or says what is wrong: whatever this module takes, the slow decoder takes too (a test compares them, hostile input
included), so nothing is accepted here that is refused there. Errors: CborError.

`decode_marked` also says where each map of one array has its body, so that a record's CBOR can be put together from the bytes
received (`server.wire.restoring`). `encode`, `uint`, `head`, `string`, `text` encode.
"""

from typing import Any

from protocol import cbor

_SIMPLE = {0xF4: False, 0xF5: True, 0xF6: None}
_SHORTEST = {24: 24, 25: 0x100, 26: 0x10000, 27: 0x100000000}
Mark = tuple[int, int, int]  # where the keys of a map from `low` on begin, where the map ends, how many they are


class _OddError(Exception):
    """Not for the fast path."""


def decode(data: bytes) -> Any:
    """The one item that fills `data`; CborError as `protocol.cbor.decode`."""
    if len(data) <= cbor.MAX_SIZE:
        try:
            value, end = _item(data, 0, cbor.MAX_DEPTH)
            if end == len(data):
                return value
        except (_OddError, IndexError, UnicodeDecodeError):
            pass
    return cbor.decode(data)


def decode_prefix(data: bytes, at: int) -> tuple[Any, int]:
    """The item that begins at `at`, and the offset after it; CborError as `protocol.cbor.decode_prefix`."""
    try:
        value, end = _item(data, at, cbor.MAX_DEPTH)
        if end <= len(data):
            return value, end
    except (_OddError, IndexError, UnicodeDecodeError):
        pass
    return cbor.decode_prefix(data, at)


def decode_marked(data: bytes, key: int, low: int) -> tuple[Any, list[Mark] | None]:
    """As `decode`; beside it a mark for each map of the array under `key`, None where the fast path was left or there are none.

    The body of a map is what stands under its keys from `low` on.
    """
    if len(data) <= cbor.MAX_SIZE and data and data[0] >> 5 == 5:
        marks: list[Mark] = []
        try:
            pairs, at = _argument(data, 1, data[0] & 31)
            value, end = _top(data, at, pairs, key, low, marks)
            if end == len(data):
                return value, marks
        except (_OddError, IndexError, UnicodeDecodeError):
            pass
    return cbor.decode(data), None


def _top(data: bytes, at: int, pairs: int, key: int, low: int, marks: list[Mark]) -> tuple[dict[int, Any], int]:
    """The outermost map, with its marked array."""
    result: dict[int, Any] = {}
    last = -1
    for _ in range(pairs):
        found, at = _key(data, at, last)
        last = found
        if found == key and data[at] >> 5 == 4:
            count, at = _argument(data, at + 1, data[at] & 31)
            items = []
            for _ in range(count):
                lead = data[at]
                if lead >> 5 != 5:
                    raise _OddError
                size, at = _argument(data, at + 1, lead & 31)
                item, at = _map(data, at, size, cbor.MAX_DEPTH - 3, low, marks)
                items.append(item)
            result[found] = items
        else:
            result[found], at = _item(data, at, cbor.MAX_DEPTH - 1)
    return result, at


def _argument(data: bytes, at: int, info: int) -> tuple[int, int]:
    """The argument after an initial byte, and the offset after it."""
    if info < 24:
        return info, at
    if info > 27:
        raise _OddError
    end = at + (1 << (info - 24))
    if end > len(data):
        raise _OddError
    value = int.from_bytes(data[at:end], "big")
    if value < _SHORTEST[info]:
        raise _OddError
    return value, end


def _key(data: bytes, at: int, last: int) -> tuple[int, int]:
    """An unsigned key above `last`. Ascending numbers are ascending encodings."""
    lead = data[at]
    if lead < 24:
        key, at = lead, at + 1
    elif lead <= 27:
        key, at = _argument(data, at + 1, lead)
    else:
        raise _OddError
    if key <= last:
        raise _OddError
    return key, at


def _map(
    data: bytes, at: int, pairs: int, depth: int, low: int = 0, marks: list[Mark] | None = None
) -> tuple[dict[int, Any], int]:
    """The pairs of a map; the commonest keys and values are read in place, since a call costs more than they do."""
    result: dict[int, Any] = {}
    from_bytes = int.from_bytes
    last, body, inside = -1, -1, 0
    for number in range(pairs):
        start = at
        key = data[at]
        if key < 24:
            at += 1
        elif key == 24:
            key = data[at + 1]
            if key < 24:
                raise _OddError
            at += 2
        else:
            key, at = _key(data, at, last)
        if key <= last:
            raise _OddError
        last = key
        if body < 0 and key >= low:
            body, inside = start, pairs - number
        lead = data[at]
        if lead < 24:
            result[key] = lead
            at += 1
        elif 0x40 <= lead < 0x58:
            end = at + lead - 0x3F
            result[key] = data[at + 1 : end]
            at = end
        elif 0x60 <= lead < 0x78:
            end = at + lead - 0x5F
            result[key] = data[at + 1 : end].decode()
            at = end
        elif lead == 0x1A and data[at + 1] | data[at + 2]:  # over 65,535: an amount
            end = at + 5
            result[key] = from_bytes(data[at + 1 : end], "big")
            at = end
        elif lead == 0x58 and data[at + 1] >= 24:  # a digest
            end = at + 2 + data[at + 1]
            result[key] = data[at + 2 : end]
            at = end
        elif lead == 0x18 and data[at + 1] >= 24:
            result[key] = data[at + 1]
            at += 2
        else:
            result[key], at = _item(data, at, depth)
    if at > len(data):
        raise _OddError
    if marks is not None:
        marks.append((body if inside else at, at, inside))
    return result, at


def _item(data: bytes, at: int, depth: int) -> tuple[Any, int]:
    """One item; `depth` levels of arrays and maps are left."""
    lead = data[at]
    major = lead >> 5
    if major == 7:
        if lead not in _SIMPLE:
            raise _OddError
        return _SIMPLE[lead], at + 1
    value, at = _argument(data, at + 1, lead & 31)
    if major == 0:
        return value, at
    if major == 1:
        return -1 - value, at
    if major in (2, 3):
        end = at + value
        if end > len(data):
            raise _OddError
        return (data[at:end] if major == 2 else data[at:end].decode()), end
    if major == 6 or depth <= 0 or value > len(data) - at:
        raise _OddError
    if major == 5:
        return _map(data, at, value, depth - 1)
    items = []
    for _ in range(value):
        item, at = _item(data, at, depth - 1)
        items.append(item)
    return items, at


SHORT = 0x4000
SMALL = [bytes((n,)) if n < 24 else bytes((24, n)) for n in range(256)]
SMALL += [b"\x19" + n.to_bytes(2, "big") for n in range(256, SHORT)]
"""Unsigned integers below SHORT, ready made: sequences, counters, counts."""


def uint(value: int) -> bytes:
    """An unsigned integer below 2**64 in the shortest form."""
    if value < SHORT:
        return SMALL[value]
    if value < 0x10000:
        return b"\x19" + value.to_bytes(2, "big")
    if value < 0x100000000:
        return b"\x1a" + value.to_bytes(4, "big")
    return b"\x1b" + value.to_bytes(8, "big")


def head(major: int, value: int) -> bytes:
    """The initial bytes of an item in the shortest form; `value` below 2**64."""
    plain = uint(value)
    return bytes((plain[0] | major << 5,)) + plain[1:]


def string(value: bytes) -> bytes:
    """A byte string."""
    return head(2, len(value)) + value


def text(value: str) -> bytes:
    """A text string; UnicodeEncodeError for a lone surrogate."""
    encoded = value.encode()
    return head(3, len(encoded)) + encoded


def encode(value: Any) -> bytes:
    """Deterministic CBOR of what the server says and of what it was told: the same bytes as `protocol.cbor.encode` (a test compares them)."""
    kind = type(value)
    if kind is int:
        return uint(value) if value >= 0 else head(1, -1 - value)
    if kind is bytes:
        return string(value)
    if kind is str:
        return text(value)
    if kind is list:
        return head(4, len(value)) + b"".join([encode(item) for item in value])
    if kind is dict:
        keys = (
            sorted(value) if all(type(key) is int and key >= 0 for key in value) else sorted(value, key=encode)
        )  # by their bytes
        return head(5, len(value)) + b"".join([encode(key) + encode(value[key]) for key in keys])
    if kind is bool:
        return b"\xf5" if value else b"\xf4"
    if value is None:
        return b"\xf6"
    raise TypeError(f"{kind.__name__} has no place in a message")
