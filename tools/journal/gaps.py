"""What a gap record says of the records that it declares lost, beside what their neighbours tell: the record behind them names the hash of the last
one, and the running totals before and after them say how many payments were approved among them, of how much.

The comparison is exact where both neighbours are here and nothing lies between them. Where records are here within what is declared (after 32 gaps
of one boot the last gap record takes in what follows, whole records too), or where a neighbour is missing (lost since, so that another gap record
declares more, or acknowledged), it must not be more than the totals leave room for. A field that is not there says nothing.
"""

from bisect import bisect_left
from collections.abc import Iterator

from tools.journal import figures, holes
from tools.journal import reading as j
from tools.journal.figures import Finding
from tools.journal.findings import Span
from tools.journal.reading import Entry


def judge(chain: list[Entry], edited: set[int]) -> Iterator[Finding]:
    """What gap records say otherwise than the records around the loss; `chain` ascends. What is known as `edited` is compared with nothing."""
    for entry in chain:
        span = holes.loss(entry)
        if span is None or entry.seq in edited:
            continue
        first = bisect_left(chain, span[0], key=lambda each: each.seq)
        after = bisect_left(chain, span[1] + 1, key=lambda each: each.seq)
        yield from _hash(entry, chain[first:after], chain[after], edited)
        if chain[after].seq not in edited and (not first or chain[first - 1].seq not in edited):
            yield from _money(entry, chain[first - 1] if first else None, chain[first:after], chain[after])


def _hash(gap: Entry, within: list[Entry], after: Entry, edited: set[int]) -> Iterator[Finding]:
    """`within`: the records that are here of those that are declared lost; `after`: the next one here."""
    last, told = gap.record[j.GAP_LAST], gap.record.get(j.GAP_HASH)
    found = [(entry.seq, entry.hash) for entry in within[-1:] if entry.seq == last]
    found += [(after.seq, after.record[j.PREV])] if after.seq == last + 1 else []
    for seq, known in found:
        if told not in (None, known) and seq not in edited:
            yield (
                "edited",
                gap.seq,
                f"it says that the last record lost, {last}, has another hash than record {seq} tells",
            )
            return


def _money(gap: Entry, before: Entry | None, within: list[Entry], after: Entry) -> Iterator[Finding]:
    span: Span = (gap.record[j.FIRST], gap.record[j.GAP_LAST])
    count, total = figures.standing_before(after.record)
    if before is not None:
        count, total = count - before.record[j.CUM_COUNT], total - before.record[j.CUM_TOTAL]
    exact = not within and after.seq == span[1] + 1
    exact = exact and (before.seq + 1 == span[0] if before else span[0] == 1 and gap.record[j.EPOCH] == 1)
    for key, known, what in ((j.GAP_COUNT, count, "approved payments"), (j.GAP_TOTAL, total, "centimes approved")):
        told = gap.record.get(key, known)
        if type(told) is not int or told < 0 or told > known or (exact and told != known):
            tell = "tell of" if exact else "leave room for"
            yield (
                "totals",
                gap.seq,
                f"it says that {told} {what} are among the records lost, the running totals {tell} {known}",
            )
