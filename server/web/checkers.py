"""Checking messages beside the writer: in processes of their own where there are any, else in threads.

Python runs one thread at a time; the writer needs that one. Bodies that arrive while the event loop turns once go to a process
together. A process that ends unasked costs nothing but time: what it had is checked in a thread, and the others go on.
"""

import asyncio
import logging
import os
import pickle
import sys
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

from anyio import to_thread

from server.messages import Message, Refusal
from server.web.checker import frame

ROOT = Path(__file__).resolve().parents[2]
Check = Callable[[bytes], Message | Refusal]
_Waiting = tuple[bytes, "asyncio.Future[Message | Refusal]"]
_log = logging.getLogger("tasdid.server")


class _Process:
    """One checking process."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.sent: deque[list[_Waiting]] = deque()
        self.load = 0

    def send(self, waiting: list[_Waiting]) -> None:
        """Give it bodies."""
        assert self.process.stdin is not None
        self.sent.append(waiting)
        self.load += len(waiting)
        self.process.stdin.write(frame([body for body, _ in waiting]))

    async def run(self) -> None:
        """Take its answers until it ends."""
        assert self.process.stdout is not None
        while True:
            size = await self.process.stdout.readexactly(4)
            found = pickle.loads(await self.process.stdout.readexactly(int.from_bytes(size, "big")))
            waiting = self.sent.popleft()
            self.load -= len(waiting)
            for (_, future), checked in zip(waiting, found, strict=True):
                if not future.done():
                    future.set_result(checked)


class Checkers:
    """`count` processes for the database at `url`; `alone` checks in a thread of this one."""

    def __init__(self, count: int, url: str, alone: Check) -> None:
        self._count, self._url, self._alone = count, url, alone
        self._processes: list[_Process] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._gathered: list[_Waiting] = []

    async def start(self) -> None:
        """Start the processes; they need not be ready when this returns."""
        path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
        for _ in range(self._count):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "server.web.checker",
                stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env={**os.environ, "PYTHONPATH": path},
            )  # fmt: skip
            assert process.stdin is not None
            process.stdin.write(frame(self._url))
            self._begin(self._watch(_Process(process)))

    async def stop(self) -> None:
        """End the processes and wait for them."""
        for one in list(self._processes):
            assert one.process.stdin is not None
            one.process.stdin.close()
        await asyncio.gather(*self._tasks)

    def pids(self) -> list[int]:
        """Process numbers of those that live."""
        return [one.process.pid for one in self._processes]

    async def check(self, body: bytes) -> Message | Refusal:
        """What the message is; never raises for anything that a device or a stranger may send."""
        if not self._processes:
            return await to_thread.run_sync(self._alone, body)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Message | Refusal] = loop.create_future()
        if not self._gathered:
            loop.call_soon(self._send)
        self._gathered.append((body, future))
        return await future

    def _send(self) -> None:
        """Hand what has gathered to the process that has least to do."""
        waiting, self._gathered = self._gathered, []
        if self._processes:
            min(self._processes, key=lambda one: one.load).send(waiting)
        else:
            self._begin(self._check_alone(waiting))

    def _begin(self, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _watch(self, one: _Process) -> None:
        """Serve one process until it has ended."""
        self._processes.append(one)
        try:
            await one.run()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # it has ended; see below
        finally:
            self._processes.remove(one)
        left = [item for waiting in one.sent for item in waiting]
        code = await one.process.wait()
        if left or code:
            _log.error("a checking process ended (%d); %d messages are checked here", code, len(left))
        await self._check_alone(left)

    async def _check_alone(self, waiting: list[_Waiting]) -> None:
        for body, future in waiting:
            checked = await to_thread.run_sync(self._alone, body)
            if not future.done():
                future.set_result(checked)
