"""Key agreement groups for the chip: elliptic curves over python-ecdsa, and the finite fields of RFC 5114 2.1 and RFC 3526 3 with `pow`.

Standardised numbers as in ICAO Doc 9303-11 table 6. One interface for both: `public`, `agree`, `add`, `encode_field` (integrated
mapping, Doc 9303-11 appendix B). Raises BadPoint for a key that no honest terminal sends.
"""

import secrets
from typing import Any, Protocol

import ecdsa
from ecdsa.ellipticcurve import INFINITY, PointJacobi
from ecdsa.errors import MalformedPointError


class BadPoint(Exception):
    """A public key that is not in the group."""


class Group(Protocol):
    """What PACE and chip authentication need of a group. Public keys are bytes as they go over the wire."""

    name: str
    token_tag: int
    order: int
    field_bits: int

    def random(self) -> int: ...
    def multiply(self, scalar: int, point: bytes | None = None) -> bytes: ...
    def add(self, one: bytes, two: bytes) -> bytes: ...
    def secret(self, point: bytes) -> bytes: ...
    def encode_field(self, value: int) -> bytes: ...


class CurveGroup:
    """A curve; keys are 04 | x | y."""

    token_tag = 0x86

    def __init__(self, curve: Any) -> None:
        self.curve = curve
        self.name = curve.name
        self.order = int(curve.order)
        self.size = curve.baselen
        self.prime = int(curve.curve.p())
        self.field_bits = self.prime.bit_length()

    def random(self) -> int:
        """A scalar from 1 to order - 1."""
        return secrets.randbelow(self.order - 1) + 1

    def _open(self, point: bytes) -> Any:
        if len(point) != 1 + 2 * self.size or point[0] != 4:
            raise BadPoint("not an uncompressed point")
        x, y = int.from_bytes(point[1 : 1 + self.size], "big"), int.from_bytes(point[1 + self.size :], "big")
        if x >= self.prime or y >= self.prime or not self.curve.curve.contains_point(x, y):
            raise BadPoint("not on the curve")  # python-ecdsa's own reading does not look
        try:
            return PointJacobi.from_bytes(self.curve.curve, point, valid_encodings=("uncompressed",), order=self.order)
        except (MalformedPointError, ValueError, AssertionError):
            raise BadPoint("not on the curve") from None

    def _close(self, point: Any) -> bytes:
        if point == INFINITY:
            raise BadPoint("infinity")
        return b"\x04" + int(point.x()).to_bytes(self.size, "big") + int(point.y()).to_bytes(self.size, "big")

    def multiply(self, scalar: int, point: bytes | None = None) -> bytes:
        """scalar * point, of the standard base without one."""
        base = self.curve.generator if point is None else self._open(point)
        return self._close(base * (scalar % self.order))

    def add(self, one: bytes, two: bytes) -> bytes:
        """The sum of two points."""
        return self._close(self._open(one) + self._open(two))

    def secret(self, point: bytes) -> bytes:
        """The shared secret of an agreed point: x."""
        return point[1 : 1 + self.size]

    def encode_field(self, value: int) -> bytes:
        """Point encoding of the integrated mapping, by square roots: Doc 9303-11 B.2 says the same with one exponentiation."""
        p, a, b = self.prime, int(self.curve.curve.a()) % self.prime, int(self.curve.curve.b())
        t = value % p
        alpha = -t * t % p
        x = -b * pow(a, -1, p) * (1 + pow(alpha + alpha * alpha, -1, p)) % p
        square = (x**3 + a * x + b) % p
        exponent = p - 1 - (p + 1) // 4
        root = pow(square, exponent, p)
        y = root * square % p
        if y * y % p != square:
            y = root * pow(t, 3, p) * square % p
            x = alpha * x % p
        if (y * y - x**3 - a * x - b) % p:
            raise BadPoint("mapping failed")
        return b"\x04" + x.to_bytes(self.size, "big") + y.to_bytes(self.size, "big")


