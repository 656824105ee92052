"""A card application for Kernel 2 in EMV mode (the card's side of EMV Contactless Book C-2): CDA, relay resistance, recovery of a torn cryptogram.

Profiles are described in the package. The application is personalised anew for the air: no CDOL2, a DRDOL, the certificate over that data.

`took` is how long the last command took inside the card, in units of 100 microseconds: a link may wait that long. `issued` lists every
cryptogram ever made, as (kind, value, ATC). Cryptograms are those of `sim.cards.emv`; the dynamic data are signed by plain RSA.
"""

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from sim.cards import base
from sim.cards.base import Apdu, sw
from sim.cards.emv import generate, keys
from sim.cards.emv.application import Application
from sim.cards.emv.generate import AAC, TC, Transaction
from sim.cards.tlv import read, split_dol, tlv
from sim.pki import Pki, rsa
from sim.pki.schemes import CERTIFICATE_EXPIRES

RELAY = {"low": 10, "high": 20, "estimate": 24, "takes": 12}
PDOL = bytes.fromhex("9F3704 9F3303 9F3501")
CDOL1 = bytes.fromhex("9F0206 9F0306 9F1A02 9505 5F2A02 9A03 9C01 9F3704 9F3501 9F4502 9F3403")
DRDOL = bytes.fromhex("9F3704")
AFL = bytes.fromhex("10010202 18010300 20010100")
PHONE = bytes.fromhex("00120000") + b"01"
_RULES = {
    name: bytes.fromhex(rules)
    for name, rules in (("pin", "42031F03"), ("signature", "5E031F03"), ("none", "1F03"), ("device", "42031F03"))
}
_CDA_WANTED = 0x10
_SEE_PHONE = b"\x00\x01\x00"
_DEVICE_VERIFIED = 0x01  # first byte of the CVM results: the terminal relies on the device
_RELAYED = 50


def _over_the_air(contact: Application, profile: dict[str, Any], pki: Pki) -> Application:
    """The contact application with other data objects, and the card's certificate over them; keys and memory stay the same ones."""
    device = profile.get("verify") == "device"
    aip = bytes([0x19 | 0x02 * device, 0x80 | 0x01 * (profile.get("relay", RELAY) is not None)])
    first, second = (_inside(contact.records[2, n]) for n in (1, 2))
    first = _with(first, 0x8E, bytes(8) + _RULES[profile.get("verify", "pin")])
    second = _with(_with(second, 0x8D, b""), 0x8C, CDOL1)
    if profile.get("recovery", True):
        second += tlv(0x9F51, DRDOL)
    if device:
        second += tlv(0x9F6E, PHONE)
    serial = profile["number"].to_bytes(3, "big")
    issuer = pki.schemes.issuer_of(contact.pan)
    own = rsa.certify_icc(issuer.key, contact.card_key, contact.pan, CERTIFICATE_EXPIRES, serial, first + second + aip)
    records = {
        (2, 1): tlv(0x70, first),
        (2, 2): tlv(0x70, second),
        (3, 1): contact.records[3, 1],
        (3, 2): contact.records[3, 2],
        (3, 3): tlv(0x70, tlv(0x9F46, own.signed) + tlv(0x9F47, own.exponent) + tlv(0x9F48, own.remainder)),
        (4, 1): contact.records[1, 1],
    }
    risk = profile.get("tap", contact.risk)
    return replace(contact, aip=aip, pdol=PDOL, cdol1=CDOL1, cdol2=b"", afl=AFL, records=records, risk=risk, fault="")


def _inside(record: bytes) -> bytes:
    return next(value for _, value in read(record))


def _with(body: bytes, tag: int, value: bytes) -> bytes:
    """The data objects with one of them replaced; an empty value takes it out."""
    kept = ((each, value if each == tag else old) for each, old in read(body))
    return b"".join(tlv(each, new) for each, new in kept if new)


