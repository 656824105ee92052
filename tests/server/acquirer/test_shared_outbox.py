"""Several server processes at one outbox: a request that has waited while another process took it over is neither sent nor settled any more.

Processes are engines and workers of their own here, so that who comes when is told, not hoped for: one worker's host is slow, and
while it thinks the other worker has its turn.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, select, text

from protocol import records as r
from protocol import sync as s
from protocol.errors import ServerError
from server import codes
from server.acquirer import iso, outbox, settling
from server.acquirer.iso import Answer, Request
from server.acquirer.worker import Worker
from server.ingest.dispatch import Asked
from server.store import devices
from server.store import tables as t
from server.store.engine import open_engine, reading
from tests.server.acquirer.test_voids import paid, void
from tests.server.centre import Centre
from tests.server.handheld import Handheld

A = 200_000


@pytest.fixture(params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path: Path, handheld: Handheld) -> Iterator[Centre]:
    """A centre whose database may have other processes at it."""
    url = request.getfixturevalue("cluster").url() if request.param == "postgresql" else None
    made = Centre(tmp_path, handheld, url=url)
    made.hello(handheld)
    yield made
    made.engine.dispose()


@pytest.fixture
def centre(beside: Centre) -> Centre:
    """A centre where transactions run beside each other."""
    return beside


class Line:
    """A worker's link to the host: notes what is sent; what `during` does happens before the host answers."""

    def __init__(self, sent: list[tuple[str, int, int, bool]], name: str, during: Callable[[Request], Any]) -> None:
        self._sent, self._name, self._during = sent, name, during

    async def exchange(self, request: Request, _now: int) -> Answer:
        self._sent.append((self._name, request.identity[2], request.step, request.repeat))
        word = await self._during(request)
        if word is None:
            raise codes.AcquirerError("no answer")
        return Answer(request.identity, request.step, word, "123456", iso.reference(request.identity))

    async def close(self) -> None:
        pass


class Pair:
    """Two server processes' workers. The first one's host takes `seconds` for its first answers, and meanwhile `then` happens."""

    def __init__(self, centre: Centre, *seconds: int) -> None:
        self.centre, self._seconds = centre, list(seconds)
        self.sent: list[tuple[str, int, int, bool]] = []
        self.word: str | None = "00"  # of the slow host
        self.other = open_engine(centre.url)
        self._first = Worker(self._write(centre.engine), Line(self.sent, "first", self._slowly), lambda: centre.now)  # type: ignore[arg-type]
        self.second = Worker(self._write(self.other), Line(self.sent, "second", self._at_once), lambda: centre.now)  # type: ignore[arg-type]
        self.then: Callable[[], Any] = self.second.step

    @staticmethod
    def _write(engine: Engine) -> Any:
        async def write(operation: Callable[[Connection], Any], _device: str = "") -> Any:
            with engine.begin() as connection:
                return operation(connection)

        return write

    async def _slowly(self, _request: Request) -> str | None:
        if self._seconds:
            self.centre.now += self._seconds.pop(0)
            await self.then()
        return self.word

    @staticmethod
    async def _at_once(_request: Request) -> str:
        return "00"

    def work(self) -> None:
        """One step of the first worker."""
        self.centre.now += 10
        asyncio.run(self._first.step())
        self.other.dispose()


def states(centre: Centre) -> dict[tuple[int, int], int]:
    with reading(centre.engine) as connection:
        return {(row.intent, row.step): row.state for row in connection.execute(select(t.outbox))}


def test_a_request_that_waited_too_long_behind_a_slow_one_is_left_to_whoever_took_it(
    shared: Centre, handheld: Handheld
) -> None:
    one, two = handheld.pay(r.OUTCOME_APPROVED), handheld.pay(r.OUTCOME_APPROVED)
    shared.send(handheld)
    pair = Pair(shared, outbox.LEASE)
    pair.work()
    clear = t.STEP_CLEAR
    assert pair.sent == [("first", one, clear, False), ("second", one, clear, True), ("second", two, clear, True)]
    assert states(shared) == {(one, clear): t.STATE_DONE, (two, clear): t.STATE_DONE}


def test_a_request_keeps_its_claim_behind_slow_ones_that_end_in_time(shared: Centre, handheld: Handheld) -> None:
    """Before each is sent its lease begins anew: the one in hand is nobody else's, nor those after it once their turn comes."""
    one, two = handheld.pay(r.OUTCOME_APPROVED), handheld.pay(r.OUTCOME_APPROVED)
    shared.send(handheld)
    pair = Pair(shared, outbox.LEASE - 1, outbox.LEASE - 1)
    pair.work()
    assert [(who, intent, repeat) for who, intent, _, repeat in pair.sent] == [
        ("first", one, False),
        ("first", two, False),
    ]


