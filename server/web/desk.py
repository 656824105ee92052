"""The desk: takes checked messages, has them written together, puts waiting cards to the acquirer, gives replies to be sealed.

There is one for a database's writer. `server.web.sync` stands before it, in the same process or (`server.web.fronts`) in others.
"""

import contextlib
import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Engine
from sqlalchemy.exc import SQLAlchemyError

from server import codes
from server.acquirer.iso import Answer
from server.acquirer.link import AcquirerLink
from server.acquirer.online import WAITING
from server.acquirer.worker import Worker
from server.ingest.dispatch import Asked, Reply, Service
from server.store import audit
from server.store.engine import is_trouble
from server.web import keeping
from server.web.auditing import Auditor
from server.web.writer import Writer
from server.wire.batches import Batch
from server.wire.messages import Refusal

_log = logging.getLogger("tasdid.server")


def named(checked: Any) -> str:
    """The device that a checked message is of."""
    return checked.device if isinstance(checked, Refusal) else checked.device.device


@dataclass
class Desk:
    """What it works with. `link` gives a link of its own for each payment whose card waits: at most `most` at once, one of a terminal."""

    engine: Engine
    service: Service
    writer: Writer
    worker: Worker | None
    clock: Callable[[], int]
    link: Callable[[], AcquirerLink] | None = None
    most: int = WAITING
    auditor: Auditor | None = None
    _waiting: set[str] = field(default_factory=set)  # terminals

    async def answer(self, checked: Any) -> Reply:
        """The reply to a checked message, after its commit. RefusedError BUSY, NOT_WRITTEN or UNEXPECTED: to be told later."""
        try:
            reply = await self.writer.say(checked)
            if isinstance(reply, Asked):
                reply = await self.ask(reply)
        except codes.RefusedError:
            raise
        except Exception as error:
            raise codes.RefusedError(self.not_written(error, named(checked)), "the server did not take it") from error
        if isinstance(checked, Batch):
            self.nudge()
        return reply

    def not_written(self, error: Exception, device: str) -> str:
        """Log why a message of `device` was not written; the code that is told instead of an answer. In any thread.

        What is no fault of the database is one of this program: the audit log has it too, once until something else went wrong. A database that
        is locked or lost is the writer's to tell, once for all messages.
        """
        if isinstance(error, codes.RefusedError):
            return error.code
        if is_trouble(error):
            return codes.NOT_WRITTEN
        if isinstance(error, SQLAlchemyError):
            _log.error("%s a message was not written: %s", codes.NOT_WRITTEN, type(error).__name__)
            return codes.NOT_WRITTEN
        _log.error("%s a message was not judged: %s\n%s", codes.UNEXPECTED, *keeping.told(error))
        what, now = f"a message cannot be judged: {type(error).__name__}", self.clock()
        with contextlib.suppress(codes.RefusedError):  # too much waits: it will come up again
            self.writer.submit(
                lambda connection: audit.alarm_once(connection, device, codes.UNEXPECTED, what, now), device
            )
        return codes.UNEXPECTED

    def nudge(self) -> None:
        """There may be something new for the acquirer."""
        if self.worker is not None:
            self.worker.nudge()

    async def counts(self) -> dict[str, int]:
        """Whether the writer reaches the database and the outbox is worked on ("ok"), and what the writer has done so far."""
        ok = self.writer.is_well() and (self.worker is None or self.worker.is_well())
        return {"ok": ok, "commits": self.writer.commits, "operations": self.writer.operations}

    async def audited(self, now: bool) -> dict[str, Any]:
        """What the last recomputation of the whole ledger has found (`Auditor.said`); `now`: another one is wanted. Else also what the ledger
        comes to, as "summed" (`Auditor.summed`).
        """
        assert self.auditor is not None
        return self.auditor.said(True) if now else {**self.auditor.said(), "summed": await self.auditor.summed()}

    async def ask(self, asked: Asked) -> Reply:
        """Put a payment to its issuer while the card waits, between two transactions.

        Nobody is asked, and the payment's row says so from then on, if too many cards wait already, or another one of this terminal: it has
        one reader, and has given that payment up.
        """
        device = asked.message.device.device
        if self.link is None or device in self._waiting or len(self._waiting) >= self.most:
            return await self._answered(asked, None, unsent=True)
        self._waiting.add(device)
        link = self.link()
        answer, unsent = None, False
        try:
            answer = await link.exchange(asked.request, self.clock())
        except codes.AcquirerError as error:
            unsent = error.unsent
            _log.warning("a waiting card gets no answer: %s", error)
        finally:
            self._waiting.discard(device)
            await link.close()
        return await self._answered(asked, answer, unsent)

    async def _answered(self, asked: Asked, answer: Answer | None, unsent: bool) -> Reply:
        reply: Reply = await self.writer.write(
            lambda c: self.service.answered(c, asked, answer, unsent, self.clock()), asked.message.device.device
        )
        self.nudge()
        return reply
