"""BER-TLV for the card's side (ISO/IEC 8825-1, short and long definite lengths): a few lines of its own, so that a mistake in
`protocol.tlv` cannot hide behind the same mistake here.

Does no validation of nesting; `read` raises ValueError on input that ends too early.
"""

from collections.abc import Iterator


def length(count: int) -> bytes:
    """A definite length field in its shortest form, up to 16 MB."""
    if count < 0x80:
        return bytes([count])
    if count < 0x100:
        return bytes([0x81, count])
    if count < 0x10000:
        return bytes([0x82, count >> 8, count & 0xFF])
    return b"\x83" + count.to_bytes(3, "big")


def tlv(tag: int | str, *parts: bytes) -> bytes:
    """One data object; `tag` as a number (0x9F02) or hex text ("9F02"), its value the parts joined."""
    name = bytes.fromhex(tag) if isinstance(tag, str) else tag.to_bytes((tag.bit_length() + 7) // 8, "big")
    value = b"".join(parts)
    return name + length(len(value)) + value


def read(data: bytes) -> Iterator[tuple[int, bytes]]:
    """The data objects of one level as (tag number, value)."""
    at = 0
    while at < len(data):
        start = at
        if data[at] & 0x1F == 0x1F:
            at += 1
            while data[at] & 0x80:
                at += 1
        at += 1
        tag = int.from_bytes(data[start:at], "big")
        count = data[at]
        at += 1
        if count & 0x80:
            size = count & 0x7F
            count = int.from_bytes(data[at : at + size], "big")
            at += size
        if at + count > len(data):
            raise ValueError("data object ends too early")
        yield tag, data[at : at + count]
        at += count


def read_dol(dol: bytes) -> list[tuple[int, int]]:
    """A data object list (EMV Book 3, 5.4) as (tag, length)."""
    entries = []
    at = 0
    while at < len(dol):
        start = at
        if dol[at] & 0x1F == 0x1F:
            at += 1
            while dol[at] & 0x80:
                at += 1
        at += 1
        entries.append((int.from_bytes(dol[start:at], "big"), dol[at]))
        at += 1
    return entries


def split_dol(dol: bytes, data: bytes) -> dict[int, bytes] | None:
    """The values that a terminal sent for a DOL by tag (the first if a tag comes twice); None if the length is wrong."""
    entries = read_dol(dol)
    if sum(size for _, size in entries) != len(data):
        return None
    values: dict[int, bytes] = {}
    at = 0
    for tag, size in entries:
        values.setdefault(tag, data[at : at + size])
        at += size
    return values
