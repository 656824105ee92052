"""Cardholder verification (EMV 4.4 Book 3, 10.5; results as Book 4, 6.3.4.5 tables them).

Walks the CVM list: condition, code known, code supported, performed; bit 7 of the code leads on to the next rule after a
failure. Methods: fail, offline PIN (`steps.pin`), online PIN, signature, both PIN and signature, no CVM. Biometric codes of
EMV 4.4 count as not recognised, because this terminal has no sensor.
"""

from typing import TYPE_CHECKING

from protocol.emv import state, tags
from protocol.emv.steps import pin
from protocol.errors import EmvError
from protocol.pack import hexed

if TYPE_CHECKING:
    from protocol.emv.state import Session, Steps

FAIL = 0x00
PLAIN_PIN = 0x01
ONLINE_PIN = 0x02
PLAIN_PIN_SIGNATURE = 0x03
ENCIPHERED_PIN = 0x04
ENCIPHERED_PIN_SIGNATURE = 0x05
SIGNATURE = 0x1E
NO_CVM = 0x1F

UNKNOWN = 0
FAILED = 1
SUCCESSFUL = 2

# what 9F33 byte 2 must announce: code, mask
_NEEDS = bytes((FAIL, 0, PLAIN_PIN, 0x80, ONLINE_PIN, 0x40, PLAIN_PIN_SIGNATURE, 0xA0, ENCIPHERED_PIN, 0x10,
                ENCIPHERED_PIN_SIGNATURE, 0x30, SIGNATURE, 0x20, NO_CVM, 0x08))  # fmt: skip
_OFFLINE_PIN = (PLAIN_PIN, PLAIN_PIN_SIGNATURE, ENCIPHERED_PIN, ENCIPHERED_PIN_SIGNATURE)


def run(s: "Session") -> "Steps":
    """Verify the cardholder; sets CVM results, TVR byte 3 and the TSI bit."""
    if not s.aip & 0x10:
        s.note("CVM 3F0000", "not-supported-by-card 82")
        return
    rules = s.card.get(tags.CVM_LIST)
    if rules is None:
        s.set_tvr(state.ICC_DATA_MISSING, "cvm-list-missing 8E")
        return
    if len(rules) % 2:
        raise EmvError("data object of a wrong length", "EMV-102", detail="8E")
    if len(rules) == 8:
        s.note("CVM 3F0000", "no-rules 8E")
        return
    s.set_tsi(state.CVM_PERFORMED)
    yield ("progress", "cvm", 0, 1)
    performed = yield from _walk(s, rules)
    if not performed:
        s.cvm[2] = FAILED if s.cvm[0] == 0x3F else s.cvm[2]
        s.set_tvr(state.CARDHOLDER_NOT_VERIFIED, "no-rule-succeeded 8E")
    s.note("CVM " + hexed(s.cvm).upper(), "result")


def _walk(s: "Session", rules: bytes) -> "Steps":
    """Whether a rule succeeded (or is left to signature or online PIN)."""
    x, y = tags.number(rules[:4]), tags.number(rules[4:8])
    for i in range(8, len(rules), 2):
        code, condition = rules[i] & 0x3F, rules[i + 1]
        if not applies(s, condition, code, x, y):
            s.note("CVM rule " + str(i // 2 - 3), f"condition-not-met {condition:02X}")
            continue
        needs = needed(code)
        if needs is None:
            s.set_tvr(state.UNRECOGNISED_CVM, f"unrecognised {rules[i]:02X} 8E")
        elif code != FAIL and not supported(s, code):
            s.note("CVM rule " + str(i // 2 - 3), f"unsupported {code:02X} 9F33")
            _unsupported(s, code)
        else:
            s.cvm[0], s.cvm[1] = rules[i], condition
            s.cvm[2] = yield from _perform(s, code)
            s.note("CVM rule " + str(i // 2 - 3), f"performed {rules[i]:02X}")
            if s.cvm[2] != FAILED:
                return True
        if not rules[i] & 0x40:
            return False
    return False


def needed(code: int) -> "int | None":
    """The bits of 9F33 byte 2 that a CVM code needs; None if the code is not recognised."""
    for i in range(0, len(_NEEDS), 2):
        if _NEEDS[i] == code:
            return _NEEDS[i + 1]
    return None


def supported(s: "Session", code: int) -> bool:
    """Whether the terminal can do a CVM."""
    mask = needed(code)
    return mask is not None and s.terminal[0x9F33][1] & mask == mask


def _unsupported(s: "Session", code: int) -> None:
    """Book 3, 10.5.1 and 10.5.2: "no PIN pad" only if no offline (no online) PIN at all can be done."""
    offline = code in _OFFLINE_PIN and not s.terminal[0x9F33][1] & 0x90
    if offline or code == ONLINE_PIN:
        s.set_tvr(state.NO_PIN_PAD, f"pin-not-supported {code:02X} 9F33")


def applies(s: "Session", condition: int, code: int, x: int, y: int) -> bool:
    """Whether a CVM condition code holds (Book 3, annex C3); unknown ones and missing data do not."""
    kind = s.txn["type"]
    cash = kind == 0x01
    attended = s.chosen.terminal_type & 0x0F <= 3
    if condition == 0x00:
        return True
    if condition == 0x01:
        return cash and not attended
    if condition == 0x02:
        return not cash and kind != 0x09
    if condition == 0x03:
        return code == FAIL or supported(s, code)
    if condition == 0x04:
        return cash and attended
    if condition == 0x05:
        return kind == 0x09
    if not 0x06 <= condition <= 0x09 or s.card.get(tags.APPLICATION_CURRENCY) != s.terminal[tags.CURRENCY]:
        return False
    limit = x if condition <= 0x07 else y
    amount = s.txn["amount"]
    return amount > limit if condition & 1 else amount < limit


def _perform(s: "Session", code: int) -> "Steps":
    """Do it: UNKNOWN, FAILED or SUCCESSFUL."""
    if code == NO_CVM:
        return SUCCESSFUL
    if code == SIGNATURE:
        s.signature = True
        return UNKNOWN
    if code == ONLINE_PIN:
        return UNKNOWN if (yield from pin.online(s)) else FAILED
    if code in _OFFLINE_PIN:
        enciphered = code in (ENCIPHERED_PIN, ENCIPHERED_PIN_SIGNATURE)
        if not (yield from pin.offline(s, enciphered)):
            return FAILED
        if code in (PLAIN_PIN, ENCIPHERED_PIN):
            return SUCCESSFUL
        s.signature = True
        return UNKNOWN
    s.note("CVM", "fail-cvm 8E")
    return FAILED
