"""What the acquirer did not judge: a person has it asked again, or gives an authorisation up; nothing stays for ever."""

import pytest
from sqlalchemy import select, update

from protocol import records as r
from protocol import sync as s
from protocol.errors import ParameterError
from server import codes
from server.acquirer import outbox, settling, waiting
from server.acquirer.iso import LATER, Answer, Request, reference
from server.office import failures
from server.store import restore
from server.store import tables as t
from server.store.engine import reading
from tests.server.acquirer.test_voids import ended, paid, void
from tests.server.centre import Centre
from tests.server.handheld import Handheld

A = 200_000


pytestmark = pytest.mark.usefixtures("greeted")


def _fail(centre: Centre, handheld: Handheld, outcome: int, response: str) -> tuple[str, int, int]:
    intent = handheld.pay(outcome, A, b"sealed")
    centre.send(handheld)
    [request] = centre.claim()
    centre.answer(request, response, "")
    assert centre.claim() == [] and len(_listed(centre)) == 1
    return handheld.name, 1, intent


def _listed(centre: Centre) -> list[dict]:
    with reading(centre.engine) as connection:
        return failures.listed(connection)


@pytest.mark.parametrize("response", ["03", "12", "30", "63"])
def test_what_is_asked_again_goes_out_as_a_repeat_and_ends_as_any_other(
    centre: Centre, handheld: Handheld, response: str
) -> None:
    identity = _fail(centre, handheld, r.OUTCOME_PROVISIONAL, response)
    [row] = _listed(centre)
    assert (row["intent"], row["step"], row["amount"], row["response"]) == (identity[2], "authorisation", A, response)
    with centre.engine.begin() as connection:
        assert failures.again(connection, identity, centre.now) == ["authorisation"]
    [request] = centre.claim()
    assert request.repeat and request.sealed == b"sealed"
    centre.answer(request, "00")
    assert _listed(centre) == [] and centre.books()["receivable:CIB TEST"] == A
    assert [one.step for one in centre.claim()] == [t.STEP_CLEAR]


@pytest.mark.parametrize("response", ["03", "12", "30", "63"])
def test_an_authorisation_given_up_is_declined_told_erased_and_reversed(
    centre: Centre, handheld: Handheld, response: str
) -> None:
    identity = _fail(centre, handheld, r.OUTCOME_PROVISIONAL, response)
    assert centre.count("sealed") == 1
    with centre.engine.begin() as connection:
        failures.give_up(connection, identity, centre.now)
    assert _listed(centre) == [] and centre.count("sealed") == 0 and set(centre.books().values()) <= {0}
    [told] = centre.hello(handheld)[s.RESULTS]
    assert (told[s.RESULT_INTENT], told[s.RESULT_OUTCOME], told[s.RESULT_REASON]) == (
        identity[2],
        r.OUTCOME_DECLINED,
        response,
    )
    handheld.write(r.AUTHORISATION_RESULT, intent=identity[2], outcome=r.OUTCOME_DECLINED, amount=A)
    ack = centre.send(handheld, len(handheld.records))
    assert s.REJECTED not in ack and identity[2] in [row[0] if isinstance(row, list) else row for row in ack[s.CLEARED]]
    [reversal] = centre.claim()
    assert (reversal.step, reversal.amount) == (t.STEP_REVERSE, A)
    centre.answer(reversal, "00")
    assert centre.claim() == [] and set(centre.books().values()) <= {0}


def test_what_did_not_fail_is_neither_asked_again_nor_given_up(centre: Centre, handheld: Handheld) -> None:
    intent = handheld.pay(r.OUTCOME_PROVISIONAL, A, b"sealed")
    centre.send(handheld)
    for decide in (failures.again, failures.give_up):
        with centre.engine.begin() as connection, pytest.raises(ParameterError) as caught:
            decide(connection, (handheld.name, 1, intent), centre.now)
        assert caught.value.code == "PRM-036"
    assert [one.repeat for one in centre.claim()] == [False]


