"""The writer: one thread, one connection, many messages per commit (group commit, design §5).

The thread takes all that waits (at most GROUP), hands the messages among it to `apply_all` together, runs the operations, which are
functions `(connection) -> result`, commits, and only then hands out the results, all at once. If anything raises, the transaction
is rolled back and each is done again in a transaction of its own, so that a failure hurts nobody else. Whatever runs here must
therefore be free of effects outside the database. Bounded: refuses when full.

An operation about one device says so: `apply_all` is told of these devices before any operation runs, and locks them together with those of
its messages, in one order. Else two processes that share a database could wait for each other.

Letters are messages that came from another process (`server.web.fronts`): they are opened in this thread, so that the event loop
has nothing to do with them but to pass on bytes, and the two do not fight over the interpreter's lock. How many wait is bounded by
what a front takes in hand.
"""

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from server import codes

GROUP = 64
WAITING = 512
Operation = Callable[[Connection], Any]
ApplyAll = Callable[[Connection, list[Any], set[str]], list[Any]]
Told = tuple[Any, Any, Exception | None]
"""What was asked for is known to the asker as the first; its result, or what it raised."""
_log = logging.getLogger("tasdid.server")


class Asker(Protocol):
    """Somebody who waits for results."""

    def told(self, results: list[Told]) -> None:
        """Results of one commit. Called by the writer's thread, which goes on only after it."""
        ...


class Poster(Asker, Protocol):
    """Somebody who posts letters."""

    def opened(self, letter: bytes) -> list[tuple[Any, Any]]:
        """(token, message) of each message in a letter that this one has posted. Called by the writer's thread."""
        ...


@dataclass(slots=True)
class _Item:
    """Something that waits to be written: an operation, or a message for `apply_all`."""

    operation: Operation | None
    message: Any
    asker: Asker
    token: Any
    device: str = ""  # whose row of `heads` an operation locks


@dataclass(slots=True)
class _Letter:
    """Messages that nobody has looked at yet."""

    data: bytes
    asker: Poster


class Writer:
    """The writer of one engine. `start`, then `say`, `submit`, `write` or `post`, then `stop`."""

    def __init__(self, engine: Engine, apply_all: ApplyAll) -> None:
        self._engine = engine
        self._apply_all = apply_all
        self._queue: queue.SimpleQueue[_Item | _Letter | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="tasdid-writer", daemon=True)
        self._connection: Connection | None = None  # kept from commit to commit, since taking one costs statements
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

    def submit(self, operation: Operation, device: str = "") -> "Future[Any]":
        """Queue an operation, about `device` if it is about one; the future resolves after its commit. RefusedError BUSY when too much waits."""
        future: Future[Any] = Future()
        self._put(_Item(operation, None, _FUTURES, future, device))
        return future

    async def write(self, operation: Operation, device: str = "") -> Any:
        """`submit` for coroutines; `device`: the one that the operation is about, if it is about one."""
        return await self._wait(operation, None, device)

    async def say(self, message: Any) -> Any:
        """What `apply_all` says to a message, after its commit. RefusedError BUSY when too much waits."""
        return await self._wait(None, message)

    def post(self, letter: bytes, asker: Poster) -> None:
        """Queue the messages of a letter; their results go to the asker."""
        self._queue.put(_Letter(letter, asker))

    async def _wait(self, operation: Operation | None, message: Any, device: str = "") -> Any:
        loop = asyncio.get_running_loop()
        waiter = loop.create_future()
        self._put(_Item(operation, message, _Loop(loop), waiter, device))
        return await waiter

    def _take(self) -> tuple[list[_Item], bool]:
        """What waits, and whether to go on afterwards."""
        group: list[_Item] = []
        found = self._queue.get()
        while found is not None:
            if isinstance(found, _Letter):
                group += _items(found)
            elif found.asker is not _FUTURES or found.token.set_running_or_notify_cancel():
                group.append(found)
            if len(group) >= GROUP:
                return group, True
            try:
                found = self._queue.get_nowait()
            except queue.Empty:
                return group, True
        return group, False

    def _run(self) -> None:
        go_on = True
        try:
            while go_on:
                go_on = self._turn()
        finally:
            self._drop()

    def _drop(self) -> None:
        """Give the connection back; the next group takes one that works."""
        connection, self._connection = self._connection, None
        if connection is not None:
            with contextlib.suppress(SQLAlchemyError):
                connection.close()

    def _turn(self) -> bool:
        """Do what waits; whether to go on."""
        group, go_on = self._take()
        if not group:
            return go_on
        results = self._together(group)
        if results is None:
            for item in group:
                _tell([(item, *self._alone(item))])
        else:
            _tell([(item, result, None) for item, result in zip(group, results, strict=True)])
        return go_on

    def _together(self, group: list[_Item]) -> list[Any] | None:
        """Do a group in one transaction: the results. None, with nothing done, if anything in it failed."""
        try:
            connection = self._connection = self._connection or self._engine.connect()
            with connection.begin():
                messages = [item.message for item in group if item.operation is None]
                devices = {item.device for item in group if item.device}
                replies = iter(self._apply_all(connection, messages, devices) if messages or devices else ())
                results = [next(replies) if item.operation is None else item.operation(connection) for item in group]
        except Exception:  # noqa: BLE001 - whatever it was, it comes up again, alone, in `_alone`
            self._drop()
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
                    (result,) = self._apply_all(connection, [item.message], set())
        except Exception as error:  # noqa: BLE001 - handed to whoever asked for it
            return None, error
        self.commits += 1
        self.operations += 1
        return result, None


def _items(letter: _Letter) -> list[_Item]:
    """The messages of a letter; none of one that cannot be opened, which must not end the thread."""
    try:
        return [_Item(None, message, letter.asker, token) for token, message in letter.asker.opened(letter.data)]
    except Exception:  # noqa: BLE001 - as uvicorn does: one letter's failure is its own
        _log.exception("a front's messages could not be opened")
        return []


def _tell(results: list[tuple[_Item, Any, Exception | None]]) -> None:
    """Hand out results, to each asker once. One that cannot be told any more must not end the thread."""
    by_asker: dict[Asker, list[Told]] = {}
    for item, result, error in results:
        by_asker.setdefault(item.asker, []).append((item.token, result, error))
    for asker, told in by_asker.items():
        try:
            asker.told(told)
        except Exception as error:  # noqa: BLE001 - its event loop is closed, or its process has ended
            _log.error("results could not be handed out: %s", type(error).__name__)


class _Direct:
    """Those who wait at a `concurrent.futures.Future`, which is the token."""

    def told(self, results: list[Told]) -> None:
        for future, result, error in results:
            _resolve(future, result, error)


_FUTURES = _Direct()


@dataclass(frozen=True)
class _Loop:
    """Those who wait in an event loop at a future of its, which is the token: the loop is woken once."""

    loop: asyncio.AbstractEventLoop

    def told(self, results: list[Told]) -> None:
        try:
            self.loop.call_soon_threadsafe(_resolve_all, results)
        except RuntimeError:  # the loop is closed: nobody waits any more
            return


def _resolve_all(told: list[Told]) -> None:
    for waiter, result, error in told:
        if not waiter.done():  # cancelled: the connection is gone
            _resolve(waiter, result, error)


def _resolve(future: Any, result: Any, error: Exception | None) -> None:
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
