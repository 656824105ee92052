"""What the server once had and has no longer: it is kept, and since when the server has it begins anew; it counts as no exposure,
and nobody says that it is lost. And what the time is that records grow old by.
"""

import binascii

from protocol import cbor
from protocol import records as r
from protocol.crypto.pure import PureCrypto
from terminal.journal import recovery
from terminal.journal.journal import Journal
from terminal.journal.room import SPARE
from terminal.journal.shelf import FLOOR
from tests.support.hearing import DAY, daily
from tests.support.parts import CountingElement, HandClock, MemoryStorage

SERVER = 1_790_000_000
ACKED = "state/acked"


def _journal(storage, element):
    journal = Journal(storage, element, HandClock(), PureCrypto(), "TSD-000001")
    journal._shelf.segment_bytes = 1024
    return journal


async def _reopened(storage, element):
    journal = _journal(storage, element)
    await journal.open()
    return journal


async def _opened():
    storage, element = MemoryStorage(), CountingElement()
    return storage, element, await _reopened(storage, element)


async def _fill(journal, count):
    for _ in range(count):
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "n" * 60})


def _acknowledge(journal, seq):
    journal.acknowledge(seq, PureCrypto().sha256(journal.record_at(seq)[1]))


async def _back():
    """Sixty records, all acknowledged when the server's time was SERVER; a segment says so; then back to the fifth."""
    storage, element, journal = await _opened()
    await _fill(journal, 60)
    journal.hear(SERVER)
    _acknowledge(journal, 60)
    await _fill(journal, 10)
    _acknowledge(journal, 5)
    return storage, element, journal


def _goes_after(journal, moment):
    """What is acknowledged is kept until then, and not a second longer."""
    daily(journal, moment)
    journal.make_room()
    assert journal.first_retained == 1
    journal.hear(moment + 1)
    journal.make_room()
    assert journal.first_retained > 1


async def test_it_goes_back_and_a_boot_does_not_forget_it():
    storage, element, journal = await _back()
    for _ in range(3):
        assert journal.acked_seq == 5
        daily(journal, SERVER + 61 * DAY)
        journal.make_room()
        await _fill(journal, 10)
        assert journal.first_retained == 1
        journal = await _reopened(storage, element)


async def test_since_when_it_has_it_begins_anew():
    storage, element, journal = await _back()
    daily(journal, SERVER + 61 * DAY)
    _acknowledge(journal, 70)
    for _ in range(2):
        await _fill(journal, 10)
        journal = await _reopened(storage, element)
        daily(journal, SERVER + 121 * DAY)
        journal.make_room()
        assert journal.first_retained == 1
    journal.hear(SERVER + 121 * DAY + 1)
    journal.make_room()
    assert 60 < journal.first_retained <= 71


async def test_a_second_going_back_counts_like_the_first():
    storage, element, journal = await _back()
    _acknowledge(journal, 70)
    await _fill(journal, 10)
    _acknowledge(journal, 8)
    journal = await _reopened(storage, element)
    daily(journal, SERVER + 30 * DAY)
    _acknowledge(journal, 80)
    await _fill(journal, 10)
    daily(journal, SERVER + 90 * DAY)
    journal.make_room()
    assert journal.first_retained == 1
    daily(journal, SERVER + 91 * DAY)
    journal.make_room()
    assert journal.first_retained > 60


async def test_a_lost_acknowledgement_keeps_more_and_not_less():
    """Nothing says any more that it went back: so nothing is known to be there, nor since when."""
    for spoil in (False, True):
        storage, element, journal = await _back()
        await _fill(journal, 10)
        if spoil:
            storage.files[ACKED] = storage.files[ACKED][:-1] + b"?"
        else:
            del storage.files[ACKED]
        journal = await _reopened(storage, element)
        journal.hear(SERVER + 61 * DAY)
        _acknowledge(journal, 80)
        await _fill(journal, 10)
        journal.make_room()
        daily(journal, SERVER + 121 * DAY)
        journal.make_room()
        assert journal.first_retained == 1
        daily(journal, SERVER + 122 * DAY)
        journal.make_room()
        assert journal.first_retained > 60


async def _acknowledged_beyond(content):
    """A state that acknowledges what never was, and the first segment gone: it hides no loss, frees no exposure and deletes nothing."""
    body = {r.CASE: 1, r.INTENT: 1, r.AMOUNT: 500, r.OUTCOME: r.OUTCOME_APPROVED}
    storage, element, journal = await _opened()
    for _ in range(60):
        await journal.append(r.PAYMENT_OUTCOME, body)
    second = journal._shelf.segments[1][1]
    storage.files[ACKED] = content
    for name in ("journal/000001.seg", "copies/000001.seg"):
        del storage.files[name]
    journal = await _reopened(storage, element)
    assert (journal.head_seq, journal.acked_seq, len(journal.view.exposure)) == (61, 0, 60)
    assert journal.view.declared(1, second - 1)
    await _fill(journal, 10)
    journal.hear(SERVER)
    daily(journal, SERVER + 100 * DAY)
    journal.make_room()
    assert journal.first_retained == second


