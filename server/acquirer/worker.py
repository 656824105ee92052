"""The worker: takes from the outbox, asks the acquirer, writes down the answer; over and over.

All database work goes through `write`, a coroutine function that runs a function `(connection)` in a committed
transaction: the web shell gives the writer's thread, a test its own engine. Stops when it is cancelled; whatever was
being asked stays doubtful and is repeated. Nothing else ends it: what it does not know is an alarm (SRV-076), and it goes on, later each
time. Whether it gets on, `is_well` says.
"""

import asyncio
import logging
import time
import traceback
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from server import codes
from server.acquirer import outbox, settling, waiting, word
from server.acquirer.iso import Request
from server.acquirer.link import AcquirerLink
from server.store import audit


class Write(Protocol):
    """Runs an operation in a committed transaction; `device`: the one that it is about, if it is about one (`server.web.writer`)."""

    def __call__(self, operation: Callable[[Connection], Any], device: str = "", /) -> Awaitable[Any]: ...


_log = logging.getLogger("tasdid.acquirer")
LOOKS_S = 3600  # how often is looked for what nobody is asked about, and waits too long
NEAR_S = 60  # how often for what waits since the clock was ahead
STUCK_S = 180.0  # seconds after which one that has neither looked at the outbox nor asked about a payment is none that does well
AGAIN_S, AGAIN_MOST_S = 1.0, 60.0  # before it tries again what it does not know: longer each time


class Worker:
    """One worker; several may run beside each other, in other processes too."""

    def __init__(
        self,
        write: Write,
        link: AcquirerLink,
        clock: Callable[[], int],
        idle_s: float = 0.2,
        holds: int = outbox.HOLDS,
        waits: int = waiting.WAITS,
    ) -> None:
        self._write = write
        self._link = link
        self._clock = clock
        self._idle_s = idle_s
        self._holds = holds
        self._waits = waits
        self._looked = self._neared = 0
        self._nudged = asyncio.Event()
        self._moved: float | None = None  # when it got on last
        self._told_at: float | None = None  # when the log said last that the acquirer is away, if it is
        self._unanswered = 0  # since it is away

    def is_well(self) -> bool:
        """Whether it gets on, if it was begun. In any thread."""
        moved = self._moved
        return moved is None or time.monotonic() - moved < STUCK_S

    def nudge(self) -> None:
        """There may be something new in the outbox."""
        self._nudged.set()

    async def step(self) -> int:
        """Ask everything that is due; how many requests were settled. Now and then: name the reversals that wait too long for their terminals."""
        settled = 0
        requests, silent = await self._write(self._take)
        for request in requests:
            self._moved = time.monotonic()
            try:
                settled += await self._ask(request)
            except (SQLAlchemyError, codes.RefusedError):
                raise
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one request must not stop the others
                _log.error("a request failed: %s", type(error).__name__)
                await self._postpone(request)
        for row in silent:
            await self._write(lambda connection, row=row: word.tell(connection, row, self._clock()), row.device)
        self._moved = time.monotonic()
        return settled

    def _take(self, connection: Connection) -> tuple[list[Request], Sequence[Any]]:
        now, silent = self._clock(), ()
        if not self._neared <= now < self._neared + NEAR_S:  # be it that the clock went back
            outbox.bring_near(connection, now)
            self._neared = now
        if not self._looked <= now < self._looked + LOOKS_S:
            silent = word.silent(connection, now, self._waits)
            self._looked = now
        return outbox.claim(connection, now, holds=self._holds), silent

    async def _ask(self, request: Request) -> bool:
        """Ask about one payment; whether that settled it. Those before it may have taken long: another process may have it now."""
        if not await self._write(lambda connection: outbox.hold(connection, request, self._clock())):
            _log.info("a request is another process's by now")
            return False
        sent = self._clock()
        try:
            answer = await self._link.exchange(request, sent)
        except codes.AcquirerError as error:
            if error.code == codes.UNSENDABLE:
                _log.error("%s a request cannot be written", error.code)
                await self._write(
                    lambda connection: settling.unsendable(connection, request, self._clock()), request.identity[0]
                )
                return True
            await self._missed(error)
            await self._postpone(request)
            return False
        await self._heard()
        return await self._write(
            lambda connection: settling.settle(
                connection, request, answer, self._clock(), self._holds, self._waits, sent
            ),
            request.identity[0],
        )

    async def _missed(self, error: codes.AcquirerError) -> None:
        """No answer came. The log says so when the acquirer goes, and once in LOOKS_S while it is away, with how many requests wait."""
        now = time.monotonic()
        self._unanswered += 1
        if self._told_at is None or now - self._told_at >= LOOKS_S:
            since = "" if self._told_at is None else f" still, {self._unanswered} requests had no answer"
            waits = await self._write(outbox.unsettled)
            _log.warning("%s the acquirer is away%s, %d wait: %s", error.code, since, waits, error.message)
            self._told_at = now

    async def _heard(self) -> None:
        """An answer came: the log says so if it was away."""
        if self._told_at is not None:
            self._told_at = None
            waits = await self._write(outbox.unsettled)
            _log.warning("the acquirer answers again; %d requests had no answer, %d wait", self._unanswered, waits)
            self._unanswered = 0

    async def _postpone(self, request: Request) -> None:
        await self._write(
            lambda connection: outbox.postpone(connection, request, self._clock(), waits=self._waits),
            request.identity[0],
        )

    async def _failed(self, error: Exception) -> None:
        """Tell what is not known: the log where it came up, but not what it says, which may quote a request."""
        places = "".join(traceback.format_tb(error.__traceback__))
        _log.error("%s the settling worker failed: %s\n%s", codes.WORKER_FAILED, type(error).__name__, places)
        what = f"requests to the acquirer cannot be worked on: {type(error).__name__}"
        try:
            await self._write(lambda c: audit.alarm_once(c, "", codes.WORKER_FAILED, what, self._clock()))
        except Exception as another:  # noqa: BLE001 - the log has it
            _log.error("the alarm about it was not written: %s", type(another).__name__)

    async def run(self) -> None:
        """Work until cancelled."""
        told = ""  # what the log says of the database until it is back
        again, self._moved = AGAIN_S, time.monotonic()
        try:
            while True:
                self._nudged.clear()
                try:
                    settled, told = await self.step(), ""
                    again = AGAIN_S
                    if settled:
                        continue
                except (SQLAlchemyError, codes.RefusedError) as error:
                    if told != type(error).__name__:
                        told = type(error).__name__
                        _log.error("the outbox cannot be worked on now: %s", told)
                except Exception as error:  # noqa: BLE001 - a worker that ends asks nobody any more, and nobody would know
                    await self._failed(error)
                    await asyncio.sleep(again)
                    again = min(2 * again, AGAIN_MOST_S)
                    continue
                try:
                    async with asyncio.timeout(self._idle_s):
                        await self._nudged.wait()
                except TimeoutError:
                    continue
        finally:
            await self._link.close()
