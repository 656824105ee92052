"""Data objects of Kernel 2 (EMV Contactless Book C-2, annex A), and what the terminal sets before the first command.

Kept in `Session.terminal` like all others, so that a PDOL, CDOL1 or DRDOL may ask for them.
"""

from typing import TYPE_CHECKING

from protocol.emv import tags
from protocol.emv.contactless.params import Combination
from protocol.errors import EmvError

if TYPE_CHECKING:
    from protocol.emv.state import Session

CAPABILITIES = 0x9F33
CAPABILITIES_INFORMATION = 0x9F5D  # "application capabilities information", from the FCI's BF0C
DISCRETIONARY = 0xBF0C
DRDOL = 0x9F51
INTERACTION = 0xDF4B  # "POS cardholder interaction information"
MOBILE_SUPPORT = 0x9F7E
THIRD_PARTY = 0x9F6E
CONTROL = 0xDF8114  # "reference control parameter": P1 of GENERATE AC
TERMINAL_ENTROPY = 0xDF8301
DEVICE_ENTROPY = 0xDF8302
MIN_TIME = 0xDF8303
MAX_TIME = 0xDF8304
DEVICE_ESTIMATE = 0xDF8305
MEASURED = 0xDF8306
RELAY_COUNTER = 0xDF8307

# what an FCI's BF0C holds: log entry, application selection registered proprietary data, program identifier, data storage; nothing signs it
_DISCRETIONARY = (0x9F4D, 0x9F0A, 0x9F5A, CAPABILITIES_INFORMATION, 0x9F5E, 0x9F5F, THIRD_PARTY)

# DF811B, kernel configuration
DEVICE_CVM_SUPPORTED = 0x20
RELAY_SUPPORTED = 0x10
# 82, byte 1 and byte 2
AIP_DEVICE_CVM = 0x02
AIP_EMV_MODE = 0x80
AIP_RELAY = 0x01


def combination(s: "Session") -> Combination:
    """The parameters of the combination that the entry point chose."""
    chosen = s.chosen
    if not isinstance(chosen, Combination):
        raise EmvError("no application is selected", "EMV-110")
    return chosen


def prepare(s: "Session") -> None:
    """Set what differs from a contact transaction; the CVM capability (second byte of 9F33) is not known yet."""
    capabilities = combination(s).capabilities
    s.terminal[CAPABILITIES] = bytes([capabilities[0], 0, capabilities[2]])
    s.terminal[MOBILE_SUPPORT] = b"\x01"
    s.relay = b""
    s.follow = False
    s.terminal[0x9F39] = b"\x07"  # point-of-service entry mode: contactless chip
    s.admit(tags.objects(s.card.get(DISCRETIONARY, b"")), _DISCRETIONARY, "SELECT")


def device_verifies(s: "Session") -> bool:
    """Whether both sides support cardholder verification by the device (Book C-2, CVM.1)."""
    return bool(s.aip & AIP_DEVICE_CVM and combination(s).configuration[0] & DEVICE_CVM_SUPPORTED)


def cvm_required(s: "Session") -> bool:
    """Whether the amount reaches the CVM limit (the book's limit is the highest amount without; the parameters' is the first with)."""
    return s.txn["amount"] >= combination(s).cvm_limit
