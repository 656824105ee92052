"""The field of one antenna: any number of cards in it, a slot's faults and log, and what the radio does to frames.

`insert` and `remove` work as with any slot (`sim.links.slot`): one card, a new one takes its place. `add` lays another beside it. Faults
at APDU n, the log and its masks are the slot's; `disturb` is the radio's: it is asked for every frame, with its number since the field
was made, and says "lost", "damaged" or nothing.
"""

from collections.abc import Callable

from sim.cards.base import Card
from sim.cards.contactless import Activation
from sim.links.slot import Slot


class Field(Slot):
    """What is in reach of the antenna. `card` is the card that the reader talks to, or the first; `compute` states how many seconds a
    card needs for a command, given command and response (default: none).
    """

    def __init__(self, compute: "Callable[[bytes, bytes], float] | None" = None) -> None:
        super().__init__()
        self.cards: list[Card] = []
        self.on = False
        self.compute = compute
        self.disturb: "Callable[[int], str | None] | None" = None
        self.frames = 0
        self._activations: dict[int, Activation] = {}
        self._number = 0

    async def insert(self, card: Card) -> None:
        """Put a card into the field; whatever is there is taken out first."""
        await super().insert(card)
        self._enter(card)

    async def add(self, card: Card) -> None:
        """Put a card beside those that are there: more than one is a collision."""
        if not self.cards:
            await self.insert(card)
        elif card not in self.cards:
            self._enter(card)

    async def remove(self, card: "Card | None" = None) -> None:
        """Take one card out, or all of them, whatever they are doing."""
        for gone in [one for one in self.cards if card is None or one is card]:
            self.cards.remove(gone)
            gone.power_off()
            if gone is self.card:
                await super().remove()
        if self.card is None and self.cards:
            self.card = self.cards[0]

    def activation(self, card: Card) -> Activation:
        """How this card introduces itself here."""
        return self._activations[id(card)]

    def of_kind(self, kind: str) -> list[Card]:
        """The cards of type "A" or "B" that answer in this field."""
        return [card for card in self.cards if self.activation(card).kind == kind]

    def switch(self, on: bool) -> None:
        """The field itself: without it every card is without power."""
        if self.on and not on:
            self._mute = False
            for card in self.cards:
                card.power_off()
        self.on = on

    def wake(self, card: Card) -> None:
        """A card is activated: it starts afresh, and is the one that is talked to."""
        self.card = card
        self._mute = False
        card.power_on()

    def stated(self, command: bytes, response: bytes) -> float:
        """What the card says that it computes for this command, in seconds."""
        return self.compute(command, response) if self.compute is not None else 0.0

    def radio(self) -> "str | None":
        """One more frame goes over the air: what happens to it."""
        self.frames += 1
        return self.disturb(self.frames) if self.disturb is not None else None

    def _enter(self, card: Card) -> None:
        self._number += 1
        self._activations[id(card)] = card.activation or Activation.of(card, self._number)
        self.cards.append(card)

    async def _silence(self) -> bytes:
        return b""  # a mute card on air is a card that does not answer: the chip's time-out does the waiting
