"""Public keys and signature algorithms of certificates and CMS (RFC 5480, RFC 8017, RFC 4055, BSI TR-03111 plain ECDSA).

Verifies RSA PKCS#1 v1.5, RSASSA-PSS and ECDSA with SHA-1 to SHA-512. Explicit curve parameters are accepted only if they equal
a known curve wholly. Anything else is UnsupportedError, never a failed or a held signature.
"""

from typing import TYPE_CHECKING

from protocol import pack
from protocol.crypto import CURVES, KeyFormatError
from protocol.der import BIT_STRING, INTEGER, NULL, OID, SEQUENCE, Der, DerError, oid_text
from protocol.licence import curves
from protocol.licence.errors import TrustError, UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from protocol.crypto import Crypto
    from protocol.crypto.ec import Curve

    Bytes = bytes | bytearray | memoryview

RSA, PSS, ECDSA, PLAIN = "RSA", "PSS", "ECDSA", "ECDSA-plain"
KEY = "key"  # detail of the TrustError about a public key that cannot be used

_PKCS1 = b"\x2a\x86\x48\x86\xf7\x0d\x01\x01"  # 1.2.840.113549.1.1
_X962_SIGNATURE = b"\x2a\x86\x48\xce\x3d\x04"  # 1.2.840.10045.4
_EC_KEY = b"\x2a\x86\x48\xce\x3d\x02\x01"
_PRIME_FIELD = b"\x2a\x86\x48\xce\x3d\x01\x01"
_STANDARDISED = b"\x04\x00\x7f\x00\x07\x01\x02"  # 0.4.0.127.0.7.1.2, parameters by number (TR-03110-3 A.2.1.1)
_STANDARD_NUMBERS = b"\x0a\x0c\x0f\x12\x0d\x10"  # in the order of protocol.crypto.CURVES
_BSI_PLAIN = b"\x04\x00\x7f\x00\x07\x01\x01\x04\x01"  # 0.4.0.127.0.7.1.1.4.1
_SHA1 = b"\x2b\x0e\x03\x02\x1a"
_SHA2 = b"\x60\x86\x48\x01\x65\x03\x04\x02"  # 2.16.840.1.101.3.4.2
_CURVE_OIDS = (
    b"\x2b\x81\x04\x00\x21",
    b"\x2a\x86\x48\xce\x3d\x03\x01\x07",
    b"\x2b\x81\x04\x00\x22",
    b"\x2b\x81\x04\x00\x23",
    b"\x2b\x24\x03\x03\x02\x08\x01\x01\x07",
    b"\x2b\x24\x03\x03\x02\x08\x01\x01\x0b",
)  # in the order of protocol.crypto.CURVES
MAX_RSA = 512  # bytes of modulus
MIN_RSA = 128


class PublicKey:
    """`kind` RSA (`modulus`, `exponent`) or ECDSA (`curve`, `point` 04 | x | y)."""

    def __init__(
        self, kind: str, curve: str = "", point: bytes = b"", modulus: bytes = b"", exponent: bytes = b""
    ) -> None:
        self.kind = kind
        self.curve = curve
        self.point = point
        self.modulus = modulus
        self.exponent = exponent

    def same_as(self, other: "PublicKey") -> bool:
        """Whether both are one key."""
        return (self.curve, self.point, self.modulus) == (other.curve, other.point, other.modulus)


class Algorithm:
    """`kind` RSA, PSS, ECDSA or PLAIN; `hash` name or "" if the identifier leaves it open; `salt` length of PSS."""

    def __init__(self, kind: str, hash_name: str, salt: int = 20, mask_hash: str = "") -> None:
        self.kind = kind
        self.hash = hash_name
        self.salt = salt
        self.mask_hash = mask_hash or hash_name


def unsupported(what: str, oid: "Bytes" = b"") -> UnsupportedError:
    """The error for something that may be right but cannot be verified here."""
    return UnsupportedError(what + " is not supported on this terminal", detail=oid_text(oid))


