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
from server.web.desk import Desk
from server.web.pipes import Pipe, frame

ROOT = Path(__file__).resolve().parents[2]
AGAIN_S = 1.0  # before a front that ended by itself is started again
_log = logging.getLogger("tasdid.server")


class Fronts:
    """The fronts of a desk, on a listening socket."""

    def __init__(self, desk: Desk, config: Config, listening: socket.socket) -> None:
        self._desk, self._config, self._listening = desk, config, listening
        self._tasks: set[asyncio.Task[None]] = set()
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
        reader, writer = await asyncio.open_connection(sock=ours, limit=1 << 20)
        writer.write(frame((replace(self._config, devices=()), self._listening.fileno())))
        pipe = Pipe(reader, writer)
        self.pids.add(process.pid)
        try:
            while True:
                for number, what, value in await pipe.heard():
                    self._begin(self._answer(pipe, number, what, value))
        except EOFError:
            pass  # the front has ended
        finally:
            pipe.close()
            self.pids.discard(process.pid)
            await asyncio.shield(asyncio.to_thread(process.wait))

    def _begin(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _answer(self, pipe: Pipe, number: int, what: str, value: Any) -> None:
        """One question of a front: (number, reply, None) or (number, None, code)."""
        try:
            reply = await self._desk.counts() if what == "counts" else await self._desk.answer(value)
        except codes.RefusedError as error:
            pipe.say((number, None, error.code))
            return
        pipe.say((number, reply, None))


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
