"""Recovery of issuer, ICC and PIN encipherment keys from RSA certificates (EMV 4.4 Book 2, 5, 6 and 7.1).

Each check of the book's lists raises CertificateError whose `detail` names the rule; a data object that is not there raises it
with `missing`. Nothing here decides about the transaction: `oda.authenticate` turns failures into TVR bits.
"""

from typing import TYPE_CHECKING

from protocol.emv import tags
from protocol.errors import CryptoError, EmvError
from protocol.pack import hexed

if TYPE_CHECKING:
    from protocol.crypto import Crypto
    from protocol.emv.params import CaKey
    from protocol.emv.state import Session

    Key = tuple[bytes, bytes]  # modulus, exponent

MIN_MODULUS = 64  # bytes; far below what any scheme issues, it only keeps the arithmetic in shape
MAX_MODULUS = 248


class CertificateError(EmvError):
    """A certificate or signature of the card does not hold. `detail` names the rule; `missing`: data objects are absent."""

    code = "EMV-130"

    def __init__(self, rule: str, missing: bool = False) -> None:
        super().__init__("a certificate or signature of the card does not hold", detail=rule)
        self.missing = missing


def expect(condition: bool, rule: str) -> None:
    """CertificateError naming `rule` unless `condition` holds."""
    if not condition:
        raise CertificateError(rule)


def open_signature(crypto: "Crypto", key: "Key", signature: bytes, kind: int, what: str) -> bytes:
    """The bytes that a signature with message recovery holds: 6A kind … hash BC, checked at both ends (Book 2, annex A2.1)."""
    expect(len(signature) == len(key[0]), what + "-length")
    try:
        opened = crypto.rsa_public(key[0], key[1], signature)
    except CryptoError:
        raise CertificateError(what + "-rsa")
    expect(len(opened) >= 40 and opened[0] == 0x6A and opened[-1] == 0xBC, what + "-frame")
    expect(opened[1] == kind, what + "-format")
    return opened


def hash_holds(crypto: "Crypto", opened: bytes, parts: "list[bytes]", what: str) -> None:
    """The hash inside `opened` covers what lies before it and then `parts`."""
    sha = crypto.sha_new("sha1")
    sha.update(opened[1:-21])
    for part in parts:
        sha.update(part)
    expect(sha.digest() == opened[-21:-1], what + "-hash")


