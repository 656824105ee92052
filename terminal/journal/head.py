"""Where the journal stood before a segment's first entry: what a segment's head holds.

With it the newest segments alone give the whole present state: recovery does not grow with the number of records kept,
and old segments may be deleted. A head that is damaged costs time only: recovery starts from an earlier one. Body:
CBOR array [version 2, seq, hash, counter, count, total, the latest time (`Journal.last_utc`), epoch, view
(`View.snapshot`), segment's number, acknowledged seq, the time of `Journal.hear` then]; version 1 (until 0.2) ends with
the view. The number tells a head that was copied from another segment; the acknowledgement says since when the server has
had what it names (`Shelf.retire`), and should `state/acked` be lost, what once was acknowledged.
"""

from protocol import cbor
from protocol import records as r
from protocol.errors import FormatError

VERSION = 2
_SHAPE = (int, bytes, int, int, int, int, int, dict)


class Stand:
    """Where a journal stands: its last record and the running values after it."""

    def __init__(self) -> None:
        self.seq = 0
        self.hash = r.ZERO_HASH
        self.counter = 0
        self.cum_count = 0
        self.cum_total = 0
        self.utc = 0  # the latest time that is known: `Journal.last_utc`
        self.epoch = 1
        self.cases = 0  # last case number before an epoch's beginning; known there only …
        self.former: dict = {}  # … and of each former epoch the last record that the server has
        self.acked = 0  # the server has everything up to here …
        self.acked_utc = 0  # … since then (`Journal.hear`); 0: not known
        self.once = 0  # … and had, before it was restored from a backup

    def advance(self, record: dict, record_hash: bytes) -> None:
        """One record further."""
        self.seq = record[r.SEQ]
        self.hash = record_hash
        self.counter = record[r.COUNTER]
        self.cum_count = record[r.CUM_COUNT]
        self.cum_total = record[r.CUM_TOTAL]
        self.utc = max(self.utc, record[r.UTC])
        self.epoch = record[r.EPOCH]

    def copy(self) -> "Stand":
        """Another one of the same values."""
        other = Stand()
        other.seq, other.hash, other.counter = self.seq, self.hash, self.counter
        other.cum_count, other.cum_total, other.utc, other.epoch = self.cum_count, self.cum_total, self.utc, self.epoch
        other.acked, other.acked_utc, other.once = self.acked, self.acked_utc, self.once
        return other


def encode(stand: Stand, view: dict, number: int) -> bytes:
    """The body of the head of segment `number`."""
    return cbor.encode([
        VERSION, stand.seq, stand.hash, stand.counter, stand.cum_count, stand.cum_total, stand.utc, stand.epoch, view,
        number, stand.acked, stand.acked_utc,
    ])  # fmt: skip


def decode(body: bytes, number: int) -> "tuple[Stand, dict] | None":
    """(stand, view's snapshot), None if the body is none that this code can read or another segment's."""
    try:
        items = cbor.decode(body)
        if (items[0], len(items)) not in ((1, 9), (VERSION, 12)):
            return None
        for at in range(8):
            if not isinstance(items[at + 1], _SHAPE[at]):
                return None
        stand = Stand()
        stand.seq, stand.hash, stand.counter, stand.cum_count, stand.cum_total, stand.utc, stand.epoch = items[1:8]
        if items[0] == VERSION:
            named, stand.acked, stand.acked_utc = items[9:]
            if named != number:
                return None
        return stand, items[8]
    except (FormatError, ValueError, TypeError, IndexError):
        return None
