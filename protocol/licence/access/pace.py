"""PACE version 2 with generic, integrated and chip-authentication mapping (ICAO Doc 9303-11 section 4.4, BSI TR-03110).

`offers` reads EF.CardAccess, `choose` picks what this terminal does best, `establish` is the machine. The password is what is
printed: the MRZ (its three checked fields) or the CAN. A failure is an error: nothing here falls back to BAC.
"""

from typing import TYPE_CHECKING

from protocol import pack
from protocol.crypto import KeyFormatError
from protocol.der import Der, wrap
from protocol.errors import FormatError
from protocol.licence import curves
from protocol.licence.access import domains, keys, lengths
from protocol.licence.access.messaging import SecureChannel
from protocol.licence.access.offers import CHIP_AUTHENTICATION, GENERIC, GENERIC_DH, INTEGRATED, INTEGRATED_DH
from protocol.licence.curves import KeyPair
from protocol.licence.errors import AccessError, UnsupportedError, WrongMrzError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from typing import Any

    from protocol.crypto import Crypto
    from protocol.licence.access.domains import CurveDomain, FieldDomain
    from protocol.licence.access.offers import Offer

    Bytes = bytes | bytearray | memoryview

BY_MRZ, BY_CAN = 1, 2
_PREFERENCE = (CHIP_AUTHENTICATION, GENERIC, INTEGRATED, GENERIC_DH, INTEGRATED_DH)
# Constants of the pseudo-random function of the integrated mapping (section 4.4.3.3.2)
_C0_128 = b"\xa6\x68\x89\x2a\x7c\x41\xe3\xca\x73\x9f\x40\xb0\x57\xd8\x59\x04"
_C1_128 = b"\xa4\xe1\x36\xac\x72\x5f\x73\x8b\x01\xc1\xf6\x02\x17\xc1\x88\xad"
_C0_256 = (
    b"\xd4\x63\xd6\x52\x34\x12\x4e\xf7\x89\x70\x54\x98\x6d\xca\x0a\x17"
    b"\x4e\x28\xdf\x75\x8c\xba\xa0\x3f\x24\x06\x16\x41\x4d\x5a\x16\x76"
)
_C1_256 = (
    b"\x54\xbd\x72\x55\xf0\xaa\xf8\x31\xbe\xc3\x42\x3f\xcf\x39\xd6\x9b"
    b"\x6c\xbf\x06\x66\x77\xd0\xfa\xae\x5a\xad\xd9\x9d\xf8\xe5\x35\x17"
)


class Agreed:
    """What PACE ended with: `channel`, and for chip-authentication mapping `proof` (decrypted data) and `chip_map_key`."""

    def __init__(self, channel: SecureChannel, proof: bytes = b"", chip_map_key: bytes = b"") -> None:
        self.channel = channel
        self.proof = proof
        self.chip_map_key = chip_map_key


def choose(crypto: "Crypto", offered: "list[Offer]") -> "Offer | None":
    """The offer that this terminal runs best, None if it runs none."""
    for mapping in _PREFERENCE:
        for item in offered:
            if item.mapping != mapping:
                continue
            try:
                domain = domains.domain(crypto, item.domain)
            except UnsupportedError:
                continue
            if (domain.token_tag == 0x84) == (mapping in (GENERIC_DH, INTEGRATED_DH)):
                return item
    return None


def password_key(crypto: "Crypto", key_input: "Bytes", kind: int, cipher: str) -> bytes:
    """K_pi from the MRZ's three fields (BY_MRZ) or the digits of the CAN (BY_CAN) (section 9.7.3)."""
    secret = crypto.sha1(key_input) if kind == BY_MRZ else bytes(key_input)
    return keys.derive(crypto, secret, keys.PASSWORD, cipher)


def decrypt_nonce(crypto: "Crypto", key: bytes, cipher: str, sealed: "Bytes") -> bytes:
    """The nonce s out of what the chip sent."""
    if cipher == keys.DES3:
        return crypto.des3_cbc_decrypt(key, bytes(8), sealed)
    return crypto.aes_cbc_decrypt(key, bytes(16), sealed)


def token(crypto: "Crypto", mac: bytes, cipher: str, oid: bytes, tag: int, public: bytes) -> bytes:
    """The authentication token over the other side's public key (section 4.4.3.4)."""
    inner = wrap(0x06, oid) + wrap(tag, public)
    data = b"\x7f\x49" + wrap(0, inner)[1:]
    if cipher == keys.DES3:
        return crypto.retail_mac(mac, keys.pad(data, 8))
    return crypto.aes_cmac(mac, data)[:8]


