"""What is lost between a payment and the centre's words: nobody pays again for what the centre has, no void is forgotten or had twice."""

from protocol import records as r
from terminal.journal.chain import Losses
from terminal.journal.recovery import _due
from terminal.journal.view import View
from tests.support.parts import CountingElement, MemoryStorage
from tests.terminal.journal.test_lost_outcome import A, _ended, _fine, _opened, _spoil

BEHIND = ("outcome", "receipt", "disposition", "closed")


async def _begun():
    storage, element = MemoryStorage(), CountingElement()
    journal = await _opened(storage, element)
    await journal.append(r.SHIFT_OPENED, {r.SHIFT: 1, r.WILAYA: 16})
    return storage, element, journal


async def _again(storage, element, journal, lost):
    """The journal after a boot that finds these records lost."""
    for seq in lost:
        _spoil(storage, journal.record_at(seq)[1])
    journal = await _opened(storage, element)
    await journal.end_what_was_cut()
    return journal


async def test_a_deferred_payment_whose_outcome_the_centre_has_is_not_interrupted():
    storage, element, journal = await _begun()
    seqs = await _fine(journal, 1, r.OUTCOME_PROVISIONAL)
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
    journal.hear(1790000000)
    journal.acknowledge(journal.head_seq, journal.head_hash)
    journal = await _again(storage, element, journal, [seqs[name] for name in BEHIND])
    assert _ended(journal) == [] and journal.view.case is None


async def test_one_of_which_the_result_is_there_is_not_interrupted():
    storage, element, journal = await _begun()
    seqs = await _fine(journal, 1, r.OUTCOME_PROVISIONAL)
    result = {r.CASE: 1, r.INTENT: seqs["intent"], r.AMOUNT: A, r.OUTCOME: r.OUTCOME_APPROVED}
    await journal.append(r.AUTHORISATION_RESULT, result)
    journal = await _again(storage, element, journal, [seqs[name] for name in BEHIND])
    view = journal.view
    assert _ended(journal) == [] and view.case is None and sorted(view.releases) == [seqs["intent"]]


async def test_one_of_which_nobody_knows_is_interrupted():
    storage, element, journal = await _begun()
    seqs = await _fine(journal, 1, r.OUTCOME_PROVISIONAL)
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
    journal = await _again(storage, element, journal, [seqs[name] for name in BEHIND])
    assert _ended(journal) == ["power"] and journal.view.case is not None


async def _void(journal, intent, state):
    body = {r.CASE: 1, r.INTENT: intent, r.AMOUNT: A, r.VOID_STATE: state}
    if state == r.VOID_ASKED:
        body[r.CARD_TOKEN], body[r.SECOND_OFFICER] = bytes(8), 2
    return (await journal.append(r.VOID, body))[r.SEQ]


async def test_a_void_whose_end_is_lost_is_over_when_its_case_was_paid_again():
    storage, element, journal = await _begun()
    first = (await _fine(journal, 1))["intent"]
    await _void(journal, first, r.VOID_ASKED)
    done = await _void(journal, first, r.VOID_DONE)
    again = (await journal.append(r.PAYMENT_INTENT, {r.CASE: 1, r.AMOUNT: A}))[r.SEQ]
    await journal.append(r.PAYMENT_OUTCOME, {r.CASE: 1, r.INTENT: again, r.AMOUNT: A, r.OUTCOME: r.OUTCOME_APPROVED})
    await journal.append(r.CASE_CLOSED, {r.CASE: 1, r.CLOSURE: r.CLOSURE_PAID})
    assert journal.view.paid.intent == again
    journal = await _again(storage, element, journal, [done])
    assert journal.view.voiding is None and journal.view.case is None and not journal.view.waits()


async def test_a_payment_whose_void_is_lost_and_done_is_not_voided_again():
    storage, element, journal = await _begun()
    intent = (await _fine(journal, 1))["intent"]
    asked = await _void(journal, intent, r.VOID_ASKED)
    await _void(journal, intent, r.VOID_DONE)
    await journal.append(r.CASE_CLOSED, {r.CASE: 1, r.CLOSURE: r.CLOSURE_UNPAID})
    journal = await _again(storage, element, journal, [asked])
    assert journal.view.paid is None


async def test_the_end_of_a_void_whose_asking_is_lost_is_taken_as_if_it_were_there():
    """Done, the case is open again; refused, the licence goes back: nobody else would tell."""
    for state in (r.VOID_DONE, r.VOID_REFUSED):
        for acknowledged in (True, False):
            storage, element, journal = await _begun()
            intent = (await _fine(journal, 1))["intent"]
            asked = await _void(journal, intent, r.VOID_ASKED)
            await _void(journal, intent, state)
            if acknowledged:
                journal.hear(1790000000)
                journal.acknowledge(journal.head_seq, journal.head_hash)
            journal = await _again(storage, element, journal, [asked])
            view = journal.view
            assert view.last is None and view.voiding is None
            if state == r.VOID_DONE:
                assert view.case.number == 1 and not view.case.outcome and view.case.void and not view.releases
            else:
                assert view.case is None and sorted(view.releases) == [intent]


