"""From provisional to paid: the outbox, the acquirer's answers, delivery to the terminal, posting, all exactly once."""

from pathlib import Path

import pytest

from protocol import records as r
from protocol import sync as s
from protocol.errors import ServerError
from server import codes
from server.acquirer import iso, outbox, settling
from server.office import failures
from server.store import restore
from server.store import tables as t
from tests.server.centre import Centre
from tests.server.handheld import Handheld

A = 200_000


pytestmark = pytest.mark.usefixtures("greeted")


def test_an_approval_is_posted_once_and_delivered_until_it_comes_back_as_a_record(
    centre: Centre, handheld: Handheld
) -> None:
    intent = handheld.pay(r.OUTCOME_PROVISIONAL)
    centre.send(handheld)
    (request,) = centre.claim()
    assert (request.step, request.repeat, request.amount, request.sealed) == (t.STEP_AUTHORISE, False, A, b"opaque")
    assert centre.answer(request, "00", "424242")
    paid = {"receivable:CIB TEST": A, "treasury:16:1:BMP-16-01": -A}
    assert centre.books() == paid
    expected = {
        s.RESULT_EPOCH: 1, s.RESULT_INTENT: intent, s.RESULT_OUTCOME: 1, s.RESULT_AUTH_CODE: "424242", s.RESULT_REASON: "00",
        s.RESULT_REF: iso.reference((handheld.name, 1, intent)),
    }  # fmt: skip
    assert centre.hello(handheld)[s.RESULTS] == [expected]
    centre.restart()
    assert centre.hello(handheld)[s.RESULTS] == [expected]  # that WELCOME was lost
    seq = handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=1, amount=A, auth_code="424242")
    ack = centre.send(handheld, seq)
    assert s.RESULTS not in ack and s.REJECTED not in ack
    assert s.RESULTS not in centre.hello(handheld)
    assert centre.books() == paid
    assert centre.ledger()["now"]["paid"] == {"count": 1, "amount": A}


def test_a_refusal_leaves_suspense_and_posts_no_income(centre: Centre, handheld: Handheld) -> None:
    intent = handheld.pay(r.OUTCOME_PROVISIONAL)
    centre.send(handheld)
    (request,) = centre.claim()
    assert centre.answer(request, "51")
    assert centre.books() == {}
    (result,) = centre.hello(handheld)[s.RESULTS]
    assert (result[s.RESULT_INTENT], result[s.RESULT_OUTCOME], result[s.RESULT_REASON]) == (intent, 3, "51")
    assert centre.claim() == []
    assert centre.count("sealed") == 0
    assert centre.ledger()["cases"][0]["state"] == "declined"


def test_the_same_answer_twice_changes_nothing(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_PROVISIONAL)
    centre.send(handheld)
    (request,) = centre.claim()
    assert centre.answer(request, "00") is True
    assert centre.answer(request, "00") is False
    assert centre.answer(request, "51") is False
    assert centre.books()["treasury:16:1:BMP-16-01"] == -A
    assert centre.count("results") == 1


def test_what_may_have_been_received_goes_out_as_a_repeat_after_a_crash(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_PROVISIONAL)
    centre.send(handheld)
    (first,) = centre.claim()  # committed as doubtful; then the server dies
    centre.restart()
    (second,) = centre.claim()
    assert (first.repeat, second.repeat) == (False, True)
    one, two = iso.encode(first, centre.now), iso.encode(second, centre.now)
    assert (one[:4], two[:4]) == (b"0100", b"0101")
    assert one[4:] == two[4:]  # the same payment, the same references


def test_a_claimed_request_belongs_to_one_worker_until_its_lease_ends(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_PROVISIONAL)
    centre.send(handheld)
    centre.now += 10
    with centre.engine.begin() as connection:
        assert len(outbox.claim(connection, centre.now)) == 1
        assert outbox.claim(connection, centre.now) == []
        assert outbox.claim(connection, centre.now + outbox.LEASE - 1) == []
        assert len(outbox.claim(connection, centre.now + outbox.LEASE)) == 1


@pytest.mark.parametrize("response", sorted(settling.LATER))
def test_a_passing_trouble_is_repeated_later_with_growing_pauses(
    centre: Centre, handheld: Handheld, response: str
) -> None:
    handheld.pay(r.OUTCOME_PROVISIONAL)
    centre.send(handheld)
    for expected in (False, True, True):
        (request,) = centre.claim()
        assert request.repeat is expected
        assert centre.answer(request, response) is False
    with centre.engine.begin() as connection:
        assert outbox.claim(connection, centre.now + 3) == []
        assert len(outbox.claim(connection, centre.now + 4)) == 1
    assert centre.books() == {"provisional:CIB TEST": A, "awaited:16:1:BMP-16-01": -A}


