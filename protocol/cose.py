"""COSE_Sign1 with ES256 and COSE_Encrypt0 with AES-CCM-16-64-128 or AES-CCM-16-128-128 (RFC 9052 sections 4.2 and 5.2, RFC 9053
2.1 and 4.2): the first has a tag of 8 bytes, the second one of 16.

Strict: everything is deterministic CBOR (`protocol.cbor`), the protected header is a map that names an algorithm allowed
here, a label stands in one of the two headers only, and `crit` is refused because no critical header is understood. Signing is
in two steps, because the secure element signs a digest asynchronously and a secret key is never in Python's hands:

    protected, digest = sign1_prepare({ALG: ES256, CONTENT_TYPE: "tsd/batch"}, payload)
    message = sign1_assemble(protected, {KID: kid}, payload, await secure_element.sign(slot, digest))

    CoseError (FormatError)      FMT-060  not a COSE message of this kind
    CoseVerifyError (CryptoError) CRY-010  signature does not hold
                                 CRY-011  another algorithm, CRY-012 another content type than expected
                                 CRY-002  (AuthenticationError) Encrypt0 does not authenticate

Does no Mac0, no multi-signer or multi-recipient messages and no key agreement.
"""

import hashlib
from typing import TYPE_CHECKING

from protocol import cbor
from protocol.errors import CryptoError, FormatError

if TYPE_CHECKING:
    from typing import Any

    from protocol.crypto import Crypto

    Bytes = bytes | bytearray | memoryview
    Headers = dict[int | str, Any]

ALG = 1  # header labels (RFC 9052 section 3.1)
CRIT = 2
CONTENT_TYPE = 3
KID = 4
IV = 5
PARTIAL_IV = 6

ES256 = -7
AES_CCM_16_64_128 = 10
AES_CCM_16_128_128 = 30

TAG_ENCRYPT0 = 16
TAG_SIGN1 = 18

TAG_BYTES = {AES_CCM_16_64_128: 8, AES_CCM_16_128_128: 16}
NONCE_BYTES = 13


class CoseError(FormatError):
    """Bytes that are not the COSE message expected here."""

    code = "FMT-060"


class CoseVerifyError(CryptoError):
    """A COSE message that is well-formed but must not be believed."""

    code = "CRY-010"


class Sign1:
    """A parsed COSE_Sign1: `protected_bytes` as received, `protected` and `unprotected` maps, `payload` (None if detached),
    `signature` (64 bytes, r | s)."""

    def __init__(
        self,
        protected_bytes: bytes,
        protected: "Headers",
        unprotected: "Headers",
        payload: "bytes | None",
        signature: bytes,
    ) -> None:
        self.protected_bytes = protected_bytes
        self.protected = protected
        self.unprotected = unprotected
        self.payload = payload
        self.signature = signature

    @property
    def kid(self) -> "bytes | None":
        """Key identifier, from whichever header holds it."""
        return self.protected.get(KID, self.unprotected.get(KID))

    @property
    def content_type(self) -> "int | str | None":
        """The protected content type, or None."""
        return self.protected.get(CONTENT_TYPE)


def _headers(protected: "Headers", unprotected: "Headers") -> None:
    for label in protected:
        if label in unprotected:
            raise CoseError("a header label stands in both maps")
    if CRIT in protected or CRIT in unprotected:
        raise CoseError("critical headers are not understood here")
    kid = protected.get(KID, unprotected.get(KID))
    if kid is not None and not isinstance(kid, bytes):
        raise CoseError("a key identifier is a byte string")
    if ALG in unprotected:
        raise CoseError("the algorithm must be protected")


def _protected_map(data: bytes) -> "Headers":
    """The map in a protected header; an empty one is the empty string (RFC 9052 section 3)."""
    if not data:
        return {}
    protected = cbor.decode(data)
    if not isinstance(protected, dict) or not protected:
        raise CoseError("a protected header is a map with something in it")
    return protected


def _open(data: "Bytes", tag: int, tagged: "bool | None", parts: int, max_size: int) -> "list[Any]":
    """Decode the outer array, with its tag where it must or may be there."""
    item = cbor.decode(data, tags=True, max_size=max_size)
    if isinstance(item, cbor.Tag):
        if tagged is False or item.number != tag:
            raise CoseError("another CBOR tag than this message has", detail=item.number)
        item = item.value
    elif tagged:
        raise CoseError("the CBOR tag is missing")
    if not isinstance(item, list) or len(item) != parts:
        raise CoseError("not an array of " + str(parts))
    if not isinstance(item[0], bytes) or not isinstance(item[1], dict):
        raise CoseError("the headers are not a byte string and a map")
    _no_tags(item[1])
    return item


