"""The crypto seam in Python, for both runtimes; see `protocol.crypto.Crypto` for what each operation promises.

SHA-1 and SHA-256 come from `hashlib` (both runtimes have them), AES from `cryptolib` where there is one; DES, SHA-224/384/512 and
curves are this package's own, imported when first needed. Keeps the schedules of the two last used triple-DES keys, because
a chip session uses two keys for hundreds of commands; `forget()` drops them.
"""

import hashlib
from typing import TYPE_CHECKING

from protocol.crypto import Crypto, Hash, need
from protocol.pack import be, int_from, xor

if TYPE_CHECKING:
    from array import array

    Bytes = bytes | bytearray | memoryview

_KEPT = 2


def _check_aes(key: "Bytes", data: "Bytes", iv: "Bytes | None" = None) -> None:
    need(len(key) in (16, 24, 32), "an AES key has 16, 24 or 32 bytes")
    need(len(data) % 16 == 0, "AES takes whole blocks of 16 bytes")
    need(iv is None or len(iv) == 16, "an AES initial vector has 16 bytes")


def _check_des(data: "Bytes", iv: "Bytes | None" = None) -> None:
    need(len(data) % 8 == 0, "DES takes whole blocks of 8 bytes")
    need(iv is None or len(iv) == 8, "a DES initial vector has 8 bytes")


