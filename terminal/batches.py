"""The payload of a BATCH: as many records of the journal as the board grants, told as `protocol.batch` does, and the blobs beside them.

Knows the journal and nothing of a session.
"""

from protocol import batch
from protocol import records as r
from protocol import sync as m

BATCH_RECORDS = 200
_BLOBS = ((m.SEALED, "sealed", r.SEALED), (m.PRIVATE, "private", r.PRIVATE))


def fill(journal, first: int, room: int) -> "tuple[dict, int]":  # noqa: ANN001 - Journal
    """(payload, how many records) of those from `first` on that fit `room` bytes; at least one, at most BATCH_RECORDS. It ends
    where records are missing, and says so if it begins there.
    """
    payload = {m.EPOCH: journal.epoch, m.FIRST_SEQ: first}
    course = batch.Course(journal.device)
    told = bytearray()
    signatures: dict = {}
    blobs: dict = {m.SEALED: {}, m.PRIVATE: {}}
    unsigned = False  # whether a record that needs a signature has none
    index = beside = 0
    for record, _, signature in journal.entries(first):
        previous = course.previous
        if previous is None:
            _begin(payload, record, first)
        elif record[r.SEQ] != previous[r.SEQ] + 1:
            break
        found = {key: journal.blob(folder, record[r.SEQ]) for key, folder, digest in _BLOBS if digest in record}
        sent = batch.tell(course, record, [digest for key, _, digest in _BLOBS if found.get(key) is not None])
        size = len(sent) + (66 if signature is not None else 0) + sum([len(blob or b"") + 4 for blob in found.values()])
        if index and (len(told) + beside + size > room or index >= BATCH_RECORDS):
            break
        told.extend(sent)
        beside += size - len(sent)
        for key in found:
            if found[key] is not None:
                blobs[key][index] = found[key]
        if signature is not None:
            signatures[index] = signature
        unsigned = unsigned or (signature is None) == (record[r.KIND] in r.SIGNED)
        index += 1
    payload[m.RECORDS] = bytes(told)
    if signatures:
        payload[m.SIGNATURES] = signatures if unsigned else b"".join([signatures[at] for at in sorted(signatures)])
    for key in blobs:
        _attach(payload, key, blobs[key])
    return payload, index


def _begin(payload: dict, record: dict, first: int) -> None:
    """What the batch's first record says of those before it."""
    if record[r.SEQ] > first:
        payload[m.FIRST_SEQ], payload[m.GAP] = record[r.SEQ], first
    count, total = r.approved_step(record)
    payload[m.PREV_HASH] = record[r.PREV]
    payload[m.CUM_COUNT] = record[r.CUM_COUNT] - count
    payload[m.CUM_TOTAL] = record[r.CUM_TOTAL] - total


def _attach(payload: dict, key: int, blobs: "dict[int, bytes]") -> None:
    """Put blobs beside the records, without what they share."""
    if not blobs:
        return
    shared = batch.frame(list(blobs.values()))
    if shared:
        payload.setdefault(m.SHARED, {})[key] = shared
        blobs = {index: batch.strip(shared, blobs[index]) for index in blobs}
    payload[key] = blobs
