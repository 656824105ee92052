"""What former epochs have left goes: what the centre has as ever, what it never had only after the retention and for want of room."""

from protocol import cbor
from protocol import records as r
from protocol.crypto.pure import PureCrypto
from protocol.errors import JournalError
from terminal.journal import recovery
from terminal.journal.shelf import FLOOR, RETENTION
from tests.support.hearing import DAY, daily
from tests.terminal.journal.epoch_bench import SERVER, Bench, after


async def _begun(sent):
    """Sixty records of a first epoch, of which the centre has `sent`; then a second epoch, which it has heard."""
    bench = Bench()
    await bench.boot()
    await bench.write(60)
    await bench.epoch(2, sent)
    await bench.heard(SERVER)
    return bench


async def test_what_the_centre_has_goes_after_a_week_where_room_is_short():
    bench = await _begun(60)
    before = bench.old()
    assert len(before[0]) > 5 and before[1] == list(range(1, 61))
    after(bench, FLOOR + 1)
    assert bench.old() == before  # there is room
    bench.storage.short = True
    bench.journal.make_room()
    assert bench.old() == ([], [])
    assert len(list(bench.journal.entries(1))) == 9  # of the present epoch nothing goes


async def test_within_a_week_nothing_goes():
    bench = await _begun(60)
    bench.storage.short = True
    before = bench.old()
    after(bench, FLOOR)
    assert bench.old() == before


async def test_with_room_enough_it_goes_after_the_retention():
    bench = await _begun(60)
    after(bench, RETENTION)
    assert bench.old()[0]
    await bench.boot()
    after(bench, RETENTION + 1)
    assert bench.old() == ([], []) and bench.journal._shelf.genesis is None
    await bench.boot()


async def test_what_the_centre_never_had_goes_only_after_the_retention_and_for_want_of_room():
    bench = await _begun(30)
    bench.storage.short = True
    after(bench, FLOOR + DAY)
    segments, blobs = bench.old()
    assert segments and blobs == list(range(blobs[0], 61)) and 20 < blobs[0] <= 31
    after(bench, RETENTION)
    assert bench.old() == (segments, blobs)
    bench.storage.short = False
    after(bench, RETENTION + 1)
    assert bench.old() == (segments, blobs)
    bench.storage.short = True
    after(bench, RETENTION + 1)
    assert bench.old() == ([], [])


async def test_each_epoch_has_its_own_end():
    """The second went on after record 6 of 12, and the centre has all of it."""
    bench = Bench()
    await bench.boot()
    await bench.write(12)
    await bench.epoch(2, 6)
    await bench.write(8)
    await bench.epoch(3, bench.journal.head_seq)
    await bench.heard(SERVER)
    bench.storage.short = True
    after(bench, FLOOR + DAY)
    segments, blobs = bench.old()
    assert blobs == list(range(blobs[0], 13)) and 3 < blobs[0] <= 7
    kept = [name for name in bench.storage.files if name.startswith("sealed2/")]
    assert segments and not kept, "the last segment of an epoch is told by its records"


async def test_of_another_branch_than_the_centres_nothing_counts_as_there():
    bench = Bench()
    await bench.boot()
    await bench.write(30)
    await bench.epoch(2, 30, b"another branch" + bytes(18))
    await bench.heard(SERVER)
    bench.storage.short = True
    before = bench.old()
    after(bench, RETENTION)
    assert bench.old() == before and before[0]
    after(bench, RETENTION + DAY)
    assert bench.old() == ([], [])


async def test_after_a_damaged_beginning_nothing_of_before_counts_as_there():
    bench = Bench()
    await bench.boot()
    await bench.write(16)
    await bench.epoch(2, 8)
    await bench.write(4)
    seq, record_hash = bench.journal.head_seq, bench.journal.head_hash
    bench.storage.files["state/epoch"] = b"damaged"
    await bench.epoch(3, seq, record_hash)
    assert bench.journal._shelf.genesis.former == {2: seq}  # the segments tell of that one only
    await bench.heard(SERVER)
    bench.storage.short = True
    after(bench, FLOOR + DAY)
    assert bench.old()[1] == list(range(1, 17))


async def test_until_the_centre_has_the_first_record_no_segment_is_begun_for_it():
    bench = Bench()
    await bench.boot()
    await bench.write(12)
    await bench.epoch(2, 12)
    bench.storage.short = True
    bench.journal.hear(SERVER)
    bench.journal.acknowledge(12, bench.journal.record_at(13)[0][r.PREV])  # WELCOME was heard, the batch was not
    before = len(bench.journal._shelf.segments)
    await bench.write(20)
    assert len(bench.journal._shelf.segments) - before <= 5


