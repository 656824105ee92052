"""Damaged segments: what is lost is recovered from its second copy or declared by a gap record, never passed over in
silence.
"""

from protocol import cbor
from protocol import records as r
from protocol.crypto.pure import PureCrypto
from protocol.errors import JournalError
from terminal.journal.journal import Journal
from tests.support.parts import CountingElement, HandClock, MemoryStorage

SEGMENT = "journal/000001.seg"


def _journal(storage, element, clock=None):
    return Journal(storage, element, clock or HandClock(), PureCrypto(), "TSD-000001")


async def _patrol():
    """1 health, 2 notice, 3 intent, 4 outcome approved (sealed), 5 closed, 6 health."""
    storage, element = MemoryStorage(), CountingElement()
    journal = _journal(storage, element)
    await journal.open()
    ends = []
    body = {r.CASE: 1, r.PV: "1", r.OFFENCE: "66/D-24", r.TARIFF: 1, r.AMOUNT: 300000, r.POINTS: 4}
    outcome = {r.CASE: 1, r.INTENT: 3, r.AMOUNT: 300000, r.OUTCOME: r.OUTCOME_APPROVED}
    for kind, content, blob in (
        (r.HEALTH_EVENT, {r.HEALTH: "boot"}, None),
        (r.NOTICE, body, None),
        (r.PAYMENT_INTENT, {r.CASE: 1, r.AMOUNT: 300000}, None),
        (r.PAYMENT_OUTCOME, outcome, b"sealed"),
        (r.CASE_CLOSED, {r.CASE: 1, r.CLOSURE: r.CLOSURE_PAID}, None),
        (r.HEALTH_EVENT, {r.HEALTH: "printer"}, None),
    ):
        await journal.append(kind, content, sealed=blob)
        ends.append(storage.size(SEGMENT))
    return storage, element, ends, journal


def _spoil(storage, position, name=SEGMENT):
    data = bytearray(storage.files[name])
    data[position] ^= 4
    storage.files[name] = bytes(data)


async def _reopened(storage, element):
    journal = _journal(storage, element)
    await journal.open()
    return journal


async def test_a_lost_outcome_comes_back_from_its_second_copy():
    storage, element, ends, before = await _patrol()
    _spoil(storage, ends[2] + 40)
    journal = await _reopened(storage, element)
    assert (journal.head_seq, journal.head_hash) == (6, before.head_hash)
    assert journal.losses.recovered == [4] and not journal.losses.gaps
    assert [item[0][r.SEQ] for item in journal.entries(1)] == [1, 2, 3, 4, 5, 6]
    assert (journal.cum_count, journal.cum_total) == (1, 300000)


async def test_the_last_record_comes_back_too_if_it_is_an_outcome():
    storage, element, ends, _ = await _patrol()
    storage.files[SEGMENT] = storage.files[SEGMENT][: ends[2]]
    element.counters[0] = 4
    journal = await _reopened(storage, element)
    assert journal.head_seq == 4 and journal.losses.recovered == [4]
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    assert (await _reopened(storage, element)).head_seq == 5


async def test_a_lost_notice_is_declared_by_one_gap_record():
    storage, element, ends, _ = await _patrol()
    _spoil(storage, ends[0] + 30)
    journal = await _reopened(storage, element)
    assert journal.head_seq == 7
    record, _, _ = journal.record_at(7)
    assert (record[r.KIND], record[r.FIRST], record[r.GAP_LAST]) == (r.GAP, 2, 2)
    assert (record[r.GAP_COUNT], record[r.GAP_TOTAL]) == (0, 0)
    assert record[r.GAP_HASH] == journal.record_at(3)[0][r.PREV]
    assert (await _reopened(storage, element)).head_seq == 7


async def test_the_report_number_of_a_lost_notice_is_not_given_twice():
    storage, element, ends, _ = await _patrol()
    _spoil(storage, ends[0] + 30)
    assert (await _reopened(storage, element)).view.cases == 1  # the records after it name the case
    body = {r.CASE: 2, r.PV: "2", r.OFFENCE: "66/D-24", r.TARIFF: 1, r.AMOUNT: 300000, r.POINTS: 4}
    journal = await _reopened(storage, element)
    await journal.append(r.NOTICE, body)
    end = storage.size(SEGMENT)
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "printer"})
    _spoil(storage, end - 20)
    for _ in range(2):  # nothing names it any more: one number may be skipped, none comes again
        assert (await _reopened(storage, element)).view.cases == 2


