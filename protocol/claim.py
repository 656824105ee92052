"""The receipt's signed claim: what its QR code says, and what that means.

    "TSD1:" + base45( COSE_Sign1, untagged )       alphanumeric mode of QR; base45 is RFC 9285
    protected {1: -7 (ES256), 3: "tsd/r", 4: device id}
    payload   {1: outcome, 2: amount in centimes, 3: date as the number YYYYMMDD, 4: PV number, 5: 8 random bytes}

No name, no plate, no card. At most 164 bytes, which is a version 9 symbol at level M. The random token makes a claim unguessable
and ties it to the record that holds the same token. A signature proves that the terminal issued the claim; it does not say that
nothing was reversed since. A provisional claim is genuine and yet means *not yet paid*: `meaning` says so, and nobody may read
"signature valid" as "paid".

    FMT-070 not a receipt's text, or not its fields; CRY-010/-011/-012 from `protocol.cose`: signature, algorithm, purpose
"""

from typing import TYPE_CHECKING

from protocol import base45, cbor, cose, records
from protocol.errors import FormatError
from protocol.sync import TYPE_RECEIPT

if TYPE_CHECKING:
    from typing import Any

    from protocol.crypto import Crypto

PREFIX = "TSD1:"
OUTCOME_NOTICE = 0  # nothing was paid: the notice with its 10-day document
MAX_BYTES = 164
MAX_TEXT = 5 + 246
TOKEN_BYTES = 8

_OUTCOME = 1
_AMOUNT = 2
_DATE = 3
_PV = 4
_TOKEN = 5

PAID = "paid"
NOT_YET_PAID = "not-yet-paid"
NOT_PAID = "not-paid"
NOTHING_TAKEN = "nothing-taken"


class ClaimError(FormatError):
    """Text that is no receipt's claim."""

    code = "FMT-070"
    hint = "scan the code again"


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


def claim_prepare(
    outcome: int, amount: int, date: str, pv: str, token: bytes, kid: str
) -> "tuple[bytes, bytes, bytes]":
    """(protected, payload, digest32): the digest goes to the secure element, the rest to `claim_assemble`. ClaimError if a field
    does not fit: `pv` 1..32 and `kid` 1..16 ASCII characters, `date` YYYYMMDD."""
    fields = {
        _OUTCOME: outcome,
        _AMOUNT: amount,
        _DATE: int(date) if _is_date(date) else 0,
        _PV: pv,
        _TOKEN: bytes(token),
    }
    _check(fields, kid)
    payload = cbor.encode(fields)
    header: "dict[int | str, Any]" = {cose.ALG: cose.ES256, cose.CONTENT_TYPE: TYPE_RECEIPT, cose.KID: kid.encode()}
    protected, digest = cose.sign1_prepare(header, payload)
    return protected, payload, digest


def claim_assemble(protected: bytes, payload: bytes, signature: bytes) -> str:
    """The QR code's text, with the secure element's 64-byte signature."""
    message = cose.sign1_assemble(protected, {}, payload, signature, False)
    if len(message) > MAX_BYTES:
        raise ClaimError("the claim is too long", detail=len(message))
    return PREFIX + base45.encode(message)


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
    device = _ascii(kid)
    _check(fields, device)
    date = str(fields[_DATE])
    return Claim(device, fields[_OUTCOME], fields[_AMOUNT], date, fields[_PV], fields[_TOKEN])


def _ascii(data: bytes) -> str:
    for byte in data:
        if not 0x20 <= byte < 0x7F:
            raise ClaimError("a text that is not ASCII")
    return bytes(data).decode()


def _is_date(text: str) -> bool:
    if len(text) != 8:
        return False
    for character in text:
        if not "0" <= character <= "9":
            return False
    return text >= "20000101" and 1 <= int(text[4:6]) <= 12 and 1 <= int(text[6:8]) <= 31


def _check(fields: dict, kid: str) -> None:
    """The rules that hold in both directions; ClaimError with the field's number as detail."""
    if len(fields) != 5:
        raise ClaimError("the claim has other fields than a receipt's")
    for number in (_OUTCOME, _AMOUNT, _DATE):
        value = fields.get(number)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ClaimError("a field is no number", detail=number)
    if fields[_OUTCOME] > records.OUTCOME_INTERRUPTED:
        raise ClaimError("an unknown outcome", detail=_OUTCOME)
    if fields[_AMOUNT] >= 1 << 32:
        raise ClaimError("the amount is out of range", detail=_AMOUNT)
    if not _is_date(str(fields[_DATE])):
        raise ClaimError("the date is none", detail=_DATE)
    for text, longest, number in ((fields.get(_PV), 32, _PV), (kid, 16, 0)):
        if not isinstance(text, str) or not 1 <= len(text) <= longest:
            raise ClaimError("a text is too long or missing", detail=number)
        _ascii(text.encode())
    if not isinstance(fields.get(_TOKEN), bytes) or len(fields[_TOKEN]) != TOKEN_BYTES:
        raise ClaimError("the token has not 8 bytes", detail=_TOKEN)
