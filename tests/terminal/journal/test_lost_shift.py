"""The record that opened a shift is lost: what follows it says that the shift is open, and what was taken in it counts."""

from protocol import records as r
from terminal.journal.view import View
from tests.terminal.journal.test_lost_outcome import A, _fine
from tests.terminal.journal.test_lost_words import _again, _begun


async def _second(fines=2):
    """A shift that was closed, and another with so many fines: (storage, element, journal, the numbers of its opening, of its log-in, of a fine)."""
    storage, element, journal = await _begun()
    await journal.append(r.LOGIN, {})
    await _fine(journal, 1)
    await journal.append(r.SHIFT_CLOSED, {r.SHIFT: 1, r.FIRST: 1, r.TOTALS: journal.view.totals})
    opened = (await journal.append(r.SHIFT_OPENED, {r.SHIFT: 2, r.WILAYA: 16}))[r.SEQ]
    login = (await journal.append(r.LOGIN, {}))[r.SEQ]
    for case in range(fines):
        seqs = await _fine(journal, case + 2)
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
    return storage, element, journal, opened, login, seqs if fines else {}


def _is_second(view, opened, count):
    assert (view.shift, view.shift_open, view.shift_first) == (2, True, opened)
    assert view.totals == {r.OUTCOME_APPROVED: [count, count * A]}


async def test_the_shift_is_open_with_its_own_number_and_totals():
    storage, element, journal, opened, _, _ = await _second()
    journal.hear(1790000000)
    journal.acknowledge(journal.head_seq, journal.head_hash)
    journal = await _again(storage, element, journal, [opened])
    _is_second(journal.view, opened, 2)
    await journal.append(r.LOGIN, {})
    await _fine(journal, 4)
    assert journal.view.paid.number == 4
    _is_second(journal.view, opened, 3)
    found = View()
    found.restore(journal.view.snapshot())
    _is_second(found, opened, 3)
    journal = await _again(storage, element, journal, ())
    _is_second(journal.view, opened, 3)


async def test_so_it_is_with_its_log_in_or_all_before_a_payment_lost_too():
    for names in ((), ("read",), ("read", "notice"), ("read", "notice", "intent")):
        storage, element, journal, opened, login, seqs = await _second(1)
        journal = await _again(storage, element, journal, [opened, login] + [seqs[name] for name in names])
        _is_second(journal.view, opened, 1)


async def test_of_a_first_shift_too():
    storage, element, journal = await _begun()
    await journal.append(r.LOGIN, {})
    await _fine(journal, 1)
    journal = await _again(storage, element, journal, [1])
    assert (journal.view.shift, journal.view.shift_open, journal.view.shift_first) == (1, True, 1)


async def test_a_shift_that_is_closed_stays_closed_whatever_is_lost_behind_it():
    storage, element, journal = await _begun()
    seqs = await _fine(journal, 1, r.OUTCOME_PROVISIONAL)
    await journal.append(r.SHIFT_CLOSED, {r.SHIFT: 1, r.FIRST: 1, r.TOTALS: {}})
    lost = (await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"}))[r.SEQ]
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
    journal = await _again(storage, element, journal, [seqs["outcome"], lost])
    assert not journal.view.shift_open and journal.view.shift == 1  # though a payment was called interrupted
    await journal.append(r.SHIFT_OPENED, {r.SHIFT: 2, r.WILAYA: 16})
    assert journal.view.shift_open and journal.view.shift == 2


async def test_a_closing_says_which_shift_it_was():
    storage, element, journal, opened, _, _ = await _second(0)
    await journal.append(r.SHIFT_CLOSED, {r.SHIFT: 2, r.FIRST: opened, r.TOTALS: {}})
    journal = await _again(storage, element, journal, [opened - 1, opened])
    assert journal.view.shift == 2 and not journal.view.shift_open
