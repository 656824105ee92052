"""Records as they cross the wire: without what the receiver recomputes (design §3, §4).

`shrink(record, previous)` leaves out device, epoch, sequence, previous hash and running totals always; schema version, officer, unit
and clock quality when they equal the previous record's; the secure element's counter when it is the previous one's plus one; the
time is sent as the difference to the previous record's. `restore` is its exact inverse: the hash is over the restored record, so a
receiver that restores wrongly notices at once. `previous` is None for the first record of a batch: everything but what the batch's
header says is then sent.
"""

from protocol import records as r
from protocol.errors import FormatError

_DROPPED = (r.DEVICE, r.EPOCH, r.SEQ, r.PREV, r.CUM_COUNT, r.CUM_TOTAL)
_SAME = (r.V, r.CLOCK, r.OFFICER, r.UNIT)


def shrink(record: dict, previous: "dict | None") -> dict:
    """The wire map of `record`."""
    out = {}
    for key in record:
        if key in _DROPPED:
            continue
        if previous is not None:
            if key in _SAME and previous[key] == record[key]:
                continue
            if key == r.COUNTER and record[key] == previous[key] + 1:
                continue
            if key == r.UTC:
                if record[key] != previous[key]:
                    out[key] = record[key] - previous[key]
                continue
        out[key] = record[key]
    return out


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