async def test_an_outcome_lost_in_both_copies_leaves_its_money_in_the_gap_record():
    storage, element, ends, _ = await _patrol()
    _spoil(storage, ends[2] + 40)
    _spoil(storage, 40, "copies/000001.seg")
    journal = await _reopened(storage, element)
    record, _, _ = journal.record_at(7)
    assert (record[r.FIRST], record[r.GAP_LAST], record[r.GAP_COUNT], record[r.GAP_TOTAL]) == (4, 4, 1, 300000)
    assert (journal.cum_count, journal.cum_total) == (1, 300000)


async def test_a_lost_last_record_that_was_shown_is_called_a_rollback():
    storage, element, ends, _ = await _patrol()
    _spoil(storage, ends[4] + 20)
    try:
        await _reopened(storage, element)
    except JournalError as error:
        assert error.code == "JRN-030"
        return
    raise AssertionError("the journal opened")


async def test_every_flipped_bit_of_a_segment_is_met_or_named():
    storage, element, ends, before = await _patrol()
    whole = storage.files[SEGMENT]
    step = 41
    for bit in range(0, 8 * len(whole), step):
        element.counters[0] = 6
        data = bytearray(whole)
        data[bit // 8] ^= 1 << bit % 8
        storage.files[SEGMENT] = bytes(data)
        storage.files.pop("journal/000002.seg", None)
        try:
            journal = await _reopened(storage, element)
        except JournalError as error:
            assert error.code in ("JRN-025", "JRN-030")
            continue
        assert journal.losses.gaps or journal.losses.recovered or journal.losses.damaged
        kept = [item[1] for item in journal.entries(1) if item[0][r.SEQ] <= 6]
        mine = [item[1] for item in before_entries(whole, storage, before)]
        for data in kept:
            assert data in mine


def before_entries(whole, storage, journal):
    """The records as they were before the damage."""
    clean = MemoryStorage()
    clean.files = dict(storage.files)
    clean.files[SEGMENT] = whole
    clean.files.pop("journal/000002.seg", None)
    other = _journal(clean, None)
    other._shelf.segments = [(1, 1)]
    return other.entries(1)


async def test_blocks_of_a_segment_in_another_order_are_put_right():
    storage, element, ends, before = await _patrol()
    whole = storage.files[SEGMENT]
    storage.files[SEGMENT] = (
        whole[: ends[0]]
        + whole[ends[2] : ends[3]]
        + whole[ends[1] : ends[2]]
        + whole[ends[0] : ends[1]]
        + whole[ends[3] :]
    )
    journal = await _reopened(storage, element)
    assert (journal.head_seq, journal.head_hash) == (6, before.head_hash)
    assert journal.losses.damaged == [1] and not journal.losses.gaps


async def test_a_duplicated_page_is_read_once():
    storage, element, ends, before = await _patrol()
    whole = storage.files[SEGMENT]
    storage.files[SEGMENT] = whole[: ends[3]] + whole[ends[1] : ends[3]] + whole[ends[3] :]
    journal = await _reopened(storage, element)
    assert (journal.head_seq, journal.head_hash) == (6, before.head_hash)
    assert [item[0][r.SEQ] for item in journal.entries(1)] == [1, 2, 3, 4, 5, 6]


async def test_a_damaged_blob_is_named_and_not_passed_on():
    storage, element, _, journal = await _patrol()
    _spoil(storage, 2, "sealed/4")
    assert journal.blob("sealed", 4) is None
    assert journal.losses.blobs == [("sealed", 4)]


async def test_a_blob_without_its_record_is_erased_at_boot():
    storage, element, _, _ = await _patrol()
    storage.files["sealed/7"] = b"cut before its record"
    journal = await _reopened(storage, element)
    assert storage.size("sealed/7") == -1
    assert journal.blob("sealed", 4) == b"sealed"


async def test_a_record_of_a_newer_schema_is_refused_not_guessed_at():
    storage, element, _, journal = await _patrol()
    build = journal._build

    def newer(kind, body):
        record = build(kind, body)
        record[r.V] = r.SCHEMA + 1
        return record

    journal._build = newer
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    try:
        await _reopened(storage, element)
    except JournalError as error:
        assert error.code == "JRN-023"
        return
    raise AssertionError("the journal opened")


async def test_a_damaged_acknowledgement_is_asked_for_again():
    storage, element, _, journal = await _patrol()
    journal.acknowledge(3, journal.record_at(3)[1][:32])
    kept = storage.files["state/acked"]
    assert (await _reopened(storage, element)).acked_seq == 3
    for position in range(len(kept)):
        _spoil(storage, position, "state/acked")
        assert (await _reopened(storage, element)).acked_seq in (0, 3)
        storage.files["state/acked"] = kept
    assert cbor.decode(kept)[0] == 3
