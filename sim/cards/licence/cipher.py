"""The chip's 3DES, MAC and key derivation with `cryptography` (ICAO Doc 9303-11 sections 9.7 and 9.8, ISO/IEC 9797-1 MAC 3)."""

import hashlib

from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives.ciphers import Cipher, modes

_ZERO = bytes(8)


def _cipher(key: bytes) -> Cipher[modes.CBC]:
    expanded = key * 3 if len(key) == 8 else key + key[:8]
    return Cipher(TripleDES(expanded), modes.CBC(_ZERO))


def encrypt(key: bytes, data: bytes) -> bytes:
    """Two-key 3DES (16-byte key) or DES (8-byte key) in CBC with a zero IV; `data` in whole blocks."""
    worker = _cipher(key).encryptor()
    return worker.update(data) + worker.finalize()


def decrypt(key: bytes, data: bytes) -> bytes:
    """The inverse of `encrypt`."""
    worker = _cipher(key).decryptor()
    return worker.update(data) + worker.finalize()


def pad(data: bytes) -> bytes:
    """ISO/IEC 9797-1 method 2: 80, then zeros up to a whole block."""
    return data + b"\x80" + bytes(-(len(data) + 1) % 8)


def unpad(data: bytes) -> bytes:
    """The inverse of `pad`. Raises ValueError on wrong padding."""
    text = data.rstrip(b"\0")
    if not text.endswith(b"\x80"):
        raise ValueError("wrong padding")
    return text[:-1]


def mac(key: bytes, data: bytes) -> bytes:
    """Retail MAC (MAC algorithm 3 with DES) over `data`, padded here."""
    padded = pad(data)
    chained = encrypt(key[:8], padded[:-8])[-8:] if len(padded) > 8 else _ZERO
    return encrypt(key, bytes(a ^ b for a, b in zip(chained, padded[-8:], strict=True)))


def derive(seed: bytes, counter: int) -> bytes:
    """A 16-byte 3DES key with odd parity: counter 1 for encryption, 2 for the MAC."""
    digest = hashlib.sha1(seed + counter.to_bytes(4, "big")).digest()[:16]  # noqa: S324  the standard's hash
    return bytes(b ^ 1 if b.bit_count() % 2 == 0 else b for b in digest)


def key_pair(seed: bytes) -> tuple[bytes, bytes]:
    """(encryption key, MAC key) of a seed."""
    return derive(seed, 1), derive(seed, 2)


def bac_keys(mrz_information: str) -> tuple[bytes, bytes]:
    """The document basic access keys from number, birth and expiry, each with its check digit (Doc 9303-11 appendix D.2)."""
    return key_pair(hashlib.sha1(mrz_information.encode()).digest()[:16])  # noqa: S324  the standard's hash
