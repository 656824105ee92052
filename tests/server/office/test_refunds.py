"""Refunds at the centre: two officers, one reversal, opposite entries; nothing without both, nothing twice."""

import threading
from typing import Any

import pytest

from protocol import records as r
from protocol.errors import ParameterError
from server.acquirer import outbox, waiting
from server.office import failures, refunds
from server.office.signing import VALID_S
from server.store import audit, devices
from server.store import tables as t
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.officers import FIRST, SECOND, Officers


class Desk(Officers):
    """The two officers, and what they decide about refunds."""

    def __init__(self, centre: Centre) -> None:
        super().__init__(centre.folder)
        self.centre = centre

    def draft(self, intent: int, reason: str = "paid twice") -> dict[int, Any]:
        with self.centre.engine.begin() as connection:
            return refunds.draft(connection, ("TSD-000001", 1, intent), reason, self.centre.now)

    def propose(self, payload: dict[int, Any], number: int = FIRST, kind: str = refunds.PROPOSAL) -> int:
        with self.centre.engine.begin() as connection:
            return refunds.propose(connection, self.office, self.decide(number, kind, payload), self.centre.now)

    def approve(self, payload: dict[int, Any], number: int = SECOND, kind: str = refunds.APPROVAL) -> None:
        with self.centre.engine.begin() as connection:
            refunds.approve(connection, self.office, self.decide(number, kind, payload), self.centre.now)

    def refused(self, act: Any, *words: Any) -> str:
        with pytest.raises(ParameterError) as caught:
            act(*words)
        return caught.value.code


@pytest.fixture
def desk(centre: Centre) -> Desk:
    return Desk(centre)


def _paid(centre: Centre, handheld: Handheld, amount: int = 200_000) -> int:
    intent = handheld.pay(r.OUTCOME_APPROVED, amount, blob=b"sealed")
    assert intent
    centre.hello(handheld)
    centre.send(handheld)
    return intent


def _cleared(centre: Centre) -> None:
    for request in centre.claim():
        assert centre.answer(request, "00")


def test_a_cleared_payment_is_given_back_once_two_officers_have_signed(
    centre: Centre, handheld: Handheld, desk: Desk
) -> None:
    intent = _paid(centre, handheld)
    _cleared(centre)
    earned = centre.books()
    payload = desk.draft(intent)
    assert payload == {
        1: "TSD-000001", 2: 1, 3: intent, 4: 200_000, 5: payload[5], 6: 1, 7: payload[7], 8: "paid twice"
    }  # fmt: skip
    assert desk.propose(payload) == 1
    assert centre.claim() == [] and centre.books() == earned
    desk.approve(payload)
    assert centre.books() == earned, "the ledger follows the acquirer's answer"
    (request,) = centre.claim()
    assert (request.identity, request.step, request.amount) == (("TSD-000001", 1, intent), t.STEP_REVERSE, 200_000)
    assert centre.answer(request, "00")
    assert centre.books() == {} and centre.ledger()["now"]["reversed"] == {"count": 1, "amount": 200_000}
    (told,) = centre.ledger()["refunds"]
    assert (told["state"], told["proposed_by"], told["approved_by"]) == ("approved", FIRST, SECOND)
    said = [line["what"] for line in centre.ledger()["alarms"] if line["code"] == "REFUND"]
    assert len(said) == 2


def test_an_unsent_clearing_is_held_back_and_the_reversal_goes_out_alone(
    centre: Centre, handheld: Handheld, desk: Desk
) -> None:
    intent = _paid(centre, handheld)
    payload = desk.draft(intent)
    desk.propose(payload)
    desk.approve(payload)
    assert [request.step for request in centre.claim()] == [t.STEP_REVERSE]


