"""Chip data for the acquirer without what it can tell by itself: shorter to seal, to keep and to send.

DE55 is BER-TLV; here the tags below have a place instead of a tag and a length, and a value that the acquirer knows from the
payment's identity, amount and sequence number is not said. Form 1:

    01 | said, 3 bytes | implied, 3 bytes | the said values in the order of `PLACES` | BER-TLV of anything else

Bit n of `said` and `implied`, from the least significant, is place n. A place of length 0 has a length byte before its value.
Implied: `AMOUNT` is the payment's, `AMOUNT_OTHER` nothing, currency and country 012 (DZD, Algeria), the transaction a purchase,
`PSN` the card's. What has another length than its place's, or comes twice, stays BER-TLV. Their order is not kept.
"""

from typing import TYPE_CHECKING

from protocol import pack, tlv
from protocol.emv import tags

if TYPE_CHECKING:
    Bytes = bytes | bytearray | memoryview

FORM = 1
PLACES = (
    (tags.CRYPTOGRAM, 8), (tags.CID, 1), (tags.IAD, 0), (tags.UN, 4), (tags.ATC, 2), (tags.TVR, 5), (tags.DATE, 3),
    (tags.TXN_TYPE, 1), (tags.AMOUNT, 6), (tags.CURRENCY, 2), (tags.AIP, 2), (tags.COUNTRY, 2), (tags.CVM_RESULTS, 3),
    (0x9F33, 3), (0x9F35, 1), (tags.AMOUNT_OTHER, 6), (tags.DF_NAME, 0), (0x9F09, 2), (tags.COUNTER, 4), (tags.PSN, 1),
)  # fmt: skip


def shrink(de55: "Bytes", amount: int, psn: "int | None") -> bytes:
    """Form 1 of `de55`; `amount` in centimes, `psn` the card's sequence number. Raises FormatError if it is no BER-TLV."""
    known = {
        tags.AMOUNT: bytes.fromhex("%012d" % amount),
        tags.AMOUNT_OTHER: bytes(6),
        tags.CURRENCY: b"\x00\x12",
        tags.COUNTRY: b"\x00\x12",
        tags.TXN_TYPE: b"\x00",
    }
    if psn is not None:
        known[tags.PSN] = bytes.fromhex("%02d" % psn)
    values: "dict[int, bytes]" = {}
    rest = b""
    sizes = dict(PLACES)
    for tag, value in tlv.parse(de55):
        size = sizes.get(tag)
        if size is None or tag in values or (size and len(value) != size) or len(value) > 255:
            rest += tlv.encode(tag, value)
        else:
            values[tag] = bytes(value)
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
    return bytes((FORM,)) + pack.u24be(said) + pack.u24be(implied) + out + rest