def test_a_payment_that_was_cleared_and_reversed_meanwhile_is_not_asked_about_again(
    shared: Centre, handheld: Handheld
) -> None:
    one, two = handheld.pay(r.OUTCOME_APPROVED), handheld.pay(r.OUTCOME_APPROVED)
    shared.send(handheld)
    pair = Pair(shared, outbox.LEASE)

    async def meanwhile() -> None:
        await pair.second.step()
        with pair.other.begin() as connection:
            outbox.request_reversal(connection, (handheld.name, 1, two), "officers", shared.now)
        await pair.second.step()

    pair.then = meanwhile
    pair.work()
    assert [sent[1:3] for sent in pair.sent if sent[0] == "first"] == [(one, t.STEP_CLEAR)]
    assert pair.sent[-1] == ("second", two, t.STEP_REVERSE, False)
    assert states(shared)[two, t.STEP_REVERSE] == t.STATE_DONE
    assert shared.books() == {"receivable:CIB TEST": A, "treasury:16:1:BMP-16-01": -A}


@pytest.mark.parametrize("word", ["25", "68", None])
def test_what_comes_of_a_lost_claim_moves_no_row(shared: Centre, handheld: Handheld, word: str | None) -> None:
    """Another process has the row in hand: neither its lease nor its end is the slow one's affair."""
    handheld.pay(r.OUTCOME_APPROVED)
    shared.send(handheld)
    pair, claimed = Pair(shared, outbox.LEASE), []

    async def meanwhile() -> None:
        with pair.other.begin() as connection:
            claimed.extend(outbox.claim(connection, shared.now))

    pair.then, pair.word = meanwhile, word
    pair.work()
    assert [request.repeat for request in claimed] == [True]
    shared.now += outbox.LEASE - 1
    with shared.engine.begin() as connection:
        assert outbox.claim(connection, shared.now) == []
        assert outbox.hold(connection, claimed[0], shared.now)
    assert shared.answer(claimed[0], "00") and shared.alarms() == []


def test_a_request_is_not_sent_after_it_was_settled_or_kept_back(centre: Centre, handheld: Handheld) -> None:
    for _ in range(2):
        handheld.pay(r.OUTCOME_APPROVED)
    centre.send(handheld)
    settled, held = centre.claim()
    assert centre.answer(settled, "00")
    with centre.engine.begin() as connection:
        assert not outbox.hold(connection, settled, centre.now)
        assert outbox.hold(connection, held, centre.now) and outbox.hold(connection, held, centre.now + 1)
        connection.execute(t.outbox.update().values(state=t.STATE_HELD))
        assert not outbox.hold(connection, held, centre.now)


