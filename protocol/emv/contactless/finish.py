"""From a kernel's Outcome to the payment's Result: online request and response, deferral, approval (Book B, 3.5).

The card has gone: there is one cryptogram, nothing more can be asked of it, and the issuer's data for the card (91, 71, 72) reach nobody.
No path leads to an approval but a TC whose dynamic signature holds, or the issuer's word.
"""

from typing import TYPE_CHECKING

from protocol import records
from protocol.emv import kernel, state, tags
from protocol.emv.contactless import outcome as o
from protocol.emv.contactless import ui
from protocol.emv.steps import online, taa
from protocol.errors import EmvError

if TYPE_CHECKING:
    from protocol.emv.contactless.params import Combination
    from protocol.emv.kernel import Result
    from protocol.emv.state import Session, Steps

_SWITCH = "EMV-140"


def decline(result: "Result", reason: str, error: "Exception | None" = None, detail: str = "") -> None:
    """The payment ends declined; nothing of the card is kept for anybody."""
    result.outcome, result.reason, result.error, result.detail = records.OUTCOME_DECLINED, reason, error, detail
    result.de55 = result.track2 = b""


def present(s: "Session", result: "Result", facts: dict, outcome: o.Outcome) -> None:
    """Who the card is and its one cryptogram, into the result."""
    result.aid, result.label = facts["aid"], facts["label"]
    result.pan, result.psn, result.expiry = facts["pan"], facts["psn"], facts["expiry"]
    given = outcome.cryptogram
    if given is not None:
        result.terminated = False
        result.cid, result.cryptogram, result.atc, result.iad = given.cid, given.value, given.atc, given.iad
        result.cda_ok = given.signed
    result.device = outcome.cvm == o.CONFIRMED
    result.tvr = bytes(s.tvr)


def settle(s: "Session", result: "Result", outcome: o.Outcome, combination: "Combination") -> "Steps":
    """Turn a final outcome into the result."""
    given = outcome.cryptogram
    if outcome.kind == o.APPROVED and given is not None:
        if given.kind != taa.TC or not given.signed or given.failed or not combination.offline:
            return decline(result, "EMV-122", EmvError("an offline approval needs dynamic authentication", "EMV-122"))
        s.terminal[tags.ARC] = b"Y1"
        result.outcome, result.reason, result.de55 = records.OUTCOME_APPROVED, "Y1", kernel.de55(s)
        return None
    if outcome.kind == o.ONLINE_REQUEST and given is not None and given.kind == taa.ARQC and not given.failed:
        yield from _online(s, result, outcome)
        return None
    if outcome.kind == o.TRY_ANOTHER_INTERFACE:
        return decline(result, outcome.reason or _SWITCH, EmvError("this card is to be inserted", _SWITCH))
    error = outcome.error
    detail = "" if error is None or getattr(error, "detail", None) is None else str(error.detail)  # type: ignore[union-attr]
    return decline(result, outcome.reason or "Z1", None if outcome.reason == "STOP" else error, detail)


def _online(s: "Session", result: "Result", outcome: o.Outcome) -> "Steps":
    """PIN for the issuer if that was chosen, then the issuer itself."""
    if outcome.cvm == o.ONLINE_PIN:
        yield ("ui", ui.ENTER_PIN, ui.NOT_READY)
        if not (yield ("online_pin", {"pan": s.pan, "psn": result.psn})):
            s.note("PIN", "bypassed")
            return decline(result, "EMV-113", EmvError("the cardholder cancelled", "EMV-113"), "pin")
        s.online_pin = True
    frozen = kernel.de55(s)
    yield ("ui", ui.AUTHORISING, ui.NOT_READY)
    reply = None if taa.offline_only(s) else (yield ("online", frozen))
    answer = None
    if reply is not None and not reply.get("sent"):
        try:
            answer = online.read(s, reply)
        except EmvError as error:  # an answer that nobody can read is no answer, and may have been an approval
            s.note("ONLINE", "malformed " + error.code)
    if answer is None:
        return _unable(s, result, frozen, reply is not None)
    result.arc, result.auth_code = answer.arc, answer.auth_code
    s.note("ONLINE", answer.arc)
    if answer.authentication or answer.scripts:
        s.note("RULE", "card-gone")
    if not answer.approved:
        return decline(result, answer.arc)
    result.outcome, result.reason, result.de55 = records.OUTCOME_APPROVED, answer.arc, frozen
    return None


def _unable(s: "Session", result: "Result", frozen: bytes, sent: bool) -> None:
    """No network: to be authorised later if the parameters allow it for what was proven, else declined. Sent: to be reversed."""
    s.note("ONLINE", "sent-without-answer" if sent else "unable")
    result.reversal = sent
    if sent or not _deferrable(s, result):
        return decline(result, "Z3")
    s.note("RULE", "deferral")
    result.outcome, result.reason, result.de55 = records.OUTCOME_PROVISIONAL, "DEFERRED", frozen
    result.track2 = s.card.get(tags.TRACK2, b"")
    return None


def _deferrable(s: "Session", result: "Result") -> bool:
    """The contact kernel's rule; fDDA counts where CDA does, as in an offline approval. Never a hot-listed card's, nor after an online PIN."""
    allowed = s.params.deferral_oda
    proven = s.oda in allowed or (s.oda == "fdda" and "cda" in allowed)
    return (
        s.params.deferral
        and proven
        and result.cda_ok
        and not (s.online_pin or s.has_tvr(state.CDA_FAILED) or s.has_tvr(state.ON_EXCEPTION_FILE))
    )
