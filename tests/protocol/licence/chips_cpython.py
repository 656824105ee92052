"""Chips that prove themselves, for tests: the simulated licence with active authentication, chip authentication and PACE added.

Computed with `cryptography` and python-ecdsa only. CPython only.
"""

import datetime as dt
import hashlib
import secrets
from typing import Any

import ecdsa
from asn1crypto import core
from asn1crypto import keys as asn1keys
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa, utils
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.cmac import CMAC

from sim.cards import base
from sim.cards.base import Apdu, sw
from sim.cards.licence import cipher, mrz
from sim.cards.licence import content as files_of
from sim.cards.licence.card import Content, LicenceCard, Quirks
from sim.cards.licence.messaging import WRONG_OBJECTS, Channel, MessagingFault
from sim.cards.licence.people import PEOPLE
from sim.cards.tlv import read, tlv
from sim.pki import Pki, sod

BP256 = ecdsa.BRAINPOOLP256r1
PACE_GM_AES128 = bytes.fromhex("04007F00070202040202")
PACE_CAM_AES128 = bytes.fromhex("04007F00070202040602")
CA_3DES, CA_AES128 = bytes.fromhex("04007F000702020302") + b"\x01", bytes.fromhex("04007F000702020302") + b"\x02"


def aes_ecb(key: bytes, data: bytes) -> bytes:
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(data)  # noqa: S305


def aes_cbc(key: bytes, iv: bytes, data: bytes, decrypt: bool = False) -> bytes:
    both = Cipher(algorithms.AES(key), modes.CBC(iv))
    return (both.decryptor() if decrypt else both.encryptor()).update(data)


def cmac(key: bytes, data: bytes) -> bytes:
    state = CMAC(algorithms.AES(key))
    state.update(data)
    return state.finalize()[:8]


def pad(data: bytes) -> bytes:
    return data + b"\x80" + bytes(15 - len(data) % 16)


def kdf(secret: bytes, counter: int) -> bytes:
    return hashlib.sha1(secret + counter.to_bytes(4, "big")).digest()[:16]


class AesChannel:
    """The chip's end of AES-128 secure messaging (Doc 9303-11 section 9.8.6)."""

    def __init__(self, k_enc: bytes, k_mac: bytes) -> None:
        self._enc, self._mac, self._ssc = k_enc, k_mac, 0
        self.commands = 0

    def _next(self) -> bytes:
        self._ssc += 1
        return self._ssc.to_bytes(16, "big")

    def unwrap(self, apdu: Apdu) -> Apdu:
        self.commands += 1
        objects = dict(read(apdu.data))
        counter = self._next()
        covered = b"".join(tlv(tag, objects[tag]) for tag in (0x87, 0x97) if tag in objects)
        if cmac(self._mac, pad(counter + pad(apdu.header) + covered)) != objects.get(0x8E):
            raise MessagingFault(WRONG_OBJECTS)
        data = b""
        if 0x87 in objects:
            plain = aes_cbc(self._enc, aes_ecb(self._enc, counter), objects[0x87][1:], True)
            data = plain[: plain.rindex(b"\x80")]
        le = objects.get(0x97)
        expected = None if le is None else int.from_bytes(le, "big") or (256 if len(le) == 1 else 65536)
        return Apdu(apdu.cla & 0xF3, apdu.ins, apdu.p1, apdu.p2, data, expected, apdu.extended)

    def wrap(self, data: bytes, status: int) -> bytes:
        counter = self._next()
        body = tlv(0x87, b"\x01", aes_cbc(self._enc, aes_ecb(self._enc, counter), pad(data))) if data else b""
        body += tlv(0x99, sw(status))
        return body + tlv(0x8E, cmac(self._mac, pad(counter + body))) + sw(status)


def oid(value: bytes) -> core.ObjectIdentifier:
    return core.ObjectIdentifier.load(b"\x06" + bytes([len(value)]) + value)


def spki(key: Any) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def der(tag: int, *parts: bytes) -> bytes:
    return tlv(tag, *parts)


