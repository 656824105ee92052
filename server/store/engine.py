"""Opening the database: SQLite (WAL, synchronous FULL) by default, PostgreSQL by URL; the schema is brought up by
Alembic.

`open_engine` gives one engine for writing and reading. On SQLite a transaction begins IMMEDIATE (two writers wait for
each other instead of failing half-way); connections taken with `reading(engine)` begin plainly and see a snapshot while
the writer goes on.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from alembic import command
from alembic.config import Config as AlembicConfig
from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.engine import make_url
from sqlalchemy.pool import QueuePool, StaticPool

MIGRATIONS = Path(__file__).resolve().parent.parent / "migrations"
BUSY_MS = 10_000


def open_engine(url: str, migrate: bool = True) -> Engine:
    """Connect to `url` ("sqlite:///var/server.db", "sqlite://", "postgresql+psycopg://…") and bring the schema up
    to date.
    """
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = _open_sqlite(url, parsed.database)
    else:
        if parsed.drivername == "postgresql":
            parsed = parsed.set(drivername="postgresql+psycopg")
        engine = create_engine(parsed, pool_size=4, max_overflow=4, pool_pre_ping=True)
    if migrate:
        upgrade(engine)
    return engine


def _open_sqlite(url: str, database: str | None) -> Engine:
    in_memory = database in (None, "", ":memory:")
    if database and not in_memory:
        Path(database).parent.mkdir(parents=True, exist_ok=True)
    pool = StaticPool if in_memory else QueuePool
    engine = create_engine(url, connect_args={"check_same_thread": False, "timeout": BUSY_MS / 1000}, poolclass=pool)

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
def reading(engine: Engine) -> Iterator[Connection]:
    """A connection for reading only; what it sees does not change until it is given back."""
    with engine.connect() as connection:
        bound = connection.execution_options(reading=True)
        with bound.begin() as transaction:
            yield bound
            transaction.rollback()


def upgrade(engine: Engine) -> None:
    """Bring the schema up to the newest migration; nothing happens when it is there already."""
    config = AlembicConfig()
    config.set_main_option("script_location", str(MIGRATIONS))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
