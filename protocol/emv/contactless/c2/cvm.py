"""CVM selection of Kernel 2 (EMV Contactless Book C-2, CVM.1 to CVM.25): by the device, by the card's list, or none.

Nothing is asked here: online PIN and signature are taken after the card has gone, and the outcome says so. There is no offline PIN: the CVM
capability of the reader (DF8118, DF8119) must not announce it.
"""

from typing import TYPE_CHECKING

from protocol.emv import state, tags
from protocol.emv.contactless import outcome
from protocol.emv.contactless.c2 import data
from protocol.emv.steps import cvm
from protocol.errors import EmvError
from protocol.pack import hexed

if TYPE_CHECKING:
    from protocol.emv.state import Session

_CONTACTLESS = 0x68  # online PIN, signature, no CVM
_DEVICE = 0x01  # "plaintext PIN verification by the ICC" stands for the device in the CVM results
_WORDS = {cvm.ONLINE_PIN: outcome.ONLINE_PIN, cvm.SIGNATURE: outcome.SIGNATURE, cvm.NO_CVM: outcome.NO_CVM}


def select(s: "Session") -> str:
    """Choose; sets the CVM capability in 9F33, CVM results and TVR byte 3. Returns the outcome's word."""
    chosen = data.combination(s)
    required = data.cvm_required(s)
    if required:
        s.note("CVM", "limit-reached 9F02")
    capability = (chosen.cvm_capability if required else chosen.no_cvm_capability)[0] & _CONTACTLESS
    s.terminal[data.CAPABILITIES] = bytes([chosen.capabilities[0], capability, chosen.capabilities[2]])
    word = _select(s, required)
    why = "result"
    if data.device_verifies(s):
        why = "device-verified 82" if required else "cvm-not-needed 9F02"
    s.note("CVM " + hexed(s.cvm).upper(), why)
    return word


def word_of(results: bytes) -> str:
    """The outcome's word that CVM results stand for: after a recovery only they are left."""
    if results[2] == cvm.FAILED:
        return outcome.NO_CVM
    return outcome.CONFIRMED if results[0] & 0x3F == _DEVICE else _WORDS.get(results[0] & 0x3F, outcome.NO_CVM)


def _select(s: "Session", required: bool) -> str:
    if data.device_verifies(s):
        s.cvm[0], s.cvm[1], s.cvm[2] = (_DEVICE if required else 0x3F), 0, cvm.SUCCESSFUL
        return outcome.CONFIRMED if required else outcome.NO_CVM
    s.cvm[0], s.cvm[1], s.cvm[2] = 0x3F, 0, cvm.UNKNOWN
    if not s.aip & 0x10:
        return outcome.NO_CVM
    rules = s.card.get(tags.CVM_LIST)
    if rules is None or len(rules) == 8:
        s.set_tvr(state.ICC_DATA_MISSING, "cvm-list-missing 8E")
        return outcome.NO_CVM
    if len(rules) % 2:
        raise EmvError("data object of a wrong length", "EMV-102", detail="8E")
    return _walk(s, rules)


def _walk(s: "Session", rules: bytes) -> str:
    """The first rule whose condition holds and whose method the reader has; failing that, why the last one did not help."""
    x, y = tags.number(rules[:4]), tags.number(rules[4:8])
    last = None  # the last rule, if it was "fail CVM processing"
    for i in range(8, len(rules), 2):
        code, condition = rules[i] & 0x3F, rules[i + 1]
        last = None
        if not cvm.applies(s, condition, code, x, y):
            s.note("CVM rule " + str(i // 2 - 3), f"condition-not-met {condition:02X}")
            continue
        if code in _WORDS and cvm.supported(s, code):
            return _perform(s, rules[i], condition)
        if code == cvm.FAIL:
            last = rules[i : i + 2]
        elif cvm.needed(code) is None:
            s.set_tvr(state.UNRECOGNISED_CVM, f"unrecognised {rules[i]:02X} 8E")
        else:
            s.note("CVM rule " + str(i // 2 - 3), f"unsupported {code:02X} 9F33")
        if not rules[i] & 0x40:
            break
    s.set_tvr(state.CARDHOLDER_NOT_VERIFIED, "no-rule-succeeded 8E")
    if last is not None:
        s.cvm[0], s.cvm[1] = last[0], last[1]
    s.cvm[2] = cvm.FAILED
    return outcome.NO_CVM


def _perform(s: "Session", rule: int, condition: int) -> str:
    code = rule & 0x3F
    s.cvm[0], s.cvm[1], s.cvm[2] = rule, condition, cvm.SUCCESSFUL if code == cvm.NO_CVM else cvm.UNKNOWN
    if code == cvm.ONLINE_PIN:
        s.set_tvr(state.ONLINE_PIN_ENTERED, "online-pin")
    return _WORDS[code]
