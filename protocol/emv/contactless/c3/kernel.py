"""The order of Kernel 3 (Book C-3, 5.2 to 5.9). See `protocol.emv.contactless.c3`."""

from typing import TYPE_CHECKING

from protocol import apdu, tlv
from protocol.emv import tags
from protocol.emv.contactless import common, ui
from protocol.emv.contactless import outcome as o
from protocol.emv.contactless.c3 import cvm, fdda, restrictions
from protocol.emv.steps import records as reading
from protocol.emv.steps import risk, taa
from protocol.emv.steps.gac import Cryptogram, no_number
from protocol.errors import EmvError
from protocol.pack import hexed

if TYPE_CHECKING:
    from protocol.emv.contactless.torn import TornLog
    from protocol.emv.state import Session, Steps

_MANDATORY = (tags.AIP, tags.ATC, tags.IAD, tags.CRYPTOGRAM)
# what the answer to GET PROCESSING OPTIONS may give, signed by nothing; expiry, usage, dates and countries are the records'
_OPTIONS = (
    tags.AIP, tags.AFL, tags.TRACK2, 0x5F20, tags.PSN, tags.IAD, tags.CRYPTOGRAM, tags.CID, tags.ATC, tags.SDAD, 0x9F5D,
    tags.CARD_AUTHENTICATION, tags.CTQ, 0x9F6E, 0x9F7C,
)  # fmt: skip
_ONLINE_CRYPTOGRAM = 0x80
_ODA_WHEN_ONLINE = 0x01
_KINDS = (taa.AAC, taa.TC, taa.ARQC)


def run(s: "Session", torn: "TornLog | None" = None) -> "Steps":
    """One activation of the kernel: an `outcome.Outcome`. EmvError: the card broke the rules, the payment is declined."""
    pdol = s.card.get(tags.PDOL)
    if pdol is None or tags.TTQ not in [tag for tag, _ in tags.parse_dol(pdol)]:
        s.note("GPO", "pdol-without-ttq 9F66 9F38")  # Book B, 3.3.3.6
        return o.Outcome(o.SELECT_NEXT)
    yield from _draw(s)
    refused = yield from _initiate(s, pdol)
    if refused is not None:
        return refused
    yield from reading.read(s, ())
    cryptogram = _cryptogram(s)
    _complete(s, cryptogram.kind == taa.TC)
    no_number(s, cryptogram.value)  # 57 may be the only one to tell the number
    yield ("ui", ui.CARD_READ_OK, ui.READ)
    verdict = yield from common.identify(s)
    return _judge(s, cryptogram, verdict)


def _draw(s: "Session") -> "Steps":
    """Biased random selection, before the card is asked: it has one question only. The floor limit itself is the entry point's."""
    ttq = s.terminal[tags.TTQ]
    if not ttq[1] & _ONLINE_CRYPTOGRAM and (yield from risk.selected(s, s.txn["amount"])):
        s.terminal[tags.TTQ] = bytes([ttq[0], ttq[1] | _ONLINE_CRYPTOGRAM, ttq[2], ttq[3]])
        s.note("K3 RANDOM", "random-selection 9F02")


def _initiate(s: "Session", pdol: bytes) -> "Steps":
    """GET PROCESSING OPTIONS: None to go on, or the Outcome that its status word means (5.2.2.2); then what must be there (5.4.2.1)."""
    s.pdol_data = tags.build_dol(pdol, s.get)
    s.note("TTQ", hexed(s.terminal[tags.TTQ]).upper())
    data, sw = yield from s.exchange(apdu.command(0x80, 0xA8, 0, 0, tlv.encode(0x83, s.pdol_data), 256))
    if sw != 0x9000:
        s.note("GPO", f"refused {sw:04X}")
    if sw == 0x6986:
        return o.Outcome(o.TRY_AGAIN, ui.SEE_PHONE)
    if sw == 0x6985:
        return o.Outcome(o.SELECT_NEXT)
    if sw == 0x6984:
        return o.Outcome(o.TRY_ANOTHER_INTERFACE, ui.INSERT_CARD)
    if sw != 0x9000:
        raise EmvError("the card refused a command", "EMV-105", detail=f"GPO {sw:04X}")
    found = reading.unique(tags.objects(tags.only(data, 0x77)))
    s.admit(found.items(), _OPTIONS, "GPO")
    for tag in _MANDATORY:
        s.need(tag)
    s.afl = reading.parse_afl(found[tags.AFL]) if tags.AFL in found else []
    return None


def _complete(s: "Session", offline: bool) -> None:
    """Number and expiry out of the records or the track 2 equivalent data, which must not contradict each other (annex A.2).

    An offline approval needs the expiry that is authenticated; track 2 is not.
    """
    s.need(tags.TRACK2)
    s.pan, rest = reading.track2(s)
    if tags.EXPIRY not in s.card and not offline:
        last = tags.last_day(int(rest[:2]), int(rest[2:4]))
        s.keep(tags.EXPIRY, bytes.fromhex(rest[:4] + str(last)))
    s.need(tags.EXPIRY)


