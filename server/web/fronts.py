"""Several processes that speak HTTP before one that writes: `fronts = n` of the configuration.

A front takes requests from the one listening socket, checks signatures and records, and signs replies, which is most of the work
and needs no database. What it has checked goes through a socket to this process, whose desk writes it, together with what the
other fronts have sent, in one commit. A front that dies takes its open requests with it: they were not acknowledged, and the
terminals send them again; another is started in its place. A front ends when its socket to this process does, so none outlives it.
"""

import asyncio
import contextlib
import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Any

from server import codes
from server.config import Config
from server.ingest.dispatch import Asked
from server.web.desk import Desk, named
from server.web.pipes import Line, frame
from server.web.writer import Told
from server.wire.batches import Batch

ROOT = Path(__file__).resolve().parents[2]
AGAIN_S = 1.0  # before a front that ended by itself is started again
_log = logging.getLogger("tasdid.server")


class Fronts:
    """The fronts of a desk, on a listening socket."""

    def __init__(self, desk: Desk, config: Config, listening: socket.socket) -> None:
        self._desk, self._config, self._listening = desk, config, listening
        self._stopping = False
        self.pids: set[int] = set()

    async def run(self) -> None:
        """Serve until SIGINT or SIGTERM, then end the fronts and wait for them."""
        stop = asyncio.Event()
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, stop.set)
        keepers = [asyncio.create_task(self._keep()) for _ in range(self._config.fronts)]
        await stop.wait()
        self._stopping = True
        for keeper in keepers:
            keeper.cancel()
        await asyncio.gather(*keepers, return_exceptions=True)

    async def _keep(self) -> None:
        """One front, started again whenever it ends."""
        while True:
            await self._serve()
            if self._stopping:
                return
            _log.error("a front ended; another is started")
            await asyncio.sleep(AGAIN_S)

    async def _serve(self) -> None:
        """One front from start to end."""
        ours, theirs = socket.socketpair()
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        process = subprocess.Popen(
            [sys.executable, "-m", "server.web.front", str(theirs.fileno())],
            pass_fds=[theirs.fileno(), self._listening.fileno()],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path},
        )
        theirs.close()
        line = _FrontLine(self._desk)
        await asyncio.get_running_loop().create_connection(lambda: line, sock=ours)
        line.send(frame((replace(self._config, devices=()), self._listening.fileno())))
        self.pids.add(process.pid)
        try:
            await line.ended.wait()  # the front has ended
        finally:
            line.close()
            self.pids.discard(process.pid)
            await asyncio.shield(asyncio.to_thread(process.wait))


class _FrontLine(Line):
    """The line to one front. Its messages go to the writer as they came; the event loop is asked only for what is not written."""

    def __init__(self, desk: Desk) -> None:
        super().__init__()
        self._desk = desk
        self._loop = asyncio.get_running_loop()
        self._tasks: set[asyncio.Task[None]] = set()

    def heard(self, data: bytes) -> None:
        """Some questions."""
        self._desk.writer.post(data, self)

    def opened(self, letter: bytes) -> list[tuple[Any, Any]]:
        """Of `server.web.writer.Poster`: the messages among some questions."""
        found = []
        for number, what, value in pickle.loads(letter):
            if what == "say":
                found.append(((number, isinstance(value, Batch), named(value)), value))
            else:
                if what == "damaged":  # here, before anything else that the letter asks
                    self._desk.writer.found_damaged(value)
                work = self._desk.audited(value) if what == "audited" else self._desk.counts()
                self._loop.call_soon_threadsafe(self._begin, number, work)
        return found

    def told(self, results: list[Told]) -> None:
        """Of `server.web.writer.Asker`: the answers to several questions."""
        answers: list[tuple[int, Any, str | None]] = []
        batches = False
        for (number, is_batch, device), result, error in results:
            batches |= is_batch
            if error is not None:
                answers.append((number, None, self._desk.not_written(error, device)))
            elif isinstance(result, Asked):
                self._loop.call_soon_threadsafe(self._begin, number, self._desk.ask(result), device)
            else:
                answers.append((number, result, None))
        self._loop.call_soon_threadsafe(self._deliver, frame(answers), batches)

    def _deliver(self, framed: bytes, batches: bool) -> None:
        self.send(framed)
        if batches:
            self._desk.nudge()

    def _begin(self, number: int, work: Coroutine[Any, Any, Any], device: str = "") -> None:
        task = self._loop.create_task(self._answer(number, work, device))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, number: int, work: Coroutine[Any, Any, Any], device: str) -> None:
        """Answer what takes more than the writer: (number, reply, None) or (number, None, code)."""
        try:
            self.send(frame([(number, await work, None)]))
        except codes.RefusedError as error:
            self.send(frame([(number, None, error.code)]))
        except Exception as error:  # noqa: BLE001 - whatever it is, the front waits for an answer
            self.send(frame([(number, None, self._desk.not_written(error, device))]))


def run(work: Coroutine[Any, Any, None]) -> None:
    """Run an event loop, the faster one where it is."""
    try:
        import uvloop

        uvloop.run(work)
    except ImportError:
        asyncio.run(work)


async def serve(lifespan: contextlib.AbstractAsyncContextManager[Any], fronts: Fronts) -> None:
    """Run fronts for the length of an application's life."""
    async with lifespan:
        await fronts.run()