class ProvingChip(LicenceCard):
    """`active`: a private key for active authentication; `static`: a chip-authentication key (`ecdsa` SigningKey on
    brainpoolP256r1); `pace`: an object identifier or None; `knows`: False for a clone, which holds copies of the files only."""

    active: Any = None
    active_hash: "hashes.HashAlgorithm" = hashes.SHA256()
    static: Any = None
    pace: "bytes | None" = None
    knows = True

    def _forget(self) -> None:
        super()._forget()
        self._pace_state: dict[str, Any] = {}
        self._fresh: Any = None

    def _protected(self, apdu: Apdu) -> bytes:
        answer = super()._protected(apdu)
        if self._fresh is not None and self._channel is not None:
            self._channel, self._fresh = self._fresh, None
        return answer

    def _select(self, apdu: Apdu) -> tuple[bytes, int]:
        if apdu.data == b"\x3f\x00":
            self._forget()
            return b"", base.OK
        channel = self._channel
        answer = super()._select(apdu)
        if apdu.p1 == 0x04 and self.pace:
            self._channel = channel
        return answer

    def _plain(self, apdu: Apdu) -> tuple[bytes, int]:
        if apdu.ins == 0xB0 and not self._selected and apdu.p1 == 0x9C and 0x1C in self.content.files:
            return self._piece(self.content.files[0x1C], 0, apdu.le or 0)
        if apdu.ins == 0x88 and self.active is not None:
            return self._internal_authenticate(apdu)
        if apdu.ins == 0x22 and apdu.p1 == 0xC1 and self.pace:
            self._pace_state = {"step": 0, "key": apdu.data}
            return b"", base.OK
        if apdu.ins == 0x22 and self.static is not None:
            return self._set_key(apdu)
        if apdu.ins == 0x86 and self._pace_state:
            return self._pace_step(apdu)
        if apdu.ins == 0x86 and self.static is not None:
            self._agree(dict(read(dict(read(apdu.data))[0x7C]))[0x80], AesChannel)
            return b"\x7c\x00", base.OK
        return super()._plain(apdu)

    # active authentication

    def _internal_authenticate(self, apdu: Apdu) -> tuple[bytes, int]:
        if isinstance(self.active, ec.EllipticCurvePrivateKey):
            r, s = utils.decode_dss_signature(self.active.sign(apdu.data, ec.ECDSA(self.active_hash)))
            return r.to_bytes(32, "big") + s.to_bytes(32, "big"), base.OK
        numbers = self.active.private_numbers()
        size = (self.active.key_size + 7) // 8
        trailer = b"\xbc" if self.active_hash.name == "sha1" else b"\x34\xcc"
        m1 = secrets.token_bytes(size - 1 - self.active_hash.digest_size - len(trailer))
        digest = hashlib.new(self.active_hash.name, m1 + apdu.data).digest()
        block = int.from_bytes(b"\x6a" + m1 + digest + trailer, "big")
        signed = pow(block, numbers.d, numbers.public_numbers.n)
        return min(signed, numbers.public_numbers.n - signed).to_bytes(size, "big"), base.OK

    # chip authentication

    def _set_key(self, apdu: Apdu) -> tuple[bytes, int]:
        objects = dict(read(apdu.data))
        if apdu.p2 == 0xA6:
            self._agree(objects[0x91], None)
        return b"", base.OK

    def _agree(self, public: bytes, kind: Any) -> None:
        static = self.static if self.knows else ecdsa.SigningKey.generate(BP256)
        shared = ecdsa.ECDH(BP256, static)
        shared.load_received_public_key_bytes(public)
        secret = shared.generate_sharedsecret_bytes()
        if kind is None:
            self._fresh = Channel(*cipher.key_pair(secret), bytes(8))
        else:
            self._fresh = AesChannel(kdf(secret, 1), kdf(secret, 2))

    # PACE, generic and chip-authentication mapping, AES-128, brainpoolP256r1

    def _pace_step(self, apdu: Apdu) -> tuple[bytes, int]:
        state = self._pace_state
        given = dict(read(dict(read(apdu.data))[0x7C])) if len(apdu.data) > 2 else {}
        if 0x81 in given:
            return self._pace_map(given[0x81])
        if 0x83 in given:
            private = secrets.randbelow(BP256.order - 1) + 1
            state["own"] = encode(state["base"] * private)
            state["chip_sees"] = given[0x83]
            secret = encode(decode(given[0x83]) * private)[1:33]
            state["enc"], state["mac"] = kdf(secret, 1), kdf(secret, 2)
            return tlv(0x7C, tlv(0x84, state["own"])), base.OK
        if 0x85 in given:
            return self._pace_end(given[0x85])
        state["nonce"] = secrets.token_bytes(16)
        password = hashlib.sha1((self.content.mrz_information or "").encode()).digest()
        return tlv(0x7C, tlv(0x80, aes_cbc(kdf(password, 3), bytes(16), state["nonce"]))), base.OK

    def _pace_map(self, public: bytes) -> tuple[bytes, int]:
        state = self._pace_state
        private = secrets.randbelow(BP256.order - 1) + 1
        state["map"] = private
        shared = decode(public) * private
        state["base"] = BP256.generator * int.from_bytes(state["nonce"], "big") + shared
        return tlv(0x7C, tlv(0x82, encode(BP256.generator * private))), base.OK

    def _pace_end(self, given: bytes) -> tuple[bytes, int]:
        state = self._pace_state
        assert self.pace is not None
        if given != self._token(state["mac"], state["own"]):
            return b"", 0x6300
        self._pace_state = {}
        self._channel = AesChannel(state["enc"], state["mac"])  # pyright: ignore[reportAttributeAccessIssue]
        more = b""
        if self.pace == PACE_CAM_AES128:
            static = self.static if self.knows else ecdsa.SigningKey.generate(BP256)
            data = state["map"] * pow(static.privkey.secret_multiplier, -1, BP256.order) % BP256.order
            iv = aes_ecb(state["enc"], b"\xff" * 16)
            more = tlv(0x8A, aes_cbc(state["enc"], iv, pad(data.to_bytes(32, "big"))))
        return tlv(0x7C, tlv(0x86, self._token(state["mac"], state["chip_sees"])), more), base.OK

    def process(self, apdu: Apdu) -> bytes:
        if apdu.ins in (0x22, 0x86) and self.pace and self._channel is None and apdu.cla in (0x00, 0x10):
            data, status = self._plain(apdu)
            return data + sw(status)
        return super().process(apdu)

    def _token(self, key: bytes, public: bytes) -> bytes:
        assert self.pace is not None
        return cmac(key, tlv(0x7F49, tlv(0x06, self.pace), tlv(0x86, public)))


