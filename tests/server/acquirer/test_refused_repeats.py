"""A repeated reversal that the host refuses: it may have carried out the first. Nothing ends before a person has asked the acquirer."""

import pytest
from sqlalchemy import select

from protocol import records as r
from protocol import sync as s
from protocol.errors import ParameterError
from server.acquirer import outbox
from server.office import failures
from server.store import restore
from server.store import tables as t
from server.store.engine import reading
from tests.server.acquirer.test_held_back import again, asked, listed, refund, rows, stands
from tests.server.acquirer.test_online import HostSays, ask, begin, take
from tests.server.acquirer.test_voids import PAID, paid, void
from tests.server.centre import Centre
from tests.server.handheld import Handheld

pytestmark = pytest.mark.usefixtures("greeted")


def _doubtful(centre: Centre, handheld: Handheld, response: str = "30", captured: bool = False) -> tuple[str, int, int]:
    """A void whose reversal was sent once without an answer, and refused when it was repeated."""
    intent = paid(handheld)
    centre.send(handheld)
    if captured:
        assert asked(centre, "00") == [t.STEP_CLEAR]
    centre.now += 10
    centre.send(handheld, void(handheld, intent))
    (first,) = centre.claim()
    assert not first.repeat
    centre.now += outbox.LEASE
    (repeat,) = centre.claim()
    assert (repeat.step, repeat.repeat) == (t.STEP_REVERSE, True) and centre.answer(repeat, response, "")
    return handheld.name, 1, intent


def _void(centre: Centre) -> int | None:
    with reading(centre.engine) as connection:
        return connection.execute(select(t.voids.c.state)).scalar()


def _told(centre: Centre, handheld: Handheld) -> list[int]:
    return [end[s.RESULT_OUTCOME] for end in centre.hello(handheld).get(s.VOIDS, [])]


def _decide(centre: Centre, decide, identity: tuple[str, int, int]) -> object:  # noqa: ANN001 - of server.office.failures
    with centre.engine.begin() as connection:
        return decide(connection, identity, centre.now)


@pytest.mark.parametrize("response", ["12", "30", "63"])
@pytest.mark.parametrize("captured", [False, True])
def test_nothing_ends_by_it_and_the_alarm_says_what_to_find_out(
    centre: Centre, handheld: Handheld, response: str, captured: bool
) -> None:
    identity = _doubtful(centre, handheld, response, captured)
    assert _void(centre) == r.VOID_ASKED and _told(centre, handheld) == [] and centre.books() == PAID
    assert asked(centre) == [] and listed(centre) == [("reversal", response)]
    assert rows(centre)[t.STEP_CLEAR][0] == (t.STATE_DONE if captured else t.STATE_HELD)
    with reading(centre.engine) as connection:
        (what,) = connection.execute(select(t.audit.c.what).where(t.audit.c.code == "ACQUIRER")).scalars()
    assert f"payment {identity[2]}: the acquirer answered {response} to a repeat" in what and "server failed" in what


@pytest.mark.parametrize("captured", [False, True])
def test_what_is_reversed_says_the_acquirer_is_a_void_that_is_done(
    either: Centre, handheld: Handheld, captured: bool
) -> None:
    either.hello(handheld)
    identity = _doubtful(either, handheld, captured=captured)
    _decide(either, failures.confirm_reversed, identity)
    assert _told(either, handheld) == [r.VOID_DONE] and either.books() == {} and listed(either) == []
    assert asked(either) == [] and either.alarms() == ["ACQUIRER"]
    with pytest.raises(ParameterError, match="nothing of this payment has failed"):
        _decide(either, failures.confirm_reversed, identity)


def test_what_is_not_reversed_says_the_acquirer_stands_once_it_can_hold_no_request_any_more(
    either: Centre, handheld: Handheld
) -> None:
    either.hello(handheld)
    identity = _doubtful(either, handheld)
    with pytest.raises(ParameterError, match="for 60 minutes more") as caught:
        _decide(either, failures.give_up, identity)
    assert caught.value.code == "PRM-036" and _void(either) == r.VOID_ASKED
    stands(either, handheld, identity[2])
    assert _told(either, handheld) == [r.VOID_REFUSED] and asked(either, "00") == [t.STEP_CLEAR]
    assert either.books() == PAID and listed(either) == []


