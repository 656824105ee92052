"""Initiate application processing and read application data (EMV 4.4 Book 3, 10.1 and 10.2).

The AFL is held to its strictest reading; a record of SFI 1 to 10 is one template 70 and nothing else; no primitive object comes
twice. Records of SFI 11 to 30 are read for authentication only, their contents are not used. More than 64 records is refused:
no card needs them, and a hostile one could keep the officer waiting.
"""

from typing import TYPE_CHECKING

from protocol import apdu, tlv
from protocol.emv import tags
from protocol.errors import EmvError, FormatError
from protocol.pack import hexed

if TYPE_CHECKING:
    from protocol.emv.state import Session, Steps

MAX_RECORDS = 64
MANDATORY = (tags.EXPIRY, tags.PAN, tags.CDOL1, tags.CDOL2)


def initiate(s: "Session") -> "Steps":
    """GET PROCESSING OPTIONS. Returns False on 6985 (the application does not want this transaction: choose another)."""
    pdol = s.card.get(tags.PDOL)
    s.pdol_data = tags.build_dol(pdol, s.get) if pdol is not None else b""
    data, sw = yield from s.exchange(apdu.command(0x80, 0xA8, 0, 0, tlv.encode(0x83, s.pdol_data), 256))
    if sw == 0x6985:
        s.note("GPO", "conditions-not-satisfied")
        return False
    if sw != 0x9000:
        raise EmvError("the card refused a command", "EMV-105", detail=f"GPO {sw:04X}")
    aip, afl = _options(data)
    s.keep(tags.AIP, aip)
    s.card[tags.AFL] = afl
    s.afl = parse_afl(afl)
    return True


def _options(data: bytes) -> "tuple[bytes, bytes]":
    outer = tags.objects(data)
    if len(outer) != 1:
        raise EmvError("wrong response template", "EMV-108", detail="GPO")
    tag, value = outer[0]
    if tag == 0x80:
        if len(value) < 6:
            raise EmvError("data object of a wrong length", "EMV-102", detail="80")
        return value[:2], value[2:]
    if tag != 0x77:
        raise EmvError("wrong response template", "EMV-108", detail="GPO")
    inner = unique(tags.objects(value))
    for wanted in (tags.AIP, tags.AFL):
        if wanted not in inner:
            raise EmvError("mandatory data object missing", "EMV-104", detail=tags.name(wanted))
    return inner[tags.AIP], inner[tags.AFL]


def unique(found: "list[tuple[int, bytes]]") -> "dict[int, bytes]":
    """The objects by tag; EMV-103 if one comes twice."""
    result: "dict[int, bytes]" = {}
    for tag, value in found:
        if tag in result:
            raise EmvError("data object twice", "EMV-103", detail=tags.name(tag))
        result[tag] = value
    return result


def parse_afl(afl: bytes) -> "list[tuple[int, int, int, int]]":
    """(SFI, first, last, how many of them are authenticated) rows; EMV-106 if any byte is out of line (Book 3, 10.2)."""
    rows = []
    total = 0
    if not afl or len(afl) % 4 or len(afl) > 252:
        raise EmvError("application file locator of a wrong length", "EMV-106", detail=len(afl))
    for i in range(0, len(afl), 4):
        sfi, first, last, signed = afl[i], afl[i + 1], afl[i + 2], afl[i + 3]
        if sfi & 7 or not 1 <= sfi >> 3 <= 30 or first == 0 or last < first or signed > last - first + 1:
            raise EmvError("application file locator is malformed", "EMV-106", detail=i)
        total += last - first + 1
        rows.append((sfi >> 3, first, last, signed))
    if total > MAX_RECORDS:
        raise EmvError("application file locator names too many records", "EMV-106", detail=total)
    return rows


def read(s: "Session", mandatory: "tuple[int, ...]" = MANDATORY) -> "Steps":
    """READ RECORD for the whole AFL; fills the card's data and the records to be authenticated, checks what is mandatory."""
    total = sum([last - first + 1 for _, first, last, _ in s.afl])
    done = 0
    seen: "list[int]" = []
    for sfi, first, last, signed in s.afl:
        for number in range(first, last + 1):
            yield ("progress", "records", done, total)
            record = yield from s.demand("READ", apdu.command(0, 0xB2, number, sfi << 3 | 4, b"", 256))
            done += 1
            if sfi <= 10:
                content = tags.only(record, 0x70)
                _store(s, seen, content)
                if number < first + signed:
                    s.static.append(content)
            elif number < first + signed:
                _proprietary(s, record)
    for tag in mandatory:
        s.need(tag)
    if tags.PAN in s.card:
        s.pan = tags.pan_digits(s.card[tags.PAN])
    if tags.TRACK2 in s.card:
        track2(s)


def track2(s: "Session") -> "tuple[bytes, str]":
    """Number and what follows the separator of the track 2 equivalent data; EMV-102 if malformed, or if 5A is another number."""
    number, mark, rest = hexed(s.card[tags.TRACK2]).upper().partition("D")
    if not mark or len(rest) < 4 or not rest[:4].isdigit():
        raise EmvError("data object of a wrong length or format", "EMV-102", detail="57")
    pan = tags.pan_digits(bytes.fromhex(number + "F" * (len(number) % 2)))
    if s.pan and s.pan != pan:
        raise EmvError("the card contradicts itself", "EMV-102", detail="5A 57")
    return pan, rest


def _store(s: "Session", seen: "list[int]", content: bytes) -> None:
    for tag, value in tags.objects(content):
        if tag in seen:
            raise EmvError("data object twice", "EMV-103", detail=tags.name(tag))
        seen.append(tag)
        s.keep(tag, value)


def _proprietary(s: "Session", record: bytes) -> None:
    """A record of SFI 11 to 30 is authenticated with its tag and length, and must be a template 70 (Book 3, 10.3)."""
    s.static.append(record)
    try:
        tag, _, end = tlv.read(record, 0)
    except FormatError:
        tag, end = 0, 0
    if tag != 0x70 or end != len(record):
        s.static_ok = False