def spread(crypto: "Crypto", nonce: bytes, other: bytes, cipher: str, bits: int) -> bytes:
    """R(s, t) of the integrated mapping: blocks until 64 bits more than the field has."""
    wide = cipher in (keys.AES192, keys.AES256)
    size = 32 if wide else 16
    c0, c1 = (_C0_256, _C1_256) if wide else (_C0_128, _C1_128)
    key_size = 24 if cipher == keys.AES192 else size

    def encrypt(key: bytes, data: bytes) -> bytes:
        if cipher == keys.DES3:
            return crypto.des3_cbc_encrypt(key, bytes(8), data)
        return crypto.aes_cbc_encrypt(key[:key_size], bytes(16), data)

    key = encrypt(other, nonce)
    out = b""
    while 8 * len(out) < bits + 64:
        out += encrypt(key, c1)
        key = encrypt(key, c0)
    return out


def chip_proof(crypto: "Crypto", enc: bytes, sealed: "Bytes") -> bytes:
    """CA_IC out of the encrypted chip authentication data (section 4.4.3.5); AccessError LIC-023 if malformed."""
    if not sealed or len(sealed) % 16:
        raise AccessError("the chip authentication data are malformed", "LIC-023")
    plain = keys.unpad(crypto.aes_cbc_decrypt(enc, crypto.aes_ecb_encrypt(enc, b"\xff" * 16), sealed))
    if plain is None:
        raise AccessError("the chip authentication data are malformed", "LIC-023")
    return plain


def _general(
    command: "tuple[int, bytes]", wanted: int, size: int, more: bytes = b""
) -> "Generator[tuple, Any, dict[int, bytes]]":
    """GENERAL AUTHENTICATE (class, dynamic data); the answer's objects by tag, `wanted` of `size` bytes among them.

    `more` is as long as what comes beside it. Both tell which length is asked for where the chip does not take a Le of zeros.
    """
    cla, inner = command
    data = wrap(0x7C, inner)
    exact = len(wrap(0x7C, wrap(wanted, bytes(size)) + more))
    forms = (lengths.ANY, bytes((exact,))) if exact < 256 else (lengths.ANY,)
    tried: "list[bytes]" = []
    le: "bytes | None" = lengths.ANY
    answer, status = b"", 0
    while le is not None:
        tried.append(le)
        answer = yield ("apdu", bytes((cla, 0x86, 0, 0, len(data))) + data + le)
        status = pack.rd16(answer, len(answer) - 2) if len(answer) >= 2 else 0
        le = lengths.following(status, tried, forms) if lengths.refused(status) else None
    if status != 0x9000:
        if cla == 0 and (status >> 8 == 0x63 or status in (0x6982, 0x6988, 0x6A80)):
            raise WrongMrzError("the chip refuses what was made from the MRZ or CAN", detail=status)
        raise AccessError("the chip breaks off the key agreement", "LIC-023", detail=status)
    found = {}
    try:
        outer = Der(answer, 0, len(answer) - 2)
        fields = outer.enter(0x7C)
        outer.finish()
        while fields.more():
            item = fields.next()
            found[item.tag] = item.content()
    except FormatError:
        raise AccessError("the chip's answer in the key agreement is malformed", "LIC-023")
    if wanted not in found:
        raise AccessError("the chip's answer in the key agreement is malformed", "LIC-023", detail=wanted)
    return found


