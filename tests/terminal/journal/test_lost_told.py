"""Until when a loss is told (`View.lost`): a log-in says that somebody was, if the loss was known by then."""

from protocol import records as r
from terminal.journal.view import View
from tests.terminal.journal.test_lost_outcome import A, _fine, _opened, _spoil
from tests.terminal.journal.test_lost_words import _begun, _void


async def _behind(begun, count):
    """The journal after a boot that finds so many events lost, all of them the centre's, with a log-in of before behind them."""
    storage, element, journal = begun
    lost = []
    for _ in range(count):
        lost.append((await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"}))[r.SEQ])
    await journal.append(r.LOGIN, {})
    await journal.append(r.HEALTH_EVENT, {r.HEALTH: "x"})
    journal.hear(1790000000)
    journal.acknowledge(journal.head_seq, journal.head_hash)
    for seq in lost:
        _spoil(storage, journal.record_at(seq)[1])
    return await _opened(storage, element)


async def _told_once(storage, element, journal):
    """It is told, over boots, until the next log-in and no longer."""
    assert journal.view.lost
    journal = await _opened(storage, element)
    assert journal.view.lost
    await journal.append(r.LOGIN, {})
    assert not journal.view.lost
    journal = await _opened(storage, element)
    assert not journal.view.lost


async def test_a_log_in_of_before_the_loss_was_found_says_nothing_of_it():
    begun = await _begun()
    await begun[2].append(r.NOTICE, {r.CASE: 1, r.PV: "p", r.OFFENCE: "o", r.TARIFF: 1, r.AMOUNT: A, r.POINTS: 4})
    journal = await _behind(begun, 2)
    assert journal.view.case is None
    await _told_once(begun[0], begun[1], journal)


async def test_nor_of_a_void_that_may_be_over():
    begun = await _begun()
    intent = (await _fine(begun[2], 1))["intent"]
    await _void(begun[2], intent, r.VOID_ASKED)
    journal = await _behind(begun, 3)
    await _told_once(begun[0], begun[1], journal)


def test_each_loss_is_known_by_its_own_gap_record():
    view = View()
    hole = {r.KIND: r.GAP, r.FIRST: 9, r.GAP_LAST: 9, r.GAP_COUNT: 1}
    view.untold = {2: 3}  # found at a later boot than the other
    for seq, record in ((10, hole), (11, {r.KIND: r.LOGIN, r.OFFICER: 1})):
        record[r.SEQ] = view.seq = seq
        view.apply(record)
    assert view.lost and view.untold == {2: 3}
    hole[r.FIRST], hole[r.GAP_LAST], hole[r.GAP_COUNT] = 2, 3, 0
    for seq, record in ((12, hole), (13, {r.KIND: r.LOGIN, r.OFFICER: 1})):
        record[r.SEQ] = view.seq = seq
        view.apply(record)
    assert not view.lost


def test_a_gap_record_that_does_not_know_the_money_is_told():
    view = View()
    view.apply({r.KIND: r.GAP, r.SEQ: 1, r.FIRST: 1, r.GAP_LAST: 1})
    assert view.lost
    view.apply({r.KIND: r.LOGIN, r.SEQ: 2, r.OFFICER: 1})
    assert not view.lost
