"""Several server processes on one database, under load, and killed in the middle of it.

Real processes (`python -m server`), real HTTP, signed messages. Terminals' batches go to whichever process, several times, in any
order, from several connections at once. What must hold: a record is new to exactly one acknowledgement, whatever was acknowledged is
there after a kill -9 and a restart, and nothing is posted twice. TASDID_KILL_ROUNDS=n kills more often (default 2).
"""

import os
import random
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import func, select

from protocol import records as r
from protocol import sync as s
from server import keys
from server.ledger import recompute
from server.store import tables as t
from server.store.engine import open_engine, reading
from tests.server.handheld import Handheld, open_reply
from tests.server.postgres import Cluster
from tests.server.served import wait_for, write_config

ROOT = Path(__file__).resolve().parents[3]
ROUNDS = int(os.environ.get("TASDID_KILL_ROUNDS", "2"))
FINES = 10
STEP = 4  # records in a batch


class Terminal:
    """A terminal's bodies, ready to be sent in any order, and what it was told."""

    def __init__(self, number: int) -> None:
        self.handheld = Handheld(f"TSD-{number:06d}")
        for _ in range(FINES):
            self.handheld.pay(r.OUTCOME_APPROVED)
        self.hello = self.handheld.hello()
        self.last = len(self.handheld.records)
        self.bodies = [self.handheld.batch(at, min(at + STEP - 1, self.last)) for at in range(1, self.last + 1, STEP)]
        self.acked = 0
        self.new = 0
        self._lock = threading.Lock()

    def told(self, reply: dict[int, Any]) -> None:
        """Take note of an acknowledgement; its hash must be the record's."""
        assert reply[s.ACKED_HASH] == self.handheld.hash(reply[s.ACKED_SEQ])
        assert s.REJECTED not in reply
        with self._lock:
            self.acked = max(self.acked, reply[s.ACKED_SEQ])
            self.new += reply[s.NEW]


class Fleet:
    """Terminals, and the server processes that they speak to."""

    def __init__(self, folder: Path, url: str, processes: int, terminals: int, options: list[str]) -> None:
        self.url, self._options = url, options
        self.terminals = [Terminal(number) for number in range(1, terminals + 1)]
        self._config = write_config(folder, [terminal.handheld for terminal in self.terminals])
        self._client = httpx.Client(timeout=30, trust_env=False)
        self._ack_key = keys.load(folder / "keys").public("ack")
        self.processes: list[subprocess.Popen[str]] = []
        self.urls: list[str] = []
        open_engine(url).dispose()  # the schema is there before the processes race for it
        for _ in range(processes):
            self.start(len(self.urls))

    def start(self, at: int) -> None:
        """Start process `at`, for the first time or again."""
        command = [sys.executable, "-m", "server", "--config", str(self._config), "--db", self.url, "--port", "0"]
        process = subprocess.Popen([*command, *self._options], cwd=ROOT, stdout=subprocess.PIPE, text=True)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line.startswith("server listening on "), line
        self.processes[at : at + 1] = [process]
        self.urls[at : at + 1] = [line.split()[-1]]

    def kill(self, at: int) -> None:
        """kill -9, and wait until it is gone."""
        process = self.processes[at]
        process.kill()
        process.wait(20)
        assert process.stdout is not None
        process.stdout.close()

    def end(self) -> None:
        """End all processes."""
        for at in range(len(self.processes)):
            self.kill(at)
        self._client.close()

    def send(self, terminal: Terminal, body: bytes, chance: random.Random) -> bool:
        """Send a body to some process; False if no reply came."""
        try:
            reply = self._client.post(chance.choice(self.urls) + s.PATH, content=body)
        except httpx.HTTPError:
            return False
        if reply.status_code == 503:
            return False
        kind, payload = open_reply(reply.content, self._ack_key)
        assert kind in (s.TYPE_WELCOME, s.TYPE_ACK), payload
        if kind == s.TYPE_ACK:
            terminal.told(payload)
        return True

    def greet(self) -> None:
        """HELLO of every terminal."""
        for terminal in self.terminals:
            wait_for(
                lambda terminal=terminal: self.send(terminal, terminal.hello, random.Random(0))
            )  # a front may still start

    def load(self, connections: int, until: Callable[[Terminal], bool], allowed: Callable[[], int]) -> list[Any]:
        """Start `connections` senders a terminal: any of its first `allowed` bodies, in any order, until `until`."""
        pool = ThreadPoolExecutor(connections * len(self.terminals))

        def insist(terminal: Terminal, seed: int) -> None:
            chance = random.Random(seed)
            while not until(terminal):
                self.send(terminal, chance.choice(terminal.bodies[: allowed()]), chance)

        futures = [
            pool.submit(insist, terminal, number * 100 + connection)
            for number, terminal in enumerate(self.terminals)
            for connection in range(connections)
        ]
        pool.shutdown(wait=False)
        return futures

    def check_acknowledged(self) -> None:
        """Whatever was acknowledged is in the database, byte by byte; to be called with no answer under way."""
        claims = [(terminal, terminal.acked) for terminal in self.terminals]
        engine = open_engine(self.url, migrate=False)
        with reading(engine) as connection:
            for terminal, acked in claims:
                c = t.raw.c
                rows = connection.execute(
                    select(c.seq, c.hash).where(c.device == terminal.handheld.name).order_by(c.seq)
                )
                kept = {row.seq: bytes(row.hash) for row in rows}
                assert acked <= len(kept)
                assert kept == {seq: terminal.handheld.hash(seq) for seq in range(1, len(kept) + 1)}
            assert recompute.differences(connection) == []
        engine.dispose()

    def check_all_there_once(self) -> None:
        """Everything is there, posted once, asked of the acquirer once, and no fork was seen."""
        self.check_acknowledged()
        engine = open_engine(self.url, migrate=False)
        fines = FINES * len(self.terminals)
        with reading(engine) as connection:
            count = {
                table.name: connection.execute(select(func.count()).select_from(table)).scalar()
                for table in (t.raw, t.postings, t.legs, t.outbox, t.sealed, t.payments, t.cases, t.forks, t.audit)
            }
            heads = {row.device: row.seq for row in connection.execute(select(t.heads.c.device, t.heads.c.seq))}
        engine.dispose()
        assert heads == {terminal.handheld.name: terminal.last for terminal in self.terminals}
        expected = {
            "raw": 3 * fines, "postings": fines, "legs": 2 * fines, "outbox": fines, "sealed": fines, "payments": fines, "cases": fines,
            "forks": 0, "audit": 0,
        }  # fmt: skip
        assert count == expected