def hash_name(oid: "Bytes") -> str:
    """ "sha1" … "sha512" of a hash's object identifier."""
    if oid == _SHA1:
        return "sha1"
    if oid[:-1] == _SHA2 and 1 <= oid[-1] <= 4:
        return ("sha256", "sha384", "sha512", "sha224")[oid[-1] - 1]
    raise unsupported("hash", oid)


def read_hash(parent: Der) -> str:
    """Read an AlgorithmIdentifier of a hash; parameters absent or NULL."""
    inner = parent.enter(SEQUENCE)
    oid = inner.oid()
    if inner.optional(NULL) is not None or not inner.more():
        inner.finish()
        return hash_name(oid)
    raise inner.fail("parameters where none belong")


def digest(crypto: "Crypto", name: str, data: "Bytes") -> bytes:
    """Hash `data` by a name that `hash_name` gave."""
    state = crypto.sha_new(name)
    state.update(data)
    return state.digest()


def read_algorithm(parent: Der) -> Algorithm:
    """Read the AlgorithmIdentifier of a signature; UnsupportedError if it is none that can be verified here."""
    inner = parent.enter(SEQUENCE)
    oid = inner.oid()
    if oid[:-1] == _PKCS1 and oid[-1] == 10:
        return _read_pss(inner)
    if inner.optional(NULL) is None and inner.more() and oid != _EC_KEY:
        raise inner.fail("parameters where none belong")
    if oid[:-1] == _PKCS1:
        names = {1: "", 5: "sha1", 11: "sha256", 12: "sha384", 13: "sha512", 14: "sha224"}
        if oid[-1] in names:
            return Algorithm(RSA, names[oid[-1]])
    elif oid == _EC_KEY:
        return Algorithm(ECDSA, "")
    elif oid == _X962_SIGNATURE + b"\x01":
        return Algorithm(ECDSA, "sha1")
    elif oid[:-1] == _X962_SIGNATURE + b"\x03" and 1 <= oid[-1] <= 4:
        return Algorithm(ECDSA, ("sha224", "sha256", "sha384", "sha512")[oid[-1] - 1])
    elif oid[:-1] == _BSI_PLAIN and 1 <= oid[-1] <= 5:
        return Algorithm(PLAIN, ("sha1", "sha224", "sha256", "sha384", "sha512")[oid[-1] - 1])
    raise unsupported("signature algorithm", oid)


def _read_pss(inner: Der) -> Algorithm:
    """RSASSA-PSS-params (RFC 4055 section 3.1): explicit tags 0 hash, 1 mask, 2 salt length, 3 trailer; all optional."""
    name = mask = "sha1"
    salt = 20
    if not inner.more():
        raise unsupported("RSASSA-PSS without parameters")
    fields = inner.enter(SEQUENCE)
    inner.finish()
    if fields.peek() == 0xA0:
        name = read_hash(fields.enter(0xA0))
    if fields.peek() == 0xA1:
        generator = fields.enter(0xA1).enter(SEQUENCE)
        oid = generator.oid()
        if oid != _PKCS1 + b"\x08":
            raise unsupported("mask generation", oid)
        mask = read_hash(generator)
    if fields.peek() == 0xA2:
        salt = fields.enter(0xA2).integer(2)
    if fields.peek() == 0xA3 and fields.enter(0xA3).integer(1) != 1:
        raise unsupported("trailer field")
    fields.finish()
    return Algorithm(PSS, name, salt, mask)


