"""What Kernel 2 asks the card for (EMV Contactless Book C-2, TAA.1 to TAA.18, GAC.20 to GAC.27).

The action codes are the contact kernel's (`steps.taa`); an absent IAC-Online or IAC-Default means ones, so that even "relay resistance performed"
goes online then. Rules of the house on top: a TC only where the combination allows one, CDA will prove it and no online PIN has to be
verified.
"""

from typing import TYPE_CHECKING

from protocol.emv import state, tags
from protocol.emv.contactless.c2 import data
from protocol.emv.oda import certificates
from protocol.emv.oda.certificates import CertificateError
from protocol.emv.steps import taa
from protocol.errors import EmvError

if TYPE_CHECKING:
    from protocol.emv.state import Session

_CDA_ON_AAC = 0x01  # 9F5D, byte 2: "CDA supported over TC, ARQC and AAC"
_CDA = (
    tags.CA_KEY_INDEX, tags.ISSUER_CERTIFICATE, tags.ISSUER_EXPONENT, tags.ICC_CERTIFICATE, tags.ICC_EXPONENT, tags.SDA_TAG_LIST,
)  # fmt: skip


def announce(s: "Session") -> None:
    """Choose CDA or nothing (S3R1.17 to S3R1.20), and see that what it needs is there (S456.24 to S456.28).

    Certificates are opened after the card has gone. EMV-102: the static data authentication tag list, without which there is no CDA, is absent or
    names something else than the AIP.
    """
    if not (s.aip & 0x01 and s.chosen.capabilities[2] & 0x08):
        s.set_tvr(state.ODA_NOT_PERFORMED, "no-common-method 82 9F33")
        return
    s.oda = "cda"
    s.note("ODA CDA", "selected 82 9F33")
    try:
        certificates.require(s, _CDA)
        certificates.ca_key(s)
    except CertificateError as error:
        if error.missing:
            s.set_tvr(state.ICC_DATA_MISSING, "missing " + str(error.detail))
        s.set_tvr(state.CDA_FAILED, str(error.detail))
    if s.card.get(tags.SDA_TAG_LIST) != b"\x82":
        raise EmvError("data object of a wrong length or format", "EMV-102", detail="9F4A")


def provable(s: "Session") -> bool:
    """Whether CDA is chosen and has not failed so far."""
    return s.oda == "cda" and not s.has_tvr(state.CDA_FAILED)


def request(s: "Session") -> "tuple[int, bool]":
    """(kind of cryptogram to ask for, whether with CDA)."""
    kind = _analysed(s)
    if not provable(s):
        if data.device_verifies(s) and kind != taa.AAC:
            s.note("RULE", "device-needs-cda")  # GAC.22: a phone without CDA is asked for nothing else
            kind = taa.AAC
        return kind, False
    information = s.card.get(data.CAPABILITIES_INFORMATION, b"")
    return kind, kind != taa.AAC or (len(information) == 3 and bool(information[1] & _CDA_ON_AAC))


def _analysed(s: "Session") -> int:
    """Terminal action analysis."""
    if taa.denied(s):
        return taa.AAC
    offline = taa.offline_only(s)
    if offline:
        if taa.defaulted(s):
            return taa.AAC
    elif taa.online_only(s) or taa.matches(s, "ONLINE", s.chosen.tac_online, tags.IAC_ONLINE):
        return taa.ARQC
    otherwise = taa.AAC if offline else taa.ARQC
    if not data.combination(s).offline:
        s.note("RULE", "never-offline")
        return otherwise
    if s.has_tvr(state.ONLINE_PIN_ENTERED):
        s.note("RULE", "online-pin-goes-online")
        return otherwise
    if not provable(s):
        s.note("RULE", "offline-needs-cda")
        return otherwise
    return taa.TC
