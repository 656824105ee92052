"""Retention: what the server has had long enough goes, by the server's time and nothing else; all else is kept."""

from protocol import records as r
from protocol.crypto.pure import PureCrypto
from terminal.journal import recovery
from terminal.journal.head import Stand
from terminal.journal.journal import Journal
from tests.support.hearing import daily
from tests.support.parts import CountingElement, HandClock, MemoryStorage

DAY = 86400
SERVER = 1_790_000_000


def _journal(storage, element, clock):
    journal = Journal(storage, element, clock, PureCrypto(), "TSD-000001")
    journal._shelf.segment_bytes = 4096
    return journal


async def _days(count, acknowledge):
    """A record every six hours over `count` days; the server acknowledges every fifth."""
    storage, element, clock = MemoryStorage(), CountingElement(), HandClock()
    journal = _journal(storage, element, clock)
    journal._shelf.segment_bytes = 1536
    journal.retention = 30 * DAY
    await journal.open()
    for number in range(count * 4):
        clock.utc += 21600
        record = await journal.append(r.HEALTH_EVENT, {r.HEALTH: "n" * 40})
        if acknowledge and number % 5 == 0:
            journal.acknowledge(record[r.SEQ], journal.head_hash)
        if acknowledge:
            journal.hear(clock.utc)
    return storage, element, clock, journal


async def test_a_boot_holds_one_snapshot_however_many_segments_there_are():
    storage, element, clock, _ = await _days(40, False)
    again = _journal(storage, element, clock)
    numbers = again._shelf.numbers()
    heads = recovery._survey(again._shelf, numbers, Stand())
    assert len(numbers) > 5 and [head[1] is None for head in heads] == [True] * (len(heads) - 1) + [False]


async def test_nothing_unacknowledged_is_ever_deleted():
    _, _, _, journal = await _days(40, False)
    assert journal.first_retained == 1
    assert journal.record_at(1) is not None


async def test_acknowledged_segments_go_when_they_are_old_enough():
    storage, element, clock, journal = await _days(80, True)
    first = journal.first_retained
    assert first > 1
    oldest = journal.record_at(first)[0]
    assert clock.utc - oldest[r.UTC] >= 30 * DAY
    assert clock.utc - oldest[r.UTC] < 35 * DAY
    again = _journal(storage, element, clock)
    await again.open()
    assert (again.head_seq, again.head_hash, again.first_retained) == (320, journal.head_hash, first)
    assert [item[0][r.SEQ] for item in again.entries(1)][0] == first


async def _until(journal, segments):
    """Append and acknowledge until so many segments were begun."""
    while journal._shelf.segments == [] or journal._shelf.segments[-1][0] < segments:
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "n" * 40})
        journal.acknowledge(journal.head_seq, journal.head_hash)


async def test_a_clock_that_leaps_years_ahead_makes_nothing_old():
    storage, element, clock = MemoryStorage(), CountingElement(), HandClock()
    journal = _journal(storage, element, clock)
    await journal.open()
    await _until(journal, 2)
    journal.hear(clock.utc)
    clock.utc += 5 * 366 * DAY
    await _until(journal, 4)
    assert journal.first_retained == 1 and journal.record_at(1) is not None
    again = _journal(storage, element, clock)  # who has not heard the server since the boot deletes nothing
    await again.open()
    await _until(again, 6)
    assert again.first_retained == 1
    again.hear(clock.utc)  # the server's does so too, and may be as wrong
    await _until(again, 7)
    again.make_room()
    assert again.first_retained == 1
    daily(again, clock.utc + 61 * DAY)
    await _until(again, 8)
    assert again.first_retained > 1


async def _opened(clock=None):
    storage, element = MemoryStorage(), CountingElement()
    journal = _journal(storage, element, clock or HandClock())
    await journal.open()
    return storage, element, journal


async def _fill(journal, segments):
    """Append until so many segments were begun."""
    while journal._shelf.segments == [] or journal._shelf.segments[-1][0] < segments:
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "n" * 40})


def _synchronise(journal, utc, seq=0):
    """As `terminal.sync`: first the server's time, then its acknowledgement."""
    daily(journal, utc)
    journal.acknowledge(seq or journal.head_seq, journal.head_hash)


async def test_what_a_clock_far_behind_dated_is_kept_as_long_as_all_else():
    """The battery of the clock was out: a shift of the year 2000, acknowledged today."""
    clock = HandClock(946_684_800)
    storage, element, journal = await _opened(clock)
    await _fill(journal, 2)
    clock.utc = SERVER
    _synchronise(journal, SERVER)
    await _fill(journal, 4)
    assert journal.first_retained == 1
    _synchronise(journal, SERVER + 60 * DAY)
    await _fill(journal, 5)
    assert journal.first_retained == 1  # the server has had it for sixty days, not for longer
    _synchronise(journal, SERVER + 60 * DAY + 1)
    await _fill(journal, 6)
    assert journal.first_retained > 1


