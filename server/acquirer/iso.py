"""ISO 8583:1987 messages towards the acquirer's host (pyiso8583): what is asked, and what an answer says.

    0100 / 0101   authorisation of a provisional payment / the same repeated        → 0110
    0100          authorisation of a payment whose card waits; it is never repeated, but reversed when in doubt
    0220 / 0221   advice: clear what the card approved or the host has authorised   → 0230
    0400 / 0401   reversal of either                                                → 0410

A request that may have been received is sent again as a *repeat*, with the same references, never as new. Field 37
(retrieval reference) and 11 (trace number) derive from the payment's identity, field 60 carries the identity itself:
device, epoch, sequence of the intent. The card's data are sealed for the host in field 48, with DE55 inside; the server
cannot open them, so a request has no field 2 or 35. An answer's field 55 is for the card: 91, 71, 72. Beside card data of an outcome record,
field 55 of 0100 and 0220 (and their repeats) says of the chip data what the record says in clear, as it says it: 9F26, 9F27, 9F36, 95, 84; the
sealed data leave them out where they are the same, and do not open with others. A clearing's or reversal's field 55 has 9F5B, the issuer
script results (EMV 4.4 Book 4, annex A5: five bytes a script), if there were scripts; only for card data that came with no issuer's answer
is there both, so what does not fit is the script results.

What an answer means rests on fields 39 and 4 together. Approving are 00, 08, 10 and 11 (`protocol.sync.APPROVED`), for every step. Field 4 is the
amount that the host speaks of; left out, it is the amount asked. A fine is paid whole or not at all, so an answer of another amount (a partial
approval, 00 that grants less, any amount of another currency in field 49) is no answer to what was asked, and an alarm (SRV-052):

    0110 while the card waits   in doubt, as if none had come: declined, and reversed once. So is one of OTHERWISE, without the alarm
    0110 of a deferred payment  declined, and reversed once
    0230, 0410                  approving another amount: a person must look, the row is FAILED (a void's end: refused). It is not asked again,
                                since a repeat is answered alike

Of what field 39 says otherwise, LATER and BROKEN are no verdict of an issuer; nor does UNSURE decide anything about a reversal. Every other code
is one: what speaks of the card or its account, what an issuer may well decline with (13, invalid amount), and what the standard leaves to nations
and networks (76 to 89, 97 to 99, with letters).
"""

import base64
import hashlib
from copy import deepcopy
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import iso8583
from iso8583.specs import default_ascii

from protocol import sync as s
from protocol import tlv
from protocol.emv import chip_data
from server import codes
from server.ledger.posting import Identity
from server.store import tables as t

SCRIPT_RESULTS = 0x9F5B
CURRENCY = "012"  # DZD, ISO 4217
OTHER_CURRENCY = (
    -1
)  # stands for whatever amount an answer in another currency (field 49) speaks of: never the one asked
LATER = {
    "09": "request in progress",
    "68": "response received too late",
    "90": "cut-off is in process",
    "91": "issuer or switch is inoperative",
    "92": "financial institution or network cannot be found for routing",
    "94": "duplicate transmission",
    "96": "system malfunction",
}
"""Field 39 (ISO 8583:1987, response code) that asks for patience: the request is put again later. What an issuer that was asked has done is open."""
NOT_NOW = "12"  # host: it is reversed, or was refused
NO_RECORD = "25"  # host knows nothing of this reference, and perhaps no card data came with it
BROKEN = {
    "03": "invalid merchant",
    "06": "error",
    NOT_NOW: "invalid transaction",
    "16": "approved, track 3 to be updated",
    "19": "re-enter transaction",
    "20": "invalid response",
    "21": "no action taken",
    "22": "suspected malfunction",
    "23": "unacceptable transaction fee",
    "24": "file update not supported by the receiver",
    NO_RECORD: "unable to locate the record",
    "26": "duplicate file update record",
    "27": "file update: error of a field",
    "28": "file update: file locked out",
    "29": "file update not successful",
    "30": "format error",
    "31": "bank not supported by the switch",
    "32": "completed partially",
    "40": "requested function not supported",
    "58": "transaction not permitted to the terminal",
    "63": "security violation",
    "64": "original amount incorrect",
    "95": "reconcile error",
}
"""Field 39 that speaks of the message, the terminal, the merchant or the host: what became of the payment a person must find out."""
OTHERWISE = ("16", "32")
"""Those of BROKEN that an issuer says who has done something, and not what was asked."""
UNSURE = ("06", "20", "22")
"""Those of BROKEN by which a host says that it does not know itself what has become of a request, or of the other host's answer to it. To a reversal
they are no decision: it is put again, as after LATER."""
UNJUDGED = frozenset(BROKEN).difference(OTHERWISE)
"""The others: no issuer has judged the payment."""
_FIRST = {t.STEP_AUTHORISE: "0100", t.STEP_CLEAR: "0220", t.STEP_REVERSE: "0400"}
_STEP_OF_ANSWER = {"0110": t.STEP_AUTHORISE, "0230": t.STEP_CLEAR, "0410": t.STEP_REVERSE}

