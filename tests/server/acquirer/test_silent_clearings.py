"""A clearing without a final answer: it is named and listed, and a person who has asked the acquirer ends it, whatever waits behind it. A reversal
never overtakes it, nothing is captured twice, and books, outbox and host agree at the end.
"""

import random
from pathlib import Path
from typing import Any

import pytest

from protocol import records as r
from protocol import sync as s
from protocol.errors import ParameterError
from server.acquirer import outbox, waiting
from server.acquirer.iso import Request
from server.office import failures
from server.store import restore
from server.store import tables as t
from server.store.engine import reading
from tests.server.acquirer.test_held_back import asked, fork, listed, refund, rows
from tests.server.acquirer.test_voids import PAID, paid, void
from tests.server.centre import Centre
from tests.server.handheld import Handheld

CLEARING, REVERSAL = ("clearing", None), ("reversal", None)


@pytest.fixture
def met(either: Centre, handheld: Handheld) -> Centre:
    """A centre on both databases that has heard the terminal's HELLO."""
    either.hello(handheld)
    return either


def _days(centre: Centre, days: float, code: str = "94") -> None:
    until = centre.now + days * 86400
    while centre.now < until:
        for request in centre.claim():
            if code:
                assert not centre.answer(request, code, "")
                continue
            with centre.engine.begin() as connection:
                outbox.postpone(connection, request, centre.now)


def _decide(centre: Centre, what: Any, handheld: Handheld, intent: int, **named: Any) -> Any:
    with centre.engine.begin() as connection:
        return what(connection, (handheld.name, 1, intent), centre.now, **named)


def _refused(centre: Centre, what: Any, handheld: Handheld, intent: int, why: str, **named: Any) -> bool:
    with pytest.raises(ParameterError, match=why) as caught:
        _decide(centre, what, handheld, intent, **named)
    return caught.value.code == "PRM-036"


def _waiting(centre: Centre) -> list[str]:
    with reading(centre.engine) as connection:
        return [row["step"] for row in failures.waiting(connection, centre.now)]


def _due(centre: Centre) -> list[Request]:
    """What goes out now; unlike `Centre.claim`, no time passes."""
    with centre.engine.begin() as connection:
        return outbox.claim(connection, centre.now)


def _stopped(centre: Centre, handheld: Handheld, code: str = "94") -> int:
    """The intent of a payment whose clearing waits too long, and is sent no more."""
    intent = paid(handheld)
    centre.send(handheld)
    _days(centre, 2, code)
    assert _decide(centre, failures.give_up, handheld, intent) == failures.STOPPED_CLEARING
    assert _waiting(centre) == [] and listed(centre) == [CLEARING] and centre.claim() == []
    centre.now -= 4000
    return intent


@pytest.mark.parametrize("code", ["94", "90", "92", ""])
def test_it_is_named_once_and_listed_and_may_be_given_up_then(met: Centre, handheld: Handheld, code: str) -> None:
    intent = paid(handheld)
    met.send(handheld)
    _days(met, 0.9, code)
    assert met.alarms() == [] and _waiting(met) == []
    assert _refused(met, failures.give_up, handheld, intent, "nothing of this payment has failed")
    _days(met, 3, code)
    assert met.alarms() == ["WAITING"] and _waiting(met) == ["clearing"] and listed(met) == []
    assert _decide(met, failures.give_up, handheld, intent) == failures.STOPPED_CLEARING
    assert _waiting(met) == [] and listed(met) == [CLEARING] and met.books() == PAID


def test_that_it_is_captured_is_said_once_the_host_can_hold_it_no_longer(met: Centre, handheld: Handheld) -> None:
    intent = _stopped(met, handheld)
    assert _refused(met, failures.give_up, handheld, intent, "may act on an earlier request to clear it for 60 minutes")
    assert _refused(met, failures.confirm_reversed, handheld, intent, "no reversal of it has failed")
    met.now += outbox.HOLDS
    assert _decide(met, failures.give_up, handheld, intent) == "clearing"
    assert rows(met) == {t.STEP_CLEAR: (t.STATE_DONE, "00")} and listed(met) == [] and met.claim() == []
    assert met.books() == PAID and met.count("sealed") == 0
    refund(met, handheld, intent)
    assert asked(met, "00") == [t.STEP_REVERSE] and met.books() == {}


def test_it_is_sent_once_more_as_a_repeat(met: Centre, handheld: Handheld) -> None:
    intent = _stopped(met, handheld)
    assert _decide(met, failures.again, handheld, intent) == ["clearing"]
    (request,) = _due(met)
    assert request.repeat and request.sealed is not None and met.answer(request, "00")
    assert rows(met) == {t.STEP_CLEAR: (t.STATE_DONE, "00")} and met.books() == PAID


