"""Elliptic-curve work that the terminal's secure element may take: what the licence machines ask for, and how they go on without.

The part behind `drivers.contracts.secure_element` (ATECC608B) knows P-256 alone, makes key pairs on the standard base point and
tells of a product only its first coordinate. A machine of `protocol.licence` therefore yields, for P-256 only:

    ("ec_verify", public, digest, signature) → bool      ECDSA; digest of 32 bytes, signature r | s
    ("ec_key",) → 65 bytes                               public key of a fresh pair; the private key stays in the part
    ("ec_agree", point) → 32 bytes                       first coordinate of that private key times `point`

Each is answered None where there is no such part or it is slower than this processor; the work is then done here, with `Crypto`.
Every point is checked here before it goes to the part. What needs a whole product (generic mapping of PACE) asks twice, see
`product`; what needs a scalar that this side knows (nonce times base, integrated and chip-authentication mapping) and every other
curve stay here.
"""

from typing import TYPE_CHECKING

from protocol import pack
from protocol.crypto import KeyFormatError, need
from protocol.licence.errors import UnsupportedError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from protocol.crypto import Crypto

    Bytes = bytes | bytearray | memoryview

ELEMENT_CURVE = "P-256"
_SIZE = 32


class KeyPair:
    """An ephemeral pair: `public` (04 | x | y, or a field element), `private` scalar, b"" where the secure element holds it."""

    def __init__(self, public: bytes, private: bytes = b"") -> None:
        self.public = public
        self.private = private


def alone(machine: "Generator[tuple, Any, Any]") -> "Any":
    """The result of a machine that asks for nothing but elliptic-curve work, all of it done here."""
    try:
        while True:
            next(machine)
    except StopIteration as stop:
        return stop.value


def verify(
    crypto: "Crypto", curve: str, public: "Bytes", digest: "Bytes", signature: "Bytes"
) -> "Generator[tuple, Any, bool]":
    """Whether an ECDSA signature r | s holds; see `Crypto.ecdsa_verify`."""
    if curve == ELEMENT_CURVE and len(signature) == 2 * _SIZE:
        crypto.ec_check(curve, public)
        value = bytes(digest[:_SIZE])  # FIPS 186-4 6.4: leftmost bits; a shorter digest is a smaller number
        held = yield ("ec_verify", bytes(public), bytes(_SIZE - len(value)) + value, bytes(signature))
        if held is not None:
            return held is True
    return crypto.ecdsa_verify(curve, public, digest, signature)


def key_pair(
    crypto: "Crypto", curve: str, rnd: "Callable[[int], bytes]", base: "bytes | None" = None
) -> "Generator[tuple, Any, KeyPair]":
    """A fresh pair on `base` (None: the standard one); done here, `rnd` gives eight bytes more than the order has (FIPS 186-4 B.4.1).

    On another base the part tells only the first coordinate; of the two keys that have it either will do, because the secret
    that comes of them is the same first coordinate.
    """
    if curve == ELEMENT_CURVE:
        if base is not None:
            crypto.ec_check(curve, base)
        public = yield ("ec_key",)
        if public is not None:
            crypto.ec_check(curve, public)
            return KeyPair(public if base is None else _lift((yield from _agree(base))))
    from protocol.crypto.ec import Curve

    domain = Curve(curve)
    private = pack.be(pack.int_from(rnd(domain.size + 8)) % (domain.n - 1) + 1, domain.size)
    return KeyPair(crypto.ec_multiply(curve, private, base), private)


def secret(crypto: "Crypto", curve: str, pair: KeyPair, point: "Bytes") -> "Generator[tuple, Any, bytes]":
    """The first coordinate of private key times `point`; KeyFormatError if that is not on the curve."""
    if pair.private:
        return crypto.ec_shared(curve, pair.private, point)
    crypto.ec_check(curve, point)
    return (yield from _agree(bytes(point)))


def product(crypto: "Crypto", curve: str, pair: KeyPair, point: "Bytes") -> "Generator[tuple, Any, bytes]":
    """Private key times `point`, whole, for a pair on the standard base.

    With d held by the part, Q = dG public and H = dP wanted, the part tells x(H) and x(d(P + G)) = x(H + Q). The addition law
    says (y(H) - y(Q))^2 = (x(H + Q) + x(H) + x(Q)) (x(H) - x(Q))^2, the curve tells y(H)^2, so y(H) follows without a root.
    """
    if pair.private:
        return crypto.ec_multiply(curve, pair.private, point)
    crypto.ec_check(curve, point)
    from protocol.crypto.ec import Curve

    domain = Curve(curve)
    p, size = domain.p, domain.size
    base = b"\x04" + pack.be(domain.gx, size) + pack.be(domain.gy, size)
    beside = crypto.ec_add(curve, point, base)
    x = pack.int_from((yield from _agree(bytes(point))))
    sum_x = pack.int_from((yield from _agree(beside)))
    qx, qy = pack.int_from(pair.public[1 : 1 + size]), pack.int_from(pair.public[1 + size :])
    square = ((x * x + domain.a) * x + domain.b) % p
    slope = (sum_x + x + qx) * (x - qx) * (x - qx)
    y = (square + qy * qy - slope) * pow(2 * qy, p - 2, p) % p
    need(x != qx and y * y % p == square, "the product is not on the curve")
    return b"\x04" + pack.be(x, size) + pack.be(y, size)


def _agree(point: bytes) -> "Generator[tuple, Any, bytes]":
    x = yield ("ec_agree", point)
    if x is None or len(x) != _SIZE:
        raise UnsupportedError("the key agreement in the secure element is not supported on this terminal")
    return x


def _lift(first: bytes) -> bytes:
    """A point with this first coordinate (p = 3 mod 4)."""
    from protocol.crypto.ec import Curve

    domain = Curve(ELEMENT_CURVE)
    p, x = domain.p, pack.int_from(first)
    square = ((x * x + domain.a) * x + domain.b) % p
    y = pow(square, (p + 1) // 4, p)
    if x >= p or y * y % p != square:
        raise KeyFormatError("the point is not on the curve")
    return b"\x04" + first + pack.be(y, _SIZE)