def test_one_officer_cannot_do_it_alone_nor_with_the_others_kind_of_decision(
    centre: Centre, handheld: Handheld, desk: Desk
) -> None:
    payload = desk.draft(_paid(centre, handheld))
    desk.propose(payload)
    assert desk.refused(desk.approve, payload, FIRST) == "PRM-033"
    assert desk.refused(desk.approve, payload, SECOND, refunds.PROPOSAL) == "PRM-030"
    assert desk.refused(desk.propose, payload, SECOND, refunds.APPROVAL) == "PRM-030"
    assert [request.step for request in centre.claim()] == [t.STEP_CLEAR]


@pytest.mark.parametrize("key", [4, 5, 6, 7, 8])
def test_what_is_approved_is_what_was_proposed_to_the_letter(
    centre: Centre, handheld: Handheld, desk: Desk, key: int
) -> None:
    payload = desk.draft(_paid(centre, handheld))
    desk.propose(payload)
    value = payload[key]
    other = {**payload, key: value + 1 if isinstance(value, int) else value + "x"}
    assert desk.refused(desk.approve, other) == "PRM-032"
    desk.approve(payload)


@pytest.mark.parametrize("key", [4, 5, 6, 7])
def test_a_proposal_must_fit_the_payment(centre: Centre, handheld: Handheld, desk: Desk, key: int) -> None:
    payload = desk.draft(_paid(centre, handheld))
    value = payload[key]
    wrong = {**payload, key: value + 10 * 86400 if isinstance(value, int) else value + "x"}
    assert desk.refused(desk.propose, wrong) == "PRM-032"
    assert centre.count("refunds") == 0


def test_nothing_is_given_back_twice(centre: Centre, handheld: Handheld, desk: Desk) -> None:
    intent = _paid(centre, handheld)
    payload = desk.draft(intent)
    desk.propose(payload)
    desk.approve(payload)
    assert desk.refused(desk.approve, payload) == "PRM-032"
    assert desk.refused(desk.draft, intent) == "PRM-034"
    assert desk.refused(desk.draft, 999) == "PRM-034"
    assert len(centre.claim()) == 1


def test_a_proposal_that_is_overtaken_or_old_is_no_longer_open(centre: Centre, handheld: Handheld, desk: Desk) -> None:
    intent = _paid(centre, handheld)
    first = desk.draft(intent)
    desk.propose(first)
    second = desk.draft(intent, "another reason")
    assert desk.propose(second) == 2
    assert desk.refused(desk.approve, first) == "PRM-032"
    centre.now += VALID_S + 1
    assert desk.refused(desk.approve, second) == "PRM-032"


def test_a_declined_payment_cannot_be_given_back(centre: Centre, handheld: Handheld, desk: Desk) -> None:
    intent = handheld.pay(r.OUTCOME_DECLINED, 200_000)
    centre.hello(handheld)
    centre.send(handheld)
    assert intent and desk.refused(desk.draft, intent) == "PRM-034"


def test_a_provisional_payment_only_after_its_approval(centre: Centre, handheld: Handheld, desk: Desk) -> None:
    intent = handheld.pay(r.OUTCOME_PROVISIONAL, 200_000, blob=b"sealed")
    centre.hello(handheld)
    centre.send(handheld)
    assert intent and desk.refused(desk.draft, intent) == "PRM-034"
    _cleared(centre)
    assert desk.draft(intent)[4] == 200_000


def test_a_report_that_was_paid_twice_is_told_until_one_payment_is_given_back(
    centre: Centre, handheld: Handheld, desk: Desk
) -> None:
    first = _paid(centre, handheld)
    assert centre.ledger()["paid_twice"] == []
    again = handheld.write(r.PAYMENT_INTENT, case=handheld.cases, amount=200_000)
    handheld.finish(again, r.OUTCOME_APPROVED, 200_000, b"sealed", "CIB TEST")
    centre.hello(handheld)
    centre.send(handheld)
    (told,) = centre.ledger()["paid_twice"]
    assert told["payments"] == [["TSD-000001", 1, first], ["TSD-000001", 1, again]]
    payload = desk.draft(again)
    desk.propose(payload)
    desk.approve(payload)
    assert centre.ledger()["paid_twice"] == []


