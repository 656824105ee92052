"""Room: where it is short, what the server has had for a week goes before its time, after a session and at a boot too; what
it has not acknowledged, or for less than a week, never goes.
"""

from protocol import records as r
from protocol.crypto.pure import PureCrypto
from protocol.errors import JournalError
from terminal.journal.journal import Journal
from terminal.journal.room import RESERVE, ROOM_NONE, ROOM_OK, ROOM_UNKNOWN, SPARE, WARNING
from terminal.journal.shelf import FLOOR, RETENTION
from tests.support.parts import CountingElement, HandClock, MemoryStorage

DAY = 86400


class _Flash(MemoryStorage):
    """A storage of `capacity` bytes."""

    capacity = 1 << 30

    def free_bytes(self):
        used = 0
        for name in self.files:
            used += len(self.files[name])
        return self.capacity - used


def _journal(storage, element, clock):
    journal = Journal(storage, element, clock, PureCrypto(), "TSD-000001")
    journal._shelf.segment_bytes = 1024
    return journal


async def _opened(storage=None):
    storage, element, clock = storage or _Flash(), CountingElement(), HandClock()
    journal = _journal(storage, element, clock)
    await journal.open()
    return storage, element, clock, journal


async def _day(journal, clock, acknowledge=True):
    """A day's records, then a synchronisation that acknowledges them or only tells the time."""
    for _ in range(2):
        clock.utc += 43200
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "n" * 100})
    journal.hear(clock.utc)
    if acknowledge:
        journal.acknowledge(journal.head_seq, journal.head_hash)


def _age(journal, clock):
    """Of the oldest record kept, in days."""
    return (clock.utc - journal.record_at(journal.first_retained)[0][r.UTC]) / DAY


async def test_with_room_enough_all_of_the_retention_is_kept():
    storage, _, clock, journal = await _opened()
    for _ in range(75):
        await _day(journal, clock)
        journal.make_room()
    assert RETENTION / DAY <= _age(journal, clock) < RETENTION / DAY + 3


async def test_where_room_is_short_the_oldest_goes_early_and_no_more_than_must():
    storage, _, clock, journal = await _opened()
    storage.capacity = SPARE + 6000
    for _ in range(40):
        await _day(journal, clock)
        journal.make_room()
        assert journal.room.state(True) == ROOM_OK
    assert SPARE <= storage.free_bytes() < SPARE + 4000
    assert FLOOR / DAY < _age(journal, clock) < 20


async def test_what_is_younger_than_a_week_stays_though_sales_stop():
    storage, _, clock, journal = await _opened()
    storage.capacity = RESERVE + 3000
    for _ in range(20):
        await _day(journal, clock)
        journal.make_room()
    assert FLOOR / DAY <= _age(journal, clock) < FLOOR / DAY + 3
    assert journal.room.state(True) == ROOM_NONE


async def test_what_is_not_acknowledged_stays_however_old_and_full():
    storage, _, clock, journal = await _opened()
    storage.capacity = 0
    for _ in range(3):
        await _day(journal, clock)
    for _ in range(20):
        await _day(journal, clock, acknowledge=False)
    held = journal.acked_seq
    journal.make_room()
    assert 1 < journal.first_retained <= held + 1
    assert journal.record_at(held + 1) is not None


async def test_a_rotation_makes_room_too():
    storage, _, clock, journal = await _opened()
    storage.capacity = WARNING
    for _ in range(20):
        await _day(journal, clock)
    assert journal.first_retained > 1


async def test_a_boot_that_knows_the_servers_time_makes_room():
    storage, element, clock, journal = await _opened()
    for _ in range(20):
        await _day(journal, clock)
    assert journal.first_retained == 1
    storage.capacity = 0
    again = _journal(storage, element, clock)
    await again.open()
    assert FLOOR / DAY <= _age(again, clock) < FLOOR / DAY + 3
    last = _journal(storage, element, clock)
    await last.open()
    assert (last.head_seq, last.first_retained) == (40, again.first_retained)


async def test_a_flash_that_filled_up_offline_has_room_a_week_after_it_is_acknowledged():
    """Nothing rotates by size in that week: no sale is possible, and a few records a day fill no segment."""
    storage, element, clock, journal = await _opened()
    for _ in range(30):
        await _day(journal, clock, acknowledge=False)
    storage.capacity = 0
    journal.acknowledge(journal.head_seq, journal.head_hash)
    journal.make_room()
    journal._shelf.segment_bytes = 1 << 20
    for day in range(9):
        count = len(journal._shelf.segments)
        await _day(journal, clock)
        journal.make_room()
        assert len(journal._shelf.segments) <= count + (day == 0)
        if day < 6:
            assert journal.first_retained == 1
    assert journal.first_retained > 50


def _uncounted():
    raise JournalError("storage cannot be read", "JRN-014")


async def test_where_nobody_can_count_nothing_goes_early():
    storage, element, clock, journal = await _opened()
    storage.capacity = 0
    storage.free_bytes = _uncounted
    await journal.append(r.PAYMENT_OUTCOME, {r.CASE: 1, r.INTENT: 1, r.AMOUNT: 1, r.OUTCOME: r.OUTCOME_DECLINED})
    for _ in range(20):
        await _day(journal, clock)
        journal.make_room()
        await journal.begin_dated()
    again = _journal(storage, element, clock)
    await again.open()
    assert (
        again.first_retained == 1 and again.room.state(True) == ROOM_UNKNOWN and storage.size("copies/000001.seg") > 0
    )
    for _ in range(50):
        await _day(again, clock)
    assert again.first_retained > 1
