"""Public keys and signatures of authorities, on a desk: asn1crypto and `cryptography`, more curves than a terminal has.

Explicit elliptic-curve parameters (160 of the 164 EC keys of a real master list) are accepted only if prime, both coefficients,
base point, order and cofactor all equal those of one known curve: an attacker's curve that shares a key with a real one would
otherwise verify what its maker signed.

    TrustError        LIC-060  a key or signature is malformed
    UnsupportedError  LIC-061  a curve, key or algorithm that is not known here
"""

from dataclasses import dataclass
from typing import Any

import ecdsa
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa

from protocol.licence.errors import TrustError, UnsupportedError

HASHES = {
    "sha1": hashes.SHA1(),
    "sha224": hashes.SHA224(),
    "sha256": hashes.SHA256(),
    "sha384": hashes.SHA384(),
    "sha512": hashes.SHA512(),
}


@dataclass(frozen=True)
class Known:
    """A curve with all its parameters; `numbers` = (p, a, b, x, y, order, cofactor)."""

    name: str
    curve: ec.EllipticCurve
    numbers: tuple[int, ...]
    size: int


def _known(name: str, curve: ec.EllipticCurve, source: ecdsa.curves.Curve) -> Known:
    maths, base = source.curve, source.generator
    prime = maths.p()
    numbers = (prime, maths.a() % prime, maths.b() % prime, base.x(), base.y(), source.order, maths.cofactor() or 1)
    return Known(name, curve, numbers, (prime.bit_length() + 7) // 8)


CURVES = (
    _known("secp224r1", ec.SECP224R1(), ecdsa.NIST224p),
    _known("secp256r1", ec.SECP256R1(), ecdsa.NIST256p),
    _known("secp384r1", ec.SECP384R1(), ecdsa.NIST384p),
    _known("secp521r1", ec.SECP521R1(), ecdsa.NIST521p),
    _known("brainpoolP256r1", ec.BrainpoolP256R1(), ecdsa.BRAINPOOLP256r1),
    _known("brainpoolP384r1", ec.BrainpoolP384R1(), ecdsa.BRAINPOOLP384r1),
    _known("brainpoolP512r1", ec.BrainpoolP512R1(), ecdsa.BRAINPOOLP512r1),
)
_OIDS = {
    "1.3.36.3.3.2.8.1.1.7": "brainpoolP256r1",
    "1.3.36.3.3.2.8.1.1.11": "brainpoolP384r1",
    "1.3.36.3.3.2.8.1.1.13": "brainpoolP512r1",
}


def curve_of(parameters: Any) -> Known:
    """The known curve that named or explicit parameters mean. UnsupportedError."""
    if parameters.name == "named":
        wanted = _OIDS.get(parameters.chosen.dotted, parameters.chosen.native)
        for known in CURVES:
            if known.name == wanted:
                return known
        raise UnsupportedError("curve is not known here", detail=parameters.chosen.dotted)
    if parameters.name != "specified":
        raise UnsupportedError("implied curve parameters are not accepted", detail="curve")
    given = _explicit(parameters.chosen)
    for known in CURVES:
        if given == known.numbers:
            return known
    raise UnsupportedError("explicit curve parameters equal no known curve wholly", detail="curve")


def _explicit(found: Any) -> tuple[int, ...]:
    if found["field_id"]["field_type"].native != "prime_field":
        raise UnsupportedError("curve over a binary field", detail="curve")
    prime = int(found["field_id"]["parameters"].native)
    size = (prime.bit_length() + 7) // 8
    base = bytes(found["base"].native)
    if base[:1] != b"\x04" or len(base) != 1 + 2 * size:
        raise UnsupportedError("base point is not uncompressed", detail="curve")
    x, y = int.from_bytes(base[1 : 1 + size], "big"), int.from_bytes(base[1 + size :], "big")
    coefficients = (int.from_bytes(bytes(found["curve"][name].native), "big") for name in ("a", "b"))
    cofactor = found["cofactor"].native
    return (prime, *coefficients, x, y, int(found["order"].native), 1 if cofactor is None else int(cofactor))


def public_key(info: Any) -> "ec.EllipticCurvePublicKey | rsa.RSAPublicKey":
    """The key of a SubjectPublicKeyInfo."""
    try:
        if info["algorithm"]["algorithm"].native == "ec":
            known = curve_of(info["algorithm"]["parameters"])
            return ec.EllipticCurvePublicKey.from_encoded_point(known.curve, bytes(info["public_key"].native))
        key = serialization.load_der_public_key(info.dump())
    except (ValueError, TypeError) as error:
        raise TrustError("a public key is malformed", detail="key") from error
    if not isinstance(key, rsa.RSAPublicKey):
        raise UnsupportedError("kind of key is not known here", detail="key")
    return key


def holds(info: Any, algorithm: Any, digest: str, data: bytes, signature: bytes) -> bool:
    """Whether `signature` over `data` is the key's; `digest` is used where the algorithm leaves the hash open."""
    key = public_key(info)
    try:
        kind = algorithm.signature_algo
        name = (
            digest
            if kind == "rsassa_pkcs1v15" and algorithm["algorithm"].native == "rsassa_pkcs1v15"
            else algorithm.hash_algo
        )
        hasher = HASHES[name]
    except (ValueError, KeyError) as error:
        raise UnsupportedError("signature algorithm is not known here", detail=algorithm["algorithm"].dotted) from error
    try:
        if isinstance(key, ec.EllipticCurvePublicKey) and kind == "ecdsa":
            key.verify(signature, data, ec.ECDSA(hasher))
        elif isinstance(key, rsa.RSAPublicKey) and kind == "rsassa_pkcs1v15":
            key.verify(signature, data, padding.PKCS1v15(), hasher)
        elif isinstance(key, rsa.RSAPublicKey) and kind == "rsassa_pss":
            salt = int(algorithm["parameters"]["salt_length"].native)
            key.verify(signature, data, padding.PSS(padding.MGF1(hasher), salt), hasher)
        else:
            raise UnsupportedError("key and signature algorithm do not belong together", detail=kind)
    except InvalidSignature:
        return False
    return True
