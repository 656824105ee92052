"""Records of a batch restored in a row, and their CBOR put together from what was received instead of being encoded anew.

`protocol.wire.restore` adds the keys below 20 that the wire leaves out; the body, from key 20 on, stands in the message as it stands
in the record, because both are deterministic and sorted, unless `protocol.wire.expand` adds to it: then it is put together key by key.
So a record's CBOR is: head of the map, common keys, the body's bytes. A record whose common keys follow from the one before, as most
do, takes the short way; any other goes through `wire.restore` and, if it is in any way unusual, is encoded as a whole. A test compares
both ways with `wire.restore` and `protocol.cbor.encode`.
"""

from functools import lru_cache
from typing import Any

from protocol import records as r
from protocol import wire
from server import envelope, schema, strict

BODY = 20  # body keys begin here, see `protocol.records`
_COMMON = 13  # keys that a restored record has before them: 1 to 13
_U64 = 1 << 64
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
    """The body of an expanded wire map; None if it holds what no body does."""
    try:
        keys = sorted(key for key in item if key >= BODY)
        return len(keys), b"".join([strict.uint(key) + strict.encode(item[key]) for key in keys])
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
    """The records of one batch, from its first to its last. `head` is the batch's, as `protocol.wire.restore` wants it."""

    def __init__(self, head: dict[int, Any], payload: bytes, marks: list[strict.Mark] | None) -> None:
        self._head = head
        self._payload = payload
        self._marks = marks
        self._previous: dict[int, Any] | None = None
        self._usual = False  # whether the previous record is
        self._fixed = (b"", b"", b"")  # what a usual record and those that follow it have in common, as CBOR
        self.sound = False  # whether the record restored last has `schema.sound` common keys
        self._body: Body | None = None  # of the record in hand
        self._carried: dict[int, Any] = {}  # what the records before may have left unsaid
        self._said: list[dict[int, Any]] = []  # those that are not yet in there: most batches never need it

    def whole_body(self, index: int, item: dict[int, Any], digests: dict[int, bytes]) -> dict[int, Any]:
        """Wire map `index` with what earlier records of the batch and the blobs beside it say. FormatError as `protocol.wire.expand`."""
        self._body = sliced(self._payload, self._marks[index]) if self._marks else None
        left = wire.CARRIED in item
        if left:
            for record in self._said:
                wire.remember(self._carried, record)
            self._said = []
        if not left and (not digests or all(key in item for key in digests)):
            return item
        expanded = wire.expand(item, self._carried, digests, self._head[r.DEVICE])
        self._body = gathered(expanded)
        return expanded

    def follow(self, item: dict[int, Any]) -> tuple[dict[int, Any], bytes] | None:
        """(record, its CBOR) of what `whole_body` gave, the short way, checked as `schema.restorable` does.

        None, with nothing done, where its common keys do not simply follow from a usual record before it.
        """
        body, before = self._body, self._previous
        if body is None or before is None or not self._usual:
            return None
        kind, step = item.get(r.KIND), item.get(r.UTC)
        many, bytes_ = body
        if type(kind) is not int or not 0 < kind < 256 or many > 40:
            return None
        utc = before[r.UTC]
        if step is not None:
            if type(step) is not int or not -schema.FAR < step < schema.FAR or utc + step < 0:
                return None
            utc += step
        if len(item) - many != (1 if step is None else 2):
            return None
        head = self._head
        count, total = head[r.CUM_COUNT], head[r.CUM_TOTAL]
        if kind in _APPROVING:
            outcome, amount = item.get(r.OUTCOME), item.get(r.AMOUNT)
            if type(outcome) is not int or type(amount) is not int or not 0 <= amount <= schema.MAX_AMOUNT:
                return None
            if not 1 <= outcome <= r.OUTCOME_INTERRUPTED:
                return None
            if outcome == r.OUTCOME_APPROVED:
                count, total = count + 1, total + amount
        seq, previous, counter = head[r.SEQ], head[r.PREV], before[r.COUNTER] + 1
        record = {
            **item, r.V: before[r.V], r.DEVICE: head[r.DEVICE], r.EPOCH: head[r.EPOCH], r.SEQ: seq, r.PREV: previous,
            r.COUNTER: counter, r.CUM_COUNT: count, r.CUM_TOTAL: total, r.UTC: utc, r.CLOCK: before[r.CLOCK],
            r.OFFICER: before[r.OFFICER], r.UNIT: before[r.UNIT],
        }  # fmt: skip
        self._previous = record
        self.sound = (
            self.sound
            and seq <= schema.U32
            and counter <= schema.U32
            and count <= schema.U32
            and total <= schema.MAX_TOTAL
            and utc <= schema.MAX_UTC
        )
        begin, clock, end = self._fixed
        uint, small = strict.uint, strict.SMALL
        data = b"".join((
            _MAP[_COMMON + many], begin, uint(seq), b"\x05\x58\x20", previous, b"\x06", uint(counter), b"\x07", uint(count),
            b"\x08", uint(total), b"\x09", uint(utc), clock, small[kind], end, bytes_,
        ))  # fmt: skip
        return record, data

    def restore(self, item: dict[int, Any]) -> tuple[dict[int, Any], bytes]:
        """(record, its CBOR) of what `whole_body` gave, whatever it is, if only `schema.restorable`. FormatError as `protocol.wire.restore`."""
        return self.follow(item) or self._whole(item, self._body)

    def advance(self, digest: bytes) -> None:
        """Go on after a record of this hash."""
        head, previous = self._head, self._previous
        assert previous is not None
        self._said.append(previous)
        head[r.SEQ], head[r.PREV] = previous[r.SEQ] + 1, digest
        head[r.CUM_COUNT], head[r.CUM_TOTAL] = previous[r.CUM_COUNT], previous[r.CUM_TOTAL]

    def _whole(self, item: dict[int, Any], body: Body | None) -> tuple[dict[int, Any], bytes]:
        record = wire.restore(item, self._previous, self._head)
        self._previous, self._usual = record, _usual(record)
        self.sound = schema.sound(record)
        if self._usual:
            begin = _begin(record[r.V], record[r.DEVICE], record[r.EPOCH])
            clock = b"\x0a" + strict.uint(record[r.CLOCK]) + b"\x0b"
            self._fixed = begin, clock, _end(record[r.OFFICER], record[r.UNIT])
        return record, encode(record, body)
