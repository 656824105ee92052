"""The journal: what was appended is there after a reboot; a cut leaves the old or the new; a rolled-back store is
found out.
"""

from protocol import cbor
from protocol import records as r
from protocol.crypto.pure import PureCrypto
from protocol.errors import JournalError
from terminal.journal.journal import Journal
from tests.support.dual import record
from tests.support.parts import CountingElement, HandClock, MemoryStorage, PowerCut

DEVICE = "TSD-000001"


def _journal(storage, element, device=DEVICE):
    journal = Journal(storage, element, HandClock(), PureCrypto(), device)
    journal.officer = 1007
    journal.unit = "U-16"
    return journal


async def _filled(storage, element, count=3):
    journal = _journal(storage, element)
    await journal.open()
    for number in range(count):
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "n" + str(number)})
    return journal


async def _refused(storage, element, code, device=DEVICE):
    try:
        await _journal(storage, element, device).open()
    except JournalError as error:
        assert error.code == code, error.code
        return
    raise AssertionError("the journal opened")


async def test_a_reboot_finds_the_head_again():
    storage, element = MemoryStorage(), CountingElement()
    before = await _filled(storage, element)
    after = _journal(storage, element)
    await after.open()
    assert (after.head_seq, after.head_hash, after.counter) == (3, before.head_hash, 3)
    record("head", after.head_hash)


async def test_the_chain_is_sha256_over_each_record():
    storage, element = MemoryStorage(), CountingElement()
    journal = await _filled(storage, element)
    previous = r.ZERO_HASH
    for entry, data, _ in journal.entries(1):
        assert entry[r.PREV] == previous
        assert cbor.encode(entry) == data
        previous = PureCrypto().sha256(data)
    assert previous == journal.head_hash


async def test_a_cut_at_any_byte_of_an_append_leaves_the_record_absent():
    storage, element = MemoryStorage(), CountingElement()
    journal = await _filled(storage, element, 2)
    whole = dict(storage.files)
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "third"})
    length = storage.size("journal/000001.seg") - len(whole["journal/000001.seg"])
    for cut in range(0, length, 7):
        cut_storage, cut_element = MemoryStorage(), CountingElement()
        cut_storage.files = dict(whole)
        cut_element.counters = [2, 0]
        again = _journal(cut_storage, cut_element)
        await again.open()
        cut_storage.cut_after = cut
        try:
            await again.append(r.HEALTH_EVENT, {r.HEALTH: "third"})
            raise AssertionError("no cut")
        except PowerCut:
            pass
        cut_storage.cut_after = -1
        recovered = _journal(cut_storage, cut_element)
        await recovered.open()
        assert recovered.head_seq == 2
        assert recovered.recovered_torn_tail == (cut > 0)
        await recovered.append(r.HEALTH_EVENT, {r.HEALTH: "after"})
        last = _journal(cut_storage, cut_element)
        await last.open()
        assert last.head_seq == 3


async def test_a_cut_between_record_and_counter_is_honest_and_heals():
    storage, element = MemoryStorage(), CountingElement()
    journal = await _filled(storage, element, 2)
    element.cut_before_increment = True
    try:
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "third"})
        raise AssertionError("no cut")
    except PowerCut:
        pass
    recovered = _journal(storage, element)
    await recovered.open()
    assert recovered.head_seq == 3
    assert element.counters[0] == 3


async def test_storage_rolled_back_by_one_record_is_found_out():
    storage, element = MemoryStorage(), CountingElement()
    journal = await _filled(storage, element, 2)
    old = dict(storage.files)
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "third"})
    storage.files = old
    await _refused(storage, element, "JRN-030")


async def test_an_erased_journal_is_found_out():
    storage, element = MemoryStorage(), CountingElement()
    await _filled(storage, element, 2)
    await _refused(MemoryStorage(), element, "JRN-030")


async def test_another_devices_journal_is_refused():
    storage, element = MemoryStorage(), CountingElement()
    await _filled(storage, element, 1)
    await _refused(storage, element, "JRN-020", "TSD-000002")


async def test_an_outcome_is_signed_and_its_sealed_blob_bound_by_digest():
    storage, element = MemoryStorage(), CountingElement()
    journal = await _filled(storage, element, 1)
    body = {r.CASE: 1, r.INTENT: 1, r.AMOUNT: 500000, r.OUTCOME: r.OUTCOME_PROVISIONAL}
    entry = await journal.append(r.PAYMENT_OUTCOME, body, sealed=b"blob")
    assert entry[r.SEALED] == PureCrypto().sha256(b"blob")
    assert journal.blob("sealed", entry[r.SEQ]) == b"blob"
    found = [signature for _, _, signature in journal.entries(entry[r.SEQ])]
    assert len(found) == 1 and len(found[0]) == 64
    journal.erase_blob("sealed", entry[r.SEQ])
    assert journal.blob("sealed", entry[r.SEQ]) is None
    again = _journal(storage, element)
    await again.open()
    assert again.head_seq == 2


async def test_running_totals_count_approved_money_only():
    storage, element = MemoryStorage(), CountingElement()
    journal = await _filled(storage, element, 1)
    for outcome in (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL, r.OUTCOME_DECLINED, r.OUTCOME_INTERRUPTED):
        await journal.append(r.PAYMENT_OUTCOME, {r.CASE: 1, r.INTENT: 1, r.AMOUNT: 200000, r.OUTCOME: outcome})
    assert (journal.cum_count, journal.cum_total) == (1, 200000)
    await journal.append(
        r.AUTHORISATION_RESULT, {r.CASE: 1, r.INTENT: 1, r.AMOUNT: 200000, r.OUTCOME: r.OUTCOME_APPROVED}
    )
    assert (journal.cum_count, journal.cum_total) == (2, 400000)
    assert journal.view.totals == {1: [1, 200000], 2: [1, 200000], 3: [1, 200000], 4: [1, 200000], 11: [1, 200000]}


async def test_segments_rotate_and_reading_starts_at_the_right_one():
    storage, element = MemoryStorage(), CountingElement()
    journal = await _filled(storage, element, 220)
    assert len(storage.names("journal")) > 1
    first = [entry[r.SEQ] for entry, _, _ in journal.entries(217)]
    assert first == [217, 218, 219, 220]


async def test_an_acknowledgement_survives_a_reboot():
    storage, element = MemoryStorage(), CountingElement()
    journal = await _filled(storage, element, 3)
    journal.acknowledge(2, b"h" * 32)
    again = _journal(storage, element)
    await again.open()
    assert again.acked_seq == 2
