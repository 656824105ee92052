"""The newest records, not sent yet, cannot be read while the terminal runs: a record behind them says so, and the centre closes over them."""

from protocol import records as r
from protocol import sync as m
from protocol.errors import JournalError
from terminal.sync import Sync
from tests.support.centre import quiet
from tests.terminal.journal.test_lost_outcome import _spoil
from tests.terminal.sync.test_closed_over import _boot


def _lose(t, seqs):
    for seq in seqs:
        _spoil(t.storage, t.journal.record_at(seq)[1])


async def _with(count):
    """A terminal that has sent all but so many records, and their numbers."""
    t, journal = await _boot()
    await Sync(t, quiet).run()
    seqs = []
    for _ in range(count):
        seqs.append((await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"}))[r.SEQ])
    return t, journal, seqs


def _gaps(t):
    said = [payload for kind, payload in t.network.sent if kind == m.TYPE_BATCH]
    assert all([payload[m.RECORDS] and m.PREV_HASH in payload for payload in said])
    return [(payload[m.GAP], payload[m.FIRST_SEQ] - 1) for payload in said if m.GAP in payload]


async def test_the_last_record_or_the_last_ones_are_closed_over():
    for count, lost in ((1, 1), (3, 3), (3, 1)):
        t, journal, seqs = await _with(count)
        _lose(t, seqs[-lost:])
        await Sync(t, quiet).run()
        assert _gaps(t) == [(seqs[-lost], seqs[-1])] and journal.acked_seq == journal.head_seq, (count, lost)
        assert journal.view.declared(seqs[-lost], seqs[-1])
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "y"})
        await Sync(t, quiet).run()
        assert len(_gaps(t)) == 1 and journal.acked_seq == journal.head_seq
        head = journal.head_seq
        _, journal = await _boot(t.storage, t.se)
        assert journal.head_seq == head + 1  # its boot


async def test_two_losses_in_one_session_are_closed_over_one_after_the_other():
    t, journal, seqs = await _with(5)
    _lose(t, [seqs[1], seqs[4]])
    await Sync(t, quiet).run()
    assert _gaps(t) == [(seqs[1], seqs[1]), (seqs[4], seqs[4])]
    assert journal.acked_seq == journal.head_seq and journal.view.declared(seqs[4], seqs[4])


async def test_where_no_record_is_taken_the_session_ends_with_what_is_there():
    t, journal, seqs = await _with(2)
    _lose(t, seqs[1:])

    def uncounted():
        raise JournalError("storage cannot be read", "JRN-014")

    t.storage.free_bytes = uncounted
    head = journal.head_seq
    for _ in range(2):
        await Sync(t, quiet).run()
        assert _gaps(t) == [] and journal.acked_seq == seqs[0] and journal.head_seq == head


async def test_nor_does_it_go_on_for_ever_where_no_record_can_be_read():
    t, journal, seqs = await _with(1)
    _lose(t, seqs)
    append = t.storage.append

    def spoilt(name, data):
        append(name, bytes(len(data)))

    t.storage.append = spoilt
    await Sync(t, quiet).run()
    assert _gaps(t) == [] and journal.acked_seq == seqs[0] - 1 and journal.head_seq == seqs[0] + 1
