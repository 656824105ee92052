"""Elliptic curves as EMV's XDA uses them: EC-SDSA (ISO/IEC 14888-3, as EMV 4.4 Book 2, A2.2 has it) and Book 2's certificates of Tables 35 and 36.

Points come from `cryptography`, the curves' numbers from python-ecdsa, the rest is plain arithmetic. A public key is its x coordinate; the private
key is chosen such that y is the lower of the two roots (B2.2.4). Suites: '10' P-256 with SHA-256, '11' P-521 with SHA-512.
"""

import hashlib
import secrets
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from ecdsa import NIST256p, NIST521p

P256, P521 = 0x10, 0x11
_SUITES: dict[int, tuple[Any, Any, Any]] = {  # curve for points, its numbers, hash
    P256: (ec.SECP256R1(), NIST256p, hashlib.sha256),
    P521: (ec.SECP521R1(), NIST521p, hashlib.sha512),
}


@dataclass(frozen=True)
class EccKey:
    """A private key `d` of a suite."""

    suite: int
    d: int

    @property
    def size(self) -> int:
        """Bytes of a coordinate."""
        return _SUITES[self.suite][1].baselen

    @property
    def x(self) -> bytes:
        """The public key."""
        return _times_base(self.suite, self.d)[0].to_bytes(self.size, "big")

    def sign(self, message: bytes, k: int = 0) -> bytes:
        """r | s over `message`; `k` is drawn unless it is given."""
        _, numbers, digest = _SUITES[self.suite]
        order, size = numbers.order, self.size
        k = k or 1 + secrets.randbelow(order - 1)
        r = digest(_times_base(self.suite, k)[0].to_bytes(size, "big") + message).digest()
        s = (k + int.from_bytes(r, "big") * self.d) % order
        return r + s.to_bytes(size, "big")


def _times_base(suite: int, scalar: int) -> tuple[int, int]:
    numbers = ec.derive_private_key(scalar, _SUITES[suite][0]).public_key().public_numbers()
    return numbers.x, numbers.y


def key(suite: int, number: int) -> EccKey:
    """The key of a number: itself, or its opposite where that has the lower y."""
    numbers = _SUITES[suite][1]
    order = numbers.order
    d = number % (order - 1) + 1
    lower = _times_base(suite, d)[1] < (numbers.curve.p() + 1) // 2
    return EccKey(suite, d if lower else order - d)


def certify_issuer(
    ca: EccKey, rid: bytes, index: int, issuer: EccKey, identifier: bytes, until: str, serial: bytes
) -> bytes:
    """Tag 90: `identifier` 5 bytes, `until` YYYYMMDD, `serial` 3 bytes."""
    body = (
        b"\x12\x00"
        + identifier
        + bytes([issuer.suite])
        + bytes.fromhex(until)
        + serial
        + rid
        + bytes([index])
        + issuer.x
    )
    return body + ca.sign(body)


def certify_card(
    issuer: EccKey, card: EccKey, until: str, serial: bytes, certified: bytes, algorithm: int = 2
) -> bytes:
    """Tag 9F46: `until` YYYYMMDDHHMM, `serial` 6 bytes; `certified` is the issuer certified card data, hashed by `algorithm` (2 or 3)."""
    digest = {2: hashlib.sha256, 3: hashlib.sha512}[algorithm](certified).digest()
    body = (
        b"\x14\x00"
        + bytes([card.suite])
        + bytes.fromhex(until)
        + serial
        + b"\x00"
        + bytes([algorithm])
        + digest
        + card.x
    )
    return body + issuer.sign(body)