def read_public_key(parent: Der) -> PublicKey:
    """Read a SubjectPublicKeyInfo."""
    info = parent.enter(SEQUENCE)
    algorithm = info.enter(SEQUENCE)
    oid = algorithm.oid()
    if oid == _EC_KEY:
        curve = _read_curve(algorithm)
        point = info.bits()
        info.finish()
        return PublicKey(ECDSA, curve, point)
    if oid == _STANDARDISED:
        curve = standard_curve(algorithm.integer(1))
        algorithm.finish()
        point = info.bits()
        info.finish()
        return PublicKey(ECDSA, curve, point)
    if oid[:-1] == _PKCS1 and oid[-1] in (1, 10):
        item = info.next(BIT_STRING)
        info.finish()
        if item.end - item.body < 2 or info.data[item.body] != 0:
            raise DerError("RSA key cut short", detail=item.start)
        key = Der(info.data, item.body + 1, item.end).enter(SEQUENCE)
        modulus, exponent = key.integer_bytes(), key.integer_bytes()
        key.finish()
        if not MIN_RSA <= len(modulus) <= MAX_RSA or len(exponent) > 8:
            raise unsupported("RSA key of this size")
        return PublicKey(RSA, modulus=modulus, exponent=exponent)
    raise unsupported("kind of key", oid)


def standard_curve(number: int) -> str:
    """The curve of a standardised domain parameter number (ICAO Doc 9303-11 table 6)."""
    at = _STANDARD_NUMBERS.find(bytes((number,)))
    if at < 0:
        raise UnsupportedError("domain parameters are not supported on this terminal", detail=number)
    return CURVES[at]


def _read_curve(algorithm: Der) -> str:
    """The name of the curve: named, or explicit and equal to a known one in every parameter."""
    if algorithm.peek() == OID:
        oid = algorithm.oid()
        algorithm.finish()
        if oid not in _CURVE_OIDS:
            raise unsupported("curve", oid)
        return CURVES[_CURVE_OIDS.index(oid)]
    if algorithm.peek() != SEQUENCE:
        raise unsupported("implied curve")
    given = _explicit(algorithm.enter(SEQUENCE))
    algorithm.finish()
    from protocol.crypto.ec import Curve

    for name in CURVES:
        known = Curve(name)
        if len(given[0]) == known.size and given == _known(known):
            return name
    raise unsupported("curve that equals no known one")


def _known(curve: "Curve") -> "tuple[bytes, ...]":
    size = curve.size
    base = b"\x04" + pack.be(curve.gx, size) + pack.be(curve.gy, size)
    return pack.be(curve.p, size), pack.be(curve.a, size), pack.be(curve.b, size), base, pack.be(curve.n, size)


def _explicit(fields: Der) -> "tuple[bytes, ...]":
    """(p, a, b, base point, order) of ECParameters (X9.62; RFC 3279 2.3.5), padded to p's size; cofactor must be 1 if given."""
    if fields.integer(1) not in (1, 2, 3):
        raise fields.fail("version of the curve parameters")
    field = fields.enter(SEQUENCE)
    if field.oid() != _PRIME_FIELD:
        raise unsupported("curve over a binary field")
    prime = field.integer_bytes()
    field.finish()
    size = len(prime)
    if not 28 <= size <= 66:
        raise unsupported("curve of this size")
    curve = fields.enter(SEQUENCE)
    a, b = curve.octets(), curve.octets()
    if curve.peek() == BIT_STRING:
        curve.next(BIT_STRING)  # the seed says how the curve was found; it defines nothing
    curve.finish()
    base, order = fields.octets(), fields.integer_bytes()
    if fields.peek() == INTEGER and fields.integer(1) != 1:
        raise unsupported("curve with a cofactor")
    fields.finish()
    return prime, _fill(a, size), _fill(b, size), base, _fill(order, size)


def _fill(value: bytes, size: int) -> bytes:
    while len(value) > size and value[0] == 0:
        value = value[1:]
    return bytes(size - len(value)) + value if len(value) < size else value


def verify(
    crypto: "Crypto", key: PublicKey, algorithm: Algorithm, open_hash: str, data: "Bytes", signature: "Bytes"
) -> bool:
    """`verify_steps`, with all work done here."""
    return curves.alone(verify_steps(crypto, key, algorithm, open_hash, data, signature))


