"""A database that is found to be damaged while it is served: nothing is acknowledged any more, and everybody who looks is told."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import psycopg
import pytest
from sqlalchemy.exc import DatabaseError, OperationalError

from protocol import records as r
from protocol import sync as s
from server import codes, config, keys
from server.store import whole
from server.store.engine import is_damage, is_trouble, open_engine
from server.web.app import build
from server.web.serve import Serving
from tests.server.handheld import Handheld
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
