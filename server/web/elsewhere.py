"""Damage that one server on a PostgreSQL was told of, told to the others on the same database (SRV-042): they acknowledge nothing more either.

Whoever was told leaves a mark in the database (`server.store.marks`), trying TELLING times if need be. A writer looks for it every HEAR_S: before it
commits, in the same transaction, and while nothing waits to be written; so that a commit costs no more, and nothing is acknowledged for longer than
that. What was marked before a server started is of before: it is lifted as it is for the first one, by ending the servers and starting them on a
database that is whole. SQLite has one server.
"""

import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from server import codes
from server.store import marks
from server.store.engine import SeenElsewhereError

HEAR_S = 2.0
TELLING, AGAIN_S = 60, 1.0
TOLD = "another server on it was told so"
_log = logging.getLogger("tasdid.server")


class Elsewhere:
    """Of one writer. `before`: how often the database had been damaged when its server started, by default as the first look finds it; `found` is
    told of damage that another server was told of.
    """

    def __init__(self, engine: Engine, before: int | None, found: Callable[[str], None]) -> None:
        self._engine = engine
        self._before = before
        self._found = found
        self._is_shared = engine.dialect.name == "postgresql"
        self._hears_at = 0.0
        self._is_told = False
        self.every_s = HEAR_S if self._is_shared else None
        """Seconds after which a look is due though nothing waits."""

    def hear(self, connection: Connection) -> None:
        """Now and then, whether another server was told that the database is damaged. DatabaseError if so, as if this one was."""
        if not self._is_shared or time.monotonic() < self._hears_at:
            return
        self._hears_at = time.monotonic() + HEAR_S
        often = marks.damaged(connection)
        self._before = often if self._before is None else self._before
        if often != self._before:
            self._is_told = True
            self._found(TOLD)
            raise DatabaseError(None, None, SeenElsewhereError(TOLD))

    def tell(self) -> None:
        """Tell the others, unless they know. In any thread, which does not wait for it."""
        if self._is_shared and not self._is_told:
            self._is_told = True
            threading.Thread(target=self._tell, name="tasdid-damage", daemon=True).start()

    def _tell(self) -> None:
        for _ in range(TELLING):
            try:
                marks.note_damage(self._engine)
                return
            except SQLAlchemyError:
                time.sleep(AGAIN_S)
        _log.error("%s other servers on the database could not be told: end them", codes.DAMAGED)
