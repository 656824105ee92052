"""Writing what batches bring, gathered by `server.ingest.work` or drafted by `server.ingest.drafts`: one statement a table for all of
them together. The caller owns the transaction.
"""

from dataclasses import dataclass, field

from sqlalchemy import Connection, bindparam, update

from server.ingest.work import Work
from server.store import rows
from server.store import tables as t
from server.wire.batches import Batch, Draft, RawRow, Row

_CHANGES = ("outcome", "outcome_seq", "utc", "scheme", "last4", "result_seq", "script_results", "sealed")
_PAYMENT_CHANGED = (
    update(t.payments)
    .where(
        t.payments.c.device == bindparam("b_device"),
        t.payments.c.epoch == bindparam("b_epoch"),
        t.payments.c.intent == bindparam("b_intent"),
    )
    .values({name: bindparam(name) for name in _CHANGES})
)
_CASE_CLOSED = (
    update(t.cases)
    .where(
        t.cases.c.device == bindparam("b_device"),
        t.cases.c.epoch == bindparam("b_epoch"),
        t.cases.c.case_no == bindparam("b_case"),
    )
    .values(closure=bindparam("closure"))
)
"""Statements made once: making one costs more than running it."""


@dataclass
class Sheaf:
    """Rows of one transaction."""

    now: int
    inserts: dict[str, list[Row]] = field(default_factory=lambda: {"raw": []})
    changed: list[Row] = field(default_factory=list)  # payments
    closures: list[Row] = field(default_factory=list)  # cases
    works: list[Work] = field(default_factory=list)

    def add_work(self, message: Batch, work: Work) -> None:
        """What a batch brings after it was judged record by record."""
        self._raw(message, work.raw)
        self._insert(work.insert)
        self.changed += [
            {
                "b_device": row["device"],
                "b_epoch": row["epoch"],
                "b_intent": row["intent"],
                **{name: row[name] for name in _CHANGES},
            }
            for row in work.changed
        ]
        self.closures += work.closures
        self.works.append(work)

    def add_draft(self, message: Batch, draft: Draft) -> None:
        """What a batch brings by its draft."""
        now = self.now
        self._raw(message, message.raw)
        for row in draft.rows.get("postings", ()):
            row["at"] = now
        for row in draft.rows.get("outbox", ()):
            row["next_at"] = row["created"] = now
        self._insert(draft.rows)
        self.closures += draft.closures

    def _raw(self, message: Batch, found: list[RawRow]) -> None:
        device, epoch, now = message.device.device, message.epoch, self.now
        self.inserts["raw"] += [
            {
                "device": device, "epoch": epoch, "seq": seq, "hash": digest, "kind": kind, "record": data,
                "signature": signature, "rejected": code, "received": now,
            }
            for seq, kind, digest, data, signature, code in found
        ]  # fmt: skip

    def _insert(self, gathered: dict[str, list[Row]]) -> None:
        for table, found in gathered.items():
            self.inserts.setdefault(table, []).extend(found)

    def write(self, connection: Connection) -> None:
        """Write it all."""
        rows.write(connection, self.inserts)
        if self.changed:
            connection.execute(_PAYMENT_CHANGED, self.changed)
        if self.closures:
            connection.execute(_CASE_CLOSED, self.closures)
        for work in self.works:
            work.reverse()
