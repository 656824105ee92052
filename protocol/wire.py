"""Records and blobs as they cross the wire: without what the receiver recomputes or was told already (design §3, §4).

Left out of a record are always device, epoch, sequence, previous hash and running totals; schema version, officer, unit and clock
quality when they equal the previous record's; the secure element's counter when it is the previous one's plus one; the time is said as
the difference to the previous record's. `restore` puts them back: the hash is over the restored record, so a receiver that
restores wrongly notices at once. The first record of a batch has no previous one: everything but what the batch's header says is then
said. How the rest of a record is told: `protocol.batch`.

Blobs of one kind resemble each other: `frame` finds what they all begin with and what they all have a few bytes further on, `unframe`
puts it back.
"""

from protocol import records as r
from protocol.errors import FormatError

_DROPPED = (r.DEVICE, r.EPOCH, r.SEQ, r.PREV, r.CUM_COUNT, r.CUM_TOTAL)
_SAME = (r.V, r.CLOCK, r.OFFICER, r.UNIT)
_WIDEST = 8  # bytes between what blobs begin with and what else they share


def _alike(blobs: "list[bytes]", start: int) -> bytes:
    """What all blobs have from `start` on."""
    first = blobs[0]
    end = min([len(blob) for blob in blobs])
    size = start
    while size < end and all([blob[size] == first[size] for blob in blobs]):
        size += 1
    return first[start:size]


def frame(blobs: "list[bytes]") -> list:
    """[beginning, gap, middle] that two blobs or more share: `middle` follows `gap` bytes after `beginning`. Of fewer, nothing."""
    if len(blobs) < 2:
        return []
    begin = _alike(blobs, 0)
    best = [begin, 0, b""]
    for gap in range(1, _WIDEST + 1):
        middle = _alike(blobs, len(begin) + gap)
        if len(middle) > len(best[2]):
            best = [begin, gap, middle]
    return best


def strip(frame: list, blob: bytes) -> bytes:
    """`blob` without what `frame` says."""
    at = len(frame[0])
    return blob[at : at + frame[1]] + blob[at + frame[1] + len(frame[2]) :]


def unframe(frame: list, rest: bytes) -> bytes:
    """The blob of which `strip` left `rest`."""
    return frame[0] + rest[: frame[1]] + frame[2] + rest[frame[1] :]


def restore(wire: dict, previous: "dict | None", head: dict) -> dict:
    """The whole record of a wire map.

    `head` gives DEVICE, EPOCH, SEQ, PREV, CUM_COUNT, CUM_TOTAL *before* this record; the last two are advanced here by what the record
    approves. Raises FormatError (FMT-080) when a required field is absent or a dropped one is present.
    """
    out = dict(wire)
    for key in _DROPPED:
        if key in out:
            raise FormatError("wire record carries a field that the receiver recomputes", "FMT-080", detail=key)
    if previous is not None:
        for key in _SAME:
            if key not in out:
                out[key] = previous[key]
        if r.COUNTER not in out:
            out[r.COUNTER] = previous[r.COUNTER] + 1
        out[r.UTC] = previous[r.UTC] + wire.get(r.UTC, 0)
    for key in (r.V, r.CLOCK, r.OFFICER, r.UNIT, r.COUNTER, r.UTC, r.KIND):
        if key not in out:
            raise FormatError("wire record lacks a field", "FMT-080", detail=key)
    for key in (r.DEVICE, r.EPOCH, r.SEQ, r.PREV):
        out[key] = head[key]
    count, total = r.approved_step(out)
    out[r.CUM_COUNT] = head[r.CUM_COUNT] + count
    out[r.CUM_TOTAL] = head[r.CUM_TOTAL] + total
    return out
