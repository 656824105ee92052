"""Offline data authentication: choice of method, SDA, DDA, and CDA and XDA in two halves (EMV 4.4 Book 3, 10.3; Book 2, 5.4, 6.5, 6.6, 12).

The first half of CDA and XDA, before terminal action analysis, recovers the card's key; the second checks the signed answer to GENERATE AC.
What goes wrong with XDA beyond the authority's key is in the TVR only after that command (Book 4, 6.3.2.2).
"""

from typing import TYPE_CHECKING

from protocol import apdu
from protocol.emv import state, tags
from protocol.emv.oda import certificates
from protocol.emv.oda.certificates import CertificateError, expect
from protocol.errors import EmvError

if TYPE_CHECKING:
    from protocol.emv.state import Session, Steps

_SDA = (tags.CA_KEY_INDEX, tags.ISSUER_CERTIFICATE, tags.ISSUER_EXPONENT, tags.SSAD)
_DYNAMIC = (
    tags.CA_KEY_INDEX, tags.ISSUER_CERTIFICATE, tags.ISSUER_EXPONENT, tags.ICC_CERTIFICATE, tags.ICC_EXPONENT,
)  # fmt: skip
_FAILED = {"sda": state.SDA_FAILED, "dda": state.DDA_FAILED, "cda": state.CDA_FAILED}


def method(aip: int, capability: int) -> str:
    """The method both sides can do (Book 3, 10.3): first byte of the AIP, third byte of 9F33."""
    if aip & 0x80 and capability & 0x04:
        return "xda"
    if aip & 0x01 and capability & 0x08:
        return "cda"
    if aip & 0x20 and capability & 0x40:
        return "dda"
    if aip & 0x40 and capability & 0x80:
        return "sda"
    return "none"


def run(s: "Session") -> "Steps":
    """Choose and do it; sets TVR byte 1 and the TSI. A failure never raises, except a card that refuses INTERNAL AUTHENTICATE."""
    yield ("progress", "oda", 0, 1)
    s.oda = method(s.aip, s.chosen.capabilities[2])
    if s.oda == "none":
        s.set_tvr(state.ODA_NOT_PERFORMED, "no-common-method 82 9F33")
        return
    s.note("ODA " + s.oda.upper(), "selected 82 9F33")
    if s.oda == "sda":
        s.set_tvr(state.SDA_SELECTED, "selected 82 9F33")
    if s.oda == "xda":
        _extended(s)
        return
    try:
        if s.oda == "sda":
            certificates.require(s, _SDA)
            _static(s)
        else:
            certificates.require(s, _DYNAMIC)
            s.icc_key = certificates.icc_key(s, certificates.static_data(s))
            if s.oda == "dda":
                yield from _dynamic(s)
        if s.oda != "cda":
            s.set_tsi(state.ODA_PERFORMED)
    except CertificateError as error:
        fail(s, error)


def _extended(s: "Session") -> None:
    """XDA up to the card's key (Book 2, 12.2 to 12.4)."""
    from protocol.emv.oda import ecc

    s.set_tvr(state.XDA_SELECTED, "selected 82 9F33")
    authority = ecc.ca_key(s)
    if authority is None:
        s.set_tvr(state.ECC_CA_KEY_MISSING, "ca-key-unknown 8F")
        return
    try:
        s.ecc_key = ecc.card_key(s, authority)
    except CertificateError as error:
        s.ecc_trouble = str(error.detail)


def check_xda(s: "Session", signed: "bytes | None", sent: "list[bytes]", raw: bytes) -> bool:
    """XDA's second half: whether the answer's signature holds; sets what failed in the TVR, and the TSI bit."""
    from protocol.emv.oda import ecc

    s.set_tsi(state.ODA_PERFORMED)
    if s.ecc_trouble:
        s.set_tvr(state.ECC_RECOVERY_FAILED, s.ecc_trouble)
        s.ecc_trouble = ""
    if s.ecc_key is None:
        return False
    try:
        ecc.check(s, signed, sent, raw)
    except CertificateError as error:
        s.ecc_key = None
        s.set_tvr(state.XDA_FAILED, str(error.detail))
        return False
    s.note("XDA", "signature holds")
    return True


