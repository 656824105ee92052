"""A shift begins directly behind the closing before it: what an issuer says between two of them is in the second, whatever is lost."""

from protocol import cbor
from protocol import records as r
from terminal.journal.view import View
from tests.terminal.journal.test_lost_outcome import A, _fine
from tests.terminal.journal.test_lost_words import _again, _begun

LATE = r.LATE + r.OUTCOME_APPROVED


async def _closed():
    """A shift with a deferred payment, closed, whose result comes then: (storage, element, journal, numbers of the closing and the result)."""
    storage, element, journal = await _begun()
    await journal.append(r.LOGIN, {})
    seqs = await _fine(journal, 1, r.OUTCOME_PROVISIONAL)
    body = {r.SHIFT: 1, r.FIRST: journal.view.shift_first, r.TOTALS: journal.view.totals}
    closing = (await journal.append(r.SHIFT_CLOSED, body))[r.SEQ]
    result = {r.CASE: 1, r.INTENT: seqs["intent"], r.AMOUNT: A, r.OUTCOME: r.OUTCOME_APPROVED}
    result = (await journal.append(r.AUTHORISATION_RESULT, result))[r.SEQ]
    return storage, element, journal, closing, result


async def _open(journal):
    opened = (await journal.append(r.SHIFT_OPENED, {r.SHIFT: journal.view.shift + 1, r.WILAYA: 16}))[r.SEQ]
    await journal.append(r.LOGIN, {})
    return opened


def _is(view, first, totals, open_=True):
    assert (view.shift_open, view.shift_first, view.totals) == (open_, first, totals)


async def test_a_result_between_two_shifts_is_in_the_second_after_a_boot_too():
    storage, element, journal, closing, _ = await _closed()
    assert cbor.decode(journal.record_at(closing)[1])[r.FIRST] == 1
    _is(journal.view, closing + 1, {LATE: [1, A]}, False)
    journal = await _again(storage, element, journal, ())
    _is(journal.view, closing + 1, {LATE: [1, A]}, False)
    await _open(journal)
    await _fine(journal, 2)
    right = {LATE: [1, A], r.OUTCOME_APPROVED: [1, A]}
    _is(journal.view, closing + 1, right)
    found = View()
    found.restore(cbor.decode(cbor.encode(journal.view.snapshot())))
    _is(found, closing + 1, right)


async def test_a_lost_opening_leaves_its_beginning_where_it_is():
    storage, element, journal, closing, _ = await _closed()
    opened = await _open(journal)
    await _fine(journal, 2)
    journal = await _again(storage, element, journal, [opened])
    _is(journal.view, closing + 1, {LATE: [1, A], r.OUTCOME_APPROVED: [1, A]})
    assert journal.view.shift == 2


async def test_an_opening_that_was_taken_for_lost_and_comes_after_all_empties_nothing():
    storage, element, journal, closing, result = await _closed()
    told = {r.CASE: 1, r.DISPOSITION: r.DISPOSITION_RELEASE_GRANTED}
    lost = (await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"}))[r.SEQ]
    await journal.append(r.LICENCE_DISPOSITION, told)  # told behind the closing
    await _open(journal)
    journal = await _again(storage, element, journal, [lost])
    _is(journal.view, closing + 1, {LATE: [1, A]})


async def test_where_the_closing_is_lost_and_the_opening_is_not_a_shift_begins_with_that():
    storage, element, journal, closing, _ = await _closed()
    opened = await _open(journal)
    await _fine(journal, 2)
    journal = await _again(storage, element, journal, [closing])
    _is(journal.view, opened, {r.OUTCOME_APPROVED: [1, A]})


def _result(seq):
    return {r.KIND: r.AUTHORISATION_RESULT, r.SEQ: seq, r.CASE: 1, r.INTENT: 5, r.AMOUNT: A, r.OUTCOME: 1, r.UTC: 1}


def test_the_first_shift_of_an_epoch_begins_with_it():
    for first_that_is_read in (41, 43):
        view = View()
        view.seq = 40
        view.apply({r.KIND: r.HEALTH_EVENT, r.SEQ: first_that_is_read, r.UTC: 1})
        view.apply({r.KIND: r.SHIFT_OPENED, r.SEQ: first_that_is_read + 1, r.SHIFT: 1, r.UTC: 1})
        _is(view, 41, {})


def test_a_head_of_earlier_code_keeps_an_open_shift_and_nothing_of_a_closed_one():
    for open_, begun, first in ((True, 3, 3), (False, 3, 21), (False, -19, 19), (False, 0, 21)):
        view = View()
        view.shift, view.shift_open, view.shift_first, view.totals = 1, open_, begun, {1: [2, 2 * A]}
        kept = view.snapshot()
        del kept[16]
        view = View()
        view.restore(cbor.decode(cbor.encode(kept)))
        view.seq = 20  # as the head says
        view.apply(_result(21))
        if not open_:
            view.apply({r.KIND: r.SHIFT_OPENED, r.SEQ: 22, r.SHIFT: 2, r.UTC: 1})
        right = {LATE: [1, A]}
        if open_:
            right[1] = [2, 2 * A]
        _is(view, first, right)
