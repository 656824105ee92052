"""The receipt's signed claim: what its QR code says.

    "TSD1:" + base45( COSE_Sign1, untagged )       alphanumeric mode of QR; base45 is RFC 9285
    protected {1: -7 (ES256), 3: "tsd/r", 4: device id}
    payload   {1: outcome, 2: amount in centimes, 3: date as the number YYYYMMDD, 4: PV number, 5: 8 random bytes}

No name, no plate, no card. At most 164 bytes, which is a version 9 symbol at level M. The random token makes a claim unguessable
and ties it to the record that holds the same token. A signature proves that the terminal issued the claim; it does not say that
nothing was reversed since. A provisional claim is genuine and yet means *not yet paid*: nobody may read "signature valid" as "paid". Who reads one is
`protocol.claim_reader`.

    FMT-070 not a receipt's fields
"""

from typing import TYPE_CHECKING

from protocol import base45, cbor, cose, records
from protocol.errors import FormatError
from protocol.sync import TYPE_RECEIPT

if TYPE_CHECKING:
    from typing import Any


PREFIX = "TSD1:"
OUTCOME_NOTICE = 0  # nothing was paid: the notice with its 10-day document
MAX_BYTES = 164
MAX_TEXT = 5 + 246
TOKEN_BYTES = 8

OUTCOME = 1  # and on: keys of the payload
AMOUNT = 2
DATE = 3
PV = 4
TOKEN = 5


class ClaimError(FormatError):
    """Text that is no receipt's claim."""

    code = "FMT-070"
    hint = "scan the code again"


def claim_prepare(
    outcome: int, amount: int, date: str, pv: str, token: bytes, kid: str
) -> "tuple[bytes, bytes, bytes]":
    """(protected, payload, digest32): the digest goes to the secure element, the rest to `claim_assemble`. ClaimError if a field
    does not fit: `pv` 1..32 and `kid` 1..16 ASCII characters, `date` YYYYMMDD."""
    fields = {
        OUTCOME: outcome,
        AMOUNT: amount,
        DATE: int(date) if _is_date(date) else 0,
        PV: pv,
        TOKEN: bytes(token),
    }
    check(fields, kid)
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


def ascii_text(data: bytes) -> str:
    """The text of printable ASCII; ClaimError of anything else."""
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


def check(fields: dict, kid: str) -> None:
    """The rules that hold in both directions; ClaimError with the field's number as detail."""
    if len(fields) != 5:
        raise ClaimError("the claim has other fields than a receipt's")
    for number in (OUTCOME, AMOUNT, DATE):
        value = fields.get(number)
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise ClaimError("a field is no number", detail=number)
    if fields[OUTCOME] > records.OUTCOME_INTERRUPTED:
        raise ClaimError("an unknown outcome", detail=OUTCOME)
    if fields[AMOUNT] >= 1 << 32:
        raise ClaimError("the amount is out of range", detail=AMOUNT)
    if not _is_date(str(fields[DATE])):
        raise ClaimError("the date is none", detail=DATE)
    for text, longest, number in ((fields.get(PV), 32, PV), (kid, 16, 0)):
        if not isinstance(text, str) or not 1 <= len(text) <= longest:
            raise ClaimError("a text is too long or missing", detail=number)
        ascii_text(text.encode())
    if not isinstance(fields.get(TOKEN), bytes) or len(fields[TOKEN]) != TOKEN_BYTES:
        raise ClaimError("the token has not 8 bytes", detail=TOKEN)
