"""The figures of an exported journal: counters and running totals from one record to the next, shift totals, the closing counter."""

from collections.abc import Iterator
from typing import Any

from tools.journal import reading as j
from tools.journal.reading import Entry, Statement

Finding = tuple[str, int, str]
"""Kind of `tools.journal.findings`, sequence number, sentence."""


def judge(chain: list[Entry], said: Statement, closing: dict[int, Any]) -> Iterator[Finding]:
    """What is wrong with the figures of records in their order; `closing` is empty where nobody signed it."""
    opened = start = 0  # since which record a shift is open; where the chain that has no hole begins
    for index, entry in enumerate(chain):
        record = entry.record
        before = chain[index - 1] if index else None
        if before is not None:
            yield from _step(before.record, record)
        if before is None or entry.seq != before.seq + 1:
            opened, start = 0, index
        if record[j.KIND] == j.SHIFT_OPENED:
            opened = entry.seq
        elif record[j.KIND] == j.SHIFT_CLOSED:
            first = record.get(j.FIRST, opened)  # the first releases did not say where a shift begins
            if type(first) is int and 0 < chain[start].seq <= first:
                shift = _sum(chain[start + first - chain[start].seq : index])
                if {key: list(value) for key, value in record.get(j.TOTALS, {}).items()} != shift:
                    yield "totals", entry.seq, "the shift's totals are not those of its records"
            opened = 0
    if not chain:
        return
    first, last = chain[0], chain[-1]
    if said.epoch and first.record[j.EPOCH] != said.epoch:
        yield "counter", first.seq, f"it is of epoch {first.record[j.EPOCH]}, the file of {said.epoch}"
    if not closing or last.seq != closing[3]:
        return
    counted = closing[5] if said.counter is None else said.counter
    if last.record[j.COUNTER] != counted:
        why = f"the secure element has counted to {counted}, the journal to {last.record[j.COUNTER]}"
        yield "counter", last.seq, f"{why}: it was rolled back, copied or shortened"


def _step(before: dict[int, Any], record: dict[int, Any]) -> Iterator[Finding]:
    """From one record to the next that is here; over a hole the counter steps as far as the numbers do."""
    seq = record[j.SEQ]
    if record[j.COUNTER] - before[j.COUNTER] != seq - before[j.SEQ]:
        yield "counter", seq, "the secure element's counter does not step by one"
    if record[j.EPOCH] != before[j.EPOCH]:
        yield "counter", seq, "the epoch changes within one journal"
    if record[j.KIND] == j.NEW_EPOCH:
        yield "inserted", seq, "a new epoch begins in the middle of one"
    count, total = standing_before(record)
    count, total = count - before[j.CUM_COUNT], total - before[j.CUM_TOTAL]
    if min(count, total) < 0 or (seq == before[j.SEQ] + 1 and (count, total) != (0, 0)):
        yield "totals", seq, "the running totals do not add up"


def standing_before(record: dict[int, Any]) -> tuple[int, int]:
    """The running totals (payments, centimes) before a record."""
    approved = record[j.KIND] in (j.PAYMENT_OUTCOME, j.AUTHORISATION_RESULT) and record.get(j.OUTCOME) == j.APPROVED
    return record[j.CUM_COUNT] - approved, record[j.CUM_TOTAL] - (record[j.AMOUNT] if approved else 0)


def totals(chain: list[Entry]) -> dict[str, Any]:
    """Totals of what is in the file, recomputed: {kind of money: [payments, centimes]}."""
    found = _sum(chain)
    return {str(key): found[key] for key in sorted(found)}


def _sum(chain: list[Entry]) -> dict[int, list[int]]:
    found: dict[int, list[int]] = {}
    for entry in chain:
        _count(found, entry.record)
    return found


def _count(found: dict[int, list[int]], record: dict[int, Any]) -> None:
    """Count a record's money: outcomes by outcome, later results by 10 + outcome, voids that were done by 20."""
    if record[j.KIND] == j.PAYMENT_OUTCOME:
        key = record[j.OUTCOME]
    elif record[j.KIND] == j.AUTHORISATION_RESULT:
        key = j.LATE + record[j.OUTCOME]
    elif record[j.KIND] == j.VOID and record[j.VOID_STATE] == j.VOID_DONE:
        key = j.VOIDED
    else:
        return
    entry = found.setdefault(key, [0, 0])
    entry[0] += 1
    entry[1] += record[j.AMOUNT]
