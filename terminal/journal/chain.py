"""Following the chain over segments that may be damaged: every record in order, copies in the place of what is lost,
gaps named.

What is passed on fits the chain or is declared: a record whose previous-hash does not match raises JRN-020, records
that are nowhere to be read are listed in `Losses.gaps` with the hash and the money that their neighbours still tell.
It writes nothing.
"""

from protocol import cbor
from protocol import records as r
from protocol.errors import FormatError, JournalError
from terminal.journal.frames import SegmentReader
from terminal.journal.head import Stand

_REQUIRED = (r.V, r.DEVICE, r.EPOCH, r.SEQ, r.PREV, r.COUNTER, r.CUM_COUNT, r.CUM_TOTAL, r.UTC, r.KIND)


def main_name(number: int) -> str:
    """File of segment `number`."""
    return f"journal/{number:06}.seg"


def copy_name(number: int) -> str:
    """File of the second copies of segment `number`'s outcomes; another file, so other erase blocks."""
    return f"copies/{number:06}.seg"


class Losses:
    """What a walk did not find in its place."""

    def __init__(self) -> None:
        self.gaps: "list[dict]" = []  # bodies of gap records
        self.recovered: "list[int]" = []  # sequence numbers read from their second copy
        self.damaged: "list[int]" = []  # segments with bytes that are no frame before whole frames
        self.torn = False  # of the last segment
        self.blobs: "list[tuple[str, int]]" = []  # (folder, seq) of blobs that are not what their record names


class Chain:
    """A walk from `stand` on; `stand` moves with it. `stand.hash` None means that the first record's previous-hash is
    taken on trust.
    """

    def __init__(self, reader: SegmentReader, crypto, device: str, stand: Stand) -> None:  # noqa: ANN001 - contracts
        self._reader = reader
        self._crypto = crypto
        self._device = device
        self.stand = stand
        self.losses = Losses()

    def walk(self, numbers):  # noqa: ANN001, ANN201 - list of segment numbers; generator of (record, its bytes, signature or None)
        """Yield every record after `stand` in the segments `numbers` (ascending), then those that only a second copy
        still holds.
        """
        before = 0
        for number in numbers:
            found = self._reader.index(main_name(number))
            self.losses.torn = self._reader.torn
            if self._reader.damaged:
                self.losses.damaged.append(number)
            for position in range(len(found)):
                seq = found[position][0]
                if seq <= self.stand.seq:
                    continue
                item = self._read(main_name(number), found[position])
                if item is None or item[0][r.SEQ] != seq:
                    continue
                if seq > self.stand.seq + 1:
                    for lost in self._bridge(before or number, number, seq - 1, item[0]):
                        yield lost
                if self.stand.hash is not None and item[0][r.PREV] != self.stand.hash:
                    if position + 1 < len(found) and found[position + 1][0] == seq:
                        continue
                    raise broken(seq)
                self._advance(item)
                yield item
            before = number
        if before:
            for lost in self._bridge(before, before, 0, None):
                yield lost

    def pick(self, number: int, seq: int) -> "tuple | None":
        """(record, its bytes, signature or None) of one entry of segment `number`, without following the chain."""
        for where in self._reader.index(main_name(number)):
            if where[0] == seq:
                item = self._read(main_name(number), where)
                return item if item is not None and item[0][r.SEQ] == seq else None
        return None

    def _read(self, name: str, where: "tuple[int, int, int]") -> "tuple | None":
        """(record, its bytes, signature) of an index item; None if it is no record. Raises JRN-020, JRN-023."""
        entry = self._reader.entry(name, where[1], where[2])
        if entry is None:
            return None
        try:
            record = cbor.decode(entry[0])
        except (FormatError, ValueError):
            return None
        if not isinstance(record, dict):
            return None
        for key in _REQUIRED:
            if key not in record:
                return None
        if record[r.DEVICE] != self._device:
            raise broken(record[r.SEQ])
        if record[r.V] > r.SCHEMA:
            raise JournalError(
                "the journal was written by newer firmware", "JRN-023", "install the newer firmware", record[r.V]
            )
        return record, entry[0], entry[1]

    def _advance(self, item: tuple) -> None:
        self.stand.advance(item[0], self._crypto.sha256(item[1]))

    def _bridge(self, low: int, high: int, last: int, following: "dict | None"):  # noqa: ANN202 - generator of items
        """Second copies of what is lost up to `last` (0: whatever they hold), out of the copies of segments `low` to
        `high`; the rest is a gap.
        """
        for number in range(low, high + 1):
            for where in self._reader.index(copy_name(number)):
                if where[0] <= self.stand.seq or (last and where[0] > last):
                    continue
                item = self._read(copy_name(number), where)
                if item is None or item[0][r.SEQ] != where[0]:
                    continue
                if where[0] > self.stand.seq + 1:
                    self._gap(where[0] - 1, item[0])
                elif self.stand.hash is not None and item[0][r.PREV] != self.stand.hash:
                    raise broken(where[0])
                self._advance(item)
                self.losses.recovered.append(where[0])
                yield item
        if following is not None and last > self.stand.seq:
            self._gap(last, following)

    def _gap(self, last: int, following: dict) -> None:
        """Declare the records after `stand` up to `last` lost; `following` is the record after them."""
        count, total = r.approved_step(following)
        count = following[r.CUM_COUNT] - count
        total = following[r.CUM_TOTAL] - total
        stand = self.stand
        self.losses.gaps.append(
            {
                r.FIRST: stand.seq + 1,
                r.GAP_LAST: last,
                r.GAP_HASH: following[r.PREV],
                r.GAP_COUNT: count - stand.cum_count,
                r.GAP_TOTAL: total - stand.cum_total,
            }
        )
        stand.seq = last
        stand.hash = following[r.PREV]
        stand.counter = following[r.COUNTER] - 1
        stand.cum_count = count
        stand.cum_total = total


def broken(seq: object) -> JournalError:
    """JRN-020 at a sequence number."""
    return JournalError("the journal's chain is broken", "JRN-020", "stop selling; call a technician", seq)
