"""From the card's cryptogram to the outcome (EMV Contactless Book C-2, S910.70 to S910.75): phone first, then TC, ARQC, AAC."""

from typing import TYPE_CHECKING

from protocol.emv import state
from protocol.emv.contactless import outcome as outcomes
from protocol.emv.contactless import ui
from protocol.emv.contactless.c2 import data
from protocol.emv.steps import taa
from protocol.errors import EmvError

if TYPE_CHECKING:
    from protocol.emv.state import Session
    from protocol.emv.steps.gac import Cryptogram

_SECOND_TAP = b"\x00\x03\x0f"  # bits of DF4B that want the holder to do something on the device
_CONTACTS = 0x20  # 9F33, byte 1: "IC with contacts"
_PAYMENTS = (0x00, 0x01, 0x09, 0x17)  # 9C: goods or services, cash, cashback, cash disbursement
_RELAY = state.RELAY_THRESHOLD & 0xFF | state.RELAY_TIME_LIMITS & 0xFF


def conclude(s: "Session", found: "Cryptogram", word: str) -> outcomes.Outcome:
    """The Outcome; `word` is the CVM. A TC or ARQC whose signature failed ends the application (S910.7), a TC needs one."""
    if found.failed:
        return _ended(s, found, "combined data authentication failed", "EMV-121")
    if _wants_holder(s):
        s.note("PHONE", "see-phone DF4B")
        return outcomes.Outcome(outcomes.TRY_AGAIN, ui.SEE_PHONE, word)
    if found.kind == taa.AAC:
        return _declined(s, found, word)
    s.signature = word == outcomes.SIGNATURE
    s.online_pin = word == outcomes.ONLINE_PIN
    if found.kind == taa.ARQC:
        return _made(outcomes.ONLINE_REQUEST, ui.AUTHORISING, word, found)
    if not found.signed:
        return _ended(s, found, "an offline approval needs CDA", "EMV-122")
    return _made(outcomes.APPROVED, ui.APPROVED_SIGN if s.signature else ui.APPROVED, word, found)


def _made(kind: int, message: int, word: str, found: "Cryptogram") -> outcomes.Outcome:
    made = outcomes.Outcome(kind, message, word)
    made.cryptogram = found
    return made


def _ended(s: "Session", found: "Cryptogram", message: str, code: str) -> outcomes.Outcome:
    if code == "EMV-122":
        s.note("RULE", "offline-needs-cda")
    ended = _made(outcomes.END_APPLICATION, ui.TRY_ANOTHER_CARD, outcomes.NOT_APPLICABLE, found)
    ended.reason, ended.error = code, EmvError(message, code)
    return ended


def _wants_holder(s: "Session") -> bool:
    value = s.get(data.INTERACTION) or b""
    return len(value) == 3 and any([value[i] & _SECOND_TAP[i] for i in range(3)])


def _declined(s: "Session", found: "Cryptogram", word: str) -> outcomes.Outcome:
    """AAC: a card goes to the contact reader if there is one, a phone has nothing to insert."""
    if s.txn["type"] not in _PAYMENTS:
        return _made(outcomes.END_APPLICATION, ui.CLEAR, word, found)
    if s.terminal[data.CAPABILITIES][0] & _CONTACTS and not _is_phone(s):
        made = _made(outcomes.TRY_ANOTHER_INTERFACE, ui.INSERT_CARD, word, found)
    else:
        made = _made(outcomes.DECLINED, ui.DECLINED, word, found)
        made.reason = "Z1"
    if s.tvr[4] & _RELAY:
        made.reason, made.error = "EMV-144", EmvError("relay resistance failed", "EMV-144", detail="95")
    return made


def _is_phone(s: "Session") -> bool:
    """Whether third party data (9F6E) name a device that is no card: bit 8 of the unique identifier clear, device type other than "00"."""
    value = s.card.get(data.THIRD_PARTY)
    return value is not None and len(value) >= 5 and not value[2] & 0x80 and value[4:6] != b"00"