def test_a_refund_that_was_given_up_is_not_sent_again_after_a_restore(centre: Centre, handheld: Handheld) -> None:
    intent = paid(handheld)
    centre.send(handheld)
    assert asked(centre, "00") == [t.STEP_CLEAR]
    refund(centre, handheld, intent)
    centre.claim()
    centre.now += outbox.LEASE
    assert asked(centre, "30") == [t.STEP_REVERSE] and listed(centre) == [("reversal", "30")]
    with pytest.raises(ParameterError, match="its clearing has not"):
        _decide(centre, lambda *of: failures.again(*of, clear=True), (handheld.name, 1, intent))
    stands(centre, handheld, intent)
    assert listed(centre) == []
    with centre.engine.begin() as connection:
        restore.mark(connection, centre.now)
    assert [request.step for request in centre.claim()] == [t.STEP_CLEAR]  # the inquiry about what was captured
    centre.now += outbox.LEASE
    assert asked(centre, "00") == [t.STEP_CLEAR]
    refund(centre, handheld, intent)
    (request,) = centre.claim()
    assert (request.step, request.repeat) == (t.STEP_REVERSE, True)


@pytest.mark.parametrize("restored", [False, True])
@pytest.mark.parametrize("answer", ["63", "00"])
def test_what_again_says_of_a_reversal_that_was_given_up_depends_on_whether_a_driver_was_told(
    centre: Centre, handheld: Handheld, answer: str, restored: bool
) -> None:
    intent = paid(handheld)
    centre.send(handheld)
    assert asked(centre, answer) == [t.STEP_CLEAR]
    refund(centre, handheld, intent)
    assert asked(centre, "30") == [t.STEP_REVERSE]
    stands(centre, handheld, intent)
    if restored:
        with centre.engine.begin() as connection:
            restore.mark(connection, centre.now)
    with pytest.raises(ParameterError, match="its reversal was given up") as caught:
        _decide(centre, failures.again, (handheld.name, 1, intent))
    assert "driver" not in str(caught.value) and ("failed again --clear" in str(caught.value)) == (answer == "63")
    if answer == "63":
        assert again(centre, handheld, intent, clear=True) == ["clearing"] and asked(centre, "00") == [t.STEP_CLEAR]
        assert centre.books() == PAID


def test_what_again_says_of_a_reversal_whose_void_was_refused(centre: Centre, handheld: Handheld) -> None:
    identity = _doubtful(centre, handheld, captured=True)
    stands(centre, handheld, identity[2])
    with pytest.raises(ParameterError, match="its driver was told") as caught:
        _decide(centre, failures.again, identity)
    assert "tasdid server refund" in str(caught.value)


def test_the_clearing_waits_for_the_decision_and_says_so(centre: Centre, handheld: Handheld) -> None:
    identity = _doubtful(centre, handheld)
    with pytest.raises(ParameterError, match="give-up or failed reversed"):
        _decide(centre, lambda *of: failures.again(*of, clear=True), identity)


def test_asked_once_more_it_ends_as_the_host_says(centre: Centre, handheld: Handheld) -> None:
    identity = _doubtful(centre, handheld)
    assert _decide(centre, failures.again, identity) == ["reversal"]
    assert asked(centre, "12") == [t.STEP_REVERSE] and _void(centre) == r.VOID_ASKED
    assert _decide(centre, failures.again, identity) == ["reversal"]
    assert asked(centre, "00") == [t.STEP_REVERSE]
    assert _told(centre, handheld) == [r.VOID_DONE] and centre.books() == {} and asked(centre) == []


def test_what_was_cleared_since_is_not_taken_for_reversed(centre: Centre, handheld: Handheld) -> None:
    intent = paid(handheld)
    void(handheld, intent)
    centre.send(handheld)
    identity = (handheld.name, 1, intent)
    assert asked(centre, "30") == [t.STEP_REVERSE]  # the first: nothing of it was carried out
    (clearing,) = centre.claim()
    with pytest.raises(ParameterError, match="not answered yet"):
        _decide(centre, failures.confirm_reversed, identity)
    centre.now += 10
    assert centre.answer(clearing, "00")
    with pytest.raises(ParameterError, match="is accepted"):
        _decide(centre, failures.confirm_reversed, identity)
    assert centre.books() == PAID


def test_what_nobody_took_is_not_given_up_but_may_be_reversed_by_the_acquirer(
    centre: Centre, handheld: Handheld
) -> None:
    HostSays(centre)
    intent = begin(handheld)
    ask(centre, handheld, intent)
    take(handheld, intent, r.OUTCOME_DECLINED)
    centre.send(handheld)
    assert asked(centre, "63") == [t.STEP_REVERSE]
    with pytest.raises(ParameterError, match="nobody took the payment"):
        _decide(centre, failures.give_up, (handheld.name, 1, intent))
    _decide(centre, failures.confirm_reversed, (handheld.name, 1, intent))
    assert listed(centre) == [] and centre.books() == {}
