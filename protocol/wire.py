"""Records as they cross the wire: without what the receiver recomputes (design §3, §4).

`shrink(record, previous, carried, attached)` leaves out device, epoch, sequence, previous hash and running totals always; schema
version, officer, unit and clock quality when they equal the previous record's; the secure element's counter when it is the previous
one's plus one; the time is sent as the difference to the previous record's. `restore` is its exact inverse: the hash is over the
restored record, so a receiver that restores wrongly notices at once. `previous` is None for the first record of a batch: everything
but what the batch's header says is then sent.

Of the body it leaves out the digest of a blob that travels beside the record (`attached`), and what an earlier record of the
batch said last under the same key (`carried`): the numbers of those keys stand in one byte string under the wire key 0. There a
report's number follows from device and case, and a payment's identity from the last intent. `expand` puts all that back, before
`restore`. A batch of release 0.1.0 uses none of it and is read all the same.
"""

from typing import TYPE_CHECKING

from protocol import records as r
from protocol.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Iterable

_DROPPED = (r.DEVICE, r.EPOCH, r.SEQ, r.PREV, r.CUM_COUNT, r.CUM_TOTAL)
_SAME = (r.V, r.CLOCK, r.OFFICER, r.UNIT)


CARRIED = 0  # bstr: keys whose values are those of earlier records
_BODY = 20


def _report(device: str, case: object) -> "str | None":
    """The number that the terminal gives a case's report."""
    return device[-6:] + "-%05d" % case if isinstance(case, int) else None


def remember(carried: dict, record: dict) -> None:
    """Take over what later records of the batch may leave out."""
    for key in record:
        if key >= _BODY and isinstance(record[key], (int, str, bytes)):
            carried[key] = record[key]
    if record[r.KIND] == r.PAYMENT_INTENT:
        carried[r.INTENT] = record[r.SEQ]


def shrink(record: dict, previous: "dict | None", carried: "dict | None" = None, attached: "list | tuple" = ()) -> dict:
    """The wire map of `record`; with `carried` (empty before a batch's first record) it is brought up to date."""
    out = {}
    left = []
    for key in record:
        if key in _DROPPED or key in attached:
            continue
        if carried is not None and key >= _BODY:
            known = _report(record[r.DEVICE], record.get(r.CASE)) if key == r.PV else carried.get(key)
            if known is not None and known == record[key] and isinstance(record[key], (int, str, bytes)):
                left.append(key)
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
    if carried is not None:
        remember(carried, record)
        if left:
            out[CARRIED] = bytes(sorted(left))
    return out


def expand(wire: dict, carried: dict, digests: dict, device: str) -> dict:
    """A wire map with the body whole again. `digests` {key: SHA-256} of the blobs beside it. Raises FormatError (FMT-080)."""
    left = wire.get(CARRIED, b"")
    if not left and not digests:
        return wire
    out = dict(wire)
    out.pop(CARRIED, None)
    if not isinstance(left, bytes):
        raise FormatError("wire record's list of carried keys is none", "FMT-080")
    for key in left:
        if key in out or key < _BODY or (key != r.PV and key not in carried):
            raise FormatError("wire record carries on what was not said", "FMT-080", detail=key)
        if key != r.PV:
            out[key] = carried[key]
    if r.PV in left:
        number = _report(device, out.get(r.CASE))
        if number is None:
            raise FormatError("wire record leaves out a report's number without a case", "FMT-080")
        out[r.PV] = number
    for key in digests:
        if key not in out:
            out[key] = digests[key]
    return out


def shared(blobs: "Iterable[bytes]") -> bytes:
    """What two blobs or more all begin with; of one alone nothing."""
    found: "bytes | None" = None
    count = 0
    for blob in blobs:
        count += 1
        if found is None:
            found = blob
        size = 0
        while size < len(found) and size < len(blob) and found[size] == blob[size]:
            size += 1
        found = found[:size]
    return b"" if found is None or count < 2 else found


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
