"""Processing restrictions of Kernel 3 (Book C-3, 5.5) and the card's wishes in its transaction qualifiers (9F6C, annex A.2). Nothing is sent."""

from typing import TYPE_CHECKING

from protocol.emv import tags
from protocol.emv.contactless import common

if TYPE_CHECKING:
    from protocol.emv.state import Session

EXPIRED = "expired"
EXCEPTED = "exception-file"
NOT_ALLOWED = "usage"

ONLINE_IF_ODA_FAILS = 0x20  # byte 1 of the card transaction qualifiers
SWITCH_IF_ODA_FAILS = 0x10
ONLINE_IF_EXPIRED = 0x08

_DOMESTIC_GOODS = 0x28
_INTERNATIONAL_GOODS = 0x14


def wants(ctq: "bytes | None", bits: int) -> bool:
    """Whether the card wishes one of `bits` of byte 1."""
    return ctq is not None and ctq[0] & bits != 0


def check(s: "Session", offline: bool, verdict: dict) -> str:
    """The word of the restriction that forbids this payment, "" if none. Expiry is looked at for a TC only: an ARQC's issuer sees it itself."""
    if verdict.get("exception") or common.excepted(s):
        s.note("K3 RESTRICTION", "exception-file 5A")
        return EXCEPTED
    if offline and tags.full_date(s.need(tags.EXPIRY)) < s.today:
        s.note("K3 RESTRICTION", "expiry 5F24 9A")
        return EXPIRED
    if not _allowed(s):
        s.note("K3 RESTRICTION", "usage-country 9F07 5F28 9F1A")
        return NOT_ALLOWED
    return ""


def _allowed(s: "Session") -> bool:
    usage, country = s.card.get(tags.AUC), s.card.get(tags.ISSUER_COUNTRY)
    if usage is None or country is None:
        return True
    mask = _DOMESTIC_GOODS if country == s.terminal[tags.COUNTRY] else _INTERNATIONAL_GOODS
    return usage[0] & mask != 0
