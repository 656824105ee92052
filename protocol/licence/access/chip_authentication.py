"""Chip authentication version 1: an ephemeral key agreement with the chip's static key (ICAO Doc 9303-11 section 6.2, BSI
TR-03110-1), over elliptic curves or in a finite field. The channel is renewed; the first answer that verifies under the new keys
proves the chip.

The static key is in DG14, whose hash must have been compared before.
"""

from typing import TYPE_CHECKING

from protocol import pack
from protocol.der import INTEGER, SEQUENCE, SET, Der, wrap
from protocol.errors import CryptoError
from protocol.licence import curves, groups, profile
from protocol.licence.access import keys, lengths
from protocol.licence.access.messaging import SecureChannel
from protocol.licence.channel import CHANNEL_LOST
from protocol.licence.errors import MessagingError, TrustError, UnsupportedError
from protocol.licence.trust import algorithms

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from protocol.crypto import Crypto
    from protocol.licence.channel import Chip

    Bytes = bytes | bytearray | memoryview

_PUBLIC_KEY = b"\x04\x00\x7f\x00\x07\x02\x02\x01"  # 0.4.0.127.0.7.2.2.1: 1 DH, 2 ECDH
_PROTOCOL = b"\x04\x00\x7f\x00\x07\x02\x02\x03"  # 0.4.0.127.0.7.2.2.3: 1 DH, 2 ECDH; then 1 3DES, 2 … 4 AES
_DH, _ECDH = 1, 2
_X942 = b"\x2a\x86\x48\xce\x3e\x02\x01"  # 1.2.840.10046.2.1: p, g, q
_PKCS3 = b"\x2a\x86\x48\x86\xf7\x0d\x01\x03\x01"  # 1.2.840.113549.1.3.1: p, g
_PRIVATE = 32  # most bytes of a private exponent: enough for 2048 bits, whatever the group's order
_AROUND = 6  # most bytes of tags and lengths around a public key in a short command
_EXTENDED = "chip authentication with extended length"
CIPHERS = (keys.DES3, keys.AES128, keys.AES192, keys.AES256)


class FieldKey:
    """A static key in a finite field: prime, base, order of the base (0: not told), public value; `size` of the prime in bytes."""

    kind = "DH"

    def __init__(self, prime: int, base: int, order: int, public: int, size: int) -> None:
        self.prime = prime
        self.base = base
        self.order = order
        self.public = public
        self.size = size


class Offer:
    """What DG14 offers: `key` PublicKey or FieldKey, `key_id` bytes (may be empty), `oid` of the protocol, `cipher`."""

    def __init__(self, key: "algorithms.PublicKey | FieldKey", key_id: bytes, oid: bytes, cipher: str) -> None:
        self.key = key
        self.key_id = key_id
        self.oid = oid
        self.cipher = cipher


def infos_of(group14: "Bytes") -> Der:
    """A reader over the SecurityInfos of a whole DG14."""
    outer = Der(groups.body(group14, profile.tag_of(profile.CA_GROUP)))
    inner = outer.enter(SET)
    outer.finish()
    return inner


def announced(group14: "Bytes") -> bool:
    """Whether a whole DG14 holds a key for chip authentication."""
    infos = infos_of(group14)
    while infos.more():
        name = infos.enter(SEQUENCE).oid()
        if name[:-1] == _PUBLIC_KEY:
            return True
    return False


def hides_pace(group14: "Bytes", offered: "list") -> bool:
    """Whether DG14, which is signed, offers PACE that is not among the offers of EF.CardAccess, which nobody signed."""
    from protocol.licence.access import offers

    seen = [(item.oid, item.domain) for item in offered]
    signed = offers.offers(groups.body(group14, profile.tag_of(profile.CA_GROUP)))
    return any([(item.oid, item.domain) not in seen for item in signed])


