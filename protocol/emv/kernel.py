"""The contact transaction from application selection to outcome (EMV 4.4 Book 3, 8.2 and 10; Book 4, 6.3). See `protocol.emv`.

Runs the steps in order and turns what breaks EMV into a declined outcome with a coded error; no path leads to an approval
but `_approve`. Does no I/O. A card link's CardError passes through: the caller records *interrupted*.

Unable to go online: the default codes match, or nothing proves a TC (no CDA), or the authorisation was sent: ask AAC with 8A =
Z3, and then *provisional* if the parameters allow deferral, else *declined*. No match: ask TC; TC is *approved* (Y3), AAC is
*declined* and never deferred. So one cryptogram per identity is presented: the ARQC whose DE55 was frozen, or the TC.
"""

from typing import TYPE_CHECKING

from protocol import records, tlv
from protocol.emv import state, tags
from protocol.emv.oda import authenticate
from protocol.emv.steps import cvm, gac, online, restrictions, risk, selection, taa
from protocol.emv.steps import records as reading
from protocol.errors import CryptoError, EmvError, FormatError

if TYPE_CHECKING:
    from protocol.crypto import Crypto
    from protocol.emv.params import EmvParams
    from protocol.emv.state import Session, Steps
    from protocol.emv.steps.gac import Cryptogram

# What an authorisation or a clearing needs (Book 4, 12.1.1), in this order; parameters may name others.
DE55 = (
    tags.CRYPTOGRAM, tags.CID, tags.IAD, tags.UN, tags.ATC, tags.TVR, tags.DATE, tags.TXN_TYPE, tags.AMOUNT, tags.CURRENCY,
    tags.AIP, tags.COUNTRY, tags.CVM_RESULTS, 0x9F33, 0x9F35, tags.AMOUNT_OTHER, tags.DF_NAME, 0x9F09, tags.COUNTER, tags.PSN,
)  # fmt: skip
# Track 1 and 2 in every form, their discretionary data and the holder's name: in no chip data, whatever the parameters list
_NEVER = (tags.TRACK2, 0x56, 0x9F6B, 0x9F1F, 0x9F20, 0x5F20, 0x9F0B)


class Result:
    """What came of it; the attributes are listed in `protocol.emv`. Holds card data until `forget()`."""

    def __init__(self) -> None:
        self.outcome = 0
        self.interface = "contact"
        self.kernel = 0
        self.reason = ""
        self.detail = ""
        self.terminated = True
        self.error: "Exception | None" = None
        self.aid = b""
        self.label = ""
        self.pan = b""
        self.psn: "int | None" = None
        self.expiry = b""
        self.track2 = b""
        self.tvr = b""
        self.tsi = b""
        self.cvm_results = b""
        self.cid = 0
        self.cryptogram = b""
        self.atc = 0
        self.iad = b""
        self.un = b""
        self.de55 = b""
        self.auth_code = ""
        self.arc = ""
        self.oda = "none"
        self.cda_ok = False
        self.signature = False
        self.device = False
        self.pin_ok = False
        self.reversal = False
        self.advice = False
        self.script_results = b""
        self.explain: "list[tuple[str, str]]" = []

    def forget(self) -> None:
        """Drop the card data (PAN, expiry, track 2, chip data) once they are sealed or no longer needed."""
        self.pan = self.expiry = self.track2 = self.de55 = b""


def transact(txn: dict, params: "EmvParams", crypto: "Crypto", un: bytes) -> "Steps":
    """Run one contact transaction; requests, answers and the Result are described in `protocol.emv`."""
    result = Result()
    s = state.Session(txn, params, crypto, un)
    result.un = s.un
    try:
        yield from _run(s, result)
    except (EmvError, FormatError, CryptoError) as error:
        _refuse(s, result, error)
    result.tvr, result.tsi, result.cvm_results = bytes(s.tvr), bytes(s.tsi), bytes(s.cvm)
    result.oda, result.signature, result.pin_ok = s.oda, s.signature, s.pin_ok
    result.script_results, result.advice = s.script_results, s.advice
    s.note("OUTCOME", result.reason)
    result.explain = s.explain
    return result


