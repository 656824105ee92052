"""What the ledger page's data say of payments that a fork holds."""

from typing import Any

import pytest

from protocol import records as r
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.verdicts import A, Desk, fork, pay

pytestmark = pytest.mark.usefixtures("greeted")
EMPTY = {"count": 0, "amount": 0}


def _told(centre: Centre) -> tuple[str, dict[str, Any]]:
    report = centre.ledger()
    return report["cases"][0]["state"], {name: found for name, found in report["now"].items() if found != EMPTY}


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


def test_a_case_that_is_paid_beside_what_a_fork_holds_is_paid(centre: Centre, handheld: Handheld) -> None:
    held = pay(centre, handheld)
    case = next(record[r.CASE] for record in handheld.records if record[r.KIND] == r.NOTICE)
    fork(centre, handheld, held)
    intent = handheld.write(r.PAYMENT_INTENT, case=case, amount=A)
    handheld.finish(intent, r.OUTCOME_APPROVED, A, b"sealed")
    centre.hello(handheld)
    centre.send(handheld, intent)
    assert _told(centre) == ("paid", {"held": {"count": 1, "amount": A}, "paid": {"count": 1, "amount": A}})
