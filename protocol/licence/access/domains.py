"""The groups that PACE runs in: elliptic curves, and the finite field of RFC 5114 section 2.1 (ICAO Doc 9303-11 tables 6, 9.5.1).

One interface for both: base, key pair, shared secret, generic and integrated mapping of the base (Doc 9303-11 section 4.4.3.3
and appendix B). Scalars are ephemeral; nothing here is constant-time.
"""

from typing import TYPE_CHECKING

from protocol import pack
from protocol.crypto import KeyFormatError
from protocol.crypto.ec import Curve
from protocol.licence.errors import AccessError
from protocol.licence.trust import algorithms

if TYPE_CHECKING:
    from protocol.crypto import Crypto

    Bytes = bytes | bytearray | memoryview

RFC5114_1024 = 0  # number of the finite-field domain among the standardised ones

_P = (
    b"\xb1\x0b\x8f\x96\xa0\x80\xe0\x1d\xde\x92\xde\x5e\xae\x5d\x54\xec\x52\xc9\x9f\xbc\xfb\x06\xa3\xc6\x9a\x6a\x9d\xca"
    b"\x52\xd2\x3b\x61\x60\x73\xe2\x86\x75\xa2\x3d\x18\x98\x38\xef\x1e\x2e\xe6\x52\xc0\x13\xec\xb4\xae\xa9\x06\x11\x23"
    b"\x24\x97\x5c\x3c\xd4\x9b\x83\xbf\xac\xcb\xdd\x7d\x90\xc4\xbd\x70\x98\x48\x8e\x9c\x21\x9a\x73\x72\x4e\xff\xd6\xfa"
    b"\xe5\x64\x47\x38\xfa\xa3\x1a\x4f\xf5\x5b\xcc\xc0\xa1\x51\xaf\x5f\x0d\xc8\xb4\xbd\x45\xbf\x37\xdf\x36\x5c\x1a\x65"
    b"\xe6\x8c\xfd\xa7\x6d\x4d\xa7\x08\xdf\x1f\xb2\xbc\x2e\x4a\x43\x71"
)
_G = (
    b"\xa4\xd1\xcb\xd5\xc3\xfd\x34\x12\x67\x65\xa4\x42\xef\xb9\x99\x05\xf8\x10\x4d\xd2\x58\xac\x50\x7f\xd6\x40\x6c\xff"
    b"\x14\x26\x6d\x31\x26\x6f\xea\x1e\x5c\x41\x56\x4b\x77\x7e\x69\x0f\x55\x04\xf2\x13\x16\x02\x17\xb4\xb0\x1b\x88\x6a"
    b"\x5e\x91\x54\x7f\x9e\x27\x49\xf4\xd7\xfb\xd7\xd3\xb9\xa9\x2e\xe1\x90\x9d\x0d\x22\x63\xf8\x0a\x76\xa6\xa2\x4c\x08"
    b"\x7a\x09\x1f\x53\x1d\xbf\x0a\x01\x69\xb6\xa2\x8a\xd6\x62\xa4\xd1\x8e\x73\xaf\xa3\x2d\x77\x9d\x59\x18\xd0\x8b\xc8"
    b"\x85\x8f\x4d\xce\xf9\x7c\x2a\x24\x85\x5e\x6e\xeb\x22\xb3\xb2\xe5"
)
_Q = b"\xf5\x18\xaa\x87\x81\xa8\xdf\x27\x8a\xba\x4e\x7d\x64\xb7\xcb\x9d\x49\x46\x23\x53"


def refused(cause: KeyFormatError) -> AccessError:
    """The error for a chip that sends a key that no honest chip sends."""
    return AccessError("the chip's key in the key agreement cannot be used: " + cause.message, "LIC-023")


