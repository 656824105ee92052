"""The crypto seam on the `cryptography` package (OpenSSL), for CPython on Linux; see `protocol.crypto.Crypto`.

The listed exception to the import law: only the Linux composition root and the server import this module. Point addition
and raw RSA, which `cryptography` does not offer, use `protocol.crypto.ec` and `pow`. Multiplication of arbitrary points is made of
two Diffie-Hellman agreements, which give the first coordinate only (see `_product`).
"""

import hmac

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.decrepit.ciphers.algorithms import TripleDES
from cryptography.hazmat.primitives import cmac, hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.ciphers import Cipher, CipherAlgorithm, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

from protocol.crypto import AuthenticationError, Crypto, Hash, KeyFormatError, need
from protocol.crypto import ec as pure_ec
from protocol.crypto.pure import rsa_public

Bytes = bytes | bytearray | memoryview

_CURVES: "dict[str, type[ec.EllipticCurve]]" = {
    "P-224": ec.SECP224R1,
    "P-256": ec.SECP256R1,
    "P-384": ec.SECP384R1,
    "P-521": ec.SECP521R1,
    "brainpoolP256r1": ec.BrainpoolP256R1,
    "brainpoolP384r1": ec.BrainpoolP384R1,
}
_ORDER_SIZES = {"P-224": 28, "P-256": 32, "P-384": 48, "P-521": 66, "brainpoolP256r1": 32, "brainpoolP384r1": 48}
_HASHES: "dict[int, hashes.HashAlgorithm]" = {
    20: hashes.SHA1(),
    28: hashes.SHA224(),
    32: hashes.SHA256(),
    48: hashes.SHA384(),
    64: hashes.SHA512(),
}
_SIZES = {"sha1": 20, "sha224": 28, "sha256": 32, "sha384": 48, "sha512": 64}


class _Stream(Hash):
    """A streaming hash of `cryptography`."""

    def __init__(self, algorithm: hashes.HashAlgorithm) -> None:
        self._state = hashes.Hash(algorithm)

    def update(self, data: Bytes) -> None:
        self._state.update(bytes(data))

    def digest(self) -> bytes:
        return self._state.finalize()


def _run(algorithm: CipherAlgorithm, mode: modes.ECB | modes.CBC, data: Bytes, encrypt: bool) -> bytes:
    cipher = Cipher(algorithm, mode)
    context = cipher.encryptor() if encrypt else cipher.decryptor()
    try:
        return context.update(bytes(data)) + context.finalize()
    except ValueError:
        raise KeyFormatError("a block cipher takes whole blocks") from None


def _aes(key: Bytes) -> algorithms.AES:
    need(len(key) in (16, 24, 32), "an AES key has 16, 24 or 32 bytes")
    return algorithms.AES(bytes(key))


def _iv(iv: Bytes, size: int) -> modes.CBC:
    need(len(iv) == size, "an initial vector is as long as a block")
    return modes.CBC(bytes(iv))


def _des(key: Bytes, sizes: "tuple[int, ...]") -> TripleDES:
    need(len(key) in sizes, "a DES key has 8 bytes, a triple DES key 16 or 24")
    key = bytes(key)
    return TripleDES(key * 3 if len(key) == 8 else key + key[:8] if len(key) == 16 else key)


def _encoded(key: ec.EllipticCurvePublicKey) -> bytes:
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def _product(known: pure_ec.Curve, curve: ec.EllipticCurve, k: int, public: ec.EllipticCurvePublicKey) -> bytes:
    """k * P as 04 | x | y for 2 < k < order - 2.

    Agreements give x1 of kP and x2 of (k + 1)P. With P = (x, y), kP = (x1, y1), the addition law says
    (y1 - y)^2 = (x2 + x + x1) (x1 - x)^2, and the curve gives y1^2: so 2 y y1 = y1^2 + y^2 - (x2 + x + x1) (x1 - x)^2.
    """
    numbers = public.public_numbers()
    p, x, y = known.p, numbers.x, numbers.y
    x1, x2 = (
        int.from_bytes(ec.derive_private_key(scalar, curve).exchange(ec.ECDH(), public), "big") for scalar in (k, k + 1)
    )
    twice = x1**3 + (known.a % p) * x1 + known.b + y * y - (x2 + x + x1) * (x1 - x) ** 2
    y1 = twice * pow(2 * y, -1, p) % p
    return b"\x04" + x1.to_bytes(known.size, "big") + y1.to_bytes(known.size, "big")