def _refuse(s: "Session", result: Result, error: "EmvError | FormatError | CryptoError") -> None:
    """Anything malformed or refused declines; a FormatError or CryptoError that no step explained is card data out of shape."""
    if not isinstance(error, EmvError):
        s.note("FORMAT", error.code)
        error = EmvError("card data is not BER-TLV", "EMV-101", detail=error.code)
    result.outcome = records.OUTCOME_DECLINED
    result.reason, result.error = error.code, error
    result.detail = "" if error.detail is None else str(error.detail)
    result.de55 = result.track2 = b""


def _run(s: "Session", result: Result) -> "Steps":
    yield from _open(s, result)
    yield from reading.read(s)
    _identify(s, result)
    verdict = yield (
        "identified",
        {"aid": result.aid, "label": result.label, "pan": result.pan, "psn": result.psn, "expiry": result.expiry},
    )
    logged = 0
    if isinstance(verdict, dict):
        logged = verdict.get("logged", 0)
        if verdict.get("exception"):
            s.set_tvr(state.ON_EXCEPTION_FILE, "hot-list 5A")
        if verdict.get("online"):
            s.set_tvr(state.FORCED_ONLINE, "forced-by-terminal")
    elif verdict is not None:
        result.outcome, result.reason, result.detail = records.OUTCOME_DECLINED, "STOP", str(verdict)
        return
    yield from authenticate.run(s)
    restrictions.check(s)
    yield from cvm.run(s)
    s.static = []
    yield from risk.run(s, logged)
    request = taa.first_request(s)
    yield ("first_gac", {})
    first = yield from gac.generate(s, request)
    result.terminated = False
    _present(s, result, first)
    yield from _after_first(s, result, first)


def _open(s: "Session", result: Result) -> "Steps":
    """Selection and GET PROCESSING OPTIONS, over again with what is left when an application does not want to."""
    found = yield from selection.candidates(s)
    while True:
        candidate = yield from selection.choose(s, found)
        s.aid = candidate.aid
        state.fill_terminal(s)
        if (yield from selection.final(s, candidate)) and (yield from reading.initiate(s)):
            break
        found = [c for c in found if c is not candidate]
    result.aid, result.label = state.shown(s.card[tags.DF_NAME], s.chosen.aid), candidate.label


def _identify(s: "Session", result: Result) -> None:
    result.pan = s.pan
    result.expiry = s.need(tags.EXPIRY)
    psn = s.card.get(tags.PSN)
    if psn is not None:
        if not tags.is_digits(psn):
            raise EmvError("data object is not a number", "EMV-102", detail="5F34")
        result.psn = tags.digits_to_int(psn)


def _present(s: "Session", result: Result, cryptogram: "Cryptogram") -> None:
    """Make this cryptogram the one of the result; the TVR it was made over is in DE55, which is put together before any later bit."""
    result.cid, result.cryptogram, result.atc, result.iad = (
        cryptogram.cid, cryptogram.value, cryptogram.atc, cryptogram.iad,
    )  # fmt: skip
    result.cda_ok = cryptogram.signed


def de55(s: "Session") -> bytes:
    """The chip data for acquirer and clearing, as they stand now: what the parameters list, known to this kernel or not, track data apart.

    In the list's order, and never more than field 55 of ISO 8583 holds: room is given to what authorisation and clearing need first, then
    to the rest as it fits.
    """
    listed = s.params.de55 or DE55
    items = {}
    room = 255
    for wanted in (True, False):
        for tag in listed:
            value = s.get(tag) if (tag in DE55) == wanted and tag not in _NEVER else None
            if value is not None:
                item = tlv.encode(tag, value)
                if len(item) <= room:
                    items[tag] = item
                    room -= len(item)
                else:
                    s.note("DE55", "left-out " + tags.name(tag))
    return b"".join([items[tag] for tag in listed if tag in items])


def _approve(s: "Session", result: Result, reason: str) -> None:
    result.outcome, result.reason = records.OUTCOME_APPROVED, reason


def _decline(result: Result, reason: str, error: "EmvError | None" = None) -> None:
    result.outcome, result.reason, result.error = records.OUTCOME_DECLINED, reason, error
    result.de55 = result.track2 = b""


