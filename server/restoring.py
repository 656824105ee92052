"""A record's CBOR put together from what was received, instead of encoding it anew.

`protocol.wire.restore` adds the keys below 20 that the wire leaves out; the body, from key 20 on, stands in the message as it stands
in the record, because both are deterministic and sorted. So the record is: head of the map, common keys, the body's bytes. A test
compares the outcome with `protocol.cbor.encode` of the restored record. Anything unusual is encoded as a whole.
"""

from functools import lru_cache
from typing import Any

from protocol import records as r
from server import envelope, strict

BODY = 20  # body keys begin here, see `protocol.records`
_COMMON = 13  # keys that a restored record has before them: 1 to 13
_U64 = 1 << 64
_NUMBERS = (r.V, r.EPOCH, r.SEQ, r.COUNTER, r.CUM_COUNT, r.CUM_TOTAL, r.UTC, r.CLOCK, r.KIND, r.OFFICER)


@lru_cache(maxsize=4096)
def _begin(version: int, device: str, epoch: int) -> bytes:
    return b"\x01" + strict.head(0, version) + b"\x02" + strict.text(device) + b"\x03" + strict.head(0, epoch) + b"\x04"


@lru_cache(maxsize=4096)
def _end(officer: int, unit: str) -> bytes:
    return b"\x0c" + strict.head(0, officer) + b"\x0d" + strict.text(unit)


def encode(record: dict[int, Any], payload: bytes, mark: strict.Mark | None) -> bytes:
    """The deterministic CBOR of a restored record. `mark` says where its body stands in `payload`."""
    size = len(record)
    if mark is None or size > 23 or size != _COMMON + mark[2] or not _usual(record):
        return envelope.canonical(record)
    uint = strict.head
    return b"".join(
        (
            bytes((0xA0 | size,)),
            _begin(record[r.V], record[r.DEVICE], record[r.EPOCH]),
            uint(0, record[r.SEQ]),
            b"\x05\x58\x20",
            record[r.PREV],
            b"\x06",
            uint(0, record[r.COUNTER]),
            b"\x07",
            uint(0, record[r.CUM_COUNT]),
            b"\x08",
            uint(0, record[r.CUM_TOTAL]),
            b"\x09",
            uint(0, record[r.UTC]),
            b"\x0a",
            uint(0, record[r.CLOCK]),
            b"\x0b",
            uint(0, record[r.KIND]),
            _end(record[r.OFFICER], record[r.UNIT]),
            payload[mark[0] : mark[1]],
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