async def test_what_is_acknowledged_beyond_the_end_is_not_acknowledged():
    await _acknowledged_beyond(cbor.encode([99, bytes(32)]))


async def test_nor_is_what_was_once_acknowledged_beyond_it():
    await _acknowledged_beyond(recovery.encode_acknowledged(5, b"", (9, 9, 0, 0), 0, 61, b""))


async def test_it_counts_as_exposure_no_more_and_nobody_says_that_it_is_lost():
    storage, element, journal = await _opened()
    body = {r.CASE: 1, r.INTENT: 1, r.AMOUNT: 500, r.OUTCOME: r.OUTCOME_APPROVED}
    for _ in range(30):
        await journal.append(r.PAYMENT_OUTCOME, body)
    named = journal.head_hash
    _acknowledge(journal, 30)
    _acknowledge(journal, 5)
    assert not journal.view.exposure
    second = journal._shelf.segments[1][1]
    for name in ("journal/000001.seg", "copies/000001.seg"):
        del storage.files[name]
    for _ in range(2):
        journal = await _reopened(storage, element)
        assert journal.acked_seq == 5 and journal.first_retained == second > 7
        assert not journal.view.exposure and not journal.losses.gaps and journal.head_seq == 30
        assert recovery.read_acknowledged(storage)[5:7] == (30, named)


async def test_what_it_once_had_and_the_present_state_misses_now_is_declared_once():
    storage, element, journal = await _opened()
    journal._shelf.segment_bytes = 1 << 16
    await _fill(journal, 8)
    _acknowledge(journal, 8)
    _acknowledge(journal, 2)
    data = storage.files["journal/000001.seg"]
    at = data.index(journal.record_at(5)[1])
    storage.files["journal/000001.seg"] = data[:at] + bytes(20) + data[at + 20 :]
    for _ in range(2):
        journal = await _reopened(storage, element)
        assert (journal.head_seq, journal.acked_seq) == (9, 2) and journal.view.gaps == {5: 5}