def overlapped(
    centre: Centre,
    first: Callable[[Connection], Any],
    second: Callable[[Connection], Any],
    rest: Callable[[Connection], Any] | None = None,
    far: Callable[[], bool] = lambda: False,
) -> list[Any]:
    """What both give; `second` begins while `first`'s transaction is still open, which ends once the other has ended, is `far` enough, or
    waits for it; with `rest` at its end, whose result is then `first`'s.
    """
    ends: list[Any] = [None, None]
    waits = text(
        "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )

    def go() -> None:
        try:
            with other.begin() as connection:
                ends[1] = second(connection)
        except Exception as error:  # noqa: BLE001 - looked at by the test
            ends[1] = error

    other = open_engine(centre.url, migrate=False)
    thread = threading.Thread(target=go)
    with centre.engine.connect() as watch, centre.engine.begin() as connection:
        ends[0] = first(connection)
        thread.start()
        while thread.is_alive() and not far() and not watch.execute(waits).scalar():
            watch.rollback()
            time.sleep(0.01)
        ends[0] = ends[0] if rest is None else rest(connection)
    thread.join(30)
    other.dispose()
    return ends


def test_two_processes_that_claim_at_once_never_have_the_same_row(centre: Centre, handheld: Handheld) -> None:
    for _ in range(3):
        handheld.pay(r.OUTCOME_APPROVED)
    centre.send(handheld)
    centre.now += 10

    def claim(connection: Connection, limit: int) -> list[int]:
        return [request.identity[2] for request in outbox.claim(connection, centre.now, limit)]

    first, second = overlapped(centre, lambda c: claim(c, 2), lambda c: claim(c, 3))
    assert len(first) == 2 and len(second) == 1 and not set(first) & set(second)


def paid_otherwise(centre: Centre, handheld: Handheld, outcome: int) -> Handheld:
    """The same device once more, with another payment of the same number; bound to the same session."""
    copied = Handheld()
    copied.key, copied.nonce = handheld.key, handheld.nonce
    copied.pay(outcome, 300_000)
    return copied


@pytest.mark.parametrize("fork_first", [False, True])
def test_a_payment_that_is_authorised_while_a_fork_of_it_comes_in_is_out_of_the_books(
    centre: Centre, handheld: Handheld, fork_first: bool
) -> None:
    handheld.pay(r.OUTCOME_PROVISIONAL)
    centre.send(handheld)
    (request,) = centre.claim()
    body = paid_otherwise(centre, handheld, r.OUTCOME_PROVISIONAL).batch(1)
    said = Answer(request.identity, request.step, "00", "123456", iso.reference(request.identity))

    def take_in(connection: Connection) -> Any:
        reply = centre.service.apply(connection, centre.service.check(body), centre.now)
        assert not isinstance(reply, Asked)
        return reply[1].get(s.REJECTED)

    def settle(connection: Connection) -> bool:
        return settling.settle(connection, request, said, centre.now)

    ends = overlapped(centre, *((take_in, settle) if fork_first else (settle, take_in)))
    assert True in ends and [[seq, codes.FORK] for seq in (1, 2, 3)] in ends
    assert centre.books() == {} and centre.claim() == []
    assert codes.FORK in centre.alarms()


def test_two_processes_that_settle_one_request_at_once_post_it_once(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_PROVISIONAL)
    centre.send(handheld)
    (request,) = centre.claim()
    said = Answer(request.identity, request.step, "00", "123456", iso.reference(request.identity))

    def settle(connection: Connection) -> bool:
        return settling.settle(connection, request, said, centre.now)

    assert overlapped(centre, settle, settle) == [True, False]
    assert centre.books() == {"receivable:CIB TEST": A, "treasury:16:1:BMP-16-01": -A}
    assert [request.step for request in centre.claim()] == [t.STEP_CLEAR]


def test_a_worker_says_which_device_an_answer_is_about(shared: Centre, handheld: Handheld) -> None:
    """The writer locks the devices of all that shares a commit in one order."""
    handheld.pay(r.OUTCOME_APPROVED)
    shared.send(handheld)
    told: list[str] = []
    pair = Pair(shared)

    async def write(operation: Callable[[Connection], Any], device: str = "") -> Any:
        told.append(device)
        with shared.engine.begin() as connection:
            return operation(connection)

    pair.second._write = write
    shared.now += 10
    asyncio.run(pair.second.step())
    pair.other.dispose()
    assert told == ["", "", handheld.name]  # claimed, held, settled


def test_officers_and_a_refund_that_want_the_same_payment_back_at_once_get_it_once(
    centre: Centre, handheld: Handheld
) -> None:
    intent = paid(handheld)
    centre.send(handheld)
    batch = centre.service.check(handheld.batch(void(handheld, intent)))
    _, second = overlapped(
        centre,
        lambda c: centre.service.apply(c, batch, centre.now),
        lambda c: outbox.request_reversal(c, (handheld.name, 1, intent), "officers", centre.now),
    )
    assert isinstance(second, ServerError) and second.code == codes.NO_SUCH_PAYMENT
    assert [request.step for request in centre.claim()] == [t.STEP_REVERSE]


def test_two_processes_whose_groups_cross_do_not_wait_for_each_other(centre: Centre) -> None:
    """A batch of one device and an answer about the other share a transaction, in each process the other way round."""
    one, two = Handheld("TSD-000011"), Handheld("TSD-000012")
    requests = {}
    with centre.engine.begin() as connection:
        for device in (one, two):
            devices.register(connection, devices.parse(device.name, device.entry()), centre.now)
    for device in (one, two):
        device.pay(r.OUTCOME_PROVISIONAL)
        centre.hello(device)
        centre.send(device)
    requests = {request.identity[0]: request for request in centre.claim()}
    bodies = {device.name: device.batch(1) for device in (one, two)}

    begun = threading.Event()

    def take_in(of: Handheld, about: Handheld) -> Callable[[Connection], Any]:
        batch = centre.service.check(bodies[of.name])
        return lambda connection: centre.service.apply_all(connection, [batch], centre.now, {about.name})

    def settle(about: Handheld) -> Callable[[Connection], bool]:
        request = requests[about.name]
        said = Answer(request.identity, request.step, "00", "123456", iso.reference(request.identity))
        return lambda connection: settling.settle(connection, request, said, centre.now)

    def second(connection: Connection) -> bool:
        take_in(two, one)(connection)
        begun.set()
        return settle(one)(connection)

    assert overlapped(centre, take_in(one, two), second, settle(two), begun.is_set) == [True, True]
