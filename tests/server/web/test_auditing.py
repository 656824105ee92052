"""A long history's recomputation, and its sums, are made in a process of their own, one at a time, and the page shows the last ones."""

import asyncio
import json
import logging
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, text, update

from protocol import records as r
from server import codes
from server.ledger import recompute, report
from server.store import audit
from server.store import tables as t
from server.store.engine import open_engine, unhurried
from server.web import auditing
from server.web import ledger as pages
from server.web.auditing import Auditor
from server.web.ledger import Ledger
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.postgres import Cluster
from tests.server.served import ROOT, wait_for, write_config
from tests.server.store.test_whole import spoil
from tools import cli


class Server:
    """Auditor and page of a centre with one payment; what is written is written at once."""

    def __init__(self, centre: Centre) -> None:
        self.centre = centre
        self.damage: list[str] = []
        self.auditor = Auditor(centre.engine, lambda: centre.now, self._write, self.damage.append)
        self.ledger = Ledger(centre.engine, lambda: centre.now, self._audited)

    async def _write(self, operation: Callable[[Connection], Any]) -> Any:
        with self.centre.engine.begin() as connection:
            return operation(connection)

    async def _audited(self, now: bool) -> dict[str, Any]:
        return self.auditor.said(True) if now else {**self.auditor.said(), "summed": await self.auditor.summed()}

    async def recomputed(self) -> dict[str, Any]:
        """The page once the recomputation that runs is over."""
        async with asyncio.timeout(60):
            while (page := await self.ledger.page())["recomputed"]["running"]:
                await asyncio.sleep(0.05)
        return page


