"""Damage where segments begin and where they do not belong: what is acknowledged is known, what is lost is declared, and
nothing that lies intact in its place counts as lost.
"""

from protocol import cbor
from protocol import records as r
from protocol.crypto.pure import PureCrypto
from terminal.journal import head as heads
from terminal.journal.chain import MOST_GAPS
from terminal.journal.frames import frame, head_frames
from terminal.journal.journal import Journal
from tests.support.parts import CountingElement, HandClock, MemoryStorage

DEVICE_HEAP = "256k"  # flash and several journals are in it
FIRST, SECOND = "journal/000001.seg", "journal/000002.seg"


def _journal(storage, element):
    journal = Journal(storage, element, HandClock(), PureCrypto(), "TSD-000001")
    journal._shelf.segment_bytes = 2048
    return journal


async def _payments(count=30, acknowledged=0):
    """Twice `count` records in several segments: intent, approved outcome of 500 centimes, and so on."""
    storage, element = MemoryStorage(), CountingElement()
    journal = _journal(storage, element)
    journal.hear(1_700_000_000)
    await journal.open()
    for case in range(count):
        intent = await journal.append(r.PAYMENT_INTENT, {r.CASE: case, r.AMOUNT: 500})
        body = {r.CASE: case, r.INTENT: intent[r.SEQ], r.AMOUNT: 500, r.OUTCOME: r.OUTCOME_APPROVED}
        await journal.append(r.PAYMENT_OUTCOME, body)
        if journal.head_seq == acknowledged:
            journal.acknowledge(journal.head_seq, journal.head_hash)
    assert len(journal._shelf.segments) > 3
    return storage, element, journal


async def _reopened(storage, element):
    journal = _journal(storage, element)
    await journal.open()
    return journal


def _gaps(journal):
    return [(gap[r.FIRST], gap[r.GAP_LAST]) for gap in journal.losses.gaps]


def _declared(journal):
    """The ranges that gap records of the chain name."""
    found = [item[0] for item in journal.entries(1) if item[0][r.KIND] == r.GAP]
    return [(item[r.FIRST], item[r.GAP_LAST]) for item in found]


def _missing(journal, last):
    kept = [item[0][r.SEQ] for item in journal.entries(1)]
    return [seq for seq in range(1, last + 1) if seq not in kept]


def _zero(storage, name, first, last):
    data = bytearray(storage.files[name])
    data[first:last] = bytes(last - first)
    storage.files[name] = bytes(data)


def _frames(journal, number):
    """(sequence number, first byte, byte after the last) of each entry of a segment."""
    found = journal._reader.index("journal/" + "0" * 5 + str(number) + ".seg")
    return [(seq, offset - 7, offset + length + 4) for seq, offset, length in found]


