"""POST /v1/sync as a bare ASGI application: a fleet that comes back at once spends most of its requests here.

A message is checked, answered by the desk (`server.web.desk`) after its commit, and the reply is signed. 413 is too large; 503 means
"later": too much in hand, or the database did not take it.
"""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from server import codes
from server.ingest.dispatch import Reply
from server.wire.envelope import MAX_BODY
from server.wire.messages import Message, Refusal

CBOR = b"application/cose"
RETRY_S = "5"
MAX_IN_HAND = 96  # messages being checked and written; at 100 a second each is answered within a second
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Check = Callable[[bytes], Awaitable[Message | Refusal]]
Answer = Callable[[Any], Awaitable[Reply]]
Seal = Callable[[Reply], bytes]


class Limit:
    """How many messages are in hand, at most MAX_IN_HAND."""

    def __init__(self) -> None:
        self._in_hand = 0

    def enter(self) -> bool:
        """Take one more in hand; False if there are too many."""
        if self._in_hand >= MAX_IN_HAND:
            return False
        self._in_hand += 1
        return True

    def leave(self) -> None:
        """One of them is done with."""
        self._in_hand -= 1


class Sync:
    """The endpoint: `check` a body, have it answered, `seal` the reply."""

    def __init__(self, check: Check, answer: Answer, seal: Seal, limit: Limit | None = None) -> None:
        self._check, self._answer, self._seal = check, answer, seal
        self._limit = limit or Limit()

    async def __call__(self, _scope: MutableMapping[str, Any], receive: Receive, send: Send) -> None:
        """One request."""
        body = await _body(receive)
        if body is None:
            await _say(send, 413, codes.TOO_LARGE)
            return
        if not self._limit.enter():
            # what is taken in is answered before the terminal gives up; the rest comes later
            await _say(send, 503, codes.BUSY)
            return
        try:
            reply = await self._answer(await self._check(body))
        except codes.RefusedError as error:
            await _say(send, 503, error.code)
            return
        finally:
            self._limit.leave()
        await _respond(send, 200, CBOR, self._seal(reply))


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
