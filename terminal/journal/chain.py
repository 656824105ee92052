"""Following the chain over segments that may be damaged: every record in order, copies in the place of what is lost,
gaps named.

What is passed on fits the chain or is declared: a record whose previous-hash does not match raises JRN-020, records
that are nowhere to be read are listed in `Losses.gaps` with the hash and the money that their neighbours still tell.
Frames that lie in a segment to which their numbers do not belong (a page that was copied or misdirected) are passed over:
the records are looked for where they belong. It writes nothing.
"""

from protocol import cbor
from protocol import records as r
from protocol.errors import FormatError, JournalError
from terminal.journal.frames import SegmentReader
from terminal.journal.head import Stand

MOST_GAPS = 32  # then the last one takes in what follows: a gap costs some 200 bytes of a microcontroller's memory
END = 0x3FFFFFFF
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
        self.gaps: "list[dict]" = []  # bodies of gap records …
        self.due: "list[dict]" = []  # … those that a boot is to declare: the centre never had them all, or the present state misses them
        self.named: "list[tuple[int, int]]" = []  # (first, last) of the gap records that were read
        self.recovered: "list[int]" = []  # sequence numbers read from their second copy
        self.damaged: "list[int]" = []  # segments with bytes that are no frame before whole frames
        self.torn = False  # of the last segment
        self.blobs: "list[tuple[str, int]]" = []  # (folder, seq) of blobs that are not what their record names


