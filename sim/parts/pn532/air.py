"""The reader's side of ISO/IEC 14443-4, as the chip's firmware does it (7.5 there): blocks, chaining, repetition, waiting time extension.

What goes over the air is counted in frames, bytes (PCB and CRC included) and stated seconds: 9 bits a byte and 2 bits a frame at the
session's bit rate, and the 1172/fc of silence before each frame (ISO/IEC 14443-3, 6.2.1.1).
"""

from dataclasses import dataclass

from sim.cards.base import Card
from sim.cards.contactless import FC, FRAME_SIZES, Activation
from sim.parts.pn532.field import Field
from sim.parts.pn532.picc import CHAINED, DESELECT, I_BLOCK, NAK, R_BLOCK, WTX, Picc

FSDI = 5
"""64 bytes: the RATS that devices with this chip are seen to send is E0 50."""
TIMEOUT, CRC, PROTOCOL = 0x01, 0x02, 0x0B  # UM0701-02, 7.1
TRIES = 3
_SILENCE_S = 1172 / FC
_CONTACT = {
    "A": ((1, 2), (2, 5), (9, 3)),
    "B": ((5, 14), (11, 3)),
}  # bytes there and back: REQA/ATQA, anticollision, SELECT/SAK; WUPB/ATQB, ATTRIB


@dataclass
class Spent:
    """What a chip's work cost so far: bytes each way on the host link, frames and bytes on air, stated seconds of each and of the cards."""

    host_in: int = 0
    host_out: int = 0
    air_frames: int = 0
    air_bytes: int = 0
    host_s: float = 0.0
    air_s: float = 0.0
    card_s: float = 0.0

    @property
    def total_s(self) -> float:
        """Everything one after the other."""
        return self.host_s + self.air_s + self.card_s


class AirError(Exception):
    """The exchange failed; `status` is the chip's error code."""

    def __init__(self, status: int) -> None:
        super().__init__(f"{status:02X}")
        self.status = status


class Target:
    """A card that the chip has activated. `to_card`, `from_card`: the session's bit rates in kbit/s."""

    def __init__(self, field: Field, card: Card, spent: Spent) -> None:
        self.field = field
        self.card = card
        self.activation: Activation = field.activation(card)
        self.spent = spent
        self.to_card = self.from_card = 106
        self._picc = Picc(field, card, FRAME_SIZES[FSDI])
        self._number = 0
        self._rest = b""
        for there, back in _CONTACT[self.activation.kind]:
            self._count(there, 106)
            self._count(back, 106)
        if self.activation.ats and self.activation.kind == "A":
            self._count(4, 106)
            self._count(len(self.activation.ats) + 2, 106)

    @property
    def more(self) -> bool:
        """Whether the chip holds more of the card's answer."""
        return bool(self._rest)

    def set_rates(self, to_card: int, from_card: int) -> bool:
        """PPS: codes 0..3; False if the card does not announce them."""
        for code, announced in ((to_card, self.activation.rates), (from_card, self.activation.rates >> 4)):
            if code and not announced & 1 << (code - 1):
                return False
        self._count(5, 106)
        self._count(3, 106)
        self.to_card, self.from_card = 106 << to_card, 106 << from_card
        return True

    async def send(self, data: bytes, more: bool) -> None:
        """A part of a command, chained by FSC. With the last part (`more` False) the card's answer is fetched whole. Raises AirError."""
        room = self.activation.frame_size - 3
        pieces = [data[at : at + room] for at in range(0, len(data), room)] or [b""]
        for index, piece in enumerate(pieces):
            chained = more or index + 1 < len(pieces)
            answer = await self._block(bytes([I_BLOCK | (CHAINED if chained else 0) | self._number]) + piece)
            if chained:
                if answer[0] & 0xF6 != R_BLOCK:
                    raise AirError(PROTOCOL)
                self._number ^= 1
            else:
                self._rest = await self._collect(answer)

    def take(self, most: int) -> bytes:
        """The next part of the answer."""
        part, self._rest = self._rest[:most], self._rest[most:]
        return part

    async def present(self) -> bool:
        """R(NAK): does the card still answer?"""
        return await self._frame(bytes([R_BLOCK | NAK | self._number])) is not None

    async def deselect(self) -> None:
        """S(DESELECT); a card that does not answer is gone anyway."""
        await self._frame(bytes([DESELECT]))

    def drop(self) -> None:
        """The field is off, or the chip gives up."""
        self._picc.drop()

    async def _collect(self, answer: bytes) -> bytes:
        gathered = b""
        while True:
            if answer[0] & 0xE2 != I_BLOCK or answer[0] & 1 != self._number:
                raise AirError(PROTOCOL)
            self._number ^= 1
            gathered += answer[1:]
            if not answer[0] & CHAINED:
                return gathered
            answer = await self._block(bytes([R_BLOCK | self._number]))

    async def _block(self, block: bytes) -> bytes:
        """Send a block until the card's next one is here: rules 4 to 8 of 7.5.4, waiting time extensions granted. Raises AirError."""
        sending, failed = block, 0
        while True:
            answer = await self._frame(sending)
            if answer is None or not answer:
                failed += 1
                if failed == TRIES:
                    raise AirError(TIMEOUT if answer is None else CRC)
                sending = bytes([R_BLOCK | (0 if block[0] & 0xE2 == R_BLOCK & 0xE2 else NAK) | self._number])
            elif answer[0] == WTX:
                sending = answer
            elif answer[0] & 0xF6 == R_BLOCK and answer[0] & 1 != self._number and block[0] & 0xE2 == I_BLOCK:
                failed += 1
                if failed == TRIES:
                    raise AirError(PROTOCOL)
                sending = block  # the card never had it
            else:
                return answer

    async def _frame(self, block: bytes) -> "bytes | None":
        """One frame there and one back; None: nothing came, empty: it was damaged."""
        self._count(len(block) + 2, self.to_card)
        disturbed = self.field.radio()
        if disturbed:
            return None  # a card does not answer what it could not read
        before = self._picc.worked_s
        answer = await self._picc.answer(block)
        self.spent.card_s += self._picc.worked_s - before
        if answer is None:
            self.spent.air_s += self.activation.waiting_s
            return None
        self._count(len(answer) + 2, self.from_card)
        disturbed = self.field.radio()
        if disturbed:
            return None if disturbed == "lost" else b""
        return answer

    def _count(self, count: int, rate: int) -> None:
        self.spent.air_frames += 1
        self.spent.air_bytes += count
        self.spent.air_s += (9 * count + 2) * (128 * 106 // rate) / FC + _SILENCE_S
