"""Signed parameter sets: making them, and holding those that the server hands out in WELCOME.

A set is a COSE_Sign1 with protected header {1: -7, 3: "tsd/set/<kind>", 4: "set-<kind>"}; payload {1: kind, 2: version,
3: valid from, 4: valid to, 5: issued (seconds UTC), 6: body}. The server reads `<anything>.cose` from one folder. On any
day the highest version counts whose day has come; a device that names a lower one is sent it, and the one that comes
next, for which it has one place. A set that was handed out comes into force on its day, whatever becomes of its file:
only a higher version takes its place. Does not judge bodies: that is the terminal's and the tariff editor's work.

PRM-010 unknown kind, PRM-011 no signed set, PRM-013 two sets of one kind and version.
"""

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocol import cbor
from protocol.errors import FormatError, ParameterError
from protocol.sync import TYPE_SET
from server.keys import Keys
from server.wire import envelope

KINDS = ("tariff", "emv", "trust", "officers", "limits")
WAITS = ".next"
"""What follows on the kind's name where a HELLO names a set that waits for its day."""
_log = logging.getLogger("tasdid.server")


@dataclass(frozen=True)
class SignedSet:
    """One parameter set, checked."""

    kind: str
    version: int
    valid_from: int
    valid_to: int
    message: bytes


def sign_set(
    keys: Keys, kind: str, version: int, valid_from: int, valid_to: int, issued: int, body: dict[str, Any]
) -> bytes:
    """Sign a parameter set; times in seconds UTC."""
    if kind not in KINDS:
        raise ParameterError("unknown kind of parameter set", "PRM-010", detail=kind)
    payload = {1: kind, 2: version, 3: valid_from, 4: valid_to, 5: issued, 6: body}
    role = f"set-{kind}"
    return envelope.seal(keys.private(role), f"{TYPE_SET}/{kind}", role, payload)


def check(keys: Keys, message: bytes) -> SignedSet:
    """Verify a set with the server's own key of its kind; ParameterError PRM-011 if it does not hold."""
    try:
        opened = envelope.parse(message)
        payload = cbor.decode(opened.payload)
        kind, version, start, end = payload[1], payload[2], payload[3], payload[4]
    except (FormatError, envelope.codes.RefusedError, LookupError, TypeError) as error:
        raise ParameterError("not a signed parameter set", "PRM-011") from error
    role = f"set-{kind}"
    right_header = opened.content_type == f"{TYPE_SET}/{kind}" and opened.key_id == role.encode()
    if (
        kind not in KINDS
        or not right_header
        or not all(type(number) is int for number in (version, start, end))
        or not envelope.holds(keys.public(role), opened.protected, opened.payload, opened.signature)
    ):
        raise ParameterError("signature of the parameter set does not hold", "PRM-011", detail=str(kind))
    return SignedSet(kind, version, start, end, message)


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ParameterError(f"{path.name} cannot be read: {error.strerror}", "PRM-011", "check 'sets'") from error


class Shelf:
    """Of each kind the sets that are in force one after the other: both their versions and their days ascend."""

    def __init__(self, sets: list[SignedSet]) -> None:
        self._sets: dict[str, list[SignedSet]] = {kind: [] for kind in KINDS}
        self.remarks: list[str] = []
        """What makes no sense, a line each: sets of which a terminal never makes use, days on which none is valid."""
        for entry in sorted(sets, key=lambda one: one.version):
            self._add(self._sets[entry.kind], entry)
        for kind, row in self._sets.items():
            for before, after in zip(row, row[1:], strict=False):
                if before.valid_to < after.valid_from:
                    what = f"{kind} {before.version} expires before the day of version {after.version}"
                    self.remarks.append(f"{what}: sales stop in between")

    def _add(self, row: list[SignedSet], entry: SignedSet) -> None:
        """Put the next higher version behind those before; what it leaves no day to goes. ParameterError PRM-013."""
        while row:
            before = row[-1]
            if before.version == entry.version:
                if before.message != entry.message:
                    what = f"two sets '{entry.kind}' have the version {entry.version}"
                    raise ParameterError(what, "PRM-013", "give one of them a higher version", entry.kind)
                return
            if before.valid_from < entry.valid_from:
                break
            if before.valid_from > entry.valid_from:
                what = f"{entry.kind} {before.version} is never in force"
                self.remarks.append(f"{what}: version {entry.version} is from an earlier day on")
            row.pop()
        row.append(entry)

    @classmethod
    def load(cls, keys: Keys, folder: Path | str | None) -> "Shelf":
        """Read and verify every `*.cose` of `folder` (None or absent: an empty shelf); what makes no sense is logged.
        ParameterError.
        """
        if folder is None or not Path(folder).is_dir():
            return cls([])
        shelf = cls([check(keys, _read(path)) for path in sorted(Path(folder).glob("*.cose"))])
        for remark in shelf.remarks:
            _log.warning("%s", remark)
        return shelf

    def newer(self, known: dict[str, int], room: int, now: int) -> list[bytes]:
        """Sets that a device with versions `known` lacks, as many as fit in `room` bytes (at least one, if any): first what is in
        force at `now` (seconds UTC), then what comes next.
        """
        lacking: list[SignedSet] = []
        ahead: list[SignedSet] = []
        for kind, row in self._sets.items():
            has, waits = known.get(kind, 0), known.get(kind + WAITS, 0)
            came = [entry for entry in row if entry.valid_from <= now]
            to_come = row[len(came) :]
            if came and came[-1].version > has and came[-1].version != waits:
                lacking.append(came[-1])
            if to_come and to_come[0].version > has and _sooner(to_come, waits):
                ahead.append(to_come[0])
        chosen: list[bytes] = []
        for entry in lacking + ahead:
            if chosen and len(entry.message) > room:
                continue
            chosen.append(entry.message)
            room -= len(entry.message)
        return chosen


def _sooner(to_come: list[SignedSet], waits: int) -> bool:
    """Whether the first of these takes the place of version `waits`, which a device holds: that is older, or comes later. A
    higher one that is not on the shelf any more stays where it is: the device would refuse what comes before it.
    """
    return to_come[0].version > waits or waits in [entry.version for entry in to_come[1:]]
