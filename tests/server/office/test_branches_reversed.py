"""A payment that a fork holds and a reversal that was asked for: what comes of the one and of the other agrees in the end."""

import hashlib

import pytest

from protocol import records as r
from protocol import sync as s
from server.acquirer import iso, outbox, waiting
from server.office import branches, failures, refunds
from server.store import restore
from server.store import tables as t
from server.store.engine import reading
from tests.server.acquirer.test_online import authorise
from tests.server.acquirer.test_voids import CARD, ended, void
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.officers import FIRST, SECOND
from tests.server.verdicts import NAME, PAID, A, Desk, fork, pay, said, settle


def with_card(centre: Centre, handheld: Handheld) -> int:
    """An approved payment whose outcome names its card, so that it can be voided; the intent."""
    first = len(handheld.records) + 1
    case = handheld.notice(A)
    intent = handheld.write(r.PAYMENT_INTENT, case=case, amount=A)
    said = {"case": case, "intent": intent, "amount": A, "scheme": "CIB TEST", "last4": "0017", "card_token": CARD}
    seq = handheld.write(r.PAYMENT_OUTCOME, outcome=1, sealed=hashlib.sha256(b"sealed").digest(), **said)
    handheld.attached[s.SEALED][seq] = b"sealed"
    centre.hello(handheld)
    assert s.REJECTED not in centre.send(handheld, first)
    return intent


def refund(desk: Desk, intent: int) -> None:
    """Proposed by one officer, approved by another."""
    with desk.centre.engine.begin() as connection:
        payload = refunds.draft(connection, (NAME, 1, intent), "twice", desk.centre.now)
        refunds.propose(connection, desk.office, desk.decide(FIRST, refunds.PROPOSAL, payload), desk.centre.now)
        refunds.approve(connection, desk.office, desk.decide(SECOND, refunds.APPROVAL, payload), desk.centre.now)


def ask_void(centre: Centre, handheld: Handheld, intent: int) -> None:
    centre.hello(handheld)
    assert s.REJECTED not in centre.send(handheld, void(handheld, intent))


def refuse(centre: Centre) -> None:
    """The acquirer refuses the reversal that waits, and what may go out then is not claimed."""
    centre.now += 4000
    with centre.engine.begin() as connection:
        (request,) = outbox.claim(connection, centre.now)
    assert request.step == t.STEP_REVERSE and centre.answer(request, "63")


def give_up(centre: Centre, intent: int) -> None:
    centre.now += 2 * outbox.HOLDS
    with centre.engine.begin() as connection:
        assert failures.give_up(connection, (NAME, 1, intent), centre.now) == "reversal"


@pytest.mark.parametrize("first", ["fork", "reversal", "given up"])
def test_a_payment_whose_refund_was_given_up_is_cleared_once_it_stands(
    either: Centre, handheld: Handheld, first: str
) -> None:
    desk = Desk(either)
    intent = pay(either, handheld)
    refund(desk, intent)
    if first == "fork":
        fork(either, handheld, intent)
    refuse(either)
    if first == "reversal":
        fork(either, handheld, intent)
    give_up(either, intent)
    if first == "given up":
        fork(either, handheld, intent)
    assert either.books() == {} and either.claim() == []
    desk.both(intent, True)
    assert settle(either) == [t.STEP_CLEAR] and either.books() == PAID


@pytest.mark.parametrize("first", ["fork", "reversal"])
def test_a_payment_whose_void_was_refused_is_cleared_once_it_stands(
    either: Centre, handheld: Handheld, first: str
) -> None:
    desk = Desk(either)
    intent = with_card(either, handheld)
    ask_void(either, handheld, intent)
    if first == "fork":
        fork(either, handheld, intent)
    refuse(either)
    if first == "reversal":
        fork(either, handheld, intent)
    desk.both(intent, True)
    assert settle(either) == [t.STEP_CLEAR] and either.books() == PAID


@pytest.mark.parametrize("stands_first", [True, False])
def test_a_deferred_payment_approved_while_it_was_held_is_cleared_once_its_refund_is_given_up(
    either: Centre, handheld: Handheld, stands_first: bool
) -> None:
    desk = Desk(either)
    intent = pay(either, handheld, r.OUTCOME_PROVISIONAL)
    (request,) = either.claim()
    fork(either, handheld, intent)
    assert either.answer(request, "00")
    refund(desk, intent)
    if stands_first:
        desk.both(intent, True)
    refuse(either)
    if not stands_first:
        desk.both(intent, True)
        assert either.claim() == []
        give_up(either, intent)
    assert settle(either) == [t.STEP_CLEAR] and either.books() == PAID


