"""A payment that a fork holds and the gap that its result is lost in: what is decided of the one, and of the other, agrees in the end."""

import pytest
from sqlalchemy import delete, update

from protocol import records as r
from protocol import sync as s
from server.ledger import recompute
from server.office import decisions
from server.store import tables as t
from server.store.engine import reading
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.verdicts import HELD, PAID, TWICE, A, Desk, fork, pay, said, settle


def _lost_result(centre: Centre, handheld: Handheld) -> tuple[int, int]:
    """(intent, first) of a deferred payment that was approved, and of the gap that is explained with its result."""
    intent = pay(centre, handheld, r.OUTCOME_PROVISIONAL)
    settle(centre)
    centre.hello(handheld)
    first = handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=1, amount=A, auth_code="123456")
    handheld.write(r.GAP, first=first, gap_last=first, gap_hash=handheld.hash(first))
    centre.hello(handheld)
    centre.say(handheld.batch(first + 1, gap=first))
    assert centre.books() == PAID
    return intent, first


def _came(centre: Centre, handheld: Handheld, intent: int) -> None:
    """The result comes as a record."""
    centre.hello(handheld)
    seq = handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=1, amount=A, auth_code="123456")
    assert s.REJECTED not in centre.send(handheld, seq)


def test_what_explained_a_gap_explains_it_again_when_it_stands(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent, _ = _lost_result(either, handheld)
    for what in ("another", "a third"):
        fork(either, handheld, intent, what)
        assert either.books() == HELD
        desk.both(intent, True)
        assert either.books() == PAID and either.ledger()["gaps"][0]["known"] == [intent]
    _came(either, handheld, intent)
    assert either.books() == {**PAID, **HELD}
    fork(either, handheld, intent, "a fourth")
    assert either.books() == HELD
    desk.both(intent, True)
    assert either.books() == {**PAID, **HELD}


def test_a_result_that_came_while_its_payment_was_held_is_decided_with_the_gap(
    either: Centre, handheld: Handheld
) -> None:
    desk = Desk(either)
    intent, first = _lost_result(either, handheld)
    fork(either, handheld, intent)
    _came(either, handheld, intent)
    assert f"which is part of a fork, has come: nothing is put back into the suspense of the gap from {first}" in said(
        either
    )
    desk.both(intent, True)
    assert either.books() == {**PAID, **HELD} and f"of the gap from {first}" in said(either)
    desk.gap(first, decisions.Finding(untaken=A))
    assert either.books() == PAID


def test_a_gap_that_was_decided_while_its_payment_was_held_is_named_and_can_be_undone(
    either: Centre, handheld: Handheld
) -> None:
    desk = Desk(either)
    intent, first = _lost_result(either, handheld)
    fork(either, handheld, intent)
    desk.gap(first, decisions.Finding(A, "CIB TEST"))
    assert either.books() == PAID
    desk.both(intent, True)
    assert either.books() == TWICE and f"what is decided of the gap from {first} may be it" in said(either)
    desk.gap(first, decisions.Finding(), undo=1)
    assert either.books() == PAID and either.ledger()["gaps"][0]["known"] == [intent]
    fork(either, handheld, intent, "a third")
    assert either.books() == HELD
    desk.both(intent, True)
    assert either.books() == PAID


def test_a_gap_that_was_decided_as_collected_while_its_payment_was_held_is_named_when_that_is_given_back(
    either: Centre, handheld: Handheld
) -> None:
    desk = Desk(either)
    intent, first = _lost_result(either, handheld)
    fork(either, handheld, intent)
    desk.gap(first, decisions.Finding(A, "CIB TEST"))
    desk.both(intent, False)
    assert settle(either) == [t.STEP_REVERSE] and either.books() == PAID
    assert f"is given back; what is decided of the gap from {first} may be it" in said(either)
    desk.gap(first, decisions.Finding(), undo=1)
    assert either.books() == HELD
    desk.gap(first, decisions.Finding(untaken=A))
    assert either.books() == {}


@pytest.mark.parametrize("found", [None, decisions.Finding(untaken=A)])
def test_a_gap_that_is_left_or_was_decided_as_nothing_is_no_clash_with_what_is_given_back(
    either: Centre, handheld: Handheld, found: decisions.Finding | None
) -> None:
    desk = Desk(either)
    intent, first = _lost_result(either, handheld)
    fork(either, handheld, intent)
    if found is not None:
        desk.gap(first, found)
    desk.both(intent, False)
    assert settle(either) == [t.STEP_REVERSE] and either.books() == ({} if found else HELD)
    assert "is given back" not in said(either)


def _lost_while_held(centre: Centre, handheld: Handheld) -> tuple[int, int]:
    """(intent, first) of a deferred payment that was approved, and of the gap of its result, which came while a fork held the payment."""
    intent = pay(centre, handheld, r.OUTCOME_PROVISIONAL)
    settle(centre)
    centre.hello(handheld)
    fork(centre, handheld, intent)
    first = handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=1, amount=A, auth_code="123456")
    handheld.write(r.GAP, first=first, gap_last=first, gap_hash=handheld.hash(first))
    centre.hello(handheld)
    centre.say(handheld.batch(first + 1, gap=first))
    assert centre.books() == HELD
    return intent, first


