"""The crypto seam: the primitives `protocol` needs, as one contract with two implementations.

`protocol.crypto.pure.PureCrypto` runs on both runtimes; `protocol.crypto.native.NativeCrypto` (CPython on Linux only) uses
the `cryptography` package. Both pass one conformance suite. Code in `protocol` takes a `Crypto` as an argument and never
chooses one. There is no randomness here, no signing and no long-term private key: those stay in the secure element. The
session keys of secure messaging and the ephemeral scalars of PACE and chip authentication do pass through; neither
implementation claims resistance against somebody who can time it.

    CryptoError (protocol.errors)      CRY-001
    ├── AuthenticationError            CRY-002  a tag does not match: nothing of the plaintext is handed out
    └── KeyFormatError                 CRY-003  a key, point, scalar, nonce or length that no operation can use
"""

from typing import TYPE_CHECKING

from protocol.errors import CryptoError

if TYPE_CHECKING:
    Bytes = bytes | bytearray | memoryview

CURVES = ("P-224", "P-256", "P-384", "P-521", "brainpoolP256r1", "brainpoolP384r1")
"""Names of the curves every implementation knows (FIPS 186-4 D.1.2, RFC 5639)."""


class AuthenticationError(CryptoError):
    """An authentication tag or MAC does not match."""

    code = "CRY-002"


class KeyFormatError(CryptoError):
    """A key, point, scalar, nonce or length that the operation cannot use; says which rule, never the value."""

    code = "CRY-003"


