"""Segments, second copies and blobs that the storage cannot read: damage to them, no more. What can be read of them is read."""

import gc

from protocol import records as r
from protocol.crypto.pure import PureCrypto
from protocol.errors import JournalError
from terminal.journal import epoch as epochs
from terminal.journal.frames import SegmentReader, new_window
from terminal.journal.journal import Journal
from tests.support.dual import araises
from tests.support.parts import CountingElement, HandClock, MemoryStorage

MAIN, COPIES = "journal/000001.seg", "copies/000001.seg"
OUTCOME = {r.CASE: 1, r.INTENT: 1, r.AMOUNT: 500, r.OUTCOME: r.OUTCOME_APPROVED}


def _unreadable(name):
    return JournalError("storage cannot be read", "JRN-014", "call a technician", name)


class Spotty(MemoryStorage):
    """`spots`: {name: (first, last) byte that cannot be read, neither alone nor in a piece}; `nameless`: no size either; `shut`: folders that
    cannot be listed. What it refused to write to is in `refused`.
    """

    def __init__(self):
        super().__init__()
        self.spots = {}
        self.nameless = ()
        self.shut = ()

    def names(self, folder):
        if folder in self.shut:
            raise _unreadable(folder)
        return super().names(folder)

    def size(self, name):
        if name in self.nameless:
            raise _unreadable(name)
        return super().size(name)

    def read_into(self, name, offset, buffer):
        if name not in self.files:
            raise JournalError("stored file is missing", "JRN-010", detail=name)
        first, last = self.spots.get(name, (0, -1))
        if name in self.nameless or (offset <= last and offset + len(buffer) > first and last >= 0):
            raise _unreadable(name)
        return super().read_into(name, offset, buffer)

    def read(self, name, limit=65536):
        if name in self.nameless or name in self.spots:
            raise _unreadable(name)
        return super().read(name, limit)

    def append(self, name, data):
        if name in self.nameless or name in self.spots:
            raise JournalError("storage refuses to write", "JRN-012")
        super().append(name, data)


def _journal(storage, element):
    return Journal(storage, element, HandClock(), PureCrypto(), "TSD-000001")


async def _made(count=24):
    """(storage, element, {seq: bytes}, {seq: (begin, end)} in the segment): every fourth record is money, with a second copy."""
    storage, element = Spotty(), CountingElement()
    journal = _journal(storage, element)
    await journal.open()
    ends = {}
    for number in range(1, count + 1):
        begin = storage.size(MAIN) if number > 1 else 0
        if number % 4 == 0:
            await journal.append(r.PAYMENT_OUTCOME, OUTCOME)
        else:
            await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x" * (number % 5 * 9)})
        ends[number] = (begin, storage.size(MAIN))
    return storage, element, {item[0][r.SEQ]: item[1] for item in journal.entries(1)}, ends


def _declared(journal):
    found = []
    for record, _, _ in journal.entries(1):
        if record[r.KIND] == r.GAP:
            found += list(range(record[r.FIRST], record[r.GAP_LAST] + 1))
    return found


async def test_what_lies_beside_an_unreadable_piece_is_read_and_the_rest_recovered_or_declared():
    whole, element, data, ends = await _made()
    for first in range(1, ends[22][0], 397):
        for length in (64, 700, 3500):
            last = min(first + length, ends[22][1]) - 1
            storage, part = Spotty(), CountingElement()
            storage.files, part.counters = dict(whole.files), list(element.counters)
            storage.spots = {MAIN: (first, last)}
            journal = _journal(storage, part)
            await journal.open()
            kept = {item[0][r.SEQ]: item[1] for item in journal.entries(1)}
            lost = [seq for seq in sorted(ends) if ends[seq][0] <= last and ends[seq][1] > first and seq % 4]
            if first < ends[1][0] + 400:
                lost = [seq for seq in lost if seq not in kept]  # the head lies before the first record
            assert _declared(journal) == lost == [seq for seq in sorted(data) if seq not in kept], (first, length)
            for seq in data:
                assert seq in lost or kept[seq] == data[seq]
            await journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
            assert len(whole.files[MAIN]) == len(storage.files[MAIN]), "an unreadable segment was written to"


