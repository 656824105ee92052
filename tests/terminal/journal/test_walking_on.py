"""Reading on from where the last reading ended: nothing is decoded twice, and the chain holds over the seam."""

from protocol import records as r
from protocol.crypto.pure import PureCrypto
from protocol.errors import JournalError
from terminal.journal.journal import Journal
from tests.support.parts import CountingElement, HandClock, MemoryStorage

DEVICE = "TSD-000001"


class _Hashes(PureCrypto):
    """Counts what is hashed: the chain hashes each record that it passes."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def sha256(self, data):
        self.count += 1
        return super().sha256(data)


async def _opened(storage, element, crypto):
    journal = Journal(storage, element, HandClock(), crypto, DEVICE)
    journal.officer, journal.unit = 1007, "U-16"
    await journal.open()
    return journal


async def _grow(journal, count):
    for number in range(count):
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "n" + str(number)})


def _read(journal, crypto, first):
    """(sequence numbers from `first` on, how many records were hashed for it)."""
    before = crypto.count
    found = [entry[r.SEQ] for entry, _, _ in journal.entries(first)]
    return found, crypto.count - before


async def test_what_was_read_is_not_walked_through_again():
    crypto = _Hashes()
    journal = await _opened(MemoryStorage(), CountingElement(), crypto)
    await _grow(journal, 12)
    assert _read(journal, crypto, 1) == (list(range(1, 13)), 12)
    await _grow(journal, 2)
    assert _read(journal, crypto, 13) == ([13, 14], 2)
    assert _read(journal, crypto, 15) == ([], 0)
    await _grow(journal, 1)
    assert _read(journal, crypto, 15) == ([15], 1)
    assert _read(journal, crypto, 14) == ([14, 15], 15)  # asked for earlier ones: from the segment's beginning


async def test_it_goes_on_in_the_next_segment():
    crypto = _Hashes()
    journal = await _opened(MemoryStorage(), CountingElement(), crypto)
    journal._shelf.segment_bytes = 512
    await _grow(journal, 9)
    _read(journal, crypto, 1)
    await _grow(journal, 9)
    assert len(journal._shelf.segments) > 2
    assert _read(journal, crypto, 10) == (list(range(10, 19)), 9)


async def test_a_reading_that_was_broken_off_is_no_place_to_go_on_from():
    crypto = _Hashes()
    journal = await _opened(MemoryStorage(), CountingElement(), crypto)
    await _grow(journal, 6)
    for entry, _, _ in journal.entries(1):
        if entry[r.SEQ] == 3:
            break
    assert _read(journal, crypto, 4)[0] == [4, 5, 6]


async def test_the_chain_is_followed_over_the_seam():
    crypto, storage = _Hashes(), MemoryStorage()
    journal = await _opened(storage, CountingElement(), crypto)
    await _grow(journal, 4)
    _read(journal, crypto, 1)
    other_storage = MemoryStorage()
    other = await _opened(other_storage, CountingElement(), crypto)
    await _grow(other, 3)
    await other.append(r.HEALTH_EVENT, {r.HEALTH: "x3"})
    await _grow(other, 1)
    storage.files["journal/000001.seg"] = other_storage.files["journal/000001.seg"]
    try:
        _read(journal, crypto, 5)
    except JournalError as error:
        assert error.code == "JRN-020"
        return
    raise AssertionError("another history was read on")
