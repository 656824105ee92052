"""Room, and a new epoch: when sales stop, and how the device goes on when its journal is lost."""

import binascii

from protocol import cbor, cose
from protocol import records as r
from protocol.crypto.pure import PureCrypto
from protocol.errors import JournalError, RiskError
from terminal.journal import epoch as epochs
from terminal.journal.journal import Journal
from terminal.journal.room import RESERVE, ROOM_LOW, ROOM_NONE, ROOM_OK, ROOM_UNKNOWN, WARNING
from tests.support.dual import araises
from tests.support.parts import CountingElement, HandClock, MemoryStorage


def _journal(storage, element, clock):
    return Journal(storage, element, clock, PureCrypto(), "TSD-000001")


async def test_the_room_is_warned_of_long_before_sales_stop():
    storage, element, clock = MemoryStorage(), CountingElement(), HandClock()
    journal = _journal(storage, element, clock)
    await journal.open()
    seen = []
    for free in (WARNING, WARNING - 1, RESERVE, RESERVE - 1):
        storage.free_bytes = lambda free=free: free
        seen.append(journal.room.state(True))
    assert seen == [ROOM_OK, ROOM_LOW, ROOM_LOW, ROOM_NONE]
    for kind, body in ((r.PAYMENT_INTENT, {r.CASE: 1, r.AMOUNT: 1}), (r.NOTICE, {})):
        try:
            await journal.append(kind, body)
            raise AssertionError("a sale began")
        except RiskError as error:
            assert error.code == "RSK-005"
    await journal.append(r.PAYMENT_OUTCOME, {r.CASE: 1, r.INTENT: 1, r.AMOUNT: 1, r.OUTCOME: r.OUTCOME_INTERRUPTED})
    assert journal.head_seq == 1


async def test_where_what_is_free_cannot_be_counted_nothing_begins_and_what_is_there_can_be_sent():
    storage, element, clock = MemoryStorage(), CountingElement(), HandClock()
    journal = _journal(storage, element, clock)
    await journal.open()
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "one"})
    journal.hear(1790000000)
    journal.acknowledge(1, journal.head_hash)

    def uncounted():
        raise JournalError("storage cannot be read", "JRN-014")

    storage.free_bytes = uncounted
    again = _journal(storage, element, clock)
    await again.open()
    assert again.room.state(True) == ROOM_UNKNOWN and again.crowded()
    assert [item[0][r.SEQ] for item in again.entries(1)] == [1]
    await araises(RiskError, again.append(r.NOTICE, {}))


async def test_after_a_failed_write_only_a_new_opening_goes_on():
    storage, element, clock = MemoryStorage(), CountingElement(), HandClock()
    journal = _journal(storage, element, clock)
    await journal.open()
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "one"})
    whole = storage.append

    def refuse(name, data):
        storage.append = whole
        whole(name, data[:20])
        raise JournalError("storage refuses to write", "JRN-012")

    storage.append = refuse
    for code in ("JRN-012", "JRN-022"):
        try:
            await journal.append(r.HEALTH_EVENT, {r.HEALTH: "two"})
            raise AssertionError("appended")
        except JournalError as error:
            assert error.code == code
    again = _journal(storage, element, clock)
    await again.open()
    assert again.head_seq == 1 and again.recovered_torn_tail
    await again.append(r.HEALTH_EVENT, {r.HEALTH: "two"})
    last = _journal(storage, element, clock)
    await last.open()
    assert last.head_seq == 2


class _Approving(PureCrypto):
    """Approvals here are "signed" by a digest: what is tested is what the journal does with them."""

    def ecdsa_verify(self, *arguments):
        return True


def _approval(device, epoch, seq, record_hash, count, total):
    payload = cbor.encode({1: device, 2: epoch, 3: seq, 4: record_hash, 5: count, 6: total})
    protected, _ = cose.sign1_prepare({1: -7, 3: epochs.TYPE_EPOCH, 4: b"epoch"}, payload)
    return cose.sign1_assemble(protected, {}, payload, bytes(64), tagged=False)


