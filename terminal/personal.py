"""Personal data of a report (PV): encrypted to the authority, kept beside the journal, erasable without breaking the chain (domain §3).

Key: first 16 bytes of HMAC-SHA-256 in the secure element (slot 6, a key that the authority also holds) over CBOR [device, epoch, case].
Form: COSE_Encrypt0, AES-CCM-16-128-128, nonce of seven zeros and six random bytes (a key seals one report), external data the same
array. Content: CBOR map, the keys of `FIELDS` by their place in it, others as text; release 0.1.0 says all of them as text.
"""

from drivers.contracts.secure_element import SLOT_PV_HMAC
from protocol import cbor, cose

FIELDS = ("plate", "number", "surname", "given_names", "birth", "authority", "document")
_ALGORITHM = 30  # AES-CCM-16-128-128, RFC 9053 section 4.2


async def seal(t, case: int, content: dict) -> bytes:  # noqa: ANN001 - Terminal
    """Encrypt `content` for the authority."""
    key, context = await _key(t, case)
    nonce = bytes(7) + await t.ports.se.random(6)
    named = {FIELDS.index(name) if name in FIELDS else name: content[name] for name in content}
    return cose.encrypt0(t.ports.crypto, key, nonce, {1: _ALGORITHM}, cbor.encode(named), context)


async def unseal(t, case: int, blob: bytes) -> dict:  # noqa: ANN001
    """Decrypt while the case is open (a power cut wiped the working memory). Raises CryptoError."""
    key, context = await _key(t, case)
    _, content = cose.decrypt0(t.ports.crypto, key, blob, context)
    named = cbor.decode(content)
    return {FIELDS[key] if isinstance(key, int) else key: named[key] for key in named}


async def _key(t, case: int) -> "tuple[bytes, bytes]":  # noqa: ANN001
    context = cbor.encode([t.identity.device, t.journal.epoch, case])
    mac = await t.ports.se.hmac(SLOT_PV_HMAC, context)
    return mac[:16], context
