"""Where the journal stood before a segment's first entry: what a segment's head holds.

With it the newest segments alone give the whole present state: recovery does not grow with the number of records kept,
and old segments may be deleted. A head that is damaged costs time only: recovery starts from an earlier one. Body:
CBOR array [version 1, seq, hash, counter, count, total, UTC, epoch, view (`View.snapshot`)].
"""

from protocol import cbor
from protocol import records as r
from protocol.errors import FormatError

VERSION = 1


class Stand:
    """Where a journal stands: its last record and the running values after it."""

    def __init__(self) -> None:
        self.seq = 0
        self.hash = r.ZERO_HASH
        self.counter = 0
        self.cum_count = 0
        self.cum_total = 0
        self.utc = 0
        self.epoch = 1
        self.cases = 0  # last case number before an epoch's beginning; known there only

    def advance(self, record: dict, record_hash: bytes) -> None:
        """One record further."""
        self.seq = record[r.SEQ]
        self.hash = record_hash
        self.counter = record[r.COUNTER]
        self.cum_count = record[r.CUM_COUNT]
        self.cum_total = record[r.CUM_TOTAL]
        self.utc = record[r.UTC]
        self.epoch = record[r.EPOCH]

    def copy(self) -> "Stand":
        """Another one of the same values."""
        other = Stand()
        other.seq, other.hash, other.counter = self.seq, self.hash, self.counter
        other.cum_count, other.cum_total, other.utc, other.epoch = self.cum_count, self.cum_total, self.utc, self.epoch
        return other


def encode(stand: Stand, view: dict) -> bytes:
    """The body of a segment's head."""
    return cbor.encode(
        [VERSION, stand.seq, stand.hash, stand.counter, stand.cum_count, stand.cum_total, stand.utc, stand.epoch, view]
    )


def decode(body: bytes) -> "tuple[Stand, dict] | None":
    """(stand, view's snapshot), None if the body is none that this code can read."""
    try:
        items = cbor.decode(body)
        if items[0] != VERSION or len(items) != 9:
            return None
        stand = Stand()
        stand.seq, stand.hash, stand.counter, stand.cum_count, stand.cum_total, stand.utc, stand.epoch = items[1:8]
        return stand, items[8]
    except (FormatError, ValueError, TypeError, IndexError):
        return None
