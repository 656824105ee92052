"""What former epochs have left on the storage, and when it goes.

A new epoch goes on where the centre's chain ended; so what an old one has up to there the centre has, and it goes like everything else
that the centre has had for long enough, counted from when the centre had the new epoch's first record. What the centre never had stays
for the technician (`tasdid journal export --epoch N`); after `RETENTION` it goes too, but only where room is short.
"""

from protocol import cbor
from protocol import records as r
from protocol.errors import FormatError
from terminal.journal.chain import END, copy_name, main_name
from terminal.journal.shelf import numbered

_AT_ONCE = 16  # segments that go in one go: a boot waits for it


def leave(shelf, storage, genesis, short, old: bool) -> bool:  # noqa: ANN001 - Shelf, Storage, Stand, callable
    """Delete from the oldest on; False once nothing is left. `short()`: whether room is needed; `old`: whether it has all lain there for
    `RETENTION`. `genesis` is where the present epoch begins. Raises JournalError.
    """
    numbers = _numbers(storage, shelf.lowest)
    gone = at = 0
    while at < len(numbers) and gone < _AT_ONCE:
        if not old and not short():
            return True
        epoch, first, last = _span(shelf, numbers, at, genesis)
        at += 1
        if last > genesis.former.get(epoch, 0) and not (old and short()):
            continue
        if first > 0:
            for folder in folders(epoch):
                shelf.drop(folder, first, last)
        storage.remove(copy_name(numbers[at - 1]))
        storage.remove(main_name(numbers[at - 1]))
        gone += 1
    if gone < len(numbers):
        return True
    for epoch in range(1, genesis.epoch):
        for folder in folders(epoch):
            shelf.drop(folder, 0, END)
    return False


def folders(epoch: int) -> "tuple[str, str]":
    """Folders of an epoch's blobs: sealed card data, personal data."""
    return ("sealed", "private") if epoch == 1 else ("sealed" + str(epoch), "private" + str(epoch))


def _numbers(storage, lowest: int) -> "list[int]":  # noqa: ANN001 - Storage
    found = set()
    for folder in ("journal", "copies"):
        for name in storage.each(folder):
            number = numbered(name.split(".")[0])
            if 0 <= number < lowest:
                found.add(number)
    return sorted(found)


def _span(shelf, numbers: "list[int]", at: int, genesis) -> "tuple[int, int, int]":  # noqa: ANN001
    """(epoch, first record, last record) of a segment; first 0: not known. What cannot be told counts as never sent."""
    known = shelf.head(numbers[at])
    after = shelf.head(numbers[at + 1]) if at + 1 < len(numbers) else None
    if known is not None and after is not None and after[0].epoch == known[0].epoch and after[0].seq > known[0].seq:
        return known[0].epoch, known[0].seq + 1, after[0].seq
    name = main_name(numbers[at])
    found = shelf.reader.index(name)
    whole = found and not (shelf.reader.torn or shelf.reader.damaged)
    entry = shelf.reader.entry(name, found[-1][1], found[-1][2]) if whole else None
    epoch = _epoch(entry[0]) if entry is not None else 0
    first = known[0].seq + 1 if known is not None else 0
    return epoch or max(1, genesis.epoch - 1), first, found[-1][0] if epoch else END


def _epoch(data: bytes) -> int:
    try:
        return cbor.decode(data)[r.EPOCH]
    except (FormatError, KeyError, TypeError):
        return 0


def sent(shelf, crypto, stand, acked) -> int:  # noqa: ANN001 - Shelf, crypto seam, Stand, `recovery.read_acknowledged`
    """The last record of this journal that the centre has: the one at which it lets a new epoch go on, or, if that is not here (the storage is
    an older one), the last one acknowledged. 0 if the one here is another: its chain is another branch, of which the centre may have nothing.
    """
    for seq, record_hash in ((stand.seq, stand.hash), acked[:2]):
        here = _hash(shelf, crypto, seq) if 0 < seq <= stand.seq else None
        if here is not None:
            return seq if here == record_hash else 0
    return 0


def _hash(shelf, crypto, wanted: int) -> "bytes | None":  # noqa: ANN001
    """Of a record, or of its second copy; None if neither is here."""
    for number in reversed(shelf.numbers()):
        known = shelf.head(number)
        if known is not None and known[0].seq >= wanted:
            continue
        for name in (main_name(number), copy_name(number)):
            for seq, offset, length in shelf.reader.index(name):
                entry = shelf.reader.entry(name, offset, length) if seq == wanted else None
                if entry is not None:
                    return crypto.sha256(entry[0])
        if known is not None:
            break
    return None
