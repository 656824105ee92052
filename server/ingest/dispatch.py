"""One entrance: bytes in, bytes out. Three steps, so that a shell may run each where it belongs.

    checked = service.check(body)                  no database write, CPU only: any thread
    payload = service.apply(connection, checked, now)   inside the writer's transaction
    reply   = service.seal(payload)                after the commit: any thread

`apply_all` is `apply` for the messages of one commit, batches of different devices taken together.
AUTHORISE needs the acquirer between two transactions: `apply` gives an `Asked`, the shell asks, `answered` (in a second
transaction) gives the payload. CLEARED lists become signed receipts in `seal`.

`handle` runs all of it inline, with a transaction of its own: that is what the simulation and the unit tests use.
"""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from protocol import sync as s
from server import codes
from server.acquirer import online
from server.acquirer.iso import Answer, Request
from server.ingest import drafts
from server.ingest.batch import batch, batches
from server.ingest.close import close
from server.ingest.hello import hello
from server.keys import Keys
from server.office import epochs
from server.sets import Shelf
from server.store import audit, devices
from server.store import tables as t
from server.store.engine import is_trouble
from server.wire import envelope
from server.wire.batches import Batch
from server.wire.messages import Authorise, Hello, Message, Refusal, check


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

    def __post_init__(self) -> None:
        self._register = devices.Register(self.engine)

    def check(self, body: bytes) -> Message | Refusal:
        """Parse and verify a message, and draft what a batch writes; never raises for anything that a device or a stranger may send.

        RefusedError NOT_WRITTEN: it cannot be checked now, since the database is locked or lost. To be told later.
        """
        try:
            checked = check(body, self._register.find, self._vouch)
        except SQLAlchemyError as error:
            if not is_trouble(error):
                raise
            raise codes.RefusedError(codes.NOT_WRITTEN, "the device cannot be looked up now") from error
        if isinstance(checked, Batch):
            checked.draft = drafts.draft(checked)
        return checked

    def _vouch(self, device: str, epoch: int, approval: bytes) -> bytes:
        shown = epochs.shown(approval, device, epoch, self.keys)
        return b"" if shown is None else shown.public_key

    def apply(self, connection: Connection, checked: Message | Refusal, now: int) -> Reply | Asked:
        """(content type, payload) of the reply, or what to ask the acquirer first; the writes are in the caller's transaction."""
        if isinstance(checked, Refusal):
            return _refused(checked)
        try:
            if isinstance(checked, Hello):
                return s.TYPE_WELCOME, hello(connection, checked, now, self.shelf, self.keys)
            if isinstance(checked, Batch):
                return s.TYPE_ACK, batch(connection, checked, now)
            if isinstance(checked, Authorise):
                begun = online.begin(connection, checked, now)
                return Asked(checked, begun) if isinstance(begun, Request) else (s.TYPE_AUTHORISED, begun)
            return s.TYPE_RECON, close(connection, checked, now)
        except codes.RefusedError as error:
            return _refuse(connection, checked, error, now)

    def apply_all(
        self, connection: Connection, group: list[Message | Refusal], now: int, also: Collection[str] = ()
    ) -> list[Reply | Asked]:
        """As `apply`, for messages that share a transaction; the replies in their order.

        Batches wait for each other until a second message of the same device comes, so that each device's messages are
        applied in the order in which they stand. `also`: devices that the rest of the caller's transaction is about.
        """
        if len(group) == 1 and not also:
            return [self.apply(connection, group[0], now)]
        names = [message.device.device for message in group if not isinstance(message, Refusal)]
        if also or not all(isinstance(message, Batch) for message in group) or len(names) != len(set(names)):
            devices.heads(connection, {*names, *also})  # locked in one order before anything else is done
        replies: dict[int, Reply | Asked] = {}
        together: dict[str, tuple[int, Batch]] = {}
        for index, checked in enumerate(group):
            name = checked.device if isinstance(checked, Refusal) else checked.device.device
            if name in together:
                replies.update(self._together(connection, together, now))
                together = {}
            if isinstance(checked, Batch):
                together[name] = (index, checked)
            else:
                replies[index] = self.apply(connection, checked, now)
        replies.update(self._together(connection, together, now))
        return [replies[index] for index in range(len(group))]

    def _together(
        self, connection: Connection, group: dict[str, tuple[int, Batch]], now: int
    ) -> dict[int, Reply | Asked]:
        """Batches of different devices, by place: their replies."""
        if not group:
            return {}
        found = batches(connection, [message for _, message in group.values()], now)
        replies: dict[int, Reply | Asked] = {}
        for (index, message), payload in zip(group.values(), found, strict=True):
            if isinstance(payload, codes.RefusedError):
                replies[index] = _refuse(connection, message, payload, now)
            else:
                replies[index] = s.TYPE_ACK, payload
        return replies

    def answered(self, connection: Connection, asked: Asked, answer: Answer | None, unsent: bool, now: int) -> Reply:
        """The reply to AUTHORISE once the acquirer has answered, or has not; in a transaction of its own."""
        return s.TYPE_AUTHORISED, online.finish(connection, asked.message, answer, unsent, now)

    def seal(self, reply: Reply) -> bytes:
        """The signed reply. To be called after the commit."""
        payload = reply[1]
        if s.CLEARED in payload:
            receipt = {key: payload[key] for key in (s.DEVICE, s.EPOCH, s.SERVER_UTC, s.CLEARED)}
            payload[s.CLEARED] = envelope.seal(self.keys.private("ack"), s.TYPE_CLEARED, "ack", receipt)
        if s.COMMANDS in payload:
            payload[s.COMMANDS] = [epochs.seal(self.keys, command) for command in payload[s.COMMANDS]]
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


def _refuse(connection: Connection, message: Message, error: codes.RefusedError, now: int) -> Reply:
    """Note a refusal in the audit log, the same one once an hour, unless it is there; its reply."""
    name = message.device.device
    if not error.noted:
        audit.seldom(connection, name, t.LEVEL_WARNING, error.code, error.message, now)
    return _refused(Refusal(error.code, error.message, message.nonce, name))


def _refused(refusal: Refusal) -> tuple[str, dict[int, Any]]:
    said = {s.NONCE: refusal.nonce, s.DEVICE: refusal.device, s.CODE: refusal.code, s.MESSAGE: refusal.message}
    return s.TYPE_REFUSED, said
