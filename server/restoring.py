"""Records of a batch restored in a row, and their CBOR put together from what was received instead of being encoded anew.

`protocol.wire.restore` adds the keys below 20 that the wire leaves out. The body, from key 20 on, stands in a wire map of release 0.1.0 as
it stands in the record, because both are deterministic and sorted; that of a record told by `protocol.batch` is put together key by key.
So a record's CBOR is: head of the map, common keys, the body's bytes. A record whose common keys follow from the one before, as most
do, takes the short way; any other goes through `wire.restore` and, if it is in any way unusual, is encoded as a whole. A test compares
both ways with `wire.restore` and `protocol.cbor.encode`.
"""

import hashlib
from functools import lru_cache
from typing import Any

from protocol import records as r
from protocol import wire
from server import envelope, strict

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
    """The body of a record that was told; None if it holds what no body does."""
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

    @property
    def device(self) -> str:
        """Whose records these are."""
        return self._head[r.DEVICE]

    def sliced(self, index: int) -> Body | None:
        """The body of wire map `index` where it stands in the message."""
        return sliced(self._payload, self._marks[index]) if self._marks else None

    def next(self, item: dict[int, Any], body: Body | None) -> tuple[dict[int, Any], bytes, bytes]:
        """(record, its CBOR, its hash) of the next wire map. FormatError as `protocol.wire.restore`."""
        record, data = self._restore(item, body)
        digest = hashlib.sha256(data).digest()
        head = self._head
        head[r.SEQ], head[r.PREV] = record[r.SEQ] + 1, digest
        head[r.CUM_COUNT], head[r.CUM_TOTAL] = record[r.CUM_COUNT], record[r.CUM_TOTAL]
        return record, data, digest

    def _restore(self, item: dict[int, Any], body: Body | None) -> tuple[dict[int, Any], bytes]:
        before = self._previous
        if body is None or before is None or not self._usual:
            return self._whole(item, body)
        shared = len(item) - body[0]  # keys below the body: the kind, and the time if it went on
        if shared > 2 or (shared == 2 and r.UTC not in item) or len(item) > 40:
            return self._whole(item, body)
        return self._follow(before, item, body)

    def _whole(self, item: dict[int, Any], body: Body | None) -> tuple[dict[int, Any], bytes]:
        record = wire.restore(item, self._previous, self._head)
        self._previous, self._usual = record, _usual(record)
        return record, encode(record, body)

    def _follow(self, before: dict[int, Any], item: dict[int, Any], body: Body) -> tuple[dict[int, Any], bytes]:
        """What `wire.restore` and `encode` do, for a record whose common keys follow from a usual one before it."""
        head = self._head
        count, total, kind = head[r.CUM_COUNT], head[r.CUM_TOTAL], item[r.KIND]
        if kind in _APPROVING and item[r.OUTCOME] == r.OUTCOME_APPROVED:
            count, total = count + 1, total + item[r.AMOUNT]
        seq, previous, counter = head[r.SEQ], head[r.PREV], before[r.COUNTER] + 1
        version, clock, officer, unit = before[r.V], before[r.CLOCK], before[r.OFFICER], before[r.UNIT]
        utc = before[r.UTC] + item.get(r.UTC, 0)
        if utc < 0:
            return self._whole(item, body)
        device, epoch = head[r.DEVICE], head[r.EPOCH]
        record = {
            **item, r.V: version, r.DEVICE: device, r.EPOCH: epoch, r.SEQ: seq, r.PREV: previous, r.COUNTER: counter,
            r.CUM_COUNT: count, r.CUM_TOTAL: total, r.UTC: utc, r.CLOCK: clock, r.OFFICER: officer, r.UNIT: unit,
        }  # fmt: skip
        self._previous = record
        uint = strict.uint
        data = b"%b%b%b\x05\x58\x20%b\x06%b\x07%b\x08%b\x09%b\x0a%b\x0b%b%b%b" % (
            _MAP[_COMMON + body[0]], _begin(version, device, epoch), uint(seq), previous, uint(counter), uint(count),
            uint(total), uint(utc), uint(clock), uint(kind), _end(officer, unit), body[1],
        )  # fmt: skip
        return record, data
