"""The writer: one thread, one connection, many operations per commit (group commit, design §5).

Operations are functions `(connection) -> result`. The thread takes all that wait (at most GROUP), runs them in one
transaction, commits, and only then hands out the results. If one raises, the transaction is rolled back and each is run
again in a transaction of its own, so that a failure hurts nobody else. Operations must therefore be free of effects
outside the database. Bounded: `submit` refuses when full.
"""

import asyncio
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from sqlalchemy import Connection, Engine

from server import codes

GROUP = 64
WAITING = 512
Operation = Callable[[Connection], Any]


class Writer:
    """The writer of one engine. `start`, then `submit` or `write`, then `stop`."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._queue: queue.Queue[tuple[Operation, Future[Any]] | None] = queue.Queue(WAITING)
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

    def submit(self, operation: Operation) -> "Future[Any]":
        """Queue an operation; the future resolves after its commit. RefusedError BUSY when too much waits."""
        future: Future[Any] = Future()
        try:
            self._queue.put_nowait((operation, future))
        except queue.Full as error:
            raise codes.RefusedError(codes.BUSY, "too much waits to be written") from error
        return future

    async def write(self, operation: Operation) -> Any:
        """`submit` for coroutines."""
        return await asyncio.wrap_future(self.submit(operation))

    def _take(self) -> tuple[list[tuple[Operation, "Future[Any]"]], bool]:
        """What waits, and whether to go on afterwards."""
        group = []
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
            live = [(operation, future) for operation, future in group if future.set_running_or_notify_cancel()]
            if live and not self._together(live):
                for operation, future in live:
                    self._alone(operation, future)

    def _together(self, group: list[tuple[Operation, "Future[Any]"]]) -> bool:
        """Run a group in one transaction; False, with nothing done, if anything in it failed."""
        try:
            with self._engine.begin() as connection:
                results = [operation(connection) for operation, _ in group]
        except Exception:  # noqa: BLE001 - whatever it was, it comes up again, alone, in `_alone`
            return False
        self.commits += 1
        self.operations += len(group)
        for (_, future), result in zip(group, results, strict=True):
            future.set_result(result)
        return True

    def _alone(self, operation: Operation, future: "Future[Any]") -> None:
        try:
            with self._engine.begin() as connection:
                result = operation(connection)
        except Exception as error:  # noqa: BLE001 - handed to whoever asked for the operation
            future.set_exception(error)
            return
        self.commits += 1
        self.operations += 1
        future.set_result(result)
