"""COSE_Sign1 as the sync protocol uses it (RFC 9052 §4.2, ES256): opened with a device's key, sealed with one of the
server's.

Untagged; the protected header is exactly {1: -7, 3: content type, 4: key id}, the unprotected one is empty. Strict CBOR
on the way in (`server.wire.strict`), the signature checked by `cryptography` on the very bytes received. Keys are loaded
once and kept. Knows nothing of what a payload means.
"""

from dataclasses import dataclass
from functools import lru_cache

import cbor2
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

from protocol.errors import FormatError
from server import codes
from server.wire import strict

_ES256 = ec.ECDSA(hashes.SHA256())
MAX_BODY = 65536
_COMMON_HEADER = 128  # bytes; longer ones are not kept in memory


@dataclass(frozen=True)
class Envelope:
    """A parsed message whose signature has not been checked yet."""

    content_type: str
    key_id: bytes
    protected: bytes
    payload: bytes
    signature: bytes


@lru_cache(maxsize=65536)
def load_point(point: bytes) -> ec.EllipticCurvePublicKey:
    """The key of an uncompressed P-256 point; ValueError if it is not on the curve."""
    return ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point)


def parse(body: bytes) -> Envelope:
    """Take a message apart. RefusedError TOO_LARGE or MALFORMED."""
    if len(body) > MAX_BODY:
        raise codes.RefusedError(codes.TOO_LARGE, "message over 64 KiB")
    try:
        message = strict.decode(body)
    except FormatError as error:
        raise codes.RefusedError(codes.MALFORMED, f"message is not strict CBOR ({error.code})") from error
    if not isinstance(message, list) or len(message) != 4 or message[1] != {} or not isinstance(message[1], dict):
        raise codes.RefusedError(codes.MALFORMED, "message is not a COSE_Sign1")
    protected, _, payload, signature = message
    if not (isinstance(protected, bytes) and isinstance(payload, bytes) and isinstance(signature, bytes)):
        raise codes.RefusedError(codes.MALFORMED, "message is not a COSE_Sign1")
    if len(signature) != 64:
        raise codes.RefusedError(codes.MALFORMED, "content type, key id or signature of a wrong kind")
    read = _header if len(protected) <= _COMMON_HEADER else _header.__wrapped__  # a stranger fills no memory
    content_type, key_id = read(protected)
    return Envelope(content_type, key_id, protected, payload, signature)


@lru_cache(maxsize=16384)
def _header(protected: bytes) -> tuple[str, bytes]:
    """(content type, key id) of a protected header; a device has one for each kind of message. RefusedError MALFORMED."""
    try:
        header = strict.decode(protected)
    except FormatError as error:
        raise codes.RefusedError(codes.MALFORMED, "protected header is not strict CBOR") from error
    if not isinstance(header, dict) or set(header) != {1, 3, 4} or header[1] != -7:
        raise codes.RefusedError(codes.MALFORMED, "protected header is not {alg ES256, content type, key id}")
    if not isinstance(header[3], str) or not isinstance(header[4], bytes):
        raise codes.RefusedError(codes.MALFORMED, "content type, key id or signature of a wrong kind")
    return header[3], header[4]


def canonical(value: object) -> bytes:
    """Deterministic CBOR by the C library: for what came out of the strict decoder, the same bytes as `protocol.cbor.encode`
    (a test compares them) at a tenth of the time.
    """
    return cbor2.dumps(value, canonical=True)


def signed_bytes(protected: bytes, payload: bytes) -> bytes:
    """The Sig_structure of RFC 9052 §4.4 with an empty external_aad."""
    begin = _begin if len(protected) <= _COMMON_HEADER else _begin.__wrapped__
    return begin(protected) + strict.string(payload)


@lru_cache(maxsize=16384)
def _begin(protected: bytes) -> bytes:
    return b"\x84\x6aSignature1" + strict.string(protected) + b"\x40"


def _der(signature: bytes) -> bytes:
    """r || s as DER, which is what `cryptography` takes (ECDSA-Sig-Value, RFC 3279 §2.2.3)."""
    r, s = signature[:32].lstrip(b"\0"), signature[32:].lstrip(b"\0")
    if not r or r[0] & 0x80:
        r = b"\0" + r
    if not s or s[0] & 0x80:
        s = b"\0" + s
    return b"\x30%c\x02%c%b\x02%c%b" % (4 + len(r) + len(s), len(r), r, len(s), s)


def holds(public_key: bytes, protected: bytes, payload: bytes, signature: bytes) -> bool:
    """Whether `signature` (r || s, 64 bytes) is `public_key`'s (65 bytes) over header and payload."""
    if len(signature) != 64:
        return False
    try:
        load_point(public_key).verify(_der(signature), signed_bytes(protected, payload), _ES256)
    except (InvalidSignature, ValueError):
        return False
    return True


@lru_cache(maxsize=65536)
def protected_header(content_type: str, key_id: bytes) -> bytes:
    """The only protected header that a message of this type and key may have."""
    return canonical({1: -7, 3: content_type, 4: key_id})


def seal(key: ec.EllipticCurvePrivateKey, content_type: str, key_id: str, payload: object) -> bytes:
    """A signed message: `payload` is encoded as deterministic CBOR."""
    protected, body = protected_header(content_type, key_id.encode()), strict.encode(payload)
    r, s = decode_dss_signature(key.sign(signed_bytes(protected, body), _ES256))
    signature = r.to_bytes(32, "big") + s.to_bytes(32, "big")
    return b"\x84" + strict.string(protected) + b"\xa0" + strict.string(body) + b"\x58\x40" + signature
