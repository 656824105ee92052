"""The segments of a journal on their storage: which there are, where each begins, rotation, second copies, deletion of
old ones.

A segment belongs to one run of appends: a new one begins when the last is full, and after a boot that found its tail
torn or damaged or in the old form. Deletion takes whole segments from the oldest on, only what the server has
acknowledged and what is older than `RETENTION` (longer than the server's backups are kept), never the last segment. Now is
what the server said last, since the boot: an own clock that leaps ahead makes no record old.
"""

from protocol import records as r
from terminal.journal import head as heads
from terminal.journal.chain import copy_name, main_name
from terminal.journal.frames import SegmentReader, frame, head_frames
from terminal.journal.head import Stand

SEGMENT_BYTES = 16384
RETENTION = 60 * 86400
COPIED = (r.PAYMENT_OUTCOME, r.AUTHORISATION_RESULT, r.VOID)  # kinds that are money: stored twice


class Shelf:
    """`segments`: [(number, sequence number of its first entry)], ascending."""

    def __init__(self, storage, reader: SegmentReader) -> None:  # noqa: ANN001 - any Storage
        self._storage = storage
        self._reader = reader
        self.segments: "list[tuple[int, int]]" = []
        self.blobs: "tuple[str, str]" = ("sealed", "private")  # folders; a later epoch has its own
        self.fresh = True  # the next append begins a new segment
        self.segment_bytes = SEGMENT_BYTES
        self.lowest = 1  # number of the epoch's first segment
        self._limit = 0  # size of the last segment at which it is full

    def numbers(self, lowest: int = 0) -> "list[int]":
        """Numbers of the segments stored, from `lowest` on; also those of which only the copies are left."""
        found = set()
        for folder in ("journal", "copies"):
            for name in self._storage.names(folder):
                word = name.split(".")[0]
                if word.isdigit() and int(word) >= lowest:
                    found.add(int(word))
        return sorted(found)

    def head(self, number: int) -> "tuple[Stand, dict] | None":
        """(stand, view's snapshot) before segment `number`, None if its head is absent or damaged."""
        if self._storage.size(main_name(number)) < 0:
            return None
        body = self._reader.head(main_name(number))
        return heads.decode(body) if body is not None else None

    def begins_at(self, number: int, seq: int) -> bool:
        """Whether the first entry that can be read in segment `number` is `seq`."""
        found = self._reader.index(main_name(number))
        return bool(found) and found[0][0] == seq

    def from_segment(self, first: int) -> int:
        """Index in `segments` of the one that holds sequence number `first`."""
        index = len(self.segments) - 1
        while index > 0 and self.segments[index][1] > first:
            index -= 1
        return max(index, 0)

    def tail(self, index: int) -> "list[int]":
        """Segment numbers from an index on."""
        return [item[0] for item in self.segments[index:]]

    def append(self, stand: Stand, view, seq: int, kind: int, data: bytes, signature: "bytes | None") -> None:  # noqa: ANN001 - View
        """Make one entry durable, and its second copy if its kind is money. `stand` and `view` are those before it."""
        content = frame(seq, data, signature)
        number = self.segments[-1][0] if self.segments else self.lowest - 1
        if self.fresh or self._storage.size(main_name(number)) >= self._full(number):
            number += 1
            opening = head_frames(heads.encode(stand, view.snapshot()))
            self._storage.append(main_name(number), opening + content)
            self.segments.append((number, seq))
            self.fresh = False
            self._limit = len(opening) + self.segment_bytes
        else:
            self._storage.append(main_name(number), content)
        if kind in COPIED:
            self._storage.append(copy_name(number), content)

    def _full(self, number: int) -> int:
        """Size at which the last segment is full: the head does not count."""
        if not self._limit:
            body = self._reader.head(main_name(number))
            self._limit = self.segment_bytes + (len(body) if body is not None else 0)
        return self._limit

    def mend_copy(self, seq: int, data: bytes, signature: "bytes | None") -> bool:
        """Write the second copy of the last entry if a power cut kept it from being written; True if it was missing."""
        number = self.segments[-1][0]
        for item in self._reader.index(copy_name(number)):
            if item[0] == seq:
                return False
        self._storage.append(copy_name(number), frame(seq, data, signature))
        return True

    def retire(self, acknowledged: int, before: int) -> int:
        """Delete old segments whose entries are all acknowledged and older than `before` (UTC); returns how many."""
        count = 0
        while len(self.segments) > 1 and self.segments[1][1] - 1 <= acknowledged:
            known = self.head(self.segments[1][0])
            if known is None or known[0].utc >= before:
                break
            first = self.segments[1][1]
            for folder in self.blobs:
                for name in self._storage.names(folder):
                    if name.isdigit() and int(name) < first:
                        self._storage.remove(folder + "/" + name)
            number = self.segments[0][0]
            self._storage.remove(copy_name(number))
            self._storage.remove(main_name(number))
            self.segments = self.segments[1:]
            count += 1
        return count
