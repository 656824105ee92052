"""Drafts: what a batch will write, made where it is checked, without a database.

Most batches hold whole fines: what they refer to came with them. Such a batch goes through `server.ingest.work` before the writer sees
it, against a history in which nothing is on record; what that rests on is noted in the draft (case numbers, payments not put to their
issuer), and the writer uses the draft only where it holds (`server.ingest.batch`). As soon as the work asks for anything else of the
database there is no draft, and the writer judges the records itself: both ways run the same code on the same records.
"""

from typing import Any, NoReturn, cast

from sqlalchemy import Connection

from protocol import records as r
from server.ingest.history import History, Key
from server.ingest.work import Work
from server.wire.batches import TELLING, Batch, Draft, Row

_ELSEWHERE = frozenset(
    (r.AUTHORISATION_RESULT, r.CARD_DATA_ERASED, r.VOID, r.GAP)
)  # kinds that are about what is on record


class _NeededError(Exception):
    """The database is needed."""


class _NoDatabase:
    """A connection that nobody may use."""

    def __getattr__(self, name: str) -> NoReturn:
        raise _NeededError


class _Blank:
    """A history in which nothing is on record, and what was looked up in it."""

    def __init__(self) -> None:
        self.unasked: list[int] = []

    def payment(self, device: str, intent: int) -> Row | None:
        raise _NeededError

    def payments(self, device: str, intents: Any) -> dict[int, Row]:
        raise _NeededError

    def asked(self, key: Key) -> Any:
        self.unasked.append(key[2])
        return None

    def has_case(self, key: Key) -> bool:
        return False


class _Drafting(Work):
    """Work without a database."""

    def never_asked(self, payment: Row) -> None:
        raise _NeededError


def draft(batch: Batch) -> Draft | None:
    """What the batch writes if it continues its chain; None if that takes the database."""
    blank = _Blank()
    work = _Drafting(cast(Connection, _NoDatabase()), batch.device, batch.epoch, cast(History, blank), 0, 0)
    try:
        for row in batch.raw:
            if row[1] in TELLING or row[0] in batch.beside:
                if row[1] in _ELSEWHERE or work.enter(batch.entry(row)) != row[5]:
                    return None
    except _NeededError:
        return None
    cases = (min(work.cases), max(work.cases)) if work.cases else None
    return Draft(work.insert, work.closures, cases, blank.unasked, work.paid, work.unlike)
