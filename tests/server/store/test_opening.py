"""Opening a database that is another one than was meant, or none: refused by code, with nothing made of it, and no password told."""

import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, text

from protocol.errors import ConfigError
from server import config
from server.__main__ import main
from server.store import restore
from server.store.engine import MIGRATIONS, open_engine, reading
from server.web.serve import listen
from tests.server.handheld import Handheld
from tests.server.postgres import Cluster
from tests.server.served import write_config


def test_a_database_that_is_not_there_is_refused_and_not_made(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"CFG-029 .*no\.db is no centre's database"):
        open_engine(f"sqlite:///{tmp_path / 'typo' / 'no.db'}", new=False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "made", ["", "CREATE TABLE other (a)", "CREATE TABLE alembic_version (version_num VARCHAR(32))"]
)
def test_a_database_of_something_else_is_refused_and_no_table_made_in_it(tmp_path: Path, made: str) -> None:
    path = tmp_path / "other.db"
    with sqlite3.connect(path) as connection:
        connection.executescript(made)
    connection.close()
    with pytest.raises(ConfigError, match="CFG-029"):
        open_engine(f"sqlite:///{path}", new=False)
    with sqlite3.connect(path) as connection:
        assert len(connection.execute("SELECT name FROM sqlite_master").fetchall()) == bool(made)
    connection.close()


def test_a_database_of_a_newer_release_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    engine = open_engine(url)
    with engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    engine.dispose()
    for new in (False, True):
        with pytest.raises(ConfigError, match="CFG-029 .* newer release"):
            open_engine(url, new=new)


def test_a_centres_database_is_opened(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    open_engine(url).dispose()
    open_engine(url, new=False).dispose()


def test_a_database_that_is_up_to_date_is_opened_and_read_while_somebody_writes(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'server.db'}"
    first = open_engine(url)
    with first.begin():  # a writer's lock, for as long as it likes
        second = open_engine(url, new=False)
        with reading(second) as connection:
            assert connection.exec_driver_sql("SELECT COUNT(*) FROM devices").scalar() == 0
        second.dispose()
    first.dispose()


def test_an_empty_postgresql_database_is_no_centres(cluster: Cluster) -> None:
    url = cluster.url()
    with pytest.raises(ConfigError, match=r"CFG-029 127\.0\.0\.1:.* is no centre's database"):
        open_engine(url, new=False)
    open_engine(url).dispose()
    open_engine(url, new=False).dispose()


@pytest.mark.parametrize(
    ("url", "code"),
    [
        ("nonsense", "CFG-027"),
        ("mysql://me:secret@host/x", "CFG-027"),
        ("postgresql://me:secret@host:port/x", "CFG-027"),
        ("postgresql://me:secret@127.0.0.1:1/x", "CFG-028"),
        ("postgresql://127.0.0.1:1/x?user=me&password=secret", "CFG-028"),
        ("postgresql://127.0.0.1:1/x?secret=1", "CFG-028"),
        ("sqlite:////proc/none/secret.db", "CFG-028"),
        ("sqlite:////proc", "CFG-028"),
        ("sqlite+none:///a.db", "CFG-028"),
    ],
)
def test_a_database_that_cannot_be_had_is_told_by_code_without_its_password(url: str, code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        open_engine(url)
    assert caught.value.code == code
    assert "secret" not in str(caught.value).replace("secret.db", "").replace('option "secret"', "")


def test_a_file_that_is_no_database_is_told(tmp_path: Path) -> None:
    (tmp_path / "bad.db").write_text("this is no database, and long enough to be told from an empty one" * 20)
    with pytest.raises(ConfigError, match="CFG-028 .*not a database"):
        open_engine(f"sqlite:///{tmp_path / 'bad.db'}")


def test_nothing_is_restored_in_a_database_that_is_not_there(
    tmp_path: Path, handheld: Handheld, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(tmp_path, [handheld])
    assert main(["--config", str(path), "--port", "0", "--restored"]) == 3
    assert "CFG-029" in capsys.readouterr().err
    assert not (tmp_path / "server.db").exists()


def test_nothing_is_marked_as_restored_while_the_port_is_taken(
    tmp_path: Path, handheld: Handheld, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write_config(tmp_path, [handheld])
    engine = open_engine(config.load(path).db)
    taken = listen("127.0.0.1", 0)
    try:
        assert main(["--config", str(path), "--port", str(taken.getsockname()[1]), "--restored"]) == 3
    finally:
        taken.close()
    assert "CFG-030" in capsys.readouterr().err
    with reading(engine) as connection:
        assert not restore.restored(connection)
    engine.dispose()


_OPEN = "import sys; from server.store.engine import open_engine; open_engine(sys.argv[1]).dispose()"
_BLOCKED = text("SELECT COUNT(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'")


def _blocked(engine: Engine) -> int:
    """How many connections wait for a lock; each time in a transaction of its own, or it would be told the same again."""
    with engine.connect() as connection:
        return connection.execute(_BLOCKED).scalar() or 0


def test_processes_that_bring_up_a_postgresql_database_at_the_same_time_wait_for_each_other(cluster: Cluster) -> None:
    """All have seen that it is of a former release before the first has brought it up."""
    url = cluster.url()
    engine = open_engine(url, migrate=False)
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0016")
    with engine.connect() as connection:
        connection.execute(text("LOCK TABLE alembic_version IN SHARE MODE"))
        run = [sys.executable, "-c", _OPEN, url]
        openers = [subprocess.Popen(run, stderr=subprocess.PIPE, text=True) for _ in range(3)]
        deadline = time.monotonic() + 60
        while _blocked(engine) < len(openers) and time.monotonic() < deadline:
            time.sleep(0.05)
        assert _blocked(engine) == len(openers)
        connection.rollback()
    said = [opener.communicate(timeout=60)[1] for opener in openers]
    engine.dispose()
    assert [opener.returncode for opener in openers] == [0, 0, 0], said
