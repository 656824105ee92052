"""What the records of several batches refer to, loaded before any of them is judged: one statement per table and batch, not one per record.

A batch that brings a payment's intent and outcome together needs nothing of it: an intent is looked up only if its record is not
among the new ones. Synchronous functions on a connection; reads only.
"""

from collections.abc import Iterable
from itertools import groupby
from operator import itemgetter
from typing import Any

from sqlalchemy import Connection, bindparam, func, select

from protocol import records as r
from server.store import tables as t
from server.wire import schema
from server.wire.batches import Entry, Row

Key = tuple[str, int, int]  # device, epoch, intent or case number
Wanted = tuple[str, int, list[Entry]]  # device, epoch, new records

_CHUNK = 2000  # keys in a statement; SQLite takes 32,766 values


def _by_key(table: Any, number: Any, *columns: Any) -> Any:
    """By the number, of one device and epoch: keys of three parts in a list are no use of an index to SQLite, it reads the whole table."""
    c = table.c
    numbers = number.in_(bindparam("numbers", expanding=True))
    return select(*columns).where(c.device == bindparam("device"), c.epoch == bindparam("epoch"), numbers)


_PAYMENTS = _by_key(t.payments, t.payments.c.intent, t.payments)
_ASKED = _by_key(t.authorisations, t.authorisations.c.intent, t.authorisations)
_CASES = _by_key(t.cases, t.cases.c.case_no, t.cases.c.device, t.cases.c.epoch, t.cases.c.case_no)
_EPOCH = select(func.min(t.payments.c.epoch)).where(
    t.payments.c.device == bindparam("device"), t.payments.c.epoch > bindparam("after")
)
"""Statements made once: making one costs more than running it."""


def _rows(connection: Connection, statement: Any, keys: Iterable[Key]) -> list[Any]:
    found = []
    for (device, epoch), group in groupby(sorted(keys), key=itemgetter(0, 1)):
        wanted = [number for _, _, number in group]
        for first in range(0, len(wanted), _CHUNK):
            values = {"device": device, "epoch": epoch, "numbers": wanted[first : first + _CHUNK]}
            found += connection.execute(statement, values).all()
    return found


class History:
    """Payments, questions put to issuers and cases, as far as they are on record."""

    def __init__(self, connection: Connection, batches: list[Wanted], unasked: Iterable[Key] = ()) -> None:
        """What `batches` refer to, and whether the payments `unasked` were put to their issuer all the same.

        A record that is wrong by itself refers to nothing: its numbers may be anything.
        """
        self._connection = connection
        self._begun: dict[str, list[int]] = {}  # epochs by device
        intents: set[Key] = set()
        asked: set[Key] = set(unasked)
        cases: set[Key] = set()
        for device, epoch, entries in batches:
            sound = [entry for entry in entries if entry.rejected is None]
            here = {entry.seq for entry in sound if entry.record[r.KIND] == r.PAYMENT_INTENT}
            for entry in sound:
                record = entry.record
                if record[r.KIND] == r.NOTICE:
                    _note(cases, device, epoch, record.get(r.CASE))
                intent = record.get(r.INTENT)
                if intent is None:
                    continue
                if intent not in here:
                    _note(intents, device, epoch, intent)
                _note(asked, device, epoch, intent)
        self._cases = {(row.device, row.epoch, row.case_no) for row in _rows(connection, _CASES, cases)}
        self._asked = {(row.device, row.epoch, row.intent): row for row in _rows(connection, _ASKED, asked)}
        self._payments = self._load_payments(intents)

    def _load_payments(self, keys: set[Key]) -> dict[tuple[str, int], Row]:
        """By device and intent; one that is not of the present epoch may be of an earlier one."""
        found = {(row.device, row.intent): dict(row._mapping) for row in _rows(self._connection, _PAYMENTS, keys)}
        older: dict[str, set[int]] = {}
        for device, _, intent in keys:
            if (device, intent) not in found:
                older.setdefault(device, set()).add(intent)
        for device, intents in sorted(older.items()):
            found.update({(device, intent): row for intent, row in self.payments(device, intents).items()})
        return found

    def payments(self, device: str, intents: Iterable[Any]) -> dict[int, Row]:
        """Rows of `payments` by intent, of whatever epoch, the latest where there are several."""
        wanted = sorted(intent for intent in intents if type(intent) is int and 0 < intent <= schema.U32)
        if not wanted:
            return {}
        keys = [(device, epoch, intent) for epoch in self._epochs(device) for intent in wanted]
        found = sorted(_rows(self._connection, _PAYMENTS, keys), key=lambda row: row.epoch)
        return {row.intent: dict(row._mapping) for row in found}

    def _epochs(self, device: str) -> list[int]:
        """Those in which the device has begun payments: each was approved by two officers, so they are few."""
        if device not in self._begun:
            found: list[int] = []
            after: int | None = -1
            while after is not None:
                after = self._connection.execute(_EPOCH, {"device": device, "after": after}).scalar()
                found += [] if after is None else [after]
            self._begun[device] = found
        return self._begun[device]

    def payment(self, device: str, intent: int) -> Row | None:
        """The row of a payment that was on record before these batches."""
        return self._payments.get((device, intent))

    def forget_results(self, device: str, epoch: int, first: int, last: int) -> None:
        """The terminal has lost the records `first` to `last`, and results that it wrote down there: it may write them again at once."""
        for (name, _), row in self._payments.items():
            if name == device and row["epoch"] == epoch and first <= (row["result_seq"] or 0) <= last:
                row["result_seq"] = None

    def asked(self, key: Key) -> Any:
        """The row of a payment's authorisation while the card waited, None if there was none."""
        return self._asked.get(key)

    def has_case(self, key: Key) -> bool:
        """Whether the case is on record."""
        return key in self._cases


def _note(keys: set[Key], device: str, epoch: int, number: Any) -> None:
    """A number out of range is of a record that is not posted."""
    if type(number) is int and 0 < number <= schema.U32:
        keys.add((device, epoch, number))
