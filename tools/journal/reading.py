"""Reads an exported journal without a line of the terminal's code: cbor2 and hashlib, the file's form as
`terminal/journal/export.py` states it.

cbor2 takes more than the strict form (long lengths, unsorted keys, bytes after the end), so every item is accepted
only if encoding it again gives the same bytes. Nothing read here is believed: a sequence number may be any whole number.
Codes: JRN-050 not an exported journal, JRN-051 malformed item.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import cbor2

MAGIC = "tasdid-journal"
OLD_VERSION, VERSION = 1, 2
V, DEVICE, EPOCH, SEQ, PREV, COUNTER, CUM_COUNT, CUM_TOTAL, UTC, CLOCK, KIND = range(1, 12)
COMMON = {V, DEVICE, EPOCH, SEQ, PREV, COUNTER, CUM_COUNT, CUM_TOTAL, UTC, CLOCK, KIND}
AMOUNT, OUTCOME, TOTALS, SHIFT, FIRST, GAP_LAST, GAP_HASH, GAP_COUNT, GAP_TOTAL = 24, 29, 55, 56, 58, 64, 65, 66, 67
SHIFT_OPENED, SHIFT_CLOSED, PAYMENT_OUTCOME, AUTHORISATION_RESULT, VOID, NEW_EPOCH, GAP = 2, 3, 9, 10, 11, 19, 20
VOID_STATE, VOID_DONE, VOIDED = 80, 2, 20
APPROVED = 1
LATE = 10
SIGN1_TAG = 18
ENDED = "ended"  # an older epoch's state
NO_IDENTITY = "CFG-099"


class Unreadable(Exception):
    """The file is no exported journal; `code` and what is wrong."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class Entry:
    """One record as it lies in the file: `position` counts from 1."""

    position: int
    data: bytes
    signature: bytes | None
    record: dict[int, Any]
    hash: bytes

    @property
    def seq(self) -> int:
        """Its sequence number, as it says."""
        return self.record[SEQ]


@dataclass
class Statement:
    """What the terminal's export says of the journal besides its records. It is the terminal's word, signed by its secure
    element as a part of the file; version 1 says nothing.
    """

    epoch: int = 0  # 0: not said
    begins: int = 1  # first sequence number of the epoch
    trouble: str = ""  # code with which the journal did not open; "ended": an older epoch
    acked: tuple[int, bytes] | None = None  # what the centre acknowledged: sequence number, hash (empty if not known)
    epochs: list[list[int]] | None = None  # [epoch, segments, bytes] of the other epochs on the storage; None: not said
    damage: list[tuple[str, int]] = field(default_factory=list)  # (file, bytes that are no whole record)
    counter: int | None = None  # the secure element's counter when an older epoch ended


@dataclass
class Export:
    """What an export says of itself, its entries, its closing item, and what could not be read."""

    device: str
    key: bytes
    version: int
    statement: Statement
    entries: list[Entry] = field(default_factory=list)
    closing: list[Any] | None = None
    digest: bytes = b""
    faults: list[tuple[int, int, str]] = field(default_factory=list)  # (first position, last, what)

    def fault(self, position: int, what: str) -> None:
        """Note what could not be read; the same of neighbours once, so that a file of nothing but zeros takes no memory."""
        if self.faults and self.faults[-1][1:] == (position - 1, what):
            self.faults[-1] = (self.faults[-1][0], position, what)
        else:
            self.faults.append((position, position, what))

    @property
    def unread(self) -> int:
        """How many items could not be read."""
        return sum(last - first + 1 for first, last, _ in self.faults)


def canonical(value: Any) -> bytes:
    """The one strict encoding of a value."""
    return cbor2.dumps(value, canonical=True)


def take(data: bytes, at: int) -> tuple[Any, int] | None:
    """(item, offset after it) at `at`; None if there is no whole strict item."""
    length = _length(data, at, 0)
    if length < 0:
        return None
    piece = data[at : at + length]
    try:
        value = cbor2.loads(piece)
        if canonical(value) != piece:
            return None
    except (cbor2.CBORError, ValueError, TypeError, RecursionError, OverflowError):
        return None
    return value, at + length


def _length(data: bytes, at: int, depth: int) -> int:
    """Length of the item at `at`, -1 if it is cut short or indefinite, or holds what no export holds: a tag (but that
    of the closing item), a float, a simple value other than true, false and null.
    """
    if at >= len(data) or depth > 16:
        return -1
    major, info = data[at] >> 5, data[at] & 31
    size = {24: 1, 25: 2, 26: 4, 27: 8}.get(info, 0)
    if info > 27 or at + 1 + size > len(data):
        return -1
    argument = int.from_bytes(data[at + 1 : at + 1 + size], "big") if size else info
    length = 1 + size
    if (major == 6 and (depth or argument != SIGN1_TAG)) or (major == 7 and info not in (20, 21, 22)):
        return -1
    if major in (2, 3):
        return length + argument if at + length + argument <= len(data) else -1
    inner = {4: argument, 5: 2 * argument, 6: 1}.get(major, 0)
    if inner > len(data):
        return -1
    for _ in range(inner):
        part = _length(data, at + length, depth + 1)
        if part < 0:
            return -1
        length += part
    return length


