"""A database that is locked by another server, lost or silent: terminals are told "later", the log says once what is wrong, a balancer is told,
and the server comes back by itself.
"""

import asyncio
import socket
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select, text, update
from starlette.applications import Starlette

from protocol import sync as s
from server import codes, config, keys
from server.store import devices, postgres
from server.store import tables as t
from server.store.engine import open_engine
from server.web import elsewhere, sync
from server.web import front as front_module
from server.web import writer as writer_module
from server.web.app import Application, build, build_front, for_terminals
from server.web.front import Remote
from server.web.serve import Serving
from server.web.writer import Writer
from tests.server.handheld import Handheld, open_reply
from tests.server.postgres import Cluster
from tests.server.served import wait_for, write_config
from tests.server.way import Way

SHORT = 0.2  # seconds


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is waited for longer than a test likes to wait."""
    for module, name in ((postgres, "LOCK_S"), (writer_module, "LOOK_S"), (devices, "AGAIN_S")):
        monkeypatch.setattr(module, name, SHORT)
    monkeypatch.setattr(postgres, "SILENCE_S", 2.0)  # longer than a lock is waited for
    monkeypatch.setattr(postgres, "CONNECT_S", 2)  # the shortest there is


class Served:
    """A server on a database, the way to it, and two terminals."""

    def __init__(self, folder: Path, cluster: Cluster, way: Way) -> None:
        self.handhelds = [Handheld("TSD-000001"), Handheld("TSD-000002")]
        self.url = cluster.url()
        self.way = way
        self.config = config.load(
            write_config(folder, self.handhelds), self.url.replace(str(cluster.port), str(way.port))
        )
        self.app = build(self.config)
        self.ack_key = keys.load(folder / "keys").public("ack")

    def say(self, at: int = 0) -> httpx.Response:
        """HELLO of a terminal."""
        return self.client.post(s.PATH, content=self.handhelds[at].hello())

    def is_heard(self, at: int = 0) -> bool:
        """Whether a terminal's HELLO is answered."""
        reply = self.say(at)
        return reply.status_code == 200 and open_reply(reply.content, self.ack_key)[0] == s.TYPE_WELCOME


def is_later(reply: httpx.Response) -> bool:
    """Whether a terminal is told to come again, since the database does not take it."""
    return (reply.status_code, reply.text, reply.headers.get("retry-after")) == (503, codes.NOT_WRITTEN, sync.RETRY_S)


@pytest.fixture
def served(tmp_path: Path, cluster: Cluster) -> Iterator[Served]:
    with Way(cluster.port) as way:
        served = Served(tmp_path, cluster, way)
        with Serving(served.app) as server, httpx.Client(base_url=server.url, timeout=20, trust_env=False) as client:
            served.client = client
            yield served


def said(caplog: pytest.LogCaptureFixture) -> list[str]:
    """What the log says, after the code."""
    return [record.getMessage() for record in caplog.records if record.name == "tasdid.server"]


def get(app: Starlette, path: str) -> tuple[int, Any]:
    """A page of an application that does not listen."""

    async def ask() -> httpx.Response:
        transport = httpx.ASGITransport(app=app)
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.get(path)

    reply = asyncio.run(ask())
    return reply.status_code, reply.json()