class Kernel2Application:
    """See the module."""

    kernel = 2

    def __init__(self, contact: Application, profile: dict[str, Any], pki: Pki, rng: Callable[[int], bytes]) -> None:
        self.app = app = _over_the_air(contact, profile, pki)
        self.aid = app.aid
        self.label = app.label
        self.priority = app.priority
        self.profile = profile
        self.fault = profile.get("fault", "")
        self.relay = profile.get("relay", RELAY)
        self.locked = bool(profile.get("phone", False))
        self.issued: list[tuple[int, bytes, int]] = []
        self.took = 0
        self._rng = rng
        self._kept: tuple[bytes, bytes] = (b"", b"")  # unpredictable number, answer: what RECOVER AC gives again
        self.reset()

    def fci(self) -> bytes:
        """The answer to SELECT."""
        extra = tlv(0xBF0C, tlv(0x9F5D, b"\x00\x01\x00")) if self.profile.get("aac_signed") else b""
        body = tlv(0x50, self.label.encode("ascii")) + tlv(0x87, bytes([self.priority])) + tlv(0x9F38, self.app.pdol)
        return tlv(0x6F, tlv(0x84, self.aid), tlv(0xA5, body + tlv(0x5F2D, b"arfr") + extra))

    def reset(self) -> None:
        """Field off, or selected anew: the transaction is gone, what can be recovered stays."""
        self._txn: Transaction | None = None
        self._exchanged = b""

    def process(self, apdu: Apdu) -> bytes:
        """Answer one command."""
        handlers = {
            (0x80, 0xA8): self._get_processing_options,
            (0x80, 0xEA): self._exchange_relay_resistance_data,
            (0x00, 0xB2): self._read_record,
            (0x80, 0xAE): self._generate_ac,
            (0x80, 0xD0): self._recover_ac,
        }
        self.took = 5
        handler = handlers.get((apdu.cla, apdu.ins))
        answer = base.BAD_INS if handler is None else handler(apdu)
        return sw(answer) if isinstance(answer, int) else answer + sw(base.OK)

    def _get_processing_options(self, apdu: Apdu) -> bytes | int:
        if self._txn is not None or self.app.state["application_blocked"]:
            return base.CONDITIONS
        sent = apdu.data[2:] if apdu.data[:1] == b"\x83" else None
        if sent is None or split_dol(self.app.pdol, sent) is None:
            return base.WRONG_DATA
        self._txn = Transaction(pdol_data=sent)
        self.app.state.update(atc=self.app.state["atc"] + 1)
        return tlv(0x77, tlv(0x82, self.app.aip), tlv(0x94, self.app.afl))

    def _exchange_relay_resistance_data(self, apdu: Apdu) -> bytes | int:
        if self._txn is None or self.relay is None:
            return base.CONDITIONS
        if len(apdu.data) != 4:
            return base.WRONG_LENGTH
        times = b"".join(self.relay[name].to_bytes(2, "big") for name in ("low", "high", "estimate"))
        entropy = self._rng(4)
        self._exchanged = apdu.data + entropy + times
        self.took = self.relay["takes"] + _RELAYED * (self.fault == "slow")
        if self.fault == "fast":
            self.took = 0
        return tlv(0x80, entropy + times)

    def _read_record(self, apdu: Apdu) -> bytes | int:
        if self._txn is None:
            return base.CONDITIONS
        if apdu.p2 & 0x07 != 0x04:
            return base.WRONG_P1P2
        return self.app.records.get((apdu.p2 >> 3, apdu.p1), base.NO_RECORD)

    def _generate_ac(self, apdu: Apdu) -> bytes | int:
        txn, app = self._txn, self.app
        if txn is None or txn.first is not None:
            return base.CONDITIONS
        values = split_dol(app.cdol1, apdu.data)
        if values is None:
            return base.WRONG_LENGTH
        txn.cdol1_data, txn.cdol_values = apdu.data, values
        amount = int(values[0x9F02].hex())
        kind = generate.decide_first(app, txn, apdu.p1 & 0xC0, amount)
        holder_wanted = self.locked and values[0x9F34][0] == _DEVICE_VERIFIED
        self.locked = (
            self.locked and not holder_wanted
        )  # the holder reads the screen and shows himself before the next tap
        kind = AAC if holder_wanted else TC if self.fault == "upgrade" else kind
        txn.first = kind
        if kind == TC:
            app.state.update(
                offline_count=app.state["offline_count"] + 1, offline_total=app.state["offline_total"] + amount
            )
        answer = self._answer(txn, kind, apdu.p1, tlv(0xDF4B, _SEE_PHONE) if holder_wanted else b"")
        self.took = 120
        if self.profile.get("recovery", True):
            self._kept = (values[0x9F37], answer)
        return answer

    def _answer(self, txn: Transaction, kind: int, p1: int, extra: bytes) -> bytes:
        app = self.app
        signs = bool(p1 & _CDA_WANTED) and (kind != AAC or p1 & 0xC0 == AAC)
        txn.dynamic_done = signs
        iad = b"\x06\x01\x12\x03" + generate.verification_results(app, txn)
        covered = generate.arqc_input(txn.cdol_values, app.aip, app.state.atc, iad)
        value = keys.mac(keys.session_key(app.master_keys.ac, app.state.atc), covered)
        self.issued.append((kind, value, app.state["atc"]))
        clear = tlv(0x9F27, bytes([kind])) + tlv(0x9F36, app.state.atc) + tlv(0x9F10, iad) + extra
        if not signs:
            return tlv(0x77, clear, tlv(0x9F26, value))
        return tlv(0x77, clear, tlv(0x9F4B, self._signed(txn, kind, value, clear)))

    def _signed(self, txn: Transaction, kind: int, value: bytes, clear: bytes) -> bytes:
        exchanged = self._exchanged
        if self.fault == "other-entropy" and exchanged:
            exchanged = exchanged[:4] + self._rng(4) + exchanged[8:]
        digest = hashlib.sha1(txn.pdol_data + txn.cdol1_data + clear).digest()  # noqa: S324  the standard's hash
        dynamic = b"\x08" + self._rng(8) + bytes([kind]) + value + digest + exchanged
        signed = rsa.sign_dynamic(self.app.card_key, dynamic, txn.cdol_values[0x9F37])
        return signed[:-1] + bytes([signed[-1] ^ 1]) if self.fault == "bad-signature" else signed

    def _recover_ac(self, apdu: Apdu) -> bytes | int:
        number, answer = self._kept
        if self._txn is None or not number or split_dol(DRDOL, apdu.data) != {0x9F37: number}:
            return base.CONDITIONS
        self.took = 8
        if self.fault == "other-recovery":
            return answer.replace(tlv(0x9F27, b"\x80"), tlv(0x9F27, b"\x40"))[:-1] + bytes([answer[-1] ^ 1])
        return answer
