"""An outcome that is lost for good while what follows from it is whole: the money is in suspense, or somebody is told that there will be none."""

import pytest

from protocol import records as r
from protocol import sync as s
from server import codes
from server.store import restore
from tests.server.centre import Centre
from tests.server.handheld import Handheld

A = 500_000


def _lost(handheld: Handheld, outcome: int) -> None:
    """The gap record of one record without money."""
    handheld.write(r.GAP, first=outcome, gap_last=outcome, gap_hash=handheld.hash(outcome), gap_count=0, gap_total=0)


def _told(centre: Centre) -> str:
    return "; ".join(line["what"] for line in centre.ledger()["alarms"] if line["code"] == "GAP")


def _restored(centre: Centre, handheld: Handheld, outcome: int) -> None:
    """Nothing of the terminal is on record any more; it sends what it has left again."""
    with centre.engine.begin() as connection:
        restore.mark(connection, centre.now)
    centre.hello(handheld)
    centre.send(handheld, 1, outcome - 1)
    kind, ack = centre.say(handheld.batch(outcome + 1, gap=outcome))
    assert (kind, ack[s.ACKED_SEQ]) == (s.TYPE_ACK, len(handheld.records))


@pytest.mark.parametrize("twice", [False, True])
def test_the_result_of_an_outcome_that_a_restore_has_forgotten_and_the_terminal_has_lost_is_in_suspense(
    either: Centre, handheld: Handheld, twice: bool
) -> None:
    """The acquirer has captured it; only the terminal's result tells of it."""
    intent = handheld.pay(r.OUTCOME_PROVISIONAL, A)
    outcome = len(handheld.records)
    for _ in range(1 + twice):
        handheld.write(r.AUTHORISATION_RESULT, case=1, intent=intent, outcome=1, amount=A)
    _lost(handheld, outcome)
    _restored(either, handheld, outcome)
    assert either.books() == {"missing:TSD-000001": A, "suspense:16:1:BMP-16-01": -A}
    assert codes.OUTCOME_LOST in either.alarms() and f"payment {intent}" in _told(either) and str(A) in _told(either)
    assert either.claim() == []
    assert either.ledger()["balanced"]


def test_the_intent_may_be_lost_with_it(centre: Centre, handheld: Handheld) -> None:
    handheld.write(r.LOGIN)
    intent = handheld.pay(r.OUTCOME_PROVISIONAL, A)
    last = len(handheld.records)
    handheld.write(r.AUTHORISATION_RESULT, case=1, intent=intent, outcome=1, amount=A)
    centre.hello(handheld)
    centre.send(handheld, 1, 1)
    centre.say(handheld.batch(last + 1, gap=2))
    assert centre.books() == {"missing:TSD-000001": A, "suspense:16:1:BMP-16-01": -A}


@pytest.mark.parametrize("outcome", [r.OUTCOME_DECLINED, r.OUTCOME_APPROVED])
def test_without_a_gap_or_an_approval_there_is_no_money(centre: Centre, handheld: Handheld, outcome: int) -> None:
    handheld.write(r.LOGIN)
    intent = handheld.write(r.PAYMENT_INTENT, case=1, amount=A)
    if outcome == r.OUTCOME_DECLINED:
        handheld.finish(intent, r.OUTCOME_PROVISIONAL, A)
    last = len(handheld.records)
    handheld.write(r.AUTHORISATION_RESULT, case=1, intent=intent, outcome=outcome, amount=A)
    centre.hello(handheld)
    if outcome == r.OUTCOME_DECLINED:
        centre.send(handheld, 1, intent)
        centre.say(handheld.batch(last + 1, gap=last))
    else:
        centre.send(handheld)
    assert centre.books() == {} and codes.RESULT_UNEXPECTED in centre.alarms()


def _deferred(centre: Centre, handheld: Handheld, closure: int) -> None:
    """A deferred payment whose outcome is lost before it arrives, and whose case's closing is whole."""
    case = handheld.notice(A)
    intent = handheld.write(r.PAYMENT_INTENT, case=case, amount=A)
    outcome = handheld.finish(intent, r.OUTCOME_PROVISIONAL, A)
    handheld.write(r.CASE_CLOSED, case=case, closure=closure)
    _lost(handheld, outcome)
    centre.hello(handheld)
    centre.send(handheld, 1, intent)
    centre.say(handheld.batch(outcome + 1, gap=outcome))


def test_a_deferred_fine_of_which_only_the_closing_is_left_is_named(either: Centre, handheld: Handheld) -> None:
    _deferred(either, handheld, r.CLOSURE_PROVISIONAL)
    assert f"case 1, {A} centimes: closed as deferred" in _told(either)


def test_a_closing_that_comes_in_a_later_batch_is_named_too(either: Centre, handheld: Handheld) -> None:
    intent = handheld.pay(r.OUTCOME_PROVISIONAL, A)
    outcome = len(handheld.records)
    handheld.write(r.RECEIPT_PRINTED, case=1)
    closed = handheld.write(r.CASE_CLOSED, case=1, closure=r.CLOSURE_PROVISIONAL)
    either.hello(handheld)
    either.send(handheld, 1, intent)
    either.say(handheld.batch(outcome + 1, outcome + 1, gap=outcome))
    either.send(handheld, closed)
    assert f"case 1, {A} centimes: closed as deferred" in _told(either)


def test_a_case_that_was_closed_otherwise_is_not(centre: Centre, handheld: Handheld) -> None:
    _deferred(centre, handheld, r.CLOSURE_ABANDONED)
    assert "closed as deferred" not in _told(centre)


def test_a_deferred_fine_whose_outcome_had_arrived_is_not(centre: Centre, handheld: Handheld) -> None:
    case = handheld.notice(A)
    intent = handheld.write(r.PAYMENT_INTENT, case=case, amount=A)
    handheld.finish(intent, r.OUTCOME_PROVISIONAL, A)
    centre.hello(handheld)
    centre.send(handheld)
    lost = handheld.write(r.RECEIPT_PRINTED, case=case)
    handheld.write(r.CASE_CLOSED, case=case, closure=r.CLOSURE_PROVISIONAL)
    _lost(handheld, lost)
    centre.say(handheld.batch(lost + 1, gap=lost))
    assert "are lost" in _told(centre) and "closed as deferred" not in _told(centre)