_KEPT = 8  # expanded DES keys
_ZERO = bytes(8)


class NativeCrypto(Crypto):
    """`cryptography` where it can, the pure modules where it cannot. Keeps a few expanded DES keys and the last scalar's key."""

    def __init__(self) -> None:
        self._ciphers: "dict[tuple[bytes, bool], Cipher]" = {}
        self._scalar: "tuple[str, int, ec.EllipticCurvePrivateKey] | None" = None

    def forget(self) -> None:
        self._ciphers = {}
        self._scalar = None

    def _kept(self, key: bytes, chained: bool) -> Cipher:
        """(Triple) DES with a zero initial vector, or block by block."""
        found = self._ciphers.get((key, chained))
        if found is None:
            if len(self._ciphers) >= _KEPT:
                self._ciphers = {}
            mode = modes.CBC(_ZERO) if chained else modes.ECB()
            found = self._ciphers[(key, chained)] = Cipher(_des(key, (8, 16, 24)), mode)
        return found

    def _private(self, curve: str, scalar: int) -> ec.EllipticCurvePrivateKey:
        """A scalar as a key; one that was just used is not expanded again."""
        kept = self._scalar
        if kept is None or kept[0] != curve or kept[1] != scalar:
            kept = self._scalar = (curve, scalar, ec.derive_private_key(scalar, _CURVES[curve]()))
        return kept[2]

    def sha_new(self, name: str) -> Hash:
        need(name in _SIZES, "unknown hash function")
        return _Stream(_HASHES[_SIZES[name]])

    def _hash(self, name: str, data: Bytes) -> bytes:
        state = self.sha_new(name)
        state.update(data)
        return state.digest()

    def sha1(self, data: Bytes) -> bytes:
        return self._hash("sha1", data)

    def sha224(self, data: Bytes) -> bytes:
        return self._hash("sha224", data)

    def sha256(self, data: Bytes) -> bytes:
        return self._hash("sha256", data)

    def sha384(self, data: Bytes) -> bytes:
        return self._hash("sha384", data)

    def sha512(self, data: Bytes) -> bytes:
        return self._hash("sha512", data)

    def hmac_sha256(self, key: Bytes, data: Bytes) -> bytes:
        return hmac.digest(bytes(key), bytes(data), "sha256")

    def aes_ecb_encrypt(self, key: Bytes, data: Bytes) -> bytes:
        return _run(_aes(key), modes.ECB(), data, True)

    def aes_ecb_decrypt(self, key: Bytes, data: Bytes) -> bytes:
        return _run(_aes(key), modes.ECB(), data, False)

    def aes_cbc_encrypt(self, key: Bytes, iv: Bytes, data: Bytes) -> bytes:
        return _run(_aes(key), _iv(iv, 16), data, True)

    def aes_cbc_decrypt(self, key: Bytes, iv: Bytes, data: Bytes) -> bytes:
        return _run(_aes(key), _iv(iv, 16), data, False)

    def aes_cmac(self, key: Bytes, data: Bytes) -> bytes:
        state = cmac.CMAC(_aes(key))
        state.update(bytes(data))
        return state.finalize()

    def aes_ccm_encrypt(self, key: Bytes, nonce: Bytes, aad: Bytes, plaintext: Bytes, taglen: int = 16) -> bytes:
        return self._ccm(key, nonce, taglen, len(plaintext)).encrypt(bytes(nonce), bytes(plaintext), bytes(aad))

    def aes_ccm_decrypt(self, key: Bytes, nonce: Bytes, aad: Bytes, data: Bytes, taglen: int = 16) -> bytes:
        if len(data) < taglen:
            raise AuthenticationError("the message is shorter than its tag")
        try:
            return self._ccm(key, nonce, taglen, len(data) - taglen).decrypt(bytes(nonce), bytes(data), bytes(aad))
        except InvalidTag:
            raise AuthenticationError("the message or what it is bound to was changed") from None

    def _ccm(self, key: Bytes, nonce: Bytes, taglen: int, length: int) -> AESCCM:
        _aes(key)
        need(7 <= len(nonce) <= 13, "a CCM nonce has 7 to 13 bytes")
        need(4 <= taglen <= 16 and taglen % 2 == 0, "a CCM tag has 4 to 16 bytes, an even number")
        need(length >> (8 * (15 - len(nonce))) == 0, "too long for this CCM nonce")
        return AESCCM(bytes(key), tag_length=taglen)

    def des_ecb_encrypt(self, key: Bytes, data: Bytes) -> bytes:
        return _run(_des(key, (8,)), modes.ECB(), data, True)

    def des_ecb_decrypt(self, key: Bytes, data: Bytes) -> bytes:
        return _run(_des(key, (8,)), modes.ECB(), data, False)

    def des3_cbc_encrypt(self, key: Bytes, iv: Bytes, data: Bytes) -> bytes:
        if iv == _ZERO and len(key) in (16, 24) and len(data) % 8 == 0:
            return self._kept(bytes(key), True).encryptor().update(bytes(data))
        return _run(_des(key, (16, 24)), _iv(iv, 8), data, True)

    def des3_cbc_decrypt(self, key: Bytes, iv: Bytes, data: Bytes) -> bytes:
        if iv == _ZERO and len(key) in (16, 24) and len(data) % 8 == 0:
            return self._kept(bytes(key), True).decryptor().update(bytes(data))
        return _run(_des(key, (16, 24)), _iv(iv, 8), data, False)

    def retail_mac(self, key: Bytes, data: Bytes) -> bytes:
        need(len(key) == 16, "a retail MAC key has 16 bytes")
        need(len(data) % 8 == 0, "DES takes whole blocks of 8 bytes")
        key, data = bytes(key), bytes(data)
        if not data:
            return self._kept(key[:8], False).encryptor().update(self._kept(key[8:], False).decryptor().update(_ZERO))
        block, before = data[-8:], data[:-8]
        if before:  # single DES up to the last block, which is enciphered, deciphered and enciphered: triple DES
            chained = self._kept(key[:8], True).encryptor().update(before)[-8:]
            block = (int.from_bytes(block, "big") ^ int.from_bytes(chained, "big")).to_bytes(8, "big")
        return self._kept(key, False).encryptor().update(block)

    def rsa_public(self, n: Bytes, e: Bytes, data: Bytes) -> bytes:
        return rsa_public(n, e, data)

    def ecdsa_verify(self, curve: str, public: Bytes, digest: Bytes, signature: Bytes) -> bool:
        key = self._public(curve, public)
        size = _ORDER_SIZES[curve]
        if len(signature) != 2 * size:
            return False
        r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
        algorithm = _HASHES.get(len(digest))
        if algorithm is None:  # `cryptography` wants a hash of exactly the digest's length
            return pure_ec.verify(curve, public, digest, signature)
        try:
            key.verify(utils.encode_dss_signature(r, s), bytes(digest), ec.ECDSA(utils.Prehashed(algorithm)))
        except InvalidSignature:
            return False
        return True

    def _public(self, curve: str, point: Bytes) -> ec.EllipticCurvePublicKey:
        need(curve in _CURVES, "unknown curve")
        need(len(point) > 0 and point[0] == 4, "a point must be uncompressed and of the curve's size")
        try:
            return ec.EllipticCurvePublicKey.from_encoded_point(_CURVES[curve](), bytes(point))
        except ValueError:
            raise KeyFormatError("the point is not on the curve") from None

    def ec_check(self, curve: str, point: Bytes) -> None:
        self._public(curve, point)

    def ec_multiply(self, curve: str, scalar: Bytes, point: "Bytes | None" = None) -> bytes:
        need(curve in _CURVES, "unknown curve")
        known = pure_ec.Curve(curve)
        k = int.from_bytes(bytes(scalar), "big")
        need(0 < k < known.n, "a scalar lies between 0 and the order")
        if point is None:
            return _encoded(self._private(curve, k).public_key())
        public = self._public(curve, point)
        if (
            k > known.n - 3 or k < 3 or curve.startswith("brainpool")
        ):  # where two agreements take longer than one product
            return pure_ec.multiply(curve, scalar, point)
        return _product(known, _CURVES[curve](), k, public)

    def ec_shared(self, curve: str, scalar: Bytes, point: Bytes) -> bytes:
        need(curve in _CURVES, "unknown curve")
        k = int.from_bytes(bytes(scalar), "big")
        need(0 < k < pure_ec.Curve(curve).n, "a scalar lies between 0 and the order")
        return self._private(curve, k).exchange(ec.ECDH(), self._public(curve, point))

    def ec_add(self, curve: str, a: Bytes, b: Bytes) -> bytes:
        return pure_ec.add(curve, a, b)
