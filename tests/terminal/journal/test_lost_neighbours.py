"""Neighbours that are lost together, whatever of them the centre has: no case is offered, and no void had, that may be paid already."""

from protocol import records as r
from terminal.journal.view import View
from tests.terminal.journal.test_lost_outcome import A, _ended, _fine, _opened, _spoil
from tests.terminal.journal.test_lost_words import _begun, _void

PAYMENT = ("intent", "outcome", "receipt", "disposition", "closed")


async def _event(journal):
    return (await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"}))[r.SEQ]


def _acknowledged(journal):
    journal.hear(1790000000)
    journal.acknowledge(journal.head_seq, journal.head_hash)


async def _after(begun, lost):
    """The journal after a boot that finds these records lost, and a record behind them."""
    storage, element, journal = begun
    await _event(journal)
    for seq in lost:
        _spoil(storage, journal.record_at(seq)[1])
    journal = await _opened(storage, element)
    await journal.end_what_was_cut()
    return journal


async def _deferred(lost, acknowledged, result=False):
    """A deferred fine of which these records are lost, with what its bank said or without."""
    begun = await _begun()
    journal = begun[2]
    seqs = await _fine(journal, 1, r.OUTCOME_PROVISIONAL)
    if result:
        said = {r.CASE: 1, r.INTENT: seqs["intent"], r.AMOUNT: A, r.OUTCOME: r.OUTCOME_DECLINED}
        await journal.append(r.AUTHORISATION_RESULT, said)
    if acknowledged:
        _acknowledged(journal)
    return await _after(begun, [seqs[name] for name in lost])


async def test_a_case_whose_deferred_payment_the_centre_may_have_is_not_offered_and_somebody_is_told():
    journal = await _deferred(PAYMENT, True)
    assert journal.view.case is None and _ended(journal) == [] and journal.view.lost


async def test_a_case_whose_payment_has_a_result_is_not_offered():
    journal = await _deferred(PAYMENT, False, True)
    assert journal.view.case is None and _ended(journal) == [] and journal.view.lost


async def test_a_case_whose_payment_nobody_has_or_which_lost_one_record_is_offered_as_ever():
    journal = await _deferred(PAYMENT, False)
    assert journal.view.case.number == 1 and journal.view.lost  # it may have been deferred
    journal = await _deferred(("closed",), True)
    assert journal.view.case.outcome == r.OUTCOME_PROVISIONAL and not journal.view.lost


async def test_a_result_that_comes_before_its_case_is_closed_leaves_it_open():
    begun = await _begun()
    journal = begun[2]
    await journal.append(r.NOTICE, {r.CASE: 1, r.PV: "p", r.OFFENCE: "o", r.TARIFF: 1, r.AMOUNT: A, r.POINTS: 4})
    intent = (await journal.append(r.PAYMENT_INTENT, {r.CASE: 1, r.AMOUNT: A}))[r.SEQ]
    said = {r.CASE: 1, r.INTENT: intent, r.AMOUNT: A, r.OUTCOME: r.OUTCOME_PROVISIONAL}
    await journal.append(r.PAYMENT_OUTCOME, said)
    said[r.OUTCOME] = r.OUTCOME_APPROVED
    await journal.append(r.AUTHORISATION_RESULT, said)
    assert journal.view.case.number == 1


async def test_a_loss_that_goes_on_behind_what_the_centre_has_interrupts_nothing_that_it_has():
    begun = await _begun()
    journal = begun[2]
    seqs = await _fine(journal, 1, r.OUTCOME_PROVISIONAL)
    _acknowledged(journal)
    behind = await _event(journal)
    journal = await _after(begun, [seqs[name] for name in PAYMENT[1:]] + [behind])
    assert journal.view.case is None and _ended(journal) == [] and journal.view.lost


def test_nor_one_whose_notice_is_lost():
    for once, orphan in ((9, True), (10, False)):
        view = View()
        view.seq, view.once = 8, once
        view.apply({r.KIND: r.PAYMENT_INTENT, r.SEQ: 9, r.CASE: 1, r.AMOUNT: A})
        view.apply({r.KIND: r.HEALTH_EVENT, r.SEQ: 12})
        assert (view.orphan is not None) == orphan and view.lost != orphan


async def _paid_again(journal, outcome=r.OUTCOME_APPROVED):
    """A fine that was paid, voided and paid again; {name: seq}."""
    first = (await _fine(journal, 1))["intent"]
    seqs = {"first": first, "asked": await _void(journal, first, r.VOID_ASKED)}
    seqs["done"] = await _void(journal, first, r.VOID_DONE)
    seqs["again"] = (await journal.append(r.PAYMENT_INTENT, {r.CASE: 1, r.AMOUNT: A}))[r.SEQ]
    said = {r.CASE: 1, r.INTENT: seqs["again"], r.AMOUNT: A, r.OUTCOME: outcome}
    seqs["outcome"] = (await journal.append(r.PAYMENT_OUTCOME, said))[r.SEQ]
    closure = r.CLOSURE_PAID if outcome == r.OUTCOME_APPROVED else r.CLOSURE_PROVISIONAL
    seqs["closed"] = (await journal.append(r.CASE_CLOSED, {r.CASE: 1, r.CLOSURE: closure}))[r.SEQ]
    return seqs


async def test_a_void_is_over_when_another_outcome_or_closing_of_its_case_is_there():
    for names in (("done", "again"), ("done", "again", "outcome")):
        begun = await _begun()
        seqs = await _paid_again(begun[2])
        journal = await _after(begun, [seqs[name] for name in names])
        assert journal.view.voiding is None and journal.view.case is None, names


async def test_a_void_whose_case_may_be_paid_again_ends_and_opens_nothing():
    for outcome, acknowledged in ((r.OUTCOME_APPROVED, False), (r.OUTCOME_PROVISIONAL, True)):
        begun = await _begun()
        seqs = await _paid_again(begun[2], outcome)
        if acknowledged:
            _acknowledged(begun[2])
        journal = await _after(begun, [seqs[name] for name in ("done", "again", "outcome", "closed")])
        assert journal.view.voiding.intent == seqs["first"] and journal.view.lost
        await _void(journal, seqs["first"], r.VOID_DONE)
        assert journal.view.voiding is None and journal.view.case is None


async def test_the_payment_that_can_be_voided_is_the_case_s_last_one():
    for names, last in (
        (("asked", "done"), True),
        (("asked", "done", "again"), True),
        (("asked", "done", "again", "outcome"), False),
    ):
        begun = await _begun()
        seqs = await _paid_again(begun[2])
        _acknowledged(begun[2])
        journal = await _after(begun, [seqs[name] for name in names])
        paid = journal.view.paid
        assert journal.view.case is None and (paid.intent == seqs["again"] if last else paid is None), names


async def test_a_payment_that_a_later_one_follows_is_not_voided_in_its_place():
    begun = await _begun()
    await _fine(begun[2], 1)
    seqs = await _fine(begun[2], 2)
    journal = await _after(begun, [seqs[name] for name in seqs])
    assert journal.view.paid is None and journal.view.lost


async def test_a_second_payment_is_not_taken_for_the_first_one():
    begun = await _begun()
    journal = begun[2]
    first = await _fine(journal, 1)
    lost = [first["closed"], await _void(journal, first["intent"], r.VOID_ASKED)]
    lost.append(await _void(journal, first["intent"], r.VOID_DONE))
    again = (await journal.append(r.PAYMENT_INTENT, {r.CASE: 1, r.AMOUNT: A}))[r.SEQ]
    said = {r.CASE: 1, r.INTENT: again, r.AMOUNT: A, r.OUTCOME: r.OUTCOME_APPROVED}
    lost.append((await journal.append(r.PAYMENT_OUTCOME, said))[r.SEQ])
    lost.append((await journal.append(r.CASE_CLOSED, {r.CASE: 1, r.CLOSURE: r.CLOSURE_PAID}))[r.SEQ])
    _acknowledged(journal)
    journal = await _after(begun, lost)
    assert journal.view.case is None and _ended(journal) == [] and journal.view.lost
