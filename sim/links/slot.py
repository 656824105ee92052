"""What every slot has in common: a card inside or not, faults at the n-th APDU, and a log of what went over.

Faults are armed before or after `insert`, count the APDUs of the present insertion from 1, and fire once:
  `tear_at`    the card leaves during this APDU; the response is never given. `tear_after` (default True) says whether
  the card still
               processed the command (the worst case: its counters moved, nobody heard the answer).
  `silent_at`  from this APDU on the card does not answer until it is powered off and on, or taken out.
"""

import asyncio
from collections.abc import Callable

from sim.cards.base import Card

MASK = 0xFF
_VERIFY = (0x20, 0x24)  # VERIFY, CHANGE REFERENCE DATA


def masked(command: bytes) -> bytes:
    """A command fit for a log: the data of VERIFY and CHANGE REFERENCE DATA (any CLA) replaced by FF bytes."""
    if len(command) > 5 and command[1] in _VERIFY:
        return command[:5] + bytes([MASK]) * (len(command) - 5)
    return command


class Slot:
    """A slot that can hold one card. Sub-classes carry the bytes; they call `power`, `atr` and `apdu`."""

    def __init__(self) -> None:
        self.card: Card | None = None
        self.log: list[tuple[bytes, bytes]] = []
        self.tear_at: int | None = None
        self.tear_after = True
        self.silent_at: int | None = None
        self.count = 0
        self.on_exchange: Callable[[bytes, bytes], None] | None = None
        self._mute = False
        self._out = asyncio.Event()

    async def start(self) -> None:
        """Make the slot reachable."""

    async def close(self) -> None:
        """Take the card out and stop."""
        await self.remove()

    async def insert(self, card: Card) -> None:
        """Put a card in; a card that is still there is taken out first."""
        if self.card is not None:
            await self.remove()
        self.card, self.count, self._mute = card, 0, False
        self._out = asyncio.Event()

    async def remove(self) -> None:
        """Take the card out, whatever it is doing. Nothing happens if there is none."""
        card, self.card = self.card, None
        if card is not None:
            card.power_off()
        self._out.set()

    def atr(self) -> bytes:
        """The card's ATR, empty without a card."""
        return b"" if self.card is None else self.card.atr

    def power(self, on: bool) -> None:
        """Power off, or (cold or warm) reset. A mute card speaks again after a reset."""
        if self.card is None:
            return
        self._mute = False
        if on:
            self.card.power_on()
        else:
            self.card.power_off()

    async def apdu(self, command: bytes) -> bytes:
        """The card's response; empty if the card is out or leaves meanwhile. Does not return while the card is mute."""
        card = self.card
        if card is None:
            return b""
        self.count += 1
        if self.count == self.tear_at:
            self.tear_at = None
            if self.tear_after:
                await card.transmit(command)
            self._note(command, b"")
            await self.remove()
            return b""
        if self.count == self.silent_at:
            self.silent_at = None
            self._mute = True
        if self._mute:
            self._note(command, b"")
            return await self._silence()
        response = await card.transmit(command)
        if self.card is not card:
            return b""
        self._note(command, response)
        return response

    async def _silence(self) -> bytes:
        """What a mute card gives: nothing, until it is out."""
        await self._out.wait()
        return b""

    def _note(self, command: bytes, response: bytes) -> None:
        shown = masked(command)
        self.log.append((shown, response))
        if self.on_exchange is not None:
            self.on_exchange(shown, response)
