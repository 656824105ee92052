"""`state/epoch` is gone, empty or a former epoch's: the segments tell where the present epoch begins, or nothing goes on."""

from drivers.contracts.secure_element import COUNTER_EPOCH
from protocol import records as r
from protocol.errors import JournalError
from terminal.journal import epoch as epochs
from terminal.journal.shelf import RETENTION
from tests.support.hearing import DAY
from tests.support.parts import PowerCut
from tests.terminal.journal.epoch_bench import SERVER, Bench, after


async def _second(sent=30):
    """Forty records of a first epoch, of which the centre has `sent`; ten or so of a second."""
    bench = Bench()
    await bench.boot()
    await bench.write(40)
    bench.journal.hear(SERVER - DAY)
    bench.journal.acknowledge(38, bench.journal.record_at(38)[1])  # by a server that was restored since
    bench.before = dict(bench.storage.files)
    await bench.epoch(2, sent)
    await bench.write(9)
    return bench


async def _refused(work):
    try:
        await work
    except JournalError as error:
        return error.code
    return ""


async def test_the_beginning_is_found_again_and_nothing_unsent_goes():
    bench = await _second()
    acked = bench.before["state/acked"]
    for content in (None, b""):
        bench.storage.files["state/epoch"] = content
        if content is None:
            bench.storage.files.pop("state/epoch")
        bench.storage.files["state/acked"] = acked  # the sector had both
        await bench.boot()
        journal = bench.journal
        assert (journal.epoch, journal.head_seq, journal.first_retained, journal.acked_seq) == (2, 40, 31, 30)
        assert epochs.load(bench.storage)[0].seq == 30 and bench.storage.size("state/acked") < 0
    assert [item[0][r.SEQ] for item in bench.journal.entries(1)] == list(range(31, 41))
    await bench.heard(SERVER)
    after(bench, RETENTION + DAY)
    segments, blobs = bench.old()
    assert segments and blobs == list(range(1, 41)), "there is room, and what was sent is not known"


async def test_a_beginning_that_was_an_earlier_epochs_gives_way_to_the_segments():
    bench = await _second()
    earlier = bench.storage.files["state/epoch"]
    await bench.epoch(3, 35)
    await bench.write(5)
    bench.storage.files["state/epoch"] = earlier
    await bench.boot()
    journal = bench.journal
    assert (journal.epoch, journal.head_seq, journal.first_retained) == (3, 41, 36)
    assert epochs.load(bench.storage)[0].epoch == 3


async def test_it_begins_with_what_is_left_where_the_centre_had_what_is_not():
    bench = await _second()
    await bench.heard(SERVER)
    bench.storage.short = True
    after(bench, RETENTION + DAY)
    await bench.write(1)
    kept = bench.journal.first_retained
    assert kept > 31
    bench.storage.files.pop("state/epoch")
    await bench.boot()
    assert (bench.journal.epoch, bench.journal.first_retained) == (2, kept) and not bench.journal.losses.gaps


async def test_a_damaged_first_head_stops_until_a_later_one_says_that_the_centre_had_what_lies_before():
    for heard in (False, True):
        bench = await _second()
        if heard:
            await bench.heard(SERVER)
        name = "journal/%06d.seg" % bench.journal._shelf.lowest
        bench.storage.files[name] = bytes(60) + bench.storage.files[name][60:]
        bench.storage.files.pop("state/epoch")
        code = await _refused(bench.boot())
        assert code == ("" if heard else "JRN-033")
        if heard:
            assert bench.journal.epoch == 2 and bench.journal.head_seq == 48


async def test_report_numbers_go_on():
    bench = await _second()
    notice = {r.CASE: 7, r.PV: "7", r.OFFENCE: "1", r.TARIFF: 1, r.AMOUNT: 1, r.POINTS: 0}
    await bench.journal.append(r.NOTICE, notice)
    bench.storage.files.pop("state/epoch")
    await bench.boot()
    assert (bench.journal.view.cases, epochs.load(bench.storage)[0].cases) == (7, 7)


async def test_a_number_that_the_segments_show_is_not_begun_again():
    bench = await _second()
    record_hash = bench.journal.head_hash
    bench.storage.files.pop("state/epoch")
    assert await _refused(bench.epoch(2, 40, record_hash)) == "JRN-032"
    await bench.epoch(3, 40, record_hash)
    assert (bench.journal.epoch, bench.journal._shelf.genesis.former) == (3, {2: 40})


async def test_an_empty_file_before_the_first_new_epoch_is_none():
    bench = Bench()
    await bench.boot()
    await bench.write(12)
    bench.storage.files["state/epoch"] = b""  # cut where littlefs has the name and not yet the content
    await bench.epoch(2, 12)
    assert bench.journal._shelf.genesis.former == {1: 12}


async def test_a_cut_between_the_steps_of_the_secure_element_leaves_no_number_out():
    bench = Bench()
    await bench.boot()
    await bench.write(4)
    whole, left = bench.element.increment, [1]

    async def increment(index):
        if index == COUNTER_EPOCH:
            left[0] -= 1
            if left[0] < 0:
                raise PowerCut
        return await whole(index)

    bench.element.increment = increment
    try:
        await bench.epoch(4, 4)
        raise AssertionError
    except PowerCut:
        pass
    bench.element.increment = whole
    assert await bench.journal.latest_epoch() == 2
    await bench.boot()
    assert (bench.journal.epoch, bench.journal.head_seq, await bench.journal.latest_epoch()) == (4, 5, 4)