def finish(futures: list[Any]) -> None:
    """Wait for senders; whatever went wrong in one comes up here."""
    for future in futures:
        future.result(200)


def test_two_processes_share_devices_whose_batches_come_twice_and_in_any_order(
    tmp_path: Path, cluster: Cluster
) -> None:
    fleet = Fleet(tmp_path, cluster.url("shared"), processes=2, terminals=3, options=[])
    try:
        fleet.greet()
        finish(fleet.load(3, lambda terminal: terminal.acked == terminal.last, lambda: len(fleet.terminals[0].bodies)))
    finally:
        fleet.end()
    fleet.check_all_there_once()
    assert [terminal.new for terminal in fleet.terminals] == [terminal.last for terminal in fleet.terminals]


def kill_in_rounds(fleet: Fleet, seed: int) -> None:
    """Load, kill -9 at any instant, check, restart; in the end everything is there once."""
    chance = random.Random(seed)
    bodies = len(fleet.terminals[0].bodies)
    for round_ in range(ROUNDS):
        enough = bodies * (round_ + 1) // (ROUNDS + 1)
        moved = threading.Event()
        stopping = threading.Event()

        def over(
            terminal: Terminal, enough: int = enough, moved: threading.Event = moved, stop: Any = stopping
        ) -> bool:
            if terminal.acked >= STEP * (enough - 1):
                moved.set()
            return stop.is_set()

        futures = fleet.load(2, over, lambda enough=enough: enough)
        assert moved.wait(100)
        stopping.wait(chance.uniform(0, 0.3))
        victims = chance.sample(range(len(fleet.processes)), chance.randint(1, len(fleet.processes)))
        for at in victims:
            fleet.kill(at)
        stopping.set()
        finish(futures)
        fleet.check_acknowledged()
        for at in victims:
            fleet.start(at)
    finish(fleet.load(2, lambda terminal: terminal.acked == terminal.last, lambda: bodies))


@pytest.mark.parametrize("options", [[], ["--fronts", "1"]], ids=["threads", "fronts"])
def test_a_process_killed_under_load_loses_nothing_that_it_acknowledged(tmp_path: Path, options: list[str]) -> None:
    fleet = Fleet(tmp_path, f"sqlite:///{tmp_path / 'server.db'}", processes=1, terminals=3, options=options)
    try:
        fleet.greet()
        kill_in_rounds(fleet, 1)
    finally:
        fleet.end()
    fleet.check_all_there_once()


def test_processes_on_one_postgresql_killed_under_load_lose_nothing(tmp_path: Path, cluster: Cluster) -> None:
    fleet = Fleet(tmp_path, cluster.url("killed"), processes=2, terminals=3, options=[])
    try:
        fleet.greet()
        kill_in_rounds(fleet, 2)
    finally:
        fleet.end()
    fleet.check_all_there_once()


def children(pid: int) -> list[int]:
    """Processes that a process has started."""
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def alive(pid: int) -> bool:
    """Whether a process runs: a zombie does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "told"])
def test_no_front_outlives_its_server(tmp_path: Path, end: signal.Signals) -> None:
    url = f"sqlite:///{tmp_path / 'server.db'}"
    fleet = Fleet(tmp_path, url, processes=1, terminals=1, options=["--fronts", "2"])
    try:
        terminal = fleet.terminals[0]
        wait_for(lambda: fleet.send(terminal, terminal.hello, random.Random(0)))
        server = fleet.processes[0]
        fronts = children(server.pid)
        assert len(fronts) == 2 and all(alive(pid) for pid in fronts)
        server.send_signal(end)
        assert server.wait(30) == (-signal.SIGKILL if end == signal.SIGKILL else 0)
        wait_for(lambda: not any(alive(pid) for pid in fronts))
    finally:
        fleet.end()


def test_a_front_that_is_killed_is_replaced_and_costs_nothing_but_a_repeat(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'server.db'}"
    fleet = Fleet(tmp_path, url, processes=1, terminals=2, options=["--fronts", "1"])
    try:
        fleet.greet()
        server = fleet.processes[0]
        (first,) = children(server.pid)
        futures = fleet.load(2, lambda terminal: terminal.acked == terminal.last, lambda: 3 if alive(first) else 99)
        wait_for(lambda: all(terminal.acked for terminal in fleet.terminals))
        os.kill(first, signal.SIGKILL)
        finish(futures)
        assert server.poll() is None and children(server.pid) != [first]
    finally:
        fleet.end()
    fleet.check_all_there_once()
