"""Fast dynamic data authentication, version 01 (Book C-3, 5.6 and annex C; certificates as EMV 4.4 Book 2, 6).

The signed dynamic data (9F4B) cover the unpredictable number, the amount, the currency and the card authentication related data (9F69: version,
the card's own unpredictable number, its transaction qualifiers). They do not cover the cryptogram.
"""

from typing import TYPE_CHECKING

from protocol.emv import tags
from protocol.emv.oda import authenticate, certificates
from protocol.emv.oda.certificates import CertificateError, expect
from protocol.pack import hexed

if TYPE_CHECKING:
    from protocol.emv.state import Session

_SIGNED = (
    tags.CA_KEY_INDEX, tags.ISSUER_CERTIFICATE, tags.ISSUER_EXPONENT, tags.ICC_CERTIFICATE, tags.ICC_EXPONENT, tags.SDAD,
    tags.CARD_AUTHENTICATION,
)  # fmt: skip
_DDA = 0x20  # byte 1 of the application interchange profile
_VERSION = 0x01
_DIFFER = "fdda-qualifiers-differ"


def qualifiers(s: "Session") -> "bytes | None":
    """The card's transaction qualifiers: 9F6C, else their copy in 9F69; None if it gave neither.

    9F69 counts as soon as it was read, whether fDDA is done or not: an answer out of which only 9F6C was taken still says what the card wants.
    """
    given, copy = s.card.get(tags.CTQ), _copy(s)
    ctq = copy if given is None else given
    if ctq is not None:
        s.note("CTQ", hexed(ctq).upper() + (" 9F69" if given is None else " 9F6C"))
    return ctq


def agree(s: "Session") -> bool:
    """Whether 9F6C and 9F69 say the same where both are there, for a payment whose signature is not looked at."""
    if not _same(s):
        s.note("K3 FDDA", _DIFFER)
        return False
    return True


def _copy(s: "Session") -> "bytes | None":
    """The qualifiers in 9F69, None if there is none of version 01."""
    related = s.card.get(tags.CARD_AUTHENTICATION)
    return related[5:7] if related is not None and len(related) >= 7 and related[0] == _VERSION else None


def _same(s: "Session") -> bool:
    given, copy = s.card.get(tags.CTQ), _copy(s)
    return given is None or copy is None or given == copy


def check(s: "Session") -> bool:
    """Whether the card proves that it is genuine; why not is in the explanation."""
    s.oda = "fdda"
    try:
        expect(s.aip & _DDA != 0, "fdda-not-announced")
        certificates.require(s, _SIGNED)
        related = s.card[tags.CARD_AUTHENTICATION]
        expect(len(related) >= 7 and related[0] == _VERSION, "fdda-version")
        s.icc_key = certificates.icc_key(s, certificates.static_data(s))
        signed = [s.un, s.terminal[tags.AMOUNT], s.terminal[tags.CURRENCY], related]
        authenticate.open_dynamic(s, s.card[tags.SDAD], signed)
        expect(_same(s), _DIFFER)
    except CertificateError as error:
        s.note("K3 FDDA", str(error.detail))
        return False
    s.note("K3 FDDA", "fdda-holds 9F4B")
    return True
