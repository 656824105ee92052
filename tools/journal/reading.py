"""Reads an exported journal without a line of the terminal's code: cbor2 and hashlib, the file's form as
`terminal/journal/export.py` states it.

cbor2 takes more than the strict form (long lengths, unsorted keys, bytes after the end), so every item is accepted
only if encoding it again gives the same bytes. Codes: JRN-050 not an exported journal, JRN-051 malformed item.
"""

import hashlib
from dataclasses import dataclass, field
from typing import Any

import cbor2

MAGIC = "tasdid-journal"
VERSION = 1
V, DEVICE, EPOCH, SEQ, PREV, COUNTER, CUM_COUNT, CUM_TOTAL, UTC, CLOCK, KIND = range(1, 12)
COMMON = {V, DEVICE, EPOCH, SEQ, PREV, COUNTER, CUM_COUNT, CUM_TOTAL, UTC, CLOCK, KIND}
AMOUNT, OUTCOME, TOTALS, SHIFT, FIRST, GAP_LAST, GAP_HASH, GAP_COUNT, GAP_TOTAL = 24, 29, 55, 56, 58, 64, 65, 66, 67
SHIFT_OPENED, SHIFT_CLOSED, PAYMENT_OUTCOME, AUTHORISATION_RESULT, VOID, NEW_EPOCH, GAP = 2, 3, 9, 10, 11, 19, 20
VOID_STATE, VOID_DONE, VOIDED = 80, 2, 20
APPROVED = 1
LATE = 10
SIGN1_TAG = 18


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

    @property
    def seq(self) -> int:
        """Its sequence number."""
        return self.record[SEQ]

    @property
    def hash(self) -> bytes:
        """Its hash."""
        return hashlib.sha256(self.data).digest()


@dataclass
class Export:
    """What an export says of itself, its entries, its closing item, and what could not be read."""

    device: str
    key: bytes
    provisioning: dict[str, Any]
    entries: list[Entry] = field(default_factory=list)
    closing: list[Any] | None = None
    digest: bytes = b""
    faults: list[tuple[int, str]] = field(default_factory=list)  # (position, what)


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
    """Length of the item at `at`, -1 if it is cut short or indefinite."""
    if at >= len(data) or depth > 16:
        return -1
    major, info = data[at] >> 5, data[at] & 31
    size = {24: 1, 25: 2, 26: 4, 27: 8}.get(info, 0)
    if info > 27 or at + 1 + size > len(data):
        return -1
    argument = int.from_bytes(data[at + 1 : at + 1 + size], "big") if size else info
    length = 1 + size
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
    if opening.get(2) != VERSION or not isinstance(opening.get(4), bytes):
        raise Unreadable("JRN-050", "this exported journal is of a version that is not known here")
    export = Export(opening[3], opening[4], opening.get(5) or {}, digest=hashlib.sha256(data[:at]).digest())
    position = 0
    while at < len(data):
        item = take(data, at)
        if item is None:
            export.faults.append((position + 1, "the file ends inside an item or an item is malformed"))
            return export
        value, after = item
        if isinstance(value, cbor2.CBORTag):
            export.closing = (
                list(value.value) if value.tag == SIGN1_TAG and isinstance(value.value, (list, tuple)) else None
            )
            if after != len(data):
                export.faults.append((position + 1, "bytes follow the closing item"))
            return export
        position += 1
        export.digest = hashlib.sha256(export.digest + data[at:after]).digest()
        entry = _entry(position, value)
        if entry is None:
            export.faults.append((position, "no record"))
        else:
            export.entries.append(entry)
        at = after
    return export


def _entry(position: int, value: Any) -> Entry | None:
    """An entry of an array [record's bytes, signature or null]; None if it is none."""
    if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], bytes):
        return None
    found = take(value[0], 0)
    if found is None or found[1] != len(value[0]) or not isinstance(found[0], dict):
        return None
    record = found[0]
    if not all(isinstance(key, int) for key in record) or not set(record) >= COMMON or not _shaped(record):
        return None
    return Entry(position, value[0], value[1], record)


def _shaped(record: dict[int, Any]) -> bool:
    """Whether the fields that verification uses have their types."""
    numbers = [V, EPOCH, SEQ, COUNTER, CUM_COUNT, CUM_TOTAL, UTC, CLOCK, KIND]
    if record[KIND] in (PAYMENT_OUTCOME, AUTHORISATION_RESULT):
        numbers += [AMOUNT, OUTCOME]
    if record[KIND] == VOID:
        numbers += [AMOUNT, VOID_STATE]
    if record[KIND] == GAP:
        numbers += [FIRST, GAP_LAST]
    if any(type(record.get(key)) is not int for key in numbers) or not isinstance(record[DEVICE], str):
        return False
    totals = record.get(TOTALS, {})
    lists = isinstance(totals, dict) and all(isinstance(value, (list, tuple)) for value in totals.values())
    return lists and isinstance(record[PREV], bytes) and len(record[PREV]) == 32