def fail(s: "Session", error: CertificateError) -> None:
    """Note that the chosen method failed: its TVR bit, "ICC data missing" where that is why, and the TSI bit."""
    if error.missing:
        s.set_tvr(state.ICC_DATA_MISSING, "missing " + str(error.detail))
    s.icc_key = None
    s.set_tvr(_FAILED[s.oda], str(error.detail))
    s.set_tsi(state.ODA_PERFORMED)


def _static(s: "Session") -> None:
    """Book 2, 5.4: the signed static application data."""
    key = certificates.issuer_key(s)
    opened = certificates.open_signature(s.crypto, key, s.card[tags.SSAD], 0x03, "ssad")
    expect(opened[2] == 0x01, "ssad-hash-algorithm")
    certificates.hash_holds(s.crypto, opened, certificates.static_data(s), "ssad")
    s.terminal[0x9F45] = opened[3:5]


def open_dynamic(s: "Session", signature: bytes, data: "list[bytes]") -> bytes:
    """The ICC dynamic data inside signed dynamic application data (Book 2, 6.5.2 and 6.6.2 up to the hash)."""
    key = s.icc_key
    if key is None:
        raise CertificateError("no-icc-key")
    opened = certificates.open_signature(s.crypto, key, signature, 0x05, "sdad")
    expect(opened[2] == 0x01, "sdad-hash-algorithm")
    length = opened[3]
    expect(length <= len(opened) - 25, "sdad-length")
    certificates.hash_holds(s.crypto, opened, data, "sdad")
    dynamic = opened[4 : 4 + length]
    expect(length >= 3 and 2 <= dynamic[0] <= 8 and dynamic[0] < length, "sdad-dynamic-number")
    s.terminal[tags.ICC_DYNAMIC_NUMBER] = dynamic[1 : 1 + dynamic[0]]
    return dynamic


def _dynamic(s: "Session") -> "Steps":
    """Book 2, 6.5: INTERNAL AUTHENTICATE. A refusal or a malformed answer ends the transaction (Book 3, 6.5.9.4)."""
    ddol = s.card.get(tags.DDOL)
    if ddol is None:
        ddol = s.chosen.ddol
    expect(tags.UN in [tag for tag, _ in tags.parse_dol(ddol)], "ddol-without-9F37")
    data = tags.build_dol(ddol, s.get)
    answer = yield from s.demand("INTERNAL-AUTH", apdu.command(0, 0x88, 0, 0, data, 256))
    outer = tags.objects(answer)
    if len(outer) != 1 or outer[0][0] not in (0x77, 0x80):
        raise EmvError("wrong response template", "EMV-108", detail="INTERNAL-AUTH")
    signature = outer[0][1] if outer[0][0] == 0x80 else dict(tags.objects(outer[0][1])).get(tags.SDAD)
    if signature is None:
        raise EmvError("mandatory data object missing", "EMV-104", detail="9F4B")
    open_dynamic(s, signature, [data])


def check_cda(s: "Session", found: "list[tuple[int, bytes]]", raw: bytes, cid: int) -> bytes:
    """Book 2, 6.6.2: the application cryptogram out of the signed answer to GENERATE AC; CertificateError if anything is off.

    `found`, `raw`: the objects of the answer, and their bytes as hashed (9F4B left out). Sets the TSI bit.
    """
    s.set_tsi(state.ODA_PERFORMED)
    signature = dict(found).get(tags.SDAD)
    if signature is None:
        raise CertificateError("9F4B")
    dynamic = open_dynamic(s, signature, [s.un])
    at = 1 + dynamic[0]
    expect(len(dynamic) >= at + 29, "cda-length")
    expect(dynamic[at] == cid, "cda-cid")
    sha = s.crypto.sha_new("sha1")
    for part in (s.pdol_data, s.cdol_data, raw):
        sha.update(part)
    expect(sha.digest() == dynamic[at + 9 : at + 29], "cda-transaction-hash")
    expect(dynamic[at + 29 : at + 29 + len(s.relay)] == s.relay, "cda-relay-resistance")
    return dynamic[at + 1 : at + 9]
