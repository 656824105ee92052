"""A case of which two payments stand has an alarm; one that was given back, or refused, before the next does not."""

import pytest

from protocol import records as r
from server import codes
from server.acquirer import outbox, waiting
from server.office import failures
from server.store import restore
from tests.server.acquirer.test_voids import ended, paid, void
from tests.server.centre import Centre
from tests.server.handheld import Handheld

A = 200_000


def _again(handheld: Handheld, outcome: int = r.OUTCOME_APPROVED) -> int:
    """The last case is paid once more."""
    intent = handheld.write(r.PAYMENT_INTENT, case=handheld.cases, amount=A)
    handheld.finish(intent, outcome, A)
    return intent


def _answer(centre: Centre, response: str) -> None:
    for request in centre.claim():
        assert centre.answer(request, response)


@pytest.mark.parametrize("first", [r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL])
@pytest.mark.parametrize("apart", [False, True])
def test_a_case_paid_twice_raises_one_alarm(either: Centre, handheld: Handheld, first: int, apart: bool) -> None:
    either.hello(handheld)
    one = paid(handheld, first)
    if apart:
        either.send(handheld)
        _answer(either, "00")
    sent = len(handheld.records)
    other = _again(handheld)
    either.send(handheld, sent + 1 if apart else 1)
    either.send(handheld)
    _answer(either, "00")
    (alarm,) = [line["what"] for line in either.ledger()["alarms"] if line["code"] == codes.PAID_TWICE]
    assert alarm.startswith(f"two payments of case 1 stand, {one} and {other}: one is to be given back")
    assert either.books() == {"receivable:CIB TEST": 2 * A, "treasury:16:1:BMP-16-01": -2 * A}


@pytest.mark.parametrize("apart", [False, True])
def test_a_case_paid_again_after_a_void_is_paid_once(either: Centre, handheld: Handheld, apart: bool) -> None:
    either.hello(handheld)
    intent = paid(handheld)
    void(handheld, intent)
    if apart:
        either.send(handheld)
        _answer(either, "00")
    sent = len(handheld.records)
    ended(handheld, intent, r.VOID_DONE)
    _again(handheld)
    either.send(handheld, sent + 1 if apart else 1)
    assert codes.PAID_TWICE not in either.alarms()


def test_a_case_paid_again_after_a_refusal_is_paid_once(either: Centre, handheld: Handheld) -> None:
    either.hello(handheld)
    paid(handheld, r.OUTCOME_DECLINED)
    intent = _again(handheld, r.OUTCOME_PROVISIONAL)
    either.send(handheld)
    _answer(either, "51")
    sent = len(handheld.records)
    handheld.write(r.AUTHORISATION_RESULT, case=1, intent=intent, outcome=r.OUTCOME_DECLINED, amount=A)
    _again(handheld)
    either.send(handheld, sent + 1)
    assert codes.PAID_TWICE not in either.alarms()


def test_a_refusal_that_only_the_terminal_has_written_down_counts(either: Centre, handheld: Handheld) -> None:
    """As after a restore: the acquirer is asked again."""
    either.hello(handheld)
    intent = paid(handheld, r.OUTCOME_PROVISIONAL)
    handheld.write(r.AUTHORISATION_RESULT, case=1, intent=intent, outcome=r.OUTCOME_DECLINED, amount=A)
    _again(handheld)
    either.send(handheld)
    assert codes.PAID_TWICE not in either.alarms()


def test_a_payment_whose_void_the_acquirer_refused_still_stands(either: Centre, handheld: Handheld) -> None:
    either.hello(handheld)
    intent = paid(handheld)
    either.send(handheld)
    _answer(either, "00")
    sent = len(handheld.records)
    void(handheld, intent)
    either.send(handheld, sent + 1)
    _answer(either, "12")
    sent = len(handheld.records)
    ended(handheld, intent, r.VOID_REFUSED)
    for _ in range(16):
        _again(handheld, r.OUTCOME_DECLINED)
    _again(handheld)
    either.send(handheld, sent + 1)
    assert either.alarms().count(codes.PAID_TWICE) == 1


def test_a_payment_whose_reversal_was_stopped_may_be_given_back_already(either: Centre, handheld: Handheld) -> None:
    either.hello(handheld)
    intent = paid(handheld)
    either.send(handheld)
    _answer(either, "00")
    with either.engine.begin() as connection:
        outbox.request_reversal(connection, (handheld.name, 1, intent), "officers 1 and 2", either.now)
    assert len(either.claim()) == 1
    either.now += waiting.WAITS
    with either.engine.begin() as connection:
        failures.give_up(connection, (handheld.name, 1, intent), either.now)
    sent = len(handheld.records)
    _again(handheld)
    either.send(handheld, sent + 1)
    assert codes.PAID_TWICE not in either.alarms()


def test_a_void_that_may_be_lost_is_thought_of(either: Centre, handheld: Handheld) -> None:
    """After a restore nobody knows of it any more: whoever gave the second payment back would lose the fine."""
    either.hello(handheld)
    intent = paid(handheld)
    either.send(handheld)
    _answer(either, "00")
    with either.engine.begin() as connection:
        restore.mark(connection, either.now)
    first = void(handheld, intent)
    last = ended(handheld, intent, r.VOID_DONE)
    _again(handheld)
    handheld.write(r.GAP, first=first, gap_last=last, gap_hash=handheld.hash(last))
    either.hello(handheld)
    either.say(handheld.batch(last + 1, gap=first))
    (alarm,) = [line["what"] for line in either.ledger()["alarms"] if line["code"] == codes.PAID_TWICE]
    assert alarm.endswith(f"unless the void of {intent} is lost: ask the acquirer about it first")
