"""Chip data as terminals send them, made BER-TLV again (EMV Book 3, annex B): they have places instead of tags.

    01 | said, 3 bytes | implied, 3 bytes | said values in order | BER-TLV of anything else
    02, 03 | the same from the said values on: every place is said or implied, as `_USUAL` tells

Bit n, from the least significant, is place n; of a place without a length the value's own stands before it. Implied values follow
from what the acquirer has beside: the amount, the card's sequence number, DZD, Algeria, a purchase, nothing else to pay, the
payment's number as transaction counter, and what the message's field 55 says in clear.
"""

_SIZES = {
    "9F26": 8, "9F27": 1, "9F10": None, "9F37": 4, "9F36": 2, "95": 5, "9A": 3, "9C": 1, "9F02": 6, "5F2A": 2, "82": 2, "9F1A": 2,
    "9F34": 3, "9F33": 3, "9F35": 1, "9F03": 6, "84": None, "9F09": 2, "9F41": 4, "5F34": 1,
}  # fmt: skip

_IN_CLEAR = ("9F26", "9F27", "9F36", "95", "84")
_TOLD = ("9F26", "9F27", "9F36", "95", "9C", "9F02", "5F2A", "9F1A", "9F03", "84", "9F41", "5F34")
_USUAL = {2: _TOLD, 3: tuple(tag for tag in _TOLD if tag not in _IN_CLEAR)}


def _places(data: bytes) -> tuple[int, int, int]:
    """(places said, places implied, where the values begin)."""
    if len(data) >= 7 and data[0] == 1:
        return int.from_bytes(data[1:4], "big"), int.from_bytes(data[4:7], "big"), 7
    if not data or data[0] not in _USUAL:
        raise ValueError("chip data of an unknown form")
    implied = sum(1 << place for place, tag in enumerate(_SIZES) if tag in _USUAL[data[0]])
    return (1 << len(_SIZES)) - 1 - implied, implied, 1


def expand(
    data: bytes, amount: int, psn: int | None, intent: int = 0, clear: tuple[bytes | None, ...] = (None,) * 5
) -> bytes:
    """BER-TLV of chip data; `amount` in centimes, `clear` what field 55 says of 9F26, 9F27, 9F36, 95, 84. ValueError if it is none."""
    said, implied, at = _places(data)
    if said & implied or (said | implied) >> len(_SIZES):
        raise ValueError("chip data with places that do not exist")
    known = {"9F02": f"{amount:012d}", "9F03": "0" * 12, "5F2A": "0012", "9F1A": "0012", "9C": "00"}
    known["9F41"] = f"{intent % 10**8:08d}"
    known |= {tag: value.hex() for tag, value in zip(_IN_CLEAR, clear, strict=True) if value is not None}
    if psn is not None:
        known["5F34"] = f"{psn:02d}"
    out = b""
    for place, (tag, size) in enumerate(_SIZES.items()):
        if implied >> place & 1:
            if tag not in known:
                raise ValueError("chip data leave out what nobody told")
            value = bytes.fromhex(known[tag])
        elif said >> place & 1:
            if size is None:
                size, at = data[at], at + 1
            value, at = data[at : at + size], at + size
        else:
            continue
        out += bytes.fromhex(tag) + bytes((len(value),) if len(value) < 128 else (0x81, len(value))) + value
    if at > len(data):
        raise ValueError("chip data cut short")
    return out + data[at:]
