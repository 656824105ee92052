"""Pre-processing (EMV Contactless Book B, 3.1.1): which combinations may take this amount, and what each tells the card beforehand.

At or above the limit not taken (3.1.1.5), above the floor limit online (3.1.1.6), at or above the CVM limit verified (3.1.1.8). An amount of zero
(3.1.1.4) is never taken contactless: there is nothing to pay, and no status check (3.1.1.3) is asked for.
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from protocol.emv.contactless.params import Combination, ContactlessParams

_OWN = b"\x7f\x3f\x7f\xff"  # no magnetic stripe, no issuer update whatever the set says; byte 2's two upper bits are of the transaction
_ONLINE_CRYPTOGRAM = 0x80
_CVM_REQUIRED = 0x40


class Ready:
    """A combination that may be used, with its indicators (Book A, table 5-3). `ttq`: 9F66 for kernel 3 (3.1.1.2, 3.1.1.9 to 3.1.1.12)."""

    def __init__(self, combination: "Combination", amount: int) -> None:
        self.combination = combination
        self.floor_exceeded = amount > combination.floor
        self.cvm_required = amount >= combination.cvm_limit
        ttq = bytearray([combination.ttq[i] & _OWN[i] for i in range(4)])
        if self.floor_exceeded or not combination.offline:
            ttq[1] |= _ONLINE_CRYPTOGRAM
        if self.cvm_required:
            ttq[1] |= _CVM_REQUIRED
        self.ttq = bytes(ttq)


def ready(params: "ContactlessParams", amount: int) -> "list[Ready]":
    """The combinations that may take `amount` (centimes); none: use the other interface."""
    return [Ready(each, amount) for each in params.combinations if 0 < amount < _limit(each)]


def _limit(combination: "Combination") -> int:
    """The higher of two where the kernel itself has a second limit for devices that verify their holder (Kernel 2)."""
    return max(combination.limit, combination.device_limit) if combination.kernel == 2 else combination.limit
