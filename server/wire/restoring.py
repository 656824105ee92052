"""Records of a batch restored in a row, and their CBOR put together from what was received instead of being encoded anew.

`protocol.wire.restore` adds the keys below 20 that the wire leaves out. The body, from key 20 on, stands in a wire map of release 0.1.0 as
it stands in the record, because both are deterministic and sorted; that of a record told by `protocol.batch` is put together key by key.
So a record's CBOR is: head of the map, common keys, the body's bytes. A record whose common keys follow from the one before, as most
do, takes the short way; any other goes through `wire.restore` and, if it is in any way unusual, is encoded as a whole. A test compares
both ways with `wire.restore` and `protocol.cbor.encode`.
"""

from functools import lru_cache
from typing import Any

from protocol import records as r
from protocol import wire
from server.wire import envelope, schema, strict

BODY = schema.BODY
_COMMON = 13  # keys that a restored record has before them: 1 to 13
_U64 = 1 << 64
_uint, _SMALL, _SHORT = strict.uint, strict.SMALL, strict.SHORT
_NUMBERS = (r.V, r.EPOCH, r.SEQ, r.COUNTER, r.CUM_COUNT, r.CUM_TOTAL, r.UTC, r.CLOCK, r.KIND, r.OFFICER)
_APPROVING = (r.PAYMENT_OUTCOME, r.AUTHORISATION_RESULT)
_MAP = [bytes((0xA0 | size,)) if size < 24 else bytes((0xB8, size)) for size in range(64)]


@lru_cache(maxsize=4096)
def _begin(version: int, device: str, epoch: int) -> bytes:
    return b"\x01" + strict.uint(version) + b"\x02" + strict.text(device) + b"\x03" + strict.uint(epoch) + b"\x04"


@lru_cache(maxsize=4096)
def _end(officer: int, unit: str) -> bytes:
    return b"\x0c" + strict.uint(officer) + b"\x0d" + strict.text(unit)


Body = tuple[int, bytes]
"""How many body keys a record has, and their CBOR."""


def sliced(payload: bytes, mark: strict.Mark) -> Body:
    """The body that stands in a message as it stands in the record."""
    return mark[2], payload[mark[0] : mark[1]]


def gathered(item: dict[int, Any]) -> Body | None:
    """The body of a record that was told; None if it holds what no body does."""
    try:
        keys = sorted([key for key in item if key >= BODY])
        encode, uint = strict.encode, strict.uint
        return len(keys), b"".join([uint(key) + encode(item[key]) for key in keys])
    except (TypeError, OverflowError, UnicodeEncodeError):
        return None


def encode(record: dict[int, Any], body: Body | None) -> bytes:
    """The deterministic CBOR of a restored record, whose body is `body`."""
    size = len(record)
    if body is None or size >= len(_MAP) or size != _COMMON + body[0] or not _usual(record):
        return envelope.canonical(record)
    uint = strict.uint
    return b"".join(
        (
            _MAP[size],
            _begin(record[r.V], record[r.DEVICE], record[r.EPOCH]),
            uint(record[r.SEQ]),
            b"\x05\x58\x20",
            record[r.PREV],
            b"\x06",
            uint(record[r.COUNTER]),
            b"\x07",
            uint(record[r.CUM_COUNT]),
            b"\x08",
            uint(record[r.CUM_TOTAL]),
            b"\x09",
            uint(record[r.UTC]),
            b"\x0a",
            uint(record[r.CLOCK]),
            b"\x0b",
            uint(record[r.KIND]),
            _end(record[r.OFFICER], record[r.UNIT]),
            body[1],
        )
    )


def _usual(record: dict[int, Any]) -> bool:
    """Whether the common keys are all there and of their own types."""
    for key in _NUMBERS:
        value = record.get(key)
        if type(value) is not int or not 0 <= value < _U64:
            return False
    unit = record.get(r.UNIT)
    return type(unit) is str and len(unit) <= 32 and len(record[r.PREV]) == 32