async def test_a_rolled_back_device_goes_on_in_a_new_epoch_with_counter_and_totals():
    storage, element, clock = MemoryStorage(), CountingElement(), HandClock()
    journal = _journal(storage, element, clock)
    await journal.open()
    for _ in range(3):
        await journal.append(
            r.PAYMENT_OUTCOME, {r.CASE: 1, r.INTENT: 1, r.AMOUNT: 200, r.OUTCOME: r.OUTCOME_APPROVED}, sealed=b"x"
        )
    held = journal.head_hash
    old = dict(storage.files)
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    storage.files = old
    again = Journal(storage, element, clock, _Approving(), "TSD-000001")
    try:
        await again.open()
        raise AssertionError("opened")
    except JournalError as error:
        assert error.code == "JRN-030"
    await again.begin_epoch(_approval("TSD-000001", 2, 3, held, 3, 600), bytes(65))
    assert (again.epoch, again.head_seq, again.counter, again.cum_total) == (2, 4, 5, 600)
    await again.append(
        r.PAYMENT_OUTCOME, {r.CASE: 2, r.INTENT: 1, r.AMOUNT: 200, r.OUTCOME: r.OUTCOME_APPROVED}, sealed=b"y"
    )
    last = _journal(storage, element, clock)
    await last.open()
    assert (last.epoch, last.head_seq, last.cum_total) == (2, 5, 800)
    kinds = [(item[0][r.EPOCH], item[0][r.SEQ], item[0][r.KIND]) for item in last.entries(1)]
    assert kinds == [(2, 4, r.NEW_EPOCH), (2, 5, r.PAYMENT_OUTCOME)]
    assert storage.size("journal/000001.seg") > 0 and storage.size("sealed/1") == 1


async def test_a_device_of_which_nothing_had_arrived_begins_a_new_epoch_too():
    storage, element, clock = MemoryStorage(), CountingElement(), HandClock()
    journal = _journal(storage, element, clock)
    await journal.open()
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    storage.files = {}
    again = Journal(storage, element, clock, _Approving(), "TSD-000001")
    try:
        await again.open()
        raise AssertionError("opened")
    except JournalError as error:
        assert error.code == "JRN-030"
    await again.begin_epoch(_approval("TSD-000001", 2, 0, bytes(32), 0, 0), bytes(65))
    assert (again.epoch, again.head_seq, again.counter) == (2, 1, 2)
    last = _journal(storage, element, clock)
    await last.open()
    assert last.record_at(1)[0][r.KIND] == r.NEW_EPOCH


async def test_case_numbers_go_on_in_a_new_epoch_and_the_approval_can_be_shown():
    """Reports are numbered without gaps or doubles over the device's life."""
    storage, element, clock = MemoryStorage(), CountingElement(), HandClock()
    journal = Journal(storage, element, clock, _Approving(), "TSD-000001")
    await journal.open()
    payload = cbor.encode({1: "TSD-000001", 2: 2, 3: 0, 4: bytes(32), 5: 0, 6: 0, 7: 41})
    protected, _ = cose.sign1_prepare({1: -7, 3: epochs.TYPE_EPOCH, 4: b"epoch"}, payload)
    approval = cose.sign1_assemble(protected, {}, payload, bytes(64), tagged=False)
    assert journal.approval() == b""
    await journal.begin_epoch(approval, bytes(65))
    again = Journal(storage, element, clock, _Approving(), "TSD-000001")
    await again.open()
    assert (again.view.cases, again.approval()) == (41, approval)


async def test_the_beginning_of_an_epoch_as_it_was_kept_before_0_2_is_read():
    storage = MemoryStorage()
    items = [3, 7, 12, bytes(32), 15, 2, 400]
    storage.replace("state/epoch", cbor.encode(items + [binascii.crc32(cbor.encode(items))]))
    stand, first = epochs.load(storage)
    assert (stand.epoch, first, stand.seq, stand.counter, stand.cum_total, stand.cases) == (3, 7, 12, 15, 400, 0)


async def test_an_approval_for_another_device_or_an_old_epoch_is_refused():
    storage, element, clock = MemoryStorage(), CountingElement(), HandClock()
    journal = Journal(storage, element, clock, _Approving(), "TSD-000001")
    for device, epoch in (("TSD-000002", 2), ("TSD-000001", 1)):
        try:
            await journal.begin_epoch(_approval(device, epoch, 0, bytes(32), 0, 0), bytes(65))
            raise AssertionError("approved")
        except JournalError as error:
            assert error.code == "JRN-032"
