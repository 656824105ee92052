"""A receipt's claim as a citizen, an officer or the centre reads it (`protocol.claim`): what it says, who issued it, what that means.

A signature proves that the terminal issued the claim; it does not say that nothing was reversed since. A provisional claim is genuine and yet
means *not yet paid*: `meaning` says so, and nobody may read "signature valid" as "paid".

    FMT-070 not a receipt's text, or not its fields; CRY-010/-011/-012 from `protocol.cose`: signature, algorithm, purpose
"""

from typing import TYPE_CHECKING

from protocol import base45, cbor, cose, records
from protocol.claim import AMOUNT, DATE, MAX_TEXT, OUTCOME, PREFIX, PV, TOKEN, ClaimError, ascii_text, check
from protocol.sync import TYPE_RECEIPT

if TYPE_CHECKING:
    from protocol.crypto import Crypto

PAID = "paid"
NOT_YET_PAID = "not-yet-paid"
NOT_PAID = "not-paid"
NOTHING_TAKEN = "nothing-taken"


class Claim:
    """A parsed claim, believed by nobody yet: `outcome` (OUTCOME_NOTICE or records.OUTCOME_*), `amount` (centimes), `date`
    ("YYYYMMDD"), `pv`, `token` (8 bytes), `kid` (the device's id)."""

    def __init__(self, kid: str, outcome: int, amount: int, date: str, pv: str, token: bytes) -> None:
        self.kid = kid
        self.outcome = outcome
        self.amount = amount
        self.date = date
        self.pv = pv
        self.token = token

    @property
    def meaning(self) -> str:
        """What the outcome means for the debt: PAID, NOT_YET_PAID (provisional), NOT_PAID (declined, notice) or NOTHING_TAKEN."""
        if self.outcome == records.OUTCOME_APPROVED:
            return PAID
        if self.outcome == records.OUTCOME_PROVISIONAL:
            return NOT_YET_PAID
        if self.outcome == records.OUTCOME_INTERRUPTED:
            return NOTHING_TAKEN
        return NOT_PAID


def claim_parse(text: str) -> Claim:
    """The claim in a text, its signature not looked at. ClaimError (or another FormatError) if it is none."""
    return _fields(_message(text))


def claim_verify(crypto: "Crypto", text: str, public: bytes) -> Claim:
    """The claim in a text, signed by the P-256 key `public` (65 bytes). CryptoError if the signature does not hold.

    That it holds says who issued it; look at `meaning` for what it says.
    """
    message = _message(text)
    claim = _fields(message)
    cose.sign1_verify(crypto, message, public, b"", TYPE_RECEIPT)
    return claim


def _message(text: str) -> cose.Sign1:
    if not text.startswith(PREFIX):
        raise ClaimError("this is not a receipt's code")
    if len(text) > MAX_TEXT:
        raise ClaimError("the code is too long", detail=len(text))
    return cose.sign1_parse(base45.decode(text[len(PREFIX) :]), False)


def _fields(message: cose.Sign1) -> Claim:
    if message.unprotected or len(message.protected) != 3 or message.payload is None:
        raise ClaimError("the code has other headers than a receipt's")
    kid = message.kid
    fields = cbor.decode(message.payload)
    if kid is None or not isinstance(fields, dict):
        raise ClaimError("the code lacks a field")
    device = ascii_text(kid)
    check(fields, device)
    date = str(fields[DATE])
    return Claim(device, fields[OUTCOME], fields[AMOUNT], date, fields[PV], fields[TOKEN])
