"""Finding the present state at boot.

The newest segment whose head is whole gives the state before it; from there on every record is read and applied.
Earlier segments that the server has not acknowledged are gone through by frames alone (CRC and sequence numbers, no
decoding); only where something is missing are their records followed, so that second copies are counted in and gaps
are named. Acknowledged segments are not looked at.

What the server has, `state/acked` says. If that is lost nothing is known to be there until the server says it again, and since
when begins anew: so more is kept, nothing less. What it ever had, the heads of segments say too, as of when they were begun: the
greatest counts. What was never acknowledged and is not to be read is lost, be it the journal's beginning.
"""

from protocol import cbor
from protocol import records as r
from protocol.errors import FormatError, JournalError
from terminal.journal.chain import Chain, Losses, copy_name, join, main_name
from terminal.journal.frames import SegmentReader
from terminal.journal.head import Stand
from terminal.journal.shelf import Shelf
from terminal.journal.view import View


class Recovered:
    """What recovery found: `stand`, `view`, `losses`, the last record read (record, bytes, signature) or None, what the
    server's clock said when it acknowledged last (0: not known), how far it had gone back then, and since when it has had the epoch.
    """

    def __init__(self, stand: Stand, view, losses: Losses, last: "tuple | None", acknowledged: tuple) -> None:  # noqa: ANN001 - View
        self.stand = stand
        self.view = view
        self.losses = losses
        self.last = last
        self.heard, self.back, self.had = acknowledged[3], acknowledged[7], acknowledged[8]


def recover(
    shelf: Shelf,
    reader: SegmentReader,
    crypto,
    device: str,
    view,
    genesis: Stand,
    acknowledged: tuple,
) -> Recovered:  # noqa: ANN001
    """Read the journal of one epoch back. `genesis` is where its first segment begins, `acknowledged` what
    `read_acknowledged` found. Raises JournalError.
    """
    numbers = shelf.numbers()
    heads = _survey(shelf, numbers, genesis)
    base = _newest(shelf, heads, numbers, view)
    shelf.segments = _places(heads, numbers, genesis.seq + 1)
    stand = genesis.copy()
    if base >= 0:
        stand = heads[base][0].copy()
    elif numbers:
        raise JournalError(
            "no beginning of the journal can be read", "JRN-025", "stop selling; call a technician", numbers[0]
        )
    chain = Chain(reader, crypto, device, stand)
    view.seq, view.total = stand.seq, stand.cum_total
    once = genesis.seq
    for known in heads:
        if known is not None:
            once = max(once, known[0].acked)
    view.once = max(once, acknowledged[5])
    last = None
    parts = shelf.parts(max(base, 0))
    ahead = False
    for item in chain.walk(parts):
        if item[0][r.SEQ] > view.seq + 1 and not ahead:
            ahead, view.bounds = True, chain.bounds(parts)
        view.apply(item[0])
        last = item
        if item[0][r.SEQ] <= acknowledged[0] and acknowledged[3]:
            stand.utc = acknowledged[3]
    if acknowledged[5] > stand.seq:  # beyond the end: whatever it is, it is none
        acknowledged = LOST
    shelf.begin_dates(acknowledged[4])
    stand.acked, stand.acked_utc = max(acknowledged[0], genesis.seq), acknowledged[2]
    stand.once = max(acknowledged[5], once)
    losses = chain.losses
    before = _earlier(shelf, Chain(reader, crypto, device, genesis.copy()), heads, base, stand.once)
    _due(before, losses, stand.once)
    losses.recovered = before.recovered + losses.recovered
    losses.damaged = before.damaged + losses.damaged
    shelf.fresh = (
        not numbers
        or losses.torn
        or numbers[-1] in losses.damaged
        or heads[-1] is None
        or heads[-1][1] is None
        or not _whole(reader, copy_name(numbers[-1]))
    )
    return Recovered(stand, view, losses, last, acknowledged)


def _survey(shelf: Shelf, numbers: "list[int]", genesis: Stand) -> list:
    """For each segment (stand, snapshot or None) before it; None where the head cannot be read. The epoch's first begins
    at genesis. The newest head's snapshot is kept, no other: they would fill a microcontroller's memory. A head that goes
    back behind an earlier one's is not counted (until 0.2 they did not say whose they are).
    """
    heads: list = []
    newest = -1
    for number in numbers:
        known = shelf.head(number)
        if known is None and number == shelf.lowest:
            known = (genesis, None)
        if known is not None and newest >= 0 and known[0].seq < heads[newest][0].seq:
            known = None
        if known is not None:
            if newest >= 0:
                heads[newest] = (heads[newest][0], None)
            newest = len(heads)
        heads.append(known)
    return heads


def _places(heads: list, numbers: "list[int]", first: int) -> "list[tuple[int, int]]":
    """(number, first sequence number) of each segment; one without a head counts to the one before it."""
    places = []
    for position in range(len(numbers)):
        if heads[position] is not None:
            first = heads[position][0].seq + 1
        places.append((numbers[position], first))
    return places


