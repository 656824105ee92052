"""A front: HTTP, checks and signatures in a process of its own, before the desk of `server.web.fronts`, which starts it.

`python -m server.web.front FD`: FD is a socket to that process. The first frame on it is (configuration, listening socket); after that
questions go out as (number, what, value) and come back as (number, reply, code). Ends with the socket.
"""

import asyncio
import itertools
import pickle
import socket
import sys
from typing import Any

from server import codes
from server.ingest.dispatch import Reply
from server.web import app, fronts, serve
from server.web.pipes import Line, frame, read


class Remote(Line):
    """The desk, in another process. What is asked and not answered when that ends is answered "later"."""

    def __init__(self) -> None:
        super().__init__()
        self._numbers = itertools.count()
        self._waiting: dict[int, asyncio.Future[Any]] = {}

    def heard(self, data: bytes) -> None:
        """Answers: [(number, reply, code) …]."""
        for number, reply, code in pickle.loads(data):
            future = self._waiting.pop(number)
            if future.done():
                continue
            if code is None:
                future.set_result(reply)
            else:
                future.set_exception(codes.RefusedError(code, "not now"))

    def connection_lost(self, exc: Exception | None) -> None:
        """The other process ends."""
        super().connection_lost(exc)
        for future in self._waiting.values():
            if not future.done():
                future.set_exception(codes.RefusedError(codes.NOT_WRITTEN, "the server is ending"))

    async def _ask(self, what: str, value: Any) -> Any:
        if self.ended.is_set():
            raise codes.RefusedError(codes.NOT_WRITTEN, "the server is ending")
        number = next(self._numbers)
        self._waiting[number] = future = asyncio.get_running_loop().create_future()
        self.send(frame((number, what, value)))
        return await future

    async def answer(self, checked: Any) -> Reply:
        """As `Desk.answer`."""
        return await self._ask("say", checked)

    async def counts(self) -> dict[str, int]:
        """As `Desk.counts`."""
        return await self._ask("counts", None)


async def _run(sock: socket.socket, config: Any, listening: socket.socket) -> None:
    remote = Remote()
    await asyncio.get_running_loop().create_connection(lambda: remote, sock=sock)
    listener = asyncio.create_task(remote.ended.wait())
    server = serve.runner(app.build_front(config, remote.answer, remote.counts))
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