def offer(group14: "Bytes") -> Offer:
    """The first key of a whole DG14 that can be used here, with its protocol: the one that names the key's number, or none.

    UnsupportedError if no key can be used here, TrustError if there is none.
    """
    held, protocols = _held(infos_of(group14))
    missing: Exception = TrustError("DG14 holds no key for chip authentication", detail="DG14")
    for kind, key, key_id in held:
        if isinstance(key, UnsupportedError):
            missing = key
            continue
        for name, number in protocols:
            if name[-2] == kind and (number == key_id or not number or not key_id):
                return Offer(key, key_id, name, CIPHERS[name[-1] - 1])
        if not [name for name, _ in protocols if name[-2] == kind]:
            return Offer(key, key_id, b"", keys.DES3)
    raise missing


def _held(infos: Der) -> "tuple[list[tuple], list[tuple]]":
    """(keys as (kind, key or UnsupportedError, number), protocols as (object identifier, number of its key)); no number is b""."""
    held: "list[tuple]" = []
    protocols: "list[tuple]" = []
    while infos.more():
        info = infos.enter(SEQUENCE)
        name = info.oid()
        if name[:-1] == _PUBLIC_KEY and name[-1] in (_DH, _ECDH):
            held.append(_key(info, name[-1]))
        elif len(name) == len(_PROTOCOL) + 2 and name[:-2] == _PROTOCOL and 1 <= name[-1] <= 4:
            if info.peek() == INTEGER:
                info.integer_bytes()  # its version
            protocols.append((name, info.integer_bytes() if info.peek() == INTEGER else b""))
    return held, protocols


def _key(info: Der, kind: int) -> "tuple[int, Any, bytes]":
    try:
        key = algorithms.read_public_key(info) if kind == _ECDH else read_field_key(info)
    except UnsupportedError as error:
        return kind, error, b""
    if key.kind not in (algorithms.ECDSA, FieldKey.kind):
        raise TrustError("DG14 holds no key for chip authentication", detail="DG14")
    return kind, key, info.integer_bytes() if info.peek() == INTEGER else b""


def read_field_key(parent: Der) -> FieldKey:
    """A SubjectPublicKeyInfo of Diffie-Hellman (RFC 3279 2.3.3, PKCS #3); UnsupportedError unless 1024 to 2048 bits."""
    info = parent.enter(SEQUENCE)
    algorithm = info.enter(SEQUENCE)
    name = algorithm.oid()
    if name not in (_X942, _PKCS3):
        raise algorithms.unsupported("kind of key", name)
    fields = algorithm.enter(SEQUENCE)
    algorithm.finish()
    prime, base = fields.integer_bytes(), fields.integer_bytes()
    order = fields.integer_bytes() if name == _X942 else b""
    item = Der(info.bits())
    info.finish()
    public = item.integer_bytes()
    item.finish()
    if not 128 <= len(prime) <= 256:
        raise algorithms.unsupported("finite field of this size")
    p, g, y = pack.int_from(prime), pack.int_from(base), pack.int_from(public)
    if (
        not (1 < g < p - 1 and 1 < y < p - 1 and p & 1)
        or len(order) > len(prime)
        or (order and pack.int_from(order) < 3)
    ):
        raise TrustError("the key for chip authentication cannot be used", detail="DG14")
    return FieldKey(p, g, pack.int_from(order) if order else 0, y, len(prime))


def mapping_holds(crypto: "Crypto", infos: Der, proof: "tuple[bytes, bytes]") -> bool:
    """Whether the data of PACE's chip-authentication mapping belong to a key among these SecurityInfos (Doc 9303-11 section 4.4.3.5.2).

    Keys on other curves than the mapping's open nothing.
    """
    for _, key, _ in _held(infos)[0]:
        if not isinstance(key, algorithms.PublicKey) or len(key.point) != len(proof[1]):
            continue
        try:
            if pack.ct_equal(crypto.ec_multiply(key.curve, proof[0], key.point), proof[1]):
                return True
        except CryptoError:
            continue
    return False


