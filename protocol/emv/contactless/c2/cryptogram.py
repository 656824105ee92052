"""GENERATE AC, and RECOVER AC after one whose answer was not heard (EMV Contactless Book C-2, states S9 to S11, annex A "torn record").

A card that supports recovery (DRDOL, 9F51) keeps its last answer and gives it again to whoever still knows what it was asked. So the terminal puts
everything it had sent and decided back as it was, the unpredictable number included, and checks the signature over that: one cryptogram, however
often the card was torn away.
"""

from typing import TYPE_CHECKING

from protocol import apdu
from protocol.emv import explain, tags
from protocol.emv.contactless.c2 import data, relay
from protocol.emv.contactless.torn import TornRecord
from protocol.emv.oda import authenticate, certificates
from protocol.emv.oda.certificates import CertificateError
from protocol.emv.steps import gac, taa
from protocol.errors import CardError, EmvError, FormatError

if TYPE_CHECKING:
    from protocol.emv.contactless.torn import TornLog
    from protocol.emv.state import Session, Steps

_CDA = 0x10
_SAME_PAYMENT = (tags.AMOUNT, tags.AMOUNT_OTHER, tags.CURRENCY, tags.TXN_TYPE, tags.COUNTER, tags.AID_TERMINAL)
_TIME = 0x9F21


def generate(s: "Session", kind: int, cda: bool, torn: "TornLog | None") -> "Steps":
    """Ask for a cryptogram; a `gac.Cryptogram`. A CardError on the way leaves a torn record behind where the card supports recovery."""
    s.cdol_data = tags.build_dol(s.need(tags.CDOL1), s.get)
    control = kind | (_CDA if cda else 0)
    s.terminal[data.CONTROL] = bytes([control])
    yield ("progress", "gac", 0, 1)
    try:
        answer = yield from s.demand("GAC", apdu.command(0x80, 0xAE, control, 0, s.cdol_data, 256))
    except CardError:
        _remember(s, torn)
        raise
    yield ("progress", "gac", 1, 1)
    return take(s, answer, kind, cda)


def recover(s: "Session", torn: "TornLog | None") -> "Steps":
    """The cryptogram of a torn GENERATE AC, or None: there is no record of this card, or the card has nothing to recover.

    EMV-145: what the card gave does not belong to what it had been asked. A CardError leaves the record where it is.
    """
    record = _record(s, torn)
    if torn is None or record is None:
        return None
    answer, sw = yield from s.exchange(apdu.command(0x80, 0xD0, 0, 0, record.drdol, 256))
    torn.take(record.pan, record.psn)
    if sw != 0x9000:
        s.note("TORN", f"not-recovered {sw:04X}")
        return None
    s.note("TORN", "recovered 9F26")
    _put_back(s, record)
    control = record.data[data.CONTROL][0]
    try:
        if not answer or answer[0] != 0x77:
            raise EmvError("wrong response template", "EMV-108", detail="RECOVER")
        cryptogram = take(s, answer, control & 0xC0, bool(control & _CDA))
    except (EmvError, FormatError) as error:
        raise EmvError("the torn transaction could not be recovered", "EMV-145", detail=error.code)
    if cryptogram.failed:
        raise EmvError("the torn transaction could not be recovered", "EMV-145", detail="9F4B")
    return cryptogram


def take(s: "Session", answer: bytes, kind: int, cda: bool) -> gac.Cryptogram:
    """The cryptogram out of an answer to what asked for `kind`, with CDA or not (S910.1 to S910.37).

    With a signature it is the signed one that counts; a missing signature is EMV-121, but for a card that answers AAC where more was asked.
    """
    found, cid = gac.answered(s, answer, kind)
    s.note(f"GAC1 asked {kind:02X}", f"card gave {cid:02X}")
    fields = dict(found)
    for tag in (data.INTERACTION, data.THIRD_PARTY):
        if tag in fields:
            s.card[tag] = fields[tag]
    refused = cid & 0xC0 == taa.AAC and kind != taa.AAC
    signed = tags.SDAD in fields
    if (cda and not signed and not refused) or (signed and s.oda != "cda"):
        raise EmvError("combined data authentication failed", "EMV-121", detail="9F4B")
    if signed:
        _open(s)
    return gac.take(s, found, cid, signed)


def _open(s: "Session") -> None:
    """Recover the card's key; what fails is noted where the signature is checked with it."""
    try:
        s.icc_key = certificates.icc_key(s, certificates.static_data(s))
    except CertificateError as error:
        authenticate.fail(s, error)


def _psn(s: "Session") -> "int | None":
    value = s.card.get(tags.PSN)
    return None if value is None else tags.digits_to_int(value)


def _remember(s: "Session", torn: "TornLog | None") -> None:
    """Create the torn record (S9.11, S11.13)."""
    drdol = s.card.get(data.DRDOL)
    if torn is None or not drdol or not torn.size or not data.combination(s).torn_records:
        return
    kept = dict(s.terminal)
    for tag in (tags.TVR, tags.CVM_RESULTS):
        kept[tag] = s.get(tag) or b""
    kept[_PDOL_DATA] = s.pdol_data
    try:
        related = tags.build_dol(drdol, s.get)
    except EmvError:
        s.note("TORN", "malformed-drdol 9F51")
        return
    torn.add(TornRecord(s.pan, _psn(s), kept, related, s.cdol_data, list(s.explain)))
    s.note("TORN", "remembered 9F51")


_PDOL_DATA = 0xDF8111


def _record(s: "Session", torn: "TornLog | None") -> "TornRecord | None":
    """The record of this card; one of another payment, or too old, is dropped."""
    if torn is None or not s.card.get(data.DRDOL):
        return None
    record = torn.find(s.pan, _psn(s))
    if record is None:
        return None
    same = all([record.data.get(tag) == s.terminal.get(tag) for tag in _SAME_PAYMENT])
    if not same or not 0 <= _age(s, record) <= data.combination(s).torn_lifetime_s:
        torn.take(record.pan, record.psn)
        s.note("TORN", "dropped 9F21")
        return None
    return record


def _age(s: "Session", record: TornRecord) -> int:
    """Seconds between the torn transaction and this one; -1 over midnight."""
    if record.data[tags.DATE] != s.terminal[tags.DATE]:
        return -1
    then, now = record.data[_TIME], s.terminal[_TIME]
    return _seconds(now) - _seconds(then)


def _seconds(time: bytes) -> int:
    hours, minutes, seconds = [tags.digits_to_int(time[i : i + 1]) for i in range(3)]
    return hours * 3600 + minutes * 60 + seconds


def _put_back(s: "Session", record: TornRecord) -> None:
    """All that was sent and decided then (S10.11)."""
    s.terminal = dict(record.data)
    s.tvr[:] = s.terminal.pop(tags.TVR)
    s.cvm[:] = s.terminal.pop(tags.CVM_RESULTS)
    s.pdol_data = s.terminal.pop(_PDOL_DATA)
    s.cdol_data = record.cdol
    s.un = s.terminal[tags.UN]
    relay.restore(s)
    s.explain[:] = explain.continued(record.explain, s.explain)
