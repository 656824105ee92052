"""The centre's end of `protocol.batch`: records and blobs whole again, as they stand in the journal.

`hear` takes a record apart that was told, `restore` adds what follows from the batch's head and from the record before. A batch of release
0.1.0 is a list of maps, which go to `restore` directly: they leave out device, epoch, sequence, previous hash and running totals
always; schema version, officer, unit and clock quality when they equal the previous record's; the secure element's counter when it is the
previous one's plus one; the time is said as the difference to the previous record's.

Errors are FormatError FMT-082 and FMT-083, and those of `protocol.cbor`. The terminal's image leaves this module out.
"""

from protocol import batch, cbor
from protocol import records as r
from protocol.errors import FormatError

_DROPPED = (r.DEVICE, r.EPOCH, r.SEQ, r.PREV, r.CUM_COUNT, r.CUM_TOTAL)
_SAME = (r.V, r.CLOCK, r.OFFICER, r.UNIT)


class Told:
    """One record as it was heard: `item` for `protocol.wire.restore`; `at` and `beside` for `Course.go_on`; `end` the offset after it."""

    def __init__(self, item: dict, at: int, beside: bool, end: int) -> None:
        self.item = item
        self.at = at
        self.beside = beside
        self.end = end


def hear(course: batch.Course, data: bytes, start: int, digests: dict, take=cbor.decode_prefix) -> Told:  # noqa: ANN001 - (data, offset) -> (value, offset)
    """The record that begins at `start`. `digests` {key: SHA-256} of the blobs beside it. Raises FormatError."""
    lead = data[start]
    kind, end = lead & (batch.KINDS - 1), start + 1
    item: dict = {}
    at = said = 0
    if kind:
        item[r.KIND] = kind
    if lead & batch.TIME:
        item[r.UTC], end = take(data, end)
        if not isinstance(item[r.UTC], int) or not item[r.UTC] or item[r.UTC] is True or course.previous is None:
            raise FormatError("told record's time is none", "FMT-082")
    bases = course.bases(kind)
    if lead & batch.DIFFERENCES:
        said, end = take(data, end)
        if not batch.number_of(said) or said < 0:
            raise FormatError("told record's differences are none", "FMT-082")
        at = said & (batch.BASES - 1)
        if at >= len(bases):
            raise FormatError("told record differs from none that was told", "FMT-082")
    own: dict = {}
    if bases:
        end = _differ(course, item, bases[at], said >> batch.FIRST_KEY, data, end, take)
    if lead & batch.OWN:
        own, end = take(data, end)
    _add(item, own)
    for key in digests:
        if key not in item:
            item[key] = digests[key]
    return Told(item, at, bool(said & batch.BESIDE), end)


def _differ(course: batch.Course, item: dict, base: dict, bits: int, data: bytes, end: int, take) -> int:  # noqa: ANN001
    """Put the base's keys into `item`, those of `bits` with their told values; the offset after those."""
    kind = item[r.KIND]
    for key in batch.body_keys(base):
        if bits & 1:
            item[key], end = take(data, end)
        else:
            item[key] = course.expected(kind, base, key, item.get(r.CASE))
        bits >>= 1
    if bits:
        raise FormatError("told record differs in a key that its base has not", "FMT-082")
    return end


def _add(item: dict, own: object) -> None:
    """Put a record's own fields into `item`, and take those away that it lacks."""
    if not isinstance(own, dict):
        raise FormatError("told record's own fields are none", "FMT-082")
    removed = own.pop(batch.REMOVED, b"")
    if not isinstance(removed, bytes):
        raise FormatError("told record's list of absent keys is none", "FMT-082")
    for key in removed:
        if key < batch.BODY or item.pop(key, removed) is removed:
            raise FormatError("told record lacks what its base has not", "FMT-082", detail=key)
    for key in own:
        if key in item:
            raise FormatError("told record says a field twice", "FMT-082", detail=key)
        item[key] = own[key]
    for key in item:
        if item[key] is batch.NOTHING:
            raise FormatError("told record leaves out what was not said", "FMT-082", detail=key)
    if batch.number_of(item.get(r.KIND)) is None:
        raise FormatError("told record has no kind", "FMT-082")


def restore(wire: dict, previous: "dict | None", head: dict) -> dict:
    """The whole record of a wire map.

    `head` gives DEVICE, EPOCH, SEQ, PREV, CUM_COUNT, CUM_TOTAL *before* this record; the last two are advanced here by what the record
    approves. Raises FormatError (FMT-083) when a required field is absent or a dropped one is present.
    """
    out = dict(wire)
    for key in _DROPPED:
        if key in out:
            raise FormatError("wire record carries a field that the receiver recomputes", "FMT-083", detail=key)
    if previous is not None:
        for key in _SAME:
            if key not in out:
                out[key] = previous[key]
        if r.COUNTER not in out:
            out[r.COUNTER] = previous[r.COUNTER] + 1
        out[r.UTC] = previous[r.UTC] + wire.get(r.UTC, 0)
    for key in (r.V, r.CLOCK, r.OFFICER, r.UNIT, r.COUNTER, r.UTC, r.KIND):
        if key not in out:
            raise FormatError("wire record lacks a field", "FMT-083", detail=key)
    for key in (r.DEVICE, r.EPOCH, r.SEQ, r.PREV):
        out[key] = head[key]
    count, total = r.approved_step(out)
    out[r.CUM_COUNT] = head[r.CUM_COUNT] + count
    out[r.CUM_TOTAL] = head[r.CUM_TOTAL] + total
    return out


def unframe(shared: list, rest: bytes) -> bytes:
    """The blob of which `protocol.batch.strip` left `rest`."""
    return shared[0] + rest[: shared[1]] + shared[2] + rest[shared[1] :]
