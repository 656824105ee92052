"""Extended data authentication (XDA): elliptic curve certificates and signatures (EMV 4.4 Book 2, 12, A2.2, B2; Book 3, 10.3).

Keys are x coordinates; the y below (p + 1)/2 goes with it (B2.2.4). A certificate is its signed fields, then the signature. EC-SDSA
(A2.2): r = Hash(x of kG | message), s = k + rd. Suites '10' (P-256, SHA-256) and '11' (P-521, SHA-512) of Table 48; the others are
proprietary or not yet in use, and are refused. A CertificateError's `detail` names the rule; `oda.authenticate` makes TVR bits of it.

The terminal's date and time stand for UTC here: a certificate may so end an hour early or late.
"""

from typing import TYPE_CHECKING

from protocol import tlv
from protocol.emv import tags
from protocol.emv.oda.certificates import CertificateError, expect
from protocol.errors import CryptoError
from protocol.pack import hexed

if TYPE_CHECKING:
    from protocol.crypto import Crypto
    from protocol.emv.params import EccCaKey
    from protocol.emv.state import Session

    Key = tuple[int, bytes]  # algorithm suite, x coordinate

SUITES = {0x10: ("P-256", "sha256", 32, 32), 0x11: ("P-521", "sha512", 66, 64)}  # curve, hash, N_FIELD, N_HASH
_HASHES = {0x02: ("sha256", 32), 0x03: ("sha512", 64)}  # Table 47
_FORMAT = b"\x15"  # of signed dynamic application data, Table 38


