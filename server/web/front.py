"""A front: HTTP, checks and signatures in a process of its own, before the desk of `server.web.fronts`, which starts it.

`python -m server.web.front FD`: FD is a socket to that process. The first frame on it is (configuration, listening socket); after that
questions go out as [(number, what, value) …] and come back as [(number, reply, code) …]. Ends with the socket.
"""

import asyncio
import itertools
import os
import pickle
import socket
import sys
from typing import Any

from server import codes
from server.ingest.dispatch import Reply
from server.web import app, fronts, serve
from server.web.door import DoorProtocol, Told
from server.web.pipes import Line, frame, read
from server.web.writer import STUCK_S
from server.wire.batches import Batch

TOGETHER = 192
"""Records that go to the writer in one frame while there are more to be checked: a commit costs it as much as writing some 100."""


class Remote(Line):
    """The desk, in another process. What is asked and not answered when that ends is answered "later"."""

    def __init__(self, fd: int) -> None:
        super().__init__()
        self._fd = fd
        self._numbers = itertools.count()
        self._waiting: dict[int, Told] = {}
        self._questions: list[tuple[int, str, Any]] = []
        self._records = 0  # in them
        self._loop: asyncio.AbstractEventLoop | None = None

    def heard(self, data: bytes) -> None:
        """Answers: [(number, reply, code) …]."""
        for number, reply, code in pickle.loads(data):
            self._waiting.pop(number)(reply, code)

    def connection_lost(self, exc: Exception | None) -> None:
        """The other process ends."""
        super().connection_lost(exc)
        waiting, self._waiting = self._waiting, {}
        for told in waiting.values():
            told(None, codes.NOT_WRITTEN)

    def _put(self, what: str, value: Any, told: Told) -> None:
        if self.ended.is_set():
            told(None, codes.NOT_WRITTEN)
            return
        number = next(self._numbers)
        self._waiting[number] = told
        if not self._questions:
            asyncio.get_running_loop().call_soon(self._flush)
        self._questions.append((number, what, value))
        self._records += len(value.raw) if isinstance(value, Batch) else 1
        if self._records >= TOGETHER:
            self._flush()

    def _flush(self) -> None:
        """Ask what has gathered: when the event loop comes round, or as soon as it is worth a commit."""
        questions, self._questions, self._records = self._questions, [], 0
        if questions:
            self._send_now(frame(questions))

    def _send_now(self, framed: bytes) -> None:
        """Send at once, not when the event loop comes round: the writer begins with it while more is checked here."""
        sent = 0
        if self.is_idle():
            try:
                sent = os.write(self._fd, framed)
            except OSError:  # full, or the other end is gone: the transport finds out
                sent = 0
        if sent < len(framed):
            self.send(framed[sent:])

    def ask(self, checked: Any, told: Told) -> None:
        """As `Desk.answer`, for callbacks."""
        self._put("say", checked, told)

    async def _ask(self, what: str, value: Any) -> Any:
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def told(reply: Any, code: str | None) -> None:
            if future.done():
                return
            if code is None:
                future.set_result(reply)
            else:
                future.set_exception(codes.RefusedError(code, "not now"))

        self._put(what, value, told)
        return await future

    async def answer(self, checked: Any) -> Reply:
        """As `Desk.answer`."""
        return await self._ask("say", checked)

    async def counts(self) -> dict[str, int]:
        """As `Desk.counts`. It is the writer that opens what fronts ask: one that is stuck says nothing, which is an answer too."""
        try:
            async with asyncio.timeout(STUCK_S):
                return await self._ask("counts", None)
        except (TimeoutError, codes.RefusedError):
            return {"ok": False}

    async def audited(self, now: bool) -> dict[str, Any]:
        """As `Desk.audited`. RefusedError: the writer is stuck, or ends."""
        try:
            async with asyncio.timeout(STUCK_S):
                return await self._ask("audited", now)
        except TimeoutError as error:
            raise codes.RefusedError(codes.BUSY, "the writer says nothing") from error

    def damaged(self, what: str) -> None:
        """As `Writer.found_damaged`. In any thread; nobody waits for an answer."""
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self._put, "damaged", what, _unheard)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Of asyncio."""
        super().connection_made(transport)
        self._loop = asyncio.get_running_loop()


def _unheard(_reply: Any, _code: str | None) -> None:
    """An answer that nobody waits for."""


async def _run(sock: socket.socket, config: Any, listening: socket.socket) -> None:
    remote = Remote(sock.fileno())
    await asyncio.get_running_loop().create_connection(lambda: remote, sock=sock)
    listener = asyncio.create_task(remote.ended.wait())
    front = app.build_front(config, remote.answer, remote.ask, remote.counts, remote.audited, remote.damaged)
    server = serve.runner(front, DoorProtocol)
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    await asyncio.wait((listener, serving), return_when=asyncio.FIRST_COMPLETED)
    server.should_exit = True
    await serving
    listener.cancel()


def main(fd: int) -> None:
    """Serve until the other process ends or says so."""
    sock = socket.socket(fileno=fd)
    serve.settle()
    config, listening = read(sock.makefile("rb"))  # nothing more comes before this process asks
    fronts.run(_run(sock, config, socket.socket(fileno=listening)))


if __name__ == "__main__":
    main(int(sys.argv[1]))
