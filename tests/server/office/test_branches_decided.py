"""A gap was decided as collected while a fork held a payment that may be it: what becomes of the payment names that decision, and no other one."""

import pytest

from protocol import records as r
from protocol import sync as s
from server.office.decisions import Finding
from server.store import tables as t
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.office.test_branches_known import _came, _lost_result, _lost_while_held
from tests.server.verdicts import HELD, PAID, TWICE, A, B, Desk, fork, pay, said, settle

ONE = Finding(A, "CIB TEST", payments=1)
WORDS = {True: "stands", False: "is given back"}


def _told(centre: Centre, handheld: Handheld) -> int:
    """The intent of a deferred payment that was approved and told, and that a fork holds."""
    intent = pay(centre, handheld, r.OUTCOME_PROVISIONAL)
    settle(centre)
    centre.hello(handheld)
    fork(centre, handheld, intent)
    return intent


def _write(handheld: Handheld, intent: int) -> int:
    return handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=1, amount=A, auth_code="123456")


def _lose(centre: Centre, handheld: Handheld, *amounts: int, result: int = 0) -> int:
    """The first of lost records: the `result` of a payment, and approved payments of these amounts."""
    first = len(handheld.records) + 1
    if result:
        _write(handheld, result)
    for amount in amounts:
        handheld.pay(r.OUTCOME_APPROVED, amount, b"sealed")
    last = len(handheld.records)
    handheld.write(r.GAP, first=first, gap_last=last, gap_hash=handheld.hash(last))
    centre.hello(handheld)
    assert s.REJECTED not in centre.say(handheld.batch(last + 1, gap=first))[1]
    return first


def _asks(centre: Centre, intent: int, stands: bool, first: int) -> bool:
    """Whether one alarm asks to look at what is decided of that gap, and none at that of another."""
    what = f"payment {intent} of a fork {WORDS[stands]}; what is decided of the gap from {first} may be it: if it is, have that decision undone"
    return said(centre).count(what) == 1 == said(centre).count("have that decision undone")


@pytest.mark.parametrize("stands", [True, False])
def test_a_decided_gap_is_named_though_the_lost_result_was_told_and_written_again(
    either: Centre, handheld: Handheld, stands: bool
) -> None:
    desk = Desk(either)
    intent, first = _lost_while_held(either, handheld)
    assert either.hello(handheld)[s.RESULTS]
    _came(either, handheld, intent)
    desk.gap(first, ONE)
    assert either.books() == PAID and "have that decision undone" not in said(either)
    desk.both(intent, stands)
    settle(either)
    assert either.books() == (TWICE if stands else PAID) and _asks(either, intent, stands, first)
    desk.gap(first, Finding(), undo=1)
    assert either.books() == ({**PAID, **HELD} if stands else HELD)


@pytest.mark.parametrize("stands", [True, False])
def test_a_decided_gap_is_named_though_its_result_had_come_before_the_fork(
    either: Centre, handheld: Handheld, stands: bool
) -> None:
    desk = Desk(either)
    intent, first = _lost_result(either, handheld)
    _came(either, handheld, intent)
    fork(either, handheld, intent)
    desk.gap(first, ONE)
    desk.both(intent, stands)
    settle(either)
    assert either.books() == (TWICE if stands else PAID) and _asks(either, intent, stands, first)


@pytest.mark.parametrize("stands", [True, False])
def test_a_gap_whose_records_were_lost_after_the_result_had_come_is_not_named(
    either: Centre, handheld: Handheld, stands: bool
) -> None:
    desk = Desk(either)
    intent = _told(either, handheld)
    assert s.REJECTED not in either.send(handheld, _write(handheld, intent))
    desk.gap(_lose(either, handheld, A), ONE)
    desk.both(intent, stands)
    assert "have that decision undone" not in said(either)


@pytest.mark.parametrize("explained", [False, True])
def test_what_stands_names_its_decided_gap_though_another_one_is_explained_with_it(
    either: Centre, handheld: Handheld, explained: bool
) -> None:
    """The second gap holds a payment that was never captured: once the decision is undone, money is in suspense for it."""
    desk = Desk(either)
    if explained:
        intent, first = _lost_result(either, handheld)
        fork(either, handheld, intent)
    else:
        intent, first = _lost_while_held(either, handheld)
    desk.gap(first, ONE)
    _lose(either, handheld, A)
    desk.both(intent, True)
    assert either.books() == TWICE and _asks(either, intent, True, first)
    assert f"known of the gap from {first}" not in said(either)
    desk.gap(first, Finding(), undo=1)
    assert either.books() == {**PAID, **HELD}


