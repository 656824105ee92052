"""EMV's data objects as the kernel sees them: tags, allowed lengths, formats, DOL data (Book 3, 5.4 and annex A).

Card data is read through `objects`: strict BER-TLV, nothing left over. A tag unknown here is kept as it came, of any length.
"""

from typing import TYPE_CHECKING

from protocol import tlv
from protocol.errors import EmvError, FormatError
from protocol.pack import hexed

if TYPE_CHECKING:
    from collections.abc import Callable

AFL = 0x94
AID_TERMINAL = 0x9F06
AIP = 0x82
AMOUNT = 0x9F02
AMOUNT_BINARY = 0x81
AMOUNT_OTHER = 0x9F03
APPLICATION_CURRENCY = 0x9F42
APPLICATION_LABEL = 0x50
APPLICATION_VERSION = 0x9F08
ARC = 0x8A
ATC = 0x9F36
AUC = 0x9F07
CA_KEY_INDEX = 0x8F
CDOL1 = 0x8C
CDOL2 = 0x8D
CID = 0x9F27
COUNTER = 0x9F41
COUNTRY = 0x9F1A
CRYPTOGRAM = 0x9F26
CURRENCY = 0x5F2A
CVM_LIST = 0x8E
CVM_RESULTS = 0x9F34
DATE = 0x9A
DDOL = 0x9F49
DF_NAME = 0x84
EFFECTIVE = 0x5F25
EXPIRY = 0x5F24
IAC_DEFAULT = 0x9F0D
IAC_DENIAL = 0x9F0E
IAC_ONLINE = 0x9F0F
IAD = 0x9F10
ICC_CERTIFICATE = 0x9F46
ICC_DYNAMIC_NUMBER = 0x9F4C
ICC_EXPONENT = 0x9F47
ICC_REMAINDER = 0x9F48
ISSUER_AUTHENTICATION = 0x91
ISSUER_CERTIFICATE = 0x90
ISSUER_COUNTRY = 0x5F28
ISSUER_EXPONENT = 0x9F32
ISSUER_REMAINDER = 0x92
LAST_ONLINE_ATC = 0x9F13
LCOL = 0x9F14
PAN = 0x5A
PDOL = 0x9F38
PIN_CERTIFICATE = 0x9F2D
PIN_EXPONENT = 0x9F2E
PIN_REMAINDER = 0x9F2F
PIN_TRIES = 0x9F17
PRIORITY = 0x87
PSN = 0x5F34
SDAD = 0x9F4B
SDA_TAG_LIST = 0x9F4A
SSAD = 0x93
TC_HASH = 0x98
TDOL = 0x97
TRACK2 = 0x57
TSI = 0x9B
TVR = 0x95
TXN_TYPE = 0x9C
UCOL = 0x9F23
UN = 0x9F37

# contactless (Book B, annex B; Book C-3, annex A)
CARD_AUTHENTICATION = 0x9F69
CTQ = 0x9F6C
EXTENDED_SELECTION = 0x9F29
KERNEL_IDENTIFIER = 0x9F2A
TTQ = 0x9F66

# Rows of four bytes: tag (two bytes, 00 before a short one), shortest, longest length in bytes.
_LENGTHS = bytes.fromhex(
    "00500110 00570313 005A040A 00820202 00840510 00870101 00880101 008C02FC 008D02FC 008E08FC 008F0101 009401FC 009702FC"
    "5F240303 5F250303 5F280202 5F340101 9F070202 9F080202 9F0D0505 9F0E0505 9F0F0505 9F100020 9F110101 9F120110 9F130202"
    "9F140101 9F170101 9F230101 9F260808 9F270101 9F2E0103 9F320103 9F360202 9F3800FC 9F420202 9F440101 9F470103 9F4900FC 9F690510 9F6C0202"
)
_NUMERIC = bytes.fromhex(
    "009A 009C 5F24 5F25 5F28 5F2A 5F34 5F36 9F01 9F02 9F03 9F11 9F15 9F1A 9F21 9F35 9F39 9F41 9F42 9F44"
)
_COMPRESSED = bytes.fromhex("005A 9F20")
_DATES = (EXPIRY, EFFECTIVE)


def name(tag: int) -> str:
    """A tag as people write it: upper-case hexadecimal."""
    text = f"{tag:X}"
    return text if len(text) % 2 == 0 else "0" + text


def _row(table: bytes, width: int, tag: int) -> int:
    for i in range(0, len(table), width):
        if table[i] << 8 | table[i + 1] == tag:
            return i
    return -1


