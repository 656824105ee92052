"""Which applications a recording's terminal knew, and which of those offered its cardholder took: out of the commands alone."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from protocol import tlv
from protocol.crypto.native import NativeCrypto
from protocol.emv import state, tags
from protocol.emv.params import EmvParams
from protocol.emv.steps import selection
from protocol.errors import FormatError
from tools.emv import record

Step = tuple[bytes, bytes]
_ENTRY = 0x4F  # DF name in a directory entry
_DIRECTORIES = (b"1PAY", b"2PAY")


def known_to(steps: list[Step], entries: list[bytes]) -> list[bytes]:
    """The terminal's list of applications, as far as a recording shows it, in its order.

    A terminal that went through its list has selected each entry, and then what it took once more, by the card's name. One that read the
    directory (PSE) or a tapped card's selects names alone: of the directory's, the longest of `entries` that covers each stands for it, or the
    name itself if it was selected; a tapped card's are given as they are.
    """
    selects = _selects(steps)
    names = [one.name for one in selects if 5 <= len(one.name) <= 16]
    listed = _listed(steps)
    if len(set(names)) < len(selects) or not all(name in listed for name in names):
        tapped = any(record.parsed(command)[1].startswith(_DIRECTORIES[1]) for command, _ in steps)
        return list(dict.fromkeys(names if tapped else _went_through(selects)))
    taken = [covering(name, entries) or name for name in names]
    return list(dict.fromkeys(taken + [own for own in (covering(name, entries) for name in listed) if own]))


def covering(name: bytes, entries: list[bytes]) -> bytes:
    """The longest of the terminal's entries that this name begins with, b"" if none is."""
    return max((entry for entry in entries if name.startswith(entry)), key=len, default=b"")


def shown(name: bytes, entries: list[bytes]) -> bytes:
    """What may be said of an application's name (`state.shown`); of one that no entry covers, its RID counts as the entry."""
    return state.shown(name, covering(name, entries) or name[:5])


@dataclass
class _Select:
    """A SELECT by name: of the first application so named or a following one; where it succeeded, the name that the card gave itself."""

    name: bytes
    following: bool
    given: bytes = b""
    run: bool = True  # before the first command to an application


def _selects(steps: list[Step]) -> list[_Select]:
    """Every SELECT of an application; one repeated for its length (6Cxx) once, with what GET RESPONSE fetched."""
    found: list[_Select] = []
    run = True
    inside = b""
    for command, response in steps:
        header, data = record.parsed(command)
        if header[1:2] == b"\xc0" and inside:
            inside += response[:-2]
        elif header[:3] == b"\x00\xa4\x04" and not data.startswith(_DIRECTORIES):
            if response[-2:-1] == b"\x6c":
                continue
            found.append(_Select(data, header[3:4] == b"\x02", run=run))
            inside = b"" if response[-2:-1] not in (b"\x90", b"\x61") else b"\0" + response[:-2]
        else:
            run, inside = run and not found, b""
        if inside and response[-2:] == b"\x90\x00":
            found[-1].given = _name_in(inside[1:])
    return found


def _name_in(answer: bytes) -> bytes:
    try:
        return next((bytes(value) for _, tag, value in tlv.walk(answer) if tag == tags.DF_NAME), b"")
    except FormatError:
        return b""


def _went_through(selects: list[_Select]) -> list[bytes]:
    """The entries of the list: what was selected before the first application was taken, without the attempts to take one.

    Those are the last, each of another name that an answer before gave; only the very last of them succeeds.
    """
    tried = [one for one in selects if one.run]
    taken: list[bytes] = []
    while tried:
        last = tried[-1]
        known = any(one.given == last.name for one in tried[:-1])
        if last.following or not known or last.name in taken or (taken and last.given):
            break
        taken.append(last.name)
        tried.pop()
    return [one.name for one in tried if 5 <= len(one.name) <= 16]


def _listed(steps: list[Step]) -> list[bytes]:
    """What the records of the payment system directory name; they are read before any application is selected."""
    found: list[bytes] = []
    inside = False
    for command, response in steps:
        header, data = record.parsed(command)
        if header[:3] == b"\x00\xa4\x04":
            if not data.startswith(_DIRECTORIES[0]):
                break
            inside = True
        elif inside:
            try:
                found += [bytes(value) for _, tag, value in tlv.walk(response[:-2]) if tag == _ENTRY]
            except FormatError:
                continue
    return [name for name in dict.fromkeys(found) if 5 <= len(name) <= 16]


def offered(txn: dict[str, Any], params: EmvParams, card: Callable[[bytes], bytes]) -> list[bytes]:
    """The names that the kernel finds with this card, best first."""
    machine = selection.candidates(state.Session(txn, params, NativeCrypto(), bytes(4)))
    answer: Any = None
    try:
        while True:
            request = machine.send(answer)
            answer = card(bytes(request[1])) if request[0] == "apdu" else None
    except StopIteration as stop:
        return [candidate.name for candidate in stop.value]


def taken(steps: list[Step], at: int, names: list[bytes]) -> int:
    """The place among `names` of the application that step `at` selects; 0 if that is none of them."""
    name = record.parsed(steps[at][0])[1] if at < len(steps) else b""
    return names.index(name) if name in names else 0
