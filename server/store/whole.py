"""An SQLite database as a file: whether it is whole, what of another one lies beside it, and its backup. PostgreSQL does that for itself.

SQLite keeps what was written last in a file of its own beside the database (`-wal`) until it is brought over. A backup that is put back beside the
`-wal` of the database in whose place it comes would have that brought over into it, and be none of the two: nothing here opens a database in a
way that would bring anything over before it is known to be whole. Whoever opens a database asks here first: a server at its start (`must_be_whole`),
anybody else with `may_be_opened`.

A backup that `back_up` has made is one file, and its first page says so: as long as nobody has opened it, whatever `-wal` lies beside it is
another database's.
"""

import contextlib
import fcntl
import os
import re
import sqlite3
import struct
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from urllib.parse import quote

from sqlalchemy import URL

from protocol.errors import ConfigError
from server.store import marks
from server.store import tables as t
from server.store.engine import is_broken, nothing_there, plain_file, served_url

BESIDE = ("-wal", "-journal")
"""How the names of files end that SQLite takes for a part of the database beside which they lie; an empty one has nothing."""
DAMAGED = "CFG-035"
NOT_WHOLE = ("CFG-034", DAMAGED)
PUT_BACK = "put a backup back (docs/restore.md)"
PART = ".part"
"""How the name of a backup ends that is not finished."""
_IS_BACKUP = f"SELECT 1 FROM {t.meta.name} WHERE name = ?"  # noqa: S608
_VERSIONS, _WAL = 18, 2
"""Where a file has the two bytes that say whether a -wal belongs to it, and what they say if so (SQLite's file format, 1.3.3)."""
_SHARED, _SHARED_SIZE = 0x40000002, 510  # the bytes of a file that each connection holds a lock on (SQLite's os_unix.c)
_LOCK = "hhqqi0q"  # struct flock, as Linux has it on 64 bits


def must_be_whole(url: str, restored: bool = False) -> None:
    """ConfigError CFG-034 if a database, one that was `restored` in particular, lies beside what belongs to another one; CFG-035 if it is damaged;
    CFG-037 if it is a backup that was put back and is not said to be `restored`, CFG-038 if it is said so while another process has it open.

    Structure and every page are looked at each time; where there is reason to (it was restored, or its server was not ended), its indexes too,
    which takes four times as long. What cannot be looked at is left to whoever opens the database.
    """
    file = plain_file(served_url(url))
    if file is None or not Path(file).is_file():
        return
    if restored and _must_be_its_own(file) and not _is_open_here(file):
        hint = "end whatever server or command runs on it, put the backup back once more, then start with --restored (docs/restore.md)"
        raise ConfigError(f"another process has {file} open", "CFG-038", hint)
    left = [Path(file).name + end for end in BESIDE if _has_something(Path(file + end))]
    if restored and left:
        raise _of_another(file, left)
    _look(file, bool(restored or left))
    with contextlib.suppress(sqlite3.Error), closing(_read_only(Path(file))) as connection:
        if not restored and connection.execute(_IS_BACKUP, (marks.BACKUP,)).fetchone():
            raise marks.put_back()  # here: to open it is to write that it is no backup any more


def may_be_opened(url: str) -> None:
    """The same for who opens a database beside its server, or while none runs: what a server serves it has looked at itself."""
    file = plain_file(served_url(url))
    if file is not None and Path(file).is_file():
        _look(file, any(_has_something(Path(file + end)) for end in BESIDE), served=False)


def _look(file: str, indexes: bool, served: bool = True) -> None:
    """ConfigError CFG-034, CFG-035. `served`: also if another process has the database open."""
    is_open = _must_be_its_own(file)
    if served or not is_open:
        with contextlib.suppress(sqlite3.Error), closing(_read_only(Path(file))) as connection:
            _check(connection, file, indexes)


def _must_be_its_own(file: str) -> bool:
    """ConfigError CFG-034 if a `-wal` lies beside a file to which none can belong; else whether a process has the database open.

    If it is this one, nothing is looked at: to close the file once more would give up the locks that SQLite holds on it.
    """
    if _is_open_here(file):
        return True
    try:
        handle = os.open(file, os.O_RDONLY)
    except OSError:
        return False
    try:
        versions = os.pread(handle, 2, _VERSIONS)
        wanted = struct.pack(_LOCK, fcntl.F_WRLCK, os.SEEK_SET, _SHARED, _SHARED_SIZE, 0)
        kind = struct.unpack(_LOCK, fcntl.fcntl(handle, fcntl.F_GETLK, wanted))[0]
    except OSError:
        return False
    finally:
        os.close(handle)
    if len(versions) == 2 and _WAL not in versions and _has_something(Path(file + "-wal")):
        raise _of_another(file, [Path(file).name + "-wal"])
    return kind != fcntl.F_UNLCK