def point(suite: int, x: bytes) -> bytes:
    """04 | x | y of a public key (Point4x, B2.2.1): the lower of the two y. CertificateError "ecc-point" if x is on no curve."""
    from protocol.crypto.ec import Curve

    curve = Curve(SUITES[suite][0])
    p, value = curve.p, int.from_bytes(x, "big")
    square = ((value * value + curve.a) * value + curve.b) % p
    y = pow(square, (p + 1) // 4, p)  # both p are 3 modulo 4
    expect(value < p and y * y % p == square, "ecc-point")
    return b"\x04" + x + min(y, p - y).to_bytes(curve.size, "big")


def holds(crypto: "Crypto", key: "Key", message: "list[bytes]", signature: bytes) -> bool:
    """Whether `signature` is `key`'s over the parts of `message` (A2.2.3)."""
    from protocol.crypto.ec import Curve

    name, digest, field, size = SUITES[key[0]]
    if len(signature) != size + field:
        return False
    order = Curve(name).n
    r, s = signature[:size], int.from_bytes(signature[size:], "big")
    reduced = int.from_bytes(r, "big") % order
    if not 0 < s < order or reduced == 0:
        return False
    try:
        public = point(key[0], key[1])
        left = crypto.ec_multiply(name, s.to_bytes(field, "big"), None)
        right = crypto.ec_multiply(name, (order - reduced).to_bytes(field, "big"), public)
        x = crypto.ec_add(name, left, right)[1 : 1 + field]
    except (CertificateError, CryptoError):
        return False
    sha = crypto.sha_new(digest)
    sha.update(x)
    for part in message:
        sha.update(part)
    return sha.digest() == r


def ca_key(s: "Session") -> "EccCaKey | None":
    """The CA key that the card names (12.2); None if the terminal has none of that RID and index, or an expired one."""
    index = s.card.get(tags.CA_KEY_INDEX)
    key = s.params.ecc_ca_key(s.card[tags.DF_NAME][:5], index[0]) if index is not None else None
    return key if key is not None and int(key.expiry) >= s.today else None


def card_key(s: "Session", ca: "EccCaKey") -> "Key":
    """The card's key, out of issuer's and card's certificates (12.3 and 12.4). CertificateError."""
    return _card_key(s, _issuer_key(s, ca))


def _certificate(s: "Session", tag: int) -> bytes:
    value = s.card.get(tag)
    if value is None:
        raise CertificateError(tags.name(tag), missing=True)
    return value


def _issuer_key(s: "Session", ca: "EccCaKey") -> "Key":
    """12.3, Table 35: '12' '00' identifier 5, suite, expiry 4, serial 3, RID 5, index, x, signature."""
    cert = _certificate(s, tags.ISSUER_CERTIFICATE)
    expect(len(cert) >= 21, "issuer-length")
    expect(cert[0] == 0x12 and cert[1] == 0x00, "issuer-format")
    identifier = hexed(cert[2:7]).upper().rstrip("F").encode()
    expect(3 <= len(identifier) <= 10 and identifier.isdigit() and s.pan.startswith(identifier), "issuer-identifier")
    expect(tags.is_digits(cert[8:12]) and tags.digits_to_int(cert[8:12]) >= s.today, "issuer-expired")
    expect(cert[15:20] == ca.rid and cert[20] == ca.index, "issuer-ca-key")
    expect(ca.rid + bytes([ca.index]) + cert[12:15] not in s.params.revoked, "issuer-revoked")
    expect(cert[7] in SUITES, "issuer-suite")
    end = 21 + SUITES[cert[7]][2]
    expect(len(cert) == end + _signature_size(ca.suite), "issuer-length")
    expect(holds(s.crypto, (ca.suite, ca.x), [cert[:end]], cert[end:]), "issuer-signature")
    return cert[7], cert[21:end]


def _card_key(s: "Session", issuer: "Key") -> "Key":
    """12.4, Table 36: '14' '00' suite, expiry 4, time 2, serial 6, hash encoding '00', hash algorithm, hash, x, signature."""
    cert = _certificate(s, tags.ICC_CERTIFICATE)
    expect(len(cert) >= 17, "icc-length")
    expect(cert[0] == 0x14 and cert[1] == 0x00 and cert[15] == 0x00, "icc-format")
    expect(tags.is_digits(cert[3:9]), "icc-expiry")
    clock = tags.digits_to_int(s.terminal[0x9F21][:2])
    until = (tags.digits_to_int(cert[3:7]), tags.digits_to_int(cert[7:9]))
    expect(until >= (s.today, clock), "icc-expired")
    expect(cert[2] in SUITES, "icc-suite")
    expect(cert[16] in _HASHES, "icc-hash-algorithm")
    name, size = _HASHES[cert[16]]
    at = 17 + size
    end = at + SUITES[cert[2]][2]
    expect(len(cert) == end + _signature_size(issuer[0]), "icc-length")
    sha = s.crypto.sha_new(name)
    for part in certified_data(s):
        sha.update(part)
    expect(sha.digest() == cert[17:at], "icc-data-hash")
    expect(holds(s.crypto, issuer, [cert[:end]], cert[end:]), "icc-signature")
    point(cert[2], cert[at:end])
    return cert[2], cert[at:end]


def certified_data(s: "Session") -> "list[bytes]":
    """The issuer certified card data (Book 3, 10.3): the marked records, then AIP, AID (terminal) and, if there is one, PDOL as TLV."""
    expect(s.static_ok, "record-template")
    found = s.static + [
        tlv.encode(tags.AIP, s.card[tags.AIP]),
        tlv.encode(tags.AID_TERMINAL, s.terminal[tags.AID_TERMINAL]),
    ]
    return found + [tlv.encode(tags.PDOL, s.card[tags.PDOL])] if tags.PDOL in s.card else found


def _signature_size(suite: int) -> int:
    return SUITES[suite][2] + SUITES[suite][3]


def check(s: "Session", signed: "bytes | None", sent: "list[bytes]", raw: bytes) -> None:
    """The signed answer to GENERATE AC (12.5.3): '15', signature, over '15', what was `sent` and the answer's other objects as they came.

    CertificateError if it is absent or does not hold.
    """
    key = s.ecc_key
    if key is None:
        raise CertificateError("no-icc-key")
    if signed is None:
        raise CertificateError("9F4B", missing=True)
    expect(len(signed) == 1 + _signature_size(key[0]) and signed[:1] == _FORMAT, "sdad-format")
    expect(holds(s.crypto, key, [_FORMAT] + sent + [raw], signed[1:]), "sdad-signature")
