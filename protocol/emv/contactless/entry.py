"""Entry point (EMV Contactless Book B, version 2.11): pre-processing, combination selection, kernel activation, outcome processing.

`transact` is the contactless counterpart of `protocol.emv.kernel.transact`; what it asks and answers is in `protocol.emv.contactless`. It is
called when a card is connected already. Starts: B, selection anew after Try Again or when the card was lost (3.3.3.7); C, the next combination
after Select Next. Starts A and D (new amount; issuer update) are not used. Kernels are loaded when a combination needs them.
"""

from typing import TYPE_CHECKING

from protocol import apdu, records
from protocol.emv import explain, state, tags
from protocol.emv.contactless import common, directory, finish, preprocess, ui
from protocol.emv.contactless import outcome as o
from protocol.emv.kernel import Result
from protocol.emv.steps import selection
from protocol.errors import CardError, CardRemovedError, CryptoError, EmvError, FormatError

if TYPE_CHECKING:
    from collections.abc import Callable

    from protocol.crypto import Crypto
    from protocol.emv.contactless.directory import Candidate
    from protocol.emv.contactless.params import ContactlessParams
    from protocol.emv.contactless.torn import TornLog
    from protocol.emv.state import Session, Steps

_MAX_STARTS = 16  # a hostile card could ask for ever
_ENTRY_MODE = 0x9F39
_CONTACTLESS = b"\x07"


def transact(txn: dict, params: "ContactlessParams", crypto: "Crypto", un: bytes, torn: "TornLog") -> "Steps":
    """Run one contactless payment; returns a `kernel.Result` with `interface` "contactless" and the `kernel`'s number."""
    result = Result()
    result.interface, result.un = "contactless", un
    known = preprocess.ready(params, txn["amount"])
    if not known:
        finish.decline(result, "EMV-143", EmvError("over the contactless limit", "EMV-143"))
        result.explain = [("COMBINATION", "over-the-limit 9F02"), ("OUTCOME", "EMV-143")]
        return result
    s = _session(txn, params, crypto, un)
    for _ in range(_MAX_STARTS):
        result.un = s.un
        message, lost = yield from _attempt(s, known, torn, result)
        if message is None:
            break
        yield ("ui", message, ui.ERROR)
        if not (yield ("again", message)):
            if message != ui.SEE_PHONE:
                raise lost or CardRemovedError("the card left")
            finish.decline(result, "EMV-141", EmvError("the holder's device is to be unlocked", "EMV-141"))
            break
        stays = explain.lasting(s.explain)
        s = _session(txn, params, crypto, (yield ("random", 4)))
        s.explain = stays
    else:
        finish.decline(result, "EMV-142", EmvError("the card never comes to an end", "EMV-142"))
    torn.clear()
    result.un = s.un  # a kernel may take its own, or that of a torn transaction
    result.tvr = result.tvr or bytes(s.tvr)
    result.tsi, result.cvm_results = bytes(s.tsi), bytes(s.cvm)
    result.oda, result.signature = s.oda, s.signature and result.outcome != records.OUTCOME_DECLINED
    s.note("OUTCOME", result.reason)
    result.explain = s.explain
    return result


def _session(txn: dict, params: "ContactlessParams", crypto: "Crypto", un: bytes) -> "Session":
    """A session over the air, where 61xx and 6Cxx are no procedure of the transport but refusals."""
    s = state.Session(txn, params, crypto, un)
    s.follow = False
    return s


def _attempt(s: "Session", known: "list[preprocess.Ready]", torn: "TornLog", result: Result) -> "Steps":
    """One start B. (None, None): the result is final. Else (message for the person, the link's failure if that is why): start again."""
    try:
        outcome, candidate = yield from _start(s, known, torn)
        if _again(outcome):
            return outcome.message, None
        yield from _end(s, outcome, candidate, result)
    except (EmvError, FormatError, CryptoError) as error:
        _refuse(s, result, error)
    except CardError as error:
        s.note("COMBINATION", "card-lost " + error.code)
        return ui.PRESENT_AGAIN, error
    return None, None


