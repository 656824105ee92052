"""Opening the database: SQLite (WAL, synchronous FULL) by default, PostgreSQL by URL; the schema is brought up by
Alembic.

`open_engine` gives one engine for writing and reading. On SQLite a transaction begins IMMEDIATE (two writers wait for
each other instead of failing half-way); connections taken with `reading(engine)` begin plainly and see a snapshot while
the writer goes on. On PostgreSQL nothing is waited for without an end (`server.store.postgres`).

What is wrong with a database is a ConfigError, which never tells the URL's password: CFG-027 the URL is none that is served, CFG-028
the database cannot be used, CFG-029 it is no centre's, or of a newer release.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Any, TypeGuard

from alembic import command
from alembic.config import Config as AlembicConfig
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import URL, Connection, Engine, create_engine, event, func, inspect, select
from sqlalchemy.engine import ExceptionContext, make_url
from sqlalchemy.exc import ArgumentError, InterfaceError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.pool import QueuePool, StaticPool

from protocol.errors import ConfigError
from server.store import tables

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
BUSY_MS = 10_000
_UPGRADING = int.from_bytes(b"tasdid")  # the lock's name among PostgreSQL's, which are numbers: of a database
_CHECK = "check --db or 'db' of the configuration"
_WRITABLE = "the server's user must be able to write the database's file and its folder"
_DAMAGED = "name another one, or put a backup back (docs/restore.md)"
_BUSY = "another program writes there: end it, or try again"
_SQLITE = {
    "READONLY": _WRITABLE, "CANTOPEN": _WRITABLE, "PERM": _WRITABLE, "NOTADB": _DAMAGED, "CORRUPT": _DAMAGED, "ERROR": _DAMAGED,
    "BUSY": _BUSY, "LOCKED": _BUSY, "FULL": "make room on its disk",
}  # fmt: skip
_AWAY = "start PostgreSQL there, or check host and port in --db or 'db' of the configuration"
_LOGIN = "check user, password and the database's name in --db or 'db' of the configuration"
_STATES = {
    "42501": "the server's role must own the database's schema and tables, or be granted all on them",
    "25006": "this one can only be read, as a standby: name the one that is written",
    "42P01": _DAMAGED,
    "42703": _DAMAGED,
    "55P03": _BUSY,
    "XX001": _DAMAGED,
    "XX002": _DAMAGED,
}
"""What to do about what SQLite (the first word of its result code) and PostgreSQL (SQLSTATE) say."""
WAITING = ("lock_timeout", "statement_timeout")
BOUNDS = (*WAITING, "idle_in_transaction_session_timeout")
"""What PostgreSQL calls the bounds of `server.store.postgres`."""
_URLS = "as sqlite:////var/lib/tasdid/server.db or postgresql://user@host/name"


def open_engine(url: str, migrate: bool = True, new: bool = True) -> Engine:
    """Connect to `url` ("sqlite:///var/server.db", "sqlite://", "postgresql+psycopg://…") and bring the schema up
    to date. `new`: a database that is not there, or is empty, becomes a centre's; otherwise it is refused. ConfigError.
    """
    parsed = served_url(url)
    sqlite = parsed.get_backend_name() == "sqlite"
    try:
        if sqlite:
            engine = _open_sqlite(parsed, new)
        else:
            from server.store.postgres import open_postgres  # its driver is loaded where it is used

            engine = open_postgres(parsed)
    except (ArgumentError, ImportError, OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        hint = _WRITABLE if isinstance(error, OSError) else _CHECK
        raise ConfigError(f"database {_shown(parsed)} cannot be used: {why}", "CFG-028", hint) from error
    if migrate:
        try:
            _bring_up(engine, new)
        except ConfigError:
            engine.dispose()
            raise
    return engine


def served_url(url: str) -> URL:
    """The URL of a database that is served; ConfigError CFG-027. What is not understood is not told: it may hold a password."""
    try:
        address = make_url(url)
        backend = address.get_backend_name()
    except (ArgumentError, ValueError) as error:
        raise ConfigError("the database's URL is malformed", "CFG-027", _URLS) from error
    if backend not in ("sqlite", "postgresql"):
        raise ConfigError(f"no database of the kind {backend!r} is served", "CFG-027", _URLS)
    if backend == "sqlite" and "uri" in address.query:  # what lies beside such a file nobody here could look at
        hint = "write the file's path, without 'file:' and 'uri', as sqlite:////var/lib/tasdid/server.db"
        raise ConfigError("a database that is named by a URI of SQLite's own is not served", "CFG-027", hint)
    return address.set(drivername="postgresql+psycopg") if address.drivername == "postgresql" else address


def plain_file(parsed: URL) -> str | None:
    """The file of an SQLite database; None if it is in memory, and for PostgreSQL. It is the file itself, whatever links lead to it: what belongs to
    it SQLite keeps beside that.
    """
    database = parsed.database
    if parsed.get_backend_name() != "sqlite" or not database or database == ":memory:":
        return None
    return os.path.realpath(os.path.abspath(database))  # as SQLAlchemy opens it: ".." goes before links do


def _shown(parsed: URL) -> str:
    """A database by name, without user and password; a query may hold them too."""
    if parsed.get_backend_name() == "sqlite":
        return parsed.database or ":memory:"
    return f"{parsed.host or 'localhost'}:{parsed.port or 5432}/{parsed.database or ''}"


def nothing_there(parsed: URL) -> ConfigError:
    """CFG-029: there is no centre's database."""
    hint = f"{_CHECK}; 'server run' without --restored makes a new one"
    return ConfigError(f"{_shown(parsed)} is no centre's database", "CFG-029", hint)


