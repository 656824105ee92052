"""A head behind what was acknowledged: a terminal that was put back is told of, one whose HELLO was long on its way is not."""

import pytest

from protocol import records as r
from protocol import sync as s
from server import codes
from tests.server.centre import Centre
from tests.server.handheld import Handheld


def test_a_head_behind_the_acknowledged_one_raises_an_alarm(centre: Centre, handheld: Handheld) -> None:
    for _ in range(3):
        handheld.write(r.LOGIN)
    centre.hello(handheld)
    centre.send(handheld)
    del handheld.records[1:]
    centre.hello(handheld)
    assert centre.alarms() == []  # one may have been on its way for long
    welcome = centre.hello(handheld)
    assert welcome[s.ACKED_SEQ] == 3 and welcome[s.WANTED] == []
    assert codes.ROLLED_BACK in centre.alarms()


def test_a_hello_that_was_on_its_way_for_long_is_no_terminal_put_back(centre: Centre, handheld: Handheld) -> None:
    handheld.write(r.LOGIN)
    centre.hello(handheld)
    centre.send(handheld)
    late = handheld.hello()
    handheld.write(r.LOGIN)
    centre.hello(handheld)
    centre.send(handheld, 2)
    assert centre.say(late)[0] == s.TYPE_WELCOME and centre.alarms() == []


def test_a_late_hello_says_nothing_after_the_clock_was_set_back(centre: Centre, handheld: Handheld) -> None:
    handheld.write(r.LOGIN)
    late = handheld.hello()
    handheld.utc -= 86400
    handheld.write(r.LOGIN)
    centre.hello(handheld)
    centre.send(handheld)
    centre.say(late)
    assert codes.ROLLED_BACK not in centre.alarms()


def test_a_hello_that_comes_twice_is_compared_once(centre: Centre, handheld: Handheld) -> None:
    handheld.write(r.LOGIN)
    hello = handheld.hello()
    centre.say(hello)
    handheld.write(r.LOGIN)
    centre.send(handheld)
    assert centre.say(hello)[0] == s.TYPE_WELCOME and centre.alarms() == []


@pytest.mark.parametrize("drift", [0, 10, 3600])
def test_a_late_hello_of_a_terminal_that_wrote_on_after_its_last_one_says_nothing(
    centre: Centre, handheld: Handheld, drift: int
) -> None:
    """WELCOME set its clock back, and what it wrote in that session was sent after the HELLO that counts."""
    handheld.write(r.LOGIN)
    centre.hello(handheld)
    centre.send(handheld)
    handheld.write(r.LOGIN)
    late = handheld.hello()
    centre.hello(handheld)
    handheld.utc -= drift
    handheld.write(r.LOGIN)
    centre.send(handheld, 2)
    centre.say(late)
    assert centre.alarms() == []
    centre.hello(handheld)
    assert centre.alarms() == []


def test_a_clock_that_is_behind_hides_no_head_that_is_behind_again_and_again(
    centre: Centre, handheld: Handheld
) -> None:
    for _ in range(3):
        handheld.write(r.LOGIN)
    centre.hello(handheld)
    centre.send(handheld)
    del handheld.records[1:]
    handheld.utc -= 86400
    for _ in range(2):
        centre.hello(handheld)
    assert centre.alarms() == []
    centre.hello(handheld)
    assert centre.alarms() == [codes.ROLLED_BACK]


def test_a_head_that_is_right_again_in_between_begins_the_count_anew(centre: Centre, handheld: Handheld) -> None:
    for _ in range(3):
        handheld.write(r.LOGIN)
    centre.hello(handheld)
    centre.send(handheld)
    for _ in range(3):
        centre.say(handheld.hello(head_seq=1, head_hash=handheld.hash(1)))
        centre.hello(handheld)
    assert centre.alarms() == []
