"""A database that is found to be damaged while it is served: nothing is acknowledged any more, and everybody who looks is told."""

import contextlib
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError, OperationalError

from protocol import records as r
from protocol import sync as s
from server import codes, config, keys
from server.store import marks, whole
from server.store.engine import is_damage, is_trouble, open_engine, reading
from server.web import elsewhere
from server.web.app import build
from server.web.serve import Serving
from tests.server.handheld import Handheld
from tests.server.postgres import Cluster
from tests.server.served import Line, wait_for, write_config
from tests.server.store.test_whole import spoil


@pytest.fixture
def client(tmp_path: Path, handheld: Handheld, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    """A server whose tables of records and legs break after it was looked at."""
    path = write_config(tmp_path, [handheld])
    open_engine(config.load(path).db).dispose()
    look = whole.must_be_whole

    def break_then(url: str, restored: bool = False) -> None:
        look(url, restored)
        for table in ("raw", "legs"):  # an empty table of records is not looked at: its index says that it is
            spoil(tmp_path / "server.db", table)

    monkeypatch.setattr(whole, "must_be_whole", break_then)
    with Serving(build(config.load(path))) as server:
        line = Line(server.url, keys.load(tmp_path / "keys").public("ack"))
        assert line.say(handheld.hello())[0] == s.TYPE_WELCOME
        yield line.client


def later(reply: httpx.Response) -> bool:
    return (reply.status_code, reply.text, "retry-after" in reply.headers) == (503, codes.NOT_WRITTEN, True)


@pytest.mark.parametrize("first", ["a record", "the ledger page", "the recomputation"])
def test_nothing_is_acknowledged_any_more_whoever_has_found_it(
    client: httpx.Client, handheld: Handheld, caplog: pytest.LogCaptureFixture, first: str
) -> None:
    handheld.pay(r.OUTCOME_APPROVED)
    if first == "a record":
        assert later(client.post(s.PATH, content=handheld.batch(1)))
    if first == "the recomputation":  # of a process of its own
        assert client.get("/health").json()["ok"]
        assert client.post("/api/ledger/recomputation").json()["running"]
        wait_for(lambda: client.get("/health").status_code == 503)
        assert later(client.post(s.PATH, content=handheld.batch(1)))
    assert later(client.get("/api/ledger"))
    assert later(client.post(s.PATH, content=handheld.hello()))  # which needs nothing of what is damaged
    health = client.get("/health")
    assert (health.status_code, health.json()["ok"]) == (503, False)
    alarms = [line.getMessage() for line in caplog.records if line.levelname == "CRITICAL"]
    assert len(alarms) == 1 and alarms[0].startswith(codes.DAMAGED) and "malformed" in alarms[0]
    assert "docs/restore.md" in alarms[0]
    assert not [line for line in caplog.records if line.exc_info]


@pytest.mark.parametrize("error", [psycopg.errors.DataCorrupted("a page"), psycopg.errors.IndexCorrupted("an index")])
def test_so_it_is_with_what_postgresql_says(error: Exception) -> None:
    assert is_damage(found := DatabaseError(None, None, error)) and is_trouble(found)
    assert not is_damage(OperationalError(None, None, psycopg.errors.LockNotAvailable("wait")))


SOON = elsewhere.HEAR_S + 3.0


class Two:
    """Two servers on one PostgreSQL, each with a line of the terminal's."""

    def __init__(self, folder: Path, handheld: Handheld, url: str) -> None:
        self.folder, self.url = folder, url
        self.loaded = config.load(write_config(folder, [handheld]), url)
        self.stack = contextlib.ExitStack()
        self.apps, self.lines = [], []
        for _ in range(2):
            self.start()

    def start(self) -> Line:
        """One more."""
        app = build(self.loaded)
        served = self.stack.enter_context(Serving(app))
        self.apps.append(app)
        self.lines.append(Line(served.url, keys.load(self.folder / "keys").public("ack")))
        return self.lines[-1]

    def is_told(self) -> bool:
        with reading(self.apps[0].state.running.engine) as connection:
            return marks.damaged(connection) > 0


@pytest.fixture
def two(tmp_path: Path, handheld: Handheld, cluster: Cluster) -> Iterator[Two]:
    made = Two(tmp_path, handheld, cluster.url())
    with made.stack:
        yield made


@pytest.mark.parametrize("busy", [False, True])
def test_the_other_servers_on_the_database_acknowledge_nothing_more_either(
    two: Two, handheld: Handheld, caplog: pytest.LogCaptureFixture, busy: bool
) -> None:
    first, second = two.lines
    assert second.say(handheld.hello())[0] == s.TYPE_WELCOME
    two.apps[0].state.running.writer.found_damaged("a page is damaged")
    assert later(first.client.post(s.PATH, content=handheld.hello()))
    deadline = time.monotonic() + SOON
    while busy and time.monotonic() < deadline:  # what comes all the time is no reason not to look
        reply = second.client.post(s.PATH, content=handheld.hello())
        if reply.status_code == 503:
            break
    wait_for(lambda: second.client.get("/health").status_code == 503, deadline - time.monotonic())
    handheld.pay(r.OUTCOME_APPROVED)
    assert later(second.client.post(s.PATH, content=handheld.batch(1)))
    time.sleep(elsewhere.HEAR_S + 0.5)
    assert second.client.get("/health").status_code == 503  # for good
    alarms = [line.getMessage() for line in caplog.records if line.levelname == "CRITICAL"]
    assert len(alarms) == 2 and sum(elsewhere.TOLD in line for line in alarms) == 1
    with reading(two.apps[0].state.running.engine) as connection:
        assert marks.damaged(connection) == 1  # who was told by another one does not tell it on


def test_it_is_lifted_for_each_as_for_the_first_one_by_a_start(two: Two, handheld: Handheld) -> None:
    two.apps[0].state.running.writer.found_damaged("a page is damaged")
    wait_for(lambda: two.lines[1].client.get("/health").status_code == 503, SOON)
    third = two.start()
    time.sleep(elsewhere.HEAR_S + 0.5)
    assert third.say(handheld.hello())[0] == s.TYPE_WELCOME
    assert [line.client.get("/health").status_code for line in two.lines] == [503, 503, 200]
    two.apps[2].state.running.writer.found_damaged("and again")
    fourth = two.start()
    assert two.lines[2].client.get("/health").status_code == 503 and fourth.client.get("/health").json()["database"]


def test_a_look_is_not_what_each_commit_costs(two: Two, handheld: Handheld) -> None:
    looks: list[str] = []
    engine = two.apps[1].state.running.engine

    @event.listens_for(engine, "before_cursor_execute")
    def _asked(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if "FROM meta" in statement and marks.DAMAGED in str(parameters):
            looks.append(statement)

    began = time.monotonic()
    for _ in range(60):
        assert two.lines[1].say(handheld.hello())[0] == s.TYPE_WELCOME
    assert len(looks) <= 2 + (time.monotonic() - began) / elsewhere.HEAR_S


def test_nothing_is_written_into_an_sqlite_that_is_damaged(client: httpx.Client, tmp_path: Path) -> None:
    assert later(client.get("/api/ledger"))
    engine = open_engine(f"sqlite:///{tmp_path / 'server.db'}", migrate=False)
    with reading(engine) as connection:
        assert marks.damaged(connection) == 0
    engine.dispose()