def test_what_the_card_approved_is_cleared_and_its_card_data_then_erased(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_APPROVED)
    centre.send(handheld)
    (request,) = centre.claim()
    assert request.step == t.STEP_CLEAR and iso.encode(request, centre.now)[:4] == b"0220"
    assert centre.count("sealed") == 1
    assert centre.answer(request, "00")
    assert centre.count("sealed") == 0
    assert centre.claim() == []
    assert s.RESULTS not in centre.hello(handheld)


def test_an_authorised_payment_is_cleared_once_without_card_data(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_PROVISIONAL)
    centre.send(handheld)
    (request,) = centre.claim()
    centre.answer(request, "00", "777777")
    (clearing,) = centre.claim()
    assert (clearing.step, clearing.sealed, clearing.auth_code) == (t.STEP_CLEAR, None, "777777")
    centre.answer(clearing, "00")
    assert centre.claim() == []


def test_an_answer_that_no_issuer_gave_needs_a_person_and_decides_nothing(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_PROVISIONAL)
    centre.send(handheld)
    (request,) = centre.claim()
    assert centre.answer(request, "30")
    assert "ACQUIRER" in centre.alarms()
    assert s.RESULTS not in centre.hello(handheld)
    assert centre.books() == {"provisional:CIB TEST": A, "awaited:16:1:BMP-16-01": -A}


def test_a_result_record_other_than_the_acquirers_word_is_set_aside(centre: Centre, handheld: Handheld) -> None:
    intent = handheld.pay(r.OUTCOME_PROVISIONAL)
    centre.send(handheld)
    (request,) = centre.claim()
    centre.answer(request, "51")
    seq = handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=1, amount=A)
    assert centre.send(handheld, seq)[s.REJECTED] == [[seq, codes.RESULT_DIFFERS]]
    assert centre.books() == {}
    assert codes.RESULT_DIFFERS in centre.alarms()


@pytest.mark.parametrize("restored", [False, True])
@pytest.mark.parametrize("response", ["00", "05"])
def test_a_result_that_the_terminal_writes_down_before_the_acquirer_has_spoken_is_named(
    either: Centre, handheld: Handheld, restored: bool, response: str
) -> None:
    """Whoever speaks first: another word than the acquirer's is an alarm. One that comes first is one too, unless a restore explains it."""
    intent = handheld.pay(r.OUTCOME_PROVISIONAL)
    handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=1, amount=A)
    if restored:
        with either.engine.begin() as connection:
            restore.mark(connection, either.now)
    either.hello(handheld)
    assert s.REJECTED not in either.send(handheld)
    first = 0 if restored else 1
    assert either.alarms().count(codes.RESULT_DIFFERS) == first
    (request,) = either.claim()
    either.answer(request, response)
    assert either.alarms().count(codes.RESULT_DIFFERS) == first + (response != "00")
    assert either.books() == ({"receivable:CIB TEST": A, "treasury:16:1:BMP-16-01": -A} if response == "00" else {})


def test_a_payment_given_up_whose_terminal_wrote_an_approval_down_is_named(centre: Centre, handheld: Handheld) -> None:
    intent = handheld.pay(r.OUTCOME_PROVISIONAL)
    centre.send(handheld)
    (request,) = centre.claim()
    assert centre.answer(request, "63")
    centre.send(handheld, handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=1, amount=A))
    with centre.engine.begin() as connection:
        failures.give_up(connection, request.identity, centre.now)
    assert centre.alarms() == ["ACQUIRER", codes.RESULT_DIFFERS, codes.RESULT_DIFFERS] and centre.books() == {}


def test_a_terminals_word_alone_posts_no_income(centre: Centre, handheld: Handheld) -> None:
    """The terminal's result may arrive before the acquirer's, after a restore: the ledger waits for the latter."""
    intent = handheld.pay(r.OUTCOME_PROVISIONAL)
    handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=1, amount=A)
    handheld.attached[s.SEALED].clear()  # long erased
    centre.send(handheld)
    assert centre.books() == {"provisional:CIB TEST": A, "awaited:16:1:BMP-16-01": -A}
    (request,) = centre.claim()
    assert request.repeat is True and request.sealed is None  # it may well be known to the host
    centre.answer(request, "00")
    assert centre.books() == {"receivable:CIB TEST": A, "treasury:16:1:BMP-16-01": -A}
    assert s.RESULTS not in centre.hello(handheld)


def test_card_data_sent_again_heal_a_request_that_failed_for_want_of_them(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_PROVISIONAL)
    blobs, handheld.attached[s.SEALED] = handheld.attached[s.SEALED], {}
    centre.send(handheld)
    (request,) = centre.claim()
    centre.answer(request, "25")
    assert centre.claim() == []
    handheld.attached[s.SEALED] = blobs
    centre.send(handheld)
    (request,) = centre.claim()
    assert request.sealed == b"opaque"