@pytest.mark.parametrize("stands", [True, False])
def test_a_gap_that_came_and_was_decided_while_its_payment_was_held_is_named_too(
    either: Centre, handheld: Handheld, stands: bool
) -> None:
    desk = Desk(either)
    intent, first = _lost_while_held(either, handheld)
    desk.gap(first, decisions.Finding(A, "CIB TEST"))
    desk.both(intent, stands)
    settle(either)
    word = "stands" if stands else "is given back"
    assert f"{word}; what is decided of the gap from {first} may be it: if it is" in said(either)
    assert either.books() == (TWICE if stands else PAID)
    desk.gap(first, decisions.Finding(), undo=1)
    assert either.books() == (PAID if stands else HELD)


@pytest.mark.parametrize("found", [None, decisions.Finding(untaken=A)])
def test_a_gap_that_came_while_its_payment_was_held_is_no_clash_unless_it_was_decided_as_collected(
    either: Centre, handheld: Handheld, found: decisions.Finding | None
) -> None:
    desk = Desk(either)
    intent, first = _lost_while_held(either, handheld)
    if found is not None:
        desk.gap(first, found)
    desk.both(intent, True)
    assert either.books() == PAID and "of a fork stands" not in said(either)


def test_a_gap_that_came_while_the_payment_was_held_is_explained_with_it(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent, _ = _lost_while_held(either, handheld)
    desk.both(intent, True)
    assert either.books() == PAID and either.ledger()["gaps"][0]["known"] == [intent]


def test_the_recomputation_sees_a_verdict_that_is_not_posted(centre: Centre, handheld: Handheld) -> None:
    desk = Desk(centre)
    intent = pay(centre, handheld)
    fork(centre, handheld, intent)
    desk.both(intent, True)
    with centre.engine.begin() as connection:
        for table in (t.legs, t.postings):
            connection.execute(delete(table).where(table.c.part >= t.PART_VERDICT))
    with reading(centre.engine) as connection:
        assert len(recompute.differences(connection)) == 2


def test_the_recomputation_sees_a_payment_that_stands_against_more_than_was_signed(
    centre: Centre, handheld: Handheld
) -> None:
    desk = Desk(centre)
    intent = pay(centre, handheld)
    fork(centre, handheld, intent)
    desk.both(intent, True)
    with centre.engine.begin() as connection:
        connection.execute(update(t.verdicts).values(state=t.DECISION_WITHDRAWN))
    with reading(centre.engine) as connection:
        assert len(recompute.differences(connection)) == 2