class FieldGroup:
    """RFC 5114 section 2.1: 1024 bits, a subgroup of 160. Keys are as long as the prime."""

    name = "RFC 5114 2.1"
    token_tag = 0x84
    prime = int(
        "B10B8F96A080E01DDE92DE5EAE5D54EC52C99FBCFB06A3C69A6A9DCA52D23B616073E28675A23D189838EF1E2EE652C013ECB4AE"
        "A906112324975C3CD49B83BFACCBDD7D90C4BD7098488E9C219A73724EFFD6FAE5644738FAA31A4FF55BCCC0A151AF5F0DC8B4BD"
        "45BF37DF365C1A65E68CFDA76D4DA708DF1FB2BC2E4A4371",
        16,
    )
    generator = int(
        "A4D1CBD5C3FD34126765A442EFB99905F8104DD258AC507FD6406CFF14266D31266FEA1E5C41564B777E690F5504F213160217B4"
        "B01B886A5E91547F9E2749F4D7FBD7D3B9A92EE1909D0D2263F80A76A6A24C087A091F531DBF0A0169B6A28AD662A4D18E73AFA3"
        "2D779D5918D08BC8858F4DCEF97C2A24855E6EEB22B3B2E5",
        16,
    )
    order = 0xF518AA8781A8DF278ABA4E7D64B7CB9D49462353
    size = 128
    field_bits = 1024

    def random(self) -> int:
        """An exponent from 1 to order - 1."""
        return secrets.randbelow(self.order - 1) + 1

    def _open(self, element: bytes) -> int:
        value = int.from_bytes(element, "big")
        if len(element) != self.size or not 1 < value < self.prime - 1 or pow(value, self.order, self.prime) != 1:
            raise BadPoint("not in the subgroup")
        return value

    def multiply(self, scalar: int, point: bytes | None = None) -> bytes:
        """point ** scalar."""
        base = self.generator if point is None else self._open(point)
        return pow(base, scalar, self.prime).to_bytes(self.size, "big")

    def add(self, one: bytes, two: bytes) -> bytes:
        """The product of two elements."""
        return (self._open(one) * self._open(two) % self.prime).to_bytes(self.size, "big")

    def secret(self, point: bytes) -> bytes:
        """The shared secret: the whole element."""
        return point

    def encode_field(self, value: int) -> bytes:
        """Integrated mapping of a finite field (Doc 9303-11 B.1)."""
        return pow(value % self.prime, (self.prime - 1) // self.order, self.prime).to_bytes(self.size, "big")


class LargeFieldGroup(FieldGroup):
    """RFC 3526 section 3: 2048 bits, a safe prime; the base 4 is a square, so that its order is (p - 1) / 2."""

    name = "RFC 3526 3"
    prime = int(
        "FFFFFFFFFFFFFFFFC90FDAA22168C234C4C6628B80DC1CD129024E088A67CC74020BBEA63B139B22514A08798E3404DDEF9519B3"
        "CD3A431B302B0A6DF25F14374FE1356D6D51C245E485B576625E7EC6F44C42E9A637ED6B0BFF5CB6F406B7EDEE386BFB5A899FA5"
        "AE9F24117C4B1FE649286651ECE45B3DC2007CB8A163BF0598DA48361C55D39A69163FA8FD24CF5F83655D23DCA3AD961C62F356"
        "208552BB9ED529077096966D670C354E4ABC9804F1746C08CA18217C32905E462E36CE3BE39E772C180E86039B2783A2EC07A28F"
        "B5C55DF06F4C52C9DE2BCBF6955817183995497CEA956AE515D2261898FA051015728E5A8AACAA68FFFFFFFFFFFFFFFF",
        16,
    )
    generator = 4
    order = (prime - 1) // 2
    size = 256
    field_bits = 2048


def group(name: str) -> Group:
    """ "P-256", "P-384", "brainpoolP256r1", "brainpoolP384r1", "RFC5114" or "RFC3526-2048"."""
    if name == "RFC5114":
        return FieldGroup()
    if name == "RFC3526-2048":
        return LargeFieldGroup()
    curves = {
        "P-256": ecdsa.NIST256p,
        "P-384": ecdsa.NIST384p,
        "brainpoolP256r1": ecdsa.BRAINPOOLP256r1,
        "brainpoolP384r1": ecdsa.BRAINPOOLP384r1,
        "brainpoolP320r1": ecdsa.BRAINPOOLP320r1,
    }
    return CurveGroup(curves[name])


NUMBERS = {"RFC5114": 0, "P-256": 12, "brainpoolP256r1": 13, "brainpoolP320r1": 14, "P-384": 15, "brainpoolP384r1": 16}
"""Numbers of the standardised domain parameters (Doc 9303-11 table 6)."""

OIDS = {
    "P-256": "1.2.840.10045.3.1.7",
    "P-384": "1.3.132.0.34",
    "brainpoolP256r1": "1.3.36.3.3.2.8.1.1.7",
    "brainpoolP384r1": "1.3.36.3.3.2.8.1.1.11",
}
