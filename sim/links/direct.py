"""`DirectReader`: a slot and its reader in one object, in-process, for tests and worlds that need speed and no sockets.

Behaves as the card reader's contract says (drivers/contracts/card_reader.py), without importing drivers.
"""

import asyncio

from protocol.errors import CardError, CardRemovedError, CardSilentError, NoCardError
from sim.links.slot import Slot

_POLL_S = 0.005


class DirectReader(Slot):
    """Insert and remove as with any slot; use as a card reader. `timeout_ms` bounds one APDU."""

    name = "direct"
    extended_length = True

    def __init__(self, timeout_ms: int = 5000) -> None:
        super().__init__()
        self.timeout_ms = timeout_ms
        self._session = False

    async def card_present(self) -> bool:
        """Whether a card is in the slot."""
        return self.card is not None

    async def wait_for_card(self, timeout_ms: int) -> None:
        """Return when a card is there. Raises NoCardError."""
        if not await self._poll(True, timeout_ms):
            raise NoCardError("no card was presented in time")

    async def wait_for_removal(self, timeout_ms: int) -> bool:
        """True once no card is there, False after `timeout_ms`."""
        return await self._poll(False, timeout_ms)

    async def connect(self) -> bytes:
        """Cold reset; the ATR. Raises NoCardError."""
        self._session = False
        self.power(False)
        if self.card is None:
            raise NoCardError("no card in the slot")
        self.power(True)
        self._session = True
        return self.atr()

    async def transceive(self, command: bytes) -> bytes:
        """One APDU. Raises CardRemovedError, CardSilentError, CardError CRD-006 without `connect`."""
        if not self._session:
            raise CardError("no session with a card", "CRD-006", "present the card again")
        try:
            response = await asyncio.wait_for(self.apdu(command), self.timeout_ms / 1000)
        except TimeoutError:
            self._session = False
            raise CardSilentError("the card does not answer in time") from None
        if not response:
            self._session = False
            raise CardRemovedError("the card left while it was being used")
        return response

    async def remove(self) -> None:
        """Take the card out; the session ends at the next APDU."""
        await super().remove()

    async def disconnect(self) -> None:
        """Power off."""
        self._session = False
        self.power(False)

    async def _poll(self, wanted: bool, timeout_ms: int) -> bool:
        end = asyncio.get_running_loop().time() + timeout_ms / 1000
        while (self.card is not None) != wanted:
            if asyncio.get_running_loop().time() >= end:
                return False
            await asyncio.sleep(_POLL_S)
        return True
