"""The worker: takes from the outbox, asks the acquirer, writes down the answer; over and over.

All database work goes through `write`, a coroutine function that runs a function `(connection)` in a committed
transaction: the web shell gives the writer's thread, a test its own engine. Stops when it is cancelled; whatever was
being asked stays doubtful and is repeated.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Protocol

from sqlalchemy import Connection
from sqlalchemy.exc import SQLAlchemyError

from server import codes
from server.acquirer import outbox, settling, waiting, word
from server.acquirer.iso import Request
from server.acquirer.link import AcquirerLink


class Write(Protocol):
    """Runs an operation in a committed transaction; `device`: the one that it is about, if it is about one (`server.web.writer`)."""

    def __call__(self, operation: Callable[[Connection], Any], device: str = "", /) -> Awaitable[Any]: ...


_log = logging.getLogger("tasdid.acquirer")
LOOKS_S = 3600  # how often is looked for what nobody is asked about, and waits too long
NEAR_S = 60  # how often for what waits since the clock was ahead


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

    def nudge(self) -> None:
        """There may be something new in the outbox."""
        self._nudged.set()

    async def step(self) -> int:
        """Ask everything that is due; how many requests were settled. Now and then: name the reversals that wait too long for their terminals."""
        settled = 0
        requests, silent = await self._write(self._take)
        for request in requests:
            try:
                settled += await self._ask(request)
            except (SQLAlchemyError, codes.RefusedError):
                raise
            except Exception as error:  # noqa: BLE001 - whatever is wrong with one request must not stop the others
                _log.error("a request failed: %s", type(error).__name__)
                await self._postpone(request)
        for row in silent:
            await self._write(lambda connection, row=row: word.tell(connection, row, self._clock()), row.device)
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
            _log.warning("payment stays doubtful: %s", error)
            await self._postpone(request)
            return False
        return await self._write(
            lambda connection: settling.settle(
                connection, request, answer, self._clock(), self._holds, self._waits, sent
            ),
            request.identity[0],
        )

    async def _postpone(self, request: Request) -> None:
        await self._write(
            lambda connection: outbox.postpone(connection, request, self._clock(), waits=self._waits),
            request.identity[0],
        )

    async def run(self) -> None:
        """Work until cancelled."""
        told = ""  # what the log says of the database until it is back
        try:
            while True:
                self._nudged.clear()
                try:
                    settled, told = await self.step(), ""
                    if settled:
                        continue
                except (SQLAlchemyError, codes.RefusedError) as error:
                    if told != type(error).__name__:
                        told = type(error).__name__
                        _log.error("the outbox cannot be worked on now: %s", told)
                try:
                    async with asyncio.timeout(self._idle_s):
                        await self._nudged.wait()
                except TimeoutError:
                    continue
        finally:
            await self._link.close()