def test_of_many_reports_that_were_paid_more_than_once_some_are_named_and_all_are_counted(
    either: Centre, handheld: Handheld, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("SHOWN", "EACH"):
        monkeypatch.setattr(refunds, name, 2)
    intents = []
    for _ in range(3):
        case = handheld.notice(200_000)
        intents += [handheld.write(r.PAYMENT_INTENT, case=case, amount=200_000) for _ in range(3)]
        for intent in intents[-3:]:
            handheld.finish(intent, r.OUTCOME_APPROVED, 200_000)
    either.hello(handheld)
    either.send(handheld)
    page = either.ledger()
    assert page["paid_twice_count"] == 3 and len(page["paid_twice"]) == 2
    for at, told in enumerate(page["paid_twice"]):
        assert told["count"] == 3 and [payment[2] for payment in told["payments"]] == intents[3 * at : 3 * at + 2]


def test_a_refund_that_the_acquirer_refuses_is_due_still_and_can_be_proposed_again(
    centre: Centre, handheld: Handheld, desk: Desk
) -> None:
    """Two payments of one report, one of which is given back."""
    case = handheld.notice(200_000)
    first, second = (handheld.write(r.PAYMENT_INTENT, case=case, amount=200_000) for _ in range(2))
    for intent in (first, second):
        handheld.finish(intent, r.OUTCOME_APPROVED, 200_000)
    centre.hello(handheld)
    centre.send(handheld)
    _cleared(centre)
    for response, due in (("63", [first, second]), ("00", [])):
        payload = desk.draft(second)
        desk.propose(payload)
        desk.approve(payload)
        assert centre.ledger()["paid_twice"] == []
        (request,) = centre.claim()
        assert request.step == t.STEP_REVERSE and centre.answer(request, response, "")
        found = [payment[2] for row in centre.ledger()["paid_twice"] for payment in row["payments"]]
        assert found == due
    assert desk.refused(desk.draft, second) == "PRM-034"


@pytest.mark.parametrize("answers", [("91",), ("91", "63")])
def test_while_nobody_knows_whether_a_payment_is_given_back_the_other_one_is_not_due(
    centre: Centre, handheld: Handheld, desk: Desk, answers: tuple[str, ...]
) -> None:
    """A reversal that was stopped without an answer, or a repeat that was refused."""
    case = handheld.notice(200_000)
    first, second = (handheld.write(r.PAYMENT_INTENT, case=case, amount=200_000) for _ in range(2))
    for intent in (first, second):
        handheld.finish(intent, r.OUTCOME_APPROVED, 200_000)
    centre.hello(handheld)
    centre.send(handheld)
    _cleared(centre)
    payload = desk.draft(first)
    desk.propose(payload)
    desk.approve(payload)
    for answer in answers:
        (request,) = centre.claim()
        centre.answer(request, answer, "")
    centre.now += waiting.WAITS
    if answers == ("91",):
        with centre.engine.begin() as connection:
            assert failures.give_up(connection, ("TSD-000001", 1, first), centre.now) == failures.STOPPED
    assert centre.ledger()["paid_twice"] == []
    centre.now += outbox.HOLDS
    with centre.engine.begin() as connection:
        failures.give_up(connection, ("TSD-000001", 1, first), centre.now)
    (due,) = centre.ledger()["paid_twice"]
    assert [payment[2] for payment in due["payments"]] == [first, second]


def test_a_proposal_waits_for_whoever_writes_about_the_same_terminal(either: Centre, handheld: Handheld) -> None:
    """The audit log numbers its lines device by device: two writers at once would take one number."""
    intent = handheld.pay(r.OUTCOME_APPROVED, 200_000)
    either.hello(handheld)
    either.send(handheld)
    desk = Desk(either)
    payload = desk.draft(intent)
    done: list[int] = []
    other = threading.Thread(target=lambda: done.append(desk.propose(payload)))
    with either.engine.begin() as connection:
        devices.head(connection, handheld.name)
        audit.alarm(connection, handheld.name, "X", "a line", either.now)
        other.start()
        other.join(0.5)
    other.join(20)
    assert done == [1]