async def test_what_cannot_be_told_counts_as_never_sent():
    bench = Bench()
    await bench.boot()
    await bench.write(60)
    seq = bench.journal.head_seq
    names = sorted(name for name in bench.storage.files if name.startswith("journal/"))
    await bench.epoch(2, seq)
    for name in names[:2]:
        bench.storage.files[name] = bytes(len(bench.storage.files[name]))
    await bench.heard(SERVER)
    bench.storage.short = True
    after(bench, FLOOR + DAY)
    assert bench.old()[0][:2] == [1, 2] and len(bench.old()[0]) == 2
    after(bench, RETENTION + DAY)
    assert bench.old() == ([], [])


async def test_a_folder_that_cannot_be_read_is_left_alone():
    bench = await _begun(60)
    bench.storage.short = True
    whole = bench.storage.names

    def names(folder):
        if folder == "private":
            raise JournalError("storage cannot be read", "JRN-014", detail=folder)
        return whole(folder)

    bench.storage.names = names
    after(bench, RETENTION + DAY)
    await bench.boot()
    assert bench.journal.epoch == 2


async def test_a_cut_on_the_way_is_gone_on_with():
    bench = await _begun(60)
    bench.storage.short = True
    daily(bench.journal, SERVER + FLOOR + DAY)
    whole, left = bench.storage.remove, [10]

    def remove(name):
        left[0] -= 1
        if left[0] < 0:
            raise OSError
        whole(name)

    bench.storage.remove = remove
    try:
        bench.journal.make_room()
        raise AssertionError
    except OSError:
        pass
    bench.storage.remove = whole
    bench.journal.keep_age()
    await bench.boot()
    after(bench, FLOOR + DAY + 1)
    assert bench.old() == ([], [])


async def _days(bench, count, start=SERVER):
    """Work and a session every day; a boot every week."""
    for day in range(count):
        bench.journal.hear(start + day * DAY)
        bench.journal.acknowledge(bench.journal.head_seq, bench.journal.head_hash)
        bench.journal.make_room()
        await bench.write(4)
        if day % 7 == 6:
            await bench.boot()


async def test_it_goes_in_time_though_the_segments_of_then_have_gone_long_ago():
    """Room is short all the time: of the present epoch a week is kept."""
    bench = Bench()
    await bench.boot()
    await bench.write(24)
    await bench.epoch(2, 12)
    bench.storage.short = True
    await _days(bench, 60)
    assert bench.old()[1][-1] == 24 and bench.journal.first_retained > 100
    await _days(bench, 3, SERVER + 60 * DAY)
    assert bench.old() == ([], [])


async def test_a_server_that_has_nothing_of_the_epoch_any_more_begins_the_days_anew():
    bench = await _begun(30)
    begun = bench.journal._shelf.had
    assert begun == SERVER
    daily(bench.journal, SERVER + 30 * DAY)
    bench.journal.acknowledge(31, b"31" * 16)
    await bench.boot()
    assert bench.journal._shelf.had == begun
    bench.journal.acknowledge(30, b"30" * 16)
    await bench.boot()
    assert bench.journal._shelf.had == 0
    bench.journal.acknowledge(bench.journal.head_seq, bench.journal.head_hash)
    await bench.boot()
    assert bench.journal._shelf.had == SERVER + 30 * DAY


async def test_an_acknowledgement_as_it_was_kept_before_begins_the_days_when_it_is_next_given():
    bench = await _begun(30)
    items = cbor.decode(bench.storage.files["state/acked"])[:8]
    bench.storage.files["state/acked"] = cbor.encode(items + [recovery.check_of(items)])
    await bench.boot()
    assert (bench.journal.acked_seq, bench.journal._shelf.had) == (31, 0)
    daily(bench.journal, SERVER + 30 * DAY)
    bench.journal.acknowledge(bench.journal.head_seq, bench.journal.head_hash)
    assert bench.journal._shelf.had == SERVER + 30 * DAY


async def test_of_a_storage_that_is_older_what_was_acknowledged_on_it_counts_as_there():
    for spoilt in (False, True):
        bench = Bench()
        await bench.boot()
        await bench.write(40)
        bench.journal.hear(SERVER - DAY)
        record = PureCrypto().sha256(bench.journal.record_at(30)[1])
        bench.journal.acknowledge(30, bytes(32) if spoilt else record)
        old = dict(bench.storage.files)
        await bench.write(1)
        record_hash = bench.journal.head_hash
        bench.storage.files = old
        await bench.epoch(2, 41, record_hash)
        assert bench.journal._shelf.genesis.former == {1: 0 if spoilt else 30}
        await bench.heard(SERVER)
        bench.storage.short = True
        after(bench, FLOOR + DAY)
        assert bench.old()[1][0] == 1 if spoilt else 20 < bench.old()[1][0] <= 31
