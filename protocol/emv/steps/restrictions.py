"""Processing restrictions (EMV 4.4 Book 3, 10.4): version, usage control, effective and expiry date. Sends nothing to the card."""

from typing import TYPE_CHECKING

from protocol.emv import state, tags

if TYPE_CHECKING:
    from protocol.emv.state import Session

_NOT_AN_ATM = 0x01
_AT_AN_ATM = 0x02
# application usage control: transaction type -> (byte, domestic mask, international mask); goods or services is enough
_GOODS = (0, 0x28, 0x14)
_CASH = (0, 0x80, 0x40)
_CASHBACK = (1, 0x80, 0x40)


def check(s: "Session") -> None:
    """Set the bits of TVR byte 2 that apply."""
    version = s.card.get(tags.APPLICATION_VERSION)
    if version is not None and version != s.chosen.version:
        s.set_tvr(state.VERSIONS_DIFFER, "version 9F08 9F09")
    _usage(s)
    effective = s.card.get(tags.EFFECTIVE)
    if effective is not None and tags.full_date(effective) > s.today:
        s.set_tvr(state.NOT_YET_EFFECTIVE, "effective 5F25 9A")
    if tags.full_date(s.need(tags.EXPIRY)) < s.today:
        s.set_tvr(state.EXPIRED, "expiry 5F24 9A")


def _usage(s: "Session") -> None:
    usage = s.card.get(tags.AUC)
    if usage is None:
        return
    atm = s.chosen.terminal_type in (0x14, 0x15, 0x16) and s.chosen.additional[0] & 0x80
    if not usage[0] & (_AT_AN_ATM if atm else _NOT_AN_ATM):
        s.set_tvr(state.SERVICE_NOT_ALLOWED, "usage-terminal 9F07 9F35")
    country = s.card.get(tags.ISSUER_COUNTRY)
    if country is None:
        return
    kind = s.txn["type"]
    rows = (_GOODS,) if kind == 0x00 else (_CASH,) if kind == 0x01 else (_GOODS, _CASHBACK) if kind == 0x09 else ()
    for byte, domestic, international in rows:
        mask = domestic if country == s.terminal[tags.COUNTRY] else international
        if not usage[byte] & mask:
            s.set_tvr(state.SERVICE_NOT_ALLOWED, "usage-country 9F07 5F28 9F1A")
