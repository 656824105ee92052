"""Terminal action analysis (EMV 4.4 Book 3, 10.7): TVR against the action codes of issuer (IAC) and terminal (TAC).

An absent IAC-Denial means zeros, an absent IAC-Online or IAC-Default means ones (all 40 bits, not bytes of 01). On top of EMV
two rules of the house: a TC is only asked offline where CDA or XDA can prove it (`domain`: SDA and DDA cannot tell a yes-card), and
never where an online PIN was typed, whatever the action codes say: nobody but the issuer can check it.
"""

from typing import TYPE_CHECKING

from protocol.emv import tags

if TYPE_CHECKING:
    from protocol.emv.state import Session

AAC = 0x00
TC = 0x40
ARQC = 0x80

_ZEROS = bytes(5)
_ONES = b"\xff\xff\xff\xff\xff"


def issuer_code(s: "Session", tag: int) -> bytes:
    """The issuer's action code with its right default."""
    value = s.card.get(tag)
    if value is None:
        return _ZEROS if tag == tags.IAC_DENIAL else _ONES
    return value


def matches(s: "Session", kind: str, tac: bytes, iac_tag: int) -> bool:
    """Whether TVR meets TAC or IAC; every bit that does is noted ("TAC-ONLINE B4b8")."""
    found = False
    for owner, code in (("TAC-", tac), ("IAC-", issuer_code(s, iac_tag))):
        for i in range(5):
            common = s.tvr[i] & code[i]
            for position in range(8, 0, -1):
                mask = 1 << position - 1
                if common & mask:
                    s.note(owner + kind + " " + s.named((i + 1) << 8 | mask), "tvr 95")
                    found = True
    return found


def denied(s: "Session") -> bool:
    """Whether the denial codes match."""
    return matches(s, "DENIAL", s.chosen.tac_denial, tags.IAC_DENIAL)


def defaulted(s: "Session") -> bool:
    """Whether the default codes match: for terminals that are, for now or ever, unable to go online."""
    return matches(s, "DEFAULT", s.chosen.tac_default, tags.IAC_DEFAULT)


def offline_only(s: "Session") -> bool:
    """Terminal types x3 and x6 never go online (Book 4, annex A1)."""
    return s.chosen.terminal_type & 0x0F in (3, 6)


def online_only(s: "Session") -> bool:
    """Terminal types x1 and x4 have no offline approval: what the issuer did not see is not approved."""
    return s.chosen.terminal_type & 0x0F in (1, 4)


def may_trust_tc(s: "Session") -> bool:
    """Whether a TC could be proved: CDA or XDA chosen and not failed so far, and the AIP among what is signed.

    XDA always signs it, CDA where the card has a tag list (9F4A); without, whoever changes the AIP on its way takes the CVM list out of the game.
    """
    cda = s.oda == "cda" and s.icc_key is not None and tags.SDA_TAG_LIST in s.card
    return cda or (s.oda == "xda" and s.ecc_key is not None)


def may_approve_offline(s: "Session") -> bool:
    """The rules of the house; the one that is against it is noted."""
    if s.online_pin:
        s.note("RULE", "online-pin-goes-online")
        return False
    if not may_trust_tc(s):
        s.note("RULE", "offline-needs-cda")
        return False
    return True


def first_request(s: "Session") -> int:
    """What the first GENERATE AC asks for."""
    if denied(s):
        return AAC
    if offline_only(s):
        return TC if not defaulted(s) and may_approve_offline(s) else AAC
    if matches(s, "ONLINE", s.chosen.tac_online, tags.IAC_ONLINE):
        return ARQC
    if online_only(s):
        s.note("RULE", "online-only 9F35")
        return ARQC
    return TC if may_approve_offline(s) else ARQC
