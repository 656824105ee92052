"""The server's clock was ahead for a while: what was put into the outbox, or put off, meanwhile waits no longer than any other once it is right."""

import asyncio
from collections.abc import Callable

import pytest

from protocol import records as r
from server.acquirer import outbox
from server.acquirer.link import AcquirerLink
from server.acquirer.worker import NEAR_S, Worker
from server.store import restore
from server.store import tables as t
from server.store.engine import reading
from tests.server.centre import Centre
from tests.server.handheld import Handheld

YEAR = 365 * 86400
pytestmark = pytest.mark.usefixtures("greeted")


def _near(centre: Centre) -> None:
    with centre.engine.begin() as connection:
        outbox.bring_near(connection, centre.now)


def _rows(centre: Centre) -> list[tuple[int, int]]:
    """(next_at, created) of what waits, seconds from now."""
    with reading(centre.engine) as connection:
        found = connection.execute(t.outbox.select().where(t.outbox.c.state < t.STATE_DONE)).all()
    return [(row.next_at - centre.now, row.created - centre.now) for row in found]


@pytest.mark.parametrize("tried", [False, True])
def test_what_was_put_in_or_off_while_it_was_ahead_is_due_once_it_is_right(
    either: Centre, handheld: Handheld, tried: bool
) -> None:
    for outcome in (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL):
        handheld.pay(outcome)
    either.now += YEAR
    either.hello(handheld)
    either.send(handheld)
    if tried:
        with either.engine.begin() as connection:
            for request in outbox.claim(connection, either.now):
                outbox.postpone(connection, request, either.now)
    either.now -= YEAR
    with either.engine.begin() as connection:
        assert outbox.claim(connection, either.now) == []
    _near(either)
    assert _rows(either) == [(0, 0), (0, 0)]
    with either.engine.begin() as connection:
        assert [one.repeat for one in outbox.claim(connection, either.now)] == [tried, tried]


def test_what_waits_no_longer_than_any_may_goes_on_waiting(centre: Centre, handheld: Handheld) -> None:
    for _ in range(2):
        handheld.pay(r.OUTCOME_APPROVED)
    centre.send(handheld)
    with centre.engine.begin() as connection:
        outbox.claim(connection, centre.now)
        connection.execute(t.outbox.update().values(next_at=centre.now + outbox.MAX_WAIT))
    before = _rows(centre)
    _near(centre)
    assert _rows(centre) == before and [wait for wait, _ in before] == [outbox.MAX_WAIT] * 2


def test_inquiries_after_a_restore_stay_as_far_apart_as_they_were_laid(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_APPROVED)
    centre.send(handheld)
    for request in centre.claim():
        centre.answer(request, "00")
    with centre.engine.begin() as connection:
        restore.mark(connection, centre.now)
        connection.execute(t.outbox.update().values(next_at=centre.now + 5 * 86400))
    _near(centre)
    assert [wait for wait, _ in _rows(centre)] == [5 * 86400]
    with centre.engine.begin() as connection:
        connection.execute(t.outbox.update().values(next_at=centre.now + YEAR))
    _near(centre)
    assert [wait for wait, _ in _rows(centre)] == [0]


def test_the_worker_looks_for_it_now_and_then_also_after_its_own_clock_went_back(
    centre: Centre, handheld: Handheld
) -> None:
    async def write(operation: Callable[..., object], _device: str = "") -> object:
        with centre.engine.begin() as connection:
            return operation(connection)

    worker = Worker(write, AcquirerLink("127.0.0.1", 1), lambda: centre.now)
    centre.now += YEAR
    asyncio.run(worker.step())
    handheld.pay(r.OUTCOME_APPROVED)
    centre.send(handheld)
    centre.now -= YEAR
    asyncio.run(worker.step())  # nobody answers: put off by a second or two
    ((wait, created),) = _rows(centre)
    assert 0 < wait <= NEAR_S and created == 0
