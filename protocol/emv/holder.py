"""What verified the cardholder, told from a kernel's Result: the CVM results (EMV 4.4 Book 4, 6.3.4.5) together with what they do not say.

Kernel 3 knows a device that verified its holder without CVM results, Kernel 2 gives it the code of an offline PIN: the Result says it apart.
A signature and an online PIN are counted as announced; whether they were taken is for the caller to see to.
"""

from typing import TYPE_CHECKING

from protocol import records as r

if TYPE_CHECKING:
    from protocol.emv.kernel import Result

_FAILED = 1
_METHODS = {
    0x01: r.HOLDER_PIN, 0x02: r.HOLDER_ONLINE_PIN, 0x03: r.HOLDER_PIN_SIGNATURE, 0x04: r.HOLDER_PIN, 0x05: r.HOLDER_PIN_SIGNATURE,
    0x1E: r.HOLDER_SIGNATURE,
}  # fmt: skip


def verified(result: "Result") -> int:
    """records.HOLDER_*."""
    if result.device:
        return r.HOLDER_DEVICE
    found = result.cvm_results
    if len(found) != 3 or found[2] == _FAILED:
        return r.HOLDER_UNVERIFIED
    return _METHODS.get(found[0] & 0x3F, r.HOLDER_UNVERIFIED)


def signs(result: "Result") -> bool:
    """Whether the payment stands only with the cardholder's signature."""
    return result.signature and result.outcome in (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL)
