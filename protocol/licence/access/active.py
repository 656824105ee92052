"""Active authentication: the chip signs a fresh challenge with a key that it never shows (ICAO Doc 9303-11 section 6.1).

RSA with ISO/IEC 9796-2 scheme 1 (partial recovery) and ECDSA (plain r | s, from some chips the DER of both). The public key is DG13
of the licence, whose hash must have been compared before.
"""

from typing import TYPE_CHECKING

from protocol import pack
from protocol.der import INTEGER, OID, SEQUENCE, SET, Der
from protocol.licence import curves, groups, profile
from protocol.licence.access import lengths
from protocol.licence.channel import CHANNEL_LOST
from protocol.licence.errors import MessagingError
from protocol.licence.trust import algorithms

if TYPE_CHECKING:
    from collections.abc import Generator
    from typing import Any

    from protocol.crypto import Crypto
    from protocol.licence.channel import Chip

    Bytes = bytes | bytearray | memoryview

CHALLENGE_SIZE = 8
HASHES = ("sha512", "sha384", "sha256", "sha224", "sha1")
_AA_INFO = b"\x67\x81\x08\x01\x01\x05"  # 2.23.136.1.1.5
_BSI_PLAIN = b"\x04\x00\x7f\x00\x07\x01\x01\x04\x01"


def run(chip: "Chip", group13: "Bytes", group14: "Bytes | None") -> "Generator[tuple, Any, bool | None]":
    """Challenge the chip; whether its signature holds under DG13's key.

    UnsupportedError if the key cannot be handled here, or if an answer as long as its signature cannot come over this link; False if
    the chip refuses, None if it says that it lacks a right or a step before (6982, 6985).
    """
    holder = Der(groups.body(group13, profile.tag_of(profile.AA_GROUP)))
    key = algorithms.read_public_key(holder)
    holder.finish()
    size = len(key.modulus) if key.kind == algorithms.RSA else len(key.point) - 1
    challenge, signature, status = yield from _ask(chip, size)
    if status != 0x9000:
        return None if status in (0x6982, 0x6985) else False
    if key.kind == algorithms.RSA:
        return recovered(chip.crypto, key.modulus, key.exponent, signature, challenge)
    named = signature_hash(group14)
    raw = signature if len(signature) == size else algorithms.raw_signature(signature, size // 2)
    if raw is None:
        return False
    for name in (named,) if named else _likely(size):
        value = algorithms.digest(chip.crypto, name, challenge)
        if (yield from curves.verify(chip.crypto, key.curve, key.point, value, raw)):
            return True
    return False


def _likely(size: int) -> "list[str]":
    """Every hash that an ECDSA key may sign with where none is named, the one that fits `size` bytes of signature first. A copy can make a
    signature hold under none of them."""
    first = 2 if size <= 64 else 1 if size <= 96 else 0
    return [HASHES[first]] + [name for name in HASHES if name != HASHES[first]]


def _ask(chip: "Chip", size: int) -> "Generator[tuple, Any, tuple[bytes, bytes, int]]":
    """(challenge, signature, status) of INTERNAL AUTHENTICATE, each try with a challenge of its own.

    A signature of `size` bytes that no short answer holds is asked for with extended length where card and link have it. Where the card does
    not announce it, short commands go first (the answer may come whole, or after 61xx), and extended ones if they brought no such
    signature and the link has room. UnsupportedError if it has none and the chip finds fault with the length. A chip that was asked with
    extended length has no such excuse: the length that it complains of is its own.
    """
    channel = chip.channel
    large = channel is not None and size > channel.short_room
    if not large or not chip.announces_extended:
        try:
            found = yield from _challenge(chip, (lengths.ANY, bytes((size,))) if size < 256 else (lengths.ANY,))
        except MessagingError as cause:
            status = cause.detail
            if not large or not chip.room or not isinstance(status, int) or status in CHANNEL_LOST:
                raise
            found = b"", b"", status
        if not large or (found[2] == 0x9000 and len(found[1]) == size):
            return found
        if not chip.room:
            if lengths.refused(found[2]):
                raise algorithms.unsupported("active authentication with extended length")
            return found
        if chip.channel is None or not chip.channel.alive:
            yield from chip.rebuild(MessagingError("the chip ended the secure channel", detail=found[2]))
    # the signature's own length first: a Le of zeros is more than a card sends that announces a limit
    return (yield from _challenge(chip, (pack.u16be(size), lengths.WIDE)))


def _challenge(chip: "Chip", forms: "tuple[bytes, ...]") -> "Generator[tuple, Any, tuple[bytes, bytes, int]]":
    """INTERNAL AUTHENTICATE with the first Le field of `forms` that the chip takes."""
    sent = [b""]

    def attempt(le: bytes) -> "Generator[tuple, Any, tuple[bytes, int]]":
        sent[0] = chip.random(CHALLENGE_SIZE)
        head = b"\x00\x00\x08" if len(le) == 2 else b"\x08"
        return (yield from chip.send(b"\x00\x88\x00\x00" + head + sent[0] + le))

    signature, status = yield from lengths.ask(chip, attempt, forms)
    return sent[0], signature, status


def recovered(crypto: "Crypto", modulus: bytes, exponent: bytes, signature: "Bytes", challenge: "Bytes") -> bool:
    """Whether an ISO/IEC 9796-2 scheme 1 signature recovers to a block whose digest covers M1 | challenge."""
    if len(signature) != len(modulus) or bytes(signature) >= modulus:
        return False
    block = crypto.rsa_public(modulus, exponent, signature)
    if block[-1] & 0x0F != 0x0C:  # the signer may have sent n - s, whichever is smaller
        block = pack.be(pack.int_from(modulus) - pack.int_from(block), len(modulus))
    return block_holds(crypto, block, challenge)


def block_holds(crypto: "Crypto", block: "Bytes", challenge: "Bytes") -> bool:
    """Whether the recovered block 6A | M1 | digest | trailer belongs to the challenge."""
    if block[0] != 0x6A:
        return False
    if block[-1] == 0xBC:
        name, end = "sha1", len(block) - 1
    elif block[-1] == 0xCC and 0x33 <= block[-2] <= 0x38 and block[-2] != 0x37:
        name = ("sha1", "sha256", "sha512", "sha384", "", "sha224")[block[-2] - 0x33]
        end = len(block) - 2
    else:
        return False
    size = 20 if name == "sha1" else int(name[3:]) // 8
    if end - size < 1:
        return False
    value = algorithms.digest(crypto, name, bytes(block[1 : end - size]) + bytes(challenge))
    return pack.ct_equal(value, block[end - size : end])


def signature_hash(group14: "Bytes | None") -> str:
    """The hash that DG14's ActiveAuthenticationInfo names for ECDSA, "" if there is none; UnsupportedError if nobody here knows it."""
    if group14 is None:
        return ""
    infos = Der(groups.body(group14, profile.tag_of(profile.CA_GROUP))).enter(SET)
    while infos.more():
        info = infos.enter(SEQUENCE)
        if info.oid() != _AA_INFO or info.peek() != INTEGER:
            continue
        info.integer(1)
        if info.peek() != OID:
            continue
        oid = info.oid()
        if oid[:-1] != _BSI_PLAIN or not 1 <= oid[-1] <= 5:
            raise algorithms.unsupported("signature algorithm of active authentication", oid)
        return ("sha1", "sha224", "sha256", "sha384", "sha512")[oid[-1] - 1]
    return ""