class Restorer:
    """The records of one batch, from its first to its last. `head` is the batch's, as `protocol.wire.restore` wants it.

    For each record: `listed` or `told`, then `follow` or, where that gives nothing, `restore`, then `advance`.
    """

    def __init__(self, head: dict[int, Any], payload: bytes, marks: list[strict.Mark] | None) -> None:
        self._device, self._epoch = head[r.DEVICE], head[r.EPOCH]
        self._payload = payload
        self._marks = marks
        self.seq, self._prev = head[r.SEQ], head[r.PREV]  # of the record in hand
        self.cum_count, self.cum_total = head[r.CUM_COUNT], head[r.CUM_TOTAL]  # up to the record in hand, it included
        self.counter = self.utc = 0  # of the record restored last
        self.steady = True  # whether counters went up and times did not go back so far
        self.sound = False  # whether the record restored last has `schema.sound` common keys
        self._version = self._clock = self._officer = 0
        self._unit = ""
        self._begun = False  # whether there is a record before
        self._usual = False  # whether the record before is
        self._fixed = (b"", b"", b"")  # what a usual record and those that follow it have in common, as CBOR
        self._totals = b""  # the running totals as CBOR, with their keys
        self._body: Body | None = None  # of the record in hand
        self._item: dict[int, Any] = {}  # the record in hand

    def listed(self, index: int) -> None:
        """The record in hand is wire map `index` of the message, its body the bytes that stand there."""
        if self._marks is None:
            self._body = None
        else:
            self._body = sliced(self._payload, self._marks[index])

    def told(self, item: dict[int, Any]) -> None:
        """The record in hand was told: `item` is all of it."""
        self._body = gathered(item)

    def follow(self, item: dict[int, Any]) -> bytes | None:
        """The CBOR of the record of the record in hand, the short way, checked as `schema.restorable` does.

        None, with nothing done, where its common keys do not simply follow from a usual record before it.
        """
        body = self._body
        if body is None or not self._usual:
            return None
        kind, step = item.get(r.KIND), item.get(r.UTC)
        many = body[0]
        if type(kind) is not int or not 0 < kind < 256 or many > 40:
            return None
        utc = self.utc
        if step is None:
            if len(item) - many != 1:
                return None
        elif type(step) is int and len(item) - many == 2 and -schema.FAR < step < schema.FAR and utc + step >= 0:
            utc += step
            self.steady &= step >= 0
        else:
            return None
        if kind in _APPROVING and not self._add_up(item):
            return None
        self.utc, self._item = utc, item
        self.counter = counter = self.counter + 1
        seq = self.seq
        if seq > schema.U32 or counter > schema.U32 or utc > schema.MAX_UTC:
            self.sound = False
        begin, clock, end = self._fixed
        return b"".join((
            _MAP[_COMMON + many], begin, _SMALL[seq] if seq < _SHORT else _uint(seq), b"\x05\x58\x20", self._prev, b"\x06",
            _SMALL[counter] if counter < _SHORT else _uint(counter), self._totals, b"\x09",
            _uint(utc), clock, _SMALL[kind], end, body[1],
        ))  # fmt: skip

    def _add_up(self, item: dict[int, Any]) -> bool:
        """Take an outcome into the running totals; False, with nothing done, if it is not usual."""
        outcome, amount = item.get(r.OUTCOME), item.get(r.AMOUNT)
        if type(outcome) is not int or type(amount) is not int:
            return False
        if not 1 <= outcome <= r.OUTCOME_INTERRUPTED or not 0 <= amount <= schema.MAX_AMOUNT:
            return False
        if outcome == r.OUTCOME_APPROVED:
            self._set_totals(self.cum_count + 1, self.cum_total + amount)
        return True

    def _set_totals(self, count: int, total: int) -> None:
        self.cum_count, self.cum_total = count, total
        self._totals = b"\x07" + strict.uint(count) + b"\x08" + strict.uint(total)
        if count > schema.U32 or total > schema.MAX_TOTAL:
            self.sound = False

    def record(self) -> dict[int, Any]:
        """The whole record that was followed to last."""
        return {
            **self._item, r.V: self._version, r.DEVICE: self._device, r.EPOCH: self._epoch, r.SEQ: self.seq, r.PREV: self._prev,
            r.COUNTER: self.counter, r.CUM_COUNT: self.cum_count, r.CUM_TOTAL: self.cum_total, r.UTC: self.utc, r.CLOCK: self._clock,
            r.OFFICER: self._officer, r.UNIT: self._unit,
        }  # fmt: skip

    def restore(self, item: dict[int, Any]) -> tuple[dict[int, Any], bytes]:
        """(record, its CBOR) of the record in hand, whatever it is, if only `schema.restorable`. FormatError as `protocol.wire.restore`."""
        data = self.follow(item)
        if data is not None:
            return self.record(), data
        head = {
            r.DEVICE: self._device, r.EPOCH: self._epoch, r.SEQ: self.seq, r.PREV: self._prev, r.CUM_COUNT: self.cum_count,
            r.CUM_TOTAL: self.cum_total,
        }  # fmt: skip
        before = None
        if self._begun:
            before = {
                r.V: self._version, r.CLOCK: self._clock, r.OFFICER: self._officer, r.UNIT: self._unit, r.COUNTER: self.counter,
                r.UTC: self.utc,
            }  # fmt: skip
        record = wire.restore(item, before, head)
        self._begin_with(record)
        self._item = item
        return record, encode(record, self._body)

    def _begin_with(self, record: dict[int, Any]) -> None:
        """Go on from a record that did not follow."""
        if self._begun and (record[r.COUNTER] <= self.counter or record[r.UTC] < self.utc):
            self.steady = False
        self._begun = True
        self._version, self._clock = record[r.V], record[r.CLOCK]
        self._officer, self._unit = record[r.OFFICER], record[r.UNIT]
        self.counter, self.utc = record[r.COUNTER], record[r.UTC]
        self.cum_count, self.cum_total = record[r.CUM_COUNT], record[r.CUM_TOTAL]
        self.sound = schema.sound(record)
        self._usual = self.sound or _usual(record)
        if self._usual:
            self._set_totals(self.cum_count, self.cum_total)
            begin = _begin(record[r.V], record[r.DEVICE], record[r.EPOCH])
            clock = b"\x0a" + strict.uint(record[r.CLOCK]) + b"\x0b"
            self._fixed = begin, clock, _end(record[r.OFFICER], record[r.UNIT])

    def advance(self, digest: bytes) -> None:
        """Go on after a record of this hash."""
        self.seq += 1
        self._prev = digest
