"""`VpcdSlot`: a slot behind pcscd. Inserting a card is connecting to vpcd as that card, removing it is closing the connection.

pcscd polls every 0.4 s, so that a card is seen, or missed, that much later. A card that comes sooner after another is
taken for it (an open handle works on it), and after a session that broke it may not be seen at all: so `insert` waits
until the slot was empty for `settle_s`, as a hand would. vpcd asks for the ATR at each poll.
"""

import asyncio
import time

from sim.cards.base import Card
from sim.links import frames, pcscd
from sim.links.slot import Slot

SETTLE_S = 0.6
"""Longer than pcscd's poll."""


class VpcdSlot(Slot):
    """The slot on vpcd's `port` (35963 "Virtual PCD 00 00", 35964 "Virtual PCD 00 01") of `daemon` (default:
    `pcscd.ensure()`).
    """

    def __init__(self, port: int = pcscd.FIRST_PORT, daemon: pcscd.Daemon | None = None) -> None:
        super().__init__()
        self.port = port
        self.reader_name = f"Virtual PCD 00 {port - pcscd.FIRST_PORT:02d}"
        self.settle_s = SETTLE_S
        self._daemon = daemon
        self._connection: frames.Frames | None = None

    async def start(self) -> None:
        """Find or start the daemon. Raises ConfigError."""
        if self._daemon is None:
            self._daemon = pcscd.ensure()

    async def insert(self, card: Card) -> None:
        """Put a card in. Raises ConfigError, OSError if vpcd's port does not answer."""
        if self.card is not None:
            await self.remove()
        await self.start()
        assert self._daemon is not None
        empty_for = time.monotonic() - self._daemon.removed.get(self.port, 0.0)
        await asyncio.sleep(max(0.0, self.settle_s - empty_for))
        await super().insert(card)
        loop = asyncio.get_running_loop()
        link = await loop.run_in_executor(None, self._daemon.connect, self.port)
        link.setblocking(False)
        _, connection = await loop.create_connection(lambda: frames.Frames(self._answer, self._gone), sock=link)
        self._connection = connection

    async def remove(self) -> None:
        """Take the card out."""
        connection, self._connection = self._connection, None
        await super().remove()
        if connection is not None:
            connection.close()
            if self._daemon is not None:
                self._daemon.removed[self.port] = time.monotonic()

    def _gone(self, connection: frames.Frames) -> None:
        """pcscd went away: the card lies in a dead reader."""
        if connection is self._connection:
            self._connection = None
            self.power(False)

    async def _answer(self, payload: bytes) -> bytes | None:
        if len(payload) != 1:
            return await self.apdu(payload) or None  # a card that left says nothing; its connection is closed
        control = payload[0]
        if control == frames.GET_ATR:
            return self.atr()
        if control == frames.POWER_OFF:
            self.power(False)
        elif control in (frames.POWER_ON, frames.RESET):
            self.power(True)
        return None
