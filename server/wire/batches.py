"""A checked BATCH: its restored records, and what a writer needs to know of them without looking at each.

Between processes a batch goes packed, without the records' fields: they are read from the records' own bytes if they are asked for.
A batch that continues its chain and refers to nothing outside it, as most do, has a `draft` (`server.ingest.drafts`), and its records
are looked at no more.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, NamedTuple

from protocol import records as r
from server.store.devices import Device
from server.wire import strict

Row = dict[str, Any]
RawRow = tuple[int, int, bytes, bytes, bytes | None, str | None]  # seq, kind, hash, record, signature, rejected


Beside = tuple[str | None, bytes | None, bytes | None]  # notice, sealed, private of an Entry
NOTHING: Beside = (None, None, None)
TELLING = frozenset(
    (
        r.NOTICE, r.PAYMENT_INTENT, r.PAYMENT_OUTCOME, r.AUTHORISATION_RESULT, r.CASE_CLOSED, r.CARD_DATA_ERASED, r.VOID, r.GAP,
    )
)  # fmt: skip
"""Kinds of records that bring more than themselves (`server.ingest.work`)."""


class Entry(NamedTuple):
    """One restored record of a batch."""

    seq: int
    record: dict[int, Any]
    data: bytes  # its deterministic CBOR
    hash: bytes
    signature: bytes | None
    rejected: str | None  # code of what is wrong with the record by itself: it is kept, not posted
    notice: str | None  # code of what is wrong beside it: it is posted
    sealed: bytes | None
    private: bytes | None

    def raw(self, code: str | None) -> RawRow:
        """What `raw` keeps of it beside its key; `code` says why it is not posted."""
        return (self.seq, self.record[r.KIND], self.hash, self.data, self.signature, code)


class Draft(NamedTuple):
    """What a batch writes if its chain is continued by it, without the columns that tell when (`server.ingest.drafts`)."""

    rows: dict[str, list[Row]]
    closures: list[Row]  # cases of earlier batches that are over
    cases: tuple[int, int] | None  # the lowest and the highest case number begun; none may be on record
    unasked: list[int]  # intents that must not have been put to their issuer
    paid: list[tuple[int, int]]  # (intent, case) of the payments posted, in order
    unlike: list[
        tuple[int, int, int, int]
    ]  # (epoch, intent, case, amount) of those not of the amount of a notice beside them


class Span(NamedTuple):
    """The ends of a batch."""

    first_counter: int
    first_utc: int
    steady: bool  # whether counters go up and times do not go back between its records
    seq: int  # of the last record, as all that follow
    hash: bytes
    cum_count: int
    cum_total: int
    counter: int
    utc: int


def span(entries: Sequence[Entry]) -> Span:
    """The ends of these records."""
    first, last = entries[0].record, entries[-1]
    counter, utc, steady = first[r.COUNTER], first[r.UTC], True
    for entry in entries[1:]:
        record = entry.record
        if record[r.COUNTER] <= counter or record[r.UTC] < utc:
            steady = False
            break
        counter, utc = record[r.COUNTER], record[r.UTC]
    end = last.record
    return Span(
        first[r.COUNTER], first[r.UTC], steady,
        last.seq, last.hash, end[r.CUM_COUNT], end[r.CUM_TOTAL], end[r.COUNTER], end[r.UTC],
    )  # fmt: skip


@dataclass
class Batch:
    """BATCH; `cum_count` and `cum_total` are the running totals *before* its first record."""

    device: Device
    nonce: bytes
    epoch: int
    first_seq: int
    prev_hash: bytes
    cum_count: int
    cum_total: int
    raw: list[RawRow]  # with what is wrong with a record by itself
    beside: dict[int, Beside]  # by sequence, where there is anything
    ends: Span
    gap: int = 0  # records from this one to `first_seq` - 1 are lost; 0: none
    records: dict[int, dict[int, Any]] = field(default_factory=dict)  # those that were needed before, by sequence
    draft: Draft | None = None
    form: int = 1  # in which its terminal takes the reply
    branch: int = 0  # SHOWN or ASKED by a terminal that knows our chain to be another one (`protocol.sync.BRANCH`)

    @cached_property
    def entries(self) -> tuple[Entry, ...]:
        """Its records."""
        return tuple(map(self.entry, self.raw))

    def entry(self, row: RawRow) -> Entry:
        """One of its records."""
        seq, _, digest, data, signature, code = row
        record = self.records.get(seq) or strict.decode(data)
        notice, sealed, private = self.beside.get(seq, NOTHING)
        return Entry(seq, record, data, digest, signature, code, notice, sealed, private)

    @property
    def notices(self) -> list[list[Any]]:
        """[[sequence, code] …] of what is wrong beside records."""
        return [[seq, notice] for seq, (notice, _, _) in self.beside.items() if notice]

    def __getstate__(self) -> tuple[Any, ...]:
        """For another process."""
        return (
            self.device, self.nonce, self.epoch, self.first_seq, self.prev_hash, self.cum_count, self.cum_total, self.raw,
            self.beside, tuple(self.ends), self.gap, self.draft and tuple(self.draft), self.form, self.branch,
        )  # fmt: skip

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        """From another process."""
        (
            self.device, self.nonce, self.epoch, self.first_seq, self.prev_hash, self.cum_count, self.cum_total, self.raw,
            self.beside, ends, self.gap, draft, self.form, self.branch,
        ) = state  # fmt: skip
        self.ends = Span(*ends)
        self.draft = None if draft is None else Draft(*draft)
        self.records = {}
