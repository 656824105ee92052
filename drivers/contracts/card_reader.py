"""Contract of a card reader: one slot or one field, APDUs in and out (ISO/IEC 7816-3/-4, ISO/IEC 14443-4).

A reader owns one session at a time. Status bytes are *not* interpreted here: 61xx/6Cxx are handled in `protocol.apdu`.
A session is bound to a card by cryptography, never by this handle: a card swapped quickly may keep the handle working.
"""

import asyncio

from protocol.errors import NoCardError

_SHORT = 1024


def most_answer(command: "bytes | memoryview") -> int:
    """Most bytes that a reader takes as the answer to this command: as many as an extended Le asks for, 1,024 after a short one.

    Chips put more than 256 into one answer under secure messaging. A limit of memory; what an answer may be is its reader's question.
    """
    if len(command) < 7 or command[4]:
        return _SHORT
    data = command[5] << 8 | command[6]
    if len(command) == 7:
        return (data or 65536) + 2
    if len(command) != 9 + data:
        return _SHORT
    return (command[-2] << 8 | command[-1] or 65536) + 2


class CardReader:
    """One slot or one field."""

    name = ""
    extended_length = True  # whether extended Lc/Le can be carried

    async def card_present(self) -> bool:
        """Whether a card is in the slot or field right now."""
        raise NotImplementedError

    async def wait_for_card(self, timeout_ms: int) -> None:
        """Return when a card is there. Raises NoCardError after `timeout_ms`."""
        raise NotImplementedError

    async def wait_for_removal(self, timeout_ms: int) -> bool:
        """Return True once no card is there, False after `timeout_ms`."""
        raise NotImplementedError

    async def connect(self) -> bytes:
        """Power the card (cold reset / activation) and return its ATR (or the PC/SC ATR made from the ATS).

        Raises NoCardError, CardSilentError.
        """
        raise NotImplementedError

    async def transceive(self, command: bytes) -> bytes:
        """Send one command APDU, return the response APDU (data + SW1 SW2, at least two bytes).

        Raises CardRemovedError, CardSilentError (after the reader's own time-out).
        """
        raise NotImplementedError

    # Optional: async def transceive_timed(self, command) -> (response, units of 100 microseconds): the same, and how long the card took as near
    # to it as this reader can tell, transmission between reader and card included. A reader without it is timed by who uses it.

    async def disconnect(self) -> None:
        """Power off. Never raises."""
        raise NotImplementedError


class PolledReader(CardReader):
    """A reader that waits by asking `card_present` every `poll_ms`, as all of ours do."""

    poll_ms = 25

    async def wait_for_card(self, timeout_ms: int) -> None:
        """Poll until a card is there. Raises NoCardError."""
        if not await self._poll(True, timeout_ms):
            raise NoCardError("no card was presented in time")

    async def wait_for_removal(self, timeout_ms: int) -> bool:
        """Poll until no card is there; False after `timeout_ms`."""
        return await self._poll(False, timeout_ms)

    async def _poll(self, wanted: bool, timeout_ms: int) -> bool:
        waited = 0
        while await self.card_present() != wanted:
            if waited >= timeout_ms:
                return False
            await asyncio.sleep(self.poll_ms / 1000)
            waited += self.poll_ms
        return True
