"""The recomputation of the whole ledger, beside the day's work: in a process of its own, so that neither the writer nor a page waits for it, one at a
time, an hour after the last, the first soon after the start, or when somebody asks for it.

What payments and cases come to (`report.sums`) takes as long as the history is as well, though a part of that time. It is made in the same way,
when a page asks for it and no more than a part in SHARE of the time is spent on it; all pages of all fronts have the last one, and when it began
(`Auditor.summed`). While there is none yet a page goes without: what people have to see to does not wait for it.

A page shows what the last recomputation has found, and when it began (`Auditor.said`). What does not agree is an alarm in the audit log as well
(SRV-074), and one that could not be made is said in the log and on the page. If one could not since the database says that it is damaged, the writer
is told.
"""

import asyncio
import contextlib
import json
import logging
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from anyio import to_thread
from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from server import codes
from server.ledger import report
from server.ledger.__main__ import SUMS, WHILE
from server.store import audit
from server.store.engine import reading

ROOT = Path(__file__).resolve().parents[2]
FIRST_S = 60.0
"""Seconds from the start to the first one, unless somebody asks before."""
EVERY_S = 3600.0
"""Seconds from the end of one to the beginning of the next."""
REST = 10
"""Asked for, the next one begins after so many times what the last one took."""
SHARE = 10
"""The next sums are made after so many times what the last ones took."""
WAIT_S, FIRST_WAIT_S = 1.0, 4.0
"""Seconds that a page waits for sums that are being made: then it has the last ones, or none if there are none. A front waits 5 for any answer."""
UNUSABLE = 3
"""With which the other process ends if the database cannot be used."""
LONGEST_S, SUMS_LONGEST_S = 6 * 3600.0, 600.0
"""Seconds after which a recomputation is given up, and the sums: these take seconds, and a page has none meanwhile."""
_log = logging.getLogger("tasdid.server")
Write = Callable[[Callable[[Connection], Any]], Awaitable[Any]]