@pytest.mark.parametrize("by", ["void", "refund"])
@pytest.mark.parametrize("first", [True, False])
def test_a_reversal_goes_out_once_the_host_can_hold_the_clearing_no_longer(
    met: Centre, handheld: Handheld, by: str, first: bool
) -> None:
    """Asked for before the clearing is given up, or after that."""

    def give_back() -> None:
        if by == "refund":
            refund(met, handheld, intent)
        else:
            met.send(handheld, void(handheld, intent))

    intent = paid(handheld)
    met.send(handheld)
    _days(met, 2)
    if first:
        give_back()
    assert _decide(met, failures.give_up, handheld, intent) == failures.STOPPED_CLEARING
    stopped = met.now
    if not first:
        give_back()
    met.now = stopped + outbox.HOLDS - 1
    assert _due(met) == []
    assert _refused(met, failures.give_up, handheld, intent, "reversal is about to be sent")
    met.now = stopped + outbox.HOLDS
    (request,) = _due(met)
    assert (request.step, request.repeat) == (t.STEP_REVERSE, False) and met.answer(request, "00")
    assert met.books() == {} and listed(met) == [] and met.claim() == []
    assert _refused(met, failures.give_up, handheld, intent, "given back")


def test_how_long_the_host_holds_is_the_configurations(met: Centre, handheld: Handheld) -> None:
    intent = _stopped(met, handheld)
    refund(met, handheld, intent)
    met.now += 100
    with met.engine.begin() as connection:
        assert outbox.claim(connection, met.now, holds=200) == []
        assert [one.step for one in outbox.claim(connection, met.now, holds=50)] == [t.STEP_REVERSE]


def _both(centre: Centre, handheld: Handheld) -> int:
    """A void's reversal behind a clearing that has no final answer, both given up."""
    intent = paid(handheld)
    centre.send(handheld)
    for request in centre.claim():
        centre.answer(request, "94", "")
    centre.send(handheld, void(handheld, intent))
    _days(centre, 40)
    assert centre.alarms() == ["WAITING", "WAITING"] and sorted(_waiting(centre)) == ["clearing", "reversal"]
    assert _decide(centre, failures.give_up, handheld, intent) == failures.STOPPED
    assert _waiting(centre) == [] and sorted(listed(centre), key=str) == [CLEARING, REVERSAL]
    assert _due(centre) == []
    return intent


def test_the_reversal_behind_it_is_taken_for_done_when_the_acquirer_says_so(met: Centre, handheld: Handheld) -> None:
    intent = _both(met, handheld)
    assert _refused(met, failures.confirm_reversed, handheld, intent, "earlier request to clear it for 60 minutes")
    met.now += outbox.HOLDS
    _decide(met, failures.confirm_reversed, handheld, intent)
    assert met.books() == {} and listed(met) == [] and met.claim() == []
    assert [void[s.RESULT_OUTCOME] for void in met.hello(handheld)[s.VOIDS]] == [r.VOID_DONE]


def test_or_the_payment_stands_and_is_captured(met: Centre, handheld: Handheld) -> None:
    intent = _both(met, handheld)
    assert _refused(met, failures.give_up, handheld, intent, "may act on an earlier request")
    met.now += outbox.HOLDS
    assert _decide(met, failures.give_up, handheld, intent) == "reversal"
    assert [void[s.RESULT_OUTCOME] for void in met.hello(handheld)[s.VOIDS]] == [r.VOID_REFUSED]
    assert CLEARING in listed(met) and _decide(met, failures.give_up, handheld, intent) == "clearing"
    assert rows(met)[t.STEP_CLEAR] == (t.STATE_DONE, "00") and listed(met) == [] and met.claim() == []
    assert met.books() == PAID


def test_or_it_stands_and_is_cleared_after_all(met: Centre, handheld: Handheld) -> None:
    intent = _both(met, handheld)
    met.now += outbox.HOLDS
    assert _decide(met, failures.give_up, handheld, intent) == "reversal"
    assert _decide(met, failures.again, handheld, intent) == ["clearing"]
    assert asked(met, "00") == [t.STEP_CLEAR] and listed(met) == [] and met.books() == PAID


def test_or_the_reversal_goes_out_which_does_not_overtake_the_clearing(met: Centre, handheld: Handheld) -> None:
    intent = _both(met, handheld)
    assert _decide(met, failures.again, handheld, intent) == ["reversal"]
    met.now += outbox.HOLDS - 1
    assert _due(met) == []
    met.now += 1
    assert asked(met, "00") == [t.STEP_REVERSE] and met.books() == {} and listed(met) == []


