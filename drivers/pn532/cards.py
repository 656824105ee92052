"""What a PN532 lists (UM0701-02, 7.3.5), and the ATR that PC/SC makes of it (PC/SC part 3, 3.1.3.2.3), for cards of ISO/IEC 14443-4."""

from protocol.errors import CardCollisionError, CardError

_LISTED = 2  # the answer's count of targets; the first target's number follows
_ISO_14443_4 = 0x20  # in SEL_RES; in type B the lowest bit of the protocol type
RATE_CODES = ((424, 2, 0x20, 0x02), (212, 1, 0x10, 0x01))  # kbit/s, InPSL's code, bits of TA(1) from and to the card


class Listed:
    """The one card of the field: its `target` number, `atr`, and `ta`, the byte of the ATS that says which rates it can do."""

    def __init__(self, target: int, atr: bytes, ta: int) -> None:
        self.target = target
        self.atr = atr
        self.ta = ta

    def fastest(self, most: int) -> "tuple[int, int] | None":
        """InPSL's codes (to the card, from the card) for the fastest rates up to `most` kbit/s; None: stay at 106."""
        to_card = from_card = 0
        for rate, code, sent, taken in RATE_CODES:
            if rate <= most:
                if not to_card and self.ta & taken:
                    to_card = code
                if not from_card and self.ta & sent:
                    from_card = code
        if self.ta & 0x80:  # the same rate both ways only
            to_card = from_card = min(to_card, from_card)
        return (to_card, from_card) if to_card or from_card else None


def type_a(body: bytearray, count: int) -> Listed:
    """The card in the answer `body[:count]` of type A. Raises CardCollisionError, CardError CRD-017 (not of ISO/IEC 14443-4), CRD-014."""
    _one(body)
    at = 7 + _byte(body, 7, count) + 1  # target, SENS_RES (2), SEL_RES, length of the UID, the UID, the ATS
    if not _byte(body, 6, count) & _ISO_14443_4 or at >= count:
        raise _unusable()
    end = at + body[at]
    if end > count or body[at] < 1:
        raise _nonsense()
    form = body[at + 1] if body[at] > 1 else 0
    at += 2
    ta = 0
    for bit in (0x10, 0x20, 0x40):
        if form & bit:
            if bit == 0x10:
                ta = _byte(body, at, end)
            at += 1
    return Listed(body[3], _atr(body[at:end]), ta)


def type_b(body: bytearray, count: int) -> Listed:
    """The card in the answer `body[:count]` of type B: target, ATQB (12 bytes), length and content of the answer to ATTRIB. Raises as `type_a`."""
    _one(body)
    if count < 17:
        raise _nonsense()
    if not body[14] & 1:
        raise _unusable()
    buffers = _byte(body, 17, count) & 0xF0 if body[16] else 0
    return Listed(body[3], _atr(body[9:16] + bytes((buffers,))), 0)


def found(body: bytearray, count: int) -> int:
    """How many cards an answer lists."""
    return _byte(body, _LISTED, count)


def _one(body: bytearray) -> None:
    if body[_LISTED] > 1:
        raise CardCollisionError("more than one card is in the field")


def _byte(body: bytearray, at: int, end: int) -> int:
    if at >= end:
        raise _nonsense()
    return body[at]


def _atr(historical: bytearray) -> bytes:
    kept = bytes(historical[:15])
    atr = b"\x3b" + bytes((0x80 | len(kept),)) + b"\x80\x01" + kept
    check = 0
    for byte in atr[1:]:
        check ^= byte
    return atr + bytes((check,))


def _unusable() -> CardError:
    return CardError("the card in the field is no processor card", "CRD-017", "take another card, or insert it")


def _nonsense() -> CardError:
    return CardError("the card reader's answer is cut short", "CRD-014", "present the card again")