def _after_first(s: "Session", result: Result, first: "Cryptogram") -> "Steps":
    """Card action analysis done: TC, AAC, or ARQC and on (Book 3, 10.8 and 10.9)."""
    if first.kind == taa.AAC:
        return _decline(result, "Z1")
    if first.failed and s.oda == "xda" and first.kind == taa.ARQC and not taa.denied(s):
        s.note("RULE", "xda-failed-online")  # Book 4, 6.3.2.2.4: to the issuer, who sees the TVR, or nowhere
    elif first.failed:
        if first.kind == taa.ARQC:
            yield from _second(s, taa.AAC, "Z1")
        return _decline(result, "EMV-121", EmvError("combined data authentication failed", "EMV-121"))
    if first.kind == taa.TC:
        if not first.signed:
            return _decline(result, "EMV-122", EmvError("an offline approval needs CDA", "EMV-122"))
        s.terminal[tags.ARC] = b"Y1"
        _approve(s, result, "Y1")
        result.de55 = de55(s)
        return None
    frozen = de55(s)
    reply = None if taa.offline_only(s) else (yield ("online", frozen))
    unproved = first.failed
    if reply is None or reply.get("sent"):
        yield from _unable(s, result, frozen, reply is not None)
    else:
        yield from _answered(s, result, frozen, reply, unproved)
    return None


def _second(s: "Session", kind: int, arc: str) -> "Steps":
    """The second GENERATE AC with the response code the card is to see."""
    s.terminal[tags.ARC] = arc.encode()
    return (yield from gac.generate(s, kind, True))


def _unable(s: "Session", result: Result, frozen: bytes, sent: bool) -> "Steps":
    """Unable to go online: see the module's docstring. `sent`: the ARQC left the terminal, no answer came."""
    s.note("ONLINE", "sent-without-answer" if sent else "unable")
    result.reversal = sent
    may_approve = not taa.defaulted(s) and not taa.online_only(s)
    if may_approve and sent:
        s.note("RULE", "no-second-cryptogram")
        may_approve = False
    elif may_approve:
        may_approve = taa.may_approve_offline(s)
    if may_approve:
        second = yield from _second(s, taa.TC, "Y3")
        if second.failed:
            return _decline(result, "EMV-121", EmvError("combined data authentication failed", "EMV-121"))
        if second.kind != taa.TC or not second.signed:
            return _decline(result, "EMV-123", EmvError("the card declined unable to go online", "EMV-123"))
        _present(s, result, second)
        _approve(s, result, "Y3")
        result.de55 = de55(s)
        return None
    yield from _second(s, taa.AAC, "Z3")
    if sent or not _deferrable(s):
        return _decline(result, "Z3")
    s.note("RULE", "deferral")
    result.outcome, result.reason = records.OUTCOME_PROVISIONAL, "DEFERRED"
    result.de55 = frozen
    result.track2 = s.card.get(tags.TRACK2, b"")
    return None


def _deferrable(s: "Session") -> bool:
    """Whether the parameters let this ARQC be authorised later; never a hot-listed card's, nor after an online PIN or failed authentication."""
    if s.oda == "xda" and s.ecc_key is None:
        return False
    failed = s.has_tvr(state.CDA_FAILED) or s.has_tvr(state.DDA_FAILED) or s.has_tvr(state.SDA_FAILED)
    return (
        s.params.deferral
        and s.oda in s.params.deferral_oda
        and not (failed or s.online_pin or s.has_tvr(state.ON_EXCEPTION_FILE))
    )


def _answered(s: "Session", result: Result, frozen: bytes, reply: dict, unproved: bool) -> "Steps":
    """The issuer answered: authenticate it, scripts, second GENERATE AC. What an approval does not survive is to be reversed.

    `unproved`: XDA had failed before, and the issuer who approves knows it from the TVR: the second signature is not looked at.
    """
    try:
        answer = online.read(s, reply)
    except EmvError as error:  # an answer that nobody can read is no answer, and may have been an approval
        s.note("ONLINE", "malformed " + error.code)
        yield from _unable(s, result, frozen, True)
        return None
    result.arc, result.auth_code = answer.arc, answer.auth_code
    result.reversal = answer.approved  # until the approval stands
    s.note("ONLINE", answer.arc)
    yield from online.authenticate(s, answer)
    yield from online.scripts(s, answer, 0x71)
    second = yield from _second(s, taa.TC if answer.approved else taa.AAC, answer.arc)
    yield from online.scripts(s, answer, 0x72)
    if not answer.approved:
        return _decline(result, answer.arc)
    if second.failed and not unproved:
        return _decline(result, "EMV-121", EmvError("combined data authentication failed", "EMV-121"))
    if second.kind != taa.TC:
        return _decline(result, "Z1")
    result.reversal = False
    _approve(s, result, answer.arc)
    result.de55 = frozen
    return None
