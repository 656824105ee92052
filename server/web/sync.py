"""POST /v1/sync as a bare ASGI application: a fleet that comes back at once spends most of its requests here.

A message is checked, answered by the desk (`server.web.desk`) after its commit, and the reply is signed. 413 is too large; 503 means
"later": too much in hand, or the database did not take it.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any

from server import codes
from server.acquirer.online import WAITING
from server.ingest.dispatch import Reply
from server.wire.envelope import MAX_BODY
from server.wire.messages import Authorise, Message, Refusal

CBOR = b"application/cose"
RETRY_S = "5"
MAX_IN_HAND = 96  # messages being checked and written; at 100 a second each is answered within a second
OF_A_TERMINAL = 2  # AUTHORISE in hand of one terminal: a card that waits, and a question that follows it
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Check = Callable[[bytes], Awaitable[Message | Refusal]]
Answer = Callable[[Any], Awaitable[Reply]]
Seal = Callable[[Reply], bytes]


class Limit:
    """How many messages are in hand, at most MAX_IN_HAND. A payment whose card waits for the acquirer is none of them, since that may take as long
    as the host likes: those are counted by themselves, MAX_IN_HAND beside the `waiting` and OF_A_TERMINAL of one terminal.
    """

    def __init__(self, waiting: int = WAITING) -> None:
        self._in_hand = 0
        self._most = waiting + MAX_IN_HAND  # that many are being noted or answered
        self._cards: Counter[str] = Counter()

    def enter(self) -> bool:
        """Take one more in hand; False if there are too many."""
        if self._in_hand >= MAX_IN_HAND:
            return False
        self._in_hand += 1
        return True

    def leave(self) -> None:
        """One of them is done with."""
        self._in_hand -= 1

    def place(self, checked: Message | Refusal) -> Callable[[], None]:
        """What to call once a checked message is done with, instead of `leave`: a waiting card has a place of another kind from here on.
        RefusedError BUSY if there is none.
        """
        if not isinstance(checked, Authorise):
            return self.leave
        device = checked.device.device
        if self._cards[device] >= OF_A_TERMINAL or self._cards.total() >= self._most:
            raise codes.RefusedError(codes.BUSY, "too many cards wait")
        self._cards[device] += 1
        self.leave()
        return partial(self._answered, device)

    def _answered(self, device: str) -> None:
        self._cards[device] -= 1
        if not self._cards[device]:
            del self._cards[device]


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
        leave = self._limit.leave
        try:
            checked = await self._check(body)
            leave = self._limit.place(checked)
            reply = await self._answer(checked)
        except codes.RefusedError as error:
            await _say(send, 503, error.code)
            return
        finally:
            leave()
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