def read(data: bytes) -> Export:
    """An export from its bytes. Raises Unreadable; entries that cannot be read are faults, reading goes on at the
    next item.
    """
    first = take(data, 0)
    if first is None or not isinstance(first[0], dict) or first[0].get(1) != MAGIC:
        raise Unreadable("JRN-050", "this is no exported journal")
    opening, at = first
    version, device, key = opening.get(2), opening.get(3), opening.get(4)
    if type(version) is not int or version not in (OLD_VERSION, VERSION):
        raise Unreadable("JRN-050", "this exported journal is of a version that is not known here")
    if not isinstance(device, str) or not isinstance(key, bytes):
        raise Unreadable("JRN-050", "the opening item of this exported journal is malformed")
    statement = Statement() if version == OLD_VERSION else _statement(opening)
    export = Export(device, key, version, statement, digest=hashlib.sha256(data[:at]).digest())
    position = 0
    while at < len(data):
        item = take(data, at)
        if item is None:
            export.fault(position + 1, "the file ends inside an item or an item is malformed")
            return export
        value, after = item
        if isinstance(value, cbor2.CBORTag):
            export.closing = (
                list(value.value) if value.tag == SIGN1_TAG and isinstance(value.value, (list, tuple)) else None
            )
            if after != len(data):
                export.fault(position + 1, "bytes follow the closing item")
            return export
        position += 1
        export.digest = hashlib.sha256(export.digest + data[at:after]).digest()
        entry = _entry(position, value)
        if entry is None:
            export.fault(position, "no record")
        else:
            export.entries.append(entry)
        at = after
    return export


def _statement(opening: dict[Any, Any]) -> Statement:
    """What the opening item of version 2 says of the journal. Raises Unreadable."""
    said: list[Any] = [opening.get(key) for key in range(6, 13)]
    epoch, begins, trouble, acked, epochs, damage, counter = said
    good = _number(epoch) and _number(begins) and isinstance(trouble, str) and (counter is None or _number(counter))
    good = good and (acked is None or _listed(acked, int, bytes))
    good = good and (
        epochs is None or (isinstance(epochs, list) and all(_listed(each, int, int, int) for each in epochs))
    )
    good = good and isinstance(damage, list) and all(_listed(item, str, int) for item in damage)
    if not good:
        raise Unreadable("JRN-050", "the opening item of this exported journal is malformed")
    places = [(name, count) for name, count in damage]
    return Statement(epoch, begins, trouble, None if acked is None else tuple(acked), epochs, places, counter)


def _number(value: Any) -> bool:
    return type(value) is int and value >= 0


def _listed(value: Any, *kinds: type) -> bool:
    """Whether a value is a list of these types; numbers are not negative."""
    if not isinstance(value, list) or len(value) != len(kinds):
        return False
    return all(
        _number(item) if kind is int else isinstance(item, kind) for item, kind in zip(value, kinds, strict=True)
    )


def closing_of(payload: Any) -> dict[int, Any] | None:
    """The closing item's payload; None if it does not say what a closing item says."""
    found = take(payload, 0) if isinstance(payload, bytes) else None
    if found is None or found[1] != len(payload) or not isinstance(found[0], dict):
        return None
    values = [found[0].get(key) for key in range(1, 8)]
    holes = found[0].get(8, [])
    good = isinstance(holes, list) and all(_listed(hole, int, int, bytes) for hole in holes)
    return found[0] if good and _listed(values, str, int, int, bytes, int, int, bytes) else None


def _entry(position: int, value: Any) -> Entry | None:
    """An entry of an array [record's bytes, signature or null], in an export of raw records with [segment, 1 for a
    second copy] besides; None if it is none.
    """
    if not isinstance(value, list) or len(value) not in (2, 3) or not isinstance(value[0], bytes):
        return None
    if len(value) == 3 and not _listed(value[2], int, int):
        return None
    found = take(value[0], 0)
    if found is None or found[1] != len(value[0]) or not isinstance(found[0], dict):
        return None
    record = found[0]
    if not all(type(key) is int for key in record) or not set(record) >= COMMON or not _shaped(record):
        return None
    return Entry(position, value[0], value[1], record, hashlib.sha256(value[0]).digest())


def _shaped(record: dict[int, Any]) -> bool:
    """Whether the fields that verification uses have their types; nothing that is counted is negative, but places in the
    chain may be anything: the verifier names them.
    """
    counted = [V, EPOCH, COUNTER, CUM_COUNT, CUM_TOTAL, UTC, CLOCK, KIND]
    places = [SEQ]
    if record[KIND] in (PAYMENT_OUTCOME, AUTHORISATION_RESULT):
        counted += [AMOUNT, OUTCOME]
    if record[KIND] == VOID:
        counted += [AMOUNT, VOID_STATE]
    if record[KIND] == GAP:
        places += [FIRST, GAP_LAST]
    if not all(_number(record.get(key)) for key in counted) or any(type(record.get(key)) is not int for key in places):
        return False
    totals = record.get(TOTALS, {})
    lists = isinstance(totals, dict) and all(_listed(value, int, int) for value in totals.values())
    return lists and isinstance(record[DEVICE], str) and isinstance(record[PREV], bytes) and len(record[PREV]) == 32
