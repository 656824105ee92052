"""Kernel 2 in EMV mode: EMV Contactless Book C-2, on both runtimes; versions and gaps are in docs/emv.md.

    outcome = yield from c2.run(s, torn)

`s`: a `protocol.emv.state.Session` whose `aid` is the `Combination`, whose terminal data are filled and whose `card` holds the FCI; `torn`: a
`torn.TornLog` or None. Requests are those of `protocol.emv.contactless`, among them "timed_apdu". The order: GET PROCESSING OPTIONS, relay
resistance (`relay`), READ RECORD, limits, processing restrictions, CVM (`cvm`), action analysis (`decide`), GENERATE AC or RECOVER AC
(`cryptogram`), certificates and CDA when the card may already be gone, outcome.

The Outcome's `kind`: APPROVED (TC in a valid signature), ONLINE_REQUEST, DECLINED ("Z1", or "STOP" with the reason in the error's detail),
TRY_ANOTHER_INTERFACE (declined by a card that has contacts: insert it), TRY_AGAIN with SEE_PHONE (the device wants its holder) or with
PRESENT_AGAIN (torn away; `error` is the CardError), SELECT_NEXT (over the limit, GET PROCESSING OPTIONS refused), END_APPLICATION (the card
broke the rules or has no EMV mode; `reason` and `error` say how). After a recovery `s.un`, TVR and CVM results are those of the torn
transaction.
"""

from typing import TYPE_CHECKING

from protocol.emv import state, tags
from protocol.emv.contactless import common, ui
from protocol.emv.contactless import outcome as outcomes
from protocol.emv.contactless.c2 import cryptogram, cvm, data, decide, relay
from protocol.emv.contactless.c2.conclude import conclude
from protocol.emv.steps import records, restrictions
from protocol.errors import CardError, CryptoError, EmvError, FormatError

if TYPE_CHECKING:
    from protocol.emv.contactless.torn import TornLog
    from protocol.emv.state import Session, Steps

_MANDATORY = (tags.EXPIRY, tags.PAN, tags.CDOL1)


def run(s: "Session", torn: "TornLog | None" = None) -> "Steps":
    """One presentation of the card: returns an `outcome.Outcome`. No card makes it raise; a missing transaction datum is a KeyError."""
    try:
        return (yield from _run(s, torn))
    except CardError as error:
        again = outcomes.Outcome(outcomes.TRY_AGAIN, ui.PRESENT_AGAIN)
        again.error = error
        return again
    except (EmvError, FormatError, CryptoError) as error:
        return _ended(outcomes.END_APPLICATION, ui.TRY_ANOTHER_CARD, _coded(s, error))


def _coded(s: "Session", error: "EmvError | FormatError | CryptoError") -> EmvError:
    """The error as one of EMV."""
    if isinstance(error, EmvError):
        return error
    s.note("FORMAT", error.code)
    return EmvError("card data is not BER-TLV", "EMV-101", detail=error.code)


def _ended(kind: int, message: int, error: EmvError) -> outcomes.Outcome:
    ended = outcomes.Outcome(kind, message)
    ended.reason, ended.error = error.code, error
    return ended


def _run(s: "Session", torn: "TornLog | None") -> "Steps":
    refused = yield from _open(s)
    if refused is not None:
        return refused
    yield from relay.run(s)
    yield from records.read(s, ())
    over = _over_limit(s)
    if over is not None:
        return over
    for tag in _MANDATORY:  # S456.16
        s.need(tag)
    verdict = yield from common.identify(s)
    if "stop" in verdict:
        stopped = _ended(outcomes.DECLINED, ui.DECLINED, EmvError("stopped", "EMV-001", detail=verdict["stop"]))
        stopped.reason = "STOP"
        return stopped
    word = _assess(s, verdict)
    found = yield from cryptogram.recover(s, torn)
    if found is None:
        kind, cda = decide.request(s)
        yield ("first_gac", {})
        found = yield from cryptogram.generate(s, kind, cda, torn)
    else:
        word = cvm.word_of(bytes(s.cvm))
    yield ("ui", ui.CARD_READ_OK, ui.READ)
    return conclude(s, found, word)


def _open(s: "Session") -> "Steps":
    """GET PROCESSING OPTIONS: None, or the Outcome that sends the entry point to the next combination.

    That is a file control information that cannot be read (S1.7, S1.8) and a status word (S3.8, S3.9). A malformed answer and a card without
    EMV mode end the application (S3.10 to S3.18).
    """
    try:
        data.prepare(s)
        tags.parse_dol(s.card.get(tags.PDOL, b""))
    except (EmvError, FormatError) as error:
        return _ended(outcomes.SELECT_NEXT, ui.CLEAR, _coded(s, error))
    try:
        if not (yield from records.initiate(s)):
            raise EmvError("the card refused a command", "EMV-105", detail="GPO 6985")
    except EmvError as error:
        if error.code != "EMV-105":
            raise
        return _ended(outcomes.SELECT_NEXT, ui.CLEAR, error)
    if not s.card[tags.AIP][1] & data.AIP_EMV_MODE:
        s.note("GPO", "no-emv-mode 82")
        raise EmvError("no application in common", "EMV-142", detail="82")
    return None


def _over_limit(s: "Session") -> "outcomes.Outcome | None":
    """S456.14, S3.33 to S3.35: over the reader contactless transaction limit, which is another one where the device verifies its holder."""
    chosen = data.combination(s)
    limit = chosen.device_limit if data.device_verifies(s) else chosen.limit
    if s.txn["amount"] < limit:
        return None
    s.note("LIMIT", "contactless-limit 9F02")
    return _ended(outcomes.SELECT_NEXT, ui.CLEAR, EmvError("over the contactless limit", "EMV-143", detail="9F02"))


def _assess(s: "Session", verdict: dict) -> str:
    """All that the TVR tells the card: CDA's data, restrictions, CVM, lists and floor limit (S456.24 to S456.38). The CVM as a word."""
    decide.announce(s)
    restrictions.check(s)
    word = cvm.select(s)
    if verdict.get("exception"):
        s.set_tvr(state.ON_EXCEPTION_FILE, "hot-list 5A")
    elif common.excepted(s):
        s.set_tvr(state.ON_EXCEPTION_FILE, "exception-file 5A")
    if verdict.get("online"):
        s.set_tvr(state.FORCED_ONLINE, "forced-by-terminal")
    if s.txn["amount"] + verdict.get("logged", 0) >= s.chosen.floor:
        s.set_tvr(state.FLOOR_LIMIT, "floor 9F02 9F1B")
    return word
