"""The contact EMV card: commands in, responses out (EMV 4.4 Book 1 clause 11, Book 3 clause 6).

SELECT (by name, partial names and "next" included; PSE if the profile has one), GET PROCESSING OPTIONS, READ RECORD,
GET DATA, VERIFY (plaintext, enciphered), INTERNAL AUTHENTICATE, GET CHALLENGE, EXTERNAL AUTHENTICATE, GENERATE AC,
and the issuer's script commands (see `scripts`). No contactless, no logging of transactions, no logical channels.
"""

import secrets
from collections.abc import Callable

from sim.cards import base
from sim.cards.base import Apdu, Card, sw
from sim.cards.emv import generate, pin, scripts
from sim.cards.emv.application import Application
from sim.cards.emv.generate import ARQC, Transaction
from sim.cards.tlv import read, read_dol, tlv
from sim.pki import rsa

PSE = b"1PAY.SYS.DDF01"
_DIRECTORY_SFI = 1


class EmvCard(Card):
    """One card with one or more applications."""

    name = "payment"
    atr = bytes.fromhex("3B650000") + b"TEST1"

    def __init__(
        self,
        applications: list[Application],
        pse: bool = False,
        t0: bool = False,
        rng: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        super().__init__()
        self.applications = applications
        self.pse = pse
        self.t0 = t0
        self.rng = rng
        for app in applications:
            app.extra["rng"] = rng
        self._forget()

    @property
    def application(self) -> Application:
        """The first application: of most cards the only one."""
        return self.applications[0]

    def power_on(self) -> None:
        """Reset: nothing is selected."""
        super().power_on()
        self._forget()

    def power_off(self) -> None:
        """No power: the transaction is gone."""
        super().power_off()
        self._forget()

    def _forget(self) -> None:
        self._app: Application | None = None
        self._in_pse = False
        self._txn: Transaction | None = None
        self._challenge = b""
        self._last_name: tuple[bytes, int] = (b"", -1)

    def process(self, apdu: Apdu) -> bytes:
        """Dispatch one command."""
        handlers = {
            (0x00, 0xA4): self._select,
            (0x00, 0xB2): self._read_record,
            (0x80, 0xA8): self._get_processing_options,
            (0x80, 0xCA): self._get_data,
            (0x00, 0x20): self._verify,
            (0x00, 0x88): self._internal_authenticate,
            (0x00, 0x84): self._get_challenge,
            (0x00, 0x82): self._external_authenticate,
            (0x80, 0xAE): self._generate_ac,
        }
        if apdu.cla in (0x84, 0x8C):
            return self._script(apdu)
        handler = handlers.get((apdu.cla, apdu.ins))
        if handler is None:
            known = any(apdu.ins == ins for _, ins in handlers)
            return sw(base.BAD_CLA if known else base.BAD_INS)
        answer = handler(apdu)
        return sw(answer) if isinstance(answer, int) else answer + sw(base.OK)

    def _select(self, apdu: Apdu) -> bytes | int:
        if apdu.p1 != 0x04 or apdu.p2 not in (0x00, 0x02):
            return base.WRONG_P1P2
        if any(app.state["card_blocked"] for app in self.applications):
            return base.NOT_SUPPORTED
        name, start = apdu.data, 0
        if apdu.p2 == 0x02:
            start = self._last_name[1] + 1 if self._last_name[0] == name else 0
        self._forget()
        if name == PSE and self.pse and apdu.p2 == 0:
            self._in_pse = True
            return tlv(0x6F, tlv(0x84, PSE), tlv(0xA5, tlv(0x88, bytes([_DIRECTORY_SFI])), tlv(0x5F2D, b"arfr")))
        for at in range(start, len(self.applications)):
            app = self.applications[at]
            if len(name) >= 5 and app.aid.startswith(name):
                self._app, self._last_name = app, (name, at)
                return app.fci() if not app.state["application_blocked"] else 0x6283
        return base.NOT_FOUND

    def _read_record(self, apdu: Apdu) -> bytes | int:
        if apdu.p2 & 0x07 != 0x04:
            return base.WRONG_P1P2
        sfi = apdu.p2 >> 3
        if self._in_pse:
            return self._directory() if (sfi, apdu.p1) == (_DIRECTORY_SFI, 1) else base.NO_RECORD
        if self._app is None:
            return base.CONDITIONS
        return self._app.records.get((sfi, apdu.p1), base.NO_RECORD)

    def _directory(self) -> bytes:
        entries = (
            tlv(0x61, tlv(0x4F, app.aid), tlv(0x50, app.label.encode("ascii")), tlv(0x87, bytes([app.priority])))
            for app in self.applications
        )
        return tlv(0x70, *entries)

    def _get_processing_options(self, apdu: Apdu) -> bytes | int:
        app = self._app
        if app is None or self._txn is not None or app.state["application_blocked"]:
            return base.CONDITIONS
        try:
            ((tag, value),) = read(apdu.data)
        except (ValueError, IndexError):
            return base.WRONG_DATA
        if tag != 0x83 or len(value) != sum(length for _, length in read_dol(app.pdol)):
            return base.WRONG_LENGTH
        if app.state["atc"] == 0xFFFF:
            return base.CONDITIONS
        app.state.update(atc=app.state["atc"] + 1)
        self._txn = Transaction(pdol_data=value)
        if app.gpo_format == 1:
            return tlv(0x80, app.aip, app.afl)
        return tlv(0x77, tlv(0x82, app.aip), tlv(0x94, app.afl))

    def _get_data(self, apdu: Apdu) -> bytes | int:
        app = self._app
        if app is None:
            return base.CONDITIONS
        tag = apdu.p1 << 8 | apdu.p2
        if tag == 0x9F36:
            return tlv(tag, app.state.atc)
        if tag == 0x9F13:
            return tlv(tag, app.state["last_online_atc"].to_bytes(2, "big"))
        if tag == 0x9F17:
            return tlv(tag, bytes([app.state["pin_tries"]]))
        return base.NO_DATA

    def _get_challenge(self, apdu: Apdu) -> bytes | int:
        if self._app is None:
            return base.CONDITIONS
        self._challenge = self.rng(8)
        return self._challenge

    def _verify(self, apdu: Apdu) -> bytes | int:
        if self._app is None or self._txn is None:
            return base.CONDITIONS
        challenge, self._challenge = self._challenge, b""
        return pin.verify(self._app, self._txn, apdu.p2, apdu.data, challenge)

    def _internal_authenticate(self, apdu: Apdu) -> bytes | int:
        app, txn = self._app, self._txn
        if app is None or txn is None or not app.aip[0] & 0x21:
            return base.CONDITIONS
        if len(apdu.data) != 4:  # the card's DDOL is 9F3704
            return base.WRONG_LENGTH
        txn.dynamic_done = True
        signed = rsa.sign_dynamic(app.card_key, b"\x08" + self.rng(8), apdu.data)
        if app.fault == "bad-signature":
            signed = signed[:-1] + bytes([signed[-1] ^ 1])
        return tlv(0x80, signed) if app.gpo_format == 1 else tlv(0x77, tlv(0x9F4B, signed))

    def _external_authenticate(self, apdu: Apdu) -> bytes | int:
        app, txn = self._app, self._txn
        if app is None or txn is None or txn.first != ARQC or txn.second is not None or txn.issuer:
            return base.CONDITIONS
        if app.issuer_authentication != "external":
            return base.CONDITIONS
        if not 8 <= len(apdu.data) <= 16:
            return base.WRONG_LENGTH
        return b"" if generate.check_issuer(app, txn, apdu.data) else 0x6300

    def _generate_ac(self, apdu: Apdu) -> bytes | int:
        app, txn = self._app, self._txn
        if app is None or txn is None:
            return base.CONDITIONS
        if apdu.p1 & 0xC0 == 0xC0 or apdu.p1 & 0x27 or apdu.p1 & 0x18 == 0x18 or apdu.p2:
            return base.WRONG_P1P2
        if txn.first is None:
            answer = generate.first(app, txn, apdu.p1, apdu.data)
        elif txn.first == ARQC and txn.second is None and apdu.p1 & 0xC0 != ARQC:
            answer = generate.second(app, txn, apdu.p1, apdu.data)
        else:
            return base.CONDITIONS
        return base.WRONG_LENGTH if answer is None else answer

    def _script(self, apdu: Apdu) -> bytes:
        if self._app is None or self._txn is None:
            return sw(base.CONDITIONS)
        return sw(scripts.run(self._app, self._txn, apdu))