def encode(point: Any) -> bytes:
    return b"\x04" + int(point.x()).to_bytes(32, "big") + int(point.y()).to_bytes(32, "big")


def decode(data: bytes) -> Any:
    return ecdsa.ellipticcurve.PointJacobi.from_bytes(BP256.curve, data, order=BP256.order)


def security_infos(static: Any, ca: "bytes | None", pace: "bytes | None", aa_hash: int) -> bytes:
    """DG14's content, or EF.CardAccess when only `pace` is given."""
    infos = b""
    if ca:
        point = static.get_verifying_key().to_string("uncompressed")
        key = asn1keys.PublicKeyInfo(
            {
                "algorithm": {
                    "algorithm": "ec",
                    "parameters": asn1keys.ECDomainParameters("named", "1.3.36.3.3.2.8.1.1.7"),
                },
                "public_key": asn1keys.ECPointBitString(point),
            }
        ).dump()
        infos += der(0x30, der(0x06, bytes.fromhex("04007F00070202010 2".replace(" ", ""))), key)
        infos += der(0x30, der(0x06, ca), b"\x02\x01\x01")
    if pace:
        infos += der(0x30, der(0x06, pace), b"\x02\x01\x02\x02\x01\x0d")
    if aa_hash:
        plain = bytes.fromhex("04007f000701010401") + bytes([aa_hash])
        infos += der(0x30, der(0x06, bytes.fromhex("678108010105")), b"\x02\x01\x01", der(0x06, plain))
    return der(0x31, infos)


def make(
    pki: Pki,
    active: Any = None,
    ca: "bytes | None" = None,
    pace: "bytes | None" = None,
    who: str = "amina",
    aa_hash: int = 0,
    quirks: "dict[str, Any] | None" = None,
    card_access: bool = True,
) -> ProvingChip:
    """A licence of `who` with the given abilities; its DG13 and DG14 are listed in the SOD."""
    person = PEOPLE[who]
    groups = files_of.groups(person, 2000)
    static = ecdsa.SigningKey.generate(BP256)
    tags = {**files_of.TAGS}
    if active is not None:
        groups[13] = tlv(0x6F, spki(active))
        tags[13] = 0x6F
    if ca or aa_hash:
        groups[14] = tlv(0x6E, security_infos(static, ca, pace, aa_hash))
        tags[14] = 0x6E
    issued = dt.datetime.strptime(person.issue, "%Y%m%d").replace(tzinfo=dt.UTC)
    listed = tlv(0x60, tlv(0x5F01, b"\x01\x00"), tlv(0x5C, bytes(tags[number] for number in sorted(groups))))
    files = {**groups, files_of.COM: listed, files_of.SOD: sod.build(groups, pki.signers["dz"], issued)}
    if pace and card_access:
        files[0x1C] = security_infos(None, None, pace, 0)
    chip = ProvingChip(
        Content(files, mrz.information(person)), Quirks(extended=True, **(quirks or {})), secrets.token_bytes
    )
    chip.active, chip.static, chip.pace = active, static if ca else None, pace
    return chip


def rsa_key(bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, bits)
