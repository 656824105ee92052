"""How a card introduces itself on air: ISO/IEC 14443-3 type A or B, and the parameters of ISO/IEC 14443-4.

Any simulated card can be laid on an antenna: without an `activation` of its own it gets `Activation.of(card, number)`, a random-looking
UID (08 …, ISO/IEC 14443-3, 6.5.4) and the historical bytes of its ATR.
"""

from dataclasses import dataclass

from sim.cards.base import Card

FRAME_SIZES = (16, 24, 32, 40, 48, 64, 96, 128, 256)
"""FSCI or FSDI → bytes of a frame, prologue and CRC included (ISO/IEC 14443-4, table 1)."""
FC = 13_560_000


@dataclass(frozen=True)
class Activation:
    """`fsci`, `fwi`, `sfgi` as in the ATS; `rates` its TA(1): bits 0-2 to the card, 4-6 from it, 212/424/848 kbit/s each."""

    uid: bytes
    historical: bytes = b""
    kind: str = "A"
    sak: int = 0x20
    fsci: int = 8
    fwi: int = 8
    sfgi: int = 0
    rates: int = 0x33

    @classmethod
    def of(cls, card: Card, number: int) -> "Activation":
        """What is made up for a card that says nothing about itself; `number` tells cards in one field apart."""
        return cls(b"\x08" + number.to_bytes(3, "big"), historical(card.atr))

    @property
    def atqa(self) -> bytes:
        """SENS_RES: size of the UID and bit frame anticollision."""
        return bytes([0, 0x44 if len(self.uid) == 7 else 0x04])

    @property
    def ats(self) -> bytes:
        """TL T0 TA TB TC and the historical bytes; empty for a card that is not of ISO/IEC 14443-4."""
        if not self.sak & 0x20:
            return b""
        rest = bytes([0x70 | self.fsci, self.rates, self.fwi << 4 | self.sfgi, 0x00]) + self.historical
        return bytes([1 + len(rest)]) + rest

    @property
    def atqb(self) -> bytes:
        """50, PUPI, application data, protocol information."""
        application = self.historical[:4].ljust(4, b"\0")
        return b"\x50" + self.uid[:4] + application + bytes([0, self.fsci << 4 | 1, self.fwi << 4])

    @property
    def frame_size(self) -> int:
        """FSC: the most bytes that the card takes in one frame."""
        return FRAME_SIZES[self.fsci]

    @property
    def waiting_s(self) -> float:
        """Frame waiting time: 256 · 16 / fc · 2^FWI."""
        return 4096 / FC * 2**self.fwi


def historical(atr: bytes) -> bytes:
    """The historical bytes of an ATR (ISO/IEC 7816-3, 8.2)."""
    if len(atr) < 2:
        return b""
    at, present = 2, atr[1] >> 4
    while present:
        following = bin(present & 0b1111).count("1")
        at += following
        present = atr[at - 1] >> 4 if present & 8 and at <= len(atr) else 0
    return atr[at : at + (atr[1] & 15)]