@dataclass
class Auditor:
    """Of one server, on its event loop. `write` runs an operation in a committed transaction; `damaged` is told what a
    database says that is damaged.
    """

    engine: Engine
    clock: Callable[[], int]
    write: Write
    damaged: Callable[[str], None]
    _found: dict[str, Any] | None = None  # by the last one: at, seconds, count, differences
    _failed: bool = False  # the last one could not be made
    _rests_until: float = 0.0
    _running: "asyncio.Task[None] | None" = field(default=None, repr=False)
    _sums: dict[str, Any] | None = None  # the last ones: at, seconds, sums
    _sums_failed: bool = False  # the last ones could not be made
    _sums_rest_until: float = 0.0
    _summing: "asyncio.Task[None] | None" = field(default=None, repr=False)

    def said(self, now: bool = False) -> dict[str, Any]:
        """{"found": {"at", "seconds", "count", "differences"} of the last one, or None, "running", "failed"}. Begins one if there was none in the
        last hour, or `now`, unless the last one is over since a moment only.
        """
        rests = time.monotonic() < self._rests_until
        overdue = self._found is None or self.clock() - self._found["at"] > EVERY_S
        if self._running is None and not rests and (now or overdue):
            self._running = asyncio.get_running_loop().create_task(self._one())
        return {"found": self._found, "running": self._running is not None, "failed": self._failed}

    async def summed(self) -> dict[str, Any]:
        """{"at", "seconds", "sums"} of the last sums, each None if there are none yet, and "failed": whether the last try came to nothing. New ones
        if it is time.
        """
        if self._summing is None and time.monotonic() >= self._sums_rest_until:
            self._begin_sums()
        if self._summing is not None:
            await asyncio.wait((self._summing,), timeout=WAIT_S if self._sums else FIRST_WAIT_S)
        return {**(self._sums or {"at": None, "seconds": None, "sums": None}), "failed": self._sums_failed}

    def _is_long(self) -> bool:
        with contextlib.suppress(SQLAlchemyError), reading(self.engine) as connection:
            return self.engine.url.database not in (None, "", ":memory:") and not report.is_short(connection)
        return False

    def _begin_sums(self) -> None:
        self._summing = asyncio.get_running_loop().create_task(self._sum())

    async def _sum(self) -> None:
        at, began = self.clock(), time.monotonic()
        try:
            found = await _elsewhere(self.engine, SUMS)
            self._sums = {"at": at, "seconds": round(time.monotonic() - began, 1), "sums": found}
            self._sums_failed = False
        except Exception as error:  # noqa: BLE001 - whatever it is, pages have none, or the last ones with their time, and say so
            self._sums_failed = True
            _log.error("%s the ledger could not be added up: %s", codes.NOT_RECOMPUTED, _why(error))
            if isinstance(error, _DamagedError):
                self.damaged(error.damage)
        finally:
            rest = SHARE * (time.monotonic() - began)
            self._sums_rest_until = time.monotonic() + (min(rest, SUMS_LONGEST_S) if self._sums_failed else rest)
            self._summing = None

    async def run(self) -> None:
        """One now and then, until cancelled; the sums of a long history at once, so that the first page has them."""
        try:
            if self._summing is None and await to_thread.run_sync(self._is_long):
                self._begin_sums()
            await asyncio.sleep(FIRST_S)
            while True:
                self.said(now=True)
                if self._running is not None:
                    await asyncio.shield(self._running)
                await asyncio.sleep(EVERY_S)
        finally:
            await self.stop()

    async def stop(self) -> None:
        """End what runs."""
        for task in (self._running, self._summing):
            if task is not None:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    async def _one(self) -> None:
        at, began = self.clock(), time.monotonic()
        try:
            told = await _elsewhere(self.engine)
            spent = time.monotonic() - began
            self._found, self._failed = {"at": at, "seconds": round(spent, 1), **told}, False
            if told["count"]:
                what = f"the ledger differs from its recomputation {told['count']} times: {told['differences'][0]}"
                _log.error("%s %s", codes.LEDGER_DIFFERS, what)
                await self.write(lambda c: audit.alarm_once(c, "", codes.LEDGER_DIFFERS, what, self.clock()))
        except Exception as error:  # noqa: BLE001 - whatever it is, the page says that there is none, and the next one may do
            self._failed = True
            _log.error("%s the ledger could not be recomputed: %s", codes.NOT_RECOMPUTED, _why(error))
            if isinstance(error, _DamagedError):
                self.damaged(error.damage)
        finally:
            self._rests_until = time.monotonic() + REST * max(time.monotonic() - began, 1.0)
            self._running = None


class _DamagedError(RuntimeError):
    """The other process has found the database damaged: `damage` is the database's own line."""

    def __init__(self, told: str, damage: str) -> None:
        super().__init__(told)
        self.damage = damage


def _why(error: Exception) -> str:
    """What the other process says of itself is a line of ours; anything else by its name."""
    if isinstance(error, TimeoutError):
        return "it took too long, and was given up"
    return str(error) if isinstance(error, RuntimeError) else type(error).__name__


async def _elsewhere(engine: Engine, *words: str) -> dict[str, Any]:
    """What `python -m server.ledger` says of a database, whose URL nobody sees in a list of processes. It ends with this process, killed or not:
    then the pipe has no writer any more. TimeoutError: it takes too long.
    """
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    theirs, ours = os.pipe()
    try:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "server.ledger",
            *words,
            WHILE,
            str(theirs),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": path},
            pass_fds=(theirs,),
            start_new_session=True,  # Ctrl-C is this process's to hear
        )
        return await _heard(process, engine, SUMS_LONGEST_S if SUMS in words else LONGEST_S)
    finally:
        os.close(theirs)
        os.close(ours)


async def _heard(process: asyncio.subprocess.Process, engine: Engine, longest_s: float) -> dict[str, Any]:
    try:
        async with asyncio.timeout(longest_s):
            said, wrong = await process.communicate(engine.url.render_as_string(hide_password=False).encode())
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if process.returncode:
        last = wrong.decode(errors="replace").strip().splitlines()[-1:] if process.returncode == UNUSABLE else []
        told = "".join(last) or f"its process ended with {process.returncode}"
        if process.returncode == UNUSABLE and said.strip():
            raise _DamagedError(told, json.loads(said)["damage"])
        raise RuntimeError(told)
    return json.loads(said)