def test_a_clearing_under_way_keeps_the_acquirers_word_about_its_reversal_waiting(
    met: Centre, handheld: Handheld
) -> None:
    """The clearing is sent after all; a reversal that was given up before it is no longer to be decided without it."""
    intent = _both(met, handheld)
    assert _decide(met, failures.again, handheld, intent, clear=True) == ["clearing"]
    _days(met, 2)
    assert _refused(met, failures.confirm_reversed, handheld, intent, "under way, and not answered")
    assert _decide(met, failures.give_up, handheld, intent) == failures.STOPPED_CLEARING
    met.now += outbox.HOLDS
    _decide(met, failures.confirm_reversed, handheld, intent)
    assert met.books() == {} and met.claim() == []


def _sent(centre: Centre, handheld: Handheld) -> tuple[Request, int]:
    """A clearing that is given up while it is on the wire."""
    intent = paid(handheld)
    centre.send(handheld)
    _days(centre, 2)
    (request,) = centre.claim()
    assert _decide(centre, failures.give_up, handheld, intent) == failures.STOPPED_CLEARING
    return request, intent


def test_the_approval_of_one_that_was_stopped_on_the_wire_counts(met: Centre, handheld: Handheld) -> None:
    request, _ = _sent(met, handheld)
    assert met.answer(request, "00") and not met.answer(request, "00")
    assert rows(met) == {t.STEP_CLEAR: (t.STATE_DONE, "00")} and listed(met) == [] and met.count("sealed") == 0


@pytest.mark.parametrize("response", ["63", "12", "25"])
def test_any_other_answer_to_it_is_told_to_the_person_who_decides(
    met: Centre, handheld: Handheld, response: str
) -> None:
    request, intent = _sent(met, handheld)
    assert met.answer(request, response, "") and met.alarms()[-1] == "ACQUIRER"
    assert listed(met) == [CLEARING] and _decide(met, failures.again, handheld, intent) == ["clearing"]
    assert not met.answer(request, "00")  # what is asked again has its own answer


def test_an_approval_of_what_is_reversed_by_then_is_told_too(met: Centre, handheld: Handheld) -> None:
    request, intent = _sent(met, handheld)
    met.now += outbox.HOLDS
    refund(met, handheld, intent)
    assert asked(met, "00") == [t.STEP_REVERSE]
    assert met.answer(request, "00") and met.alarms()[-1] == "ACQUIRER"
    assert rows(met)[t.STEP_CLEAR][0] == t.STATE_FAILED and listed(met) == [] and met.books() == {}


def test_that_one_of_a_fork_is_captured_is_an_alarm(met: Centre, handheld: Handheld) -> None:
    intent = _stopped(met, handheld)
    fork(met, handheld, intent + 1)
    met.now += outbox.HOLDS
    assert _decide(met, failures.give_up, handheld, intent) == "clearing" and met.alarms()[-1] == "HELD"
    assert met.books() == {} and rows(met) == {t.STEP_CLEAR: (t.STATE_DONE, "00")}


def test_what_is_asked_about_after_a_restore_has_waited_since_the_restore(met: Centre, handheld: Handheld) -> None:
    intent = paid(handheld)
    met.send(handheld)
    assert asked(met, "00") == [t.STEP_CLEAR]
    met.now += 10 * waiting.WAITS
    with met.engine.begin() as connection:
        restore.mark(connection, met.now)
    restored = met.now
    _days(met, 0.8)
    assert "WAITING" not in met.alarms() and _waiting(met) == []
    assert _refused(met, failures.give_up, handheld, intent, "nothing of this payment has failed")
    _days(met, 0.5)
    assert "WAITING" in met.alarms()
    with reading(met.engine) as connection:
        assert [row["since"] for row in failures.waiting(connection, met.now)] == [restored]


class Acquirer:
    """A host that is silent for long, acts late, at most HOLDS after a message has left, and knows what it has done."""

    def __init__(self, rng: random.Random) -> None:
        self.rng, self.talks, self.mute = rng, False, False
        self.captures, self.reversed = 0, False
        self.late: list[tuple[int, int]] = []  # when, which step

    def act(self, step: int) -> str:
        if step == t.STEP_CLEAR:
            if self.reversed:
                return "12"
            self.captures = 1  # one reference is captured once
            return "00"
        if not self.captures:
            return "25"
        self.reversed = True
        return "00"

    def take(self, request: Request, now: int) -> str:
        """The answer; "" for none."""
        if self.mute:
            return "94"
        if self.talks:
            return self.act(request.step)
        fate = self.rng.choice(("lost", "94", "late", "late"))
        if fate == "late":
            self.late.append((now + self.rng.choice((0, outbox.HOLDS - 1)), request.step))
        return "94" if fate == "94" else ""

    def pass_time(self, now: int) -> None:
        for when, step in sorted(self.late):
            if when <= now:
                self.act(step)
        self.late = [one for one in self.late if one[0] > now]

    def money(self) -> bool:
        return bool(self.captures) and not self.reversed


