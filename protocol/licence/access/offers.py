"""The PACEInfos that a chip offers, in EF.CardAccess and again in DG14 (ICAO Doc 9303-11 section 9.2.1)."""

from typing import TYPE_CHECKING

from protocol.der import SEQUENCE, SET, Der
from protocol.errors import FormatError
from protocol.licence.access import keys
from protocol.licence.channel import ELSEWHERE
from protocol.licence.errors import AccessError

if TYPE_CHECKING:
    Bytes = bytes | bytearray | memoryview

PACE = b"\x04\x00\x7f\x00\x07\x02\x02\x04"  # 0.4.0.127.0.7.2.2.4
GENERIC_DH, GENERIC, INTEGRATED_DH, INTEGRATED, CHIP_AUTHENTICATION = 1, 2, 3, 4, 6
_MAPPINGS = (GENERIC_DH, GENERIC, INTEGRATED_DH, INTEGRATED, CHIP_AUTHENTICATION)
_CIPHERS = (keys.DES3, keys.AES128, keys.AES192, keys.AES256)


class Offer:
    """One PACEInfo: `oid` bytes, `mapping` (GENERIC …), `cipher` (keys.AES128 …), `domain` number."""

    def __init__(self, oid: bytes, number: int) -> None:
        self.oid = oid
        self.mapping = oid[-2]
        self.cipher = _CIPHERS[oid[-1] - 1]
        self.domain = number


def offers(card_access: "Bytes") -> "list[Offer]":
    """The PACEInfos with a standardised domain in EF.CardAccess, in its order; AccessError LIC-024 if it is malformed.

    Nobody signed it: lengths in any of BER's forms count, and what fills the file up behind its one object does not.
    """
    found = []
    try:
        infos = _infos(card_access)
        while infos.more():
            info = infos.enter(SEQUENCE)
            oid = info.oid()
            if len(oid) != 10 or oid[:8] != PACE or oid[8] not in _MAPPINGS or not 1 <= oid[9] <= 4:
                continue
            if info.integer(1) == 2 and info.more():
                found.append(Offer(oid, info.integer(1)))
    except FormatError as cause:
        raise AccessError("EF.CardAccess is malformed", "LIC-024", ELSEWHERE, cause.detail)
    return found


def _infos(card_access: "Bytes") -> Der:
    return Der(card_access, ber=True).enter(SET)


def named(card_access: "Bytes") -> bool:
    """Whether a well-formed EF.CardAccess offers PACE in any form, one that `offers` leaves out too: without a standardised domain, of another
    version, with an unknown mapping."""
    infos = _infos(card_access)
    while infos.more():
        if infos.enter(SEQUENCE).oid()[:8] == PACE:
            return True
    return False