async def test_a_segment_of_which_nothing_can_be_read_is_lost_but_for_its_money():
    for nameless in (True, False):
        storage, element, data, _ = await _made()
        journal = _journal(storage, element)
        await journal.open()
        journal._shelf.fresh = True
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "next segment"})
        if nameless:
            storage.nameless = (MAIN,)
        else:
            storage.spots = {MAIN: (0, 1 << 20)}
        journal = _journal(storage, element)
        await journal.open()
        assert journal.losses.recovered == [4, 8, 12, 16, 20, 24]
        assert _declared(journal) == [seq for seq in sorted(data) if seq % 4]
        assert journal.record_at(4)[1] == data[4] and journal.record_at(5) is None
        assert (journal.cum_count, journal.cum_total) == (6, 3000)


async def test_the_newest_segment_unreadable_is_a_rollback_if_its_last_record_is_no_money():
    storage, element, _, _ = await _made(23)
    storage.nameless = (MAIN,)
    error = await araises(JournalError, _journal(storage, element).open())
    assert error.code == "JRN-030"


async def test_a_second_copy_that_cannot_be_read_costs_nothing_and_the_last_record_has_one_again():
    for first, last in ((0, 5000), (300, 5000), (0, 100)):
        gc.collect()
        storage, element, data, _ = await _made(12)
        before = SegmentReader(storage, new_window()).index(COPIES)
        storage.spots = {COPIES: (first, last)}
        journal = _journal(storage, element)
        await journal.open()
        assert [item[1] for item in journal.entries(1)] == [data[seq] for seq in sorted(data)]
        storage.spots = {}
        copies = [item[0] for item in SegmentReader(storage, new_window()).index(COPIES)]
        if last < 5000:
            assert copies == [item[0] for item in before], "it was there: the file is left as it is"
        else:
            assert copies == [item[0] for item in before if item[1] + item[2] + 4 <= first] + [12]
        for _ in range(2):
            await journal.append(r.PAYMENT_OUTCOME, OUTCOME)
        assert storage.names("copies") == ["000001.seg", "000002.seg"]
        storage.spots[MAIN] = (storage.size(MAIN) - 40, storage.size(MAIN) - 1)
        for _ in range(2):
            journal = _journal(storage, element)
            await journal.open()
            assert journal.losses.recovered == [12] and journal.head_seq == 14 and not journal.losses.gaps


async def test_a_blob_that_cannot_be_read_is_named():
    storage, element, _, _ = await _made()
    journal = _journal(storage, element)
    await journal.open()
    await journal.append(r.PAYMENT_OUTCOME, OUTCOME, sealed=b"card", private=b"person")
    for nameless in (True, False):
        names = ("sealed/25", "private/25")
        storage.nameless, storage.spots = (names, {}) if nameless else ((), dict.fromkeys(names, (0, 0)))
        journal = _journal(storage, element)
        await journal.open()
        assert journal.blob("sealed", 25) is None and journal.blob("private", 25) is None
        assert journal.losses.blobs == [("sealed", 25), ("private", 25)]


async def test_a_folder_that_cannot_be_listed_stops_the_terminal_and_a_new_epoch_takes_nothing_away():
    storage, element, _, _ = await _made()
    files = dict(storage.files)
    storage.shut = ("journal",)
    journal = _journal(storage, element)
    error = await araises(JournalError, journal.open())
    assert error.code == "JRN-014" and error.code in epochs.HEALED
    approved, epochs.check_approval = epochs.check_approval, lambda *_: epochs.Stand()
    try:
        error = await araises(JournalError, journal.begin_epoch(b"", b""))
    finally:
        epochs.check_approval = approved
    assert error.code == "JRN-014" and storage.files == files


async def test_the_journal_syncs_what_it_found_before_the_counter_vouches_for_it():
    storage, element, _, _ = await _made()
    element.counters[0] -= 1  # the power, or the process, went between the append and the step
    calls = []
    storage.sync = calls.append
    step = element.increment

    async def increment(index):
        calls.append("step")
        return await step(index)

    element.increment = increment
    await _journal(storage, element).open()
    assert calls == ["state/epoch", MAIN, COPIES, "step"]
