"""Finding the present state at boot.

The newest segment whose head is whole gives the state before it; from there on every record is read and applied.
Earlier segments that the server has not acknowledged are gone through by frames alone (CRC and sequence numbers, no
decoding); only where something is missing are their records followed, so that second copies are counted in and gaps
are named. Acknowledged segments are not looked at.
"""

from protocol import cbor
from protocol import records as r
from protocol.errors import FormatError, JournalError
from terminal.journal.chain import Chain, Losses, copy_name, main_name
from terminal.journal.frames import SegmentReader
from terminal.journal.head import Stand
from terminal.journal.shelf import Shelf


class Recovered:
    """What recovery found: `stand`, `view`, `losses`, the last record read (record, bytes, signature) or None."""

    def __init__(self, stand: Stand, view, losses: Losses, last: "tuple | None") -> None:  # noqa: ANN001 - View
        self.stand = stand
        self.view = view
        self.losses = losses
        self.last = last


def recover(
    shelf: Shelf, reader: SegmentReader, crypto, device: str, view, genesis: Stand, lowest: int, acknowledged: int
) -> Recovered:  # noqa: ANN001
    """Read the journal of one epoch back. `genesis` is where its first segment, number `lowest` or later, begins.
    Raises JournalError.
    """
    numbers = shelf.numbers(lowest)
    heads = _survey(shelf, numbers, genesis)
    base = len(numbers) - 1
    while base >= 0 and heads[base] is None:
        base -= 1
    stand = genesis.copy()
    if base >= 0:
        stand = heads[base][0].copy()  # type: ignore[index]
        if heads[base][1] is not None:  # type: ignore[index]
            view.restore(heads[base][1])  # type: ignore[index]
    elif not _blank(reader, numbers):
        raise JournalError(
            "no beginning of the journal can be read", "JRN-025", "stop selling; call a technician", numbers[0]
        )
    losses = _earlier(shelf, reader, crypto, device, heads, numbers, base, acknowledged)
    chain = Chain(reader, crypto, device, stand)
    view.seq = stand.seq
    last = None
    for item in chain.walk(numbers[max(base, 0) :]):
        view.apply(item[0])
        last = item
    if heads and heads[0] is not None and heads[0][0].seq > max(acknowledged, genesis.seq) and acknowledged >= 0:
        losses.gaps.insert(
            0, {r.FIRST: max(acknowledged, genesis.seq) + 1, r.GAP_LAST: heads[0][0].seq, r.GAP_HASH: heads[0][0].hash}
        )
    chain.losses.gaps = losses.gaps + chain.losses.gaps
    chain.losses.recovered = losses.recovered + chain.losses.recovered
    chain.losses.damaged = losses.damaged + chain.losses.damaged
    shelf.segments = _places(heads, numbers)
    shelf.fresh = (
        not numbers
        or chain.losses.torn
        or numbers[-1] in chain.losses.damaged
        or heads[-1] is None
        or heads[-1][1] is None
    )
    return Recovered(chain.stand, view, chain.losses, last)


def _blank(reader: SegmentReader, numbers: "list[int]") -> bool:
    """Whether no segment holds an entry: the very first append was cut. (The counter tells an erased journal from
    that.)
    """
    return not any(reader.index(main_name(number)) or reader.index(copy_name(number)) for number in numbers)


def _survey(shelf: Shelf, numbers: "list[int]", genesis: Stand) -> list:
    """For each segment (stand, snapshot or None) before it; None where the head cannot be read. The first may begin
    at genesis. The newest head's snapshot is kept, no other: they would fill a microcontroller's memory.
    """
    heads: list = []
    newest = -1
    for position in range(len(numbers)):
        known = shelf.head(numbers[position])
        if known is None and position == 0 and shelf.begins_at(numbers[0], genesis.seq + 1):
            known = (genesis, None)
        if known is not None:
            if newest >= 0:
                heads[newest] = (heads[newest][0], None)
            newest = position
        heads.append(known)
    return heads


def _places(heads: list, numbers: "list[int]") -> "list[tuple[int, int]]":
    """(number, first sequence number) of each segment; one without a head counts to the one before it."""
    places = []
    first = 1
    for position in range(len(numbers)):
        if heads[position] is not None:
            first = heads[position][0].seq + 1
        places.append((numbers[position], first))
    return places


def _earlier(
    shelf: Shelf,
    reader: SegmentReader,
    crypto,
    device: str,
    heads: list,
    numbers: "list[int]",
    base: int,
    acknowledged: int,
) -> Losses:  # noqa: ANN001
    """Losses in the unacknowledged segments before `base`."""
    begin = base
    while begin > 0 and (heads[begin] is None or heads[begin][0].seq > acknowledged):
        begin -= 1
    while begin < base and heads[begin] is None:
        begin += 1
    suspect = False
    expected = heads[begin][0].seq if begin >= 0 and heads[begin] is not None else 0
    for position in range(max(begin, 0), base):
        for seq, _, _ in reader.index(main_name(numbers[position])):
            if seq != expected + 1:
                suspect = True
                break
            expected = seq
        suspect = suspect or reader.damaged
    if begin >= base or (not suspect and expected == heads[base][0].seq):
        return Losses()
    chain = Chain(reader, crypto, device, heads[begin][0].copy())
    for _ in chain.walk(numbers[begin : base + 1]):
        if chain.stand.seq > heads[base][0].seq:
            break
    chain.losses.torn = False
    return chain.losses


def read_acknowledged(storage) -> int:  # noqa: ANN001 - any Storage
    """The acknowledged sequence number, 0 if it was never written or is damaged: then the server is simply asked
    again.
    """
    if storage.size("state/acked") <= 0:
        return 0
    try:
        items = cbor.decode(storage.read("state/acked", 256))
        if len(items) == 3 and items[2] != check_of(items[0], items[1]):
            return -1
        return items[0] if isinstance(items[0], int) else -1
    except (FormatError, JournalError, ValueError, TypeError, IndexError):
        return -1


def check_of(seq: int, record_hash: bytes) -> int:
    """Check value of the acknowledgement's file."""
    import binascii

    return binascii.crc32(cbor.encode([seq, record_hash]))
