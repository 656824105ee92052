"""Which applications a recording's terminal knew, and which of those offered its cardholder took: out of the commands alone."""

from collections.abc import Callable
from typing import Any

from protocol import tlv
from protocol.crypto.native import NativeCrypto
from protocol.emv import state
from protocol.emv.params import EmvParams
from protocol.emv.steps import selection
from protocol.errors import FormatError
from tools.emv import record

Step = tuple[bytes, bytes]
_ENTRY = 0x4F  # DF name in a directory entry
_DIRECTORIES = (b"1PAY", b"2PAY")


def known_to(steps: list[Step], parameters: dict[str, Any] | None) -> list[bytes]:
    """The applications selected by name, in that order; then those of the directory (PSE) that `parameters` cover and nobody selected.

    A terminal that went through its list instead has selected each, and the one it took twice.
    """
    selects = [
        data
        for command, response in steps
        for header, data in [record.parsed(command)]
        if header[:3] == b"\x00\xa4\x04" and response[-2:-1] != b"\x6c" and not data.startswith(_DIRECTORIES)
    ]
    names = [name for name in dict.fromkeys(selects) if 5 <= len(name) <= 16]
    listed = _listed(steps)
    if len(names) == len(selects) and all(name in listed for name in names):
        covered = [bytes(entry["aid"]) for entry in (parameters or {}).get("aids", [])]
        names += [name for name in listed if name not in names and name.startswith(tuple(covered))]
    return names


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