def _again(outcome: o.Outcome) -> bool:
    """Whether an outcome starts anew at B: Try Again, and End Application that asks for the card again (torn)."""
    return outcome.kind == o.TRY_AGAIN or (outcome.kind == o.END_APPLICATION and outcome.message == ui.PRESENT_AGAIN)


def _refuse(s: "Session", result: Result, error: "EmvError | FormatError | CryptoError") -> None:
    if not isinstance(error, EmvError):
        s.note("FORMAT", error.code)
        error = EmvError("card data is not BER-TLV", "EMV-101", detail=error.code)
    finish.decline(result, error.code, error, "" if error.detail is None else str(error.detail))


def _start(s: "Session", known: "list[preprocess.Ready]", torn: "TornLog") -> "Steps":
    """Start B: selection, then kernels until one comes to an outcome other than Select Next (start C)."""
    yield ("ui", ui.PROCESSING, ui.BUSY)
    yield ("progress", "select", 0, 1)
    found = yield from directory.candidates(s, known)
    last = o.Outcome(o.END_APPLICATION)
    last.reason, last.error = "EMV-142", EmvError("no combination in common", "EMV-142")
    for candidate in found:
        if not (yield from _select(s, candidate)):
            continue
        run = _kernel(candidate.ready.combination.kernel)
        outcome = yield from run(s, torn)
        if outcome.kind != o.SELECT_NEXT:
            return outcome, candidate
        if outcome.reason:
            last = outcome
        _forget(s)
    return last, None


def _kernel(number: int) -> "Callable[[Session, TornLog], Steps]":
    """Load a kernel."""
    if number == 2:
        from protocol.emv.contactless import c2 as kernel
    else:
        from protocol.emv.contactless import c3 as kernel
    return kernel.run


def _forget(s: "Session") -> None:
    """Nothing of a combination that was given up stays, but why it was."""
    s.explain[:] = explain.lasting(s.explain)
    s.card = {}
    s.terminal = {}
    s.static, s.static_ok = [], True
    s.tvr[:], s.tsi[:], s.cvm[:] = bytes(5), bytes(2), b"\x3f\0\0"
    s.pan, s.pdol_data, s.cdol_data, s.oda = b"", b"", b"", "none"
    s.relay, s.afl = b"", []
    s.issuer_key = s.icc_key = None


def _select(s: "Session", candidate: "Candidate") -> "Steps":
    """Final combination selection (Book B, 3.3.3.3 to 3.3.3.5): SELECT with the extension, if any. False: the card refuses it."""
    data, sw = yield from s.exchange(apdu.command(0, 0xA4, 4, 0, candidate.name + candidate.extension, 256))
    if sw != 0x9000:
        s.note("COMBINATION", f"refused {sw:04X}")
        return False
    name, inner = selection.read_fci(data)
    if not name.startswith(candidate.name):
        raise EmvError("the card selected something else", "EMV-108", detail="84")
    s.aid = candidate.ready.combination
    state.fill_terminal(s)
    s.terminal[_ENTRY_MODE] = _CONTACTLESS
    s.terminal[tags.TTQ] = candidate.ready.ttq
    selection.keep_fci(s, name, inner)
    s.note("COMBINATION", "kernel " + str(s.aid.kernel))
    return True


def _end(s: "Session", outcome: o.Outcome, candidate: "Candidate | None", result: Result) -> "Steps":
    """A final outcome (Book B, 3.5): nothing more is asked of the card."""
    if candidate is None:
        return finish.decline(result, outcome.reason, outcome.error)
    combination = candidate.ready.combination
    result.kernel = combination.kernel
    result.aid, result.label = state.shown(s.card[tags.DF_NAME], s.chosen.aid), candidate.label
    if s.pan:
        finish.present(s, result, common.facts(s), outcome)
    yield from finish.settle(s, result, outcome, combination)
    return None
