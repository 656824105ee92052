"""A gap record that is lost itself: what it declared is declared again, once, and nothing is as long as it can be read."""

from protocol import records as r
from protocol.crypto.pure import PureCrypto
from terminal.journal.journal import Journal
from tests.support.parts import CountingElement, HandClock, MemoryStorage
from tests.terminal.journal.test_lost_outcome import _spoil

DEVICE_HEAP = "256k"  # several journals are in it


async def _boot(storage, element):
    journal = Journal(storage, element, HandClock(), PureCrypto(), "TSD-000001")
    journal._shelf.segment_bytes = 1500  # so that heads remember what was declared before them
    await journal.open()
    return journal


async def _after(storage, element, journal, lost):
    for seq in lost:
        _spoil(storage, journal.record_at(seq)[1])
    return await _boot(storage, element)


async def _fines(journal, count):
    for _ in range(count):
        intent = (await journal.append(r.PAYMENT_INTENT, {r.AMOUNT: 500}))[r.SEQ]
        await journal.append(r.PAYMENT_OUTCOME, {r.INTENT: intent, r.AMOUNT: 500, r.OUTCOME: r.OUTCOME_APPROVED})


def _declared(journal):
    """(sequence number, first, last, approved count, centimes) of each gap record that can be read."""
    keys = (r.SEQ, r.FIRST, r.GAP_LAST, r.GAP_COUNT, r.GAP_TOTAL)
    return [tuple([x[0][key] for key in keys]) for x in journal.entries(1) if x[0][r.KIND] == r.GAP]


async def _begun():
    """Records 4 to 6 are lost and declared by record 9; segments begin behind it."""
    storage, element = MemoryStorage(), CountingElement()
    journal = await _boot(storage, element)
    await _fines(journal, 4)
    journal = await _after(storage, element, journal, (4, 5, 6))
    assert _declared(journal) == [(9, 4, 6, 2, 1000)]
    await _fines(journal, 10)
    return storage, element, journal


async def _stays(storage, element, journal, expected):
    """It is so, and at the boots that follow too: none of them writes anything."""
    for _ in range(3):
        assert _declared(journal) == expected
        head = journal.head_seq
        journal = await _boot(storage, element)
        assert journal.head_seq == head
        await _fines(journal, 2)


async def test_what_a_lost_gap_record_declared_is_declared_again_and_once():
    storage, element, journal = await _begun()
    head = journal.head_seq
    journal = await _after(storage, element, journal, (9,))
    assert journal.view.declared(4, 6)  # a segment's head has remembered it
    await _stays(storage, element, journal, [(head + 1, 4, 6, 2, 1000), (head + 2, 9, 9, 0, 0)])


async def test_again_where_the_second_one_is_lost_too():
    storage, element, journal = await _begun()
    second = journal.head_seq + 1
    journal = await _after(storage, element, journal, (9,))
    await _fines(journal, 10)
    head = journal.head_seq
    journal = await _after(storage, element, journal, (second,))
    again = [(second + 1, 9, 9, 0, 0), (head + 1, 4, 6, 2, 1000), (head + 2, second, second, 0, 0)]
    await _stays(storage, element, journal, again)


async def test_a_loss_that_has_grown_over_its_gap_record_is_declared_as_one():
    storage, element, journal = await _begun()
    head = journal.head_seq
    journal = await _after(storage, element, journal, (7, 8, 9))
    await _stays(storage, element, journal, [(head + 1, 4, 9, 3, 1500)])


async def test_nothing_is_declared_again_while_its_gap_record_can_be_read():
    storage, element, journal = await _begun()
    head = journal.head_seq
    journal = await _after(storage, element, journal, (8, 10))
    await _stays(storage, element, journal, [(9, 4, 6, 2, 1000), (head + 1, 8, 8, 1, 500), (head + 2, 10, 10, 0, 0)])


async def test_what_the_centre_has_acknowledged_is_not_declared_again():
    for acknowledged, expected in ((9, []), (7, [(9, 9)]), (5, [(4, 6), (9, 9)])):
        storage, element, journal = await _begun()
        journal.hear(1_700_000_000)
        data = journal.record_at(acknowledged)
        journal.acknowledge(acknowledged, journal._crypto.sha256(data[1]) if data else bytes(32))
        journal = await _after(storage, element, journal, (9,))
        assert [item[1:3] for item in _declared(journal)] == expected, acknowledged
        head = journal.head_seq
        journal = await _boot(storage, element)
        assert journal.head_seq == head


async def test_a_payment_that_the_first_one_has_ended_is_not_ended_again():
    storage, element = MemoryStorage(), CountingElement()
    journal = await _boot(storage, element)
    intent = (await journal.append(r.PAYMENT_INTENT, {r.CASE: 1, r.AMOUNT: 500}))[r.SEQ]
    deferred = {r.CASE: 1, r.INTENT: intent, r.AMOUNT: 500, r.OUTCOME: r.OUTCOME_PROVISIONAL}
    outcome = (await journal.append(r.PAYMENT_OUTCOME, deferred, sealed=b"card"))[r.SEQ]
    await journal.append(r.CASE_CLOSED, {r.CASE: 1, r.CLOSURE: r.CLOSURE_PROVISIONAL})
    journal._shelf.fresh = True  # the next head remembers the payment
    await _fines(journal, 1)
    journal = await _after(storage, element, journal, (outcome,))
    await journal.end_what_was_cut()
    ended = journal.head_seq
    assert journal.record_at(ended)[0][r.OUTCOME] == r.OUTCOME_INTERRUPTED
    await _fines(journal, 10)
    journal = await _after(storage, element, journal, (ended - 1,))
    head = journal.head_seq
    await journal.end_what_was_cut()
    assert journal.head_seq == head and [item[1:3] for item in _declared(journal)] == [
        (outcome, outcome),
        (ended - 1, ended - 1),
    ]