def _newest(shelf: Shelf, heads: list, numbers: "list[int]", view) -> int:  # noqa: ANN001 - View
    """Restore `view` from the newest head that has all of it; its place, -1 if there is none."""
    base = len(heads) - 1
    while base >= 0:
        known = heads[base]
        if known is not None:
            kept = known[1] or (shelf.head(numbers[base]) or known)[1]
            if kept is None:
                return base
            try:
                View().restore(kept)
                view.restore(kept)
                return base
            except (KeyError, IndexError, TypeError, ValueError, AttributeError):
                heads[base] = None
        base -= 1
    return base


def _earlier(shelf: Shelf, chain: Chain, heads: list, base: int, acked: int) -> Losses:
    """Losses between what is acknowledged and the segment at `base`."""
    begin = base
    while begin >= 0 and (heads[begin] is None or heads[begin][0].seq > acked):
        begin -= 1
    if begin == base:
        return chain.losses
    target = heads[base][0]
    if begin >= 0:
        chain.stand = heads[begin][0].copy()
        if _frames_hold(shelf, begin, base, chain.stand.seq, target.seq):
            return chain.losses
    elif acked > chain.stand.seq:
        chain.stand.seq, chain.stand.hash, chain.stand.cum_count = acked, None, -1  # type: ignore[assignment]
    for _ in chain.walk(shelf.parts(0)[max(begin, 0) : base], target):
        pass
    return chain.losses


def _due(before: Losses, losses: Losses, once: int) -> None:
    """Take in the gaps of `before`, and find what is to be declared: what the centre never had or the present state misses, unless a gap record
    that can be read says so. A segment's head may remember one that is lost itself. Two gaps that adjoin are one: the centre knows them as one.
    """
    gaps, behind, named = before.gaps, losses.gaps, before.named + losses.named
    if gaps and behind and gaps[-1][r.GAP_LAST] + 1 == behind[0][r.FIRST]:
        join(gaps.pop(), behind[0])
    losses.gaps = gaps + behind
    for gap in losses.gaps:
        if gap[r.GAP_LAST] > once or gap in behind:
            for first, last in named:
                if first <= gap[r.FIRST] and gap[r.GAP_LAST] <= last:
                    break
            else:
                losses.due.append(gap)


def _frames_hold(shelf: Shelf, begin: int, base: int, seq: int, last: int) -> bool:
    """Whether the segments from `begin` up to `base` hold the frames of every record after `seq` up to `last`."""
    reader = shelf.reader
    for number, _ in shelf.segments[begin:base]:
        for found, _, _ in reader.index(main_name(number)):
            seq += 1
            if found != seq:
                return False
    return seq == last


def _whole(reader: SegmentReader, name: str) -> bool:
    """Whether a file is absent or holds whole frames only: then it can be added to."""
    reader.index(name)
    return not (reader.torn or reader.damaged)


LOST = (0, b"", 0, 0, -1, 0, b"", 0, 0)
_KINDS = (int, bytes, int, int, int, int, bytes, int, int)


def read_acknowledged(storage) -> tuple:  # noqa: ANN001 - any Storage
    """(seq, hash, age, heard, since, once, once_hash, back, had) that `encode_acknowledged` was given; `LOST` if it was never written or is
    damaged: then the server is simply asked again.
    """
    try:
        if storage.size("state/acked") > 0:
            items = cbor.decode(storage.read("state/acked", 256))
            whole = len(items) == 2 or items[-1] == check_of(items[:-1])
            if len(items) < 8:
                utc = items[2] if len(items) == 4 else 0
                items = items[:2] + [utc, utc, 0, items[0], items[1], 0]
            items = items[:-1] + [0, 0]
            for at in range(9):
                whole = whole and isinstance(items[at], _KINDS[at])
            if whole:
                return tuple(items[:9])
    except (FormatError, JournalError, ValueError, TypeError, IndexError, KeyError):
        pass
    return LOST


def encode_acknowledged(seq: int, record_hash: bytes, clock: tuple, since: int, once: int, once_hash: bytes) -> bytes:
    """The content of `state/acked`: CBOR [seq and hash that the server has, age and the server's clock by `Journal.hear`, the first
    segment whose head's dates count, seq and hash that it once had, seconds that the server's clock is to make good, the age at which it
    had the first record of a new epoch or 0, check value]. `clock` is (age, heard, back, had).
    Before: without `had`, then `back`; [seq, hash, time, check value], [seq, hash, check value]; in release 0.1.0 [seq, hash].
    """
    age, heard, back, had = clock
    items = [seq, record_hash, age, heard, since, once, once_hash, back, had]
    return cbor.encode(items + [check_of(items)])


def check_of(items: list) -> int:
    """Check value of the acknowledgement's file."""
    import binascii

    return binascii.crc32(cbor.encode(items))