def _bring_up(engine: Engine, new: bool) -> None:
    """`upgrade`, unless it is there already, and if not `new` only of what is a centre's. ConfigError CFG-028, CFG-029."""
    try:
        with reading(engine) as connection:
            revision = MigrationContext.configure(connection).get_current_revision()
            if not new and (revision is None or not inspect(connection).has_table(tables.heads.name)):
                raise nothing_there(engine.url)
        if revision != _newest():
            upgrade(engine)
    except SQLAlchemyError as error:
        raise unusable(engine, error) from error
    except CommandError as error:
        raise ConfigError(
            f"{_shown(engine.url)} is the database of a newer release, or of something else", "CFG-029", _CHECK
        ) from error


def unusable(engine: Engine, error: SQLAlchemyError, hint: str | None = None) -> ConfigError:
    """What to tell of a database that is locked, lost, damaged, or not to be written by the server: CFG-028. `hint`: what to do, if not what
    its error says.
    """
    return ConfigError(trouble(engine, error), "CFG-028", hint or _instead(error))


def _instead(error: SQLAlchemyError) -> str:
    """What to do about an error, by what the database says."""
    orig = getattr(error, "orig", None)
    name = _named(orig)
    state = getattr(orig, "sqlstate", None) or ""
    if not (name or state) and is_lost(error) and type(orig).__module__.startswith("psycopg"):
        told = str(orig)  # libpq gives no state of what befell it before it was let in
        return _LOGIN if "FATAL:" in told or "password" in told else _AWAY
    return _SQLITE.get(name) or _STATES.get(state) or _CHECK


def trouble(engine: Engine, error: SQLAlchemyError) -> str:
    """What is wrong with a database, in one line for a log."""
    return f"database {_shown(engine.url)} cannot be used: {reason(engine, error)}"


def is_trouble(error: Exception) -> TypeGuard[SQLAlchemyError]:
    """Whether an error is the database's own, locked or lost, and not one of what it was asked: the same may well be done later."""
    return isinstance(error, (OperationalError, InterfaceError, PoolTimeout)) or is_lost(error) or is_damage(error)


class SeenElsewhereError(Exception):
    """Another process was told by the database that it is damaged: the database's own line."""


def on_damage(engine: Engine, heard: Callable[[str], None]) -> None:
    """Have `heard` called whenever a database says through this engine that it is damaged, with its own line; in any thread."""

    @event.listens_for(engine, "handle_error")
    def _failed(context: ExceptionContext) -> None:
        error = context.sqlalchemy_exception
        if error is not None and is_damage(error):
            heard(reason(engine, error))


def is_damage(error: Exception) -> TypeGuard[SQLAlchemyError]:
    """Whether the database says that it is damaged: then nothing that it holds, or takes, is to be relied on."""
    return isinstance(error, SQLAlchemyError) and is_broken(getattr(error, "orig", None))