def test_a_payment_whose_refund_is_under_way_is_not_cleared_when_it_stands(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent = pay(either, handheld, r.OUTCOME_PROVISIONAL)
    (request,) = either.claim()
    fork(either, handheld, intent)
    either.answer(request, "00")
    refund(desk, intent)
    desk.both(intent, True)
    assert settle(either) == [t.STEP_REVERSE] and either.books() == {} and either.claim() == []
    with reading(either.engine) as connection:
        assert failures.listed(connection) == []


def ask_again(centre: Centre, intent: int) -> list[str]:
    with centre.engine.begin() as connection:
        return failures.again(connection, (NAME, 1, intent), centre.now)


def test_what_is_given_back_after_a_refused_void_is_asked_again_until_it_is_reversed(
    either: Centre, handheld: Handheld
) -> None:
    """Its void stays refused: the driver was told so. The verdict is the officers' own."""
    desk = Desk(either)
    intent = with_card(either, handheld)
    assert settle(either) == [t.STEP_CLEAR]
    ask_void(either, handheld, intent)
    refuse(either)
    fork(either, handheld, intent)
    desk.both(intent, False)
    refuse(either)
    with reading(either.engine) as connection:
        assert [(row["step"], row["again"]) for row in failures.listed(connection)] == [("reversal", True)]
    alarms = either.alarms()
    assert ask_again(either, intent) == ["reversal"]
    assert settle(either) == [t.STEP_REVERSE] and either.books() == {} and either.alarms() == alarms
    (void_,) = either.hello(handheld)[s.VOIDS]
    assert void_[s.RESULT_OUTCOME] == r.VOID_REFUSED


def test_a_void_that_is_refused_after_the_verdict_stays_so_while_that_is_carried_out(
    either: Centre, handheld: Handheld
) -> None:
    desk = Desk(either)
    intent = with_card(either, handheld)
    assert settle(either) == [t.STEP_CLEAR]
    ask_void(either, handheld, intent)
    fork(either, handheld, intent)
    desk.both(intent, False)
    refuse(either)
    assert ask_again(either, intent) == ["reversal"]
    assert settle(either) == [t.STEP_REVERSE] and either.books() == {}
    assert either.hello(handheld)[s.VOIDS][0][s.RESULT_OUTCOME] == r.VOID_REFUSED


def test_after_a_restore_no_terminals_word_about_a_void_keeps_back_what_a_verdict_gives_back(
    either: Centre, handheld: Handheld
) -> None:
    """The terminal was told after the backup that its void is refused, and says so only now."""
    desk = Desk(either)
    intent = with_card(either, handheld)
    assert settle(either) == [t.STEP_CLEAR]
    ask_void(either, handheld, intent)
    fork(either, handheld, intent)
    seq = ended(handheld, intent, r.VOID_REFUSED, "63")
    with either.engine.begin() as connection:
        restore.mark(connection, either.now)
    either.hello(handheld)
    desk.both(intent, False)
    either.send(handheld, seq)
    assert settle(either) == [t.STEP_REVERSE] and either.books() == {}


def _answered_while_reversed(centre: Centre, handheld: Handheld, desk: Desk, restored: bool) -> int:
    """The intent of a payment that a verdict gave back; its clearing was answered 12, its reversal was refused and given up, and it is held anew."""
    intent = pay(centre, handheld)
    if restored:
        with centre.engine.begin() as connection:
            restore.mark(connection, centre.now + 1)
        centre.now += 10
        centre.hello(handheld)
    else:
        (clearing,) = centre.claim()
    fork(centre, handheld, intent)
    desk.both(intent, False)
    if restored:
        (clearing,) = centre.claim()
    assert clearing.step == t.STEP_CLEAR and centre.answer(clearing, "12")
    (reversal,) = centre.claim()
    assert reversal.step == t.STEP_REVERSE and centre.answer(reversal, "30" if restored else "05")
    give_up(centre, intent)
    assert centre.books() == {} and centre.claim() == []
    return intent


def test_after_a_restore_a_clearing_that_was_answered_12_is_asked_again_once_the_payment_stands(
    either: Centre, handheld: Handheld
) -> None:
    """It was refunded after the backup: the host has reversed it, and says so once more."""
    desk = Desk(either)
    intent = _answered_while_reversed(either, handheld, desk, restored=True)
    desk.both(intent, True)
    (clearing,) = either.claim()
    assert clearing.step == t.STEP_CLEAR and clearing.repeat
    either.answer(clearing, "12")
    assert either.claim() == [] and either.books() == {} and "has reversed it since the backup" in said(either)


def test_a_clearing_that_was_answered_12_has_failed_and_is_named_once_the_payment_stands(
    either: Centre, handheld: Handheld
) -> None:
    desk = Desk(either)
    intent = _answered_while_reversed(either, handheld, desk, restored=False)
    before = said(either)
    desk.both(intent, True)
    assert "answered 12 while it was to be reversed" in said(either).removesuffix(before)
    assert either.claim() == [] and either.books() == PAID
    with reading(either.engine) as connection:
        assert [(row["step"], row["response"]) for row in failures.listed(connection)] == [("clearing", "12")]


def test_a_payment_that_stands_though_the_acquirer_has_reversed_it_is_named(either: Centre, handheld: Handheld) -> None:
    """What it was reversed for, the database has forgotten."""
    desk = Desk(either)
    intent = pay(either, handheld)
    settle(either)
    with either.engine.begin() as connection:
        restore.mark(connection, either.now)
    either.hello(handheld)
    fork(either, handheld, intent)
    (inquiry,) = either.claim()
    assert inquiry.step == t.STEP_CLEAR and either.answer(inquiry, "12")
    assert desk.held()[0]["acquirer"] == "reversed"
    desk.both(intent, True)
    what = (
        f"payment {intent} of epoch 1, {A} centimes, stands by a verdict about a fork, but the acquirer has reversed it"
    )
    assert said(either).startswith(what) and either.books() == {} and either.claim() == []


def test_a_payment_that_stands_and_that_a_refund_has_reversed_is_named_by_nobody(
    either: Centre, handheld: Handheld
) -> None:
    desk = Desk(either)
    intent = pay(either, handheld)
    settle(either)
    refund(desk, intent)
    assert settle(either) == [t.STEP_REVERSE]
    fork(either, handheld, intent)
    desk.both(intent, True)
    assert "stands by a verdict" not in said(either) and either.books() == {}


def test_what_nobody_took_stands_without_an_alarm_though_its_approval_was_reversed(
    centre: Centre, handheld: Handheld
) -> None:
    """Interrupted after the issuer had approved it: nothing of it was ever to be collected."""
    case = handheld.notice(A)
    intent = handheld.write(r.PAYMENT_INTENT, case=case, amount=A)
    centre.hello(handheld)
    centre.send(handheld)
    centre.service.ask = lambda request, now: iso.Answer(
        request.identity, request.step, "00", "424242", iso.reference(request.identity), b"", None
    )
    centre.say(authorise(handheld, intent, amount=A))
    seq = handheld.write(
        r.PAYMENT_OUTCOME, case=case, intent=intent, outcome=r.OUTCOME_INTERRUPTED, amount=A, reason="power"
    )
    centre.hello(handheld)
    centre.send(handheld, seq)
    assert settle(centre) == [t.STEP_REVERSE]
    fork(centre, handheld, intent)
    Desk(centre).both(intent, True)
    assert "nothing is collected" not in said(centre)
    with reading(centre.engine) as connection:
        assert not branches.is_reversed(connection, (NAME, 1, intent))
        assert not failures.may_stand(connection, (NAME, 1, intent))


@pytest.mark.parametrize("refused", [False, True])
def test_what_became_of_a_reversal_without_an_answer_is_not_told_as_refused_nor_the_payment_as_captured(
    centre: Centre, handheld: Handheld, refused: bool
) -> None:
    desk = Desk(centre)
    intent = with_card(centre, handheld)
    settle(centre)
    refund(desk, intent)
    (request,) = centre.claim()
    centre.now += waiting.WAITS
    with centre.engine.begin() as connection:
        assert failures.give_up(connection, (NAME, 1, intent), centre.now) == failures.STOPPED
    if refused:
        assert centre.answer(request, "63")
    fork(centre, handheld, intent)
    (held,) = desk.held()
    told = ("captured", "refused") if refused else ("asked", "not answered")
    assert (held["acquirer"], held["reversal"]) == told
    give_up(centre, intent)
    (held,) = desk.held()
    assert (held["acquirer"], held["reversal"]) == ("captured", "given up")