def not_expired(month_year: bytes, today: int, what: str) -> None:
    """The last day of month MMYY (BCD) is not before `today` (YYYYMMDD)."""
    expect(tags.is_digits(month_year), what + "-expiry")
    month, year = tags.digits_to_int(month_year[:1]), tags.digits_to_int(month_year[1:])
    expect(1 <= month <= 12, what + "-expiry")
    until = (year + (1900 if year >= 50 else 2000)) * 100 + month
    expect(until >= today // 100, what + "-expired")


def _key_inside(
    opened: bytes, at: int, remainder: "bytes | None", exponent: bytes, room: int, most: int, what: str
) -> "Key":
    """The modulus that starts in a certificate (hash algorithm at `at`) and ends in its remainder, with its exponent."""
    expect(opened[at] == 0x01, what + "-hash-algorithm")
    expect(opened[at + 1] == 0x01, what + "-key-algorithm")
    length = opened[at + 2]
    expect(MIN_MODULUS <= length <= most and length <= MAX_MODULUS, what + "-key-length")
    expect(opened[at + 3] == len(exponent) and exponent in (b"\x03", b"\x01\x00\x01"), what + "-exponent")
    left = opened[at + 4 : at + 4 + room]
    if length > room:
        if remainder is None:
            raise CertificateError(what + "-remainder-missing", missing=True)
        expect(len(remainder) == length - room, what + "-remainder-length")
        left += remainder
    else:
        left = left[:length]
    expect(left[0] & 0x80 != 0 and left[-1] & 1 == 1, what + "-modulus")
    return left, exponent


def _object(s: "Session", tag: int) -> bytes:
    value = s.card.get(tag)
    if value is None:
        raise CertificateError(tags.name(tag), missing=True)
    return value


def require(s: "Session", wanted: "tuple[int, ...]") -> None:
    """CertificateError (`missing`) naming the first of the data objects that the card did not give."""
    for tag in wanted:
        _object(s, tag)


def ca_key(s: "Session") -> "CaKey":
    """The CA key that the card names (Book 2, 5.2), its check sum recomputed and its date checked."""
    index = _object(s, tags.CA_KEY_INDEX)[0]
    key = s.params.ca_key(s.card[tags.DF_NAME][:5], index)
    if key is None:
        raise CertificateError("ca-key-unknown")
    expect(key.digest_holds(s.crypto), "ca-key-digest")
    expect(int(key.expiry) >= s.today, "ca-key-expired")
    return key


def issuer_key(s: "Session") -> "Key":
    """Recover the issuer's key once (Book 2, 5.3)."""
    if s.issuer_key is not None:
        return s.issuer_key
    ca = ca_key(s)
    opened = open_signature(s.crypto, (ca.modulus, ca.exponent), _object(s, tags.ISSUER_CERTIFICATE), 0x02, "issuer")
    exponent = _object(s, tags.ISSUER_EXPONENT)
    remainder = s.card.get(tags.ISSUER_REMAINDER)
    hash_holds(s.crypto, opened, [remainder or b"", exponent], "issuer")
    identifier = hexed(opened[2:6]).upper().rstrip("F").encode()
    expect(3 <= len(identifier) <= 8 and identifier.isdigit() and s.pan.startswith(identifier), "issuer-identifier")
    not_expired(opened[6:8], s.today, "issuer")
    expect(ca.rid + bytes([ca.index]) + opened[8:11] not in s.params.revoked, "issuer-revoked")
    size = len(ca.modulus)
    s.issuer_key = _key_inside(opened, 11, remainder, exponent, size - 36, size, "issuer")
    return s.issuer_key


def _card_key(s: "Session", cert: int, exponent: int, remainder: int, static: "list[bytes]", what: str) -> "Key":
    issuer = issuer_key(s)
    opened = open_signature(s.crypto, issuer, _object(s, cert), 0x04, what)
    public = _object(s, exponent)
    rest = s.card.get(remainder)
    hash_holds(s.crypto, opened, [rest or b"", public] + static, what)
    expect(hexed(opened[2:12]).upper().rstrip("F").encode() == s.pan, what + "-pan")
    not_expired(opened[12:14], s.today, what)
    size = len(issuer[0])
    return _key_inside(opened, 17, rest, public, size - 42, size, what)


def icc_key(s: "Session", static: "list[bytes]") -> "Key":
    """Recover the card's key, whose certificate covers the static data (Book 2, 6.4)."""
    return _card_key(s, tags.ICC_CERTIFICATE, tags.ICC_EXPONENT, tags.ICC_REMAINDER, static, "icc")


def pin_key(s: "Session") -> "Key | None":
    """The key for enciphering a PIN (Book 2, 7.1): its own if the card has one, else the card's; None if neither holds."""
    try:
        if tags.PIN_CERTIFICATE in s.card:
            return _card_key(s, tags.PIN_CERTIFICATE, tags.PIN_EXPONENT, tags.PIN_REMAINDER, [], "pin")
        if s.icc_key is not None:
            return s.icc_key
        return icc_key(s, static_data(s))
    except CertificateError as error:
        s.note("PIN-KEY", str(error.detail))
        return None


def static_data(s: "Session") -> "list[bytes]":
    """The static data to be authenticated (Book 3, 10.3): the marked records, then the AIP if the SDA tag list says so."""
    expect(s.static_ok, "record-template")
    wanted = s.card.get(tags.SDA_TAG_LIST)
    if wanted is None:
        return s.static
    expect(wanted == bytes([tags.AIP]), "sda-tag-list")
    return s.static + [s.card[tags.AIP]]