@pytest.fixture
def server(either: Centre, handheld: Handheld, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    """Of a centre for which one record is a long history."""
    monkeypatch.setattr(report, "SHORT", 0)
    for name in ("WAIT_S", "FIRST_WAIT_S"):
        monkeypatch.setattr(auditing, name, 30.0)
    either.hello(handheld)
    handheld.pay(r.OUTCOME_APPROVED)
    either.send(handheld)
    yield Server(either)


def _tamper(centre: Centre) -> None:
    with centre.engine.begin() as connection:
        connection.execute(update(t.legs).where(t.legs.c.amount > 0).values(amount=t.legs.c.amount + 1))


def _alarm(centre: Centre) -> None:
    with centre.engine.begin() as connection:
        audit.alarm(connection, "", "TEST", "somebody has to look", centre.now)


def _never(*_: Any) -> Any:
    raise AssertionError("it is recomputed in the server's own process")


def test_the_page_waits_for_none_and_shows_the_last_one(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recompute, "differences", _never)

    async def play() -> None:
        first = await server.ledger.page()
        assert first["recomputed"] == {"at": None, "seconds": None, "count": 0, "running": True, "failed": False}
        assert first["balanced"] is None and first["differences"] == [] and first["totals"]["approved"]["count"] == 1
        page = await server.recomputed()
        assert page["balanced"] is True and page["recomputed"]["at"] == server.centre.now
        assert server.centre.alarms() == []

    asyncio.run(play())


def test_what_does_not_agree_is_shown_and_an_alarm(server: Server) -> None:
    _tamper(server.centre)

    async def play() -> None:
        await server.ledger.page()
        page = await server.recomputed()
        assert page["balanced"] is False and page["recomputed"]["count"] == len(page["differences"]) == 2
        assert server.centre.alarms() == [codes.LEDGER_DIFFERS]

    asyncio.run(play())


def test_a_record_that_cannot_be_read_is_an_alarm_too(server: Server) -> None:
    with server.centre.engine.begin() as connection:
        connection.execute(update(t.raw).where(t.raw.c.kind == r.PAYMENT_INTENT).values(record=b"\xff"))

    async def play() -> None:
        await server.ledger.page()
        page = await server.recomputed()
        assert page["balanced"] is False and page["recomputed"]["count"] == 1 and not page["recomputed"]["failed"]
        assert "does not decode" in page["differences"][0]
        assert server.centre.alarms() == [codes.LEDGER_DIFFERS]

    asyncio.run(play())


def test_one_runs_at_a_time_and_the_next_not_at_once(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, over = [], asyncio.Event()

    async def elsewhere(_engine: Any, *words: str) -> dict[str, Any]:
        if words:
            return {"accounts": {}}
        begun.append(1)
        await over.wait()
        return {"count": 0, "differences": []}

    monkeypatch.setattr(auditing, "_elsewhere", elsewhere)

    async def play() -> None:
        told = await asyncio.gather(*(server.ledger.page() for _ in range(8)))
        assert all(page["recomputed"]["running"] for page in told) and len(begun) == 1
        over.set()
        await server.recomputed()
        assert not server.auditor.said(now=True)["running"]
        server.auditor._rests_until = 0.0
        assert not server.auditor.said()["running"]  # within the hour, unless it is asked for
        assert server.auditor.said(now=True)["running"]
        await server.auditor.stop()
        server.centre.now += 3601
        server.auditor._rests_until = 0.0
        assert server.auditor.said()["running"]
        await server.auditor.stop()

    asyncio.run(play())


def test_one_that_cannot_be_made_is_said(server: Server, caplog: pytest.LogCaptureFixture) -> None:
    if server.centre.engine.dialect.name != "sqlite":
        pytest.skip("SQLite's file is put aside")

    async def play() -> None:
        await server.auditor.summed()
        server.auditor.engine = open_engine(f"sqlite:///{server.centre.folder / 'empty.db'}", migrate=False)
        await server.ledger.page()
        page = await server.recomputed()
        assert page["recomputed"]["failed"] and page["balanced"] is None
        assert server.damage == []  # it is none of a centre's, and whole
        assert codes.NOT_RECOMPUTED in caplog.text and "CFG-028" in caplog.text

    with caplog.at_level(logging.ERROR):
        asyncio.run(play())


def test_one_that_finds_the_database_damaged_says_so(server: Server) -> None:
    if server.centre.engine.dialect.name != "sqlite":
        pytest.skip("SQLite's file is damaged")
    server.centre.engine.dispose()
    spoil(server.centre.folder / "server.db", "raw")

    async def play() -> None:
        server.auditor.said(now=True)
        async with asyncio.timeout(60):
            while (told := server.auditor.said())["running"]:
                await asyncio.sleep(0.05)
        assert told["failed"] and len(server.damage) == 1 and "is damaged: " in server.damage[0]

    asyncio.run(play())


def test_pages_that_cost_something_are_shared_and_too_many_are_told_later(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    made, current = [], report.current

    def slow(connection: Connection) -> dict[str, Any]:
        made.append(1)
        return current(connection)

    monkeypatch.setattr(report, "current", slow)
    monkeypatch.setattr(pages, "QUICK_S", 0.0)
    monkeypatch.setattr(pages, "SHARE", 1000)

    async def play() -> None:
        asked = [server.ledger.page() for _ in range(pages.WAITING + 4)]
        told = await asyncio.gather(*asked, return_exceptions=True)
        refused = [each for each in told if isinstance(each, codes.RefusedError)]
        assert len(made) == 1 and len(refused) == 4 and {error.code for error in refused} == {codes.BUSY}
        await server.auditor.stop()

    asyncio.run(play())


def test_the_sums_are_made_elsewhere_one_at_a_time_and_say_of_when_they_are(
    server: Server, handheld: Handheld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No page adds them up, and what has been paid since is in the next ones."""
    monkeypatch.setattr(report, "sums", _never)
    monkeypatch.setattr(pages, "QUICK_S", 60.0)
    for name in ("WAIT_S", "FIRST_WAIT_S"):
        monkeypatch.setattr(auditing, name, 60.0)  # however busy the machine is
    begun, elsewhere = [], auditing._elsewhere

    async def counted(engine: Any, *words: str) -> dict[str, Any]:
        begun.append(words)
        return await elsewhere(engine, *words)

    monkeypatch.setattr(auditing, "_elsewhere", counted)

    async def play() -> None:
        pages = await asyncio.gather(*(server.ledger.page() for _ in range(4)))
        at = server.centre.now
        assert [page["summed"]["at"] for page in pages] == [at] * 4 and begun.count((auditing.SUMS,)) == 1
        assert all(page["totals"]["approved"]["count"] == page["case_count"] == 1 for page in pages)
        first = len(handheld.records) + 1
        handheld.pay(r.OUTCOME_APPROVED)
        server.centre.hello(handheld)
        server.centre.send(handheld, first)
        page = await server.ledger.page()
        assert page["summed"]["at"] == at and page["totals"]["approved"]["count"] == 1
        assert page["devices"][0]["approved_count"] == 2  # what does not grow with the history is of now
        server.auditor._sums_rest_until = 0.0
        page = await server.ledger.page()
        assert page["summed"]["at"] == server.centre.now > at and page["totals"]["approved"]["count"] == 2
        assert begun.count((auditing.SUMS,)) == 2
        await server.auditor.stop()

    asyncio.run(play())


def test_a_page_waits_for_sums_for_a_moment_only(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    """While there are none yet it goes without, and says so; else it has the last ones, whose time it says."""
    for name in ("WAIT_S", "FIRST_WAIT_S"):
        monkeypatch.setattr(auditing, name, 0.1)
    over, made = asyncio.Event(), [{"accounts": {}, "round": 1}, {"accounts": {}, "round": 2}]

    async def elsewhere(_engine: Any, *words: str) -> dict[str, Any]:
        if not words:
            return {"count": 0, "differences": []}
        await over.wait()
        return made.pop(0)

    monkeypatch.setattr(auditing, "_elsewhere", elsewhere)

    async def play() -> None:
        page = await server.ledger.page()
        assert page["summed"] == {"at": None, "seconds": None, "failed": False} and "totals" not in page
        assert page["balanced"] is None and [row["device"] for row in page["devices"]] == ["TSD-000001"]
        over.set()
        assert (await server.ledger.page())["round"] == 1
        over.clear()
        server.auditor._sums_rest_until = 0.0
        assert (await server.ledger.page())["round"] == 1 and server.auditor._summing is not None
        await server.auditor.stop()
        assert server.auditor._summing is None

    asyncio.run(play())


def test_sums_that_hang_are_given_up_and_said(
    server: Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What people have to see to is shown meanwhile; the next ones are made after a while."""
    hangs = [sys.executable, "-c", "import time; time.sleep(600)"]
    begin = asyncio.create_subprocess_exec
    monkeypatch.setattr(auditing, "FIRST_WAIT_S", 0.1)
    monkeypatch.setattr(auditing, "SUMS_LONGEST_S", 1.0)
    monkeypatch.setattr(asyncio, "create_subprocess_exec", lambda *_, **named: begin(*hangs, **named))
    _alarm(server.centre)

    async def play() -> None:
        page = await server.ledger.page()
        assert not page["summed"]["failed"] and [alarm["code"] for alarm in page["alarms"]] == ["TEST"]
        async with asyncio.timeout(20):
            while server.auditor._summing is not None:
                await asyncio.sleep(0.05)
        assert (await server.ledger.page())["summed"] == {"at": None, "seconds": None, "failed": True}
        assert f"{codes.NOT_RECOMPUTED} the ledger could not be added up: it took too long" in caplog.text
        await server.auditor.stop()
        monkeypatch.undo()
        monkeypatch.setattr(report, "SHORT", 0)
        monkeypatch.setattr(auditing, "FIRST_WAIT_S", 30.0)
        server.auditor._sums_rest_until = min(server.auditor._sums_rest_until, time.monotonic())
        assert (await server.ledger.page())["summed"]["failed"] is False
        await server.auditor.stop()

    with caplog.at_level(logging.ERROR):
        asyncio.run(play())


def test_what_recomputes_ends_with_its_server_however_that_ends(cluster: Cluster) -> None:
    """It would wait for a lock for as long as that is held."""
    engine = open_engine(url := cluster.url())
    starter = (
        "import asyncio, sys; from server.web import auditing; from server.store.engine import open_engine\n"
        "asyncio.run(auditing._elsewhere(open_engine(sys.argv[1], migrate=False)))"
    )
    waiting = text(
        "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    )
    with engine.begin() as holder:
        unhurried(holder)
        holder.exec_driver_sql("LOCK TABLE raw")
        process = subprocess.Popen([sys.executable, "-c", starter, url], cwd=ROOT)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as looking:
            wait_for(lambda: looking.execute(waiting).scalar())
        (child,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
        process.wait()
        status = Path("/proc") / child / "status"
        wait_for(lambda: not status.exists() or "State:\tZ" in status.read_text())
    engine.dispose()


@pytest.mark.parametrize("is_long", [True, False])
def test_the_sums_of_a_long_history_are_made_at_the_start(
    server: Server, monkeypatch: pytest.MonkeyPatch, is_long: bool
) -> None:
    monkeypatch.setattr(report, "SHORT", 0 if is_long else 2000)

    async def play() -> None:
        task = asyncio.create_task(server.auditor.run())
        async with asyncio.timeout(60):
            while is_long and server.auditor._sums is None:
                await asyncio.sleep(0.05)
        await asyncio.sleep(0.2)
        assert server.auditor._summing is None and (server.auditor._sums is not None) is is_long
        task.cancel()

    asyncio.run(play())


def test_a_short_history_is_recomputed_at_once(centre: Centre, handheld: Handheld) -> None:
    centre.hello(handheld)
    handheld.pay(r.OUTCOME_APPROVED)
    centre.send(handheld)
    told = asyncio.run(Server(centre).ledger.page())
    assert told["balanced"] is True and told["recomputed"]["at"] == centre.now and not told["recomputed"]["running"]
    _tamper(centre)
    assert asyncio.run(Server(centre).ledger.page())["balanced"] is False


def test_the_command_says_whether_it_agrees(
    tmp_path: Path, handheld: Handheld, capsys: pytest.CaptureFixture[str]
) -> None:
    centre = Centre(tmp_path, handheld)
    centre.hello(handheld)
    handheld.pay(r.OUTCOME_APPROVED)
    centre.send(handheld)
    words = ["server", "recompute", "--config", str(write_config(tmp_path, [handheld]))]
    with pytest.raises(SystemExit) as ended:
        cli.main(words)
    assert not ended.value.code and "agrees" in capsys.readouterr().out
    _tamper(centre)
    with pytest.raises(SystemExit) as ended:
        cli.main([*words, "--json"])
    assert ended.value.code == 1
    assert len(json.loads(capsys.readouterr().out)["differences"]) == 2
