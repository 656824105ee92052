"""One entrance: bytes in, bytes out. Three steps, so that a shell may run each where it belongs.

    checked = service.check(body)                  no database write, CPU only: any thread
    payload = service.apply(connection, checked, now)   inside the writer's transaction
    reply   = service.seal(payload)                after the commit: any thread

AUTHORISE needs the acquirer between two transactions: `apply` gives an `Asked`, the shell asks, `answered` (in a second
transaction) gives the payload. CLEARED lists become signed receipts in `seal`.

`handle` runs all of it inline, with a transaction of its own: that is what the simulation and the unit tests use.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine

from protocol import sync as s
from server import codes, envelope
from server.acquirer import online
from server.acquirer.iso import Answer, Request
from server.ingest.batch import batch
from server.ingest.close import close
from server.ingest.hello import hello
from server.keys import Keys
from server.messages import Authorise, Batch, Hello, Message, echo_of, open_message
from server.sets import Shelf
from server.store import audit, devices
from server.store import tables as t
from server.store.devices import Device
from server.store.engine import reading


@dataclass(frozen=True)
class Refusal:
    """A message that is to be answered with REFUSED."""

    code: str
    message: str
    nonce: bytes
    device: str


@dataclass(frozen=True)
class Asked:
    """A question to the acquirer that is to be sent after the commit."""

    message: Authorise
    request: Request


Reply = tuple[str, dict[int, Any]]
Ask = Callable[[Request, int], Answer]


@dataclass
class Service:
    """The sync endpoint without its web shell."""

    engine: Engine
    keys: Keys
    shelf: Shelf = field(default_factory=lambda: Shelf([]))
    ask: Ask | None = None  # for `handle`: put a request to the host, AcquirerError without an answer
    _cache: dict[str, Device] = field(default_factory=dict)

    def find(self, name: str) -> Device | None:
        """The registered device; kept in memory once found."""
        device = self._cache.get(name)
        if device is None:
            with reading(self.engine) as connection:
                device = devices.find(connection, name)
            if device is not None:
                self._cache[name] = device
        return device

    def check(self, body: bytes) -> Message | Refusal:
        """Parse and verify a message; never raises for anything that a device or a stranger may send."""
        try:
            return open_message(body, self.find)
        except codes.RefusedError as error:
            return Refusal(error.code, error.message, *echo_of(body))

    def apply(self, connection: Connection, checked: Message | Refusal, now: int) -> Reply | Asked:
        """(content type, payload) of the reply, or what to ask the acquirer first; the writes are in the caller's transaction."""
        if isinstance(checked, Refusal):
            return _refused(checked)
        try:
            if isinstance(checked, Hello):
                return s.TYPE_WELCOME, hello(connection, checked, now, self.shelf)
            if isinstance(checked, Batch):
                return s.TYPE_ACK, batch(connection, checked, now)
            if isinstance(checked, Authorise):
                begun = online.begin(connection, checked, now)
                return Asked(checked, begun) if isinstance(begun, Request) else (s.TYPE_AUTHORISED, begun)
            return s.TYPE_RECON, close(connection, checked, now)
        except codes.RefusedError as error:
            name = checked.device.device
            audit.write(connection, name, t.LEVEL_WARNING, error.code, error.message, now)
            return _refused(Refusal(error.code, error.message, checked.nonce, name))

    def answered(self, connection: Connection, asked: Asked, answer: Answer | None, unsent: bool, now: int) -> Reply:
        """The reply to AUTHORISE once the acquirer has answered, or has not; in a transaction of its own."""
        return s.TYPE_AUTHORISED, online.finish(connection, asked.message, answer, unsent, now)

    def seal(self, reply: Reply) -> bytes:
        """The signed reply. To be called after the commit."""
        payload = reply[1]
        if s.CLEARED in payload:
            receipt = {key: payload[key] for key in (s.DEVICE, s.EPOCH, s.SERVER_UTC, s.CLEARED)}
            payload[s.CLEARED] = envelope.seal(self.keys.private("ack"), s.TYPE_CLEARED, "ack", receipt)
        return envelope.seal(self.keys.private("ack"), reply[0], "ack", reply[1])

    def handle(self, body: bytes, now: int) -> bytes:
        """The whole of it, inline."""
        checked = self.check(body)
        with self.engine.begin() as connection:
            reply = self.apply(connection, checked, now)
        if isinstance(reply, Asked):
            answer, unsent = None, self.ask is None
            try:
                answer = self.ask(reply.request, now) if self.ask is not None else None
            except codes.AcquirerError as error:
                unsent = error.unsent
            with self.engine.begin() as connection:
                reply = self.answered(connection, reply, answer, unsent, now)
        return self.seal(reply)


def _refused(refusal: Refusal) -> tuple[str, dict[int, Any]]:
    said = {s.NONCE: refusal.nonce, s.DEVICE: refusal.device, s.CODE: refusal.code, s.MESSAGE: refusal.message}
    return s.TYPE_REFUSED, said