def test_a_terminal_that_another_server_keeps_locked_is_told_later_and_others_are_answered(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    other = open_engine(served.url, migrate=False)
    with other.connect() as standing_still:
        devices.head(standing_still, served.handhelds[0].name)
        assert is_later(served.say(0)) and is_later(served.say(0))
        assert [line for line in said(caplog) if "lock timeout" in line] == said(caplog)[:1]
        assert served.is_heard(1)
    assert served.is_heard(0)
    other.dispose()


def test_a_server_that_starts_waits_for_one_that_enters_the_same_terminals(served: Served) -> None:
    other = open_engine(served.url, migrate=False)
    with ThreadPoolExecutor() as pool:
        with other.begin() as entering:
            entering.execute(update(t.devices).values(unit="another"))
            started = pool.submit(build, served.config)
            waiting = text("SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'")
            with other.connect().execution_options(isolation_level="AUTOCOMMIT") as looking:
                wait_for(lambda: looking.execute(waiting).scalar())
            entering.execute(select(func.pg_sleep(3 * SHORT)))
        started.result(20).state.running.engine.dispose()
    other.dispose()


def test_when_a_turn_has_waited_long_enough_all_that_waits_is_told_later(
    cluster: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = cluster.url()
    engine, other = open_engine(url), open_engine(url)
    monkeypatch.setattr(writer_module, "TURN_S", 0.0)
    monkeypatch.setattr(writer_module, "GROUP", 2)
    writer = Writer(engine, lambda _connection, _group, _also: [])
    tried: list[int] = []

    def wait(number: int) -> Any:
        def work(connection: Any) -> None:
            tried.append(number)
            connection.exec_driver_sql("LOCK TABLE heads")

        return work

    with other.begin() as holder:
        holder.exec_driver_sql("LOCK TABLE heads")
        futures = [writer.submit(wait(number)) for number in range(6)]
        writer.start()
        assert all("lock timeout" in str(future.exception(20)) for future in futures)
    assert tried == [0, 0]  # with the others, then by itself
    assert writer.submit(wait(9)).result(20) is None
    writer.stop()
    for each in (engine, other):
        each.dispose()


def test_connections_that_fell_silent_keep_no_terminal_waiting(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    assert served.is_heard()
    served.way.forget()
    wait_for(served.is_heard)
    assert any("nothing was heard" in line for line in said(caplog))


def test_a_database_that_is_gone_is_told_to_terminals_once_to_the_log_and_to_a_balancer_until_it_is_back(
    served: Served, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert served.is_heard() and served.client.get("/health").json()["ok"] is True
    served.way.close()
    replies = [served.say() for _ in range(3)]
    assert all(is_later(reply) for reply in replies)
    assert len(said(caplog)) == len(set(said(caplog)))
    health = served.client.get("/health")
    assert (health.status_code, health.json()["ok"]) == (503, False)
    assert get(for_terminals(served.app), "/health") == (503, {"ok": False})
    assert is_later(served.client.get("/api/receipt-keys"))
    served.way.open()
    wait_for(lambda: served.client.get("/health").is_success)  # though no terminal says anything
    assert said(caplog)[-1] == "the database takes what is written again"
    assert get(for_terminals(served.app), "/health") == (200, {"ok": True})
    wait_for(served.is_heard)


def test_an_idle_server_whose_connection_is_ended_says_when_it_is_back(
    cluster: Cluster, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(elsewhere, "HEAR_S", SHORT)
    engine = open_engine(url := cluster.url())
    other = open_engine(url)
    writer = Writer(engine, lambda _connection, _group, _also: [])
    writer.start()
    mine = "SELECT pg_backend_pid()"
    pid = writer.submit(lambda connection: connection.exec_driver_sql(mine).scalar()).result(20)
    with other.begin() as connection:
        connection.execute(select(func.pg_terminate_backend(pid)))
    wait_for(lambda: len(said(caplog)) == 2)
    assert said(caplog)[0].startswith(codes.NOT_WRITTEN)
    assert said(caplog)[1] == "the database takes what is written again" and writer.commits == 1
    writer.stop()
    for each in (engine, other):
        each.dispose()


def test_a_terminal_that_cannot_be_looked_up_is_told_later(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    served.way.close()
    assert is_later(served.say(0)) and is_later(served.say(1))
    assert len([line for line in said(caplog) if "looked up" in line]) == 1
    served.way.open()
    wait_for(lambda: served.is_heard(0) and served.is_heard(1))


def test_a_front_that_cannot_look_a_terminal_up_says_later(served: Served) -> None:
    async def counts() -> dict[str, int]:
        return {"ok": False}

    async def nobody(_checked: Any) -> Any:
        raise AssertionError("the desk is asked")

    front: Application = build_front(served.config, nobody, nobody, counts, nobody, print)
    told: list[tuple[int, str]] = []

    class Exchange:
        body = served.handhelds[0].hello()

        def say(self, status: int, code: str) -> None:
            told.append((status, code))

    served.way.close()
    front.door.enter(Exchange())  # type: ignore[arg-type]
    assert told == [(503, codes.NOT_WRITTEN)]
    assert get(front, "/health")[0] == 503


def test_a_writer_whose_turn_does_not_end_is_not_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = Writer(open_engine(f"sqlite:///{tmp_path / 'a.db'}"), lambda _connection, _group, _also: [])
    begun, end = threading.Event(), threading.Event()

    def work(_connection: Any) -> bool:
        begun.set()
        return end.wait(20)

    writer.start()
    future = writer.submit(work)
    assert begun.wait(20) and writer.is_well()
    monkeypatch.setattr(writer_module, "STUCK_S", 0.0)
    assert not writer.is_well()
    end.set()
    assert future.result(20)
    wait_for(writer.is_well)
    writer.stop()


def test_a_front_whose_writer_says_nothing_is_not_well(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(front_module, "STUCK_S", SHORT)

    async def ask() -> dict[str, int]:
        ours, theirs = socket.socketpair()
        with theirs:
            remote = Remote(ours.fileno())
            await asyncio.get_running_loop().create_connection(lambda: remote, sock=ours)
            try:
                return await remote.counts()
            finally:
                remote.close()

    assert asyncio.run(ask()) == {"ok": False}