def test_a_clearing_is_asked_again_but_not_given_up_nor_asked_once_it_is_to_be_refunded(
    centre: Centre, handheld: Handheld
) -> None:
    identity = _fail(centre, handheld, r.OUTCOME_APPROVED, "63")
    with centre.engine.begin() as connection, pytest.raises(ParameterError):
        failures.give_up(connection, identity, centre.now)
    with centre.engine.begin() as connection:
        assert failures.again(connection, identity, centre.now) == ["clearing"]
    [request] = centre.claim()
    assert request.repeat
    centre.answer(request, "63", "")
    with centre.engine.begin() as connection:
        outbox.request_reversal(connection, identity, "officers 1 and 2", centre.now)
    with centre.engine.begin() as connection, pytest.raises(ParameterError) as caught:
        failures.again(connection, identity, centre.now)
    assert caught.value.code == "PRM-036"
    assert [one.step for one in centre.claim()] == [t.STEP_REVERSE]


def _about(centre: Centre, request: Request, response: str, amount: int) -> None:
    said = Answer(request.identity, request.step, response, "123456", reference(request.identity), b"", amount)
    with centre.engine.begin() as connection:
        settling.settle(connection, request, said, centre.now)


def _again(centre: Centre, identity: tuple[str, int, int]) -> Request:
    with centre.engine.begin() as connection:
        failures.again(connection, identity, centre.now)
    (request,) = centre.claim()
    assert request.repeat
    return request


@pytest.mark.parametrize(("response", "failed", "sealed"), [("63", 1, 1), ("12", 1, 1), ("00", 0, 0)])
def test_a_clearing_of_another_amount_that_is_asked_again_is_no_inquiry_after_a_restore(
    centre: Centre, handheld: Handheld, response: str, failed: int, sealed: int
) -> None:
    intent = handheld.pay(r.OUTCOME_APPROVED, A, b"sealed")
    centre.send(handheld)
    (request,) = centre.claim()
    _about(centre, request, "00", 100)
    assert [row["response"] for row in _listed(centre)] == ["00"]
    centre.answer(_again(centre, (handheld.name, 1, intent)), response)
    assert (len(_listed(centre)), centre.count("sealed")) == (failed, sealed)
    assert centre.books()["receivable:CIB TEST"] == A and "RESTORED" not in centre.alarms()


def test_a_clearing_of_a_fork_is_not_asked_again(centre: Centre, handheld: Handheld) -> None:
    identity = _fail(centre, handheld, r.OUTCOME_APPROVED, "63")
    with centre.engine.begin() as connection:
        connection.execute(update(t.payments).values(held=1))
    with centre.engine.begin() as connection, pytest.raises(ParameterError) as caught:
        failures.again(connection, identity, centre.now)
    assert caught.value.code == "PRM-036" and centre.claim() == []


def test_a_clearing_whose_payment_is_given_back_is_listed_no_longer(centre: Centre, handheld: Handheld) -> None:
    identity = _fail(centre, handheld, r.OUTCOME_APPROVED, "63")
    with centre.engine.begin() as connection:
        outbox.request_reversal(connection, identity, "officers 1 and 2", centre.now)
    (request,) = centre.claim()
    centre.answer(request, "00")
    assert _listed(centre) == [] and set(centre.books().values()) <= {0}


@pytest.mark.parametrize("written", [False, True])
def test_a_void_that_is_done_after_it_was_refused_is_named(centre: Centre, handheld: Handheld, written: bool) -> None:
    intent = paid(handheld)
    centre.send(handheld)
    (request,) = centre.claim()
    centre.answer(request, "00")
    seq = void(handheld, intent)
    centre.send(handheld, seq)
    (request,) = centre.claim()
    centre.answer(request, "63", "")
    if written:
        last = ended(handheld, intent, r.VOID_REFUSED)
        centre.hello(handheld)
        assert s.REJECTED not in centre.send(handheld, last)
    before, identity = centre.alarms(), (handheld.name, 1, intent)
    with centre.engine.begin() as connection, pytest.raises(ParameterError, match="told that the payment stands"):
        failures.again(connection, identity, centre.now)
    with centre.engine.begin() as connection:  # by whomever; no refund is on file
        outbox.request_reversal(connection, identity, "nobody", centre.now)
    (request,) = centre.claim()
    assert request.repeat
    centre.answer(request, "00")
    assert centre.alarms()[len(before) :] == [codes.RESULT_DIFFERS] and set(centre.books().values()) <= {0}
    with reading(centre.engine) as connection:
        assert connection.execute(select(t.voids.c.state)).scalar() == r.VOID_DONE
    assert [end[s.RESULT_OUTCOME] for end in centre.hello(handheld).get(s.VOIDS, [])] == (
        [] if written else [r.VOID_DONE]
    )


