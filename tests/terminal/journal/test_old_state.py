"""What release 0.1.0 left on flash is read by this code, and gone on with."""

from protocol import records as r
from protocol.crypto.pure import PureCrypto
from terminal.journal.journal import Journal
from tests.support.parts import CountingElement, HandClock, MemoryStorage
from tests.terminal.journal import old_state


def _old():
    storage, element = MemoryStorage(), CountingElement()
    for name in old_state.FILES:
        storage.files[name] = bytes.fromhex(old_state.FILES[name])
    element.counters[0] = old_state.COUNTER
    return storage, element


def _journal(storage, element):
    return Journal(storage, element, HandClock(), PureCrypto(), "TSD-000001")


async def test_a_journal_of_the_first_release_opens_with_head_view_and_acknowledgement():
    journal = _journal(*_old())
    await journal.open()
    assert (journal.head_seq, journal.head_hash.hex(), journal.acked_seq) == (6, old_state.HEAD_HASH, 4)
    assert journal.view.provisional == {4: (1, 500000, "000001-00001")}
    assert len(journal.view.exposure) == 1
    assert not journal.recovered_torn_tail and not journal.losses.gaps


async def test_its_records_and_blobs_are_read_byte_for_byte():
    journal = _journal(*_old())
    await journal.open()
    kinds = [record[r.KIND] for record, _, _ in journal.entries(1)]
    assert kinds == [r.PROVISIONED, r.SHIFT_OPENED, r.NOTICE, r.PAYMENT_INTENT, r.PAYMENT_OUTCOME, r.CASE_CLOSED]
    assert journal.blob("sealed", 5) == b"sealed blob"
    assert journal.blob("private", 3) == b"private blob"


async def test_appending_begins_a_new_segment_and_the_next_boot_reads_both():
    storage, element = _old()
    journal = _journal(storage, element)
    await journal.open()
    for _ in range(3):
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    assert storage.names("journal") == ["000001.seg", "000002.seg"]
    again = _journal(storage, element)
    await again.open()
    assert again.head_seq == 9
    assert [record[r.SEQ] for record, _, _ in again.entries(5)] == [5, 6, 7, 8, 9]
    assert again.view.provisional == {4: (1, 500000, "000001-00001")}
