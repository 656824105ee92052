"""A card application of the family of Kernel 3 in EMV mode (EMV Contactless Book C-3): one GET PROCESSING OPTIONS decides, fDDA proves.

Terminal transaction qualifiers (9F66) in, card transaction qualifiers (9F6C) out. Records: SFI 1 record 1 the issuer's key, SFI 2 record 1 the
signed data, SFI 3 record 1 the card's key and 9F69; the signed dynamic data (9F4B) come with the answer to GET PROCESSING OPTIONS. They are read
where there is something to prove: a TC, or an ARQC under a terminal that wants proof online too. Verification results as contact cards have them
(`sim.cards.emv.generate`): the second GENERATE AC is never asked for.
"""

from collections.abc import Callable
from typing import Any

from sim.cards import base
from sim.cards.base import Apdu, sw
from sim.cards.emv import keys
from sim.cards.emv.application import Application
from sim.cards.emv.generate import AAC, ARQC, TC, arqc_input
from sim.cards.tlv import read, split_dol, tlv
from sim.pki import Pki, rsa
from sim.pki.schemes import CA_INDEX, CERTIFICATE_EXPIRES

PDOL = bytes.fromhex("9F6604 9F0206 9F0306 9F1A02 9505 5F2A02 9A03 9C01 9F3704")
AIP = b"\x20\x00"  # dynamic data authentication
SEE_DEVICE = 0x6986
OTHER_INTERFACE = 0x6984
_AFL = bytes.fromhex("08010100 10010101 18010100")

# terminal transaction qualifiers
_ODA_WHEN_ONLINE = 0x01  # byte 1
_ONLINE_CRYPTOGRAM, _CVM_REQUIRED = 0x80, 0x40  # byte 2
# card transaction qualifiers: (byte 1, byte 2)
_WISHES = {"pin": 0x80, "signature": 0x40, "none": 0, "device": 0}
_ON_TROUBLE = {"online": 0x28, "switch": 0x10, "": 0}
_DEVICE_VERIFIED = 0x80
_CVR_FIRST = {AAC: 0x80, TC: 0x90, ARQC: 0xA0}  # b8-7 second not requested, b6-5 the first


