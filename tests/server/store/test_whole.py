"""A database that is not whole is not served, and a backup is whole, of one moment, and never beside what belongs to another database."""

import shutil
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import delete, func, select

from protocol import records as r
from protocol.errors import ConfigError
from server import config
from server.__main__ import main
from server.store import marks, restore, whole
from server.store import tables as t
from server.store.engine import open_engine, reading
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.postgres import Cluster
from tests.server.served import ROOT, write_config


def used(centre: Centre, handheld: Handheld, payments: int = 3) -> None:
    """The centre has taken some payments of the terminal."""
    first = len(handheld.records) + 1
    for _ in range(payments):
        handheld.pay(r.OUTCOME_APPROVED)
    centre.hello(handheld)
    centre.send(handheld, first)


def rows(url: str) -> int:
    """How many records a database has."""
    engine = open_engine(url, new=False)
    with reading(engine) as connection:
        found = connection.execute(select(func.count()).select_from(t.raw)).scalar() or 0
    engine.dispose()
    return found


def spoil(file: Path, table: str) -> None:
    """Write nonsense over the first page of a table, as a disk does."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        (page,) = connection.execute("SELECT rootpage FROM sqlite_master WHERE name = ?", (table,)).fetchone()
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    with file.open("r+b") as opened:
        opened.seek((page - 1) * size)
        opened.write(b"\x55" * size)


def forget_in_index(file: Path) -> None:
    """A row that an index knows nothing of: structure and pages are as they should be."""
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("CREATE TABLE other (a)")
        connection.execute("CREATE INDEX other_a ON other (a)")
        connection.execute("PRAGMA writable_schema=ON")
        entry = connection.execute("SELECT * FROM sqlite_master WHERE name = 'other_a'").fetchone()
        connection.execute("DELETE FROM sqlite_master WHERE name = 'other_a'")
    with closing(sqlite3.connect(file, isolation_level=None)) as connection:
        connection.execute("INSERT INTO other VALUES (1)")
        connection.execute("PRAGMA writable_schema=ON")
        connection.execute("INSERT INTO sqlite_master VALUES (?, ?, ?, ?, ?)", entry)


@pytest.fixture
def put_back(tmp_path: Path, centre: Centre, handheld: Handheld) -> Path:
    """A configuration whose database is a backup that was copied into the place of a later one, beside what SQLite had not brought over there."""
    used(centre, handheld)
    backup, folder = tmp_path / "backup.db", tmp_path / "again"
    whole.back_up(centre.url, backup)
    for _ in range(8):
        used(centre, handheld, 6)
    with closing(sqlite3.connect(tmp_path / "server.db")) as connection:  # what was written until here is brought over
        assert connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone() == (0, 0, 0)
    for _ in range(4):
        used(centre, handheld, 6)
    folder.mkdir()
    path = write_config(folder, [handheld])
    shutil.copy(tmp_path / "server.db-wal", folder / "server.db-wal")
    shutil.copy(backup, folder / "server.db")
    centre.engine.dispose()
    return path


def refused(capsys: pytest.CaptureFixture[str], path: Path, *words: str) -> str:
    """What a server says that does not start, and has left the files as they were."""
    files = [path.parent / "server.db", path.parent / "server.db-wal"]
    before = [file.read_bytes() for file in files if file.exists()]
    assert main(["--config", str(path), "--port", "0", *words]) == 3
    assert [file.read_bytes() for file in files if file.exists()][: len(before)] == before
    return capsys.readouterr().err


def test_a_backup_that_is_put_back_beside_what_another_database_has_left_is_not_marked_as_restored(
    capsys: pytest.CaptureFixture[str], put_back: Path
) -> None:
    line = refused(capsys, put_back, "--restored")
    assert line.startswith("CFG-034") and "server.db-wal" in line and "put the backup back once more" in line
    (put_back.parent / "server.db-wal").unlink()
    whole.must_be_whole(config.load(put_back).db, restored=True)


@pytest.mark.parametrize("restored", [False, True])
def test_a_backup_is_not_served_as_if_nothing_was_forgotten(
    capsys: pytest.CaptureFixture[str], put_back: Path, restored: bool
) -> None:
    (put_back.parent / "server.db-wal").unlink()
    url = config.load(put_back).db
    line = refused(capsys, put_back)
    assert line.startswith("CFG-037") and "--restored" in line
    engine = open_engine(url)
    if restored:
        with engine.begin() as connection:
            restore.mark(connection, 1_900_000_000)
        marks.enter(engine)
    else:
        with pytest.raises(ConfigError, match="CFG-037"):
            marks.enter(engine)
    engine.dispose()


def test_what_its_server_has_looked_at_is_not_gone_through_again(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    open_engine(url).dispose()
    forget_in_index(tmp_path / "a.db")
    serving = "import sys; from server.store.engine import open_engine; open_engine(sys.argv[1]).connect(); print(1, flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", serving, url], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "1\n"
    (tmp_path / "a.db-wal").write_bytes(b"of its own")
    whole.may_be_opened(url)
    process.kill()
    process.communicate()
    (tmp_path / "a.db-wal").write_bytes(b"of its own")
    with pytest.raises(ConfigError, match="CFG-035"):
        whole.may_be_opened(url)


@pytest.mark.parametrize("ask", [whole.must_be_whole, whole.may_be_opened])
def test_nor_is_it_opened_without_a_word(put_back: Path, ask: Callable[[str], None]) -> None:
    before = (put_back.parent / "server.db-wal").read_bytes()
    with pytest.raises(ConfigError, match=r"CFG-034 .* put the backup back once more"):
        ask(config.load(put_back).db)
    assert (put_back.parent / "server.db-wal").read_bytes() == before


@pytest.mark.parametrize("ask", [whole.must_be_whole, whole.may_be_opened])
def test_nor_one_that_was_copied_otherwise_and_does_not_tell(put_back: Path, ask: Callable[[str], None]) -> None:
    left = put_back.parent / "server.db-wal"
    before = left.read_bytes()
    with (put_back.parent / "server.db").open("r+b") as opened:
        opened.seek(18)
        opened.write(b"\x02\x02")  # as a file has it that a server has written
    with pytest.raises(ConfigError, match=r"CFG-035 .* - put a backup back \(docs/restore\.md\)"):
        ask(config.load(put_back).db)
    assert left.read_bytes() == before


@pytest.mark.parametrize("restored", [False, True])
def test_a_damaged_database_is_not_served(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, handheld: Handheld, restored: bool
) -> None:
    path = write_config(tmp_path, [handheld])
    open_engine(config.load(path).db).dispose()
    spoil(tmp_path / "server.db", "raw")
    assert refused(capsys, path, *(["--restored"] if restored else [])).startswith("CFG-035")


def test_indexes_are_looked_at_where_there_is_reason_to(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'a.db'}"
    open_engine(url).dispose()
    forget_in_index(tmp_path / "a.db")
    whole.must_be_whole(url)
    with pytest.raises(ConfigError, match="CFG-035"):
        whole.must_be_whole(url, restored=True)
    (tmp_path / "a.db-wal").write_bytes(b"its server was not ended")
    with pytest.raises(ConfigError, match="CFG-035"):
        whole.must_be_whole(url)


def test_a_server_that_was_not_ended_starts_with_what_it_had_written(
    tmp_path: Path, centre: Centre, handheld: Handheld
) -> None:
    used(centre, handheld)
    for end in ("", "-wal"):
        shutil.copy(f"{tmp_path / 'server.db'}{end}", f"{tmp_path / 'left.db'}{end}")
    assert (tmp_path / "left.db-wal").stat().st_size
    whole.must_be_whole(url := f"sqlite:///{tmp_path / 'left.db'}")
    assert rows(url) == rows(centre.url) > 0


def test_a_backup_is_one_file_of_one_moment_that_only_its_owner_reads(
    tmp_path: Path, centre: Centre, handheld: Handheld
) -> None:
    used(centre, handheld)
    backup = tmp_path / "backup.db"
    with centre.engine.begin() as writing:  # as a server does meanwhile
        writing.execute(t.raw.delete())
        whole.back_up(centre.url, backup)
        writing.rollback()
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert [path.name for path in tmp_path.glob("backup*")] == ["backup.db"]
    (elsewhere := tmp_path / "elsewhere").mkdir()
    backup.rename(elsewhere / "server.db")
    whole.must_be_whole(url := f"sqlite:///{elsewhere / 'server.db'}", restored=True)
    assert rows(url) == rows(centre.url) > 0


def test_no_backup_is_written_over_and_none_is_left_unfinished(
    tmp_path: Path, centre: Centre, handheld: Handheld
) -> None:
    used(centre, handheld)
    backup = tmp_path / "backup.db"
    backup.write_text("of yesterday")
    with pytest.raises(ConfigError, match="CFG-036 .* is there already"):
        whole.back_up(centre.url, backup)
    assert backup.read_text() == "of yesterday"
    with pytest.raises(ConfigError, match="CFG-036 .*No such file"):
        whole.back_up(centre.url, tmp_path / "nowhere" / "backup.db")
    centre.engine.dispose()
    spoil(tmp_path / "server.db", "raw")
    (tmp_path / "other.db.part").write_text("begun, and then the power failed")
    with pytest.raises(ConfigError, match="CFG-03[56]"):
        whole.back_up(centre.url, tmp_path / "other.db")
    assert not list(tmp_path.glob("other*"))


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("sqlite://", "CFG-036 .* name one by its path"),
        ("postgresql://me:secret@host/x", "CFG-036 .* pg_dump"),
        ("sqlite:///{}/no.db", "CFG-029"),
        ("sqlite:///{}/other.db", "CFG-029"),
    ],
)
def test_what_is_no_centres_file_has_no_backup(tmp_path: Path, url: str, told: str) -> None:
    with closing(sqlite3.connect(tmp_path / "other.db")) as connection:
        connection.execute("CREATE TABLE other (a)")
    with pytest.raises(ConfigError, match=told):
        whole.back_up(url.format(tmp_path), tmp_path / "backup.db")
    assert not list(tmp_path.glob("backup*"))


def test_postgresqls_own_backup_comes_back_whole(tmp_path: Path, cluster: Cluster, handheld: Handheld) -> None:
    """As docs/restore.md has it."""
    centre = Centre(tmp_path, handheld, url=cluster.url())
    for _ in range(2):
        marks.enter(centre.engine)  # as each start does
    used(centre, handheld)
    dumped = cluster.dump(centre.url)
    used(centre, handheld)
    centre.engine.dispose()
    centre.url = cluster.restore(dumped)
    centre.restart()
    with pytest.raises(ConfigError, match="CFG-037 .*--restored"):
        marks.enter(centre.engine)
    with centre.engine.begin() as connection:
        restore.mark(connection, centre.now)
    marks.enter(centre.engine)
    head = len(handheld.records)
    assert 0 < rows(centre.url) < head
    centre.hello(handheld)
    centre.send(handheld, rows(centre.url) + 1)
    assert rows(centre.url) == head
    centre.books()
    centre.engine.dispose()


@pytest.mark.parametrize("ask", [whole.must_be_whole, whole.may_be_opened])
def test_nor_where_a_link_leads_to_it(tmp_path: Path, put_back: Path, ask: Callable[[str], None]) -> None:
    """SQLite keeps what belongs to a database beside the file, not beside the link."""
    left = put_back.parent / "server.db-wal"
    before = left.read_bytes()
    (links := tmp_path / "links").mkdir()
    (links / "server.db").symlink_to(put_back.parent / "server.db")
    with pytest.raises(ConfigError, match=r"CFG-034 .* put the backup back once more"):
        ask(url := f"sqlite:///{links / 'server.db'}")
    with pytest.raises(ConfigError, match="CFG-034"):
        whole.back_up(url, tmp_path / "b.db")
    assert left.read_bytes() == before


def test_nor_by_a_uri_of_sqlites_own(put_back: Path) -> None:
    url = f"sqlite:///file:{put_back.parent / 'server.db'}?uri=true"
    for ask in (whole.must_be_whole, whole.may_be_opened, open_engine):
        with pytest.raises(ConfigError, match=r"CFG-027 .* without 'file:' and 'uri'"):
            ask(url)


def test_a_dump_that_another_machine_puts_back_is_told_by_its_cluster(tmp_path: Path, handheld: Handheld) -> None:
    """The first database of each has the same number there."""
    with Cluster() as here, Cluster() as there:
        engine = open_engine(url := here.url("tasdid"))
        marks.enter(engine)
        again = open_engine(there.restore(here.dump(url), "tasdid"))
        with reading(engine) as one, reading(again) as other:
            oids = {connection.execute(marks._OID).scalar() for connection in (one, other)}
            assert len(oids) == 1
            marks.must_be_known(one)
        with pytest.raises(ConfigError, match="CFG-037"):
            marks.enter(again)
        with again.begin() as connection:
            restore.mark(connection, 1_900_000_000)
        marks.enter(again)
        for each in (engine, again):
            each.dispose()


def test_a_database_that_has_no_mark_of_its_cluster_is_taken_as_it_is_and_marked(cluster: Cluster) -> None:
    engine = open_engine(cluster.url())
    marks.enter(engine)
    with engine.begin() as connection:
        known = marks.value(connection, marks.CLUSTER)
        connection.execute(delete(t.meta).where(t.meta.c.name == marks.CLUSTER))
    marks.enter(engine)
    with engine.begin() as connection:
        assert marks.value(connection, marks.CLUSTER) == known is not None
        connection.execute(t.meta.update().where(t.meta.c.name == marks.CLUSTER).values(value=known + 1))
    with pytest.raises(ConfigError, match="CFG-037"):
        marks.enter(engine)
    engine.dispose()


def test_where_the_cluster_may_not_be_asked_the_number_of_the_database_has_to_do(cluster: Cluster) -> None:
    engine = open_engine(url := cluster.url())
    with engine.begin() as connection:
        connection.exec_driver_sql("CREATE ROLE asks_no_cluster LOGIN")
        connection.exec_driver_sql("GRANT ALL ON ALL TABLES IN SCHEMA public TO asks_no_cluster")
        connection.exec_driver_sql("REVOKE EXECUTE ON FUNCTION pg_control_system() FROM PUBLIC")
    plain = open_engine(url.replace("tasdid@", "asks_no_cluster@"), migrate=False)
    for _ in range(2):
        marks.enter(plain)
    with reading(plain) as connection:
        assert marks.value(connection, marks.HOME) and marks.value(connection, marks.CLUSTER) is None
    marks.enter(engine)
    marks.enter(plain)
    for each in (engine, plain):
        each.dispose()


def test_backups_to_one_file_at_the_same_time_take_nothing_from_each_other(
    tmp_path: Path, centre: Centre, handheld: Handheld, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second one begins while the first is on its way, and is over before it."""
    used(centre, handheld)
    backup, copy, done = tmp_path / "backup.db", whole._copy, []

    def slow(source: sqlite3.Connection, part: Path, name: str) -> None:
        copy(source, part, name)
        if not done:
            done.append(part)
            whole.back_up(centre.url, backup)
            done.append(backup.read_bytes())

    monkeypatch.setattr(whole, "_copy", slow)
    with pytest.raises(ConfigError, match="CFG-036 .* is there already"):
        whole.back_up(centre.url, backup)
    assert backup.read_bytes() == done[1]
    assert [path.name for path in tmp_path.glob("backup*")] == ["backup.db"]
    assert rows(f"sqlite:///{backup}") == rows(centre.url)