@pytest.mark.parametrize("explained", [False, True])
@pytest.mark.parametrize("stands", [True, False])
def test_a_gap_of_which_a_part_was_decided_is_named_though_the_rest_fits_too(
    either: Centre, handheld: Handheld, stands: bool, explained: bool
) -> None:
    desk = Desk(either)
    if explained:
        intent = pay(either, handheld, r.OUTCOME_PROVISIONAL)
        settle(either)
        either.hello(handheld)
        first = _lose(either, handheld, A, result=intent)
        assert either.ledger()["gaps"][0]["known"] == [intent]
        fork(either, handheld, intent)
    else:
        intent = _told(either, handheld)
        first = _lose(either, handheld, A, result=intent)
    desk.gap(first, ONE)
    desk.both(intent, stands)
    settle(either)
    assert either.books() == (TWICE if stands else {**PAID, **HELD}) and _asks(either, intent, stands, first)


@pytest.mark.parametrize("stands", [True, False])
def test_a_part_of_a_gap_that_cannot_be_the_payment_is_not_named(
    either: Centre, handheld: Handheld, stands: bool
) -> None:
    desk = Desk(either)
    intent = _told(either, handheld)
    desk.gap(_lose(either, handheld, B, result=intent), Finding(B, "CIB TEST", payments=1))
    desk.both(intent, stands)
    assert "have that decision undone" not in said(either)


@pytest.mark.parametrize("stands", [True, False])
def test_another_gap_is_not_named_while_the_explained_one_holds_the_payments_money(
    either: Centre, handheld: Handheld, stands: bool
) -> None:
    desk = Desk(either)
    intent, first = _lost_result(either, handheld)
    other = _lose(either, handheld, A)
    fork(either, handheld, intent)
    desk.gap(other, ONE)
    desk.both(intent, stands)
    settle(either)
    assert either.books() == (TWICE if stands else {**PAID, **HELD}) and "have that decision undone" not in said(either)
    assert first in {gap["first"] for gap in either.ledger()["gaps"]}


@pytest.mark.parametrize("stands", [True, False])
def test_what_was_decided_while_the_payment_was_in_the_books_is_not_named(
    either: Centre, handheld: Handheld, stands: bool
) -> None:
    desk = Desk(either)
    intent = pay(either, handheld, r.OUTCOME_PROVISIONAL)
    settle(either)
    either.hello(handheld)
    desk.gap(_lose(either, handheld, A, result=intent), ONE)
    either.now += 1
    fork(either, handheld, intent)
    desk.both(intent, stands)
    assert "have that decision undone" not in said(either)


def test_a_decision_that_was_undone_is_not_named(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent, first = _lost_while_held(either, handheld)
    desk.gap(first, ONE)
    desk.gap(first, Finding(), undo=1)
    desk.gap(first, Finding(untaken=A))
    desk.both(intent, False)
    assert settle(either) == [t.STEP_REVERSE] and either.books() == {} and "undone" not in said(either)


def test_every_gap_that_may_be_it_is_named(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent, first = _lost_while_held(either, handheld)
    second = _lose(either, handheld, A)
    for gap in (first, second):
        desk.gap(gap, ONE)
    desk.both(intent, False)
    assert said(either).count("have that decision undone") == 2
    assert all(f"what is decided of the gap from {gap} may be it" in said(either) for gap in (first, second))


@pytest.mark.parametrize("written", ["lost", "twice"])
def test_a_gap_that_is_decided_after_its_payment_was_given_back_is_named(
    either: Centre, handheld: Handheld, written: str
) -> None:
    desk = Desk(either)
    intent = _told(either, handheld)
    first = _lose(either, handheld, result=intent)
    if written == "twice":
        _came(either, handheld, intent)
    desk.both(intent, False)
    assert settle(either) == [t.STEP_REVERSE] and "have that decision undone" not in said(either)
    desk.gap(first, ONE)
    assert either.books() == PAID and _asks(either, intent, False, first)
    desk.gap(first, Finding(), undo=1)
    assert either.books() == HELD and _asks(either, intent, False, first)


def test_a_gap_that_holds_another_amount_is_not_named_when_it_is_decided(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent = _told(either, handheld)
    first = _lose(either, handheld, B)
    desk.both(intent, False)
    desk.gap(first, Finding(B, "CIB TEST", payments=1))
    assert "have that decision undone" not in said(either)