async def test_clocks_that_take_turns_make_nothing_old():
    for skews, reboots in (
        ((0, 3600), False),
        ((0, DAY), False),
        ((0, DAY), True),
        ((-DAY // 2, 0, DAY // 3), True),
        ((0, 3600, 7200, 600), False),
    ):
        storage, element, journal = await _opened()
        now = SERVER
        journal.hear(now)
        for turn in range(60):
            now += 600
            journal.hear(now + skews[turn % len(skews)])
            if reboots:
                await _fill(journal, 1)
                _acknowledge(journal, journal.head_seq)
                journal = await _reopened(storage, element)
        assert SERVER <= journal._age <= now + DAY, skews  # at first, as far as one of them is ahead


async def test_a_clock_that_was_wrong_once_stops_the_age_for_a_day_at_most():
    for wrong, most in ((SERVER + 3000 * DAY, DAY), (SERVER - 3000 * DAY, DAY)):
        storage, element, journal = await _opened()
        journal.hear(SERVER)
        journal.hear(wrong)
        for day in range(1, 31):
            journal.hear(SERVER + day * DAY)
            if day % 3 == 0:
                await _fill(journal, 1)
                _acknowledge(journal, journal.head_seq)
                journal = await _reopened(storage, element)
        assert SERVER + 30 * DAY - most <= journal._age <= SERVER + 31 * DAY


async def test_an_acknowledgement_with_other_kinds_of_values_is_none():
    for at, value in ((2, "x"), (4, b""), (5, None), (6, 7), (7, "1")):
        storage, _, journal = await _opened()
        items = [3, bytes(32), 9, 9, 0, 3, bytes(32), 0]
        items[at] = value
        storage.replace(ACKED, cbor.encode(items + [binascii.crc32(cbor.encode(items))]))
        assert recovery.read_acknowledged(storage) == recovery.LOST


async def test_a_week_is_seven_days():
    assert FLOOR == 604800
    storage, element, journal = await _opened()
    storage.free_bytes = lambda: SPARE - 1
    await _fill(journal, 30)
    journal.hear(SERVER)
    _acknowledge(journal, 30)
    await _fill(journal, 10)
    _goes_after(journal, SERVER + 7 * DAY)


async def test_each_head_is_read_once_however_long_the_outage_was():
    storage, element, journal = await _opened()
    storage.free_bytes = lambda: SPARE - 1
    await _fill(journal, 3)
    journal.hear(SERVER)
    _acknowledge(journal, 3)
    await _fill(journal, 157)
    read = []
    plain = journal._shelf.head

    def head(number):
        read.append(number)
        return plain(number)

    journal._shelf.head = head
    _acknowledge(journal, 160)
    count = len(journal._shelf.segments)
    assert count > 12
    for _ in range(4):
        journal.make_room()
    assert len(read) == len(set(read)) == count - 1
    for day in range(6):
        journal.make_room()
        daily(journal, SERVER + day * DAY)
        await _fill(journal, 1)
    assert len(read) == len(set(read)) <= count + 1
    assert journal.first_retained == 1
    daily(journal, SERVER + 8 * DAY)
    journal.make_room()
    assert journal.first_retained > 140 and len(read) == len(set(read)) <= count + 1


async def test_a_boot_goes_on_counting_where_the_last_acknowledgement_stood():
    storage, element, journal = await _opened()
    await _fill(journal, 30)
    journal.hear(SERVER)
    _acknowledge(journal, 30)
    await _fill(journal, 10)
    daily(journal, SERVER + 61 * DAY)
    _acknowledge(journal, 40)
    journal = await _reopened(storage, element)
    assert journal.first_retained > 20  # nobody needed to say the time


async def test_an_acknowledgement_of_before_is_read_and_its_time_goes_on():
    storage, element, journal = await _opened()
    await _fill(journal, 30)
    items = [30, journal.head_hash, SERVER]
    for content in (items, items[:2]):
        storage.files[ACKED] = cbor.encode(content + [binascii.crc32(cbor.encode(content))])
        journal = await _reopened(storage, element)
        assert journal.acked_seq == 30
    storage.files[ACKED] = cbor.encode(items + [binascii.crc32(cbor.encode(items))])
    journal = await _reopened(storage, element)
    await _fill(journal, 10)
    _goes_after(journal, SERVER + 60 * DAY)


async def test_a_flash_full_to_the_brim_gives_up_second_copies_of_what_the_server_has():
    class Brim(MemoryStorage):
        brim = False

        def replace(self, name, data):
            if self.brim:
                from protocol.errors import JournalError

                raise JournalError("storage refuses to write", "JRN-012", "call a technician", 28)
            super().replace(name, data)

        def remove(self, name):
            self.brim = False
            super().remove(name)

        def free_bytes(self):
            return 0 if self.brim else 1 << 20

    storage, element = Brim(), CountingElement()
    journal = await _reopened(storage, element)
    for case in range(30):
        body = {r.CASE: case, r.INTENT: case, r.AMOUNT: 500, r.OUTCOME: r.OUTCOME_APPROVED}
        await journal.append(r.PAYMENT_OUTCOME, body)
    storage.brim = True
    copies = storage.names("copies")
    _acknowledge(journal, 30)
    assert sorted(storage.names("copies")) == sorted(copies)[1:]
    again = await _reopened(storage, element)
    assert again.acked_seq == 30 and len(list(again.entries(1))) == 30


async def test_a_storage_that_refuses_for_another_reason_costs_no_second_copy():
    from protocol.errors import JournalError

    class Worn(MemoryStorage):
        worn = False

        def replace(self, name, data):
            if self.worn:
                raise JournalError("storage refuses to write", "JRN-012", "call a technician", 5)
            super().replace(name, data)

    storage, element = Worn(), CountingElement()
    journal = await _reopened(storage, element)
    for case in range(30):
        body = {r.CASE: case, r.INTENT: case, r.AMOUNT: 500, r.OUTCOME: r.OUTCOME_APPROVED}
        await journal.append(r.PAYMENT_OUTCOME, body)
    storage.worn = True
    copies = storage.names("copies")
    try:
        _acknowledge(journal, 30)
        raise AssertionError
    except JournalError as error:
        assert error.code == "JRN-012"
    assert storage.names("copies") == copies and journal.acked_seq == 30


async def test_a_second_copy_of_what_the_server_does_not_have_is_never_given_up():
    storage, element = MemoryStorage(), CountingElement()
    journal = await _reopened(storage, element)
    for case in range(30):
        body = {r.CASE: case, r.INTENT: case, r.AMOUNT: 500, r.OUTCOME: r.OUTCOME_APPROVED}
        await journal.append(r.PAYMENT_OUTCOME, body)
    starts = [begin for _, begin in journal._shelf.segments]
    assert len(starts) > 2
    while journal._shelf.spare_copy(starts[1] - 2):
        pass
    assert len(storage.names("copies")) == len(starts)  # the first segment's last record is not there yet
    assert journal._shelf.spare_copy(starts[1] - 1) and not journal._shelf.spare_copy(starts[1] - 1)
    assert len(storage.names("copies")) == len(starts) - 1


async def test_age_goes_on_over_boots_though_nothing_new_is_acknowledged():
    storage, element, journal = await _opened()
    await _fill(journal, 3)
    journal.hear(SERVER)
    _acknowledge(journal, 3)
    for day in range(1, 9):
        journal = await _reopened(storage, element)
        journal.hear(SERVER + day * DAY)
        journal.keep_age()
    again = await _reopened(storage, element)
    assert again._age == SERVER + 8 * DAY and again.acked_seq == 3


async def test_where_nobody_may_write_one_record_dates_what_is_acknowledged():
    storage, _, journal = await _opened()
    await _fill(journal, 30)
    journal.hear(SERVER)
    _acknowledge(journal, 30)
    for free, written in ((64 << 10, 0), (4096, 0), (20 << 10, 1), (20 << 10, 0)):
        storage.free_bytes = lambda free=free: free
        head, copies = journal.head_seq, len(storage.names("copies"))
        journal.make_room()
        await journal.begin_dated()
        assert journal.head_seq - head == written, (free, written)
        assert copies >= len(storage.names("copies"))
