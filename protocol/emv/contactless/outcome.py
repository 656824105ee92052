"""What a kernel ends with: the Outcome Parameter Set (EMV Contactless Book A, table 6-2), as far as this terminal uses it."""

from typing import TYPE_CHECKING

from protocol.emv.contactless import ui

if TYPE_CHECKING:
    from protocol.emv.steps.gac import Cryptogram

APPROVED = 1
DECLINED = 2
ONLINE_REQUEST = 3
TRY_AGAIN = 4
SELECT_NEXT = 5
TRY_ANOTHER_INTERFACE = 6
END_APPLICATION = 7

NO_CVM = "none"
SIGNATURE = "signature"
ONLINE_PIN = "online-pin"
CONFIRMED = "device"  # CDCVM: the cardholder's own device has verified
NOT_APPLICABLE = ""


class Outcome:
    """`kind` one of the numbers above, `cvm` one of the words, `message` a `ui` identifier for the person.

    `cryptogram`: a `protocol.emv.steps.gac.Cryptogram`, or None when the card gave none; `reason`: the coded reason behind a refusal
    (EMV-1xx) or ""; `error`: the EmvError, if any. TVR, CVM results and data objects are in the session.
    """

    def __init__(self, kind: int, message: int = ui.CLEAR, cvm: str = NOT_APPLICABLE) -> None:
        self.kind = kind
        self.message = message
        self.cvm = cvm
        self.cryptogram: "Cryptogram | None" = None
        self.reason = ""
        self.error: "Exception | None" = None