def _no_tags(value: "Any") -> None:
    """Only the message itself may be tagged."""
    if isinstance(value, cbor.Tag):
        raise CoseError("a tag inside a header")
    if isinstance(value, list):
        for inner in value:
            _no_tags(inner)
    elif isinstance(value, dict):
        for key in value:
            _no_tags(value[key])


def _encode_protected(protected: "Headers") -> bytes:
    return cbor.encode(protected) if protected else b""


# --- COSE_Sign1 -------------------------------------------------------------------------------------------------


def sig_structure(protected_bytes: bytes, external_aad: bytes, payload: bytes) -> bytes:
    """The bytes that are signed (RFC 9052 section 4.4), context "Signature1"."""
    return cbor.encode(["Signature1", protected_bytes, external_aad, payload], max_size=len(payload) + 4096)


def _sig_digest(protected_bytes: bytes, external_aad: bytes, payload: bytes) -> bytes:
    """SHA-256 of `sig_structure`, without building it (a firmware image or a batch is held once only)."""
    state = hashlib.sha256()  # on both runtimes, so that preparing needs no crypto seam
    state.update(b"\x84\x6aSignature1")
    for part in (protected_bytes, external_aad, payload):
        state.update(cbor.head(2, len(part)))
        state.update(part)
    return state.digest()


def sign1_prepare(protected: "Headers", payload: bytes, aad: bytes = b"") -> "tuple[bytes, bytes]":
    """Encode the protected header (which must say ES256) and hash what is to be signed: (protected_bytes, digest32)."""
    if protected.get(ALG) != ES256:
        raise CoseError("the protected header must name ES256")
    protected_bytes = cbor.encode(protected)
    return protected_bytes, _sig_digest(protected_bytes, aad, payload)


def sign1_assemble(
    protected_bytes: bytes, unprotected: "Headers", payload: "bytes | None", signature: bytes, tagged: bool = True
) -> bytes:
    """The message from its parts; `payload` None for a detached one; `signature` the raw 64 bytes r | s."""
    if len(signature) != 64:
        raise CoseError("an ES256 signature has 64 bytes")
    _headers(_protected_map(protected_bytes), unprotected)
    parts = [protected_bytes, unprotected, payload, signature]
    size = 4096 + (len(payload) if payload else 0)
    return cbor.encode(cbor.Tag(TAG_SIGN1, parts) if tagged else parts, tags=True, max_size=size)


def sign1_encode(
    protected: "Headers", unprotected: "Headers", payload: "bytes | None", signature: bytes, tagged: bool = True
) -> bytes:
    """`sign1_assemble` for a protected header that is still a map."""
    return sign1_assemble(_encode_protected(protected), unprotected, payload, signature, tagged)


def sign1_parse(data: "Bytes", tagged: "bool | None" = None, max_size: int = cbor.MAX_SIZE) -> Sign1:
    """Parse a COSE_Sign1 strictly, believing nothing yet. `tagged` True: tag 18 must be there, False: must not, None: may.

    FormatError (CborError or CoseError) otherwise.
    """
    protected_bytes, unprotected, payload, signature = _open(data, TAG_SIGN1, tagged, 4, max_size)
    protected = _protected_map(protected_bytes)
    _headers(protected, unprotected)
    if payload is not None and not isinstance(payload, bytes):
        raise CoseError("the payload is neither a byte string nor detached")
    if not isinstance(signature, bytes):
        raise CoseError("the signature is not a byte string")
    return Sign1(protected_bytes, protected, unprotected, payload, signature)


def sign1_verify(
    crypto: "Crypto",
    message: Sign1,
    public: bytes,
    external_aad: bytes = b"",
    expected_content_type: "int | str | None" = None,
    detached_payload: "bytes | None" = None,
) -> bytes:
    """Check an ES256 signature by the P-256 key `public` (65 bytes) and return the payload it covers.

    CoseVerifyError: CRY-011 other algorithm, CRY-012 content type not `expected_content_type` (unless that is None), CRY-010
    signature wrong. CoseError if there is no payload, or two. KeyFormatError if `public` is no point of the curve.
    """
    payload = detached_payload if message.payload is None else message.payload
    if payload is None or (message.payload is not None and detached_payload is not None):
        raise CoseError("exactly one payload is needed, inside or detached")
    if message.protected.get(ALG) != ES256:
        raise CoseVerifyError("signed with another algorithm than ES256", "CRY-011")
    if expected_content_type is not None and message.content_type != expected_content_type:
        raise CoseVerifyError("signed for another purpose", "CRY-012")
    digest = _sig_digest(message.protected_bytes, external_aad, payload)
    if len(message.signature) != 64 or not crypto.ecdsa_verify("P-256", public, digest, message.signature):
        raise CoseVerifyError("the signature does not hold", "CRY-010")
    return payload


# --- COSE_Encrypt0 ----------------------------------------------------------------------------------------------


