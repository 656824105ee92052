"""What the ledger page's data say of payments that a fork holds."""

from typing import Any

import pytest

from protocol import records as r
from server.ledger import report
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.verdicts import A, Desk, fork, pay

pytestmark = pytest.mark.usefixtures("greeted")
EMPTY = {"count": 0, "amount": 0}


def _told(centre: Centre) -> tuple[str, dict[str, Any]]:
    told = centre.ledger()
    return told["cases"][0]["state"], {name: found for name, found in told["now"].items() if found != EMPTY}


@pytest.mark.parametrize("outcome", [r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL])
def test_what_a_fork_holds_is_neither_paid_nor_unpaid(centre: Centre, handheld: Handheld, outcome: int) -> None:
    intent = pay(centre, handheld, outcome)
    fork(centre, handheld, intent)
    assert _told(centre) == ("held", {"held": {"count": 1, "amount": A}})


def test_what_is_given_back_by_a_verdict_counts_as_given_back_and_the_fine_as_due(
    centre: Centre, handheld: Handheld
) -> None:
    intent = pay(centre, handheld)
    fork(centre, handheld, intent)
    Desk(centre).both(intent, False)
    assert _told(centre) == ("unpaid", {"reversed": {"count": 1, "amount": A}})


def test_a_deferred_one_that_is_given_back_before_its_issuer_has_spoken_is_refused(
    centre: Centre, handheld: Handheld
) -> None:
    intent = pay(centre, handheld, r.OUTCOME_PROVISIONAL)
    fork(centre, handheld, intent)
    Desk(centre).both(intent, False)
    state, now = _told(centre)
    assert now == {"refused": {"count": 1, "amount": A}} and state in ("unpaid", "declined")


def test_a_deferred_one_that_is_given_back_while_its_issuer_is_asked_is_owed(
    centre: Centre, handheld: Handheld
) -> None:
    intent = pay(centre, handheld, r.OUTCOME_PROVISIONAL)
    assert len(centre.claim()) == 1
    fork(centre, handheld, intent)
    Desk(centre).both(intent, False)
    report = centre.ledger()
    assert report["cases"][0]["state"] == "unpaid" and report["now"]["awaited"]["count"] == 0


def test_a_case_that_is_paid_beside_what_a_fork_holds_is_paid(centre: Centre, handheld: Handheld) -> None:
    held = pay(centre, handheld)
    case = next(record[r.CASE] for record in handheld.records if record[r.KIND] == r.NOTICE)
    fork(centre, handheld, held)
    intent = handheld.write(r.PAYMENT_INTENT, case=case, amount=A)
    handheld.finish(intent, r.OUTCOME_APPROVED, A, b"sealed")
    centre.hello(handheld)
    centre.send(handheld, intent)
    assert _told(centre) == ("paid", {"held": {"count": 1, "amount": A}, "paid": {"count": 1, "amount": A}})


def _close(handheld: Handheld, case: int, closure: int) -> None:
    why = {"reason": "entry"} if closure == r.CLOSURE_ABANDONED else {}
    handheld.write(r.CASE_CLOSED, case=case, closure=closure, **why)


@pytest.mark.parametrize(
    ("closure", "state"),
    [(None, "unpaid"), (r.CLOSURE_UNPAID, "unpaid"), (r.CLOSURE_ABANDONED, "abandoned")],
)
def test_a_fine_is_owed_while_its_case_is_open_or_to_be_paid_later_and_not_once_it_is_abandoned(
    centre: Centre, handheld: Handheld, closure: int | None, state: str
) -> None:
    case = handheld.notice(A)
    if closure is not None:
        _close(handheld, case, closure)
    centre.hello(handheld)
    centre.send(handheld, 1)
    assert _told(centre) == (state, {})


@pytest.mark.parametrize(
    ("outcome", "closure", "state"),
    [
        (r.OUTCOME_DECLINED, r.CLOSURE_DECLINED, "declined"),
        (r.OUTCOME_DECLINED, r.CLOSURE_ABANDONED, "abandoned"),
        (r.OUTCOME_PROVISIONAL, r.CLOSURE_PROVISIONAL, "provisional"),
        (r.OUTCOME_APPROVED, r.CLOSURE_PAID, "paid"),
        (r.OUTCOME_APPROVED, r.CLOSURE_ABANDONED, "paid"),
    ],
)
def test_money_that_was_taken_counts_before_how_the_case_was_closed(
    centre: Centre, handheld: Handheld, outcome: int, closure: int, state: str
) -> None:
    handheld.pay(outcome, A)
    _close(handheld, handheld.cases, closure)
    centre.hello(handheld)
    centre.send(handheld, 1)
    assert _told(centre)[0] == state


def test_what_is_owed_is_owed_of_all_cases_and_not_of_those_alone_that_are_listed(
    centre: Centre, handheld: Handheld
) -> None:
    for _ in range(report.LAST + 2):
        handheld.notice(A)
    handheld.pay(r.OUTCOME_DECLINED, A)
    handheld.pay(r.OUTCOME_APPROVED, A)
    handheld.pay(r.OUTCOME_PROVISIONAL, A)
    _close(handheld, handheld.notice(A), r.CLOSURE_ABANDONED)
    centre.hello(handheld)
    centre.send(handheld, 1)
    told = centre.ledger()
    assert (len(told["cases"]), told["case_count"]) == (report.LAST, report.LAST + 6)
    assert told["owed"] == {"count": report.LAST + 3, "amount": (report.LAST + 3) * A}
