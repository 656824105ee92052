"""Card reader over a PN532: contract `CardReader` for contactless cards of ISO/IEC 14443-4, type A and B.

Between sessions the field is off, so that every session begins with a card that was without power (a torn one is reset). Type B is
looked for first, then type A with room for two: listing again would lose the card that was found. More than one card is a collision, none
of them is talked to.
"""

import asyncio

from drivers.contracts.card_reader import PolledReader, most_answer
from drivers.pn532 import cards
from drivers.pn532.link import UNREACHABLE, Link
from protocol.errors import CardCollisionError, CardError, CardRemovedError, CardSilentError, NoCardError

CHUNK = 262  # bytes of an APDU in one InDataExchange (UM0701-02, 7.3.8)
_MORE = 0x40  # in the target's number and in the status: more to come
_ERROR = 0x3F
_LIST_B = b"\x4a\x01\x03\x00"
_LIST_A = b"\x4a\x02\x00"
_FIELD_OFF = b"\x32\x01\x00"
_RELEASE = b"\x52\x00"
_PRESENT = b"\x00\x06"  # Diagnose: does the card of the session still answer
_EXCHANGE = 0x40
_SELECT_RATE = 0x4E
_RESET_S = 0.010  # EMV Contactless Book D, 3.2.6: tRESET 5.1..10 ms without a field

_TIMEOUT = 0x01
_RADIO = (0x02, 0x03, 0x04, 0x05, 0x06, 0x09, 0x0A, 0x0B, 0x13, 0x23, 0x2A, 0x2B)  # UM0701-02, 7.1
_NO_TARGET = (0x25, 0x27, 0x29)  # the chip knows no such card (any more)