@pytest.mark.parametrize("outcome", [r.OUTCOME_PROVISIONAL, r.OUTCOME_APPROVED])
def test_after_a_restore_what_had_failed_is_asked_again_and_named(
    centre: Centre, handheld: Handheld, outcome: int
) -> None:
    identity = _fail(centre, handheld, outcome, "63")
    with centre.engine.begin() as connection:
        restore.mark(connection, centre.now)
        named = connection.execute(select(t.audit.c.what).where(t.audit.c.device == handheld.name)).scalars().all()
    assert any(f"payment {identity[2]} of epoch 1" in what and "had failed" in what for what in named)
    (request,) = centre.claim()
    assert request.repeat and _listed(centre) == []
    centre.answer(request, "00")
    assert centre.books()["receivable:CIB TEST"] == A


@pytest.mark.parametrize("response", sorted(LATER))
def test_an_authorisation_that_is_never_judged_is_named_once_listed_and_may_be_given_up(
    centre: Centre, handheld: Handheld, response: str
) -> None:
    intents = [handheld.pay(r.OUTCOME_PROVISIONAL, A, b"sealed") for _ in range(2)]
    centre.send(handheld)
    start, identity = centre.now, (handheld.name, 1, intents[0])
    while centre.now < start + waiting.WAITS - 4000:
        assert not any(centre.answer(request, response, "") for request in centre.claim())
    assert centre.alarms() == [] and _waiting(centre) == []
    with centre.engine.begin() as connection, pytest.raises(ParameterError) as caught:
        failures.give_up(connection, identity, centre.now)
    assert caught.value.code == "PRM-036"
    for _ in range(5):
        assert not any(centre.answer(request, response, "") for request in centre.claim())
    assert centre.alarms() == ["WAITING", "WAITING"]
    assert _waiting(centre) == [(intent, "authorisation") for intent in intents]
    with centre.engine.begin() as connection:
        failures.give_up(connection, identity, centre.now)
    assert _waiting(centre) == [(intents[1], "authorisation")] and set(centre.books().values()) != {0}
    assert [row[s.RESULT_OUTCOME] for row in centre.hello(handheld)[s.RESULTS]] == [r.OUTCOME_DECLINED]
    requests = {request.identity[2]: request for request in centre.claim()}
    assert {intent: request.step for intent, request in requests.items()} == {intents[0]: 3, intents[1]: 1}
    assert centre.answer(requests[intents[0]], "00") and centre.answer(requests[intents[1]], "00")
    assert _waiting(centre) == [] and centre.books()["receivable:CIB TEST"] == A


def _waiting(centre: Centre) -> list[tuple[int, str]]:
    with reading(centre.engine) as connection:
        return [(row["intent"], row["step"]) for row in failures.waiting(connection, centre.now)]


def test_a_reversal_and_a_clearing_that_are_never_answered_are_named_and_listed(
    centre: Centre, handheld: Handheld
) -> None:
    cleared = handheld.pay(r.OUTCOME_APPROVED, A)
    intent = paid(handheld)
    void(handheld, intent)
    centre.send(handheld)
    for _ in range(30):
        for request in centre.claim():
            with centre.engine.begin() as connection:
                outbox.postpone(connection, request, centre.now)  # the host is silent
    assert centre.alarms() == ["WAITING"] * 2
    assert _waiting(centre) == [(cleared, "clearing"), (intent, "reversal")]
    with centre.engine.begin() as connection:
        assert failures.give_up(connection, (handheld.name, 1, intent), centre.now) == failures.STOPPED
    assert _waiting(centre) == [(cleared, "clearing")] and [item["step"] for item in _listed(centre)] == ["reversal"]
