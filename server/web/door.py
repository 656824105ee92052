"""POST /v1/sync on a front without ASGI: from httptools to the check, and from the desk's answer to the socket, with no task between.

A fleet that comes back at once spends its requests here, and a task, its events and messages cost a batch of 24 records as much as
reading it. Everything else, and whatever is unusual about a request (Expect, HTTP/1.0, a second request before the reply), goes the
usual way through uvicorn to the same endpoint (`server.web.sync`), whose limits hold for both together.
"""

import logging
from collections.abc import Callable
from typing import Any

from protocol import sync as s
from server import codes
from server.ingest.dispatch import Reply
from server.web import sync
from server.web.patience import PatientProtocol
from server.wire.envelope import MAX_BODY
from server.wire.messages import Message, Refusal

_log = logging.getLogger("tasdid.server")
_PATH = s.PATH.encode()
_STATUS = {
    200: b"HTTP/1.1 200 OK\r\n", 413: b"HTTP/1.1 413 Request Entity Too Large\r\n", 500: b"HTTP/1.1 500 Internal Server Error\r\n",
    503: b"HTTP/1.1 503 Service Unavailable\r\n",
}  # fmt: skip
Told = Callable[[Reply | None, str | None], None]  # a reply, or the code of why there is none
Ask = Callable[[Message | Refusal, Told], None]


class _NoEvent:
    """Nobody waits for a message of an exchange."""

    def set(self) -> None:
        """Nothing."""


class Exchange:
    """One request and its reply; what uvicorn's protocol looks at in the requests of a connection is named as there."""

    message_event = _NoEvent()

    def __init__(self, protocol: "DoorProtocol", keep_alive: bool) -> None:
        self._protocol = protocol
        self.body = b""
        self.keep_alive = keep_alive
        self.disconnected = False
        self.response_complete = False

    def respond(self, status: int, kind: bytes, body: bytes, more: bytes = b"") -> None:
        """Send the reply."""
        if self.response_complete:
            return
        self.response_complete = True
        transport = self._protocol.transport
        if self.disconnected or transport.is_closing():  # the latter alone for one before the last of a connection
            return
        end = b"\r\n" if self.keep_alive else b"connection: close\r\n\r\n"
        head = b"%bcontent-type: %b\r\ncontent-length: %d\r\n%b%b" % (_STATUS[status], kind, len(body), more, end)
        transport.write(head + body)
        if not self.keep_alive:
            transport.close()
        self._protocol.on_response_complete()

    def say(self, status: int, code: str) -> None:
        """Send a code instead of a signed reply."""
        more = b"retry-after: %b\r\n" % sync.RETRY_S.encode() if status == 503 else b""
        self.respond(status, b"text/plain; charset=utf-8", code.encode(), more)


class Door:
    """The endpoint: `check` a body, `ask` the desk, `seal` the reply."""

    def __init__(
        self, limit: sync.Limit, check: Callable[[bytes], Message | Refusal], ask: Ask, seal: Callable[[Reply], bytes]
    ) -> None:
        self._limit, self._check, self._ask, self._seal = limit, check, ask, seal

    def enter(self, exchange: Exchange) -> None:
        """A whole request."""
        if not self._limit.enter():
            exchange.say(503, codes.BUSY)
            return
        leave = self._limit.leave

        def told(reply: Reply | None, code: str | None) -> None:
            leave()
            try:
                if reply is None:
                    exchange.say(503, code or codes.NOT_WRITTEN)
                else:
                    exchange.respond(200, sync.CBOR, self._seal(reply))
            except Exception:  # noqa: BLE001 - as uvicorn does: one request's failure is its own
                _log.exception("a reply was not sent")
                exchange.say(500, codes.NOT_WRITTEN)

        try:
            checked = self._check(exchange.body)
            leave = self._limit.place(checked)
            self._ask(checked, told)
        except codes.RefusedError as error:
            leave()
            exchange.say(503, error.code)
        except Exception:  # noqa: BLE001 - as uvicorn does: one request's failure is its own
            leave()
            _log.exception("a message was not read")
            exchange.say(500, codes.NOT_WRITTEN)


class DoorProtocol(PatientProtocol):
    """uvicorn's protocol, with the door before it. The application has a `door`."""

    def on_headers_complete(self) -> None:
        """Of httptools."""
        if not (self.url == _PATH and self._is_plain()):
            super().on_headers_complete()
            return
        self.went_on()
        self.cycle = Exchange(self, self.parser.should_keep_alive())  # type: ignore[assignment]

    def _is_plain(self) -> bool:
        free = self.cycle is None or self.cycle.response_complete
        parser: Any = self.parser
        return (
            free
            and not self.expect_100_continue
            and parser.get_method() == b"POST"
            and parser.get_http_version() == "1.1"
            and not parser.should_upgrade()
        )

    def on_body(self, body: bytes) -> None:
        """Of httptools."""
        cycle: Any = self.cycle
        if type(cycle) is not Exchange:
            super().on_body(body)
            return
        self.went_on()
        if not cycle.response_complete:
            cycle.body = cycle.body + body if cycle.body else body
            if len(cycle.body) > MAX_BODY:
                cycle.body = b""
                cycle.say(413, codes.TOO_LARGE)

    def on_message_complete(self) -> None:
        """Of httptools."""
        cycle: Any = self.cycle
        if type(cycle) is not Exchange:
            super().on_message_complete()
            return
        self._arrived()
        if not cycle.response_complete:
            self.config.app.door.enter(cycle)  # type: ignore[union-attr]