def _cryptogram(s: "Session") -> Cryptogram:
    """What the card decided (5.4.3.1, 5.4.3.2): from 9F27, or from the card verification results in 9F10 where it gives none.

    Where both tell it, both have to say the same: 9F27 is covered by nothing, 9F10 by the cryptogram, which whoever clears it checks.
    """
    iad = s.need(tags.IAD)
    told = (iad[4] & 0x30) << 2 if len(iad) > 4 else -1
    given = s.card.get(tags.CID)
    kind = told if given is None else given[0] & 0xC0
    if kind not in _KINDS:
        raise EmvError("the card gave a cryptogram that was not asked for", "EMV-120", detail="9F27")
    if kind != told and _has_results(iad):
        s.note("GPO", "cryptogram-told-differently 9F27 9F10")
        raise EmvError("the card contradicts itself", "EMV-102", detail="9F27 9F10")
    cid = kind if given is None else given[0]
    s.terminal[tags.CID] = bytes([cid])
    s.note("GPO", f"card gave {cid:02X}")
    return Cryptogram(cid, tags.number(s.need(tags.ATC)), s.need(tags.CRYPTOGRAM), iad, False, False)


def _has_results(iad: bytes) -> bool:
    """Whether 9F10 is of a form whose fifth byte is known to tell the kind of cryptogram.

    Length (06 at least), key index, cryptogram version, results that begin with their length 03; or 32 bytes that begin with 1F and whose
    cryptogram version is 2x or 4x.
    """
    if len(iad) < 7 or not 6 <= iad[0] < len(iad):
        return False
    return iad[3] == 3 or (iad[0] == 0x1F and len(iad) == 32 and iad[1] >> 4 in (2, 4))


def _declined(reason: str, cryptogram: "Cryptogram", error: "EmvError | None" = None) -> o.Outcome:
    outcome = o.Outcome(o.DECLINED, ui.DECLINED)
    outcome.cryptogram, outcome.reason, outcome.error = cryptogram, reason, error
    return outcome


def _switch(s: "Session", cryptogram: "Cryptogram", why: str) -> o.Outcome:
    s.note("K3 SWITCH", why)
    outcome = o.Outcome(o.TRY_ANOTHER_INTERFACE, ui.INSERT_CARD)
    outcome.cryptogram = cryptogram
    return outcome


def _judge(s: "Session", cryptogram: "Cryptogram", verdict: dict) -> o.Outcome:
    """Restrictions, data authentication, cardholder verification, and what follows (5.4.3.2 to 5.9)."""
    ctq = fdda.qualifiers(s)
    if "stop" in verdict:
        outcome = _declined("STOP", cryptogram)
        outcome.error = EmvError(verdict["stop"], "EMV-001", detail=verdict["stop"])
        return outcome
    if cryptogram.kind == taa.AAC:
        return _declined("Z1", cryptogram)
    offline = cryptogram.kind == taa.TC
    if offline and (s.terminal[tags.TTQ][1] & _ONLINE_CRYPTOGRAM or verdict.get("online")):
        error = EmvError("the card gave a cryptogram that was not asked for", "EMV-120", detail="TC")
        return _declined("EMV-120", cryptogram, error)
    refusal = restrictions.check(s, offline, verdict)
    if refusal:
        online = refusal == restrictions.EXPIRED and restrictions.wants(ctq, restrictions.ONLINE_IF_EXPIRED)
        return _switch(s, cryptogram, "switch-expired 5F24 9F6C") if online else _declined("Z1", cryptogram)
    if offline and s.txn["amount"] + verdict.get("logged", 0) > s.chosen.floor:
        return _switch(s, cryptogram, "switch-split-sale 9F02 9F1B")
    if offline or (s.terminal[tags.TTQ][0] & _ODA_WHEN_ONLINE and tags.SDAD in s.card):
        cryptogram.signed = fdda.check(s)
        cryptogram.failed = not cryptogram.signed
    else:
        cryptogram.failed = not fdda.agree(s)
    if cryptogram.failed:
        if offline and restrictions.wants(ctq, restrictions.ONLINE_IF_ODA_FAILS | restrictions.SWITCH_IF_ODA_FAILS):
            return _switch(s, cryptogram, "switch-fdda 9F6C")
        return _declined("EMV-121", cryptogram, EmvError("dynamic data authentication failed", "EMV-121"))
    return _verified(s, cryptogram, ctq, offline)


def _verified(s: "Session", cryptogram: "Cryptogram", ctq: "bytes | None", offline: bool) -> o.Outcome:
    method = cvm.choose(s, ctq, cryptogram.signed)
    s.note("K3 CVM", "cvm-" + (method or "impossible"))
    if method == cvm.IMPOSSIBLE:
        return _declined("Z1", cryptogram)
    if offline and method == o.ONLINE_PIN:
        return _switch(s, cryptogram, "switch-online-pin 9F6C")
    outcome = o.Outcome(o.APPROVED if offline else o.ONLINE_REQUEST, ui.APPROVED if offline else ui.AUTHORISING, method)
    outcome.cryptogram = cryptogram
    return outcome