class Crypto:
    """The contract. All arguments and results are byte strings unless said otherwise; nothing is kept between calls
    except that an implementation may keep expanded keys until `forget()`.

    Lengths that an operation cannot use raise KeyFormatError.
    """

    def sha1(self, data: "Bytes") -> bytes:
        """SHA-1 (FIPS 180-4), 20 bytes. Only for BAC key derivation, EMV and old passport signers."""
        raise NotImplementedError

    def sha224(self, data: "Bytes") -> bytes:
        """SHA-224, 28 bytes."""
        raise NotImplementedError

    def sha256(self, data: "Bytes") -> bytes:
        """SHA-256, 32 bytes."""
        raise NotImplementedError

    def sha384(self, data: "Bytes") -> bytes:
        """SHA-384, 48 bytes."""
        raise NotImplementedError

    def sha512(self, data: "Bytes") -> bytes:
        """SHA-512, 64 bytes."""
        raise NotImplementedError

    def sha_new(self, name: str) -> "Hash":
        """A streaming hash named "sha1", "sha224", "sha256", "sha384" or "sha512"."""
        raise NotImplementedError

    def hmac_sha256(self, key: "Bytes", data: "Bytes") -> bytes:
        """HMAC-SHA-256 (RFC 2104), 32 bytes."""
        raise NotImplementedError

    def aes_ecb_encrypt(self, key: "Bytes", data: "Bytes") -> bytes:
        """AES of each 16-byte block of `data` by itself; key of 16, 24 or 32 bytes."""
        raise NotImplementedError

    def aes_ecb_decrypt(self, key: "Bytes", data: "Bytes") -> bytes:
        """Inverse of `aes_ecb_encrypt`."""
        raise NotImplementedError

    def aes_cbc_encrypt(self, key: "Bytes", iv: "Bytes", data: "Bytes") -> bytes:
        """AES-CBC without padding: `data` is a multiple of 16 bytes, `iv` 16 bytes."""
        raise NotImplementedError

    def aes_cbc_decrypt(self, key: "Bytes", iv: "Bytes", data: "Bytes") -> bytes:
        """Inverse of `aes_cbc_encrypt`."""
        raise NotImplementedError

    def aes_cmac(self, key: "Bytes", data: "Bytes") -> bytes:
        """AES-CMAC (SP 800-38B), the full 16 bytes."""
        raise NotImplementedError

    def aes_ccm_encrypt(
        self, key: "Bytes", nonce: "Bytes", aad: "Bytes", plaintext: "Bytes", taglen: int = 16
    ) -> bytes:
        """AES-CCM (SP 800-38C, RFC 3610): ciphertext followed by the tag. Nonce 7..13 bytes, tag 4..16 and even."""
        raise NotImplementedError

    def aes_ccm_decrypt(self, key: "Bytes", nonce: "Bytes", aad: "Bytes", data: "Bytes", taglen: int = 16) -> bytes:
        """Plaintext of ciphertext-then-tag; AuthenticationError if the tag does not match or does not fit."""
        raise NotImplementedError

    def des_ecb_encrypt(self, key: "Bytes", data: "Bytes") -> bytes:
        """Single DES of each 8-byte block (FIPS 46-3); key 8 bytes, parity ignored."""
        raise NotImplementedError

    def des_ecb_decrypt(self, key: "Bytes", data: "Bytes") -> bytes:
        """Inverse of `des_ecb_encrypt`."""
        raise NotImplementedError

    def des3_cbc_encrypt(self, key: "Bytes", iv: "Bytes", data: "Bytes") -> bytes:
        """Triple DES in CBC without padding; key 16 bytes (K1 K2, K3 = K1) or 24, `iv` 8 bytes."""
        raise NotImplementedError

    def des3_cbc_decrypt(self, key: "Bytes", iv: "Bytes", data: "Bytes") -> bytes:
        """Inverse of `des3_cbc_encrypt`."""
        raise NotImplementedError

    def retail_mac(self, key: "Bytes", data: "Bytes") -> bytes:
        """ISO 9797-1 MAC algorithm 3 with DES over already padded `data`: 8 bytes. Key 16 bytes."""
        raise NotImplementedError

    def rsa_public(self, n: "Bytes", e: "Bytes", data: "Bytes") -> bytes:
        """The raw RSA public operation data**e mod n (RFC 8017 5.2.2), as many bytes as `n` has.

        `data` must be as long as `n` and smaller; n odd; e odd and at least 3.
        """
        raise NotImplementedError

    def ecdsa_verify(self, curve: str, public: "Bytes", digest: "Bytes", signature: "Bytes") -> bool:
        """Whether the raw signature r | s (each as long as the order) over `digest` holds for 04 | x | y.

        A digest longer than the order is cut to its leftmost bits (FIPS 186-4 6.4). A point that is not on the curve
        raises KeyFormatError; a signature of a wrong length or out of range is simply False.
        """
        raise NotImplementedError

    def ec_check(self, curve: str, point: "Bytes") -> None:
        """KeyFormatError unless `point` is 04 | x | y with reduced coordinates, on the curve, not infinity."""
        raise NotImplementedError

    def ec_multiply(self, curve: str, scalar: "Bytes", point: "Bytes | None" = None) -> bytes:
        """scalar * point as 04 | x | y; `point` None is the base point. 0 < scalar < order, else KeyFormatError."""
        raise NotImplementedError

    def ec_shared(self, curve: str, scalar: "Bytes", point: "Bytes") -> bytes:
        """The first coordinate of scalar * point, as ECDH wants it (SP 800-56A 5.7.1.2); errors as `ec_multiply`."""
        product = self.ec_multiply(curve, scalar, point)
        return product[1 : 1 + (len(product) >> 1)]

    def ec_add(self, curve: str, a: "Bytes", b: "Bytes") -> bytes:
        """The sum of two points as 04 | x | y; KeyFormatError if it is infinity."""
        raise NotImplementedError

    def forget(self) -> None:
        """Drop whatever expanded keys are kept."""


class Hash:
    """A streaming hash: `update` any number of times, then `digest` once."""

    def update(self, data: "Bytes") -> None:
        """Take more of the message."""
        raise NotImplementedError

    def digest(self) -> bytes:
        """The digest; the object cannot be used afterwards."""
        raise NotImplementedError


def need(condition: bool, what: str) -> None:
    """KeyFormatError saying `what` unless `condition` holds."""
    if not condition:
        raise KeyFormatError(what)