SPEC: Any = deepcopy(default_ascii)
SPEC["48"] = {"data_enc": "b", "len_enc": "ascii", "len_type": 3, "max_len": 999, "desc": "Sealed card data"}
SPEC["55"] = {"data_enc": "b", "len_enc": "ascii", "len_type": 3, "max_len": 255, "desc": "Chip data"}
SPEC["60"] = {"data_enc": "ascii", "len_enc": "ascii", "len_type": 3, "max_len": 64, "desc": "Payment identity"}


@dataclass(frozen=True)
class Request:
    """One row of the outbox, ready to be sent."""

    identity: Identity
    step: int
    repeat: bool
    amount: int  # centimes
    utc: int  # when the card was used
    auth_code: str
    sealed: bytes | None
    wilaya: int
    script_results: bytes = b""  # at most records.MOST_SCRIPT_RESULTS
    clear: bytes = b""  # BER-TLV of what the outcome record says of the sealed chip data
    since: int = 0  # when it was put into the outbox
    turn: int = 0  # how often its row of the outbox was claimed, this time included; 0: it has none
    unmade: bool = False  # what it is made of cannot be read: it is not to be sent


@dataclass(frozen=True)
class Answer:
    """What the host said to one request."""

    identity: Identity
    step: int
    response: str  # field 39
    auth_code: str  # field 38
    reference: str  # field 37
    issuer_data: bytes = b""  # field 55: BER-TLV
    amount: int | None = None  # field 4, centimes; None: left out, so it is the amount asked

    @property
    def is_later(self) -> bool:
        """Whether it decides nothing, so that the request is put again."""
        return self.response in LATER or self.step == t.STEP_REVERSE and self.response in UNSURE

    def about(self, amount: int) -> bool:
        """Whether it answers a question about this amount."""
        return self.amount in (None, amount)

    @property
    def spoken_of(self) -> str:
        """The amount, for an alarm."""
        return "another currency" if self.amount == OTHER_CURRENCY else str(self.amount)

    def approves(self, amount: int) -> bool:
        """Whether it approves just this amount."""
        return self.response in s.APPROVED and self.about(amount)


def reference(identity: Identity) -> str:
    """Field 37: 12 characters that follow from the identity alone (60 bits of SHA-256, base32)."""
    digest = hashlib.sha256(f"tsd-ref/{identity[0]}/{identity[1]}/{identity[2]}".encode()).digest()
    return base64.b32encode(digest[:10])[:12].decode()


def _identity_text(identity: Identity) -> str:
    return f"{identity[0]}/{identity[1]}/{identity[2]}"


def in_clear(record: dict[int, Any]) -> bytes:
    """BER-TLV of what an outcome record says of its chip data, for the acquirer."""
    values = zip(chip_data.CLEAR, chip_data.clear(record), strict=True)
    return b"".join(tlv.encode(tag, value) for tag, value in values if value is not None)


