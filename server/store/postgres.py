"""Connections to PostgreSQL with an end to whatever is waited for: a server that stands still in the middle of a transaction, or whose host has
vanished, must not stop the others on its database, nor a database that says nothing stop a server.

Two ends see to that. The database ends what takes too long (`LOCK_S`, `STATEMENT_S`, `IDLE_S`), also when the other end is no longer there
to ask for it. What says nothing at all, since the way to it is lost or it stands still itself, is given up by this end (`SILENCE_S`,
`CONNECT_S`): the connection is closed, and SQLAlchemy's pool uses none of its age any more. What a URL says (`connect_timeout`,
`options`, …) wins over these bounds. A migration and what reads a whole database are without them
(`server.store.engine.unhurried`).
"""

import os
from typing import Any

import psycopg
from psycopg import pq
from sqlalchemy import URL, Engine, create_engine, event

from server.store.engine import BOUNDS

LOCK_S = 2.0
"""Seconds that a statement waits for a lock: that is for another server's commit. A terminal waits 8 for its answer."""
STATEMENT_S = 10.0
"""Seconds that a statement may take; a server's are looked up by key and take milliseconds."""
IDLE_S = 10.0
"""Seconds that the database waits for the next statement of a transaction, then it ends it and with it its locks."""
SILENCE_S = STATEMENT_S + 2.0
"""Seconds after which a statement that was neither answered nor ended by the database is given up with its connection."""
CONNECT_S = 4
"""Seconds that an address has for answering (whole seconds: libpq's connect_timeout)."""
KEEPALIVE_S = 10
"""Seconds after which, and at which intervals, the other end of a quiet connection is probed; three without an answer end it."""
POOL = 4  # connections that are kept, and as many beyond them


class Bounded(psycopg.Connection[Any]):
    """A connection that is closed if a statement is not answered within `silence_s` seconds (None: it may take as long as it takes)."""

    silence_s: float | None = None

    def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
        """Of psycopg: what every statement, commit and rollback waits in."""
        try:
            return super().wait(gen, interval, self.silence_s if timeout is None else timeout)
        except psycopg.OperationalError as error:
            if self.closed or self.pgconn.transaction_status != pq.TransactionStatus.ACTIVE:
                raise  # the database has said so itself
            self.pgconn.finish()
            raise psycopg.OperationalError(f"nothing was heard for {self.silence_s:.0f} s") from error


def open_postgres(parsed: URL) -> Engine:
    """The engine of a PostgreSQL database; it connects when it is first used."""
    engine = create_engine(parsed, pool_size=POOL, max_overflow=POOL, pool_pre_ping=True, pool_timeout=CONNECT_S)

    @event.listens_for(engine, "do_connect")
    def _connect(_dialect: object, _record: object, arguments: list[Any], named: dict[str, Any]) -> Bounded:
        connection = Bounded.connect(*arguments, **_bounds(named))
        connection.silence_s = SILENCE_S
        return connection

    @event.listens_for(engine, "checkin")
    def _given_back(connection: Any, _record: object) -> None:
        if connection is not None:  # None: it was lost
            connection.silence_s = SILENCE_S

    return engine


def _bounds(named: dict[str, Any]) -> dict[str, Any]:
    """libpq's parameters with ours before those of the URL."""
    settings = [f"-c {name}={s * 1000:.0f}" for name, s in zip(BOUNDS, (LOCK_S, STATEMENT_S, IDLE_S), strict=True)]
    theirs = named.get("options") or os.environ.get("PGOPTIONS", "")
    return {
        "connect_timeout": CONNECT_S,
        "keepalives_idle": KEEPALIVE_S,
        "keepalives_interval": KEEPALIVE_S,
        "keepalives_count": 3,
        "tcp_user_timeout": 4 * KEEPALIVE_S * 1000,
        **named,
        "options": " ".join([*settings, theirs]).strip(),
    }