class Pn532Reader(PolledReader):
    """A reader on the antenna of `link`. `rate`: the fastest bit rate in kbit/s that a session may use; `timeout_ms` bounds one exchange."""

    poll_ms = 40

    def __init__(self, link: Link, rate: int = 106, name: str = "pn532", timeout_ms: int = 5000) -> None:
        self.name = name
        self.extended_length = True
        self.rate = 106
        """The slower of both directions' bit rates in this session."""
        self._link = link
        self._most = rate
        self._timeout_ms = timeout_ms
        self._target = 0
        self._took_us = 0

    async def card_present(self) -> bool:
        """Whether any card is in the field, more than one included; a session goes on. Raises CardError CRD-010."""
        link = self._link
        async with link.lock:
            await link.start()
            if link.owner is self:
                await link.command(_PRESENT)
                if not link.parser.body[2]:
                    return True
                link.owner = None
            elif link.owner is not None:
                return True  # the antenna is another reader's now
            try:
                return await self._find() > 0
            finally:
                await link.command(_FIELD_OFF)

    async def connect(self) -> bytes:
        """Field off and on, activate the one card; returns the ATR made from its ATS (type B: from its ATQB).

        Raises NoCardError, CardCollisionError, CardError CRD-010, CRD-014, CRD-017.
        """
        link = self._link
        async with link.lock:
            link.owner = None
            await self._reset_field()
            try:
                listed = await self._activate()
                self.rate = 106
                rates = listed.fastest(self._most)
                if rates is not None:
                    await link.command(bytes((_SELECT_RATE, listed.target, rates[0], rates[1])))
                    if not link.parser.body[2]:
                        self.rate = 106 << min(rates)
            except CardError as error:
                if error.code != UNREACHABLE:
                    await link.command(_FIELD_OFF)
                raise
            self._target = listed.target
            link.owner = self
            return listed.atr

    async def transceive(self, command: bytes) -> bytes:
        """One APDU. Raises CardRemovedError, CardSilentError; CardError CRD-006 without `connect`, CRD-007 on a malformed command or
        answer, CRD-010 (chip gone), CRD-014 (chip's error), CRD-018 (disturbed radio or line). The session is over after any of them.
        """
        link = self._link
        if link.owner is not self:
            raise CardError("no session with a card", "CRD-006", "present the card again")
        if len(command) < 4:
            raise CardError("not a command APDU", "CRD-007")
        async with link.lock:
            try:
                answer = await self._exchange(memoryview(command))
            except BaseException:
                link.owner = None
                raise
            if len(answer) >= 2:
                return answer
            link.owner = None
            raise CardError("the card's answer has no status word", "CRD-007")

    async def transceive_timed(self, command: bytes) -> "tuple[bytes, int]":
        """`transceive`, and the time of its last exchange with the chip in units of 100 microseconds, as `Link.took_us` has it."""
        answer = await self.transceive(command)
        return answer, (self._took_us + 50) // 100

    async def disconnect(self) -> None:
        """Release the card, field off. Never raises."""
        link = self._link
        mine = link.owner is self
        async with link.lock:
            try:
                if mine and link.owner is self:
                    await link.command(_RELEASE)
                if mine or link.owner is None:
                    await link.command(_FIELD_OFF)
            except CardError:
                self._target = 0  # nobody is there: then there is no field either, or the next session resets it
            if mine or link.owner is None:  # a card that was pulled away has no owner any more
                link.forget()
                link.owner = None

    def close(self) -> None:
        """Give the line back."""
        self._link.close()

    async def _reset_field(self) -> None:
        await self._link.command(_FIELD_OFF)
        await asyncio.sleep(_RESET_S)

    async def _find(self) -> int:
        """How many cards answer; type B is not looked for once two of type A did."""
        link = self._link
        count = await link.command(_LIST_A)
        seen = cards.found(link.parser.body, count)
        if not seen:
            count = await link.command(_LIST_B)
            seen = cards.found(link.parser.body, count)
        return seen

    async def _activate(self) -> cards.Listed:
        """The one card of the field, activated. Raises NoCardError, CardCollisionError, CardError CRD-014, CRD-017."""
        link = self._link
        body = link.parser.body
        count = await link.command(_LIST_B)
        of_b = cards.found(body, count)
        count = await link.command(_LIST_A)
        of_a = cards.found(body, count)
        if of_a and of_b:
            raise CardCollisionError("more than one card is in the field")
        if of_a:
            return cards.type_a(body, count)
        if of_b:
            count = await link.command(_LIST_B)  # looking for type A released it
            if cards.found(body, count):
                return cards.type_b(body, count)
        raise NoCardError("no card in the field")

    async def _exchange(self, command: memoryview) -> bytes:
        """The APDU in pieces of `CHUNK`, the answer likewise (UM0701-02, 7.3.8: the bit "more information" both ways)."""
        body = self._link.parser.body
        most = most_answer(command)
        at = 0
        while len(command) - at > CHUNK:
            await self._piece(self._target | _MORE, command[at : at + CHUNK])
            at += CHUNK
        count = await self._piece(self._target, command[at:])
        if not body[2] & _MORE:
            return bytes(memoryview(body)[3:count])
        pieces = [bytes(memoryview(body)[3:count])]
        left = most - count + 3
        while body[2] & _MORE:
            count = await self._piece(self._target, b"")
            left -= count - 3 or 1  # empty pieces come to an end too
            if left < 0:
                raise CardError("the card's answer is longer than asked for", "CRD-007")
            pieces.append(bytes(memoryview(body)[3:count]))
        return b"".join(pieces)

    async def _piece(self, target: int, data: object) -> int:
        link = self._link
        restarts = link.restarts
        try:
            count = await link.command(bytes((_EXCHANGE, target)), data, self._timeout_ms, False)
        except CardSilentError:
            await link.command(_FIELD_OFF)
            raise
        except CardError as error:
            if error.code != UNREACHABLE:
                raise
            await link.start()  # CRD-010 again if the chip is gone
            raise _disturbed(0) from None
        if link.restarts != restarts:
            raise _disturbed(0)
        self._took_us = link.took_us
        status = link.parser.body[2] & _ERROR
        if status:
            await self._failed(status)
        return count

    async def _failed(self, status: int) -> None:
        """Raise what the status means. Whether a card that said nothing is still there is looked up with a fresh field."""
        if status in _NO_TARGET:
            raise CardRemovedError("the reader lost the card", detail=status)
        if status != _TIMEOUT and status not in _RADIO:
            raise CardError("the card reader reports an error", "CRD-014", "present the card again", detail=status)
        await self._reset_field()
        there = await self._find()
        await self._link.command(_FIELD_OFF)
        if not there:
            raise CardRemovedError("the card left while it was being used", detail=status)
        if status == _TIMEOUT:
            raise CardSilentError("the card does not answer", detail=status)
        raise _disturbed(status)


def _disturbed(status: int) -> CardError:
    return CardError(
        "the link to the card was disturbed", "CRD-018", "present the same card again and hold it still", detail=status
    )