class Chain:
    """A walk from `stand` on; `stand` moves with it. `stand.hash` None means that the first record's previous-hash is
    taken on trust, `stand.cum_count` -1 that the money so far is not known.
    """

    def __init__(self, reader: SegmentReader, crypto, device: str, stand: Stand) -> None:  # noqa: ANN001 - contracts
        self._reader = reader
        self._crypto = crypto
        self._device = device
        self.stand = stand
        self.losses = Losses()

    def walk(self, parts, target: "Stand | None" = None):  # noqa: ANN001, ANN201 - generator of (record, its bytes, signature or None)
        """Yield every record after `stand` in the segments `parts` (`Shelf.parts`), then those that only a second copy
        still holds; up to `target`, if it is given, where the segment begins that follows.
        """
        low = 0  # the part of the last record
        for at in range(len(parts)):
            number, end = parts[at]
            found = self._reader.index(main_name(number))
            self.losses.torn = self._reader.torn
            damaged = self._reader.damaged
            for position in range(len(found)):
                seq = found[position][0]
                if seq <= self.stand.seq:
                    continue
                if seq > end:
                    damaged = True
                    break
                item = self._read(main_name(number), found[position])
                if item is None:
                    continue
                if seq > self.stand.seq + 1:
                    for lost in self._bridge(parts, low, at, seq - 1):
                        yield lost
                    self._gap_before(item)
                if self.stand.hash is not None and item[0][r.PREV] != self.stand.hash:
                    if position + 1 < len(found) and found[position + 1][0] == seq:
                        continue
                    raise broken(seq)
                self._advance(item)
                low = at
                yield item
            if damaged:
                self.losses.damaged.append(number)
        for lost in self._bridge(parts, low, len(parts) - 1, END if target is None else target.seq):
            yield lost
        if target is not None and target.seq > self.stand.seq:
            self._gap(target.seq, target.hash, target.counter, target.cum_count, target.cum_total)

    def bounds(self, parts) -> "list[tuple[int, int, int]]":  # noqa: ANN001
        """(last, first, what the centre had then) of the gap records in these segments, as `View.bounds`: a record is missed before one says so."""
        found = []
        for number, end in parts:
            for where in self._reader.index(main_name(number)):
                item = self._read(main_name(number), where) if where[0] <= end else None
                if item is not None and r.GAP_ONCE in item[0]:
                    found.append((item[0][r.GAP_LAST], item[0][r.FIRST], item[0][r.GAP_ONCE]))
        found.sort(reverse=True)
        return found

    def pick(self, number: int, seq: int) -> "tuple | None":
        """(record, its bytes, signature or None) of one entry of segment `number`, without following the chain."""
        for where in self._reader.index(main_name(number)):
            if where[0] == seq:
                return self._read(main_name(number), where)
        return None

    def _read(self, name: str, where: "tuple[int, int, int]") -> "tuple | None":
        """(record, its bytes, signature) of an index item; None if it is no record of that number, or of another epoch.
        Raises JRN-020, JRN-023.
        """
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
        if record[r.SEQ] != where[0] or record[r.EPOCH] != self.stand.epoch:
            return None
        return record, entry[0], entry[1]

    def _advance(self, item: tuple) -> None:
        record = item[0]
        if record[r.KIND] == r.GAP:
            self.losses.named.append((record[r.FIRST], record[r.GAP_LAST]))
        self.stand.advance(record, self._crypto.sha256(item[1]))

    def _bridge(self, parts, low: int, at: int, last: int):  # noqa: ANN001, ANN202 - generator of items
        """What is missing up to `last`, out of the second copies of the parts `low` to `at`; and, where the bounds of
        segments are not known because heads are damaged, out of the segments within the same bounds.
        """
        while low <= at:
            end = parts[low][1]
            names = []
            while low < len(parts) and parts[low][1] == end:
                names.append(copy_name(parts[low][0]))
                if low > at:
                    names.append(main_name(parts[low][0]))
                low += 1
            while True:
                item = self._lowest(names, min(last, end))
                if item is None:
                    break
                if item[0][r.SEQ] > self.stand.seq + 1:
                    self._gap_before(item)
                elif self.stand.hash is not None and item[0][r.PREV] != self.stand.hash:
                    raise broken(item[0][r.SEQ])
                self._advance(item)
                self.losses.recovered.append(item[0][r.SEQ])
                yield item

    def _lowest(self, names: "list[str]", last: int) -> "tuple | None":
        """The first record after `stand`, up to `last`, that lies in one of these files."""
        best = None
        for name in names:
            for where in self._reader.index(name):
                if where[0] <= self.stand.seq:
                    continue
                if where[0] > last:
                    break
                item = self._read(name, where)
                if item is not None:
                    best = item
                    last = where[0] - 1
                    break
        return best

    def _gap_before(self, item: tuple) -> None:
        """Declare what is missing before `item` lost."""
        record = item[0]
        if record[r.SEQ] > self.stand.seq + 1:
            count, total = r.approved_step(record)
            count, total = record[r.CUM_COUNT] - count, record[r.CUM_TOTAL] - total
            self._gap(record[r.SEQ] - 1, record[r.PREV], record[r.COUNTER] - 1, count, total)

    def _gap(self, last: int, last_hash: bytes, counter: int, count: int, total: int) -> None:
        """Declare the records after `stand` up to `last` lost; the rest is said of the journal after them."""
        stand, gaps = self.stand, self.losses.gaps
        gap = {r.FIRST: stand.seq + 1, r.GAP_LAST: last, r.GAP_HASH: last_hash}
        if stand.cum_count >= 0:
            gap[r.GAP_COUNT], gap[r.GAP_TOTAL] = count - stand.cum_count, total - stand.cum_total
        if len(gaps) >= MOST_GAPS:
            join(gaps.pop(), gap)
        gaps.append(gap)
        stand.seq, stand.hash, stand.counter, stand.cum_count, stand.cum_total = last, last_hash, counter, count, total


def join(before: dict, gap: dict) -> None:
    """Make of a gap one that begins where the one before it does; how much money it holds is known where both say so."""
    gap[r.FIRST] = before[r.FIRST]
    for key in (r.GAP_COUNT, r.GAP_TOTAL):
        if key in before and key in gap:
            gap[key] += before[key]
        else:
            gap.pop(key, None)


def broken(seq: object) -> JournalError:
    """JRN-020 at a sequence number."""
    return JournalError("the journal's chain is broken", "JRN-020", "stop selling; call a technician", seq)
