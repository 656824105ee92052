"""Application selection (EMV 4.4 Book 1, 12): PSE or list of AIDs, partial names, priority, cardholder choice, final SELECT.

The PSE is tried when the parameters say so; whatever is wrong with it leads to the list of AIDs. Directories below the PSE
(73, DDF entries) are not followed: EMV 4.4 has no more of them. Extended selection (9F29) is contactless only.
"""

from typing import TYPE_CHECKING

from protocol import apdu
from protocol.emv import tags
from protocol.errors import EmvError
from protocol.pack import hexed, stable_sorted

if TYPE_CHECKING:
    from protocol.emv.params import AidParams
    from protocol.emv.state import Session, Steps

PSE = b"1PAY.SYS.DDF01"
_MAX_RECORDS = 20  # of a payment system directory
MOST_DIGITS = 5  # a label has fewer: with what the card's name may add and the last four, fewer than a receipt may have
_MAX_NEXT = 10  # applications under one partial name
_FCI = (tags.APPLICATION_LABEL, tags.PRIORITY, tags.PDOL, 0x5F2D, 0x9F11, 0x9F12, 0xBF0C)


class Candidate:
    """An application of the card that the terminal knows too."""

    def __init__(self, name: bytes, aid: "AidParams", inner: "dict[int, bytes]") -> None:
        self.name = name
        self.aid = aid
        self.label = label_of(inner, aid)
        priority = inner.get(tags.PRIORITY, b"\0")
        self.priority = priority[0] & 0x0F if len(priority) == 1 else 0
        self.confirm = len(priority) == 1 and priority[0] & 0x80 != 0


def label_of(inner: "dict[int, bytes]", aid: "AidParams") -> str:
    """What the cardholder reads (Book 1, 12.4): preferred name if in code table 1, else label, else the parameters' one.

    A name with five digits or more is none: nothing that may be a card's number, whole or not, gets onto screen, record and receipt.
    """
    for tag in (0x9F12, tags.APPLICATION_LABEL):
        if tag == 0x9F12 and inner.get(0x9F11) != b"\x01":
            continue
        text = "".join([chr(c) for c in inner.get(tag, b"")[:16] if 0x20 <= c < 0x7F]).strip()
        if text and len([c for c in text if "0" <= c <= "9"]) < MOST_DIGITS:
            return text
    return aid.label or hexed(aid.aid).upper()


def candidates(s: "Session") -> "Steps":
    """The candidate list, best first. EMV-111: the card is blocked."""
    yield ("progress", "select", 0, 1)
    found: "list[Candidate]" = []
    if s.params.pse:
        found = yield from _from_pse(s)
    if not found:
        found = yield from _from_list(s)
    return stable_sorted(found, lambda c: c.priority or 16)


def _select(s: "Session", name: bytes, following: bool = False) -> "Steps":
    return (yield from s.exchange(apdu.command(0, 0xA4, 4, 2 if following else 0, name, 256)))


def _blocked_card() -> EmvError:
    return EmvError("the card is blocked or is no payment card", "EMV-111", detail="6A81")


def _from_pse(s: "Session") -> "Steps":
    """Book 1, 12.3.2."""
    data, sw = yield from _select(s, PSE)
    if sw == 0x6A81:
        raise _blocked_card()
    if sw != 0x9000:
        return []
    found: "list[Candidate]" = []
    try:
        sfi = dict(tags.objects(_proprietary(data, PSE))).get(0x88, b"")
        if len(sfi) != 1 or not 1 <= sfi[0] <= 10:
            return []
        for number in range(1, _MAX_RECORDS + 1):
            record, sw = yield from s.exchange(apdu.command(0, 0xB2, number, sfi[0] << 3 | 4, b"", 256))
            if sw == 0x6A83:
                break
            if sw != 0x9000:
                return []
            for tag, entry in tags.objects(tags.only(record, 0x70)):
                if tag == 0x61:
                    _add(s, found, dict(tags.objects(entry)))
    except EmvError as error:
        s.note("PSE", error.code)
        return []
    return found


def _add(s: "Session", found: "list[Candidate]", entry: "dict[int, bytes]") -> None:
    name = entry.get(0x4F, b"")
    aid = best(s.params.aids, name) if 5 <= len(name) <= 16 else None
    if aid is not None and name not in [c.name for c in found]:
        found.append(Candidate(name, aid, entry))