class _Run:
    """One run of PACE and what its steps share."""

    def __init__(self, crypto: "Crypto", offer: "Offer", rnd: "Callable[[int], bytes]") -> None:
        self.crypto = crypto
        self.offer = offer
        self.rnd = rnd
        self.domain: "CurveDomain | FieldDomain" = domains.domain(crypto, offer.domain)
        self.chip_map_key = b""

    def key_pair(self, base: "bytes | None") -> "Generator[tuple, Any, KeyPair]":
        """A fresh pair on `base` (None: the domain's own): a scalar from 1 to order - 1 (eight random bytes more than it has)."""
        domain = self.domain
        if isinstance(domain, domains.CurveDomain):
            try:
                return (yield from curves.key_pair(self.crypto, domain.name, self.rnd, base))
            except KeyFormatError as cause:
                raise domains.refused(cause)
        size = domain.scalar_size
        private = pack.be(pack.int_from(self.rnd(size + 8)) % (domain.order - 1) + 1, size)
        return KeyPair(domain.multiply(private, base), private)

    def agree(self, pair: KeyPair, public: bytes, whole: bool) -> "Generator[tuple, Any, bytes]":
        """What the pair and the chip's key have in common: a `whole` element of the domain, or the secret made of it."""
        domain = self.domain
        if pair.private or not isinstance(domain, domains.CurveDomain):
            return domain.multiply(pair.private, public) if whole else domain.secret(pair.private, public)
        try:
            make = curves.product if whole else curves.secret
            return (yield from make(self.crypto, domain.name, pair, public))
        except KeyFormatError as cause:
            raise domains.refused(cause)

    def begin(self, key_input: "Bytes", kind: int, name_domain: bool) -> "Generator[tuple, Any, bytes]":
        """Name protocol and password; the chip's nonce, decrypted."""
        offer, crypto = self.offer, self.crypto
        data = wrap(0x80, offer.oid) + wrap(0x83, bytes((kind,)))
        if name_domain:
            data += wrap(0x84, bytes((offer.domain,)))
        answer = yield ("apdu", b"\x00\x22\xc1\xa4" + bytes((len(data),)) + data)
        status = pack.rd16(answer, len(answer) - 2) if len(answer) >= 2 else 0
        if status != 0x9000 and status >> 4 != 0x63C:  # 63Cx only tells how many attempts are left
            raise AccessError("the chip does not begin the key agreement", "LIC-023", detail=status)
        size = 32 if offer.cipher in (keys.AES192, keys.AES256) else 16
        sealed = (yield from _general((0x10, b""), 0x80, size))[0x80]
        if len(sealed) not in (16, 32):
            raise AccessError("the chip's nonce is malformed", "LIC-023")
        return decrypt_nonce(crypto, password_key(crypto, key_input, kind, offer.cipher), offer.cipher, sealed)

    def map(self, nonce: bytes) -> "Generator[tuple, Any, bytes]":
        """The mapped base."""
        if self.offer.mapping in (INTEGRATED, INTEGRATED_DH):
            size = {keys.AES192: 24, keys.AES256: 32}.get(self.offer.cipher, 16)
            other = self.rnd(size)
            yield from _general((0x10, wrap(0x81, other)), 0x82, 0)
            return self.domain.map_integrated(
                spread(self.crypto, nonce, other, self.offer.cipher, self.domain.field_bits)
            )
        pair = yield from self.key_pair(None)
        answer = yield from _general((0x10, wrap(0x81, pair.public)), 0x82, len(pair.public))
        self.chip_map_key = answer[0x82]
        return self.domain.map_generic(nonce, (yield from self.agree(pair, answer[0x82], True)))


def establish(
    crypto: "Crypto",
    offer: "Offer",
    key_input: "Bytes",
    kind: int,
    rnd: "Callable[[int], bytes]",
    name_domain: bool = False,
) -> "Generator[tuple, Any, Agreed]":
    """Run PACE; `rnd(n)` is asked for the nonce of the integrated mapping and for scalars with eight bytes to spare.

    `name_domain`: several domains are offered, so the one meant is named. WrongMrzError LIC-021 if the chip refuses the
    password, AccessError LIC-023 for every other failure.
    """
    run = _Run(crypto, offer, rnd)
    nonce = yield from run.begin(key_input, kind, name_domain)
    base = yield from run.map(nonce)
    pair = yield from run.key_pair(base)
    own = pair.public
    chip = (yield from _general((0x10, wrap(0x83, own)), 0x84, len(own)))[0x84]
    if chip == own:
        raise AccessError("the chip sent our own key back", "LIC-023")
    secret = yield from run.agree(pair, chip, False)
    enc = keys.derive(crypto, secret, keys.ENC, offer.cipher)
    mac = keys.derive(crypto, secret, keys.MAC, offer.cipher)
    tag = run.domain.token_tag
    sent = token(crypto, mac, offer.cipher, offer.oid, tag, chip)
    mapped = offer.mapping == CHIP_AUTHENTICATION
    proof_size = run.domain.scalar_size // 16 * 16 + 16
    last = yield from _general(
        (0x00, wrap(0x85, sent)), 0x86, len(sent), wrap(0x8A, bytes(proof_size)) if mapped else b""
    )
    if not pack.ct_equal(last[0x86], token(crypto, mac, offer.cipher, offer.oid, tag, own)):
        raise AccessError("the chip's answer in the key agreement is not authentic", "LIC-023")
    channel = SecureChannel(crypto, enc, mac, 0, offer.cipher)
    if not mapped:
        return Agreed(channel)
    return Agreed(channel, chip_proof(crypto, enc, last.get(0x8A, b"")), run.chip_map_key)