def enc_structure(protected_bytes: bytes, external_aad: bytes) -> bytes:
    """The additional data of the cipher (RFC 9052 section 5.3), context "Encrypt0"."""
    return cbor.encode(["Encrypt0", protected_bytes, external_aad])


def _tag_bytes(protected: "Headers") -> int:
    """Length of the tag by the algorithm named; 0 if it is none of this profile."""
    algorithm = protected.get(ALG)
    return TAG_BYTES.get(algorithm, 0) if isinstance(algorithm, int) else 0


def encrypt0(
    crypto: "Crypto",
    key: bytes,
    nonce: "bytes | None",
    protected: "Headers",
    plaintext: bytes,
    external_aad: bytes = b"",
    unprotected: "Headers | None" = None,
    tagged: bool = True,
) -> bytes:
    """Seal `plaintext` under a 16-byte key; the 13-byte nonce goes into the unprotected header, one that begins with zeros without
    them as a Partial IV (RFC 9052 section 3.1; the context's IV is zero). `nonce` None: zero, known from the context, not said.

    The caller guarantees that a nonce is never used twice with one key. `protected` must name algorithm 10 or 30.
    """
    size = _tag_bytes(protected)
    if not size:
        raise CoseError("the protected header must name AES-CCM-16-64-128 or AES-CCM-16-128-128")
    outer: "Headers" = {}
    if nonce is None:
        nonce = bytes(NONCE_BYTES)
    elif nonce[:1] == b"\0":
        outer[PARTIAL_IV] = bytes(nonce).lstrip(b"\0") or b"\0"
    else:
        outer[IV] = bytes(nonce)
    if len(key) != 16 or len(nonce) != NONCE_BYTES:
        raise CoseError("AES-CCM-16 takes a key of 16 and a nonce of 13 bytes")
    if unprotected is not None:
        outer.update(unprotected)
    _headers(protected, outer)
    protected_bytes = cbor.encode(protected)
    aad = enc_structure(protected_bytes, external_aad)
    sealed = crypto.aes_ccm_encrypt(key, nonce, aad, plaintext, size)
    parts = [protected_bytes, outer, sealed]
    return cbor.encode(cbor.Tag(TAG_ENCRYPT0, parts) if tagged else parts, tags=True)


class Encrypt0:
    """A parsed COSE_Encrypt0: headers as in `Sign1`, `ciphertext` with its tag at the end."""

    def __init__(self, protected_bytes: bytes, protected: "Headers", unprotected: "Headers", ciphertext: bytes) -> None:
        self.protected_bytes = protected_bytes
        self.protected = protected
        self.unprotected = unprotected
        self.ciphertext = ciphertext

    @property
    def kid(self) -> "bytes | None":
        """Key identifier, from whichever header holds it."""
        return self.protected.get(KID, self.unprotected.get(KID))


def encrypt0_parse(data: "Bytes", tagged: "bool | None" = None) -> Encrypt0:
    """Parse a COSE_Encrypt0 strictly; `tagged` as in `sign1_parse`, with tag 16."""
    protected_bytes, unprotected, ciphertext = _open(data, TAG_ENCRYPT0, tagged, 3, cbor.MAX_SIZE)
    protected = _protected_map(protected_bytes)
    _headers(protected, unprotected)
    if not isinstance(ciphertext, bytes):
        raise CoseError("the ciphertext is not a byte string")
    return Encrypt0(protected_bytes, protected, unprotected, ciphertext)


def decrypt0(
    crypto: "Crypto", key: bytes, data: "Bytes", external_aad: bytes = b"", tagged: "bool | None" = None
) -> "tuple[Encrypt0, bytes]":
    """Open a COSE_Encrypt0 that says its nonce: (parsed message, plaintext). AuthenticationError if it was changed or the key is
    another; CoseVerifyError CRY-011 if it names another algorithm than 10 or 30."""
    message = encrypt0_parse(data, tagged)
    size = _tag_bytes(message.protected)
    if not size:
        raise CoseVerifyError("sealed with another algorithm than AES-CCM-16-64-128 or AES-CCM-16-128-128", "CRY-011")
    nonce = message.protected.get(IV, message.unprotected.get(IV))
    partial = message.unprotected.get(PARTIAL_IV)
    if nonce is not None and partial is not None:
        raise CoseError("an IV and a Partial IV at once")
    if nonce is None and isinstance(partial, bytes) and 0 < len(partial) <= NONCE_BYTES:
        nonce = bytes(NONCE_BYTES - len(partial)) + partial
    if not isinstance(nonce, bytes) or len(nonce) != NONCE_BYTES:
        raise CoseError("the nonce has to be 13 bytes")
    if len(key) != 16:
        raise CoseError("AES-CCM-16 takes a key of 16 bytes")
    aad = enc_structure(message.protected_bytes, external_aad)
    return message, crypto.aes_ccm_decrypt(key, nonce, aad, message.ciphertext, size)
