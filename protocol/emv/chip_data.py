"""Chip data for the acquirer without what it can tell by itself: shorter to seal, to keep and to send.

DE55 is BER-TLV; here the tags below have a place instead of a tag and a length, and a value that the acquirer knows from the
payment's identity, amount and sequence number is not said, nor one that reaches it from the outcome record (`clear`):

    01 | said, 3 bytes | implied, 3 bytes | the said values in the order of `PLACES` | BER-TLV of anything else
    02 | likewise from the said values on: `USUAL[0]` is implied and every other place said
    03 | likewise with `USUAL[1]`

Bit n of `said` and `implied`, from the least significant, is place n. A place of length 0 has a length byte before its value.
Implied: `AMOUNT` is the payment's, `AMOUNT_OTHER` nothing, currency and country 012 (DZD, Algeria), the transaction a purchase,
`COUNTER` the last eight digits of the intent's sequence, `PSN` the card's, and the five of `CLEAR` the outcome record's. What has
another length than its place's, or comes twice, stays BER-TLV. Their order is not kept.
"""

from typing import TYPE_CHECKING

from protocol import pack, tlv
from protocol import records as r
from protocol.emv import tags

if TYPE_CHECKING:
    Bytes = bytes | bytearray | memoryview

FORM = 1
CLEAR = (tags.CRYPTOGRAM, tags.CID, tags.ATC, tags.TVR, tags.DF_NAME)
"""What an outcome record says in clear: 9F26, 9F27, 9F36, 95, 84, in this order also where they are bound."""
PLACES = (
    (tags.CRYPTOGRAM, 8), (tags.CID, 1), (tags.IAD, 0), (tags.UN, 4), (tags.ATC, 2), (tags.TVR, 5), (tags.DATE, 3),
    (tags.TXN_TYPE, 1), (tags.AMOUNT, 6), (tags.CURRENCY, 2), (tags.AIP, 2), (tags.COUNTRY, 2), (tags.CVM_RESULTS, 3),
    (0x9F33, 3), (0x9F35, 1), (tags.AMOUNT_OTHER, 6), (tags.DF_NAME, 0), (0x9F09, 2), (tags.COUNTER, 4), (tags.PSN, 1),
)  # fmt: skip
USUAL = (0xD8BB3, 0xC8B80)
"""Implied places where the kernel's own list of tags was asked for and all is there: beside an outcome record, and without one."""


def clear(record: dict) -> "list[bytes | None]":
    """The values of `CLEAR` that an outcome record (or its body) says, None for one that it lacks."""
    cid, atc = record.get(r.CID), record.get(r.ATC)
    return [
        record.get(r.CRYPTOGRAM),
        None if cid is None else bytes((cid,)),
        None if atc is None else pack.u16be(atc),
        record.get(r.TVR),
        record.get(r.AID),
    ]


def shrink(
    de55: "Bytes", amount: int, psn: "int | None", intent: int, beside: "list[bytes | None] | tuple[()]" = ()
) -> bytes:
    """`de55` in short; `amount` in centimes, `psn` the card's sequence number, `intent` the sequence of the payment's intent, `beside`
    what `clear` gives if it reaches the acquirer too. Raises FormatError if `de55` is no BER-TLV.
    """
    known = {
        tags.AMOUNT: bytes.fromhex("%012d" % amount),
        tags.AMOUNT_OTHER: bytes(6),
        tags.CURRENCY: b"\x00\x12",
        tags.COUNTRY: b"\x00\x12",
        tags.TXN_TYPE: b"\x00",
        tags.COUNTER: bytes.fromhex("%08d" % (intent % 100000000)),
    }
    for place, value in enumerate(beside):
        if value is not None:
            known[CLEAR[place]] = value
    if psn is not None:
        known[tags.PSN] = bytes.fromhex("%02d" % psn)
    values, rest = _placed(de55)
    said = implied = 0
    out = b""
    for place, (tag, size) in enumerate(PLACES):
        value = values.get(tag)
        if value is None:
            continue
        if known.get(tag) == value:
            implied |= 1 << place
            continue
        said |= 1 << place
        out += value if size else bytes((len(value),)) + value
    if implied in USUAL and said | implied == (1 << len(PLACES)) - 1:
        return bytes((FORM + 1 + USUAL.index(implied),)) + out + rest
    return bytes((FORM,)) + pack.u24be(said) + pack.u24be(implied) + out + rest


def _placed(de55: "Bytes") -> "tuple[dict[int, bytes], bytes]":
    """(values that have a place, BER-TLV of the rest)."""
    values: "dict[int, bytes]" = {}
    rest = b""
    sizes = dict(PLACES)
    for tag, value in tlv.parse(de55):
        size = sizes.get(tag)
        if size is None or tag in values or (size and len(value) != size) or len(value) > 255:
            rest += tlv.encode(tag, value)
        else:
            values[tag] = bytes(value)
    return values, rest