def _chip_data(request: Request) -> bytes:
    """Field 55."""
    beside = request.sealed is not None and request.step in (t.STEP_AUTHORISE, t.STEP_CLEAR)
    data = request.clear if beside else b""
    if request.script_results and request.step in (t.STEP_CLEAR, t.STEP_REVERSE):
        scripts = tlv.encode(SCRIPT_RESULTS, request.script_results)
        data += scripts if len(data) + len(scripts) <= SPEC["55"]["max_len"] else b""
    return data


def encode(request: Request, now: int) -> bytes:
    """The message of a request; `now` is the time of transmission. AcquirerError SRV-053, unsent, if it cannot be written."""
    try:
        return _encoded(request, now)
    except (iso8583.EncodeError, ValueError, OverflowError, OSError) as error:
        unsendable = codes.AcquirerError("the request cannot be written as ISO 8583", codes.UNSENDABLE)
        unsendable.unsent = True
        raise unsendable from error


def _encoded(request: Request, now: int) -> bytes:
    if request.unmade:
        raise ValueError("what the request is made of cannot be read")
    mti = _FIRST[request.step]
    used, sent = datetime.fromtimestamp(request.utc, UTC), datetime.fromtimestamp(now, UTC)
    fields: dict[str, str] = {
        "t": mti[:3] + "1" if request.repeat else mti,
        "3": "000000",  # goods and services
        "4": f"{request.amount:012d}",
        "7": sent.strftime("%m%d%H%M%S"),
        "11": f"{request.identity[2] % 1_000_000:06d}",
        "12": used.strftime("%H%M%S"),
        "13": used.strftime("%m%d"),
        "22": "051",  # chip, PIN capable
        "37": reference(request.identity),
        "41": request.identity[0].replace("-", "")[-8:].rjust(8, "0"),
        "42": f"DZFINES{request.wilaya:08d}",
        "49": CURRENCY,
        "60": _identity_text(request.identity),
    }
    if request.step == t.STEP_CLEAR and request.auth_code:
        fields["38"] = request.auth_code[:6].ljust(6)
    if request.sealed is not None:
        fields["48"] = request.sealed.hex().upper()
    chip = _chip_data(request)
    if chip:
        fields["55"] = chip.hex().upper()
    return bytes(iso8583.encode(fields, SPEC)[0])


def _amount(field: str | None, currency: str | None) -> int | None:
    """Field 4, or OTHER_CURRENCY where field 49 is there and says so. ValueError if it is not twelve digits."""
    if currency not in (None, CURRENCY):
        return OTHER_CURRENCY
    if field is None:
        return None
    if len(field) != 12 or not (field.isascii() and field.isdigit()):
        raise ValueError("field 4 is no amount")
    return int(field)


def _printable(field: str) -> str:
    """The field. ValueError for what no paper, no record and no database takes."""
    if not (field.isascii() and field.isprintable()):
        raise ValueError("a field is not printable")
    return field


def _response(field: str) -> str:
    """Field 39. ValueError unless it is two letters or digits."""
    if len(field) != 2 or not (field.isascii() and field.isalnum()):
        raise ValueError("field 39 is no response code")
    return field


def decode(message: bytes) -> Answer:
    """The answer in `message`. AcquirerError SRV-051 if it is none, or names no identity."""
    try:
        fields, _ = iso8583.decode(message, SPEC)
        device, epoch, intent = fields["60"].split("/")
        identity = (device, int(epoch), int(intent))
        step = _STEP_OF_ANSWER[fields["t"]]
        issuer_data = bytes.fromhex(fields.get("55", ""))
        code, own = _printable(fields.get("38", "").strip(" \0")), fields["37"].strip()
        answer = Answer(
            identity, step, _response(fields["39"]), code, own, issuer_data, _amount(fields.get("4"), fields.get("49"))
        )
    except (iso8583.DecodeError, KeyError, ValueError) as error:
        raise codes.AcquirerError("the acquirer's answer cannot be read", codes.ACQUIRER_NONSENSE) from error
    if answer.reference != reference(identity):
        raise codes.AcquirerError("the acquirer's answer bears another reference", codes.ACQUIRER_NONSENSE)
    return answer
