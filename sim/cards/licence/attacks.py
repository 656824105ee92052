"""What forgers and faults do to a chip after its SOD was signed: files changed, exchanged, stripped or damaged.

`damage` names: "cut" (three bytes missing), "long" (a length 300 too large), "huge" (16 MB announced), "tag" (another first tag),
"empty" (no content), "trailing" (bytes after the file's end), "indefinite" (BER length 80), "gone" (no such file).
"""

import dataclasses

from sim.cards.licence import content
from sim.cards.licence.people import Person
from sim.cards.tlv import length, read, tlv


def altered(person: Person, number: int, data: bytes, how: str) -> bytes:
    """A group as a forger leaves it. Raises KeyError for a way that nobody knows."""
    if how == "category" and number == 1:
        more = (*person.categories, ("D", person.issue, person.expiry))
        return content.dg1(dataclasses.replace(person, categories=more))
    if how == "name" and number == 1:
        return content.dg1(dataclasses.replace(person, surname="FORGER"))
    if how == "bit":
        return data[:-1] + bytes([data[-1] ^ 1])
    if how == "first-bit":
        return data[:8] + bytes([data[8] ^ 1]) + data[9:]
    raise KeyError(f"cannot alter group {number} by {how}")


def damaged(data: bytes, how: str) -> bytes | None:
    """A file as `how` leaves it; None if it is gone. Raises KeyError."""
    tag, value = next(iter(read(data)))
    ways: dict[str, bytes | None] = {
        "cut": data[:-3],
        "long": bytes([tag]) + length(len(value) + 300) + value,
        "huge": data[:1] + b"\x83\xff\xff\xff" + value,
        "tag": b"\x7e" + data[1:],
        "empty": data[:1] + b"\x00",
        "trailing": data + b"\xa5" * 20,
        "indefinite": data[:1] + b"\x80" + value + b"\0\0",
        "gone": None,
    }
    return ways[how]


def unlisted(com: bytes, numbers: "tuple[int, ...]") -> bytes:
    """EF.COM without some groups."""
    fields = dict(read(dict(read(com))[content.COM_TAG]))
    hidden = {content.TAGS[number] for number in numbers}
    fields[0x5C] = bytes(tag for tag in fields[0x5C] if tag not in hidden)
    return tlv(content.COM_TAG, *(tlv(tag, value) for tag, value in fields.items()))
