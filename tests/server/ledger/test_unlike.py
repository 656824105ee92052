"""A payment of another amount than its notice's has an alarm, stays in the books, and does not pay its case."""

import pytest
from sqlalchemy import update

from protocol import records as r
from protocol import sync as s
from server import codes
from server.store import tables as t
from tests.server.acquirer.test_voids import ended, void
from tests.server.centre import Centre
from tests.server.handheld import Handheld

A = 200_000
LESS = 100


def _pay(handheld: Handheld, case: int, amount: int, outcome: int = r.OUTCOME_APPROVED) -> int:
    intent = handheld.write(r.PAYMENT_INTENT, case=case, amount=amount)
    handheld.finish(intent, outcome, amount)
    return intent


def _states(centre: Centre) -> list[str]:
    return [row["state"] for row in centre.ledger()["cases"]]


@pytest.mark.parametrize("outcome", [r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL])
@pytest.mark.parametrize("apart", [0, 1, 2])
@pytest.mark.parametrize("amount", [LESS, A + LESS])
def test_a_fine_paid_with_another_amount_is_not_paid(
    either: Centre, handheld: Handheld, outcome: int, apart: int, amount: int
) -> None:
    """Whether notice, intent and outcome come in one batch or in two."""
    either.hello(handheld)
    case = handheld.notice(A)
    intent = _pay(handheld, case, amount, outcome)
    if apart:
        either.send(handheld, 1, apart)
    either.send(handheld, apart + 1)
    either.send(handheld)
    (alarm,) = [line["what"] for line in either.ledger()["alarms"] if line["code"] == codes.PAID_OTHERWISE]
    assert alarm.startswith(f"payment {intent} of case {case} is of {amount} centimes, its notice of {A}")
    assert _states(either) == ["unlike"]
    found = either.ledger()
    assert found["owed"] == {"count": 1, "amount": A}
    assert found["balanced"]
    assert sorted(found["accounts"].values()) == [-amount, amount]  # it was taken
    if outcome == r.OUTCOME_PROVISIONAL:
        (request,) = either.claim()
        assert either.answer(request, "00")
        assert _states(either) == ["unlike"]
    assert either.alarms().count(codes.PAID_OTHERWISE) == 1


def test_a_declined_payment_of_another_amount_takes_nothing(either: Centre, handheld: Handheld) -> None:
    either.hello(handheld)
    _pay(handheld, handheld.notice(A), LESS, r.OUTCOME_DECLINED)
    either.send(handheld)
    assert codes.PAID_OTHERWISE not in either.alarms()
    assert _states(either) == ["declined"]


def test_a_case_paid_in_full_beside_is_paid(either: Centre, handheld: Handheld) -> None:
    either.hello(handheld)
    case = handheld.notice(A)
    _pay(handheld, case, LESS)
    _pay(handheld, case, A)
    either.send(handheld)
    assert either.alarms().count(codes.PAID_OTHERWISE) == 1
    assert _states(either) == ["paid"]


def test_a_case_whose_report_was_taken_back_still_shows_what_stands(either: Centre, handheld: Handheld) -> None:
    either.hello(handheld)
    case = handheld.notice(A)
    _pay(handheld, case, LESS)
    handheld.write(r.CASE_CLOSED, case=case, closure=r.CLOSURE_ABANDONED, reason=1)
    either.send(handheld)
    assert _states(either) == ["unlike"]


def test_a_notice_that_is_lost_says_nothing(either: Centre, handheld: Handheld) -> None:
    either.hello(handheld)
    case = handheld.notice(A)
    _pay(handheld, case, LESS)
    handheld.write(r.GAP, first=1, gap_last=1, gap_hash=handheld.hash(1))
    either.say(handheld.batch(2, gap=1))
    assert codes.PAID_OTHERWISE not in either.alarms()


def test_what_is_paid_again_after_a_void_is_held_against_its_notice(either: Centre, handheld: Handheld) -> None:
    either.hello(handheld)
    case = handheld.notice(A)
    first = _pay(handheld, case, A)
    void(handheld, first)
    either.send(handheld)
    for request in either.claim():
        assert either.answer(request, "00")
    sent = len(handheld.records)
    ended(handheld, first, r.VOID_DONE)
    _pay(handheld, case, A)
    either.send(handheld, sent + 1)
    assert codes.PAID_OTHERWISE not in either.alarms()
    assert _states(either) == ["paid"]


def test_a_payment_of_an_epoch_that_is_over_is_held_against_the_notice_of_that_epoch(
    either: Centre, handheld: Handheld
) -> None:
    """A case of the new epoch may have the same number."""
    either.hello(handheld)
    case = handheld.notice(A)
    intent = handheld.write(r.PAYMENT_INTENT, case=case, amount=A)
    either.send(handheld)
    with either.engine.begin() as connection:
        connection.execute(update(t.heads).values(epoch=2))
    handheld.epoch, handheld.cases = 2, 0
    either.hello(handheld)
    sent = len(handheld.records)
    handheld.notice(LESS)
    handheld.finish(intent, r.OUTCOME_APPROVED, A)
    either.send(handheld, sent + 1)
    assert codes.PAID_OTHERWISE not in either.alarms()
    assert sorted(_states(either)) == ["paid", "unpaid"]


def test_a_payment_without_a_notice_is_posted_and_named_once(either: Centre, handheld: Handheld) -> None:
    either.hello(handheld)
    _pay(handheld, handheld.notice(A), A)
    intent = _pay(handheld, 7, A)
    either.send(handheld)
    either.send(handheld)
    (alarm,) = [line["what"] for line in either.ledger()["alarms"] if line["code"] == codes.PAID_UNASKED]
    assert alarm.startswith(f"payment {intent}, {A} centimes, is of case 7")
    assert sorted(either.ledger()["accounts"].values()) == [-2 * A, 2 * A]
    assert _states(either) == ["paid"]


def test_nothing_is_said_of_a_payment_whose_notice_may_be_lost(either: Centre, handheld: Handheld) -> None:
    either.hello(handheld)
    handheld.write(r.HEALTH_EVENT, health="battery")
    case = handheld.notice(A)
    _pay(handheld, case, A)
    either.send(handheld, 1, 1)
    kind, ack = either.say(handheld.batch(3, gap=2))
    assert kind == s.TYPE_ACK and s.REJECTED not in ack and sorted(either.books().values()) == [-A, A]
    assert not {codes.PAID_UNASKED, codes.PAID_OTHERWISE} & set(either.alarms())


def test_a_notice_that_came_before_is_found(either: Centre, handheld: Handheld) -> None:
    either.hello(handheld)
    case = handheld.notice(A)
    either.send(handheld)
    _pay(handheld, case, A)
    either.send(handheld, 2)
    assert not {codes.PAID_UNASKED, codes.PAID_OTHERWISE} & set(either.alarms())
