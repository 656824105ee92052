"""POST /v1/sync as a bare ASGI application: a fleet that comes back at once spends most of its requests here.

A message is checked (`server.web.checkers`), applied with others in one commit (`server.web.writer`), and answered after it. 413 is
too large; 503 means "later": too much in hand, or the database did not take it.
"""

import logging
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from server import codes
from server.acquirer.iso import Answer
from server.acquirer.link import AcquirerLink
from server.acquirer.worker import Worker
from server.envelope import MAX_BODY
from server.ingest.dispatch import Asked, Reply, Service
from server.messages import Batch
from server.web.checkers import Checkers
from server.web.writer import Writer

CBOR = b"application/cose"
RETRY_S = "5"
MAX_IN_HAND = 96  # messages being checked and written; at 100 a second each is answered within a second
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
_log = logging.getLogger("tasdid.server")


@dataclass
class Running:
    """What the handlers work with."""

    engine: Engine
    service: Service
    writer: Writer
    checkers: Checkers
    worker: Worker | None
    clock: Callable[[], int]
    link: Callable[[], AcquirerLink] | None = None  # a link of its own for each payment whose card waits
    in_hand: int = 0  # messages taken in and not yet written


class Sync:
    """The endpoint."""

    def __init__(self, running: Running) -> None:
        self._running = running

    async def __call__(self, _scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request."""
        running = self._running
        body = await _body(receive)
        if body is None:
            await _say(send, 413, codes.TOO_LARGE)
            return
        if running.in_hand >= MAX_IN_HAND:
            # what is taken in is answered before the terminal gives up; the rest comes later
            await _say(send, 503, codes.BUSY)
            return
        try:
            reply = await self._answer(body)
        except (codes.RefusedError, SQLAlchemyError) as error:
            code = error.code if isinstance(error, codes.RefusedError) else codes.NOT_WRITTEN
            if code == codes.NOT_WRITTEN:
                _log.error("%s a message was not written: %s", code, type(error).__name__)
            await _say(send, 503, code)
            return
        await _respond(send, 200, CBOR, running.service.seal(reply))

    async def _answer(self, body: bytes) -> Reply:
        """The reply, after the commit."""
        running = self._running
        running.in_hand += 1
        try:
            checked = await running.checkers.check(body)
            reply = await running.writer.say(checked)
        finally:
            running.in_hand -= 1
        if isinstance(reply, Asked):
            return await self._ask(reply)
        if running.worker is not None and isinstance(checked, Batch):
            running.worker.nudge()
        return reply

    async def _ask(self, asked: Asked) -> Reply:
        """Put a payment to its issuer while the card waits, between two transactions."""
        running = self._running
        answer: Answer | None = None
        unsent = running.link is None
        if running.link is not None:
            link = running.link()
            try:
                answer = await link.exchange(asked.request, running.clock())
            except codes.AcquirerError as error:
                unsent = error.unsent
                _log.warning("a waiting card gets no answer: %s", error)
            finally:
                await link.close()
        reply = await running.writer.write(
            lambda c: running.service.answered(c, asked, answer, unsent, running.clock())
        )
        if running.worker is not None:
            running.worker.nudge()
        return reply


async def _body(receive: Receive) -> bytes | None:
    """The request's body, None as soon as it is over 64 KiB; empty if the other side went away."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return b""
        body += message.get("body", b"")
        if len(body) > MAX_BODY:
            return None
        if not message.get("more_body", False):
            return body


async def _respond(send: Send, status: int, kind: bytes, body: bytes, *more: tuple[bytes, bytes]) -> None:
    headers = [(b"content-type", kind), (b"content-length", b"%d" % len(body)), *more]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _say(send: Send, status: int, code: str) -> None:
    more = [(b"retry-after", RETRY_S.encode())] if status == 503 else []
    await _respond(send, status, b"text/plain; charset=utf-8", code.encode(), *more)
