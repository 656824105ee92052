"""The settling worker does not end by what it does not know, and says whether it gets on; what ends all the same is begun again."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, select

from protocol import records as r
from server import codes
from server.acquirer import outbox, worker
from server.acquirer.link import AcquirerLink
from server.acquirer.worker import Worker
from server.config import load
from server.store import tables as t
from server.store.engine import reading
from server.web import app, keeping
from server.web.desk import Desk
from sim.acquirer.host import Host
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.served import write_config

SECRET = "4111111111111111"


def _worker(centre: Centre, host: Host | None = None) -> Worker:
    async def write(operation: Callable[[Connection], Any], _device: str = "") -> Any:
        with centre.engine.begin() as connection:
            return operation(connection)

    address = ("127.0.0.1", host.port if host else 1)
    return Worker(write, AcquirerLink(*address, timeout=2), lambda: centre.now, idle_s=0.01)


async def _for(seconds: float, work: Any) -> None:
    task = asyncio.create_task(work)
    await asyncio.sleep(seconds)
    assert not task.done(), "it has ended"
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def _answers(centre: Centre) -> int:
    with reading(centre.engine) as connection:
        return len(connection.execute(select(t.outbox.c.step).where(t.outbox.c.answered.is_not(None))).all())


def test_what_it_does_not_know_does_not_end_it(
    centre: Centre, handheld: Handheld, host: Host, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    centre.hello(handheld)
    handheld.pay(r.OUTCOME_APPROVED)
    centre.send(handheld)
    claim, times = outbox.claim, [0]

    def failing(*arguments: Any, **named: Any) -> Any:
        times[0] += 1
        if times[0] <= 2:
            raise OverflowError(SECRET)
        return claim(*arguments, **named)

    monkeypatch.setattr(worker, "AGAIN_S", 0.01)
    monkeypatch.setattr(outbox, "claim", failing)
    asyncio.run(_for(1.0, _worker(centre, host).run()))
    assert _answers(centre) == 1
    assert codes.WORKER_FAILED in caplog.text and SECRET not in caplog.text
    assert centre.alarms().count(codes.WORKER_FAILED) == 1  # once, though it came twice


def test_one_that_does_not_get_on_is_not_well(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    def failing(*_: Any, **__: Any) -> Any:
        raise OverflowError

    monkeypatch.setattr(outbox, "claim", failing)
    monkeypatch.setattr(worker, "STUCK_S", 0.2)
    tried = _worker(centre)
    assert tried.is_well()  # it was not begun
    asyncio.run(_for(0.3, tried.run()))
    assert not tried.is_well()


def test_health_says_so(centre: Centre, monkeypatch: pytest.MonkeyPatch) -> None:
    class Well:
        commits = operations = 0

        def is_well(self) -> bool:
            return True

    tried = _worker(centre)
    desk = Desk(centre.engine, centre.service, Well(), tried, lambda: centre.now)  # type: ignore[arg-type]
    assert asyncio.run(desk.counts())["ok"]
    tried._moved = time.monotonic() - worker.STUCK_S
    assert not asyncio.run(desk.counts())["ok"]


def test_a_task_that_ends_is_begun_again(monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> None:
    begun = []

    async def work() -> None:
        begun.append(1)
        if len(begun) == 1:
            raise ValueError(SECRET)
        if len(begun) == 2:
            return
        await asyncio.sleep(60)

    monkeypatch.setattr(keeping, "FIRST_S", 0.01)
    asyncio.run(_for(0.3, keeping.keep("the work", work)))
    assert len(begun) == 3 and caplog.text.count("the work has ended") == 2
    assert codes.UNEXPECTED in caplog.text and SECRET not in caplog.text


def test_a_worker_of_a_running_server_that_ends_is_begun_again(
    tmp_path: Path, handheld: Handheld, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []

    async def run(_worker: Worker) -> None:
        begun.append(1)
        raise MemoryError

    monkeypatch.setattr(keeping, "FIRST_S", 0.01)
    monkeypatch.setattr(Worker, "run", run)
    built = app.build(load(write_config(tmp_path, [handheld], 1)))

    async def live() -> None:
        async with app._lifespan(built):
            await asyncio.sleep(0.3)

    asyncio.run(live())
    assert len(begun) > 1