def best(aids: "list[AidParams]", name: bytes) -> "AidParams | None":
    """The parameters for an application: those of its own name, else of the longest beginning that may be partial."""
    found = None
    for aid in aids:
        if name == aid.aid:
            return aid
        if aid.partial and name.startswith(aid.aid) and (found is None or len(aid.aid) > len(found.aid)):
            found = aid
    return found


def _from_list(s: "Session") -> "Steps":
    """Book 1, 12.3.3."""
    found: "list[Candidate]" = []
    for aid in s.params.aids:
        following = False
        named: "list[bytes]" = []
        for _ in range(_MAX_NEXT):
            data, sw = yield from _select(s, aid.aid, following)
            if sw == 0x6A81 and not following:
                raise _blocked_card()
            if sw not in (0x9000, 0x6283):
                break
            if sw == 0x6283:
                s.blocked = True
                if not data:  # a blocked application need not say its name
                    following = aid.partial
                    if following:
                        continue
                    break
            name, inner = read_fci(data)
            if not name.startswith(aid.aid) or name in named:
                break
            named.append(name)
            if sw == 0x9000 and name not in [c.name for c in found]:
                own = best(s.params.aids, name)
                if own is not None:
                    found.append(Candidate(name, own, inner))
            if name == aid.aid or not aid.partial:
                break
            following = True
    return found


def _proprietary(data: bytes, name: bytes) -> bytes:
    """A5 of the FCI of `name`."""
    fci = tags.objects(tags.only(data, 0x6F))
    if dict(fci).get(tags.DF_NAME) != name:
        raise EmvError("the card selected something else", "EMV-108", detail="84")
    return dict(fci).get(0xA5, b"")


def read_fci(data: bytes) -> "tuple[bytes, dict[int, bytes]]":
    """DF name and the contents of A5; EMV-101, EMV-104, EMV-108."""
    fci = dict(tags.objects(tags.only(data, 0x6F)))
    if tags.DF_NAME not in fci or 0xA5 not in fci:
        raise EmvError("mandatory data object missing", "EMV-104", detail="84")
    tags.check(tags.DF_NAME, fci[tags.DF_NAME])
    return fci[tags.DF_NAME], dict(tags.objects(fci[0xA5]))


def choose(s: "Session", found: "list[Candidate]") -> "Steps":
    """One of the candidates (Book 1, 12.4): the only one, the cardholder's choice, or the first that needs no confirmation.

    EMV-110: there is none; EMV-112: what there was is blocked; EMV-113: cancelled.
    """
    if not found:
        if s.blocked:
            raise EmvError("the application is blocked", "EMV-112")
        raise EmvError("no application in common", "EMV-110")
    if len(found) == 1 and not found[0].confirm:
        return found[0]
    offered = found
    if not s.params.choice:
        silent = [c for c in found if not c.confirm]
        if silent:
            return silent[0]
    answer = yield ("choose", [c.label for c in offered])
    if answer is None or not 0 <= answer < len(offered):
        raise EmvError("the cardholder cancelled the choice", "EMV-113")
    s.note("SELECT", "cardholder-choice")
    return offered[answer]


def keep_fci(s: "Session", name: bytes, inner: "dict[int, bytes]") -> None:
    """The card's first data: of an FCI, which nothing signs, only what Book 1 (11.3.4) puts there."""
    s.keep(tags.DF_NAME, name)
    s.admit(inner.items(), _FCI, "SELECT")


def final(s: "Session", candidate: Candidate) -> "Steps":
    """Final SELECT; fills the card's data from the FCI. Returns False if the card does not accept it (then the next one)."""
    data, sw = yield from _select(s, candidate.name)
    if sw != 0x9000:
        s.blocked = s.blocked or sw == 0x6283
        s.note("SELECT", f"refused {sw:04X}")
        return False
    name, inner = read_fci(data)
    if name != candidate.name:
        raise EmvError("the card selected something else", "EMV-108", detail="84")
    s.card = {}
    s.aid = candidate.aid
    keep_fci(s, name, inner)
    candidate.label = label_of(inner, candidate.aid)
    yield ("progress", "select", 1, 1)
    return True
