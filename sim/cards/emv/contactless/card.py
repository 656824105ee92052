"""A contactless payment card: the directory of EMV Contactless Book B, 3.3.2, and the application that was selected.

An application is an object with `aid`, `label`, `priority`, `kernel`, `fci() -> bytes`, `reset()` and `process(apdu) -> bytes` (SW included).
"""

import asyncio
from typing import Protocol

from sim.cards import base
from sim.cards.base import Apdu, Card, sw
from sim.cards.tlv import tlv

PPSE = b"2PAY.SYS.DDF01"


class ContactlessApplication(Protocol):
    """What the card needs of an application."""

    aid: bytes
    label: str
    priority: int
    kernel: int

    def fci(self) -> bytes:
        """The answer to SELECT, without SW."""
        ...

    def reset(self) -> None:
        """Power came or another application was selected: volatile state is lost."""
        ...

    def process(self, apdu: Apdu) -> bytes:
        """Answer one command, SW included."""
        ...


class ContactlessCard(Card):
    """One card in a field. `atr` is the PC/SC one of an ISO 14443-4 card without historical bytes."""

    name = "payment"

    def __init__(self, applications: list[ContactlessApplication]) -> None:
        super().__init__()
        self.applications = applications
        self._chosen: ContactlessApplication | None = None

    @property
    def application(self) -> ContactlessApplication:
        """The first application: of most cards the only one."""
        return self.applications[0]

    def power_on(self) -> None:
        """The field: nothing is selected."""
        super().power_on()
        self._forget()

    def power_off(self) -> None:
        """Out of the field."""
        super().power_off()
        self._forget()

    def _forget(self) -> None:
        self._chosen = None
        for application in self.applications:
            application.reset()

    async def transmit(self, capdu: bytes) -> bytes:
        """The response on a link, after as long as the application says that it computes: a relay is late on any reader."""
        response = self.respond(capdu)
        await asyncio.sleep(getattr(self._chosen, "took", 0) / 10_000)
        return response

    def process(self, apdu: Apdu) -> bytes:
        """SELECT is the card's, everything else the selected application's."""
        if (apdu.cla, apdu.ins) == (0x00, 0xA4):
            return self._select(apdu)
        if self._chosen is None:
            return sw(base.CONDITIONS)
        return self._chosen.process(apdu)

    def _select(self, apdu: Apdu) -> bytes:
        if (apdu.p1, apdu.p2) != (0x04, 0x00):
            return sw(base.WRONG_P1P2)
        self._forget()
        if apdu.data == PPSE:
            return self._directory() + sw(base.OK)
        for application in self.applications:
            if len(apdu.data) >= 5 and application.aid.startswith(apdu.data):
                self._chosen = application
                return application.fci() + sw(base.OK)
        return sw(base.NOT_FOUND)

    def _directory(self) -> bytes:
        entries = [
            tlv(
                0x61,
                tlv(0x4F, one.aid),
                tlv(0x50, one.label.encode("ascii")),
                tlv(0x87, bytes([one.priority])),
                tlv(0x9F2A, bytes([one.kernel])),
            )
            for one in self.applications
        ]
        return tlv(0x6F, tlv(0x84, PPSE), tlv(0xA5, tlv(0xBF0C, *entries)))
