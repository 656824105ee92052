"""Where an export had no record when it was closed: a record that lies there now was put in, unless what follows names it.

The closing item tells each hole between records (`terminal/journal/export.py`, 8). Files of earlier releases do not: then the declared
losses are taken for the holes, and records for put in only where there are as many too many.
"""

from typing import Any

from tools.journal import findings as f
from tools.journal import reading as j
from tools.journal.findings import Span
from tools.journal.reading import Entry


def told(closing: dict[int, Any]) -> bool:
    """Whether the closing item tells the holes."""
    return 8 in closing


def ends(closing: dict[int, Any]) -> dict[int, bytes]:
    """{sequence number: hash} of the last record before each hole that is told."""
    return {before: end for before, _, end in closing.get(8, ())}


def loss(entry: Entry) -> Span | None:
    """What a gap record declares lost; None if the record is none, or its bounds cannot be."""
    if entry.record[j.KIND] != j.GAP:
        return None
    first, last = entry.record[j.FIRST], entry.record[j.GAP_LAST]
    return (first, last) if 1 <= first <= last < entry.seq else None


def absent(chain: list[Entry], closing: dict[int, Any]) -> list[Span]:
    """Numbers of which there was no record when the file was closed."""
    if told(closing):
        spans = [(before + 1, after - 1) for before, after, _ in closing[8]]
    else:
        spans = [span for entry in chain if (span := loss(entry))]
    return f.merged([*spans, (1, closing[2] - 1)] if closing[2] > 1 else spans)


def put_in(chain: list[Entry], closing: dict[int, Any], surplus: int) -> list[Entry]:
    """The records that had no place in the file; `surplus`: how many more are here than were closed."""
    spans = absent(chain, closing)
    last = {span[1]: entry.record.get(j.GAP_HASH) for entry in chain if (span := loss(entry))}
    found: list[Entry] = []
    after: Entry | None = None
    for entry in reversed(chain):
        named = after.record[j.PREV] if after and after.seq == entry.seq + 1 else last.get(entry.seq)
        if named != entry.hash and not f.without((entry.seq, entry.seq), spans):
            found.append(entry)
        else:
            after = entry
    return found[::-1] if told(closing) or len(found) == surplus else []


def standing_before(chain: list[Entry]) -> str:
    """The records before holes, in words."""
    found = [str(entry.seq) for entry, after in zip(chain, chain[1:], strict=False) if after.seq > entry.seq + 1]
    return ", ".join(found[:8]) + (" and others" if len(found) > 8 else "")
