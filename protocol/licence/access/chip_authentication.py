"""Chip authentication version 1 over elliptic curves: an ephemeral key agreement with the chip's static key (ICAO Doc 9303-11
section 6.2, BSI TR-03110-1). The channel is renewed; the first answer that verifies under the new keys proves the chip.

The static key is in DG14, whose hash must have been compared before. Finite-field Diffie-Hellman is not supported.
"""

from typing import TYPE_CHECKING

from protocol import pack
from protocol.crypto.ec import Curve
from protocol.der import INTEGER, SEQUENCE, SET, Der, wrap
from protocol.licence import groups, profile
from protocol.licence.access import keys
from protocol.licence.access.messaging import SecureChannel
from protocol.licence.errors import TrustError
from protocol.licence.trust import algorithms

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from protocol.crypto import Crypto
    from protocol.licence.channel import Chip

    Bytes = bytes | bytearray | memoryview

_PUBLIC_KEY = b"\x04\x00\x7f\x00\x07\x02\x02\x01"  # 0.4.0.127.0.7.2.2.1: 1 DH, 2 ECDH
_PROTOCOL = b"\x04\x00\x7f\x00\x07\x02\x02\x03\x02"  # 0.4.0.127.0.7.2.2.3.2 (ECDH): 1 3DES, 2 … 4 AES
_PACE = b"\x04\x00\x7f\x00\x07\x02\x02\x04"
CIPHERS = (keys.DES3, keys.AES128, keys.AES192, keys.AES256)


class Offer:
    """What DG14 offers: `key` PublicKey, `key_id` bytes (may be empty), `oid` of the protocol, `cipher`."""

    def __init__(self, key: algorithms.PublicKey, key_id: bytes, oid: bytes, cipher: str) -> None:
        self.key = key
        self.key_id = key_id
        self.oid = oid
        self.cipher = cipher


def offer(group14: "Bytes") -> Offer:
    """The offer in a whole DG14; UnsupportedError if it is another key agreement, TrustError if there is none."""
    infos = Der(groups.body(group14, profile.tag_of(profile.CA_GROUP))).enter(SET)
    key, key_id, oid, cipher = None, b"", b"", keys.DES3
    while infos.more():
        info = infos.enter(SEQUENCE)
        name = info.oid()
        if name == _PUBLIC_KEY + b"\x02" and key is None:
            key = algorithms.read_public_key(info)
            if info.peek() == INTEGER:
                key_id = info.integer_bytes()
        elif name == _PUBLIC_KEY + b"\x01":
            raise algorithms.unsupported("chip authentication", name)
        elif name[:-1] == _PROTOCOL and 1 <= name[-1] <= 4 and not oid:
            oid, cipher = name, CIPHERS[name[-1] - 1]
    if key is None or key.kind != algorithms.ECDSA:
        raise TrustError("DG14 holds no key for chip authentication", detail="DG14")
    return Offer(key, key_id, oid, cipher)


def offers_pace(group14: "Bytes") -> bool:
    """Whether DG14, which is signed, offers PACE."""
    infos = Der(groups.body(group14, profile.tag_of(profile.CA_GROUP))).enter(SET)
    while infos.more():
        if infos.enter(SEQUENCE).oid()[:8] == _PACE:
            return True
    return False


def mapping_holds(crypto: "Crypto", group14: "Bytes", proof: "tuple[bytes, bytes]") -> bool:
    """Whether the data of PACE's chip-authentication mapping belong to DG14's key (Doc 9303-11 section 4.4.3.5.2)."""
    key = offer(group14).key
    return pack.ct_equal(crypto.ec_multiply(key.curve, proof[0], key.point), proof[1])


def ephemeral(curve: str, rnd: "Callable[[int], bytes]") -> bytes:
    """A scalar from 1 to order - 1 out of eight random bytes more than the order has (FIPS 186-4 B.4.1)."""
    domain = Curve(curve)
    return pack.be(pack.int_from(rnd(domain.size + 8)) % (domain.n - 1) + 1, domain.size)


def run(chip: "Chip", group14: "Bytes") -> "Generator[tuple, Any, bool]":
    """Agree on new keys and talk once under them; False if the chip refuses, MessagingError if its answer is not authentic."""
    given = offer(group14)
    crypto = chip.crypto
    private = ephemeral(given.key.curve, chip.random)
    public = crypto.ec_multiply(given.key.curve, private)
    shared = crypto.ec_multiply(given.key.curve, private, given.key.point)
    shared = shared[1 : 1 + (len(shared) - 1) // 2]
    reference = wrap(0x84, given.key_id) if given.key_id else b""
    if given.cipher == keys.DES3:
        accepted = yield from _set_key(chip, public, reference)
    else:
        accepted = yield from _authenticate(chip, given.oid, public, reference)
    if not accepted:
        return False
    enc = keys.derive(crypto, shared, keys.ENC, given.cipher)
    mac = keys.derive(crypto, shared, keys.MAC, given.cipher)
    chip.replace(SecureChannel(crypto, enc, mac, 0, given.cipher))
    _, status = yield from chip.send(bytes((0, 0xB0, 0x80 | profile.COM, 0, 4)))
    return status in (0x9000, 0x6282)


def _set_key(chip: "Chip", public: bytes, reference: bytes) -> "Generator[tuple, Any, bool]":
    """MSE:Set KAT, the one command of the 3DES variant."""
    data = wrap(0x91, public) + reference
    _, status = yield from chip.send(b"\x00\x22\x41\xa6" + bytes((len(data),)) + data)
    return status == 0x9000


def _authenticate(chip: "Chip", oid: bytes, public: bytes, reference: bytes) -> "Generator[tuple, Any, bool]":
    """MSE:Set AT and GENERAL AUTHENTICATE, the two commands of the AES variants."""
    data = wrap(0x80, oid) + reference
    _, status = yield from chip.send(b"\x00\x22\x41\xa4" + bytes((len(data),)) + data)
    if status != 0x9000:
        return False
    data = wrap(0x7C, wrap(0x80, public))
    _, status = yield from chip.send(b"\x00\x86\x00\x00" + bytes((len(data),)) + data + b"\x00")
    return status == 0x9000
