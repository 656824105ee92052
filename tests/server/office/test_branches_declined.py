"""What a verdict about a fork gave back is declined, its driver was told so: it never stands, and stays listed until its approval is given back."""

from typing import Any

import pytest

from protocol import records as r
from protocol.errors import ParameterError
from server import codes
from server.acquirer import outbox
from server.office import failures, refunds
from server.store import tables as t
from server.store.engine import reading
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.office.test_branches_reversed import refuse
from tests.server.verdicts import NAME, A, Desk, fork, pay, settle


def _refused(centre: Centre, act: Any, intent: int, **words: bool) -> ParameterError:
    with centre.engine.begin() as connection, pytest.raises(ParameterError) as caught:
        act(connection, (NAME, 1, intent), centre.now, **words)
    assert caught.value.code == "PRM-036"
    return caught.value


def _listed(centre: Centre) -> list[tuple[str, bool]]:
    with reading(centre.engine) as connection:
        return [(item["step"], item["again"]) for item in failures.listed(connection)]


def _declined(desk: Desk, handheld: Handheld, approved: bool) -> int:
    """A deferred payment that was given back, and whose reversal the acquirer refuses; `approved`: after its issuer's approval."""
    centre = desk.centre
    intent = pay(centre, handheld, r.OUTCOME_PROVISIONAL)
    sent = centre.claim() if approved else []
    fork(centre, handheld, intent)
    desk.both(intent, False)
    for request in sent:
        assert centre.answer(request, "00")
    refuse(centre)
    centre.now += 2 * outbox.HOLDS
    return intent


def _given_up_before(centre: Centre, intent: int, held: int) -> None:
    """As a former release left it: its reversal was given up."""
    with centre.engine.begin() as connection:
        connection.exec_driver_sql(f"UPDATE payments SET held = {held}")
        connection.exec_driver_sql(f"UPDATE outbox SET response = '--' WHERE step = 3 AND intent = {intent}")


@pytest.mark.parametrize("approved", [False, True])
def test_the_reversal_of_what_is_declined_is_not_given_up_and_stays_listed_until_it_is_reversed(
    either: Centre, handheld: Handheld, approved: bool
) -> None:
    desk = Desk(either)
    intent = _declined(desk, handheld, approved)
    for act, words in ((failures.give_up, {}), (failures.again, {"clear": True})):
        why = _refused(either, act, intent, **words)
        assert "declined" in str(why) and (why.hint or "").endswith("tasdid server failed reversed")
    assert desk.held() == [] and _listed(either) == [("reversal", True)]
    assert desk.refused(desk.draft, intent) == "PRM-039"
    with reading(either.engine) as connection, pytest.raises(ParameterError, match="PRM-034"):
        refunds.draft(connection, (NAME, 1, intent), "twice", either.now)
    with either.engine.begin() as connection:
        assert failures.again(connection, (NAME, 1, intent), either.now) == ["reversal"]
    refuse(either)
    with either.engine.begin() as connection:
        failures.confirm_reversed(connection, (NAME, 1, intent), either.now)
    assert _listed(either) == [] and either.claim() == [] and either.books() == {}


def test_the_reversal_of_what_the_record_on_file_declines_is_not_given_up(either: Centre, handheld: Handheld) -> None:
    """The other branch may have approved it."""
    desk = Desk(either)
    intent = pay(either, handheld, r.OUTCOME_INTERRUPTED, b"")
    fork(either, handheld, intent)
    with either.engine.begin() as connection:
        outbox.reverse(connection, (NAME, 1, intent), A, 0, either.now)
    desk.both(intent, False)
    refuse(either)
    either.now += 2 * outbox.HOLDS
    assert "nobody took the payment" in str(_refused(either, failures.give_up, intent))
    assert desk.held() == [] and _listed(either) == [("reversal", True)]


def test_what_is_declined_and_to_be_reversed_cannot_stand(either: Centre, handheld: Handheld) -> None:
    """Its authorisation is given up while a proposal that it stands is open."""
    desk = Desk(either)
    intent = pay(either, handheld, r.OUTCOME_PROVISIONAL)
    settle(either, "63")
    fork(either, handheld, intent)
    (held,) = desk.held()
    assert (held["result"], held["reversal"]) == (None, None)
    open_ = desk.draft(intent)
    desk.propose(open_)
    with either.engine.begin() as connection:
        failures.give_up(connection, (NAME, 1, intent), either.now)
    (held,) = desk.held()
    assert (held["result"], held["reversal"]) == (r.OUTCOME_DECLINED, "asked")
    assert desk.refused(desk.approve, open_) == "PRM-032" and desk.refused(desk.draft, intent) == "PRM-039"
    refuse(either)
    assert desk.held()[0]["reversal"] == "refused"
    desk.both(intent, False)
    assert settle(either) == [t.STEP_REVERSE] and either.books() == {} and desk.held() == []


def test_what_its_issuer_refused_may_stand_as_declined(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent = pay(either, handheld, r.OUTCOME_PROVISIONAL)
    assert settle(either, "51") == [t.STEP_AUTHORISE]
    fork(either, handheld, intent)
    (held,) = desk.held()
    assert (held["acquirer"], held["result"], held["reversal"]) == ("refused", r.OUTCOME_DECLINED, None)
    desk.both(intent, True)
    assert desk.held() == [] and either.claim() == [] and set(either.books().values()) <= {0}


def test_what_a_former_release_holds_again_is_given_back_only(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent = _declined(desk, handheld, True)
    _given_up_before(either, intent, t.HELD_FORK)
    (held,) = desk.held()
    assert (held["result"], held["reversal"]) == (r.OUTCOME_DECLINED, "given up")
    assert desk.refused(desk.draft, intent) == "PRM-039"
    desk.both(intent, False)
    assert settle(either) == [t.STEP_REVERSE] and codes.FORK in either.alarms()


def test_of_what_a_former_release_had_stand_nobody_says_that_it_stands(either: Centre, handheld: Handheld) -> None:
    intent = _declined(Desk(either), handheld, True)
    _given_up_before(either, intent, t.HELD_NOT)
    for act in (failures.again, failures.give_up):
        why = _refused(either, act, intent)
        assert "stands" not in str(why) and (why.hint or "").endswith("tasdid server failed reversed")
    with either.engine.begin() as connection:
        failures.confirm_reversed(connection, (NAME, 1, intent), either.now)
    assert _listed(either) == []
