"""What a verification may find, and what each finding proves.

    JRN-051  unreadable: an item or stored bytes are no record
    JRN-052  edited: content is not what was chained
    JRN-053  deleted: a record is missing, nobody declared it
    JRN-054  inserted: a record has no place
    JRN-055  reordered: records are not in their order
    JRN-056  truncated: beginning or end is missing
    JRN-057  counter: the secure element's counter does not step by one, or the epoch changes
    JRN-058  totals: running or shift totals do not add up, or a gap record's money is not theirs
    JRN-059  signature: an outcome's or the closing signature does not hold
    JRN-060  foreign: a record or key of another device
    JRN-063  unopened: the journal did not open, or the epoch is over, so nothing vouches for its end

    JRN-062  acknowledged: a record is missing of which the terminal says that the centre has it (ask the centre)
    JRN-061  declared: a gap record declares a loss (told)
    JRN-064  epochs: older epochs lie beside it (told)

Any of the first group makes the verdict "fails"; else a JRN-062 makes it "ask"; else it is "holds", or "unpinned" where the device's key is nobody's
word but the file's: then all of it may be of another hand. That a record was
acknowledged is the terminal's word, closed by its secure element's signature at the time of the export: who could
write the storage before could make it say so. So "ask" is never "holds": the missing records' hashes bind what the
centre may show (the record after a hole names the hash of the last one in it).
"""

from bisect import bisect_left

CODES = {
    "unreadable": "JRN-051",
    "edited": "JRN-052",
    "deleted": "JRN-053",
    "inserted": "JRN-054",
    "reordered": "JRN-055",
    "truncated": "JRN-056",
    "counter": "JRN-057",
    "totals": "JRN-058",
    "signature": "JRN-059",
    "foreign": "JRN-060",
    "declared": "JRN-061",
    "acknowledged": "JRN-062",
    "unopened": "JRN-063",
    "epochs": "JRN-064",
}
TOLD = ("declared", "epochs")
CHANGED = {"edited", "inserted", "reordered"}
"""What was changed in a file; the others may lie in the storage that was exported."""
ASK = "acknowledged"
HOLDS, UNPINNED, ASKS, FAILS = "holds", "unpinned", "ask", "fails"

Span = tuple[int, int]  # first and last sequence number


def verdict(kinds: set[str], pinned: bool) -> str:
    """HOLDS, UNPINNED, ASKS or FAILS; `pinned`: the key did not come from the file."""
    if kinds - set(TOLD) - {ASK}:
        return FAILS
    if ASK in kinds:
        return ASKS
    return HOLDS if pinned else UNPINNED


def merged(spans: list[Span]) -> list[Span]:
    """The same numbers in ascending spans that do not touch."""
    out: list[Span] = []
    for first, last in sorted(spans):
        if out and first <= out[-1][1] + 1:
            out[-1] = (out[-1][0], max(out[-1][1], last))
        else:
            out.append((first, last))
    return out


def without(span: Span, covers: list[Span]) -> list[Span]:
    """What `covers` (as `merged` gives them) leave of a span. Work and memory follow the number of spans, not their
    lengths: a file may claim any number.
    """
    first, last = span
    out: list[Span] = []
    at = max(0, bisect_left(covers, (first, first)) - 1)
    while first <= last and at < len(covers) and covers[at][0] <= last:
        begin, end = covers[at]
        if begin > first:
            out.append((first, begin - 1))
        first = max(first, end + 1)
        at += 1
    if first <= last:
        out.append((first, last))
    return out


def holes(numbers: list[int], first: int, last: int) -> list[Span]:
    """Which numbers from `first` to `last` are not among these, which ascend."""
    out: list[Span] = []
    for number in [*numbers, last + 1]:
        if number > first:
            out.append((first, number - 1))
        first = max(first, number + 1)
    return out


def text(span: Span) -> str:
    """A span in words."""
    return f"record {span[0]} is" if span[0] == span[1] else f"records {span[0]} to {span[1]} are"