async def test_what_a_clock_far_ahead_dated_goes_with_all_else():
    clock = HandClock(SERVER + 30 * 366 * DAY)
    storage, element, journal = await _opened(clock)
    await _fill(journal, 3)
    clock.utc = SERVER
    _synchronise(journal, SERVER)
    await _fill(journal, 4)
    _synchronise(journal, SERVER + 61 * DAY)
    await _fill(journal, 5)
    assert journal.first_retained > 1


async def test_since_when_the_server_has_had_it_is_known_after_a_boot_too():
    storage, element, journal = await _opened()
    await _fill(journal, 2)
    _synchronise(journal, SERVER)
    for segments in (3, 4):
        journal = _journal(storage, element, HandClock())
        await journal.open()
        await _fill(journal, segments)
        assert journal.first_retained == 1
    daily(journal, SERVER + 61 * DAY)
    await _fill(journal, 5)
    assert journal.first_retained > 1


async def test_no_damaged_head_keeps_old_segments_for_ever():
    for spoiled in (1, 2, 3, 4):
        storage, element, journal = await _opened()
        await _fill(journal, 4)
        _synchronise(journal, SERVER)
        await _fill(journal, 5)
        first = journal._shelf.segments[3][1]
        name = "journal/00000" + str(spoiled) + ".seg"
        data = bytearray(storage.files[name])
        data[30] ^= 1
        storage.files[name] = bytes(data)
        journal = _journal(storage, element, HandClock())
        await journal.open()
        daily(journal, SERVER + 61 * DAY)
        await _fill(journal, 6)
        if spoiled == 4:  # nothing tells any more where the fourth begins: it goes with the third, once the fifth may
            assert [number for number, _ in journal._shelf.segments][0] == 3
            _synchronise(journal, SERVER + 62 * DAY)
            await _fill(journal, 7)
            _synchronise(journal, SERVER + 123 * DAY)
            await _fill(journal, 8)
        assert journal.first_retained >= first, spoiled
        again = _journal(storage, element, HandClock())
        await again.open()
        assert again.first_retained == journal.first_retained and not again.losses.gaps


async def test_a_segment_with_one_record_that_is_not_acknowledged_stays():
    for short in (1, 0):
        storage, element, journal = await _opened()
        await _fill(journal, 3)
        second = journal._shelf.segments[1][1]
        _synchronise(journal, SERVER, second - 1 - short)
        await _fill(journal, 4)
        daily(journal, SERVER + 61 * DAY)
        await _fill(journal, 5)
        assert journal.first_retained == (1 if short else second)
        _synchronise(journal, SERVER + 61 * DAY)
        await _fill(journal, 6)  # what was one short is acknowledged now: its sixty days have only begun
        assert journal.first_retained == (1 if short else second)


async def test_blobs_go_with_their_segment_and_that_of_the_first_record_kept_stays():
    storage, element, journal = await _opened()
    body = {r.CASE: 1, r.INTENT: 1, r.AMOUNT: 500, r.OUTCOME: r.OUTCOME_APPROVED}
    while journal._shelf.segments == [] or journal._shelf.segments[-1][0] < 2:
        await journal.append(r.PAYMENT_OUTCOME, body, sealed=b"card", private=b"person")
    _synchronise(journal, SERVER)
    while journal._shelf.segments[-1][0] < 3:
        await journal.append(r.PAYMENT_OUTCOME, body, sealed=b"card", private=b"person")
    daily(journal, SERVER + 61 * DAY)
    await _fill(journal, 4)
    first = journal.first_retained
    assert first > 1
    for folder in ("sealed", "private"):
        assert min([int(name) for name in storage.names(folder)]) == first
    assert (journal.blob("sealed", first), journal.blob("private", first)) == (b"card", b"person")


async def test_what_an_open_case_needs_stays_until_it_is_closed():
    clock = HandClock(SERVER)
    storage, element, journal = await _opened(clock)
    await _fill(journal, 2)
    notice = {r.CASE: 1, r.PV: "p", r.OFFENCE: "o", r.TARIFF: 1, r.AMOUNT: 1, r.POINTS: 1}
    seq = (await journal.append(r.NOTICE, notice, private=b"plate"))[r.SEQ]
    await _fill(journal, 4)
    _synchronise(journal, SERVER)
    await _fill(journal, 5)
    _synchronise(journal, SERVER + 70 * DAY)
    await _fill(journal, 6)
    assert 1 < journal.first_retained <= seq and journal.blob("private", seq) == b"plate"
    again = _journal(storage, element, clock)
    await again.open()
    again.hear(SERVER + 70 * DAY)
    again.make_room()
    assert again.first_retained == journal.first_retained
    await again.append(r.CASE_CLOSED, {r.CASE: 1, r.CLOSURE: r.CLOSURE_UNPAID})
    again.make_room()
    assert again.first_retained > seq and again.blob("private", seq) is None
