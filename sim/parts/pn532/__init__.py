"""A PN532 contactless reader, byte by byte, and the field of its antenna: the other side of the wire of `drivers.pn532`.

`Pn532` (chip) is the part: its host link (frames), its commands, and as its firmware does it the reader's side of ISO/IEC 14443-4 (air).
`Field` holds the cards, `Picc` (picc) is a card's side of the block protocol. `PtyLink` and `TcpLink` (links) put the chip behind a pty or
a TCP port. Everything is this package's own; libnfc, which nobody here wrote, lists and reads cards on it too (tests/sim/parts).

Time is stated, not measured: `chip.spent` sums the host link at its baud rate, the radio at its bit rate and what the card says that it
computes. With `pace` the chip also takes that long.
"""

from sim.parts.pn532.chip import Pn532
from sim.parts.pn532.field import Field
from sim.parts.pn532.links import PtyLink, TcpLink

__all__ = ["Field", "Pn532", "PtyLink", "TcpLink"]