async def test_a_beginning_that_was_never_acknowledged_is_declared_with_its_money():
    storage, element, before = await _payments()
    last = before._shelf.segments[1][1] - 1
    for name in (FIRST, "copies/000001.seg"):
        del storage.files[name]
    for _ in range(2):
        journal = await _reopened(storage, element)
        assert journal.acked_seq == 0 and len(journal.view.exposure) == 30
        assert _gaps(journal) == [(1, last)] and _declared(journal) == [(1, last)]
        gap = journal.losses.gaps[0]
        assert (gap[r.GAP_COUNT], gap[r.GAP_TOTAL]) == (last // 2, last // 2 * 500)
    assert journal.head_seq == 61


async def test_of_a_lost_beginning_only_what_was_not_acknowledged_is_declared():
    storage, element, before = await _payments(acknowledged=4)
    last = before._shelf.segments[1][1] - 1
    for name in (FIRST, "copies/000001.seg"):
        del storage.files[name]
    journal = await _reopened(storage, element)
    assert journal.acked_seq == 4 and _gaps(journal) == [(5, last)]
    assert r.GAP_COUNT not in journal.losses.gaps[0]  # what the running totals were there nothing tells


async def test_with_a_lost_acknowledgement_the_heads_say_what_it_was():
    """So the acknowledged segments that were deleted do not count as lost, and what was never acknowledged does. What the server
    has now, only the server says.
    """
    for spoil in ("gone", "damaged"):
        storage, element, before = await _payments(acknowledged=40)
        assert before.acked_seq == 40
        for name in (FIRST, "copies/000001.seg"):
            del storage.files[name]
        if spoil == "gone":
            del storage.files["state/acked"]
        else:
            _zero(storage, "state/acked", 1, 5)
        journal = await _reopened(storage, element)
        assert journal.acked_seq == 0 and not journal.losses.gaps and journal.head_seq == 60
        assert len(journal.view.exposure) == 10


async def test_head_and_records_of_the_first_segment_lost_together_are_declared():
    storage, element, before = await _payments()
    lost = [seq for seq, begin, _ in _frames(before, 1) if begin < 700]
    assert len(lost) > 2
    _zero(storage, FIRST, 0, 700)
    journal = await _reopened(storage, element)
    assert journal.losses.damaged == [1]
    gone = [seq for seq in lost if seq % 2]  # the outcomes have second copies
    assert _missing(journal, 60) == gone and _declared(journal) == [(seq, seq) for seq in gone]


async def test_head_and_records_lost_after_older_segments_were_deleted_are_declared():
    storage, element, before = await _payments(acknowledged=10)
    second = before._shelf.segments[1][1]
    for name in (FIRST, "copies/000001.seg"):
        del storage.files[name]  # as if deleted, but for the records after the tenth
    _zero(storage, SECOND, 0, 400)
    journal = await _reopened(storage, element)
    assert journal.acked_seq == 10 and journal.losses.damaged == [2]
    gaps = _declared(journal)
    missing = _missing(journal, 60)
    assert second in missing or second + 1 in missing
    for seq in missing:
        assert seq <= 10 or any(first <= seq <= last for first, last in gaps), seq


async def test_a_record_of_a_later_segment_in_an_older_one_makes_nothing_lost():
    for at in (0, 500):  # over the head, over a record
        storage, element, before = await _payments()
        _, begin, end = _frames(before, 3)[2]
        piece = storage.files["journal/000003.seg"][begin:end]
        hit = [seq for seq, first, last in _frames(before, 1) if first < at + len(piece) and last > at]
        data = bytearray(storage.files[FIRST])
        data[at : at + len(piece)] = piece
        storage.files[FIRST] = bytes(data)
        journal = await _reopened(storage, element)
        assert journal.losses.damaged == [1]
        assert _missing(journal, 60) == [seq for seq in hit if seq % 2]
        assert journal.cum_total == 15000


async def test_it_makes_nothing_lost_either_where_the_next_head_is_damaged():
    storage, element, before = await _payments()
    _, begin, end = _frames(before, 2)[5]
    piece = storage.files[SECOND][begin:end]
    hit = [seq for seq, first, last in _frames(before, 1) if first < 500 + len(piece) and last > 500]
    data = bytearray(storage.files[FIRST])
    data[500 : 500 + len(piece)] = piece
    storage.files[FIRST] = bytes(data)
    _zero(storage, SECOND, 3, 9)
    journal = await _reopened(storage, element)
    assert _missing(journal, 60) == [seq for seq in hit if seq % 2]
    assert [item[0][r.SEQ] for item in journal.entries(1)][-1] == journal.head_seq


async def test_outcomes_come_back_from_the_copies_of_every_segment_that_is_gone():
    storage, element, before = await _payments()
    third = before._shelf.segments[2][1]
    end = _frames(before, 1)[-3][1]
    storage.files[FIRST] = storage.files[FIRST][:end]  # the end of one segment and all of the next
    del storage.files[SECOND]
    journal = await _reopened(storage, element)
    assert _missing(journal, 60) == [
        seq for seq in range(1, third) if seq % 2 and seq >= before._shelf.segments[1][1] - 3
    ]


async def test_records_of_the_newest_finished_segment_lost_at_its_end_are_declared():
    """Nothing follows them but the head of the next segment, in which nothing is to be read yet."""
    storage, element, before = await _payments()
    number, first = before._shelf.segments[-1]
    name = "journal/" + "0" * 5 + str(number) + ".seg"
    for seq in range(first, before.head_seq + 1):
        assert seq in [item[0] for item in _frames(before, number)]
    before_last = "journal/" + "0" * 5 + str(number - 1) + ".seg"
    storage.files[before_last] = storage.files[before_last][: _frames(before, number - 1)[-1][1]]
    storage.files[name] = storage.files[name][: _frames(before, number)[0][1]]
    storage.files.pop("copies/" + "0" * 5 + str(number) + ".seg")
    storage.files.pop("copies/" + "0" * 5 + str(number - 1) + ".seg")
    element.counters[0] = first - 1
    journal = await _reopened(storage, element)
    assert _gaps(journal) == [(first - 1, first - 1)]


async def test_a_head_of_another_segment_is_no_head():
    storage, element, before = await _payments()
    for source, target in ((4, 2), (1, 4)):
        other = dict(storage.files)
        donor = other["journal/00000" + str(source) + ".seg"]
        head = donor[: _frames(before, source)[0][1]]
        name = "journal/00000" + str(target) + ".seg"
        other[name] = head + other[name][_frames(before, target)[0][1] :]
        copy, counted = MemoryStorage(), CountingElement()
        copy.files, counted.counters = other, [60, 0]
        journal = await _reopened(copy, counted)
        assert not journal.losses.gaps and journal.head_seq == 60 and journal.cum_total == 15000


async def test_heads_of_the_wrong_shape_are_damage_and_no_more():
    for view, seq in (({}, 60), ({1: [], 2: None}, 59), ({}, "x")):
        storage, element, before = await _payments()
        body = cbor.encode([1, seq, before.head_hash, 60, 30, 15000, 0, 1, view])
        number = before._shelf.segments[-1][0] + 1
        storage.files["journal/" + "0" * 5 + str(number) + ".seg"] = head_frames(body)
        journal = await _reopened(storage, element)
        assert (journal.head_seq, journal.view.cases, len(journal.view.exposure)) == (60, 29, 30)
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
        assert (await _reopened(storage, element)).head_seq == 61


async def test_heads_as_they_were_until_0_2_are_read():
    storage, element, before = await _payments(acknowledged=6)
    for number, _ in before._shelf.segments:
        name = "journal/" + "0" * 5 + str(number) + ".seg"
        items = cbor.decode(before._reader.head(name))
        assert items[0] == heads.VERSION and items[9] == number
        old = head_frames(cbor.encode([1] + items[1:9]))
        storage.files[name] = old + storage.files[name][_frames(before, number)[0][1] :]
    storage.files["state/acked"] = cbor.encode([6, bytes(32), _crc(cbor.encode([6, bytes(32)]))])
    journal = await _reopened(storage, element)
    assert (journal.head_seq, journal.head_hash, journal.acked_seq) == (60, before.head_hash, 6)
    assert journal.view.snapshot() == before.view.snapshot() and not journal.losses.gaps


def _crc(data):
    import binascii

    return binascii.crc32(data)


async def test_a_head_of_another_segment_from_before_0_2_makes_nothing_lost():
    for source, target in ((4, 2), (2, 4)):
        storage, element, before = await _payments()
        olds = {}
        for number, _ in before._shelf.segments:
            name = "journal/" + "0" * 5 + str(number) + ".seg"
            olds[number] = head_frames(cbor.encode([1] + cbor.decode(before._reader.head(name))[1:9]))
        for number, _ in before._shelf.segments:
            name = "journal/" + "0" * 5 + str(number) + ".seg"
            head = olds[source if number == target else number]
            storage.files[name] = head + storage.files[name][_frames(before, number)[0][1] :]
        journal = await _reopened(storage, element)
        assert _missing(journal, 60) == [] and not journal.losses.gaps, (source, target)
        assert journal.cum_total == 15000


async def test_a_record_of_an_earlier_epoch_in_a_segment_is_passed_over():
    storage, element, before = await _payments()
    record = before.record_at(3)[0]
    record[r.EPOCH] = 7
    stray = frame(3, cbor.encode(record), None)
    seq, begin, _ = _frames(before, 1)[2]
    assert seq == 3
    storage.files[FIRST] = storage.files[FIRST][:begin] + stray + storage.files[FIRST][begin:]
    journal = await _reopened(storage, element)
    assert _missing(journal, 60) == [] and not journal.losses.gaps and journal.losses.damaged == [1]


async def test_hundreds_of_losses_are_declared_in_a_bounded_number_of_records():
    storage, element = MemoryStorage(), CountingElement()
    journal = _journal(storage, element)
    await journal.open()
    for _ in range(110):
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "n"})
    lost = []
    for number, _ in journal._shelf.segments[:-1]:
        for seq, begin, end in _frames(journal, number):
            if seq % 2 == 0:
                _zero(storage, "journal/" + ("00000" + str(number))[-6:] + ".seg", begin, end)
                lost.append(seq)
    assert len(lost) > MOST_GAPS + 10
    again = await _reopened(storage, element)
    gaps = _declared(again)
    assert len(gaps) == MOST_GAPS and gaps == _gaps(again)
    for seq in lost:
        assert any(first <= seq <= last for first, last in gaps)
    head = again.head_seq
    again.acknowledge(20, bytes(32))
    last = await _reopened(storage, element)  # other gaps are found first; all of them are named already
    assert last.head_seq == head