def test_a_backup_takes_away_what_a_killed_one_has_left_and_needs_no_links(
    tmp_path: Path, centre: Centre, handheld: Handheld, monkeypatch: pytest.MonkeyPatch
) -> None:
    used(centre, handheld)
    (tmp_path / "backup.db.a1b2c3d_.part").write_text("begun, and then it was killed")
    (tmp_path / "backup.db.mine.part").write_text("of somebody else")

    def refuse(*_: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(whole.os, "link", refuse)
    whole.back_up(centre.url, backup := tmp_path / "backup.db")
    assert sorted(path.name for path in tmp_path.glob("backup*")) == ["backup.db", "backup.db.mine.part"]
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    with pytest.raises(FileExistsError):
        whole._name(tmp_path / "backup.db.mine.part", backup)


def test_what_another_process_has_open_is_not_marked_as_restored(tmp_path: Path, centre: Centre) -> None:
    serving = "import sys; from server.store.engine import open_engine; open_engine(sys.argv[1]).connect(); print(1, flush=True); input()"
    process = subprocess.Popen(
        [sys.executable, "-c", serving, centre.url], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None and process.stdout.readline() == "1\n"
    centre.engine.dispose()
    try:
        with pytest.raises(ConfigError, match="CFG-038 .* end whatever server or command runs on it"):
            whole.must_be_whole(centre.url, restored=True)
        whole.must_be_whole(centre.url)
    finally:
        process.kill()
        process.communicate()
    for end in ("-wal", "-shm"):
        Path(f"{tmp_path / 'server.db'}{end}").unlink(missing_ok=True)
    whole.must_be_whole(centre.url, restored=True)
