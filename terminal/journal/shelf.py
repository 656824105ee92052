"""The segments of a journal on their storage: which there are, where each begins, rotation, second copies, deletion of
old ones.

A segment belongs to one run of appends: a new one begins when the last is full, and after a boot that found its tail
torn or damaged or in the old form. Deletion takes whole segments from the oldest on, only what the server has had for
`RETENTION` (longer than the server's backups are kept), never the last segment. Since when it has had them the heads of later
segments say, by the time that `Journal.hear` counts. Where the server said that it has them no longer, heads of before do not count.
"""

from protocol import records as r
from protocol.errors import JournalError
from terminal.journal import epoch as epochs
from terminal.journal import head as heads
from terminal.journal.chain import END, copy_name, main_name
from terminal.journal.frames import SegmentReader, frame, head_frames
from terminal.journal.head import Stand

SEGMENT_BYTES = 16384
RETENTION = 60 * 86400
FLOOR = 7 * 86400  # kept so long even where room is short: longer than the age of the server's newest backup
COPIED = (r.PAYMENT_OUTCOME, r.AUTHORISATION_RESULT, r.VOID)  # kinds that are money: stored twice


_AT_ONCE = 64  # names of blobs in memory


class Shelf:
    """`segments`: [(number, sequence number of its first entry)], ascending."""

    def __init__(self, storage, reader: SegmentReader) -> None:  # noqa: ANN001 - any Storage
        self._storage = storage
        self.reader = reader
        self.segments: "list[tuple[int, int]]" = []
        self.blobs: "tuple[str, str]" = ("sealed", "private")  # folders; a later epoch has its own
        self.fresh = True  # the next append begins a new segment
        self.segment_bytes = SEGMENT_BYTES
        self.lowest = 1  # number of the epoch's first segment
        self.epoch = 1  # the latest one of which anything tells
        self.genesis: "Stand | None" = None  # where it begins, as long as former ones have left anything
        self._limit = 0  # size of the last segment at which it is full
        self.had = 0  # since when the server has had a record of the present epoch, by `Journal.hear`; 0: it has none, or nobody knows
        self.since = 0  # first segment whose head's dates count
        self._told = (
            0,
            0,
            0,
        )  # segment whose head was read last; up to where the server has had everything, since when

    def numbers(self) -> "list[int]":
        """Numbers of the epoch's segments; also those of which only the copies are left."""
        found = set()
        for folder in ("journal", "copies"):
            for name in self._storage.names(folder):
                number = numbered(name.split(".")[0])
                if number >= self.lowest:
                    found.add(number)
        return sorted(found)

    def head(self, number: int) -> "tuple[Stand, dict] | None":
        """(stand, view's snapshot) before segment `number`, None if its head is absent or damaged."""
        body = self.reader.head(main_name(number))
        return heads.decode(body, number) if body is not None else None

    def from_segment(self, first: int) -> int:
        """Index in `segments` of the one that holds sequence number `first`."""
        index = len(self.segments) - 1
        while index > 0 and self.segments[index][1] > first:
            index -= 1
        return max(index, 0)

    def parts(self, index: int) -> "list[tuple[int, int]]":
        """(number, last sequence number it can hold) of each segment from an index on. Where a head is damaged the
        segment has the bounds of the one before it.
        """
        found = []
        for at in range(len(self.segments) - 1, index - 1, -1):
            end = END
            if at + 1 < len(self.segments):
                first = self.segments[at + 1][1]
                end = first - 1 if first > self.segments[at][1] else found[-1][1]
            found.append((self.segments[at][0], end))
        found.reverse()
        return found

    def append(self, stand: Stand, view, seq: int, kind: int, data: bytes, signature: "bytes | None") -> None:  # noqa: ANN001 - View
        """Make one entry durable, and its second copy if its kind is money. `stand` and `view` are those before it."""
        content = frame(seq, data, signature)
        number = self.segments[-1][0] if self.segments else self.lowest - 1
        if self.fresh or self._storage.size(main_name(number)) >= self._full(number):
            number += 1
            opening = head_frames(heads.encode(stand, view.snapshot(), number))
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
            body = self.reader.head(main_name(number))
            self._limit = self.segment_bytes + (len(body) if body is not None else 0)
        return self._limit

    def mend_copy(self, seq: int, data: bytes, signature: "bytes | None") -> bool:
        """Write the second copy of the last entry if a power cut kept it from being written; True if it was missing. To a file
        that is torn or damaged nothing is added: what is whole in it goes into a new one.
        """
        name = copy_name(self.segments[-1][0])
        found = self.reader.index(name)
        for item in found:
            if item[0] == seq:
                return False
        content = frame(seq, data, signature)
        if self.reader.torn or self.reader.damaged:
            entries = [(item[0], self.reader.entry(name, item[1], item[2])) for item in found]
            whole = [frame(number, entry[0], entry[1]) for number, entry in entries if entry is not None]
            self._storage.replace(name, b"".join(whole) + content)
        else:
            self._storage.append(name, content)
        return True

    def settle(self) -> None:
        """Make durable what a boot found: the process before may have ended between write and sync."""
        names = [epochs.FILE]
        if self.segments:
            names += [main_name(self.segments[-1][0]), copy_name(self.segments[-1][0])]
        for name in names:
            self._storage.sync(name)

    def begin_dates(self, since: int = -1) -> None:
        """Since when the server has had what, only heads from segment `since` on tell; those of segments to come if it is left out."""
        if since < 0:
            since = (self.segments[-1][0] if self.segments else self.lowest - 1) + 1
        self.since, self._told = since, (0, 0, 0)

    def retire(self, acknowledged: int, now: int, retention: int, short) -> bool:  # noqa: ANN001 - callable
        """Delete the oldest segments whose entries the server has all had for `retention` seconds, and, as long as `short()` says
        that room is short, for `FLOOR`; what former epochs have left goes first. Segments whose bounds damaged heads leave open go
        together. True if no head says since when it has had the next ones.
        """
        if self.genesis is not None and self.had and now - self.had > FLOOR:
            self._leave(short, now - self.had > retention)
        while True:
            count = self._oldest(acknowledged)
            if not count:
                return False
            since = self._had_since(self.segments[count][1] - 1, count)
            if not since:
                return True
            if now - since <= retention and (now - since <= FLOOR or not short()):
                return False
            first = self.segments[count][1]
            for folder in self.blobs:
                self.drop(folder, 0, first - 1)
            for _ in range(count):
                number = self.segments[0][0]
                self._storage.remove(copy_name(number))
                self._storage.remove(main_name(number))
                self.segments = self.segments[1:]

    def drop(self, folder: str, first: int, last: int) -> None:
        """Remove the blobs of records `first` to `last`. There may be thousands of files: only some names are in memory at a time."""
        more = True
        while more:
            found, more = [], False
            for name in self._storage.each(folder):  # to its end: what is left open is no good to remove from
                if first <= numbered(name) <= last:
                    if len(found) < _AT_ONCE:
                        found.append(folder + "/" + name)
                    else:
                        more = True
            for name in found:
                self._storage.remove(name)

    def spare_copy(self, acknowledged: int) -> bool:
        """Give up the oldest file of second copies whose records the server has all; False if there is none."""
        for number, end in self.parts(0):
            name = copy_name(number)
            if end <= acknowledged and self._storage.size(name) >= 0:
                self._storage.remove(name)
                return True
        return False

    def _oldest(self, acknowledged: int) -> int:
        """How many segments go together at the beginning; 0 if they are not all acknowledged, or are all there is."""
        count = 0
        while count < len(self.segments) and self.segments[count][1] == self.segments[0][1]:
            count += 1
        whole = count < len(self.segments) and self.segments[count][1] <= acknowledged + 1
        return count if whole else 0

    def _leave(self, short, old: bool) -> None:  # noqa: ANN001 - callable
        """Delete what former epochs have left."""
        from terminal.journal import former

        try:
            if not former.leave(self, self._storage, self.genesis, short, old):
                self.genesis = None
        except JournalError:  # a storage in disorder may be why there is a new epoch: it is left alone
            self.genesis = None

    def _had_since(self, last: int, index: int) -> int:
        """Since when the server has had everything up to record `last`, as far as the heads from the segment at `index` on tell; 0 if
        they do not. They tell of ever more, so each is read once.
        """
        while self._told[1] < last and index < len(self.segments):
            number = self.segments[index][0]
            index += 1
            if number < self.since or number <= self._told[0]:
                continue
            known = self.head(number)
            if known is not None and known[0].acked_utc:
                self._told = (number, known[0].acked, known[0].acked_utc)
            else:
                self._told = (number, self._told[1], self._told[2])
        return self._told[2] if self._told[1] >= last else 0


def numbered(word: str) -> int:
    """A number in a file's name, -1 if the word is none: other digits than ASCII's are none."""
    if not word or len(word) > 9:
        return -1
    for letter in word:
        if not "0" <= letter <= "9":
            return -1
    return int(word)
