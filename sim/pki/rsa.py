"""RSA as EMV uses it: the bare private operation (Book 2, A2.1), and Book 2's certificates and signed data, built byte by byte.

SHA-1, because the standard says so. The private operation uses the Chinese remainder theorem with plain `pow`: fine
for test keys, not protected against side channels.
"""

import hashlib
from dataclasses import dataclass
from functools import cached_property

from cryptography.hazmat.primitives.asymmetric import rsa


@dataclass(frozen=True)
class RsaKey:
    """A private key in EMV's terms: modulus and exponent as bytes."""

    key: rsa.RSAPrivateKey

    @cached_property
    def _numbers(self) -> rsa.RSAPrivateNumbers:
        return self.key.private_numbers()

    @cached_property
    def modulus(self) -> bytes:
        """The modulus, as long as it is."""
        n = self._numbers.public_numbers.n
        return n.to_bytes((n.bit_length() + 7) // 8, "big")

    @cached_property
    def exponent(self) -> bytes:
        """The public exponent: 03 or 010001."""
        e = self._numbers.public_numbers.e
        return e.to_bytes((e.bit_length() + 7) // 8, "big")

    @property
    def size(self) -> int:
        """Length of the modulus in bytes."""
        return len(self.modulus)

    def sign(self, block: bytes) -> bytes:
        """block^d mod n; `block` is exactly as long as the modulus."""
        if len(block) != self.size:
            raise ValueError("the block must be as long as the modulus")
        n, m = self._numbers, int.from_bytes(block, "big")
        m1 = pow(m % n.p, n.dmp1, n.p)
        m2 = pow(m % n.q, n.dmq1, n.q)
        return (m2 + n.q * ((n.iqmp * (m1 - m2)) % n.p)).to_bytes(self.size, "big")


def generate(bits: int, exponent: int) -> rsa.RSAPrivateKey:
    """A key whose modulus has its top bit set, as EMV wants it (`cryptography` sees to that)."""
    return rsa.generate_private_key(public_exponent=exponent, key_size=bits)


def sign_recoverable(signer: RsaKey, head: bytes, room: bytes, hashed_after: bytes) -> bytes:
    """6A ‖ head ‖ room ‖ SHA-1(head ‖ room ‖ hashed_after) ‖ BC, signed. `room` is padded with BB to fill the modulus."""
    padded = room + b"\xbb" * (signer.size - 22 - len(head) - len(room))
    digest = hashlib.sha1(head + padded + hashed_after).digest()  # noqa: S324  the standard's hash
    return signer.sign(b"\x6a" + head + padded + digest + b"\xbc")


@dataclass(frozen=True)
class Certificate:
    """A Book 2 certificate: the signed part, what of the modulus did not fit, and the exponent."""

    signed: bytes
    remainder: bytes
    exponent: bytes


def _certify(signer: RsaKey, subject: RsaKey, head: bytes, static: bytes) -> Certificate:
    room = signer.size - 22 - len(head) - 2
    remainder = subject.modulus[room:]
    lengths = bytes([subject.size, len(subject.exponent)])
    signed = sign_recoverable(signer, head + lengths, subject.modulus[:room], remainder + subject.exponent + static)
    return Certificate(signed, remainder, subject.exponent)


def certify_issuer(ca: RsaKey, issuer: RsaKey, identifier: bytes, expiry_mmyy: bytes, serial: bytes) -> Certificate:
    """Book 2, table 2 (issuer public key data). `identifier` 4 bytes: first PAN digits, F-padded; `serial` 3 bytes."""
    return _certify(ca, issuer, b"\x02" + identifier + expiry_mmyy + serial + b"\x01\x01", b"")


def certify_icc(issuer: RsaKey, icc: RsaKey, pan: str, expiry_mmyy: bytes, serial: bytes, static: bytes) -> Certificate:
    """Book 2, table 10 (ICC public key data), over the static data to be authenticated."""
    number = bytes.fromhex(pan.ljust(20, "F"))
    return _certify(issuer, icc, b"\x04" + number + expiry_mmyy + serial + b"\x01\x01", static)


def sign_static(issuer: RsaKey, code: bytes, static: bytes) -> bytes:
    """Signed static application data (Book 2, table 3); `code` is the 2-byte data authentication code."""
    return sign_recoverable(issuer, b"\x03\x01" + code, b"", static)


def sign_dynamic(icc: RsaKey, dynamic: bytes, terminal: bytes) -> bytes:
    """Signed dynamic application data (Book 2, tables 13 and 16): ICC dynamic data inside, terminal dynamic data
    hashed after it.
    """
    return sign_recoverable(icc, b"\x05\x01" + bytes([len(dynamic)]), dynamic, terminal)