def verify_steps(
    crypto: "Crypto", key: PublicKey, algorithm: Algorithm, open_hash: str, data: "Bytes", signature: "Bytes"
) -> "Generator[tuple, Any, bool]":
    """Whether `signature` over `data` holds; `open_hash` is used where the algorithm does not name a hash.

    UnsupportedError if key and algorithm do not belong together or the key is unusable. Yields the requests of `curves`.
    """
    name = algorithm.hash or open_hash
    kind = key.kind
    if (kind == RSA) != (algorithm.kind in (RSA, PSS)):
        raise TrustError("key and signature algorithm do not belong together", detail="algorithm")
    value = digest(crypto, name, data)
    try:
        if kind == ECDSA:
            raw = signature if algorithm.kind == PLAIN else raw_signature(signature, (len(key.point) - 1) // 2)
            return raw is not None and (yield from curves.verify(crypto, key.curve, key.point, value, raw))
        if len(signature) != len(key.modulus):
            return False
        if bytes(signature) >= key.modulus:
            return False
        opened = crypto.rsa_public(key.modulus, key.exponent, signature)
    except KeyFormatError as cause:
        raise TrustError("a public key cannot be used: " + cause.message, detail=KEY)
    if algorithm.kind == RSA:
        return pack.ct_equal(opened, _pkcs1_block(name, value, len(opened)))
    return _pss_holds(crypto, algorithm, value, opened, key.modulus)


def raw_signature(signature: "Bytes", size: int) -> "bytes | None":
    """r | s of a DER Ecdsa-Sig-Value, None if it is none (then the signature does not hold)."""
    try:
        outer = Der(signature)
        pair = outer.enter(SEQUENCE)
        outer.finish()
        r, s = pair.integer_bytes(), pair.integer_bytes()
        pair.finish()
    except DerError:
        return None
    if len(r) > size or len(s) > size:
        return None
    return bytes(size - len(r)) + r + bytes(size - len(s)) + s


def _pkcs1_block(name: str, value: bytes, size: int) -> bytes:
    """EMSA-PKCS1-v1_5 (RFC 8017 9.2); empty if it does not fit, which equals nothing."""
    if name == "sha1":
        oid = _SHA1
    else:
        oid = _SHA2 + bytes((("sha256", "sha384", "sha512", "sha224").index(name) + 1,))
    identifier = bytes((0x30, len(oid) + 4, 0x06, len(oid))) + oid + b"\x05\x00"
    info = identifier + bytes((0x04, len(value))) + value
    info = bytes((0x30, len(info))) + info
    fill = size - 3 - len(info)
    return b"\x00\x01" + b"\xff" * fill + b"\x00" + info if fill >= 8 else b""


def _mask(crypto: "Crypto", name: str, seed: bytes, length: int) -> bytes:
    """MGF1 (RFC 8017 B.2.1)."""
    out = b""
    counter = 0
    while len(out) < length:
        out += digest(crypto, name, seed + pack.u32be(counter))
        counter += 1
    return out[:length]


def _pss_holds(crypto: "Crypto", algorithm: Algorithm, value: bytes, block: bytes, modulus: bytes) -> bool:
    """EMSA-PSS-VERIFY (RFC 8017 9.1.2)."""
    top = 0
    while modulus[0] >> top:
        top += 1
    bits = 8 * (len(modulus) - 1) + top - 1
    if bits % 8 == 0:
        if block[0] != 0:
            return False
        block = block[1:]
    size, salt = len(value), algorithm.salt
    if len(block) < size + salt + 2 or block[-1] != 0xBC:
        return False
    masked, seed = block[: len(block) - size - 1], block[len(block) - size - 1 : -1]
    spare = 8 * len(block) - bits
    if masked[0] >> (8 - spare):
        return False
    plain = bytearray(pack.xor(masked, _mask(crypto, algorithm.mask_hash, seed, len(masked))))
    plain[0] &= 0xFF >> spare
    lead = len(plain) - salt - 1
    if plain[lead] != 1:
        return False
    for i in range(lead):
        if plain[i]:
            return False
    check = digest(crypto, algorithm.hash, bytes(8) + value + bytes(plain[lead + 1 :]))
    return pack.ct_equal(check, seed)
