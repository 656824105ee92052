"""A licence chip with abilities: PACE instead of (or beside) BAC, active and chip authentication, files outside the application.

`Abilities` says what it can do and how it cheats. ICAO Doc 9303-11 sections 4.4, 6.1 and 6.2. The master file holds EF.CardAccess
(011C), EF.ATR/INFO (2F01), read freely, and EF.CardSecurity (011D), read secured; the application holds the rest.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sim.cards import base
from sim.cards.base import Apdu, sw
from sim.cards.licence.card import CARD_ACCESS, Content, LicenceCard, Quirks
from sim.cards.licence.messaging import MISSING_OBJECTS
from sim.cards.licence.proof.domains import BadPoint
from sim.cards.licence.proof.keys import ActiveKey, AgreementKey
from sim.cards.licence.proof.pace import Offer, PaceServer, mrz_password
from sim.cards.tlv import read, tlv

ATR_INFO, CARD_SECURITY = 0x01, 0x1D


@dataclass
class Abilities:
    """`pace` offers (the first is not preferred by the chip); `can` digits of the card access number; `fault` of PACE (see
    proof.pace); `active`, `agreement` keys; `bac` False: no basic access control; `knows_pace` False: the chip offers PACE in
    its files but does not know the commands; `mapping` the key of the chip-authentication mapping if it is not `agreement`'s;
    `card_security` bytes of EF.CardSecurity; `keeps_channel` False: a SELECT of the master file ends the channel.
    """

    pace: list[Offer] = field(default_factory=list)
    can: str = ""
    fault: str = ""
    knows_pace: bool = True
    active: ActiveKey | None = None
    agreement: AgreementKey | None = None
    bac: bool = True
    atr_info: bytes = b""
    mapping: AgreementKey | None = None
    card_security: bytes = b""
    keeps_channel: bool = True


class Chip(LicenceCard):
    """A licence whose chip has abilities."""

    def __init__(
        self,
        content: Content,
        quirks: Quirks,
        abilities: Abilities,
        rng: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.abilities = abilities
        super().__init__(content, quirks, rng)

    def _forget(self) -> None:
        super()._forget()
        self._server: PaceServer | None = None
        self._fresh: Any = None
        self._by_pace = False
        self._protocol = b""
        self._secured = False

    def process(self, apdu: Apdu) -> bytes:
        """One command; PACE's own commands come in clear and with chaining."""
        if self._channel is None and apdu.cla in (0x00, 0x10):
            if apdu.ins == 0x22 and (apdu.p1, apdu.p2) == (0xC1, 0xA4):
                data, status = self._set_pace(apdu)
                return data + sw(status)
            if apdu.ins == 0x86 and self._server is not None:
                data, status = self._pace_step(apdu)
                return data + sw(status)
        return super().process(apdu)

    def _protected(self, apdu: Apdu) -> bytes:
        self._secured = True
        answer = super()._protected(apdu)
        self._secured = False
        if apdu.ins == 0xA4 and not self._selected and not self.abilities.keeps_channel:
            self._forget()
            return sw(MISSING_OBJECTS)
        if self._fresh is not None:
            self._channel, self._fresh = self._fresh, None
        return answer

    def _plain(self, apdu: Apdu) -> tuple[bytes, int]:
        if apdu.ins == 0xB0 and not self._selected:
            return self._read_master(apdu)
        if apdu.ins in (0x84, 0x82) and not self.abilities.bac:
            return b"", base.CONDITIONS if apdu.ins == 0x82 else base.BAD_INS
        if self._channel is not None and self._selected:
            if apdu.ins == 0x88 and self.abilities.active is not None:
                return self._internal_authenticate(apdu)
            if apdu.ins in (0x22, 0x86) and self.abilities.agreement is not None and self.abilities.agreement.held:
                return self._chip_authentication(apdu)
        return super()._plain(apdu)

    def _select(self, apdu: Apdu) -> tuple[bytes, int]:
        if apdu.p1 == 0x00 and apdu.data == b"\x3f\x00":
            if not (self._secured and self._by_pace):
                self._forget()
            self._selected, self._current = False, None
            return b"", base.OK
        if apdu.p1 == 0x02 and not self._selected and len(apdu.data) == 2:
            file = apdu.data[1]
            if apdu.data[0] != 1 or not self._of_master().get(file):
                return b"", base.NOT_FOUND
            self._current = file
            return b"", base.OK
        channel, by_pace = self._channel, self._by_pace
        answer = super()._select(apdu)
        if apdu.p1 == 0x04 and by_pace and answer[1] == base.OK:
            self._channel, self._by_pace = channel, True
        return answer

    def _of_master(self) -> dict[int, bytes | None]:
        return {
            CARD_ACCESS: self.content.files.get(CARD_ACCESS),
            ATR_INFO: self.abilities.atr_info,
            CARD_SECURITY: self.abilities.card_security,
        }

    def _read_master(self, apdu: Apdu) -> tuple[bytes, int]:
        file, offset = (apdu.p1 & 0x1F, apdu.p2) if apdu.p1 & 0x80 else (self._current, apdu.p1 << 8 | apdu.p2)
        content = self._of_master().get(file) if file is not None else None
        if not content:
            return b"", base.NOT_FOUND
        if file == CARD_SECURITY and not self._secured:
            return b"", base.SECURITY
        self._current = file
        return self._piece(content, offset, apdu.le or 0)

    # PACE

    def _set_pace(self, apdu: Apdu) -> tuple[bytes, int]:
        abilities = self.abilities
        if not abilities.pace or not abilities.knows_pace:
            return b"", base.BAD_INS
        if abilities.fault == "refuse":
            return b"", base.WRONG_DATA
        try:
            given = dict(read(apdu.data))
        except (ValueError, IndexError):
            return b"", base.WRONG_DATA
        offers = [offer for offer in abilities.pace if offer.oid == given.get(0x80)]
        if 0x84 in given:
            number = given[0x84]
            offers = [offer for offer in offers if offer.info().endswith(tlv(0x02, number))]
        if not offers:
            return b"", base.WRONG_DATA
        reference = given.get(0x83)
        if reference == b"\x02" and abilities.can:
            password = abilities.can.encode()
        elif reference == b"\x01" and self.content.mrz_information is not None:
            password = mrz_password(self.content.mrz_information)
        else:
            return b"", base.NO_DATA
        key = abilities.mapping or abilities.agreement
        static = key.held if key is not None else 0
        self._server = PaceServer(offers[0], password, static, abilities.fault)
        return b"", base.OK

    def _pace_step(self, apdu: Apdu) -> tuple[bytes, int]:
        server = self._server
        assert server is not None
        try:
            outer = dict(read(apdu.data))
            given = dict(read(outer[0x7C]))
        except (ValueError, IndexError, KeyError):
            return b"", base.WRONG_DATA
        data, status = server.step(given)
        if status != base.OK:
            self._server = None
        if server.channel is not None:
            self._channel, self._server, self._by_pace = server.channel, None, True
        return data, status

    # proofs

    def _internal_authenticate(self, apdu: Apdu) -> tuple[bytes, int]:
        key = self.abilities.active
        assert key is not None
        if key.private is None:
            return b"", base.BAD_INS
        if len(apdu.data) != 8:
            return b"", base.WRONG_LENGTH
        signature = key.sign(apdu.data)
        if len(signature) > (apdu.le or 0):
            return b"", 0x6C00 | len(signature) & 0xFF
        return signature, base.OK

    def _chip_authentication(self, apdu: Apdu) -> tuple[bytes, int]:
        key = self.abilities.agreement
        assert key is not None
        try:
            given = dict(read(apdu.data))
            if apdu.ins == 0x22 and (apdu.p1, apdu.p2) == (0x41, 0xA6) and key.suite.name == "3DES":
                return self._agree(given[0x91], given.get(0x84), b"")
            if apdu.ins == 0x22 and (apdu.p1, apdu.p2) == (0x41, 0xA4):
                if given.get(0x80) != key.oid or not self._right_key(given.get(0x84)):
                    return b"", base.WRONG_DATA
                self._protocol = key.oid
                return b"", base.OK
            if apdu.ins == 0x86 and self._protocol:
                self._protocol = b""
                return self._agree(dict(read(given[0x7C]))[0x80], self._number(), tlv(0x7C))
        except (ValueError, IndexError, KeyError, BadPoint):
            return b"", base.WRONG_DATA
        return b"", base.WRONG_P1P2

    def _number(self) -> bytes | None:
        key = self.abilities.agreement
        return None if key is None or key.key_id is None else bytes([key.key_id])

    def _right_key(self, number: bytes | None) -> bool:
        return number == self._number()

    def _agree(self, public: bytes, number: bytes | None, answer: bytes) -> tuple[bytes, int]:
        key = self.abilities.agreement
        assert key is not None
        if not self._right_key(number):
            return b"", base.NO_DATA
        self._fresh = key.agree(public)
        return answer, base.OK