def is_broken(error: BaseException | None) -> bool:
    """The same for what its driver raised: SQLite's SQLITE_CORRUPT and SQLITE_NOTADB, PostgreSQL's data_corrupted and index_corrupted; and for
    SeenElsewhereError.
    """
    if isinstance(error, SeenElsewhereError):
        return True
    return _named(error) in ("CORRUPT", "NOTADB") or getattr(error, "sqlstate", None) in ("XX001", "XX002")


def _named(error: object) -> str:
    """The first word of SQLite's result code: of READONLY_DIRECTORY the first."""
    return getattr(error, "sqlite_errorname", "").removeprefix("SQLITE_").partition("_")[0]


def is_lost(error: Exception) -> bool:
    """Whether the way to the database is lost, or could not be had: then nothing else can be done either."""
    unasked = isinstance(error, (OperationalError, InterfaceError)) and error.statement is None
    return unasked or isinstance(error, PoolTimeout) or getattr(error, "connection_invalidated", False)


def reason(engine: Engine, error: SQLAlchemyError) -> str:
    """The database's own first line, unless it tells a password or what stands in the URL's query."""
    url = engine.url
    line = str(getattr(error, "orig", "") or "").strip().partition("\n")[0]
    secrets = [str(url.password or ""), *(value for values in url.normalized_query.values() for value in values)]
    return type(error).__name__ if not line or any(secret and secret in line for secret in secrets) else line


def _open_sqlite(parsed: URL, new: bool) -> Engine:
    file = plain_file(parsed)
    if file is not None and not new and not Path(file).is_file():
        raise nothing_there(parsed)  # before anything is made
    if file is not None:
        Path(file).parent.mkdir(parents=True, exist_ok=True)
    pool = StaticPool if parsed.database in (None, "", ":memory:") else QueuePool
    engine = create_engine(parsed, connect_args={"check_same_thread": False, "timeout": BUSY_MS / 1000}, poolclass=pool)

    @event.listens_for(engine, "connect")
    def _connected(connection: object, _record: object) -> None:
        connection.isolation_level = None  # type: ignore[attr-defined]  # transactions are begun below, not by sqlite3
        cursor = connection.cursor()  # type: ignore[attr-defined]
        cursor.execute("PRAGMA journal_mode=WAL")
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begun(connection: Connection) -> None:
        plain = connection.get_execution_options().get("reading", False)
        connection.exec_driver_sql("BEGIN" if plain else "BEGIN IMMEDIATE")

    return engine


@contextmanager
def reading(engine: Engine, whole: bool = False) -> Iterator[Connection]:
    """A connection for reading only; what it sees does not change until it is given back. `whole`: it reads through the whole database, which
    takes as long as it takes.
    """
    with engine.connect() as connection:
        snapshot: dict[str, Any] = {"isolation_level": "REPEATABLE READ", "postgresql_readonly": True}
        options = snapshot if connection.dialect.name == "postgresql" else {"reading": True}
        bound = connection.execution_options(**options)
        with bound.begin() as transaction:
            if whole:
                unhurried(bound)
            yield bound
            transaction.rollback()


def unhurried(connection: Connection, bounds: Sequence[str] = BOUNDS) -> None:
    """Until its transaction ends a connection may take as long as it takes: for what goes through a whole database. On SQLite it may anyway.
    `bounds`: those of BOUNDS that do not hold.
    """
    if connection.dialect.name != "postgresql":
        return
    connection.execute(select(*(func.set_config(name, "0", True) for name in bounds)))
    raw: Any = connection.connection.dbapi_connection
    raw.silence_s = None


def upgrade(engine: Engine) -> None:
    """Bring the schema up to the newest migration; nothing changes when it is there already, but it waits until nobody else writes, or
    brings it up: which migration is the first one to run is looked up after that.
    """
    config = _alembic()
    with engine.begin() as connection:
        unhurried(connection)
        if connection.dialect.name == "postgresql":  # SQLite's transaction is alone from its beginning
            connection.execute(select(func.pg_advisory_xact_lock(_UPGRADING)))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _alembic() -> AlembicConfig:
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS))
    return config


@lru_cache(maxsize=1)
def _newest() -> str | None:
    """The revision of the newest migration."""
    return ScriptDirectory.from_config(_alembic()).get_current_head()
