"""A server with a front, as processes: what the writer does not answer by itself comes through as well."""

import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from protocol import records as r
from protocol import sync as s
from server import keys
from server.store.engine import open_engine
from sim.acquirer.host import Host
from tests.server.acquirer.test_online import A, authorise, begin, take
from tests.server.cards import ARQC, KEYS, content
from tests.server.handheld import Handheld
from tests.server.served import ROOT, Line, wait_for, write_config

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


@pytest.fixture
def served(tmp_path: Path, handheld: Handheld, host: Host) -> Iterator[Line]:
    path = write_config(tmp_path, [handheld], host.port)
    url = f"sqlite:///{tmp_path / 'server.db'}"
    command = [sys.executable, "-m", "server", "--config", str(path), "--db", url, "--port", "0", "--fronts", "1"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    line = Line(process.stdout.readline().split()[-1], keys.load(tmp_path / "keys").public("ack"))
    try:
        yield line
    finally:
        line.client.close()
        process.terminate()
        process.wait(30)
        process.stdout.close()


def test_a_card_waits_a_payment_is_cleared_and_a_database_that_fails_says_later(
    served: Line, handheld: Handheld, host: Host, tmp_path: Path
) -> None:
    wait_for(lambda: served.say(handheld.hello())[0] == s.TYPE_WELCOME)
    intent = begin(handheld)
    data = handheld.seal(KEYS.bdk, intent, A, content(A, ARQC))
    kind, said = served.say(authorise(handheld, intent, card_data=data))
    assert (kind, said[s.STATE], said[s.INTENT]) == (s.TYPE_AUTHORISED, s.ASKED_ANSWERED, intent)
    take(handheld, intent, r.OUTCOME_APPROVED, auth_code=said[s.AUTH_CODE])
    kind, ack = served.say(handheld.batch(1))
    assert (kind, ack[s.NEW], ack.get(s.REJECTED)) == (s.TYPE_ACK, 3, None), said
    wait_for(host.book.captures)

    later = handheld.pay(r.OUTCOME_DECLINED) - 1
    engine = open_engine(f"sqlite:///{tmp_path / 'server.db'}", migrate=False)
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE raw RENAME TO raw_away"))
    reply = served.client.post(s.PATH, content=handheld.batch(later))
    assert (reply.status_code, reply.text) == (503, "SRV-041") and reply.headers["retry-after"]
    with engine.begin() as connection:
        connection.execute(text("ALTER TABLE raw_away RENAME TO raw"))
        zero = connection.execute(text("SELECT hash FROM heads")).scalar_one()
        connection.execute(text("UPDATE heads SET hash = 'x'"))
    reply = served.client.post(s.PATH, content=handheld.batch(later))
    assert (reply.status_code, reply.text) == (503, "SRV-047"), "what nobody expected"
    with engine.begin() as connection:
        connection.execute(text("UPDATE heads SET hash = :zero"), {"zero": zero})
    engine.dispose()
    assert served.say(handheld.batch(later))[1][s.NEW] == 3
    health = served.client.get("/health").json()
    assert health["ok"] is True and 0 < health["commits"] <= health["operations"]


def _spoil(file: Path, table: str) -> None:
    """As a disk does while others have the file open: what they have in memory stays as it was."""
    with closing(sqlite3.connect(file)) as connection:
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0] == 0
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with file.open("r+b") as opened:
        opened.seek((page - 1) * size)
        opened.write(b"\x55" * size)


def test_damage_that_a_front_finds_ends_what_the_writer_acknowledges(
    served: Line, handheld: Handheld, tmp_path: Path
) -> None:
    wait_for(lambda: served.say(handheld.hello())[0] == s.TYPE_WELCOME)
    handheld.pay(r.OUTCOME_DECLINED)
    assert served.say(handheld.batch(1))[0] == s.TYPE_ACK
    assert served.client.get("/health").json()["ok"]
    _spoil(tmp_path / "server.db", "legs")
    handheld.pay(r.OUTCOME_DECLINED)
    page = served.client.get("/api/ledger")
    assert (page.status_code, page.text) == (503, "SRV-041")
    later = served.client.post(s.PATH, content=handheld.batch(1))
    assert (later.status_code, later.text) == (503, "SRV-041") and later.headers["retry-after"]
    health = served.client.get("/health")
    assert health.status_code == 503 and health.json()["ok"] is False
