"""A payment that a fork holds is decided by two officers: it stands, or is given back; one more branch holds it again."""

import pytest
from sqlalchemy import insert

from protocol import records as r
from protocol import sync as s
from protocol.errors import ParameterError
from server import codes
from server.office import branches, failures, refunds
from server.office.signing import VALID_S
from server.store import restore
from server.store import tables as t
from server.store.engine import reading
from tests.server.centre import Centre
from tests.server.handheld import Handheld, open_reply
from tests.server.officers import FIRST, SECOND
from tests.server.verdicts import AWAITED, NAME, PAID, A, Desk, fork, pay, said, settle


def test_a_payment_that_stands_is_posted_again_and_its_clearing_goes_out(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent = pay(either, handheld)
    assert desk.refused(desk.draft, intent) == "PRM-039"
    fork(either, handheld, intent)
    assert either.books() == {} and either.claim() == []
    (held,) = desk.held()
    assert (held["intent"], held["amount"], held["outcome"], held["seq"], held["acquirer"]) == (
        intent,
        A,
        1,
        intent + 1,
        "nothing",
    )
    assert [other["kind"] for other in held["others"]] == [r.HEALTH_EVENT]
    payload = desk.draft(intent)
    assert payload == {
        1: NAME, 2: 1, 3: intent, 4: 1, 5: A, 6: intent + 1, 7: 1, 8: 1, 9: payload[9], 10: "they have looked"
    }  # fmt: skip
    assert desk.propose(payload) == 1 and either.books() == {}
    desk.approve(payload)
    assert either.books() == PAID and desk.held() == [] and either.ledger()["balanced"]
    (request,) = either.claim()
    assert (request.step, request.repeat, request.sealed) == (t.STEP_CLEAR, False, b"sealed")
    assert either.answer(request, "00") and either.books() == PAID
    assert [row["part"] for row in either.ledger()["postings"]].count("stands") == 1
    assert [row["state"] for row in either.ledger()["verdicts"]] == ["approved"]


def test_what_was_never_sent_is_reversed_all_the_same_when_it_is_given_back(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent = pay(either, handheld)
    fork(either, handheld, intent)
    assert desk.held()[0]["acquirer"] == "nothing"
    desk.both(intent, False)
    assert either.books() == {} and desk.held() == []
    assert s.CLEARED not in either.hello(handheld)
    assert settle(either, "25") == [t.STEP_REVERSE] and either.claim() == []
    assert either.books() == {} and either.count("sealed") == 0
    assert desk.refused(desk.draft, intent) == "PRM-039"
    for _ in range(2):  # the terminal may erase its card data; the first reply may be lost
        receipt = open_reply(either.hello(handheld)[s.CLEARED], either.keys.public("ack"))[1]
        assert [number for number, *_ in receipt[s.CLEARED]] == [intent]
    with either.engine.begin() as connection, pytest.raises(ParameterError, match="PRM-034"):
        refunds.draft(connection, (NAME, 1, intent), "twice", either.now)


def test_what_was_captured_is_reversed_when_it_is_given_back(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent = pay(either, handheld)
    assert settle(either) == [t.STEP_CLEAR]
    fork(either, handheld, intent)
    assert desk.held()[0]["acquirer"] == "captured"
    desk.both(intent, False)
    assert settle(either) == [t.STEP_REVERSE] and either.books() == {}


def test_what_was_captured_stands_and_nothing_is_asked(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent = pay(either, handheld)
    settle(either)
    fork(either, handheld, intent)
    desk.both(intent, True)
    assert either.books() == PAID and either.claim() == []


@pytest.mark.parametrize("stands", [True, False])
def test_a_clearing_that_is_in_doubt_is_answered_first(either: Centre, handheld: Handheld, stands: bool) -> None:
    desk = Desk(either)
    intent = pay(either, handheld)
    (lost,) = either.claim()
    fork(either, handheld, intent)
    assert desk.held()[0]["acquirer"] == "asked"
    desk.both(intent, stands)
    assert lost.step == t.STEP_CLEAR
    assert settle(either) == [t.STEP_CLEAR] + [t.STEP_REVERSE] * (not stands)
    assert either.books() == (PAID if stands else {})


def test_a_deferred_payment_that_stands_is_asked_about_then(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent = pay(either, handheld, r.OUTCOME_PROVISIONAL)
    fork(either, handheld, intent)
    desk.both(intent, True)
    assert either.books() == AWAITED
    assert settle(either) == [t.STEP_AUTHORISE, t.STEP_CLEAR] and either.books() == PAID
    assert [result[s.RESULT_OUTCOME] for result in either.hello(handheld)[s.RESULTS]] == [r.OUTCOME_APPROVED]


def test_a_deferred_payment_that_was_never_sent_is_declined_when_it_is_given_back(
    either: Centre, handheld: Handheld
) -> None:
    desk = Desk(either)
    intent = pay(either, handheld, r.OUTCOME_PROVISIONAL)
    fork(either, handheld, intent)
    desk.both(intent, False)
    assert either.books() == {} and either.count("sealed") == 0
    assert settle(either, "25") == [t.STEP_REVERSE] and either.books() == {}
    (told,) = either.hello(handheld)[s.RESULTS]
    assert (told[s.RESULT_INTENT], told[s.RESULT_OUTCOME]) == (intent, r.OUTCOME_DECLINED)
    seq = handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=r.OUTCOME_DECLINED, amount=A)
    assert s.REJECTED not in either.send(handheld, seq) and either.books() == {}


@pytest.mark.parametrize("response", ["00", "51"])
@pytest.mark.parametrize("stands", [True, False])
def test_an_authorisation_that_is_answered_while_the_payment_is_held(
    either: Centre, handheld: Handheld, response: str, stands: bool
) -> None:
    desk = Desk(either)
    intent = pay(either, handheld, r.OUTCOME_PROVISIONAL)
    (request,) = either.claim()
    fork(either, handheld, intent)
    assert either.answer(request, response) and either.books() == {} and either.claim() == []
    desk.both(intent, stands)
    approved = response == "00"
    assert either.books() == (PAID if stands and approved else {})
    assert settle(either) == [t.STEP_CLEAR if stands else t.STEP_REVERSE] * approved
    assert either.books() == (PAID if stands and approved else {})


@pytest.mark.parametrize("stands", [True, False])
def test_an_authorisation_that_is_answered_after_the_verdict(either: Centre, handheld: Handheld, stands: bool) -> None:
    desk = Desk(either)
    intent = pay(either, handheld, r.OUTCOME_PROVISIONAL)
    (request,) = either.claim()
    fork(either, handheld, intent)
    desk.both(intent, stands)
    assert either.books() == (AWAITED if stands else {})
    assert either.answer(request, "00")
    assert settle(either) == [t.STEP_CLEAR if stands else t.STEP_REVERSE]
    assert either.books() == (PAID if stands else {})
    (told,) = either.hello(handheld)[s.RESULTS]
    assert told[s.RESULT_OUTCOME] == (r.OUTCOME_APPROVED if stands else r.OUTCOME_DECLINED)


@pytest.mark.parametrize("rounds", [1, 2])
def test_one_more_branch_holds_a_payment_that_stands_again(either: Centre, handheld: Handheld, rounds: int) -> None:
    desk = Desk(either)
    intent = pay(either, handheld)
    fork(either, handheld, intent)
    desk.both(intent, True)
    settle(either)
    for number in range(rounds):
        fork(either, handheld, intent, f"the {number + 3}rd")
        assert either.books() == {} and f"stood by verdict {number + 1}" in said(either)
        assert len(desk.held()[0]["others"]) == number + 2
        fork(either, handheld, intent, f"the {number + 3}rd")  # the same once more
        desk.both(intent, True)
        assert either.books() == PAID
    fork(either, handheld, intent, "the last")
    desk.both(intent, False)
    assert settle(either) == [t.STEP_REVERSE] and either.books() == {}


def test_a_branch_that_is_known_already_changes_nothing_when_it_comes_again(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent = pay(either, handheld)
    fork(either, handheld, intent)
    desk.both(intent, True)
    fork(either, handheld, intent)
    assert either.books() == PAID and desk.held() == []


def test_one_more_branch_of_what_is_given_back_changes_nothing(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent = pay(either, handheld)
    settle(either)
    fork(either, handheld, intent)
    desk.both(intent, False)
    fork(either, handheld, intent, "a third")
    assert settle(either) == [t.STEP_REVERSE] and either.books() == {} and desk.held() == []


def test_a_verdict_is_about_the_branches_that_were_known(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent = pay(either, handheld)
    fork(either, handheld, intent)
    payload = desk.draft(intent)
    desk.propose(payload)
    fork(either, handheld, intent, "a third")
    assert desk.refused(desk.approve, payload) == "PRM-032" and either.books() == {}
    desk.both(intent, True)
    assert either.books() == PAID


def test_one_officer_cannot_do_it_alone_nor_with_the_others_kind_of_decision(
    centre: Centre, handheld: Handheld
) -> None:
    desk = Desk(centre)
    intent = pay(centre, handheld)
    fork(centre, handheld, intent)
    payload = desk.draft(intent)
    desk.propose(payload)
    assert desk.refused(desk.approve, payload, FIRST) == "PRM-033"
    assert desk.refused(desk.approve, payload, SECOND, branches.PROPOSAL) == "PRM-030"
    assert desk.refused(desk.propose, payload, SECOND, branches.APPROVAL) == "PRM-030"
    for key, value in payload.items():
        other = {**payload, key: value + 1 if isinstance(value, int) else value + "x"}
        assert desk.refused(desk.approve, other) in ("PRM-032", "PRM-030")
    for key in (5, 6, 7, 9):
        assert desk.refused(desk.propose, {**payload, key: payload[key] + 10 * 86400}) == "PRM-032"
    second = desk.draft(intent, False)
    assert desk.propose(second) == 2 and desk.refused(desk.approve, payload) == "PRM-032"
    centre.now += VALID_S + 1
    assert desk.refused(desk.approve, second) == "PRM-032" and centre.books() == {}


def test_a_restored_database_decides_again_and_sends_what_it_may_have_sent_as_a_repeat(
    either: Centre, handheld: Handheld
) -> None:
    """The backup is of before the verdict."""
    desk = Desk(either)
    intent = pay(either, handheld)
    fork(either, handheld, intent)
    with either.engine.begin() as connection:
        restore.mark(connection, either.now)
    either.hello(handheld)
    assert either.claim() == []
    desk.both(intent, True)
    (request,) = either.claim()
    assert request.repeat and either.answer(request, "00") and either.books() == PAID


def test_after_a_restore_what_may_have_been_sent_is_reversed(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent = pay(either, handheld)
    fork(either, handheld, intent)
    with either.engine.begin() as connection:
        restore.mark(connection, either.now)
    either.hello(handheld)
    desk.both(intent, False)
    assert s.CLEARED not in either.hello(handheld)
    assert settle(either) == [t.STEP_REVERSE] and either.books() == {}


@pytest.mark.parametrize("outcome", [r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL])
def test_after_a_restore_what_the_issuer_was_not_asked_about_may_have_been_sent_all_the_same(
    either: Centre, handheld: Handheld, outcome: int
) -> None:
    """No issuer could be reached while the card waited; what the terminal decided then may have gone out after the backup."""
    desk = Desk(either)
    intent = pay(either, handheld, outcome)
    fork(either, handheld, intent)
    said = {"device": NAME, "epoch": 1, "intent": intent, "state": s.ASKED_NOT}
    with either.engine.begin() as connection:
        connection.execute(insert(t.authorisations).values(**said, amount=A, utc=1, digest=b"", asked=1, answered=1))
    assert desk.held()[0]["acquirer"] == "nothing"
    with either.engine.begin() as connection:
        restore.mark(connection, either.now)
    either.hello(handheld)
    assert desk.held()[0]["acquirer"] == "asked"
    desk.both(intent, False)
    assert settle(either) == [t.STEP_REVERSE] and either.books() == {}


def test_a_void_that_ended_while_the_payment_was_held_stays_done(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent = pay(either, handheld)
    settle(either)
    with either.engine.begin() as connection:
        payload = refunds.draft(connection, (NAME, 1, intent), "twice", either.now)
        refunds.propose(connection, desk.office, desk.decide(FIRST, refunds.PROPOSAL, payload), either.now)
        refunds.approve(connection, desk.office, desk.decide(SECOND, refunds.APPROVAL, payload), either.now)
    fork(either, handheld, intent)
    assert settle(either) == [t.STEP_REVERSE] and desk.held()[0]["acquirer"] == "reversed"
    desk.both(intent, True)
    assert either.books() == {} and either.claim() == []
    now = either.ledger()["now"]
    assert (now["reversed"]["count"], now["paid"]["count"]) == (1, 0)
    assert either.ledger()["cases"][0]["state"] == "unpaid"


@pytest.mark.parametrize("sent", [True, False])
def test_the_case_of_what_is_given_back_is_unpaid(either: Centre, handheld: Handheld, sent: bool) -> None:
    desk = Desk(either)
    intent = pay(either, handheld)
    if sent:
        settle(either)
    fork(either, handheld, intent)
    desk.both(intent, False)
    for _ in range(2):
        assert either.ledger()["cases"][0]["state"] == "unpaid" and either.ledger()["now"]["paid"]["count"] == 0
        settle(either)


def test_a_payment_that_stands_can_be_refunded(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent = pay(either, handheld)
    settle(either)
    fork(either, handheld, intent)
    desk.both(intent, True)
    with either.engine.begin() as connection:
        payload = refunds.draft(connection, (NAME, 1, intent), "twice", either.now)
        refunds.propose(connection, desk.office, desk.decide(FIRST, refunds.PROPOSAL, payload), either.now)
        refunds.approve(connection, desk.office, desk.decide(SECOND, refunds.APPROVAL, payload), either.now)
    assert settle(either) == [t.STEP_REVERSE] and either.books() == {}
    fork(either, handheld, intent, "a third")
    desk.both(intent, True)
    assert either.books() == {} and either.claim() == []


def test_a_reversal_that_failed_is_decided_by_itself_when_the_payment_stands(
    either: Centre, handheld: Handheld
) -> None:
    """Its clearing was held back for it, and goes out once a person has given the reversal up."""
    desk = Desk(either)
    intent = pay(either, handheld)
    with either.engine.begin() as connection:
        payload = refunds.draft(connection, (NAME, 1, intent), "twice", either.now)
        refunds.propose(connection, desk.office, desk.decide(FIRST, refunds.PROPOSAL, payload), either.now)
        refunds.approve(connection, desk.office, desk.decide(SECOND, refunds.APPROVAL, payload), either.now)
    fork(either, handheld, intent)
    assert settle(either, "63") == [t.STEP_REVERSE]
    desk.both(intent, True)
    assert either.books() == PAID and either.claim() == []
    either.now += 2 * 3600
    with either.engine.begin() as connection:
        failures.give_up(connection, (NAME, 1, intent), either.now)
    assert settle(either) == [t.STEP_CLEAR] and either.books() == PAID


def test_a_clearing_that_failed_is_asked_again_only_once_the_fork_is_decided(
    either: Centre, handheld: Handheld
) -> None:
    desk = Desk(either)
    intent = pay(either, handheld)
    settle(either, "63")
    fork(either, handheld, intent)
    with either.engine.begin() as connection, pytest.raises(ParameterError) as caught:
        failures.again(connection, (NAME, 1, intent), either.now)
    assert "tasdid server fork" in (caught.value.hint or "")
    desk.both(intent, True)
    with either.engine.begin() as connection:
        assert failures.again(connection, (NAME, 1, intent), either.now) == ["clearing"]
    assert settle(either) == [t.STEP_CLEAR] and either.books() == PAID


def test_a_failed_authorisation_is_declined_when_it_is_given_back(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent = pay(either, handheld, r.OUTCOME_PROVISIONAL)
    settle(either, "30")
    fork(either, handheld, intent)
    desk.both(intent, False)
    with reading(either.engine) as connection:
        assert failures.listed(connection) == []
    assert [told[s.RESULT_OUTCOME] for told in either.hello(handheld)[s.RESULTS]] == [r.OUTCOME_DECLINED]
    assert settle(either) == [t.STEP_REVERSE] and either.books() == {}


def test_a_declined_payment_is_decided_without_a_word_to_anybody(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intents = [pay(either, handheld, r.OUTCOME_DECLINED) for _ in range(2)]
    fork(either, handheld, intents[0])
    fork(either, handheld, intents[1])
    for intent, stands in zip(intents, (True, False), strict=True):
        desk.both(intent, stands)
    assert either.books() == {} and either.claim() == [] and desk.held() == []


def _paid_beside_a_held_one(centre: Centre, handheld: Handheld) -> tuple[int, int]:
    """Two payments of one case: the one that a fork holds, and the other."""
    first = pay(centre, handheld)
    again = handheld.write(r.PAYMENT_INTENT, case=handheld.cases, amount=A)
    handheld.finish(again, r.OUTCOME_APPROVED, A, b"sealed", "CIB TEST")
    fork(centre, handheld, first)
    centre.hello(handheld)
    centre.send(handheld, again)
    return first, again


def test_two_payments_of_a_report_are_told_once_the_held_one_stands(either: Centre, handheld: Handheld) -> None:
    desk, (first, again) = Desk(either), _paid_beside_a_held_one(either, handheld)
    assert either.ledger()["paid_twice"] == [] and codes.PAID_TWICE not in either.alarms()
    desk.both(first, True)
    assert either.alarms().count(codes.PAID_TWICE) == 1
    assert f"two payments of case {handheld.cases} stand, {first} and {again}" in said(either)
    assert [row["payments"] for row in either.ledger()["paid_twice"]] == [[[NAME, 1, first], [NAME, 1, again]]]


def test_a_held_payment_that_stands_beside_one_that_was_given_back_is_no_second_one(
    either: Centre, handheld: Handheld
) -> None:
    desk, (first, again) = Desk(either), _paid_beside_a_held_one(either, handheld)
    with either.engine.begin() as connection:
        payload = refunds.draft(connection, (NAME, 1, again), "twice", either.now)
        refunds.propose(connection, desk.office, desk.decide(FIRST, refunds.PROPOSAL, payload), either.now)
        refunds.approve(connection, desk.office, desk.decide(SECOND, refunds.APPROVAL, payload), either.now)
    desk.both(first, True)
    assert codes.PAID_TWICE not in either.alarms()
