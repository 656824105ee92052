"""The recomputation of the whole ledger, beside the day's work: in a process of its own, so that neither the writer nor a page waits for it, one at a
time, an hour after the last, the first soon after the start, or when somebody asks for it.

A page shows what the last one has found, and when it began (`Auditor.said`). What does not agree is an alarm in the audit log as well (SRV-074), and
one that could not be made is said in the log and on the page. If it could not since the database says that it is damaged, the writer is told.
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

from sqlalchemy import Connection, Engine

from server import codes
from server.store import audit

ROOT = Path(__file__).resolve().parents[2]
FIRST_S = 60.0
"""Seconds from the start to the first one, unless somebody asks before."""
EVERY_S = 3600.0
"""Seconds from the end of one to the beginning of the next."""
REST = 10
"""Asked for, the next one begins after so many times what the last one took."""
UNUSABLE = 3
"""With which the other process ends if the database cannot be used."""
LONGEST_S = 6 * 3600.0
"""Seconds after which one is given up."""
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

    def said(self, now: bool = False) -> dict[str, Any]:
        """{"found": {"at", "seconds", "count", "differences"} of the last one, or None, "running", "failed"}. Begins one if there was none in the
        last hour, or `now`, unless the last one is over since a moment only.
        """
        rests = time.monotonic() < self._rests_until
        overdue = self._found is None or self.clock() - self._found["at"] > EVERY_S
        if self._running is None and not rests and (now or overdue):
            self._running = asyncio.get_running_loop().create_task(self._one())
        return {"found": self._found, "running": self._running is not None, "failed": self._failed}

    async def run(self) -> None:
        """One now and then, until cancelled."""
        try:
            await asyncio.sleep(FIRST_S)
            while True:
                self.said(now=True)
                if self._running is not None:
                    await asyncio.shield(self._running)
                await asyncio.sleep(EVERY_S)
        finally:
            await self.stop()

    async def stop(self) -> None:
        """End the one that runs."""
        if self._running is not None:
            self._running.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._running

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
    return str(error) if isinstance(error, RuntimeError) else type(error).__name__


async def _elsewhere(engine: Engine) -> dict[str, Any]:
    """What `python -m server.ledger` says of a database, whose URL nobody sees in a list of processes."""
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "server.ledger",
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": path},
        start_new_session=True,  # Ctrl-C is this process's to hear
    )
    try:
        async with asyncio.timeout(LONGEST_S):
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
