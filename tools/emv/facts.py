"""What a recording says of the end of its payment, against what the replay came to: facts of the result, and data objects under "terminal".

A data object may be noted as it stood when the issuer was asked (DE55) or at the end: the registers and the cryptogram are others then. What
the replay was given, it was played with, and it cannot differ; what it neither was given nor holds is told, not judged. Values that identify
card or holder, or may, are never said.
"""

import inspect
from collections.abc import Generator
from typing import Any

from protocol.emv import tags
from protocol.emv.kernel import Result
from protocol.emv.state import Session
from protocol.emv.steps.selection import MOST_DIGITS
from tools.emv import applications, mask

SECRET = (
    "57",
    "5A",
    "5F20",
    "9F1F",
    "9F20",
    "56",
    "9F6B",
    "9F0B",
    "5F53",
)  # what identifies card or holder: its length is shown, never its value
NAMES = ("50", "9F12")
PRINTED = ("oda", "cda_ok", "cid", "atc", "label", "last4", "arc", "auth_code", "script_results")
"""What `pay --json` prints of a result besides registers and decision."""
TOLD = ("oda", "cda_ok", "cid", "atc", "arc", "auth_code", "script_results")
"""Those of them that a trace has too."""
GIVEN = (
    tags.AMOUNT, tags.DATE, 0x9F21, tags.CURRENCY, tags.COUNTRY, tags.TXN_TYPE, tags.UN, tags.COUNTER, 0x9F1C, 0x9F16, 0x9F1E, 0x9F4E,
    0x9F33, 0x9F40, 0x9F09, 0x9F1B, 0x9F35,
)  # fmt: skip
"""What a replay takes from "terminal"; a tap 9F66 too."""
_REWRITTEN = (0x9F33, tags.TTQ)  # by the kernels of taps, out of what they were given
_CHOSEN = (tags.DF_NAME, tags.AID_TERMINAL, 0x4F)
_MOST = 32  # bytes that are shown


def printed(result: Result) -> dict[str, Any]:
    """The facts `PRINTED`, as `pay --json` prints them."""
    return {
        "oda": result.oda, "cda_ok": result.cda_ok, "cid": f"{result.cid:02X}", "atc": result.atc, "label": result.label,
        "last4": bytes(result.pan[-4:]).decode(), "arc": result.arc, "auth_code": result.auth_code,
        "script_results": result.script_results.hex().upper(),
    }  # fmt: skip


def numbered(name: bytes) -> bool:
    """Whether an application's name may be the card's number."""
    return sum(0x30 <= c <= 0x39 for c in name) >= MOST_DIGITS


class Held:
    """The data objects of a kernel that is being stepped: `watch` before each step."""

    def __init__(self, recorded: dict[int, bytes], tapped: bool) -> None:
        self._recorded = recorded
        self._tapped = tapped
        self._session: Session | None = None
        self._asked: dict[int, bytes | None] = {}

    def watch(self, machine: Generator[Any, Any, Any], request: tuple[Any, ...]) -> None:
        """Note whose data the kernel has at this request: presentations of a tapped card have a session each."""
        self._session = inspect.getgeneratorlocals(machine).get("s", self._session)
        if request[0] == "online" and self._session is not None:
            self._asked = {tag: self._session.get(tag) for tag in self._recorded}

    def compare(self, result: Result | None, entries: list[bytes]) -> tuple[list[str], list[str]]:
        """(differences, what was not used), in the order of the recording. `entries`: the terminal's applications."""
        differences: list[str] = []
        unused: list[str] = []
        given = (*GIVEN, tags.TTQ) if self._tapped else GIVEN
        for tag, said in self._recorded.items():
            here = self._value(tag, result)
            if tag in given and (here is None or (self._tapped and tag in _REWRITTEN)):
                continue
            if here is None:
                unused.append(f"terminal {tags.name(tag)}: recorded, the replay neither used it nor holds one")
            elif said not in (here, self._asked.get(tag), self._recorded_of(tag, result)):
                differences.append(_difference(tag, here, said, entries))
        return differences, unused

    def _value(self, tag: int, result: Result | None) -> bytes | None:
        """What the kernel holds in the end. An unpredictable number of a payment cut short is looked at elsewhere."""
        s = self._session
        if tag == tags.UN:
            return result.un if result is not None else None
        if s is None:
            return None
        value = s.get(tags.DF_NAME if tag == 0x4F else tag)
        if value is None and tag == tags.ARC and result is not None:
            code = result.arc or result.reason
            value = code.encode() if len(code) == 2 else None
        return None if value is None else bytes(value)

    @staticmethod
    def _recorded_of(tag: int, result: Result | None) -> bytes | None:
        """What the result keeps, and the terminal records: the first cryptogram, also where a second one was asked for after it."""
        if result is None or not result.cryptogram:
            return None
        kept = {
            tags.CRYPTOGRAM: result.cryptogram, tags.CID: bytes((result.cid,)), tags.ATC: result.atc.to_bytes(2, "big"),
            tags.IAD: result.iad,
        }  # fmt: skip
        return kept.get(tag)


def _difference(tag: int, here: bytes, said: bytes, entries: list[bytes]) -> str:
    name = tags.name(tag)
    if name in SECRET or any(_hidden(tag, value, entries) for value in (here, said)):
        return f"terminal {name} differs"
    return f"terminal {name} {here.hex().upper()}, recorded {said.hex().upper()}"


def _hidden(tag: int, value: bytes, entries: list[bytes]) -> bool:
    """Whether a value may hold what identifies the card: it is long, has enough digits, or is a longer name than may be said."""
    if tag in _CHOSEN and applications.shown(value, entries) != value:
        return True
    return (
        len(value) > _MOST
        or (tags.name(tag) in NAMES and numbered(value))
        or mask.suspicious(tags.name(tag) + value.hex())
    )
