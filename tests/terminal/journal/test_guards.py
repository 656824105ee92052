"""What else nothing would notice: report numbers after a loss, a former epoch's torn segment, a torn tail that is left as it is."""

import gc

from protocol import cbor, cose
from protocol import records as r
from protocol.crypto.pure import PureCrypto
from terminal.journal import epoch as epochs
from terminal.journal.journal import Journal
from terminal.journal.room import SPARE
from terminal.journal.shelf import FLOOR, RETENTION
from tests.support.hearing import daily
from tests.support.parts import CountingElement, HandClock, MemoryStorage, PowerCut

DEVICE = "TSD-000001"
SEGMENT = "journal/000001.seg"
SERVER = 1_790_000_000


class _Approving(PureCrypto):
    """Approvals here are "signed" by nobody."""

    def ecdsa_verify(self, *arguments):
        return True


async def _opened(storage, element):
    gc.collect()
    journal = Journal(storage, element, HandClock(), _Approving(), DEVICE)
    await journal.open()
    return journal


def _notice(number):
    return {r.CASE: number, r.PV: str(number), r.OFFENCE: "66/D-24", r.TARIFF: 1, r.AMOUNT: 500, r.POINTS: 6}


async def _case(journal, number):
    """The shortest there is: three records."""
    await journal.append(r.LICENCE_READ, {r.VERDICT: 1, r.LICENCE_TOKEN: bytes(8), r.FINDINGS: []})
    await journal.append(r.NOTICE, _notice(number))
    await journal.append(r.CASE_CLOSED, {r.CASE: number, r.CLOSURE: r.CLOSURE_UNPAID})


async def test_no_report_number_is_given_twice_though_all_records_of_a_case_are_lost():
    for lost in (1, 2, 4):
        storage, element = MemoryStorage(), CountingElement()
        journal = await _opened(storage, element)
        await _case(journal, 1)
        begin = storage.size(SEGMENT)
        for number in range(lost):
            await _case(journal, 2 + number)
        end = storage.size(SEGMENT)
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
        content = storage.files[SEGMENT]
        storage.files[SEGMENT] = content[:begin] + bytes(end - begin) + content[end:]
        again = await _opened(storage, element)
        assert again.view.gaps == {4: 3 + 3 * lost} and again.view.cases >= 1 + lost


async def test_a_torn_tail_is_left_as_it_is_and_what_follows_begins_a_segment():
    for cut in (1, 30, 100):
        storage, element = MemoryStorage(), CountingElement()
        journal = await _opened(storage, element)
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
        storage.cut_after = cut
        try:
            await journal.append(r.HEALTH_EVENT, {r.HEALTH: "n" * 60})
            raise AssertionError
        except PowerCut:
            storage.cut_after = -1
        torn = storage.files[SEGMENT]
        again = await _opened(storage, element)
        assert again.recovered_torn_tail
        await again.append(r.HEALTH_EVENT, {r.HEALTH: "after"})
        assert storage.files[SEGMENT] == torn and storage.size("journal/000002.seg") > 0


async def test_a_former_epochs_torn_segment_may_hold_what_the_centre_never_had():
    storage, element = MemoryStorage(), CountingElement()
    storage.free_bytes = lambda: SPARE - 1
    journal = await _opened(storage, element)
    ends = []
    for _ in range(6):
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "n" * 60})
        ends.append(storage.size(SEGMENT))
    known = journal.head_hash
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "never sent"})
    payload = cbor.encode({1: DEVICE, 2: 2, 3: 6, 4: known, 5: 0, 6: 0})
    protected, _ = cose.sign1_prepare({1: -7, 3: epochs.TYPE_EPOCH, 4: b"epoch"}, payload)
    journal = Journal(storage, element, HandClock(), _Approving(), DEVICE)
    await journal.begin_epoch(cose.sign1_assemble(protected, {}, payload, bytes(64), tagged=False), bytes(65))
    storage.files[SEGMENT] = storage.files[SEGMENT][: ends[-1] + 40]  # the last one's frame is torn
    journal.hear(SERVER)
    journal.acknowledge(journal.head_seq, journal.head_hash)
    journal._shelf.fresh = True
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "in a segment that says when"})
    for seconds, there in ((FLOOR + 1, True), (RETENTION + 1, False)):
        daily(journal, SERVER + seconds)
        journal.make_room()
        assert (storage.size(SEGMENT) > 0) == there
