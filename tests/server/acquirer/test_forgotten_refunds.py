"""A void that was refused, then a refund by two officers, and a backup of before both: what the terminal writes and what the acquirer tells come in
any order, and the books, the void and the shift end the same. Whatever the acquirer tells, nothing goes round in a circle.
"""

import pytest
from sqlalchemy import select

from protocol import records as r
from protocol import sync as s
from server import codes
from server.acquirer import iso, settling, waiting
from server.office import failures
from server.store import restore
from server.store import tables as t
from server.store.engine import reading
from sim.acquirer.host import Host
from tests.server.acquirer.test_held_back import again, asked, listed, refund, stands
from tests.server.acquirer.test_refused_repeats import _decide, _void
from tests.server.acquirer.test_returned import _ask, _backup, _pay, acquirer  # noqa: F401 - a fixture
from tests.server.acquirer.test_terminals_word import _told_refused
from tests.server.acquirer.test_voids import paid, void
from tests.server.centre import Centre
from tests.server.handheld import Handheld

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


@pytest.fixture
def host(acquirer: Host) -> Host:  # noqa: F811
    return acquirer


@pytest.mark.parametrize("captured", [True, False])
@pytest.mark.parametrize("by", ["terminal", "person"])
@pytest.mark.parametrize("twice", [False, True])
def test_that_it_is_reversed_is_asked_again_once_the_void_is_known_as_refused(
    either: Centre, handheld: Handheld, host: Host, by: str, captured: bool, twice: bool
) -> None:
    """The first batch says that the void was asked; before the second the acquirer is asked, and tells that the payment is reversed. `twice`: the
    database is restored once more before it is known, from a backup that has this answer.
    """
    intent, seq, back = _told_refused(either, handheld, host, "before", captured)
    refund(either, handheld, intent)
    _ask(either, host)
    assert either.books() == {} and host.book.captures() == []
    back()
    before = len(either.alarms())
    either.hello(handheld)
    either.send(handheld, seq, seq)
    assert _ask(either, host) == [(t.STEP_CLEAR, True, "12")]
    if twice:
        later = _backup(either)
        either.now += 7200
        later()
        either.hello(handheld)
        assert _ask(either, host) == []
    if by == "terminal":
        assert s.REJECTED not in either.send(handheld, seq + 1)
    else:
        either.now += 2 * waiting.WAITS
        _decide(either, failures.give_up, (handheld.name, 1, intent))
    assert _ask(either, host) == [(t.STEP_CLEAR, True, "12")]
    assert either.books() == {} and _void(either) == r.VOID_DONE and listed(either) == []
    assert {"RESTORED", codes.RESULT_DIFFERS} <= set(either.alarms()[before:])
    either.now += 90 * 86400
    assert _ask(either, host) == []


@pytest.mark.parametrize("batches", [1, 2])
@pytest.mark.parametrize("captured", [True, False])
def test_the_terminals_word_is_taken_after_the_acquirers(
    either: Centre, handheld: Handheld, host: Host, captured: bool, batches: int
) -> None:
    """The void was refused by the acquirer, whatever its reason; the reversal that is found is the refund's, which nobody here can tell."""
    intent, seq, back = _told_refused(either, handheld, host, "before", captured)
    refund(either, handheld, intent)
    _ask(either, host)
    back()
    assert _ask(either, host) == [(t.STEP_CLEAR, True, "12")] and either.books() == {}
    either.hello(handheld)
    if batches == 2:
        assert s.REJECTED not in either.send(handheld, seq, seq)
    assert s.REJECTED not in either.send(handheld, seq + batches - 1)
    assert _void(either) == r.VOID_DONE and either.books() == {} and _ask(either, host) == []
    assert {"RESTORED", codes.RESULT_DIFFERS} <= set(either.alarms())
    totals: dict[int, list[int]] = {}
    for one in handheld.records:
        r.totals_step(totals, one)
    last = handheld.write(r.SHIFT_CLOSED, shift=1, first=1, totals=totals)
    either.send(handheld, last)
    assert either.say(handheld.close(1, last, totals))[1][s.BALANCED]


@pytest.mark.parametrize("restored", [0, 1, 2])
def test_what_was_answered_so_of_another_cause_has_failed_and_is_named_when_its_reversal_comes_to_nothing(
    centre: Centre, handheld: Handheld, restored: int
) -> None:
    """The host refused to clear before any restore: that is no news of a reversal that was forgotten."""
    intent = paid(handheld)
    centre.hello(handheld)
    centre.send(handheld)
    (clearing,) = centre.claim()
    centre.send(handheld, void(handheld, intent))
    assert centre.answer(clearing, "12", "")
    if restored:
        (request,) = centre.claim()
    for _ in range(restored):
        with centre.engine.begin() as connection:
            restore.mark(connection, centre.now + 10)
        centre.now += 20
    if restored:
        centre.hello(handheld)
        centre.send(handheld, handheld.write(r.HEALTH_EVENT, health="x"))
    (request,) = centre.claim()
    assert request.step == t.STEP_REVERSE and centre.answer(request, "63", "")
    if restored:
        stands(centre, handheld, intent)
    assert sorted(listed(centre)) == [("clearing", "12"), ("reversal", "63")][: 1 if restored else 2]
    with reading(centre.engine) as connection:
        named = connection.execute(select(t.audit.c.what).where(t.audit.c.code == "ACQUIRER")).scalars().all()
    assert any("answered 12 while it was to be reversed" in what for what in named)
    assert again(centre, handheld, intent) == ["clearing"] and asked(centre, "00") == [t.STEP_CLEAR]


@pytest.mark.parametrize("said", ["another amount", "63"])
def test_a_reversal_of_an_approval_of_after_the_restore_that_fails_is_asked_for_once_and_a_person_ends_it(
    either: Centre, handheld: Handheld, said: str
) -> None:
    """The host refuses to clear what was reversed before the restore, and fails to reverse the new approval: nothing goes round in a circle."""
    back = _backup(either)
    intent = _pay(either, handheld, r.OUTCOME_PROVISIONAL)
    identity = (handheld.name, 1, intent)
    back()
    either.hello(handheld)
    either.send(handheld, 1)
    steps = []
    while requests := either.claim():
        (request,) = requests
        steps.append(request.step)
        assert len(steps) < 4, "again and again"
        amount = 1 if request.step == t.STEP_REVERSE and said != "63" else None
        response = {t.STEP_AUTHORISE: "00", t.STEP_CLEAR: "12"}.get(request.step, "00" if amount else said)
        answer = iso.Answer(identity, request.step, response, "", iso.reference(identity), amount=amount)
        with either.engine.begin() as connection:
            settling.settle(connection, request, answer, either.now)
    assert steps == [t.STEP_AUTHORISE, t.STEP_CLEAR, t.STEP_REVERSE]
    if said == "63":
        assert listed(either) == [("reversal", "63")]
    else:
        assert sorted(listed(either)) == [("clearing", "12"), ("reversal", "00")]
    stands(either, handheld, intent)
    assert listed(either) == [("clearing", "12")] and either.claim() == []
    assert either.alarms().count("ACQUIRER") == (2 if said == "63" else 1)
    assert again(either, handheld, intent, clear=True) == ["clearing"]
    (request,) = either.claim()
    assert either.answer(request, "12") and either.claim() == [] and listed(either) == [("clearing", "12")]
