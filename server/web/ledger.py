"""The ledger page: what it costs is bounded, however long the history is and however many look at it.

What does not grow with the history is read by one at a time in a process; what took longer than QUICK_S is shown to others too, for so long that
no more than a part in SHARE of the time is spent on it. What goes through the whole history, the sums and the recomputation from the raw records, is
made on the spot while there are few records (`report.SHORT`), else in processes of their own (`server.web.auditing`), and the page shows the last:

    summed       {"at": when totals, accounts, postings, cases and "paid_twice" began to be added up, all of one moment, "seconds": what it took,
                 "failed": whether the last try came to nothing}. Who asks waits a few seconds for newer ones; while there are none yet "at" is None,
                 and the page has nothing of these
    recomputed   {"at": when it began, "seconds": what it took, "count": differences, "running": whether another one is being made, "failed":
                 whether the last one could not be made}; "at" is None if there was none yet, and so is "balanced"
"""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

from anyio import to_thread
from sqlalchemy import Engine

from server import codes
from server.ledger import recompute, report
from server.store.engine import reading

QUICK_S = 0.25
SHARE = 10
WAITING = 16
"""Pages that may wait for one that is being made."""
Audited = Callable[[bool], Awaitable[dict[str, Any]]]


class Ledger:
    """Of one process; `audited` is the desk's."""

    def __init__(self, engine: Engine, clock: Callable[[], int], audited: Audited) -> None:
        self.audited = audited
        self._engine = engine
        self._clock = clock
        self._turn: asyncio.Lock | None = None  # an application may be built before its loop
        self._waiting = 0
        self._made: dict[str, Any] = {}
        self._until = 0.0

    async def page(self) -> dict[str, Any]:
        """The report. RefusedError BUSY when too many wait for it."""
        if self._waiting >= WAITING:
            raise codes.RefusedError(codes.BUSY, "too many ask for the ledger")
        self._turn = self._turn or asyncio.Lock()
        self._waiting += 1
        try:
            async with self._turn:
                if time.monotonic() >= self._until:
                    await self._make()
        finally:
            self._waiting -= 1
        if "balanced" in self._made:  # recomputed on the spot
            return self._made
        current = self._made
        told = await self.audited(False)
        found, summed = told["found"] or {"at": None, "seconds": None, "count": 0}, told["summed"]
        if summed["sums"] is None:
            page = report.unsummed(current, found.get("differences"))
        else:
            page = report.judged({**summed["sums"], **current}, found.get("differences"))
        words = {name: found[name] for name in ("at", "seconds", "count")}
        return {
            **page,
            "summed": {name: summed[name] for name in ("at", "seconds", "failed")},
            "recomputed": {**words, "running": told["running"], "failed": told["failed"]},
        }

    async def _make(self) -> None:
        began = time.monotonic()
        self._made = await to_thread.run_sync(self._look)
        spent = time.monotonic() - began
        self._until = time.monotonic() + SHARE * spent if spent > QUICK_S else 0.0

    def _look(self) -> dict[str, Any]:
        with reading(self._engine, whole=True) as connection:
            kept_elsewhere = self._engine.url.database not in (
                None,
                "",
                ":memory:",
            )  # else no other process can read it
            if kept_elsewhere and not report.is_short(connection):
                return report.current(connection)
            at, began = self._clock(), time.monotonic()
            page, summed = report.page(connection), time.monotonic()
            found = recompute.differences(connection)
        spent = {"at": at, "seconds": round(time.monotonic() - summed, 1)}
        told = {**spent, "count": len(found), "running": False, "failed": False}
        return {
            **report.judged(page, found),
            "summed": {"at": at, "seconds": round(summed - began, 1), "failed": False},
            "recomputed": told,
        }
