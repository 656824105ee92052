"""Somebody between a scripted card and the reader, who adds data objects to answers that nothing signs; for tests on both runtimes."""

from protocol import tlv
from protocol.emv import tags

_PAYMENT_SYSTEM = b"PAY.SYS"


def added(answer, objects):
    """The answer with `objects` (bytes of TLV) at the end of its template: of an application's FCI inside A5, of a 77 or 70 inside itself."""
    if len(answer) < 4 or answer[-2:] != b"\x90\x00" or answer[:1] == b"\x80" or _PAYMENT_SYSTEM in answer:
        return answer
    tag, value = tags.objects(answer[:-2])[0]
    if tag == 0x6F:
        value = b"".join(
            [tlv.encode(inner, held + objects if inner == 0xA5 else held) for inner, held in tags.objects(value)]
        )
    else:
        value += objects
    return tlv.encode(tag, value) + answer[-2:]


class Wedge:
    """`at`: the instruction whose answers get the objects: A4 (SELECT), A8 (GET PROCESSING OPTIONS), AE (GENERATE AC)."""

    def __init__(self, card, objects, at=0xA4):
        self.card = card
        self.objects = objects
        self.at = at
        self.names = card.names

    def transmit(self, command):
        """The card's answer, with the objects where they are to be."""
        answer = self.card.transmit(command)
        return added(answer, self.objects) if command[1] == self.at else answer
