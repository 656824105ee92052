"""Which days a start with `--restored` says are forgotten: never fewer than are."""

import json
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import update

from server import config
from server.store import marks, restore, whole
from server.store import tables as t
from server.store.engine import open_engine, reading
from server.web.app import build
from tests.server.handheld import Handheld
from tests.server.postgres import Cluster
from tests.server.served import write_config

THEN = 1_790_000_000
"""Of when the last entry of the backup is."""
NOW = THEN + 30 * 86400


class Restored:
    """A database that was put back, of a centre whose list of devices has changed since: a start has an alarm to write about that."""

    def __init__(self, folder: Path, url: str | None) -> None:
        gone = Handheld("TSD-000002")
        self.path = write_config(folder, [Handheld(), gone])
        self.url = url or config.load(self.path).db
        self.start(THEN, restored=False)
        entries = json.loads((folder / "devices.json").read_text())
        del entries[gone.name]
        (folder / "devices.json").write_text(json.dumps(entries))

    def start(self, at: int, restored: bool = True) -> None:
        """A start of a server, up to where it listens."""
        desk = build(config.load(self.path, self.url), clock=lambda: at, new=not restored).state.running
        if restored:
            with desk.engine.begin() as connection:
                restore.mark(connection, at)
        desk.engine.dispose()

    def span(self) -> Any:
        """What `device list` says."""
        engine = open_engine(self.url)
        with reading(engine) as connection:
            found = restore.span(connection)
        engine.dispose()
        return found


@pytest.fixture(params=["sqlite", "postgresql"])
def restored(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Restored]:
    url = request.getfixturevalue("cluster").url() if request.param == "postgresql" else None
    made = Restored(tmp_path, url)
    if url is not None:
        cluster: Cluster = request.getfixturevalue("cluster")
        made.url = cluster.restore(cluster.dump(url))
    yield made


def test_what_the_start_itself_writes_is_none_of_the_backup(restored: Restored) -> None:
    restored.start(NOW)
    assert restored.span() == (THEN, NOW)


def test_a_second_start_makes_no_day_known(restored: Restored) -> None:
    build(
        config.load(restored.path, restored.url), clock=lambda: NOW - 60, new=False
    ).state.running.engine.dispose()  # it ends unmarked
    restored.start(NOW)
    restored.start(NOW + 60)
    assert restored.span() == (THEN, NOW + 60)


def test_what_is_written_after_a_start_without_is_known(restored: Restored) -> None:
    restored.start(NOW)
    restored.start(NOW + 60, restored=False)
    assert restored.span() == (THEN, NOW)
    engine = open_engine(restored.url)
    with engine.begin() as connection:
        connection.execute(update(t.heads).values(last_contact=NOW + 86400))
    engine.dispose()
    restored.start(NOW + 2 * 86400)
    assert restored.span() == (NOW + 86400, NOW + 2 * 86400)


def test_a_backup_of_a_backup_is_of_when_the_first_one_was(tmp_path: Path) -> None:
    made = Restored(tmp_path, None)
    whole.back_up(made.url, first := tmp_path / "first.db")
    with closing(sqlite3.connect(first, isolation_level=None)) as connection:
        connection.execute("UPDATE meta SET value = ? WHERE name = ?", (THEN, marks.BACKUP))
    whole.back_up(f"sqlite:///{first}", second := tmp_path / "second.db")
    shutil.copy(second, tmp_path / "server.db")
    made.start(NOW)
    assert made.span() == (THEN, NOW)