@pytest.mark.parametrize("outcome", [r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL])
def test_card_data_that_went_out_with_a_request_stay_for_the_next_one_after_a_25(
    centre: Centre, handheld: Handheld, outcome: int
) -> None:
    intent = handheld.pay(outcome)
    centre.send(handheld)
    (request,) = centre.claim()
    assert request.sealed == b"opaque"
    centre.answer(request, "25")
    centre.send(handheld)  # the same data once more: nothing new
    assert centre.claim() == [] and centre.count("sealed") == 1
    with centre.engine.begin() as connection:
        failures.again(connection, (handheld.name, 1, intent), centre.now)
    (request,) = centre.claim()
    assert request.repeat and request.sealed == b"opaque"
    assert centre.answer(request, "00") and centre.count("sealed") == 0


def test_a_result_of_a_forked_payment_is_not_posted(centre: Centre, handheld: Handheld) -> None:
    kept = handheld.records[:]
    handheld.pay(r.OUTCOME_PROVISIONAL)
    centre.send(handheld)
    (request,) = centre.claim()
    handheld.records, handheld.cases = kept, 0
    handheld.attached[s.SEALED].clear()
    handheld.pay(r.OUTCOME_DECLINED, 100_000)
    centre.hello(handheld)
    centre.send(handheld)
    assert centre.books() == {}
    centre.answer(request, "00")
    assert centre.books() == {}
    assert centre.claim() == []
    assert "HELD" in centre.alarms()


def test_a_clearing_that_was_under_way_when_its_payment_was_forked_is_told_to_a_person(
    centre: Centre, handheld: Handheld
) -> None:
    kept = handheld.records[:]
    handheld.pay(r.OUTCOME_APPROVED)
    centre.send(handheld)
    (request,) = centre.claim()
    handheld.records, handheld.cases = kept, 0
    handheld.attached[s.SEALED].clear()
    handheld.pay(r.OUTCOME_DECLINED, 100_000)
    centre.hello(handheld)
    centre.send(handheld)
    assert centre.books() == {} and "HELD" not in centre.alarms()
    assert centre.answer(request, "00")
    assert centre.books() == {} and centre.alarms()[-1] == "HELD"


def test_a_reversal_goes_to_the_acquirer_and_the_ledger_follows_its_answer(centre: Centre, handheld: Handheld) -> None:
    intent = handheld.pay(r.OUTCOME_APPROVED)
    identity = (handheld.name, 1, intent)
    centre.send(handheld)
    (clearing,) = centre.claim()
    centre.answer(clearing, "00")
    with centre.engine.begin() as connection:
        outbox.request_reversal(connection, identity, "two supervisors", centre.now)
    assert centre.books()["treasury:16:1:BMP-16-01"] == -A
    (reversal,) = centre.claim()
    assert iso.encode(reversal, centre.now)[:4] == b"0400"
    centre.answer(reversal, "00")
    assert centre.books() == {}
    with centre.engine.begin() as connection, pytest.raises(ServerError, match=codes.NO_SUCH_PAYMENT):
        outbox.request_reversal(connection, identity, "two supervisors", centre.now)


def test_a_declined_payment_cannot_be_reversed(centre: Centre, handheld: Handheld) -> None:
    intent = handheld.pay(r.OUTCOME_DECLINED)
    centre.send(handheld)
    with centre.engine.begin() as connection, pytest.raises(ServerError, match=codes.NO_SUCH_PAYMENT):
        outbox.request_reversal(connection, (handheld.name, 1, intent), "x", centre.now)


def test_references_differ_between_payments_and_stay_the_same_for_one() -> None:
    seen = {iso.reference(("TSD-000001", epoch, intent)) for epoch in range(3) for intent in range(1000)}
    assert len(seen) == 3000
    assert all(len(reference) == 12 and reference.isalnum() for reference in seen)
    assert iso.reference(("TSD-000001", 1, 42)) == iso.reference(("TSD-000001", 1, 42))


def test_an_answer_with_a_foreign_reference_is_nonsense(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_PROVISIONAL)
    centre.send(handheld)
    (request,) = centre.claim()
    message = iso.encode(request, centre.now).replace(b"0100", b"0110", 1)
    with pytest.raises(codes.AcquirerError, match=codes.ACQUIRER_NONSENSE):
        iso.decode(message.replace(iso.reference(request.identity).encode(), b"A" * 12))
    with pytest.raises(codes.AcquirerError, match=codes.ACQUIRER_NONSENSE):
        iso.decode(message[:40])


def test_many_small_batches_and_restarts_give_the_same_books_as_one(tmp_path: Path, handheld: Handheld) -> None:
    for at in range(12):
        handheld.pay((1, 2, 3, 4)[at % 4], 100_000 + at)
    whole, parts = Centre(tmp_path / "a", handheld), Centre(tmp_path / "b", handheld)
    whole.hello(handheld)
    whole.send(handheld)
    parts.hello(handheld)
    for first in range(1, len(handheld.records) + 1):
        parts.send(handheld, first, first)
        if first % 5 == 0:
            parts.restart()
    assert whole.books() == parts.books() != {}
    assert whole.ledger()["totals"] == parts.ledger()["totals"]
