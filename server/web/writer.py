"""The writer: one thread, one connection, many messages per commit (group commit, design §5).

The thread takes all that waits (at most GROUP), hands the messages among it to `apply_all` together, runs the operations, which are
functions `(connection) -> result`, commits, and only then hands out the results, all at once. If anything raises, the transaction
is rolled back and each is done again in a transaction of its own, so that a failure hurts nobody else. Whatever runs here must
therefore be free of effects outside the database. Bounded: refuses when full.

Nothing waits for a database that is locked or lost (`server.store.postgres` bounds each statement): as soon as it cannot be reached, or a turn has
spent TURN_S on it, whatever waits is told that error, which its terminal hears as "later". The log says once what is wrong, and once that it
is over; meanwhile the thread looks every LOOK_S whether it is, and `is_well` says that it is not, nor if one turn takes longer than STUCK_S.

A database that says that it is damaged, to whoever has asked it through this engine, to a front or to the recomputation's process
(`found_damaged`), is written no more: whatever comes is told so, which its terminal hears as "later", until a server is started on one that is whole.
On PostgreSQL the other servers are told too (`server.web.elsewhere`).

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
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import Any, Protocol

from sqlalchemy import Connection, Engine, literal, select
from sqlalchemy.exc import DatabaseError, SQLAlchemyError

from server import codes
from server.store.engine import SeenElsewhereError, is_lost, is_trouble, on_damage, trouble
from server.web.elsewhere import Elsewhere

GROUP = 64
WAITING = 512
TURN_S = 5.0  # seconds after which a turn that the database keeps waiting tries nothing more; a terminal waits 8 for its answer
STUCK_S = 5.0  # seconds after which a turn that is not over yet is none of a writer that does well
LOOK_S = 1.0  # seconds between two looks whether a lost database is back
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
    """The writer of one engine. `start`, then `say`, `submit`, `write` or `post`, then `stop`. `damaged`: how often the database was damaged before
    (`marks.damaged`), by default as its first look finds it.
    """

    def __init__(self, engine: Engine, apply_all: ApplyAll, damaged: int | None = None) -> None:
        self._engine = engine
        self._apply_all = apply_all
        self._queue: queue.SimpleQueue[_Item | _Letter | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="tasdid-writer", daemon=True)
        self._connection: Connection | None = None  # kept from commit to commit, since taking one costs statements
        self._began: float | None = None  # when the turn did that is not over yet
        self._away = False
        self._is_lost = False  # the log says that the way to the database is lost
        self._damage: DatabaseError | None = None  # what the database said when it was found to be damaged
        self._elsewhere = Elsewhere(engine, damaged, self.found_damaged)
        self._told: set[str] = set()  # what the log says of the database since the last group that it took
        self.commits = 0
        self.operations = 0
        on_damage(engine, self.found_damaged)

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Finish what was submitted, then end the thread."""
        self._queue.put(None)
        self._thread.join()

    def is_well(self) -> bool:
        """Whether what is written reaches the database, as far as is known. In any thread."""
        began = self._began
        return self._damage is None and not self._away and (began is None or time.monotonic() - began < STUCK_S)

    def found_damaged(self, what: str) -> None:
        """The database has said that it is damaged, to somebody here or in another process: `what` is its own line. In any thread."""
        if self._damage is None:
            self._damage = DatabaseError(None, None, SeenElsewhereError(what))  # without what was asked
            self._elsewhere.tell()
            what = f"{trouble(self._engine, self._damage)}; nothing is acknowledged any more"
            _log.critical("%s ALARM: %s: end the server, put a backup back (docs/restore.md)", codes.DAMAGED, what)

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
        """What waits, and whether to go on afterwards; nothing if there is nothing for LOOK_S while the database is away, or otherwise until
        others on the database may have to tell something.
        """
        group: list[_Item] = []
        try:
            found = self._queue.get(timeout=LOOK_S if self._away else self._elsewhere.every_s)
            while found is not None:
                group += _opened(found)
                if len(group) >= GROUP:
                    return group, True
                found = self._queue.get_nowait()
        except queue.Empty:
            return group, True
        return group, False

    def _empty(self) -> tuple[list[_Item], bool]:
        """All that waits, and whether to go on afterwards."""
        items: list[_Item] = []
        go_on = True
        with contextlib.suppress(queue.Empty):
            while True:
                found = self._queue.get_nowait()
                if found is None:
                    go_on = False
                else:
                    items += _opened(found)
        return items, go_on

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
        if not group and not go_on:
            return False
        self._began = time.monotonic()
        try:
            return self._do(group) and go_on if group else self._look()
        finally:
            self._began = None

    def _do(self, group: list[_Item]) -> bool:
        """Do a group, together or each by itself; whether to go on."""
        unreached = self._damage or self._connect()
        if unreached is not None:
            return self._give_up(group, unreached)
        results = self._together(group)
        if results is None:
            return self._apart(group) if self._damage is None else self._give_up(group, self._damage)
        _tell([(item, result, None) for item, result in zip(group, results, strict=True)])
        self._away = False
        self._note_back()
        return True

    def _connect(self) -> Exception | None:
        """Take a connection unless there is one; why there is none."""
        try:
            self._connection = self._connection or self._engine.connect()
        except Exception as error:  # noqa: BLE001 - handed to whoever waits
            return error
        return None

    def _look(self) -> bool:
        """Whether the database is there, or is back, and nobody was told that it is damaged; one that was damaged is not back. The thread goes on."""
        if self._damage is not None:
            return True
        error = self._connect()
        if self._connection is not None:
            try:
                with self._connection.begin():
                    self._connection.execute(select(literal(1)))
                    self._elsewhere.hear(self._connection)
            except SQLAlchemyError as failed:
                error = failed
                self._drop()
        if error is not None and not self._away:
            self._note(error)
        if error is None and self._is_lost:  # what else was told, a lock or a full disk, only a write shows to be over
            self._note_back()
        self._away = error is not None
        return True

    def _note_back(self) -> None:
        """Let the log say that what it has said is over."""
        if self._told:
            _log.warning("the database takes what is written again")
            self._told.clear()
        self._is_lost = False

    def _note(self, error: Exception) -> None:
        """Let the log say what is wrong with the database, unless it does so already."""
        self._is_lost = self._is_lost or is_lost(error)
        what = trouble(self._engine, error) if isinstance(error, SQLAlchemyError) else type(error).__name__
        if what not in self._told:
            self._told.add(what)
            _log.error("%s nothing is written now: %s", codes.NOT_WRITTEN, what)

    def _give_up(self, items: list[_Item], error: Exception) -> bool:
        """Tell these, and whoever else waits, that nothing is done now; whether to go on."""
        self._note(error)
        self._away = True
        self._drop()
        behind, go_on = self._empty()
        _tell([(item, None, error) for item in items + behind])
        return go_on

    def _apart(self, group: list[_Item]) -> bool:
        """Do each thing of a group by itself, as long as the database does its part; whether to go on."""
        for at, item in enumerate(group, 1):
            result, error = self._alone(item)
            _tell([(item, result, error)])
            if error is None or not is_trouble(error):
                continue
            self._note(error)
            spent = time.monotonic() - (self._began or 0.0)
            if is_lost(error) or spent >= TURN_S or self._damage is not None:
                return self._give_up(group[at:], error)
        return True

    def _together(self, group: list[_Item]) -> list[Any] | None:
        """Do a group in one transaction: the results. None, with nothing done, if anything in it failed."""
        connection = self._connection
        assert connection is not None
        try:
            with connection.begin():
                messages = [item.message for item in group if item.operation is None]
                devices = {item.device for item in group if item.device}
                replies = iter(self._apply_all(connection, messages, devices) if messages or devices else ())
                results = [next(replies) if item.operation is None else item.operation(connection) for item in group]
                self._elsewhere.hear(connection)
        except Exception as error:  # noqa: BLE001 - whatever it was, it comes up again, alone, in `_alone`
            if is_trouble(error):  # which may well be over by then
                self._note(error)
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


def _opened(found: _Item | _Letter) -> list[_Item]:
    """What is to be done of something that waited; nothing if nobody waits for it any more."""
    if isinstance(found, _Letter):
        return _items(found)
    return [found] if found.asker is not _FUTURES or found.token.set_running_or_notify_cancel() else []


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
