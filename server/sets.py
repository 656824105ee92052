"""Signed parameter sets: making them, and holding those that the server hands out in WELCOME.

A set is a COSE_Sign1 with protected header {1: -7, 3: "tsd/set/<kind>", 4: "set-<kind>"}; payload {1: kind, 2: version,
3: valid from, 4: valid to, 5: issued (seconds UTC), 6: body}. The server reads `<anything>.cose` from one folder; of
each kind the highest version counts, and a device that names a lower one is sent it. Does not judge bodies: that is the
terminal's and the tariff editor's work.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from protocol import cbor
from protocol.errors import FormatError, ParameterError
from protocol.sync import TYPE_SET
from server.keys import Keys
from server.wire import envelope

KINDS = ("tariff", "emv", "trust", "officers", "limits")


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
    except (FormatError, envelope.codes.RefusedError, KeyError, TypeError) as error:
        raise ParameterError("not a signed parameter set", "PRM-011") from error
    role = f"set-{kind}"
    right_header = opened.content_type == f"{TYPE_SET}/{kind}" and opened.key_id == role.encode()
    if (
        kind not in KINDS
        or not right_header
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
    """The newest set of each kind."""

    def __init__(self, sets: list[SignedSet]) -> None:
        self._newest: dict[str, SignedSet] = {}
        for entry in sets:
            if entry.kind not in self._newest or entry.version > self._newest[entry.kind].version:
                self._newest[entry.kind] = entry

    @classmethod
    def load(cls, keys: Keys, folder: Path | str | None) -> "Shelf":
        """Read and verify every `*.cose` of `folder` (None or absent: an empty shelf). ParameterError."""
        if folder is None or not Path(folder).is_dir():
            return cls([])
        return cls([check(keys, _read(path)) for path in sorted(Path(folder).glob("*.cose"))])

    def newer(self, known: dict[str, int], room: int) -> list[bytes]:
        """Sets that a device with versions `known` lacks, as many as fit in `room` bytes (at least one, if any)."""
        chosen: list[bytes] = []
        for kind in KINDS:
            entry = self._newest.get(kind)
            if entry is None or entry.version <= known.get(kind, 0):
                continue
            if chosen and len(entry.message) > room:
                continue
            chosen.append(entry.message)
            room -= len(entry.message)
        return chosen
