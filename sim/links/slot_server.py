"""`LinkSlot`: a slot that a terminal reaches over plain TCP (`drivers.card_link`), where the terminal plays vpcd's part.

Same frames and controls as vpcd (`frames`): 0 off, 1 on, 2 reset (no answer), 4 ATR (answer; empty = no card), else
an APDU. An *empty* answer to an APDU says that the card left. The newest connection owns the slot: a terminal that
was cut off simply connects again.
"""

import asyncio

from sim.cards.base import Card
from sim.links import frames
from sim.links.slot import Slot


class LinkSlot(Slot):
    """Listens on `host:port` (0 = any free port; `port` tells which after `start`)."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0) -> None:
        super().__init__()
        self.host = host
        self.port = port
        self._server: asyncio.Server | None = None
        self._connection: frames.Frames | None = None

    async def start(self) -> None:
        """Listen. Raises OSError if the port is taken."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Take the card out, drop the terminal, stop listening."""
        await self.remove()
        if self._connection is not None:
            self._connection.close()
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None

    async def insert(self, card: Card) -> None:
        """Put a card in; the terminal sees it when it asks for the ATR."""
        await super().insert(card)

    def _accept(self) -> frames.Frames:
        if self._connection is not None:
            self._connection.close()
        self._connection = frames.Frames(self._answer, self._gone)
        return self._connection

    def _gone(self, connection: frames.Frames) -> None:
        if connection is self._connection:
            self._connection = None
            self.power(False)

    async def _answer(self, payload: bytes) -> bytes | None:
        if len(payload) != 1:
            return await self.apdu(payload)
        control = payload[0]
        if control == frames.GET_ATR:
            return self.atr()
        if control == frames.POWER_OFF:
            self.power(False)
        elif control in (frames.POWER_ON, frames.RESET):
            self.power(True)
        return None
