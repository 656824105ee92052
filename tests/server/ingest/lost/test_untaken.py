"""What an issuer approved while a card waited, and whose outcome is lost: given back if the gap's money cannot be it, else named."""

import pytest
from sqlalchemy import select

from protocol import records as r
from protocol import sync as s
from server.store import restore
from server.store import tables as t
from server.store.engine import reading
from tests.server.acquirer.test_online import A, HostSays, ask, begin, take
from tests.server.centre import Centre
from tests.server.handheld import Handheld

pytestmark = pytest.mark.usefixtures("greeted")


def _named(centre: Centre) -> list[str]:
    with reading(centre.engine) as connection:
        rows = connection.execute(select(t.audit.c.what).where(t.audit.c.code == "GAP").order_by(t.audit.c.number))
        return [what for what in rows.scalars() if "issuer" in what]


def _reversals(centre: Centre) -> list[tuple[int, int]]:
    return [(request.identity[2], request.amount) for request in centre.claim() if request.step == t.STEP_REVERSE]


def _asked(centre: Centre, handheld: Handheld, response: str = "00") -> int:
    HostSays(centre, response)
    intent = begin(handheld)
    ask(centre, handheld, intent)
    return intent


def _after(centre: Centre, handheld: Handheld, first: int, last: int, until: int | None = None) -> None:
    """Records `first` to `last` are lost; what follows is sent, as far as `until`."""
    centre.hello(handheld)
    kind, said = centre.say(handheld.batch(last + 1, until, gap=first))
    assert kind == s.TYPE_ACK and s.REJECTED not in said, said


def _what(intent: int, end: str) -> list[str]:
    return [f"payment {intent} of epoch 1, {A} centimes, is or may be approved by its issuer{end}"]


@pytest.mark.parametrize("response", ["00", "91", "68"])
@pytest.mark.parametrize("how", [r.OUTCOME_DECLINED, r.OUTCOME_INTERRUPTED, r.OUTCOME_PROVISIONAL])
def test_what_nobody_can_have_taken_is_reversed_and_named(
    centre: Centre, handheld: Handheld, how: int, response: str
) -> None:
    intent = _asked(centre, handheld, response)
    centre.send(handheld, 1)
    outcome = take(handheld, intent, how, r.ONLINE_DOUBTFUL)
    closed = handheld.write(r.CASE_CLOSED, case=handheld.cases, closure=r.CLOSURE_DECLINED)
    handheld.write(r.GAP, first=outcome, gap_last=outcome, gap_hash=handheld.hash(outcome), gap_count=0, gap_total=0)
    handheld.pay(r.OUTCOME_APPROVED, 200_000)
    _after(centre, handheld, outcome, outcome, closed)
    assert _named(centre) == _what(intent, " and its outcome is lost: reversed")
    centre.send(handheld, closed + 1)
    assert _reversals(centre) == [(intent, A)] and _named(centre) == _what(intent, " and its outcome is lost: reversed")
    assert centre.books().get("suspense:16:1:BMP-16-01", 0) == 0


@pytest.mark.parametrize("response", ["05", "51"])
def test_what_the_issuer_declined_is_left_alone(centre: Centre, handheld: Handheld, response: str) -> None:
    intent = _asked(centre, handheld, response)
    centre.send(handheld, 1)
    outcome = take(handheld, intent, r.OUTCOME_DECLINED)
    handheld.write(r.CASE_CLOSED, case=handheld.cases, closure=r.CLOSURE_DECLINED)
    _after(centre, handheld, outcome, outcome)
    assert _reversals(centre) == [] and _named(centre) == []


@pytest.mark.parametrize("lost", [A, A - 1, A + 1, 2 * A])
def test_what_the_gap_can_hold_is_a_persons_to_decide(centre: Centre, handheld: Handheld, lost: int) -> None:
    """One payment of its amount, or several that come to more."""
    intent = _asked(centre, handheld)
    centre.send(handheld, 1)
    outcome = take(handheld, intent, r.OUTCOME_APPROVED if lost in (A, 2 * A) else r.OUTCOME_DECLINED)
    if lost != A:
        handheld.pay(r.OUTCOME_APPROVED, A if lost == 2 * A else lost)
    last = len(handheld.records)
    handheld.write(r.CASE_CLOSED, case=handheld.cases, closure=r.CLOSURE_PAID)
    _after(centre, handheld, outcome, last)
    can = lost in (A, 2 * A)
    assert _reversals(centre) == ([] if can else [(intent, A)])
    end = f"; the gap from record {outcome} may hold its outcome: ask the acquirer"
    assert _named(centre) == _what(intent, end if can else " and its outcome is lost: reversed")
    centre.send(handheld, last + 1)
    assert len(_named(centre)) == 1


