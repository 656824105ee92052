"""Chip data as terminals send them, made BER-TLV again (EMV Book 3, annex B): form 1 has places instead of tags.

    01 | said, 3 bytes | implied, 3 bytes | said values in order | BER-TLV of anything else

Bit n, from the least significant, is place n; of a place without a length the value's own stands before it. Implied values follow
from what the acquirer has beside: the amount, the card's sequence number, DZD, Algeria, a purchase, nothing else to pay.
"""

_SIZES = {
    "9F26": 8, "9F27": 1, "9F10": None, "9F37": 4, "9F36": 2, "95": 5, "9A": 3, "9C": 1, "9F02": 6, "5F2A": 2, "82": 2, "9F1A": 2,
    "9F34": 3, "9F33": 3, "9F35": 1, "9F03": 6, "84": None, "9F09": 2, "9F41": 4, "5F34": 1,
}  # fmt: skip


def expand(data: bytes, amount: int, psn: int | None) -> bytes:
    """BER-TLV of form 1; `amount` in centimes. ValueError if it is none."""
    if len(data) < 7 or data[0] != 1:
        raise ValueError("chip data of an unknown form")
    said, implied = int.from_bytes(data[1:4], "big"), int.from_bytes(data[4:7], "big")
    if said & implied or (said | implied) >> len(_SIZES):
        raise ValueError("chip data with places that do not exist")
    known = {"9F02": f"{amount:012d}", "9F03": "0" * 12, "5F2A": "0012", "9F1A": "0012", "9C": "00"}
    if psn is not None:
        known["5F34"] = f"{psn:02d}"
    out, at = b"", 7
    for place, (tag, size) in enumerate(_SIZES.items()):
        if implied >> place & 1:
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