@pytest.mark.parametrize("seed", range(12))
def test_books_outbox_and_host_agree_whatever_comes_first(tmp_path: Path, seed: int) -> None:
    rng = random.Random(seed)
    handheld = Handheld()
    centre, host = Centre(tmp_path, handheld), Acquirer(rng)
    centre.hello(handheld)
    intent = paid(handheld)
    centre.send(handheld)
    identity, given_back = (handheld.name, 1, intent), False

    def ask(hours: int) -> None:
        for _ in range(hours):
            centre.now += rng.choice((600, 3600))
            host.pass_time(centre.now)
            for request in _due(centre):
                answer = host.take(request, centre.now)
                if answer:
                    centre.answer(request, answer, "")
                else:
                    with centre.engine.begin() as connection:
                        outbox.postpone(connection, request, centre.now)

    def by_telephone() -> None:
        """What a person may truly say; what is refused is left for later."""
        with reading(centre.engine) as connection:
            undecided = "reversal" in [row["step"] for row in failures.listed(connection)]
            waits = bool(failures.waiting(connection, centre.now))
        choices: list[Any] = [] if host.mute else [failures.again]
        if waits:
            choices = [failures.give_up]
        elif undecided:
            choices.append(failures.confirm_reversed if host.reversed else failures.give_up)
        elif host.money():
            choices.append(failures.give_up)
        try:
            for decide in rng.sample(choices, min(len(choices), 1)):
                with centre.engine.begin() as connection:
                    decide(connection, identity, centre.now)
        except ParameterError as error:
            assert error.code == "PRM-036"

    for _ in range(rng.randint(8, 24)):
        ask(rng.choice((0, 0, 1, 45)))
        if not given_back and rng.random() < 0.3:
            given_back = True
            if rng.random() < 0.5:
                refund(centre, handheld, intent)
            else:
                centre.send(handheld, void(handheld, intent))
        by_telephone()
    ask(2)
    host.talks, host.mute = seed % 2 == 0, seed % 2 == 1
    for _ in range(24):
        if host.mute and "reversal" in _waiting(centre) + [step for step, _ in listed(centre)]:
            host.captures, host.reversed = 1, True  # by hand
        elif host.mute and not host.reversed:
            host.captures = 1
        ask(24)
        by_telephone()
    assert host.late == [] and listed(centre) == [] and _waiting(centre) == [] and centre.claim() == []
    assert centre.books() == (PAID if host.money() else {})


def _restored(centre: Centre, handheld: Handheld) -> None:
    with centre.engine.begin() as connection:
        restore.mark(connection, centre.now)
    centre.hello(handheld)


@pytest.mark.parametrize("afterwards", [True, False])
def test_what_was_reversed_since_the_backup_is_found_though_its_clearing_was_stopped_in_it(
    met: Centre, handheld: Handheld, afterwards: bool
) -> None:
    """The backup has a clearing that a person has stopped; since then it was captured, and given back."""
    intent = _stopped(met, handheld)
    if afterwards:
        assert _decide(met, failures.again, handheld, intent) == ["clearing"]
    _restored(met, handheld)
    requests = met.claim()
    assert [(request.step, request.repeat) for request in requests] == [(t.STEP_CLEAR, True)]
    assert met.answer(requests[0], "12", "")
    assert met.books() == {} and listed(met) == [] and "RESTORED" in met.alarms()


def test_an_inquiry_is_not_given_up_alone(met: Centre, handheld: Handheld) -> None:
    """What it would tell, that the payment is reversed, nobody else tells."""
    intent = paid(handheld)
    met.send(handheld)
    assert asked(met, "00") == [t.STEP_CLEAR]
    met.now += 86400
    _restored(met, handheld)
    _days(met, 2, "96")
    assert _waiting(met) == ["clearing"]
    assert _refused(met, failures.give_up, handheld, intent, "captured before the backup")
    assert met.books() == PAID
    assert asked(met, "12") == [t.STEP_CLEAR] and met.books() == {} and _waiting(met) == []


def test_a_reversal_behind_an_inquiry_is_decided_without_its_answer(met: Centre, handheld: Handheld) -> None:
    intent = paid(handheld)
    met.send(handheld)
    assert asked(met, "00") == [t.STEP_CLEAR]
    met.now += 86400
    _restored(met, handheld)
    refund(met, handheld, intent)
    _days(met, 2, "96")
    assert _waiting(met) == ["clearing", "reversal"]
    assert _decide(met, failures.give_up, handheld, intent) == failures.STOPPED
    met.now += outbox.HOLDS
    _decide(met, failures.confirm_reversed, handheld, intent)
    assert met.books() == {} and met.claim() == [] and _waiting(met) == [] and listed(met) == []