@pytest.mark.parametrize("outcome", [r.OUTCOME_APPROVED, r.OUTCOME_DECLINED])
def test_an_outcome_behind_a_lost_intent_counts(centre: Centre, handheld: Handheld, outcome: int) -> None:
    intent = _asked(centre, handheld)
    centre.send(handheld, 1, intent - 1)
    handheld.write(r.HEALTH_EVENT, health="boot")
    handheld.write(r.GAP, first=intent, gap_last=intent, gap_hash=handheld.hash(intent), gap_count=0, gap_total=0)
    _after(centre, handheld, intent, intent)
    assert _named(centre) == [] and _reversals(centre) == []
    last = take(handheld, intent, outcome)
    handheld.write(r.CASE_CLOSED, case=handheld.cases, closure=r.CLOSURE_PAID)
    centre.send(handheld, last)
    assert _named(centre) == [] and _reversals(centre) == ([] if outcome == r.OUTCOME_APPROVED else [(intent, A)])


def test_an_intent_that_was_lost_before_anything_followed_is_reversed(centre: Centre, handheld: Handheld) -> None:
    intent = _asked(centre, handheld)
    centre.send(handheld, 1, intent - 1)
    handheld.write(r.HEALTH_EVENT, health="boot")
    handheld.write(r.NOTICE, case=9, pv="16/2027/000009", offence="66/D-24", amount=A, points=4)
    _after(centre, handheld, intent, intent)
    assert _reversals(centre) == [(intent, A)]


def test_the_second_of_two_gaps_may_hold_it(centre: Centre, handheld: Handheld) -> None:
    intent = _asked(centre, handheld)
    centre.send(handheld, 1)
    first = handheld.write(r.HEALTH_EVENT, health="x")
    between = handheld.write(r.HEALTH_EVENT, health="x")
    outcome = take(handheld, intent, r.OUTCOME_APPROVED)
    handheld.write(r.CASE_CLOSED, case=handheld.cases, closure=r.CLOSURE_PAID)
    _after(centre, handheld, first, first, between)
    assert _named(centre) == []
    _after(centre, handheld, outcome, outcome)
    assert _reversals(centre) == [] and "may hold its outcome" in _named(centre)[0]


def test_a_gap_after_the_terminal_went_on_explains_nothing_of_before(centre: Centre, handheld: Handheld) -> None:
    intent = _asked(centre, handheld)
    take(handheld, intent, r.OUTCOME_APPROVED, amount=A + 1)  # set aside, and given back for that
    handheld.write(r.CASE_CLOSED, case=handheld.cases, closure=r.CLOSURE_PAID)
    centre.send(handheld)
    assert _reversals(centre) == [(intent, A)]
    first = handheld.write(r.HEALTH_EVENT, health="x")
    handheld.pay(r.OUTCOME_DECLINED)
    _after(centre, handheld, first, first)
    assert _named(centre) == []


def test_what_a_restored_database_may_have_known_is_a_persons_to_decide(centre: Centre, handheld: Handheld) -> None:
    intent = _asked(centre, handheld)
    centre.send(handheld, 1)
    outcome = take(handheld, intent, r.OUTCOME_PROVISIONAL)
    handheld.write(r.CASE_CLOSED, case=handheld.cases, closure=r.CLOSURE_PROVISIONAL)
    with centre.engine.begin() as connection:
        restore.mark(connection, centre.now)
    _after(centre, handheld, outcome, outcome)
    assert _reversals(centre) == []
    assert _named(centre) == _what(intent, "; its outcome may have been on file before the restore: ask the acquirer")


def test_a_record_that_comes_late_is_a_persons_to_decide_with_it(centre: Centre, handheld: Handheld) -> None:
    intent = _asked(centre, handheld)
    centre.send(handheld, 1)
    outcome = take(handheld, intent, r.OUTCOME_DECLINED)
    seq = handheld.write(r.HEALTH_EVENT, health="x")
    _after(centre, handheld, outcome, outcome)
    centre.say(handheld.batch(outcome, seq))
    last = handheld.write(r.CASE_CLOSED, case=handheld.cases, closure=r.CLOSURE_DECLINED)
    centre.send(handheld, last)
    assert _reversals(centre) == [] and _named(centre) == _what(intent, "; its outcome was set aside: decide")


def test_an_interruption_that_is_told_later_does_no_harm(centre: Centre, handheld: Handheld) -> None:
    intent = _asked(centre, handheld)
    centre.send(handheld, 1)
    outcome = take(handheld, intent, r.OUTCOME_PROVISIONAL)
    handheld.write(r.CASE_CLOSED, case=handheld.cases, closure=r.CLOSURE_PROVISIONAL)
    _after(centre, handheld, outcome, outcome)
    (request,) = centre.claim()
    centre.answer(request, "00")
    last = take(handheld, intent, r.OUTCOME_INTERRUPTED, r.ONLINE_DOUBTFUL)
    assert s.REJECTED not in centre.send(handheld, last)
    (again,) = centre.claim()
    assert (again.step, again.repeat) == (t.STEP_REVERSE, True) and centre.answer(again, "00")
    assert centre.claim() == [] and centre.books() == {}