def objects(data: bytes) -> "list[tuple[int, bytes]]":
    """The (tag, value) pairs of `data` in order, one level deep; EMV-101 unless all of it is BER-TLV.

    Strict but for bytes 00 between objects, which Book 3, annex B1 allows.
    """
    found = []
    at = 0
    try:
        while at < len(data):
            if data[at] == 0:
                at += 1
                continue
            tag, start, at = tlv.read(data, at)
            found.append((tag, bytes(data[start:at])))
    except FormatError as error:
        raise EmvError("card data is not BER-TLV", "EMV-101", detail=error.detail)
    return found


def only(data: bytes, tag: int) -> bytes:
    """The value of the one data object that `data` must be; EMV-108 if another or more."""
    found = objects(data)
    if len(found) != 1 or found[0][0] != tag:
        raise EmvError("wrong response template", "EMV-108", detail=name(tag))
    return found[0][1]


def check(tag: int, value: bytes) -> None:
    """EMV-102 if a known data object has a length or digits that Book 3, annex A does not allow."""
    i = _row(_LENGTHS, 4, tag)
    if i >= 0 and not _LENGTHS[i + 2] <= len(value) <= _LENGTHS[i + 3]:
        raise EmvError("data object of a wrong length", "EMV-102", detail=name(tag))
    if tag in _DATES:
        check_date(tag, value)


def check_date(tag: int, value: bytes) -> None:
    """EMV-102 unless `value` is a date YYMMDD in BCD."""
    if len(value) == 3 and is_digits(value):
        year, month, day = digits_to_int(value[:1]), digits_to_int(value[1:2]), digits_to_int(value[2:])
        if 1 <= month <= 12 and 1 <= day <= last_day(year, month):
            return
    raise EmvError("data object is not a date", "EMV-102", detail=name(tag))


def last_day(year: int, month: int) -> int:
    """The last day of a month of 1950 to 2049 (2000 was a leap year); `year` without its century."""
    if month == 2:
        return 28 if year % 4 else 29
    return 30 if month in (4, 6, 9, 11) else 31


def is_digits(value: bytes) -> bool:
    """Whether every nibble is a decimal digit."""
    return all(byte >> 4 <= 9 and byte & 15 <= 9 for byte in value)


def digits_to_int(value: bytes) -> int:
    """The number that BCD `value` holds; nibbles above 9 must have been refused before."""
    total = 0
    for byte in value:
        total = total * 100 + (byte >> 4) * 10 + (byte & 15)
    return total


def bcd(number: int, length: int) -> bytes:
    """`number` as `length` bytes of BCD; EMV-102 if it does not fit."""
    out = bytearray(length)
    for i in range(length - 1, -1, -1):
        out[i] = (number // 10 % 10) << 4 | number % 10
        number //= 100
    if number:
        raise EmvError("number does not fit its data object", "EMV-102")
    return bytes(out)


def pan_digits(value: bytes) -> bytes:
    """ASCII digits of a PAN in compressed numeric form (left-justified, F after it); EMV-102 if malformed."""
    text = hexed(value).upper()
    digits = text.rstrip("F")
    if not digits.isdigit() or not 8 <= len(digits) <= 19:
        raise EmvError("data object is not a PAN", "EMV-102", detail="5A")
    return digits.encode()


def full_date(value: bytes) -> int:
    """YYYYMMDD of BCD YYMMDD; years 50 to 99 are 1950 to 1999 (Book 4, 6.7.3)."""
    number = digits_to_int(value)
    return number + (19000000 if number >= 500000 else 20000000)


def parse_dol(dol: bytes) -> "list[tuple[int, int]]":
    """The (tag, length) pairs of a data object list, repeated tags included; EMV-107 if malformed."""
    try:
        return tlv.parse_dol(dol)
    except FormatError as error:
        raise EmvError("data object list is malformed", "EMV-107", detail=error.detail)


def build_dol(dol: bytes, lookup: "Callable[[int], bytes | None]") -> bytes:
    """The concatenated values that `dol` asks for (Book 3, 5.4); EMV-107 if they are longer than a command takes.

    Unknown, absent and constructed objects are zeros. Numeric values are cut and filled on the left, others on the right
    (compressed numeric with FF, the rest with 00).
    """

    def formed(tag: int) -> "tuple[bytes, str] | None":
        value = lookup(tag)
        if value is None:
            return None
        return value, "n" if _row(_NUMERIC, 2, tag) >= 0 else "cn" if _row(_COMPRESSED, 2, tag) >= 0 else "b"

    out = tlv.build_dol(parse_dol(dol), formed)
    if len(out) > 252:
        raise EmvError("data object list asks for too much", "EMV-107", detail=len(out))
    return out


def number(value: bytes) -> int:
    """An unsigned binary number."""
    return int.from_bytes(value, "big")