async def test_a_loss_over_the_beginning_of_the_newest_segment_is_one_gap():
    storage, element, journal = await _begun()
    for number in range(12):
        if number == 6:
            journal._shelf.fresh = True
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "n%d" % number})
    middle = journal._shelf.segments[-1][1]
    journal = await _again(storage, element, journal, range(middle - 2, middle + 2))
    assert journal.view.gaps == {middle - 2: middle + 1}
    head = journal.head_seq
    assert (await _opened(storage, element)).head_seq == head


def _joined(before, after):
    first, losses = Losses(), Losses()
    first.gaps, losses.gaps = [dict(gap) for gap in before], [dict(gap) for gap in after]
    _due(first, losses, 0)
    assert losses.due == losses.gaps
    return losses.gaps


def test_two_gaps_that_adjoin_are_one_with_the_sums_of_both():
    one = {r.FIRST: 3, r.GAP_LAST: 5, r.GAP_HASH: b"a", r.GAP_COUNT: 1, r.GAP_TOTAL: 5}
    two = {r.FIRST: 6, r.GAP_LAST: 9, r.GAP_HASH: b"b", r.GAP_COUNT: 2, r.GAP_TOTAL: 7}
    both = {r.FIRST: 3, r.GAP_LAST: 9, r.GAP_HASH: b"b", r.GAP_COUNT: 3, r.GAP_TOTAL: 12}
    assert _joined([one], [two]) == [both] and _joined([], [two]) == [two]
    less = {r.FIRST: 3, r.GAP_LAST: 5, r.GAP_HASH: b"a"}
    assert _joined([less], [two]) == [{r.FIRST: 3, r.GAP_LAST: 9, r.GAP_HASH: b"b"}]
    two[r.FIRST] = 7
    assert _joined([one], [two]) == [one, two]


async def test_a_payment_behind_which_records_are_lost_is_not_voided_again():
    """Void asked and done, or asked alone, or closed and asked; acknowledged or not: the centre may have it, and says *refused* to a second one."""
    for spoilt in (("closed", "asked"), ("asked", "done"), ("asked",), ("asked", "done", "again", "declined")):
        for acknowledged in (True, False):
            storage, element, journal = await _begun()
            seqs = await _fine(journal, 1)
            intent = seqs["intent"]
            seqs["asked"] = await _void(journal, intent, r.VOID_ASKED)
            if "done" in spoilt:
                seqs["done"] = await _void(journal, intent, r.VOID_DONE)
            if "again" in spoilt:
                seqs["again"] = (await journal.append(r.PAYMENT_INTENT, {r.CASE: 1, r.AMOUNT: A}))[r.SEQ]
                body = {r.CASE: 1, r.INTENT: seqs["again"], r.AMOUNT: A, r.OUTCOME: r.OUTCOME_DECLINED}
                seqs["declined"] = (await journal.append(r.PAYMENT_OUTCOME, body))[r.SEQ]
            await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
            if acknowledged:
                journal.hear(1790000000)
                journal.acknowledge(journal.head_seq, journal.head_hash)
            journal = await _again(storage, element, journal, [seqs[name] for name in spoilt])
            if journal.view.case is not None:  # its closing is lost: it is closed anew
                await journal.append(r.CASE_CLOSED, {r.CASE: 1, r.CLOSURE: r.CLOSURE_PAID})
            assert journal.view.paid is None and journal.view.last.intent == intent
            found = View()
            found.restore(journal.view.snapshot())
            assert found.paid is None


async def test_one_whose_void_was_asked_behind_a_loss_that_the_centre_closed_over_is_open_again_after_a_boot():
    storage, element, journal = await _begun()
    intent = (await _fine(journal, 1))["intent"]
    lost = []
    for _ in range(3):
        lost.append((await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"}))[r.SEQ])
    assert journal.view.paid.intent == intent
    journal = await _again(storage, element, journal, lost[:2])
    assert journal.view.paid is None and journal.view.last.intent == intent
    await _void(journal, intent, r.VOID_ASKED)
    await _void(journal, intent, r.VOID_DONE)
    journal.hear(1790000000)
    journal.acknowledge(journal.head_seq, journal.head_hash)
    assert journal.view.case.number == 1
    journal = await _again(storage, element, journal, ())
    assert journal.view.case.number == 1


async def test_no_payment_of_the_shift_before_is_voided_whose_closing_is_lost():
    storage, element, journal = await _begun()
    await _fine(journal, 1)
    closed = (await journal.append(r.SHIFT_CLOSED, {r.SHIFT: 1, r.FIRST: 1, r.TOTALS: {}}))[r.SEQ]
    await journal.append(r.SHIFT_OPENED, {r.SHIFT: 2, r.WILAYA: 16})
    journal = await _again(storage, element, journal, [closed])
    assert journal.view.shift == 2 and journal.view.paid is None