class CurveDomain:
    """PACE over a named curve. Public keys and bases are 04 | x | y."""

    token_tag = 0x86

    def __init__(self, crypto: "Crypto", name: str) -> None:
        self._crypto = crypto
        self.name = name
        curve = Curve(name)
        self.order = curve.n
        self.scalar_size = curve.size
        self.field_bits = 8 * curve.size if curve.size != 66 else 521

    def multiply(self, scalar: bytes, point: "bytes | None") -> bytes:
        """scalar * point (None: the standard base); AccessError if the point is not on the curve."""
        try:
            return self._crypto.ec_multiply(self.name, scalar, point)
        except KeyFormatError as cause:
            raise refused(cause)

    def secret(self, scalar: bytes, public: bytes) -> bytes:
        """The shared secret that keys are derived from: the x coordinate."""
        try:
            return self._crypto.ec_shared(self.name, scalar, public)
        except KeyFormatError as cause:
            raise refused(cause)

    def map_generic(self, nonce: bytes, shared: bytes) -> bytes:
        """nonce * G + H."""
        scalar = pack.be(pack.int_from(nonce) % self.order, self.scalar_size)
        try:
            return self._crypto.ec_add(self.name, self.multiply(scalar, None), shared)
        except KeyFormatError as cause:
            raise refused(cause)

    def map_integrated(self, value: bytes) -> bytes:
        """The point that a field element encodes to (appendix B.2, for p = 3 mod 4 and a, b not 0)."""
        curve = Curve(self.name)
        p, a, b = curve.p, curve.a, curve.b
        t = pack.int_from(value) % p
        alpha = -t * t % p
        x2 = -b * pow(a, p - 2, p) * (1 + pow(alpha + alpha * alpha, p - 2, p)) % p
        h2 = (x2 * x2 * x2 + a * x2 + b) % p
        root = pow(h2, p - 1 - (p + 1) // 4, p)
        if root * root * h2 % p == 1:
            x, y = x2, root * h2 % p
        else:
            x, y = alpha * x2 % p, root * t * t * t * h2 % p
        point = b"\x04" + pack.be(x, curve.size) + pack.be(y, curve.size)
        try:
            self._crypto.ec_check(self.name, point)
        except KeyFormatError as cause:
            raise refused(cause)
        return point


class FieldDomain:
    """PACE over the multiplicative group of RFC 5114 2.1 (1024 bits, subgroup of 160). Public keys are as long as p."""

    token_tag = 0x84
    name = "RFC 5114 2.1"

    def __init__(self) -> None:
        self._p = pack.int_from(_P)
        self._size = len(_P)
        self.order = pack.int_from(_Q)
        self.scalar_size = len(_Q)
        self.field_bits = 8 * len(_P)

    def multiply(self, scalar: bytes, point: "bytes | None") -> bytes:
        """point ** scalar (None: the standard base); AccessError if the point is not of the subgroup, or not reduced: p - 1 has small
        factors, and who chose a key of such an order would know the secret without the password.
        """
        base = pack.int_from(_G if point is None else point)
        if not 1 < base < self._p - 1 or (point is not None and len(point) != self._size):
            raise AccessError("the chip's key in the key agreement cannot be used", "LIC-023")
        if point is not None and pow(base, self.order, self._p) != 1:
            raise AccessError("the chip's key in the key agreement cannot be used", "LIC-023")
        return pack.be(pow(base, pack.int_from(scalar), self._p), self._size)

    def secret(self, scalar: bytes, public: bytes) -> bytes:
        """The shared secret that keys are derived from."""
        return self.multiply(scalar, public)

    def map_generic(self, nonce: bytes, shared: bytes) -> bytes:
        """g ** nonce * h."""
        mapped = pow(pack.int_from(_G), pack.int_from(nonce), self._p) * pack.int_from(shared) % self._p
        return pack.be(mapped, self._size)

    def map_integrated(self, value: bytes) -> bytes:
        """value ** ((p - 1) / q) (appendix B.1)."""
        mapped = pow(pack.int_from(value) % self._p, (self._p - 1) // self.order, self._p)
        if mapped <= 1:
            raise AccessError("the mapping of the key agreement failed", "LIC-023")
        return pack.be(mapped, self._size)


def domain(crypto: "Crypto", number: int) -> "CurveDomain | FieldDomain":
    """The domain of a standardised number; UnsupportedError for one that is not known here."""
    if number == RFC5114_1024:
        return FieldDomain()
    return CurveDomain(crypto, algorithms.standard_curve(number))