def agree(
    crypto: "Crypto", key: "algorithms.PublicKey | FieldKey", rnd: "Callable[[int], bytes]"
) -> "Generator[tuple, Any, tuple[bytes, bytes]]":
    """(our ephemeral public key, shared secret) with the chip's static key; yields the requests of `curves`."""
    if isinstance(key, FieldKey):
        bound = 1 << (8 * _PRIVATE)
        order = key.order if 0 < key.order < bound else bound
        size = _PRIVATE if order == bound else len(pack.be(order, _PRIVATE).lstrip(b"\0"))
        private = pack.int_from(rnd(size + 8)) % (order - 2) + 2
        public = pack.be(pow(key.base, private, key.prime), key.size)
        return public, pack.be(pow(key.public, private, key.prime), key.size)
    pair = yield from curves.key_pair(crypto, key.curve, rnd)
    return pair.public, (yield from curves.secret(crypto, key.curve, pair, key.point))


def run(chip: "Chip", group14: "Bytes", confirm: bool = True) -> "Generator[tuple, Any, bool]":
    """Agree on new keys and go on under them; False if the chip refuses.

    UnsupportedError if the key is too long for a short command and extended ones are not for this link, or were not announced by the
    card and are refused, with whatever word (commands are not chained here). A word of a lost channel counts the second time.

    `confirm`: talk once under them, MessagingError if the answer is not authentic; else the next command of the reading does
    that, see `Chip.proven`.
    """
    given = offer(group14)
    crypto = chip.crypto
    reference = wrap(0x84, given.key_id) if given.key_id else b""
    size = given.key.size if isinstance(given.key, FieldKey) else len(given.key.point)
    large = chip.channel is not None and size + len(reference) + _AROUND > chip.channel.short_room
    if large and not chip.room:
        raise algorithms.unsupported(_EXTENDED)
    public, shared = yield from agree(crypto, given.key, chip.random)
    beyond = large and not chip.announces_extended  # sent in a form that the card did not announce
    reached = [given.cipher == keys.DES3]  # whether it is the long command that was answered
    try:
        if given.cipher == keys.DES3:
            status = yield from _set_key(chip, public, reference)
        else:
            status = yield from _authenticate(chip, given.oid, public, reference, reached)
    except MessagingError as cause:
        status, beyond = cause.detail, beyond and reached[0]
        if not beyond or not isinstance(status, int) or (status in CHANNEL_LOST and not chip.lost_beyond):
            chip.lost_beyond = beyond
            raise
    if status != 0x9000:
        if beyond and reached[0]:
            raise algorithms.unsupported(_EXTENDED)
        return False
    enc = keys.derive(crypto, shared, keys.ENC, given.cipher)
    mac = keys.derive(crypto, shared, keys.MAC, given.cipher)
    chip.replace(SecureChannel(crypto, enc, mac, 0, given.cipher))
    if confirm:
        yield from chip.send(bytes((0, 0xB0, 0x80 | profile.COM, 0, 4)))
    return True


def _set_key(chip: "Chip", public: bytes, reference: bytes) -> "Generator[tuple, Any, int]":
    """MSE:Set KAT, the one command of the 3DES variant; its status."""
    data = wrap(0x91, public) + reference
    _, status = yield from chip.send(_command(b"\x00\x22\x41\xa6", data))
    return status


def _authenticate(
    chip: "Chip", oid: bytes, public: bytes, reference: bytes, reached: "list[bool]"
) -> "Generator[tuple, Any, int]":
    """MSE:Set AT and GENERAL AUTHENTICATE, the two commands of the AES variants; both again for another expected length. The last status,
    and in `reached` whether it is the second command's."""
    setting = _command(b"\x00\x22\x41\xa4", wrap(0x80, oid) + reference)
    command = _command(b"\x00\x86\x00\x00", wrap(0x7C, wrap(0x80, public)))

    def attempt(le: bytes) -> "Generator[tuple, Any, tuple[bytes, int]]":
        reached[0] = False
        answer = yield from chip.send(setting)
        reached[0] = answer[1] == 0x9000
        return (yield from chip.send(command + le)) if reached[0] else answer

    # 7C 00 comes back, from some nothing
    forms = (lengths.ANY, b"\x02", b"") if command[4] else (lengths.WIDE, b"\x00\x02", b"")
    return (yield from lengths.ask(chip, attempt, forms))[1]


def _command(header: bytes, data: bytes) -> bytes:
    """A command with data, in extended form if they need it."""
    if len(data) < 256:
        return header + bytes((len(data),)) + data
    return header + b"\x00" + pack.u16be(len(data)) + data
