"""What a process that plays a seed need not work out twice: whether a signature holds, what bytes decode to, and where the frames of a segment lie.

All are functions of their bytes alone: that a signature holds, by public key, digest and signature, once it was made here with that key or verified;
what bytes mean that the real decoder has decoded, given out as a new object each time; where the real reader has found whole entries in a segment of
these very bytes, and what it said of their end. Any other signature, and whatever does not decode, goes to the real code every time.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from protocol import cbor
from protocol.crypto.native import Bytes, NativeCrypto
from server.keys import point
from server.wire import envelope
from terminal.journal.frames import SegmentReader

_USUAL = (cbor.MAX_DEPTH, False, cbor.MAX_SIZE)
_MOST = 8192  # of a kind, then it begins anew

_holds: set[tuple[bytes, bytes, bytes]] = set()  # point of a P-256 key, SHA-256 digest, r || s
_decoded: dict[bytes, tuple[Any, int]] = {}
_indexed: dict[
    bytes, tuple[list[tuple[int, int, int]], bool, bool, bool]
] = {}  # a segment's content → its index, `torn`, `damaged`, `old`


def note(public: bytes, digest: bytes, signature: bytes) -> None:
    """This signature holds: it was made here, or verified."""
    if len(_holds) >= _MOST:
        _holds.clear()
    _holds.add((public, digest, signature))


def plain(der: bytes) -> bytes:
    """A DER signature of P-256 as r || s."""
    r, s = decode_dss_signature(der)
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def holds(public: bytes, data: bytes, signature: bytes) -> bool:
    """Whether r || s is over `data` by the key with this point: it is noted, or `cryptography` says so."""
    if (public, hashlib.sha256(data).digest(), signature) in _holds:
        return True
    key = ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), public)
    pair = encode_dss_signature(int.from_bytes(signature[:32], "big"), int.from_bytes(signature[32:], "big"))
    try:
        key.verify(pair, data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return len(signature) == 64


def _es256(algorithm: ec.ECDSA) -> bool:
    """Whether what is noted is about this: another digest is another signature."""
    return isinstance(algorithm.algorithm, hashes.SHA256)


class Signer:
    """A private key of the server that notes what it signs; all else is the key's own."""

    def __init__(self, key: ec.EllipticCurvePrivateKey) -> None:
        self._key, self._point = key, point(key.public_key())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._key, name)

    def sign(self, data: bytes, algorithm: ec.ECDSA) -> bytes:
        """DER."""
        der = self._key.sign(data, algorithm)
        if _es256(algorithm):
            note(self._point, hashlib.sha256(data).digest(), plain(der))
        return der


class Verifier:
    """A public key that does not verify again what is noted; all else is the key's own."""

    def __init__(self, public: bytes, key: ec.EllipticCurvePublicKey) -> None:
        self._key, self._point = key, public

    def __getattr__(self, name: str) -> Any:
        return getattr(self._key, name)

    def verify(self, der: bytes, data: bytes, algorithm: ec.ECDSA) -> None:
        """InvalidSignature if it does not hold."""
        known = (self._point, hashlib.sha256(data).digest(), plain(der))
        if known not in _holds or not _es256(algorithm):
            self._key.verify(der, data, algorithm)
            if _es256(algorithm):
                note(*known)


class Crypto(NativeCrypto):
    """A terminal's crypto that does not verify again what is noted."""

    def ecdsa_verify(self, curve: str, public: Bytes, digest: Bytes, signature: Bytes) -> bool:
        """As the real one."""
        known = (bytes(public), bytes(digest), bytes(signature))
        if curve == "P-256" and known in _holds:
            return True
        good = super().ecdsa_verify(curve, public, digest, signature)
        if good and curve == "P-256":
            note(*known)
        return good


def _fresh(value: Any) -> Any:
    kind = type(value)
    if kind is dict:
        return {key: _fresh(one) if type(one) in (dict, list) else one for key, one in value.items()}
    return [_fresh(one) for one in value] if kind is list else value


@contextmanager
def recall() -> Iterator[None]:
    """While a seed is played, the server's keys and the decoder remember; nothing of the one before, which may have been a broken build's."""
    _holds.clear()
    _decoded.clear()
    _indexed.clear()
    load: Callable[[bytes], Any] = envelope.load_point
    decode_prefix = cbor.decode_prefix
    verifiers: dict[bytes, Verifier] = {}

    def load_point(public: bytes) -> Any:
        found = verifiers.get(public)
        if found is None:
            found = verifiers[public] = Verifier(public, load(public))
        return found

    def decoded(data: Bytes, offset: int = 0, *limits: Any, **others: Any) -> tuple[Any, int]:
        if limits and limits != _USUAL or others or offset < 0:
            return decode_prefix(data, offset, *limits, **others)
        key = bytes(data) if offset == 0 else bytes(data[offset:])
        found = _decoded.get(key)
        if found is None:
            value, end = decode_prefix(data, offset, *limits)
            found = (value, end - offset)
            if len(_decoded) >= _MOST:
                _decoded.clear()
            _decoded[key] = found
        return _fresh(found[0]), found[1] + offset

    index = SegmentReader.index

    def indexed(self: SegmentReader, name: str) -> list[tuple[int, int, int]]:
        flash: Any = getattr(self._storage, "_storage", self._storage)  # below the vault, which seals no segment
        content = None if flash.power.dead else flash.files.get(name)
        if content is None:
            return index(self, name)
        found = _indexed.get(content)
        if found is None:
            found = (index(self, name), self.torn, self.damaged, self.old)
            if len(_indexed) >= _MOST:
                _indexed.clear()
            _indexed[content] = found
        else:
            self._held = None  # the window holds what was read before
            _, self.torn, self.damaged, self.old = found
        return found[0]

    envelope.load_point, cbor.decode_prefix, SegmentReader.index = load_point, decoded, indexed  # type: ignore[assignment]
    try:
        yield
    finally:
        envelope.load_point, cbor.decode_prefix, SegmentReader.index = load, decode_prefix, index  # type: ignore[assignment]
