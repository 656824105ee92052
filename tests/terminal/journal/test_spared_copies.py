"""Where there is no room for one more record a boot gives second copies up: of what the server has, and nothing else."""

from protocol import records as r
from terminal.journal.frames import frame
from terminal.journal.journal import Journal
from tests.support.centre import DEVICE, TrustingCrypto
from tests.support.parts import CountingElement, HandClock, MemoryStorage

DEVICE_HEAP = "256k"


class _Full(MemoryStorage):
    free = 1 << 20

    def free_bytes(self):
        return self.free


async def _boot(storage, element):
    journal = Journal(storage, element, HandClock(), TrustingCrypto(), DEVICE)
    journal._shelf.segment_bytes = 1024
    await journal.open()
    return journal


async def _paid(journal, case):
    notice = {r.CASE: case, r.PV: "1-%d" % case, r.OFFENCE: "66", r.TARIFF: 1, r.AMOUNT: 500, r.POINTS: 1}
    await journal.append(r.NOTICE, notice)
    intent = await journal.append(r.PAYMENT_INTENT, {r.CASE: case, r.AMOUNT: 500})
    body = {r.CASE: case, r.INTENT: intent[r.SEQ], r.AMOUNT: 500, r.OUTCOME: r.OUTCOME_APPROVED}
    outcome = await journal.append(r.PAYMENT_OUTCOME, body)
    await journal.append(r.CASE_CLOSED, {r.CASE: case, r.CLOSURE: r.CLOSURE_PAID})
    return outcome[r.SEQ]


async def test_copies_of_what_nobody_else_has_stay_though_a_segment_s_head_is_damaged():
    """Its bounds are then those of the segment before, whose end nobody knows."""
    for free in (1 << 20, 9000, 0):
        storage, element = _Full(), CountingElement()
        journal = await _boot(storage, element)
        await _paid(journal, 1)
        acked = journal.head_seq
        journal.acknowledge(acked, journal.head_hash)
        outcomes = []
        for case in range(2, 12):
            outcomes.append(await _paid(journal, case))
        segments = journal._shelf.segments
        assert len(segments) > 3
        second = "journal/%06d.seg" % segments[1][0]
        storage.files[second] = storage.files[second][:8] + b"\xff" * 32 + storage.files[second][40:]
        lost = [seq for seq in outcomes if acked < seq < segments[1][1]]
        first = "journal/%06d.seg" % segments[0][0]
        for seq in lost:
            item = journal.record_at(seq)
            whole = frame(seq, item[1], item[2])
            assert whole in storage.files[first]
            storage.files[first] = storage.files[first].replace(whole, bytes(len(whole)))
        assert lost
        storage.free = free
        journal = await _boot(storage, element)
        assert [seq for seq in lost if journal.record_at(seq) is None] == [], free
