"""GENERATE AC: the command, both answer formats, the CDA or XDA signature around it (EMV 4.4 Book 3, 6.5.5 and 9; Book 2, 6.6 and 12.5).

A card may answer with what was asked or with less (TC > ARQC > AAC), never more. Under CDA the cryptogram is taken from inside
the signature only. An XDA signature is asked for always, and looked at unless the answer is an AAC or XDA has failed before.
"""

from typing import TYPE_CHECKING

from protocol import apdu, tlv
from protocol.emv import state, tags
from protocol.emv.oda import authenticate
from protocol.emv.oda.certificates import CertificateError
from protocol.emv.steps import taa
from protocol.errors import EmvError
from protocol.pack import hexed

if TYPE_CHECKING:
    from protocol.emv.state import Session, Steps

_RANK = {taa.AAC: 0, taa.ARQC: 1, taa.TC: 2}
_CDA = 0x10
_XDA = 0x08
_MOST = 8  # digits of the card's number: with its last four, which are told anyway, as many as a receipt may have (PCI DSS 3.4.1)


class Cryptogram:
    """One answer to GENERATE AC. `kind`: taa.AAC, ARQC or TC; `signed`: inside a valid CDA signature; `failed`: CDA was asked and
    is missing or wrong."""

    def __init__(self, cid: int, atc: int, value: bytes, iad: bytes, signed: bool, failed: bool) -> None:
        self.cid = cid
        self.kind = cid & 0xC0
        self.atc = atc
        self.value = value
        self.iad = iad
        self.signed = signed
        self.failed = failed


def generate(s: "Session", kind: int, second: bool = False) -> "Steps":
    """Ask for `kind`, with CDA where it was chosen and still stands and `kind` is not AAC. Returns a Cryptogram.

    EMV-105 if refused, EMV-120 if the card answers more than was asked, EMV-101..108 if malformed. TVR and TSI are set.
    """
    cda = kind != taa.AAC and s.oda == "cda" and s.icc_key is not None
    dol = s.need(tags.CDOL2 if second else tags.CDOL1)
    _tc_hash(s, dol)
    data = tags.build_dol(dol, s.get)
    s.cdol_data = s.cdol_data + data if second else data
    mode = _XDA if s.oda == "xda" else _CDA if cda else 0
    yield ("progress", "gac", 1 if second else 0, 2)
    answer = yield from s.demand("GAC", apdu.command(0x80, 0xAE, kind | mode, 0, data, 256))
    found, cid = answered(s, answer, kind)
    s.note("GAC" + ("2" if second else "1") + f" asked {kind:02X}", f"card gave {cid:02X}")
    if s.oda == "xda":
        return _take_xda(s, found, cid, [data] if second else [s.pdol_data, data])
    return take(s, found, cid, cda and cid & 0xC0 != taa.AAC)


def _take_xda(s: "Session", found: "list[tuple[int, bytes]]", cid: int, sent: "list[bytes]") -> Cryptogram:
    """The cryptogram of the answer; `failed` if its signature was looked at and does not hold, or there is no key to look with."""
    given = take(s, found, cid, False)
    if given.kind == taa.AAC:
        s.set_tsi(state.ODA_PERFORMED)
        return given
    raw = b"".join([tlv.encode(tag, value) for tag, value in found if tag != tags.SDAD])
    given.signed = authenticate.check_xda(s, dict(found).get(tags.SDAD), sent, raw)
    given.failed = not given.signed
    return given


def answered(s: "Session", answer: bytes, kind: int) -> "tuple[list[tuple[int, bytes]], int]":
    """The data objects of an answer to GENERATE AC that asked for `kind`, in order, and its cryptogram information data."""
    found = _fields(answer)
    fields = dict(found)
    for tag in fields:
        tags.check(tag, fields[tag])
    for tag in (tags.CID, tags.ATC):
        if tag not in fields:
            raise EmvError("mandatory data object missing", "EMV-104", detail=tags.name(tag))
    cid = fields[tags.CID][0]
    if cid & 0xC0 not in _RANK or _RANK[cid & 0xC0] > _RANK[kind]:
        raise EmvError("the card gave a cryptogram that was not asked for", "EMV-120", detail=f"{cid:02X}")
    s.set_tsi(state.CARD_RISK_PERFORMED)
    if cid & 0x08:
        s.advice = True
    return found, cid


