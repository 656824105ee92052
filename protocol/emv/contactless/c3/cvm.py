"""Cardholder verification of Kernel 3 (Book C-3, 5.7): the card names the method in its transaction qualifiers, the terminal says whether one is
needed. No list, no PIN for the card.
"""

from typing import TYPE_CHECKING

from protocol.emv import tags
from protocol.emv.contactless import outcome as o

if TYPE_CHECKING:
    from protocol.emv.state import Session

IMPOSSIBLE = ""

_PIN_SUPPORTED, _SIGNATURE_SUPPORTED = 0x04, 0x02  # 9F66, byte 1
_REQUIRED = 0x40  # 9F66, byte 2
_DEVICE_SUPPORTED = 0x40  # 9F66, byte 3
_WANTS_PIN, _WANTS_SIGNATURE = 0x80, 0x40  # 9F6C, byte 1
_DEVICE_VERIFIED = 0x80  # 9F6C, byte 2

_RESULTS = {o.NO_CVM: b"\x1f\x00\x02", o.SIGNATURE: b"\x1e\x00\x00", o.ONLINE_PIN: b"\x02\x00\x00"}


def choose(s: "Session", ctq: "bytes | None", proven: bool) -> str:
    """A word of `outcome`, or IMPOSSIBLE: the holder must be verified and cannot be, or a claim has no proof. `proven`: fDDA held."""
    method = _choose(s.terminal[tags.TTQ], ctq, proven)
    s.signature = method == o.SIGNATURE
    s.cvm[:] = _RESULTS.get(method, b"\x3f\x00\x00")
    return method


def _choose(ttq: bytes, ctq: "bytes | None", proven: bool) -> str:
    if ctq is None:
        return _unasked(ttq)
    if ctq[0] & _WANTS_PIN and ttq[0] & _PIN_SUPPORTED:
        return o.ONLINE_PIN
    if ctq[1] & _DEVICE_VERIFIED:
        return o.CONFIRMED if proven else IMPOSSIBLE
    if ctq[0] & _WANTS_SIGNATURE and ttq[0] & _SIGNATURE_SUPPORTED:
        return o.SIGNATURE
    return IMPOSSIBLE if ttq[1] & _REQUIRED else o.NO_CVM


def _unasked(ttq: bytes) -> str:
    """The card names no method (5.7.1.1): signature, else online PIN, but that only where a device could have verified its holder too."""
    if not ttq[1] & _REQUIRED:
        return o.NO_CVM
    if ttq[0] & _SIGNATURE_SUPPORTED:
        return o.SIGNATURE
    return o.ONLINE_PIN if ttq[0] & _PIN_SUPPORTED and ttq[2] & _DEVICE_SUPPORTED else IMPOSSIBLE
