"""Raw records out of a terminal's storage: for a journal that does not open, and for the epochs before the present one.

Every segment and every file of second copies is gone through frame by frame; a record is taken if its frame's CRC-32
holds and it says its epoch and sequence number. It is judged by nobody here: `tools.journal.verify` does that. What is
no whole record is counted, by file.
"""

from dataclasses import dataclass, field
from typing import Any

from drivers.contracts.storage import Storage
from protocol import cbor
from protocol import records as r
from protocol.errors import FormatError, JournalError
from terminal.journal import epoch as epochs
from terminal.journal import export as exports
from terminal.journal import head as heads
from terminal.journal import recovery
from terminal.journal.chain import copy_name, main_name
from terminal.journal.frames import HEAD, OLD_ENTRY, SegmentReader, decode_entry, new_window
from terminal.journal.shelf import Shelf

_FRAME, _OLD_FRAME = 11, 7  # bytes of a frame besides its body


@dataclass
class Found:
    """One record and where it lies."""

    number: int
    copy: int
    data: bytes
    signature: bytes | None
    record: dict[int, Any]


@dataclass
class Survey:
    """What lies on a storage."""

    found: list[Found] = field(default_factory=list)
    damage: list[tuple[int, str, int]] = field(default_factory=list)  # (epoch, file, bytes that are no whole record)
    segments: dict[int, set[int]] = field(default_factory=dict)  # of an epoch
    sizes: dict[int, int] = field(default_factory=dict)  # bytes of an epoch's segments
    present: int = 1  # the epoch that the storage says goes on

    def others(self, epoch: int) -> list[list[int]]:
        """[epoch, segments, bytes] of all epochs but one."""
        return [[each, len(self.segments[each]), self.sizes[each]] for each in sorted(self.segments) if each != epoch]

    def device(self) -> str:
        """What the latest record that says so names its device, "" if none does."""
        last = max(self.found, key=lambda each: (each.record[r.EPOCH], each.record[r.SEQ], -each.number), default=None)
        named = last.record.get(r.DEVICE) if last is not None else None
        return named if isinstance(named, str) else ""

    def records(self, epoch: int) -> list[Found]:
        """The records of an epoch in the order of their numbers, what a second copy says once more left out."""
        out: list[Found] = []
        seen = set()
        for item in sorted(
            self.found, key=lambda each: (each.record[r.SEQ], each.copy, each.number)
        ):  # stable: file order decides among equals
            key = (item.record[r.SEQ], item.data, item.signature)
            if item.record[r.EPOCH] == epoch and key not in seen:
                seen.add(key)
                out.append(item)
        return out

    def statement(self, storage: Storage, epoch: int, trouble: str) -> exports.Statement:
        """What an export of `epoch` says of it. An older one was acknowledged as far as the next one goes on from."""
        said = exports.Statement(epoch)
        said.trouble = trouble
        said.others = self.others(epoch)
        said.damage = [[name, count] for at, name, count in self.damage if at == epoch]
        if epoch == self.present:
            seq, named = recovery.read_acknowledged(storage)[5:7]
            said.acked = (seq, named) if seq > 0 else None
            said.begins = _genesis(storage).seq + 1
            return said
        begun = [item.record for item in self.records(epoch) if item.record[r.KIND] == r.NEW_EPOCH]
        said.begins = begun[0][r.SEQ] if begun else 1
        later = min((each for each in self.segments if each > epoch), default=0)
        follows = [item.record for item in self.records(later) if item.record[r.KIND] == r.NEW_EPOCH]
        if follows:
            said.acked = (follows[0][r.SEQ] - 1, follows[0][r.PREV]) if follows[0][r.SEQ] > 1 else None
            said.counter = follows[0][r.COUNTER] - 1
        return said


def survey(storage: Storage) -> Survey:
    """Go through all that a storage holds of any epoch."""
    out = Survey()
    reader = SegmentReader(storage, new_window())
    epoch = 1
    for number in _numbers(storage):
        for copy, name in enumerate((main_name(number), copy_name(number))):
            epoch = _file(out, storage, reader, number, copy, name, epoch)
    genesis = _genesis(storage).epoch
    out.present = max(genesis, max(out.segments, default=1)) if genesis == 0 else genesis
    return out


def _file(out: Survey, storage: Storage, reader: SegmentReader, number: int, copy: int, name: str, epoch: int) -> int:
    """Take what is whole in one file; returns its epoch, that of the file before if it does not say."""
    size, whole = 1, 0
    pieces: list[bytes] = []
    try:
        size = storage.size(name)
        if size < 0:
            return epoch
        for mark, _, _, body in reader.frames(name):
            length = len(body) + (_OLD_FRAME if mark == OLD_ENTRY else _FRAME)
            if mark == HEAD:
                whole += length
                pieces.append(bytes(body))
            elif (found := _found(number, copy, bytes(body))) is not None:
                whole += length
                out.found.append(found)
                epoch = found.record[r.EPOCH]
    except JournalError:  # the file cannot be read further: all after what was whole counts as lost
        pass
    epoch = max(epoch, _head_epoch(b"".join(pieces)))
    if whole < size:
        out.damage.append((epoch, name, size - whole))
    out.segments.setdefault(epoch, set()).add(number)
    out.sizes[epoch] = out.sizes.get(epoch, 0) + size
    return epoch


def _head_epoch(body: bytes) -> int:
    """The epoch in a segment's head, 0 if it does not say; for a segment of which nothing else can be read."""
    try:
        items = cbor.decode(body)
        return items[7] if isinstance(items, list) and type(items[7]) is int else 0
    except (FormatError, ValueError, IndexError):
        return 0


def _found(number: int, copy: int, body: bytes) -> Found | None:
    entry = decode_entry(body)
    if entry is None:
        return None
    try:
        record = cbor.decode(entry[0])
    except (FormatError, ValueError):
        return None
    if not isinstance(record, dict) or any(type(record.get(key)) is not int for key in (r.EPOCH, r.SEQ, r.KIND)):
        return None
    return Found(number, copy, entry[0], entry[1], record)


def _numbers(storage: Storage) -> list[int]:
    """Of segments, by either folder: one that cannot be listed has the other's."""
    found = set()
    for folder in ("journal", "copies"):
        try:
            names = storage.names(folder)
        except JournalError:
            continue
        for name in names:
            word = name.split(".")[0]
            if word.isascii() and word.isdigit():
                found.add(int(word))
    return sorted(found)


def _genesis(storage: Storage) -> Any:
    """The stand at the present epoch's beginning; of epoch 0 if it cannot be read."""
    try:
        return epochs.begun(storage, Shelf(storage, SegmentReader(storage, new_window())))[0]
    except JournalError:
        unknown = heads.Stand()
        unknown.epoch = 0
        return unknown