def take(s: "Session", found: "list[tuple[int, bytes]]", cid: int, signed: bool) -> Cryptogram:
    """The cryptogram of the answer, kept for DE55; `signed`: it must be inside a CDA signature, and that is checked."""
    fields = dict(found)
    value, signed, failed = _cryptogram(s, found, cid, signed)
    no_number(s, value)
    s.terminal[tags.CID] = fields[tags.CID]
    s.terminal[tags.ATC] = fields[tags.ATC]
    s.terminal[tags.CRYPTOGRAM] = value
    iad = fields.get(tags.IAD, b"")
    s.terminal[tags.IAD] = iad
    return Cryptogram(cid, tags.number(fields[tags.ATC]), value, iad, signed, failed)


def no_number(s: "Session", value: bytes) -> None:
    """EMV-102 if too much of the card's number stands in a cryptogram, which is recorded in clear: with the two side by side, in whatever
    position, more digits are the same than `_MOST`, or all of a shorter number. One genuine cryptogram in two million is refused by this.
    """
    digits, held = s.pan.decode(), hexed(value)
    most = min(_MOST, len(digits) - 1)
    for at in range(1 - len(held), len(digits)):
        begin, end = max(0, at), min(len(digits), at + len(held))
        if sum([digits[i] == held[i - at] for i in range(begin, end)]) > most >= 0:
            raise EmvError("the card contradicts itself", "EMV-102", detail="9F26")


def _fields(answer: bytes) -> "list[tuple[int, bytes]]":
    """The objects of the answer, of format 1 (80) or 2 (77); EMV-103 if one comes twice."""
    outer = tags.objects(answer)
    if len(outer) != 1 or outer[0][0] not in (0x77, 0x80):
        raise EmvError("wrong response template", "EMV-108", detail="GAC")
    tag, value = outer[0]
    if tag == 0x80:
        if not 11 <= len(value) <= 43:
            raise EmvError("data object of a wrong length", "EMV-102", detail="80")
        found = [(tags.CID, value[:1]), (tags.ATC, value[1:3]), (tags.CRYPTOGRAM, value[3:11])]
        return found + [(tags.IAD, value[11:])] if len(value) > 11 else found
    found = tags.objects(value)
    seen: "list[int]" = []
    for inner, _ in found:
        if inner in seen:
            raise EmvError("data object twice", "EMV-103", detail=tags.name(inner))
        seen.append(inner)
    return found


def _cryptogram(s: "Session", found: "list[tuple[int, bytes]]", cid: int, cda: bool) -> "tuple[bytes, bool, bool]":
    """(cryptogram, signed, failed)."""
    clear = dict(found).get(tags.CRYPTOGRAM)
    if not cda:
        if clear is None:
            raise EmvError("mandatory data object missing", "EMV-104", detail="9F26")
        return clear, False, False
    raw = b"".join([tlv.encode(tag, value) for tag, value in found if tag != tags.SDAD])
    try:
        value = authenticate.check_cda(s, found, raw, cid)
        if clear is not None and clear != value:
            raise CertificateError("cda-cryptogram")
    except CertificateError as error:
        authenticate.fail(s, error)
        return clear if clear is not None else bytes(8), False, True
    s.note("CDA", "signature holds")
    return value, True, False


def _tc_hash(s: "Session", dol: bytes) -> None:
    """The TC hash value, if the card asks for it (Book 3, 9.2.2)."""
    if tags.TC_HASH not in [tag for tag, _ in tags.parse_dol(dol)]:
        return
    tdol = s.card.get(tags.TDOL)
    if tdol is None:
        tdol = s.chosen.tdol
        s.set_tvr(state.DEFAULT_TDOL, "default-tdol 97")
    s.terminal[tags.TC_HASH] = s.crypto.sha1(tags.build_dol(tdol, s.get))
