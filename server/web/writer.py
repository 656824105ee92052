"""The writer: one thread, one connection, many messages per commit (group commit, design §5).

The thread takes all that waits (at most GROUP), hands the messages among it to `apply_all` together, runs the operations, which are
functions `(connection) -> result`, commits, and only then hands out the results, all at once. If anything raises, the transaction
is rolled back and each is done again in a transaction of its own, so that a failure hurts nobody else. Whatever runs here must
therefore be free of effects outside the database. Bounded: refuses when full.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine

from server import codes

GROUP = 64
WAITING = 512
Operation = Callable[[Connection], Any]
ApplyAll = Callable[[Connection, list[Any]], list[Any]]


@dataclass
class _Item:
    """Something that waits to be written: an operation, or a message for `apply_all`."""

    operation: Operation | None
    message: Any = None
    future: "Future[Any]" = field(default_factory=Future)
    loop: asyncio.AbstractEventLoop | None = None  # whose `waiter` is told instead of the future
    waiter: "asyncio.Future[Any] | None" = None


class Writer:
    """The writer of one engine. `start`, then `say`, `submit` or `write`, then `stop`."""

    def __init__(self, engine: Engine, apply_all: ApplyAll) -> None:
        self._engine = engine
        self._apply_all = apply_all
        self._queue: queue.SimpleQueue[_Item | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="tasdid-writer", daemon=True)
        self.commits = 0
        self.operations = 0

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what was submitted, then end the thread."""
        self._queue.put(None)
        self._thread.join()

    def _put(self, item: _Item) -> None:
        if self._queue.qsize() >= WAITING:
            raise codes.RefusedError(codes.BUSY, "too much waits to be written")
        self._queue.put(item)

    def submit(self, operation: Operation) -> "Future[Any]":
        """Queue an operation; the future resolves after its commit. RefusedError BUSY when too much waits."""
        item = _Item(operation)
        self._put(item)
        return item.future

    async def write(self, operation: Operation) -> Any:
        """`submit` for coroutines."""
        return await self._wait(_Item(operation))

    async def say(self, message: Any) -> Any:
        """What `apply_all` says to a message, after its commit. RefusedError BUSY when too much waits."""
        return await self._wait(_Item(None, message))

    async def _wait(self, item: _Item) -> Any:
        item.loop = asyncio.get_running_loop()
        item.waiter = item.loop.create_future()
        self._put(item)
        return await item.waiter

    def _take(self) -> tuple[list[_Item], bool]:
        """What waits, and whether to go on afterwards."""
        group: list[_Item] = []
        item = self._queue.get()
        while item is not None:
            group.append(item)
            if len(group) == GROUP:
                return group, True
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _run(self) -> None:
        go_on = True
        while go_on:
            group, go_on = self._take()
            live = [item for item in group if item.waiter is not None or item.future.set_running_or_notify_cancel()]
            if not live:
                continue
            results = self._together(live)
            if results is None:
                for item in live:
                    _tell([(item, *self._alone(item))])
            else:
                _tell([(item, result, None) for item, result in zip(live, results, strict=True)])

    def _together(self, group: list[_Item]) -> list[Any] | None:
        """Do a group in one transaction: the results. None, with nothing done, if anything in it failed."""
        try:
            with self._engine.begin() as connection:
                messages = [item.message for item in group if item.operation is None]
                replies = iter(self._apply_all(connection, messages) if messages else ())
                results = [next(replies) if item.operation is None else item.operation(connection) for item in group]
        except Exception:  # noqa: BLE001 - whatever it was, it comes up again, alone, in `_alone`
            return None
        self.commits += 1
        self.operations += len(group)
        return results

    def _alone(self, item: _Item) -> tuple[Any, Exception | None]:
        """Do one thing in a transaction of its own: its result, or what it raised."""
        try:
            with self._engine.begin() as connection:
                if item.operation is not None:
                    result = item.operation(connection)
                else:
                    (result,) = self._apply_all(connection, [item.message])
        except Exception as error:  # noqa: BLE001 - handed to whoever asked for it
            return None, error
        self.commits += 1
        self.operations += 1
        return result, None


def _tell(results: list[tuple[_Item, Any, Exception | None]]) -> None:
    """Hand out results; each event loop is woken once."""
    by_loop: dict[asyncio.AbstractEventLoop, list[tuple[Any, Any, Exception | None]]] = {}
    for item, result, error in results:
        if item.loop is not None:
            by_loop.setdefault(item.loop, []).append((item.waiter, result, error))
        else:
            _resolve(item.future, result, error)
    for loop, told in by_loop.items():
        try:
            loop.call_soon_threadsafe(_resolve_all, told)
        except RuntimeError:  # the loop is closed: nobody waits any more
            continue


def _resolve_all(told: list[tuple[Any, Any, Exception | None]]) -> None:
    for waiter, result, error in told:
        if not waiter.done():  # cancelled: the connection is gone
            _resolve(waiter, result, error)


def _resolve(future: Any, result: Any, error: Exception | None) -> None:
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