class Kernel3Application:
    """One application over the number, keys and memory of a contact one."""

    kernel = 3

    def __init__(self, app: Application, profile: dict[str, Any], pki: Pki, rng: Callable[[int], bytes]) -> None:
        self.app = app
        self.aid, self.label, self.priority = app.aid, app.label, app.priority
        self.state = app.state
        self._profile = profile
        self._rng = rng
        self._issuer = pki.schemes.issuers[profile["scheme"]]
        self._signed = self._signed_data()
        number = profile["number"].to_bytes(3, "big")
        static = self._signed + AIP
        self._certificate = rsa.certify_icc(
            self._issuer.key, app.card_key, app.pan, CERTIFICATE_EXPIRES, number, static
        )
        self.unlocked = not profile.get("phone", False)
        self._records: dict[tuple[int, int], bytes] = {}
        self._done = False

    def reset(self) -> None:
        """What was answered is forgotten; a phone stays unlocked until it has paid."""
        self._records = {}
        self._done = False

    def fci(self) -> bytes:
        """The answer to SELECT."""
        body = tlv(0x50, self.label.encode("ascii")) + tlv(0x87, bytes([self.priority])) + tlv(0x9F38, PDOL)
        return tlv(0x6F, tlv(0x84, self.aid), tlv(0xA5, body))

    def process(self, apdu: Apdu) -> bytes:
        """GET PROCESSING OPTIONS and READ RECORD; nothing else is there."""
        if (apdu.cla, apdu.ins) == (0x80, 0xA8):
            return self._options(apdu)
        if (apdu.cla, apdu.ins) == (0x00, 0xB2):
            record = self._records.get((apdu.p2 >> 3, apdu.p1))
            return sw(base.NO_RECORD) if record is None else record + sw(base.OK)
        return sw(base.BAD_INS)

    def _options(self, apdu: Apdu) -> bytes:
        try:
            ((tag, data),) = read(apdu.data)
        except (ValueError, IndexError):
            return sw(base.WRONG_DATA)
        values = split_dol(PDOL, data) if tag == 0x83 else None
        if values is None:
            return sw(base.WRONG_LENGTH)
        if self._done or self.state["application_blocked"] or self.state["atc"] == 0xFFFF:
            return sw(base.CONDITIONS)
        qualifiers = values[0x9F66]
        needed = bool(qualifiers[1] & _CVM_REQUIRED)
        if self._profile.get("switch"):
            return sw(OTHER_INTERFACE)
        if needed and not self.unlocked:
            self.unlocked = True  # the holder reads the screen and unlocks it before the next tap
            return sw(SEE_DEVICE)
        self._done = True
        self.state.update(atc=self.state["atc"] + 1)
        return self._decided(values, needed) + sw(base.OK)

    def _kind(self, qualifiers: bytes, ctq: bytes, amount: int) -> int:
        """Card risk management."""
        behaviour = self._profile.get("tap", "approve")
        if self._profile.get("fault") == "tc-anyway":
            return TC
        if behaviour == "decline":
            return AAC
        app = self.app
        over = (
            self.state["offline_count"] >= app.offline_max or self.state["offline_total"] + amount > app.offline_amount
        )
        if behaviour == "online" or over or qualifiers[1] & _ONLINE_CRYPTOGRAM or ctq[0] & 0x80:
            return ARQC
        return TC

    def _decided(self, values: dict[int, bytes], needed: bool) -> bytes:
        amount = int(values[0x9F02].hex())
        ctq = self._qualifiers(needed)
        kind = self._kind(values[0x9F66], ctq, amount)
        if kind == TC:
            self.state.update(
                offline_count=self.state["offline_count"] + 1, offline_total=self.state["offline_total"] + amount
            )
        iad = bytes.fromhex("06011203") + bytes([_CVR_FIRST[kind], 0, 0])
        key = keys.session_key(self.app.master_keys.ac, self.state.atc)
        cryptogram = keys.mac(key, arqc_input(values, AIP, self.state.atc, iad))
        said = b"\0\x80" if self._profile.get("fault") == "qualifiers" else ctq
        track = f"{self.app.pan}D{self._expiry().hex()[:4]}22100000000000"
        answer = [
            tlv(0x82, AIP),
            tlv(0x57, bytes.fromhex(track + "F" * (len(track) % 2))),
            tlv(0x5F34, bytes.fromhex(self.app.psn)),
            tlv(0x9F10, iad),
            tlv(0x9F26, cryptogram),
            tlv(0x9F27, bytes([kind])),
            tlv(0x9F36, self.state.atc),
            tlv(0x9F6C, said),
        ]
        if kind == TC or (kind == ARQC and values[0x9F66][0] & _ODA_WHEN_ONLINE):
            answer += [tlv(0x94, _AFL), *self._proof(values, ctq)]
        return tlv(0x77, *answer)

    def _qualifiers(self, needed: bool) -> bytes:
        """What the card wishes for this payment."""
        method = self._profile.get("verify", "pin")
        first = (_WISHES[method] if needed else 0) | _ON_TROUBLE[self._profile.get("wish", "")]
        return bytes([first, _DEVICE_VERIFIED if method == "device" and self.unlocked else 0])

    def _proof(self, values: dict[int, bytes], ctq: bytes) -> list[bytes]:
        """9F4B for the answer, and the records that it needs (annex C: fDDA version 01)."""
        related = b"\x01" + self._rng(4) + ctq
        fault = self._profile.get("fault", "")
        number = bytes(4) if fault == "replayed" else values[0x9F37]
        over = number + values[0x9F02] + values[0x5F2A] + related
        signature = rsa.sign_dynamic(self.app.card_key, b"\x02" + self.state.atc, over)
        if fault == "bad-signature":
            signature = signature[:-1] + bytes([signature[-1] ^ 1])
        self._records = self._files(b"" if fault == "stripped" else tlv(0x9F69, related))
        return [] if fault == "stripped" else [tlv(0x9F4B, signature)]

    def _files(self, related: bytes) -> dict[tuple[int, int], bytes]:
        issuer, own = self._issuer.certificate, self._certificate
        first = (
            tlv(0x8F, bytes([CA_INDEX]))
            + tlv(0x9F32, issuer.exponent)
            + tlv(0x92, issuer.remainder)
            + tlv(0x90, issuer.signed)
        )
        last = tlv(0x9F46, own.signed) + tlv(0x9F47, own.exponent) + tlv(0x9F48, own.remainder) + related
        return {(1, 1): tlv(0x70, first), (2, 1): tlv(0x70, self._signed), (3, 1): tlv(0x70, last)}

    def _expiry(self) -> bytes:
        return bytes.fromhex(self._profile.get("expiry", "311231"))

    def _signed_data(self) -> bytes:
        return b"".join(
            (
                tlv(0x5A, bytes.fromhex(self.app.pan)),
                tlv(0x5F24, self._expiry()),
                tlv(0x5F25, bytes.fromhex(self._profile.get("effective", "240101"))),
                tlv(0x5F28, bytes.fromhex("0012")),
                tlv(0x9F07, bytes.fromhex(self._profile.get("usage", "AB00"))),
                tlv(0x9F4A, b"\x82"),
            )
        )
