"""The card's directory and the list of combinations in common (EMV Contactless Book B, 3.3.2; Book 1, 12).

SELECT of "2PAY.SYS.DDF01" gives the whole directory in its FCI (A5, BF0C, one 61 an application). There is no list of AIDs to fall back on:
a card without a directory is no contactless payment card. Strict: an entry whose AID or kernel identifier is malformed is passed over, as the
book wants; a directory that is no TLV, or names one application twice, is refused.
"""

from typing import TYPE_CHECKING

from protocol import apdu
from protocol.emv import tags
from protocol.emv.steps.records import unique
from protocol.emv.steps.selection import label_of
from protocol.errors import EmvError
from protocol.pack import stable_sorted

if TYPE_CHECKING:
    from protocol.emv.contactless.preprocess import Ready
    from protocol.emv.state import Session, Steps

PPSE = b"2PAY.SYS.DDF01"
_DISCRETIONARY = 0xBF0C
# RID and the kernel of an entry without 9F2A (Book B, table 3-6); any other RID: whatever kernel the terminal has for it
_DEFAULTS = (
    (b"\xa0\x00\x00\x00\x03", 3), (b"\xa0\x00\x00\x00\x04", 2), (b"\xa0\x00\x00\x00\x25", 4), (b"\xa0\x00\x00\x00\x65", 5),
    (b"\xa0\x00\x00\x01\x52", 6), (b"\xa0\x00\x00\x03\x33", 7),
)  # fmt: skip
_ANY = 0


class Candidate:
    """An application of the card with a combination of the terminal. `name`: the card's AID; `extension`: what 9F29 adds to it."""

    def __init__(self, name: bytes, ready: "Ready", entry: "dict[int, bytes]") -> None:
        self.name = name
        self.ready = ready
        self.label = label_of(entry, ready.combination)
        self.priority = entry.get(tags.PRIORITY, b"\0")[0] & 0x0F
        self.extension = entry.get(tags.EXTENDED_SELECTION, b"") if ready.combination.extended else b""


def candidates(s: "Session", known: "list[Ready]") -> "Steps":
    """SELECT PPSE (3.3.2.2 to 3.3.2.5); the candidates, best first: by priority (none is the last), then as the directory has them (3.3.3.2).

    Empty: nothing in common.
    """
    data, sw = yield from s.exchange(apdu.command(0, 0xA4, 4, 0, PPSE, 256))
    if sw != 0x9000:
        s.note("PPSE", f"refused {sw:04X}")
        return []
    found: "list[Candidate]" = []
    for entry in _entries(data):
        found.extend(_matching(s, known, entry))
    return stable_sorted(found, lambda c: c.priority or 16)


def _entries(data: bytes) -> "list[dict[int, bytes]]":
    fci = unique(tags.objects(tags.only(data, 0x6F)))
    if fci.get(tags.DF_NAME) != PPSE:
        raise EmvError("the card selected something else", "EMV-108", detail="84")
    if 0xA5 not in fci:
        raise EmvError("mandatory data object missing", "EMV-104", detail="A5")
    inner = unique(tags.objects(fci[0xA5]))
    if _DISCRETIONARY not in inner:
        raise EmvError("mandatory data object missing", "EMV-104", detail="BF0C")
    entries = [unique(tags.objects(value)) for tag, value in tags.objects(inner[_DISCRETIONARY]) if tag == 0x61]
    seen: "list[tuple[bytes, bytes]]" = []
    for entry in entries:
        identity = (entry.get(0x4F, b""), entry.get(tags.KERNEL_IDENTIFIER, b""))
        if entry.get(0x4F) and identity in seen:
            raise EmvError("data object twice", "EMV-103", detail="4F")
        seen.append(identity)
    return entries


def requested_kernel(name: bytes, identifier: "bytes | None") -> "int | None":
    """The kernel that an entry asks for: 0 any; None: one that no terminal can tell, pass the entry over (Book B, 3.3.2.5 C).

    Domestic kernels (byte 1, b8) need three bytes; their number is theirs alone, so that it never equals one of ours.
    """
    if identifier is not None and len(identifier) > 8:
        return None
    if not identifier or identifier == b"\0":
        for rid, kernel in _DEFAULTS:
            if name.startswith(rid):
                return kernel
        return _ANY
    first = identifier[0]
    if first & 0xC0 == 0:
        return first & 0x3F
    if first & 0x80 and len(identifier) >= 3:
        return tags.number(identifier[:3])
    return None


def _matching(s: "Session", known: "list[Ready]", entry: "dict[int, bytes]") -> "list[Candidate]":
    """The candidates of one entry, in the terminal's order; none if the entry is malformed or nothing matches."""
    name = entry.get(0x4F, b"")
    if not 5 <= len(name) <= 16 or len(entry.get(tags.PRIORITY, b"\0")) != 1:
        s.note("PPSE", "entry-malformed 4F 87")
        return []
    kernel = requested_kernel(name, entry.get(tags.KERNEL_IDENTIFIER))
    found: "list[Candidate]" = []
    for ready in known:
        aid = ready.combination
        same = name == aid.aid or (aid.partial and name.startswith(aid.aid))
        if same and kernel in (_ANY, aid.kernel) and kernel is not None:
            found.append(Candidate(name, ready, entry))
    return found
