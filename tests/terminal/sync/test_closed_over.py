"""What the centre closed over it never had: a boot finds what was so without it, whatever is acknowledged by then."""

from protocol import records as r
from protocol import sync as m
from terminal.journal.view import View
from terminal.sync import Sync
from tests.support import told
from tests.support.centre import Handheld, quiet
from tests.terminal.journal.test_lost_outcome import A, _ended, _fine, _spoil
from tests.terminal.journal.test_lost_words import BEHIND, _void


class _Centre:
    """Takes every batch, and closes over what it calls lost."""

    def __init__(self):
        self.seq, self.hash, self.t = 0, bytes(32), None

    def __call__(self, kind, payload):
        hello = kind == m.TYPE_HELLO
        if not hello:
            self.seq = payload[m.FIRST_SEQ] + told.count(payload) - 1
            self.hash = self.t.crypto.sha256(self.t.journal.record_at(self.seq)[1])
        said = {m.ACKED_SEQ: self.seq, m.ACKED_HASH: self.hash}
        if hello:
            said.update({m.SERVER_UTC: 1790000100, m.RETRY_AFTER: 0})
        return m.TYPE_WELCOME if hello else m.TYPE_ACK, said


async def _boot(storage=None, element=None):
    t = Handheld(_Centre(), storage, element)
    t.network.answer.t = t
    await t.journal.open()
    if storage is None:
        await t.journal.append(r.SHIFT_OPENED, {r.SHIFT: 1})
    else:
        await t.journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
        await t.journal.end_what_was_cut()
    return t, t.journal


async def _sent(t):
    await Sync(t, quiet).run()
    await t.journal.append(r.LOGIN, {})


async def _after(t, lost):
    """The journal when these records were lost, sent without them, and the power is cut."""
    for seq in lost:
        _spoil(t.storage, t.journal.record_at(seq)[1])
    await _sent(t)
    return (await _boot(t.storage, t.se))[1]


async def _voided():
    """A void that the centre knows of, and three records behind it that are lost, but for the last."""
    t, journal = await _boot()
    intent = (await _fine(journal, 1))["intent"]
    await _void(journal, intent, r.VOID_ASKED)
    await _sent(t)
    lost = []
    for _ in range(4):
        lost.append((await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"}))[r.SEQ])
    for seq in lost[:3]:
        _spoil(t.storage, journal.record_at(seq)[1])
    await _sent(t)
    await _void(journal, intent, r.VOID_DONE)
    assert journal.view.case.number == 1
    return t, journal


async def test_a_void_whose_end_came_behind_the_loss_leaves_its_case_open():
    t, journal = await _voided()
    assert journal.view.gaps and journal.acked_seq > max(journal.view.gaps.values())
    view = (await _boot(t.storage, t.se))[1].view
    assert view.case.number == 1 and not view.lost


async def test_and_paid_again_its_case_is_gone_on_with():
    t, journal = await _voided()
    intent = (await journal.append(r.PAYMENT_INTENT, {r.CASE: 1, r.AMOUNT: A}))[r.SEQ]
    paid = {r.CASE: 1, r.INTENT: intent, r.AMOUNT: A, r.OUTCOME: r.OUTCOME_APPROVED}
    await journal.append(r.PAYMENT_OUTCOME, paid)
    view = (await _boot(t.storage, t.se))[1].view
    assert view.case.number == 1 and view.case.outcome == r.OUTCOME_APPROVED


async def test_a_deferred_payment_that_the_centre_never_heard_of_is_interrupted():
    t, journal = await _boot()
    seqs = await _fine(journal, 1, r.OUTCOME_PROVISIONAL)
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
    journal = await _after(t, [seqs[name] for name in BEHIND])
    assert _ended(journal) == ["power"] and journal.view.case.number == 1


async def test_what_a_boot_found_is_found_again_where_the_newest_head_is_lost():
    t, journal = await _boot()
    seqs = await _fine(journal, 1, r.OUTCOME_PROVISIONAL)
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
    for name in BEHIND:
        _spoil(t.storage, journal.record_at(seqs[name])[1])
    t, journal = await _boot(t.storage, t.se)
    await _sent(t)
    assert len(journal._shelf.segments) == 2 and journal.view.case.outcome == r.OUTCOME_INTERRUPTED
    before = journal.view.snapshot()
    head = bytearray(t.storage.files["journal/000002.seg"])
    head[20] ^= 4
    t.storage.files["journal/000002.seg"] = bytes(head)
    again = Handheld(None, t.storage, t.se).journal
    await again.open()
    assert again.view.snapshot() == before


def test_of_a_range_that_is_declared_twice_the_centre_had_what_it_had_each_time():
    view = View()
    view.once, view.bounds = 20, [(8, 5, 20), (7, 5, 4)]
    assert [view.upto(seq) for seq in (4, 5, 7, 8, 9, 30)] == [4, 4, 4, 8, 9, 20]


async def test_it_is_told_when_the_loss_is_met_and_interrupted_at_the_next_boot_though_its_case_is_closed():
    t, journal = await _boot()
    await journal.append(r.NOTICE, {r.CASE: 1, r.PV: "p", r.OFFENCE: "o", r.TARIFF: 1, r.AMOUNT: A, r.POINTS: 4})
    intent = (await journal.append(r.PAYMENT_INTENT, {r.CASE: 1, r.AMOUNT: A}))[r.SEQ]
    said = {r.CASE: 1, r.INTENT: intent, r.AMOUNT: A, r.OUTCOME: r.OUTCOME_PROVISIONAL}
    outcome = (await journal.append(r.PAYMENT_OUTCOME, said, sealed=b"blob"))[r.SEQ]
    await journal.append(r.CASE_CLOSED, {r.CASE: 1, r.CLOSURE: r.CLOSURE_PROVISIONAL})
    _spoil(t.storage, journal.record_at(outcome)[1])
    await Sync(t, quiet).run()
    assert journal.view.lost and journal.view.cut == {intent: (intent, 1, A)}
    for login in (False, True, False):
        t, journal = await _boot(t.storage, t.se)
        assert _ended(journal) == ["power"] and not journal.view.cut
        if login:
            assert journal.view.lost
            await journal.append(r.LOGIN, {})
    assert not journal.view.lost and journal.view.case is None
