"""PACE, the chip's side (ICAO Doc 9303-11 section 4.4): generic, integrated and chip-authentication mapping.

`PaceServer.step` takes the dynamic authentication data of one GENERAL AUTHENTICATE and gives the answer's data or a status word.
`fault` makes it misbehave: "token" (a wrong token), "reflect" (the terminal's own key sent back), "point" (a key that is not on
the curve), "nonce" (a nonce of the wrong length), "silent" (objects missing), "refuse" (6A80 to the first command), "break" (6F00
at the key agreement), "no-proof" (chip-authentication mapping without its data).
"""

import hashlib
import secrets
from dataclasses import dataclass, field
from typing import Any

from sim.cards import base
from sim.cards.licence.proof.domains import NUMBERS, BadPoint, Group, group
from sim.cards.licence.proof.suite import Suite, aes_block, aes_cbc, pad16
from sim.cards.tlv import tlv

GENERIC, INTEGRATED, CHIP_AUTHENTICATION = "GM", "IM", "CAM"
MRZ, CAN = 1, 2
REFUSED = 0x6300
_ID = bytes.fromhex("04007F00070202 04".replace(" ", ""))
_C = {
    128: ("A668892A7C41E3CA739F40B057D85904", "A4E136AC725F738B01C1F60217C188AD"),
    256: (
        "D463D65234124EF7897054986DCA0A174E28DF758CBAA03F240616414D5A1676",
        "54BD7255F0AAF831BEC3423FCF39D69B6CBF066677D0FAAE5AADD99DF8E53517",
    ),
}


@dataclass(frozen=True)
class Offer:
    """What EF.CardAccess offers: mapping, curve or "RFC5114", suite."""

    mapping: str = GENERIC
    domain: str = "brainpoolP256r1"
    suite: Suite = field(default_factory=lambda: Suite("AES-128"))

    @property
    def oid(self) -> bytes:
        """The protocol's object identifier, content bytes."""
        finite = self.domain == "RFC5114"
        arc = {GENERIC: 1 if finite else 2, INTEGRATED: 3 if finite else 4, CHIP_AUTHENTICATION: 6}[self.mapping]
        return _ID + bytes([arc, self.suite.number])

    def info(self) -> bytes:
        """The PACEInfo."""
        return tlv(0x30, tlv(0x06, self.oid), tlv(0x02, b"\x02"), tlv(0x02, bytes([NUMBERS[self.domain]])))


def spread(suite: Suite, nonce: bytes, other: bytes, bits: int) -> bytes:
    """The pseudo-random function R(s, t) of the integrated mapping (section 4.4.3.3.2) for the AES suites."""
    c0, c1 = (bytes.fromhex(text) for text in _C[128 if suite.name == "AES-128" else 256])
    size = {"AES-128": 16, "AES-192": 24, "AES-256": 32}[suite.name]
    key = aes_cbc(other, bytes(16), nonce)[:size]
    blocks = b""
    while len(blocks) * 8 < bits + 64:
        blocks += aes_cbc(key, bytes(16), c1)
        key = aes_cbc(key, bytes(16), c0)[:size]
    return blocks


class PaceServer:
    """One run. `password` is what the chosen reference stands for; `static` the chip's scalar for the chip-authentication
    mapping (0: a clone, which makes one up).
    """

    def __init__(self, offer: Offer, password: bytes, static: int = 0, fault: str = "") -> None:
        self.offer = offer
        self.group: Group = group(offer.domain)
        self.fault = fault
        self._password = password
        self._static = static
        self._next = "nonce"
        self._nonce = secrets.token_bytes(32 if offer.suite.name in ("AES-192", "AES-256") else 16)
        self._map_secret = 0
        self._base: bytes | None = None
        self._own = b""
        self._other = b""
        self._secret = b""
        self.channel: Any = None

    def step(self, given: dict[int, bytes]) -> tuple[bytes, int]:
        """The next step; data (7C …) and status."""
        try:
            if self._next == "nonce" and not given:
                return self._begin()
            if self._next == "map" and 0x81 in given:
                return self._map(given[0x81])
            if self._next == "agree" and 0x83 in given:
                return self._agree(given[0x83])
            if self._next == "end" and 0x85 in given:
                return self._end(given[0x85])
        except BadPoint:
            return b"", base.WRONG_DATA
        return b"", base.CONDITIONS

    def _begin(self) -> tuple[bytes, int]:
        self._next = "map"
        suite = self.offer.suite
        sealed = suite.seal_nonce(suite.derive(self._password, 3), self._nonce)
        return tlv(0x7C, tlv(0x80, sealed[:8] if self.fault == "nonce" else sealed)), base.OK

    def _map(self, given: bytes) -> tuple[bytes, int]:
        self._next = "agree"
        worker = self.group
        if self.offer.mapping == INTEGRATED:
            value = spread(self.offer.suite, self._nonce, given, worker.field_bits)
            self._base = worker.encode_field(int.from_bytes(value, "big"))
            return tlv(0x7C, tlv(0x82)), base.OK
        self._map_secret = worker.random()
        shared = worker.multiply(self._map_secret, given)
        self._base = worker.add(worker.multiply(int.from_bytes(self._nonce, "big")), shared)
        public = worker.multiply(self._map_secret)
        if self.fault == "silent":
            return tlv(0x7C, tlv(0x99, b"\0")), base.OK
        return tlv(0x7C, tlv(0x82, public)), base.OK

    def _agree(self, given: bytes) -> tuple[bytes, int]:
        self._next = "end"
        if self.fault == "break":
            return b"", 0x6F00
        private = self.group.random()
        self._own, self._other = self.group.multiply(private, self._base), given
        self._secret = self.group.secret(self.group.multiply(private, given))
        sent = {"reflect": given, "point": self._own[:-1] + bytes([self._own[-1] ^ 1])}.get(self.fault, self._own)
        return tlv(0x7C, tlv(0x84, sent)), base.OK

    def _token(self, public: bytes) -> bytes:
        data = tlv(0x7F49, tlv(0x06, self.offer.oid), tlv(self.group.token_tag, public))
        return self.offer.suite.token(self.offer.suite.derive(self._secret, 2), data)

    def _end(self, given: bytes) -> tuple[bytes, int]:
        self._next = "over"
        if given != self._token(self._own):
            return b"", REFUSED
        own = self._token(self._other)
        if self.fault == "token":
            own = own[:-1] + bytes([own[-1] ^ 1])
        self.channel = self.offer.suite.channel(self._secret)
        more = b""
        if self.offer.mapping == CHIP_AUTHENTICATION and self.fault != "no-proof":
            key = self.offer.suite.derive(self._secret, 1)
            static = self._static or self.group.random()
            proof = self._map_secret * pow(static, -1, self.group.order) % self.group.order
            plain = pad16(proof.to_bytes((self.group.order.bit_length() + 7) // 8, "big"))
            more = tlv(0x8A, aes_cbc(key, aes_block(key, b"\xff" * 16), plain))
        return tlv(0x7C, tlv(0x86, own), more), base.OK


def mrz_password(information: str) -> bytes:
    """What the MRZ stands for as a password: SHA-1 of its checked fields."""
    return hashlib.sha1(information.encode()).digest()  # noqa: S324  the standard's hash