class PureCrypto(Crypto):
    """Pure Python on whatever `hashlib` and `cryptolib` offer."""

    def __init__(self) -> None:
        self._schedules: "list[tuple[bytes, array[int]]]" = []

    def forget(self) -> None:
        self._schedules = []

    # --- hashes -----------------------------------------------------------------------------------------------

    def sha_new(self, name: str) -> Hash:
        if name == "sha256":
            return hashlib.sha256()  # pyright: ignore[reportReturnType]
        if name == "sha1":
            return hashlib.sha1()  # pyright: ignore[reportReturnType]
        if name in ("sha384", "sha512"):
            from protocol.crypto.sha2_64 import Sha512

            return Sha512(name == "sha384")
        need(name == "sha224", "unknown hash function")
        from protocol.crypto.sha2_32 import Sha224

        return Sha224()

    def _hash(self, name: str, data: "Bytes") -> bytes:
        state = self.sha_new(name)
        state.update(data)
        return state.digest()

    def sha1(self, data: "Bytes") -> bytes:
        return self._hash("sha1", data)

    def sha224(self, data: "Bytes") -> bytes:
        return self._hash("sha224", data)

    def sha256(self, data: "Bytes") -> bytes:
        return self._hash("sha256", data)

    def sha384(self, data: "Bytes") -> bytes:
        return self._hash("sha384", data)

    def sha512(self, data: "Bytes") -> bytes:
        return self._hash("sha512", data)

    def hmac_sha256(self, key: "Bytes", data: "Bytes") -> bytes:
        block = bytes(key) if len(key) <= 64 else self.sha256(key)
        block = block + bytes(64 - len(block))
        inner = hashlib.sha256(xor(block, b"\x36" * 64))
        inner.update(data)
        outer = hashlib.sha256(xor(block, b"\x5c" * 64))
        outer.update(inner.digest())
        return outer.digest()

    # --- AES --------------------------------------------------------------------------------------------------

    def aes_ecb_encrypt(self, key: "Bytes", data: "Bytes") -> bytes:
        from protocol.crypto import aes

        _check_aes(key, data)
        return aes.ecb_encrypt(key, data)

    def aes_ecb_decrypt(self, key: "Bytes", data: "Bytes") -> bytes:
        from protocol.crypto import aes

        _check_aes(key, data)
        return aes.ecb_decrypt(key, data)

    def aes_cbc_encrypt(self, key: "Bytes", iv: "Bytes", data: "Bytes") -> bytes:
        from protocol.crypto import aes

        _check_aes(key, data, iv)
        return aes.cbc_encrypt(key, iv, data)

    def aes_cbc_decrypt(self, key: "Bytes", iv: "Bytes", data: "Bytes") -> bytes:
        from protocol.crypto import aes

        _check_aes(key, data, iv)
        return aes.cbc_decrypt(key, iv, data)

    def aes_cmac(self, key: "Bytes", data: "Bytes") -> bytes:
        from protocol.crypto import aes

        _check_aes(key, b"")
        return aes.cmac(key, data)

    def aes_ccm_encrypt(
        self, key: "Bytes", nonce: "Bytes", aad: "Bytes", plaintext: "Bytes", taglen: int = 16
    ) -> bytes:
        from protocol.crypto import aes

        _check_aes(key, b"")
        return aes.ccm_encrypt(key, nonce, aad, plaintext, taglen)

    def aes_ccm_decrypt(self, key: "Bytes", nonce: "Bytes", aad: "Bytes", data: "Bytes", taglen: int = 16) -> bytes:
        from protocol.crypto import aes

        _check_aes(key, b"")
        return aes.ccm_decrypt(key, nonce, aad, data, taglen)

    # --- DES --------------------------------------------------------------------------------------------------

    def _schedule(self, key: "Bytes") -> "array[int]":
        """Round keys of K1, K2, K1 (16-byte key) or of a 24-byte key, kept for the last two keys."""
        wanted = bytes(key)
        for kept, keys in self._schedules:
            if kept == wanted:
                return keys
        from protocol.crypto import des

        keys = des.triple_schedule(wanted)
        self._schedules = [(wanted, keys)] + self._schedules[: _KEPT - 1]
        return keys

    def des_ecb_encrypt(self, key: "Bytes", data: "Bytes") -> bytes:
        from protocol.crypto import des

        need(len(key) == 8, "a DES key has 8 bytes")
        _check_des(data)
        return des.ecb(des.schedule(key), data)

    def des_ecb_decrypt(self, key: "Bytes", data: "Bytes") -> bytes:
        from protocol.crypto import des

        need(len(key) == 8, "a DES key has 8 bytes")
        _check_des(data)
        return des.ecb(des.reversed_schedule(des.schedule(key)), data)

    def des3_cbc_encrypt(self, key: "Bytes", iv: "Bytes", data: "Bytes") -> bytes:
        from protocol.crypto import des

        need(len(key) in (16, 24), "a triple DES key has 16 or 24 bytes")
        _check_des(data, iv)
        return des.cbc_encrypt(self._schedule(key), iv, data)

    def des3_cbc_decrypt(self, key: "Bytes", iv: "Bytes", data: "Bytes") -> bytes:
        from protocol.crypto import des

        need(len(key) in (16, 24), "a triple DES key has 16 or 24 bytes")
        _check_des(data, iv)
        return des.cbc_decrypt(des.reversed_schedule(self._schedule(key)), iv, data)

    def retail_mac(self, key: "Bytes", data: "Bytes") -> bytes:
        from protocol.crypto import des

        need(len(key) == 16, "a retail MAC key has 16 bytes")
        _check_des(data)
        return des.retail_mac(self._schedule(key), data)

    # --- public keys ------------------------------------------------------------------------------------------

    def rsa_public(self, n: "Bytes", e: "Bytes", data: "Bytes") -> bytes:
        return rsa_public(n, e, data)

    def ecdsa_verify(self, curve: str, public: "Bytes", digest: "Bytes", signature: "Bytes") -> bool:
        from protocol.crypto import ec

        return ec.verify(curve, public, digest, signature)

    def ec_check(self, curve: str, point: "Bytes") -> None:
        from protocol.crypto import ec

        ec.Curve(curve).decode(point)

    def ec_multiply(self, curve: str, scalar: "Bytes", point: "Bytes | None" = None) -> bytes:
        from protocol.crypto import ec

        return ec.multiply(curve, scalar, point)

    def ec_add(self, curve: str, a: "Bytes", b: "Bytes") -> bytes:
        from protocol.crypto import ec

        return ec.add(curve, a, b)


def rsa_public(n: "Bytes", e: "Bytes", data: "Bytes") -> bytes:
    """See `Crypto.rsa_public`; three-argument pow is native on both runtimes."""
    modulus, exponent = int_from(n), int_from(e)
    need(modulus & 1 == 1 and modulus > 3, "an RSA modulus is odd")
    need(exponent & 1 == 1 and 3 <= exponent < modulus, "an RSA exponent is odd and at least 3")
    need(len(data) == len(n), "RSA data is as long as the modulus")
    value = int_from(data)
    need(value < modulus, "RSA data is smaller than the modulus")
    return be(pow(value, exponent, modulus), len(n))
