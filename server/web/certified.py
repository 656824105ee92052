"""The end of the certificate that a running server serves: looked at each day, since a server may run for longer than the 30 days before which the
start says it (`server.certificates`). It is the one that was loaded at the start: a file that was renewed since is not served before the next one.
"""

import asyncio
import contextlib
import datetime
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from protocol.errors import ConfigError
from server import certificates, codes
from server.store import audit

EVERY_S = 86400.0
AGAIN_S = 600.0
"""Seconds after which it is looked again if it could not be written down."""
_log = logging.getLogger("tasdid.server")
Write = Callable[[Callable[[Connection], Any]], Awaitable[Any]]


class Certified:
    """Of one server; `write` runs an operation in a committed transaction. ConfigError CFG-012."""

    def __init__(self, path: Path, clock: Callable[[], int], write: Write) -> None:
        self._path, self._clock, self._write = path, clock, write
        self._last = certificates.last_of(path)
        self._said = self._near()  # the start says this

    def _near(self) -> str | None:
        renewed = False
        with contextlib.suppress(ConfigError):  # the file may be away while it is renewed
            renewed = certificates.last_of(self._path) > self._last
        now = datetime.datetime.fromtimestamp(self._clock(), datetime.UTC)
        return certificates.near(self._path, self._last, now, renewed)

    async def run(self) -> None:
        """Look each day, until cancelled."""
        wait = EVERY_S
        while True:
            await asyncio.sleep(wait)
            wait = EVERY_S if await self.look() else AGAIN_S

    async def look(self) -> bool:
        """Say that it ends, if it does: an alarm once, as at the start, and a line of the log. Whether nothing is left to be said."""
        told = self._near()
        if told is None or told == self._said:
            return True
        try:
            await self._write(lambda c: audit.alarm_once(c, "", certificates.ENDING, told, self._clock()))
        except (codes.RefusedError, SQLAlchemyError):  # too much waits, or the database is away: the log says that
            return False
        self._said = told
        _log.error("%s %s", certificates.ENDING, told)
        return True
