"""The chip's own keys: active authentication (DG13) and chip authentication (DG14), the chip's side (ICAO Doc 9303-11 section 6).

RSA signatures follow ISO/IEC 9796-2 scheme 1 with partial recovery (trailer BC for SHA-1, xxCC for the others), ECDSA ones are
r | s. Computed with `cryptography` keys, python-ecdsa points and plain `pow`.
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any

from asn1crypto import core
from asn1crypto import keys as asn1keys
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils

from sim.cards.licence.proof.domains import NUMBERS, OIDS, FieldGroup, Group, group
from sim.cards.licence.proof.suite import Suite
from sim.cards.tlv import tlv
from sim.pki.states import CURVES, HASHES

_TRAILERS = {
    "sha1": b"\xbc",
    "sha224": b"\x38\xcc",
    "sha256": b"\x34\xcc",
    "sha384": b"\x36\xcc",
    "sha512": b"\x35\xcc",
}
_AA_INFO = bytes.fromhex("678108010105")
_PLAIN = bytes.fromhex("04007F000701010401")
_PLAIN_NUMBERS = {"sha1": 1, "sha224": 2, "sha256": 3, "sha384": 4, "sha512": 5}
_PK = bytes.fromhex("04007F0007020201")
_CA = bytes.fromhex("04007F0007020203")


def generate(kind: str) -> Any:
    """A key for active authentication: "RSA-1024" … or a curve's name."""
    if kind.startswith("RSA-"):
        return rsa.generate_private_key(65537, int(kind[4:]))
    return ec.generate_private_key(CURVES[kind])


@dataclass
class ActiveKey:
    """`public` is what DG13 says, `private` what the chip has (another one on a clone, None if it has none)."""

    public: Any
    private: Any
    hash_name: str = "sha256"

    def group13(self) -> bytes:
        """The file DG13."""
        encoding, form = serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        return tlv(0x6F, self.public.public_bytes(encoding, form))

    def info(self) -> bytes:
        """ActiveAuthenticationInfo for DG14: which hash an ECDSA key signs with; nothing for RSA."""
        if isinstance(self.public, rsa.RSAPublicKey):
            return b""
        plain = _PLAIN + bytes([_PLAIN_NUMBERS[self.hash_name]])
        return tlv(0x30, tlv(0x06, _AA_INFO), tlv(0x02, b"\x01"), tlv(0x06, plain))

    def sign(self, challenge: bytes) -> bytes:
        """The signature over a challenge of eight bytes."""
        if isinstance(self.private, ec.EllipticCurvePrivateKey):
            size = (self.private.key_size + 7) // 8
            made = self.private.sign(challenge, ec.ECDSA(HASHES[self.hash_name]))
            r, s = utils.decode_dss_signature(made)
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")
        numbers = self.private.private_numbers()
        modulus = numbers.public_numbers.n
        size = (modulus.bit_length() + 7) // 8
        trailer = _TRAILERS[self.hash_name]
        room = size - 1 - hashlib.new(self.hash_name).digest_size - len(trailer)
        shown = secrets.token_bytes(room)
        digest = hashlib.new(self.hash_name, shown + challenge).digest()
        made = pow(int.from_bytes(b"\x6a" + shown + digest + trailer, "big"), numbers.d, modulus)
        return min(made, modulus - made).to_bytes(size, "big")


@dataclass
class AgreementKey:
    """The static key of chip authentication: `scalar` is what DG14 tells the public half of, `held` what the chip has (another one
    on a clone; 0: the chip does not know the commands at all).
    """

    domain: str = "brainpoolP256r1"
    suite: Suite = field(default_factory=lambda: Suite("AES-128"))
    key_id: int | None = None
    standardised: bool = False
    scalar: int = 0
    held: int = -1

    def __post_init__(self) -> None:
        self.group: Group = group(self.domain)
        self.scalar = self.scalar or self.group.random()
        if self.held < 0:
            self.held = self.scalar

    @property
    def finite(self) -> bool:
        """Whether it is Diffie-Hellman in a finite field."""
        return isinstance(self.group, FieldGroup)

    @property
    def oid(self) -> bytes:
        """The protocol's object identifier, content bytes."""
        return _CA + bytes([1 if self.finite else 2, self.suite.number])

    def public_key_info(self) -> bytes:
        """The SubjectPublicKeyInfo."""
        public = self.group.multiply(self.scalar)
        if isinstance(self.group, FieldGroup):
            return _field_key(self.group, int.from_bytes(public, "big"))
        if self.standardised:
            named = tlv(0x30, tlv(0x06, bytes.fromhex("04007F00070102")), tlv(0x02, bytes([NUMBERS[self.domain]])))
            return tlv(0x30, named, tlv(0x03, b"\0" + public))
        return asn1keys.PublicKeyInfo(
            {
                "algorithm": {"algorithm": "ec", "parameters": asn1keys.ECDomainParameters("named", OIDS[self.domain])},
                "public_key": asn1keys.ECPointBitString(public),
            }
        ).dump()

    def infos(self) -> tuple[bytes, bytes]:
        """ChipAuthenticationPublicKeyInfo and ChipAuthenticationInfo."""
        number = b"" if self.key_id is None else tlv(0x02, bytes([self.key_id]))
        kind = tlv(0x06, _PK + bytes([1 if self.finite else 2]))
        return (
            tlv(0x30, kind, self.public_key_info(), number),
            tlv(0x30, tlv(0x06, self.oid), tlv(0x02, b"\x01"), number),
        )

    def agree(self, public: bytes) -> Any:
        """The new channel after the terminal's ephemeral key. Raises BadPoint."""
        return self.suite.channel(self.group.secret(self.group.multiply(self.held, public)))


def _field_key(field: FieldGroup, value: int) -> bytes:
    """An X9.42 key (RFC 3279 2.3.3) in a finite field."""
    numbers = (field.prime, field.generator, field.order)
    parameters = core.SequenceOf([core.Integer(n) for n in numbers], spec=core.Integer).dump()
    name = core.ObjectIdentifier("1.2.840.10046.2.1").dump()
    return tlv(0x30, tlv(0x30, name, parameters), tlv(0x03, b"\0" + core.Integer(value).dump()))


def security_infos(*infos: bytes) -> bytes:
    """SecurityInfos: a SET OF, as EF.CardAccess and, under tag 6E, DG14 hold it."""
    return tlv(0x31, *sorted(info for info in infos if info))
