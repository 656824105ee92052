"""An SQLite database as a file: whether it is whole, what of another one lies beside it, and its backup. PostgreSQL does that for itself.

SQLite keeps what was written last in a file of its own beside the database (`-wal`) until it is brought over. A backup that is put back beside the
`-wal` of the database in whose place it comes would have that brought over into it, and be none of the two: nothing here opens a database in a
way that would bring anything over before it is known to be whole.
"""

import contextlib
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL

from protocol.errors import ConfigError
from server.store import tables as t
from server.store.engine import is_broken, nothing_there, plain_file, served_url

BESIDE = ("-wal", "-journal")
"""How the names of files end that SQLite takes for a part of the database beside which they lie; an empty one has nothing."""
PUT_BACK = "put a backup back (docs/restore.md)"
PART = ".part"
"""How the name of a backup ends that is not finished."""


def must_be_whole(url: str, restored: bool = False) -> None:
    """ConfigError CFG-034 if a database that was `restored` lies beside what belongs to another one; CFG-035 if it is damaged.

    Structure and every page are looked at each time; where there is reason to (it was restored, or its server was not ended), its indexes too,
    which takes four times as long. What cannot be looked at is left to whoever opens the database.
    """
    file = plain_file(served_url(url))
    if file is None or not Path(file).is_file():
        return
    left = [Path(file).name + end for end in BESIDE if _has_something(Path(file + end))]
    if restored and left:
        hint = (
            "end whatever server runs on it, delete them and -shm, put the backup back once more, then start with --restored; "
            "if it has been marked as restored already, start without (docs/restore.md)"
        )
        raise ConfigError(f"beside {file} lies what belongs to another database: {', '.join(left)}", "CFG-034", hint)
    with contextlib.suppress(sqlite3.Error), closing(_read_only(Path(file))) as connection:
        _check(connection, file, bool(restored or left))


def _has_something(path: Path) -> bool:
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def _read_only(file: Path) -> sqlite3.Connection:
    """A connection that brings nothing over from a `-wal`."""
    return sqlite3.connect(f"file:{quote(str(file.absolute()))}?mode=ro", uri=True, isolation_level=None)


def _check(connection: sqlite3.Connection, name: str, indexes: bool) -> None:
    """ConfigError CFG-035 if the database is damaged; sqlite3.Error if that cannot be said, and for a file that is no database."""
    try:
        found = str(connection.execute(f"PRAGMA {'integrity' if indexes else 'quick'}_check(1)").fetchone()[0])
    except sqlite3.DatabaseError as error:
        if not is_broken(error) or error.sqlite_errorname == "SQLITE_NOTADB":
            raise
        found = str(error)
    if found != "ok":
        told = " ".join(found.replace("*** in database main ***", "").split())[:120]
        raise ConfigError(f"database {name} is damaged: {told}", "CFG-035", PUT_BACK)


def back_up(url: str, target: Path) -> None:
    """Copy an SQLite database as it is at one moment into a new file, while servers go on with it. The copy is checked whole, and on the disk.

    ConfigError: CFG-029 it is no centre's, CFG-035 it is damaged, CFG-036 it is none that is copied so, or there is no copy.
    """
    address = served_url(url)
    file = plain_file(address)
    if file is None:
        raise _no_file(address)
    if not Path(file).is_file():
        raise nothing_there(address)
    if target.exists():
        hint = "name another file: no backup is written over"
        raise ConfigError(f"{target} is there already", "CFG-036", hint)
    part = target.with_name(target.name + PART)
    try:
        with _made(part), closing(_read_only(Path(file))) as source:
            if source.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (t.heads.name,)).fetchone() is None:
                raise nothing_there(address)
            _copy(source, part, file)
            part.rename(target)
            _flush(target.absolute().parent)
    except (OSError, sqlite3.Error) as error:
        why = getattr(error, "strerror", None) or str(error)
        hint = PUT_BACK if is_broken(error) else "make room, or name a file in a folder that can be written"
        raise ConfigError(f"no backup of {file} was made: {why}", "CFG-036", hint) from error


def _no_file(address: URL) -> ConfigError:
    if address.get_backend_name() == "sqlite":
        return ConfigError("this database is no file", "CFG-036", "name one by its path, as sqlite:////srv/server.db")
    hint = "pg_dump --format=custom --file=FILE --dbname=NAME (docs/restore.md)"
    return ConfigError("PostgreSQL makes its own backups", "CFG-036", hint)


@contextlib.contextmanager
def _made(part: Path) -> Iterator[None]:
    """An empty file that only its owner reads, in place of what an earlier backup has not finished; it goes if this one fails. OSError."""
    part.unlink(missing_ok=True)
    os.close(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield
    finally:
        for end in ("", *BESIDE, "-shm"):
            Path(f"{part}{end}").unlink(missing_ok=True)


def _copy(source: sqlite3.Connection, part: Path, name: str) -> None:
    """The database as one file, whole: nothing has to lie beside it."""
    with closing(sqlite3.connect(part, isolation_level=None)) as copy:
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        _check(copy, name, True)
    _flush(part)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
