"""The records of a batch as a server hears them, on both runtimes: with `protocol`'s own decoder, hashes by the caller."""

from protocol import batch, cbor, wire
from protocol import records as r
from protocol import sync as m


def records(payload, device, sha256):
    """The restored records of a BATCH's payload."""
    return [record for record, _ in pieces(payload, device, sha256)]


def pieces(payload, device, sha256):
    """[(restored record, in how many bytes it was told) …] of a BATCH's payload."""
    head = {
        r.DEVICE: device, r.EPOCH: payload[m.EPOCH], r.SEQ: payload[m.FIRST_SEQ], r.PREV: payload[m.PREV_HASH],
        r.CUM_COUNT: payload[m.CUM_COUNT], r.CUM_TOTAL: payload[m.CUM_TOTAL],
    }  # fmt: skip
    blobs = {}
    for key, digest in ((m.SEALED, r.SEALED), (m.PRIVATE, r.PRIVATE)):
        for index, blob in attached(payload, key).items():
            blobs.setdefault(index, {})[digest] = sha256(blob)
    return _heard(payload[m.RECORDS], head, blobs, sha256)


def attached(payload, key):
    """The blobs beside the records, each whole."""
    found = payload.get(key, {})
    frame = payload.get(m.SHARED, {}).get(key)
    return found if frame is None else {index: wire.unframe(frame, found[index]) for index in found}


def heard(data, head, blobs, sha256):
    """The records told in `data` after `head`; `blobs` {index: {key: digest}} travel beside."""
    return [record for record, _ in _heard(data, head, blobs, sha256)]


def _heard(data, head, blobs, sha256):
    course, out, at = batch.Course(head[r.DEVICE]), [], 0
    while at < len(data):
        told = wire.hear(course, data, at, blobs.get(len(out), {}))
        record = wire.restore(told.item, course.previous, head)
        course.go_on(record, record[r.SEQ], told.at, told.beside)
        out.append((record, told.end - at))
        at = told.end
        head[r.SEQ], head[r.PREV] = record[r.SEQ] + 1, sha256(cbor.encode(record))
        head[r.CUM_COUNT], head[r.CUM_TOTAL] = record[r.CUM_COUNT], record[r.CUM_TOTAL]
    return out


def count(payload):
    """How many records a BATCH's payload has."""
    return len(records(payload, "TSD-000001", lambda data: bytes(32)))
