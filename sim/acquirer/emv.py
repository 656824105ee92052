"""The issuer's check of an application cryptogram (EMV 4.4 Book 2, 8.1 and annex A1), with pyemv.

Card key by option A from number and sequence number, common session key from the transaction counter, MAC over the
values of DATA in this order, then all of 9F10, padded by method 2. The same for an ARQC and for a TC: 9F27 is not covered, so
which of the two it is follows from the card verification results in 9F10, where their place is known, and 9F27 must agree.
"""

from pyemv import ac, kd

# amount, other amount, terminal country, TVR, currency, date, type, unpredictable number, AIP, ATC
DATA = (0x9F02, 0x9F03, 0x9F1A, 0x95, 0x5F2A, 0x9A, 0x9C, 0x9F37, 0x82, 0x9F36)
IAD = 0x9F10
CRYPTOGRAM = 0x9F26
CID = 0x9F27
AMOUNT = 0x9F02
SCRIPT_RESULTS = 0x9F5B
CURRENCY = 0x5F2A
ATC = 0x9F36
UN = 0x9F37
IN_CLEAR = (CRYPTOGRAM, CID, ATC, 0x95, 0x84)  # chip data that an outcome record says too
TYPE_ARQC = 0x80
TYPE_TC = 0x40
_NOT_ASKED_FOR = 0x80


def parse(data: bytes) -> dict[int, bytes]:
    """BER-TLV to {tag: value}, one level. ValueError for bytes that are none."""
    out: dict[int, bytes] = {}
    at = 0
    while at < len(data):
        tag, at = data[at], at + 1
        if tag & 0x1F == 0x1F:
            tag, at = tag << 8 | _byte(data, at), at + 1
        length, at = _byte(data, at), at + 1
        if length > 0x80:
            more = length - 0x80
            length, at = int.from_bytes(data[at : at + more], "big"), at + more
        if at + length > len(data):
            raise ValueError("TLV cut short")
        out[tag] = data[at : at + length]
        at += length
    return out


def _byte(data: bytes, at: int) -> int:
    if at >= len(data):
        raise ValueError("TLV cut short")
    return data[at]


def cryptogram(master: bytes, pan: str, psn: int | None, tags: dict[int, bytes]) -> bytes:
    """The cryptogram that a genuine card gives for these data (8 bytes). KeyError if one of DATA is missing."""
    card_key = kd.derive_icc_mk_a(master, pan, f"{psn or 0:02d}")
    session_key = kd.derive_common_sk(card_key, tags[ATC] + bytes(6))
    data = b"".join(_as_the_card_saw_it(tags, tag) for tag in DATA) + tags.get(IAD, b"")
    return ac.generate_ac(session_key, data, ac.PaddingType.EMV)


def _as_the_card_saw_it(tags: dict[int, bytes], tag: int) -> bytes:
    """After XDA two bits of the TVR may be set that were not when the card computed (Book 4, 6.3.2.2: the issuer takes them for 0)."""
    value = tags[tag]
    if tag != 0x95 or not tags[0x82][0] & 0x80 or len(value) != 5:
        return value
    return value[:3] + bytes([value[3] & 0xFE, value[4] & 0xFD])


def kind_told(iad: bytes) -> int | None:
    """The kind of cryptogram (TYPE_*) that the card verification results in 9F10 tell, None where their place is not known.

    Known: length 06 or more, key index, version, results that begin with their length 03 (formats 0, 1, 3); 32 bytes that begin with 1F, a
    version 2x or 4x, key index, results (formats 2, 4). Either way byte 5: b6-5 what the first GENERATE AC or GET PROCESSING OPTIONS gave, b8-7
    what a second one gave after an ARQC (10: it was not asked for).
    """
    short = len(iad) >= 7 and 6 <= iad[0] < len(iad) and iad[3] == 3
    long = len(iad) == 32 and iad[0] == 0x1F and iad[1] >> 4 in (2, 4)
    if not short and not long:
        return None
    second, first = iad[4] & 0xC0, iad[4] << 2 & 0xC0
    return second if first == TYPE_ARQC and second != _NOT_ASKED_FOR else first


def genuine(master: bytes, pan: str, psn: int | None, tags: dict[int, bytes], amount: int, kind: int) -> bool:
    """Whether the cryptogram in `tags` is this card's, of this kind (TYPE_*), and for `amount` centimes of DZD."""
    try:
        if tags[CID][0] & 0xC0 != kind or tags[CURRENCY] != bytes.fromhex("0012"):
            return False
        if kind_told(tags.get(IAD, b"")) not in (None, kind):
            return False
        if int(tags[AMOUNT].hex()) != amount:
            return False
        return cryptogram(master, pan, psn, tags) == tags[CRYPTOGRAM]
    except (KeyError, IndexError, ValueError):
        return False