def _is_open_here(file: str) -> bool:
    try:
        mine = os.stat(file)
        for name in os.listdir("/proc/self/fd"):
            with contextlib.suppress(OSError):  # the folder's own is closed by now
                if os.path.samestat(os.stat(f"/proc/self/fd/{name}"), mine):
                    return True
    except OSError:
        return False
    return False


def _of_another(file: str, left: list[str]) -> ConfigError:
    hint = (
        "end whatever server runs on it, delete them and -shm, put the backup back once more, then start with --restored; "
        "if it has been marked as restored already, start without (docs/restore.md)"
    )
    return ConfigError(f"beside {file} lies what belongs to another database: {', '.join(left)}", "CFG-034", hint)


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

    ConfigError: CFG-029 it is no centre's, CFG-034 it lies beside what belongs to another one, CFG-035 it is damaged, CFG-036 it is none that is
    copied so, or there is no copy.
    """
    address = served_url(url)
    file = plain_file(address)
    if file is None:
        raise _no_file(address)
    if not Path(file).is_file():
        raise nothing_there(address)
    if target.exists():
        raise _is_there(target)
    _must_be_its_own(file)
    try:
        with _made(target) as part, closing(_read_only(Path(file))) as source:
            if source.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (t.heads.name,)).fetchone() is None:
                raise nothing_there(address)
            _copy(source, part, file)
            _name(part, target)
            _flush(target.absolute().parent)
    except FileExistsError as error:  # another backup to the same name was over before
        raise _is_there(target) from error
    except (OSError, sqlite3.Error) as error:
        why = getattr(error, "strerror", None) or str(error)
        hint = PUT_BACK if is_broken(error) else "make room, or name a file in a folder that can be written"
        raise ConfigError(f"no backup of {file} was made: {why}", "CFG-036", hint) from error


def _is_there(target: Path) -> ConfigError:
    hint = "name another file: no backup is written over"
    return ConfigError(f"{target} is there already", "CFG-036", hint)


def _no_file(address: URL) -> ConfigError:
    if address.get_backend_name() == "sqlite":
        return ConfigError("this database is no file", "CFG-036", "name one by its path, as sqlite:////srv/server.db")
    hint = "pg_dump --format=custom --file=FILE --dbname=NAME (docs/restore.md)"
    return ConfigError("PostgreSQL makes its own backups", "CFG-036", hint)


@contextlib.contextmanager
def _made(target: Path) -> Iterator[Path]:
    """An empty file of this backup's own that only its owner reads, beside the target; it goes in every case. What an earlier backup to the same name
    has left since it was killed goes too, not what another one is writing now: that is locked. OSError.
    """
    for left in target.absolute().parent.iterdir():
        if re.fullmatch(rf"{re.escape(target.name)}(\.[a-z0-9_]{{8}})?{re.escape(PART)}", left.name):
            _remove_left(left)
    handle, name = tempfile.mkstemp(PART, target.name + ".", target.absolute().parent)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield Path(name)
    finally:
        _remove(Path(name))
        os.close(handle)


def _remove_left(part: Path) -> None:
    with contextlib.suppress(OSError), part.open("rb") as opened:
        fcntl.flock(opened, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _remove(part)


def _remove(part: Path) -> None:
    for end in ("", *BESIDE, "-shm"):
        Path(f"{part}{end}").unlink(missing_ok=True)


def _name(part: Path, target: Path) -> None:
    """Give the finished copy its name, which nobody else has. FileExistsError: somebody has."""
    try:
        os.link(part, target)
    except FileExistsError:
        raise
    except OSError:  # a file system without links: the name is taken first
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        try:
            part.replace(target)
        except OSError:
            target.unlink(missing_ok=True)
            raise


def _copy(source: sqlite3.Connection, part: Path, name: str) -> None:
    """The database as one file, whole: nothing has to lie beside it. It says that it is a backup."""
    # it is there, or another backup has taken it for left: then there is no copy
    address = f"file:{quote(str(part))}?mode=rw"
    with closing(sqlite3.connect(address, uri=True, isolation_level=None)) as copy:
        at = int(time.time())
        source.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")
        if copy.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (t.meta.name,)).fetchone():
            # a backup of a backup, into which nobody has written since, knows no more than the first one did
            copy.execute(f"INSERT OR IGNORE INTO {t.meta.name} (name, value) VALUES (?, ?)", (marks.BACKUP, at))  # noqa: S608
        _check(copy, name, True)
    _flush(part)


def _flush(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
