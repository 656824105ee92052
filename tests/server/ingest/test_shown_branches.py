"""A terminal that knows the centre's chain to be another one shows its own: kept beside the chain wherever it begins, and never joined to it."""

import copy

import pytest

from protocol import records as r
from protocol import sync as s
from server import codes
from tests.server.acquirer.test_returned import _backup
from tests.server.centre import Centre
from tests.server.handheld import Handheld


def _copied(handheld: Handheld, seq: int) -> Handheld:
    """A copy of the terminal of when it had `seq` records, which has gone on."""
    copied = copy.copy(handheld)
    copied.records = handheld.records[:seq]
    copied.attached = {
        key: {at: blob for at, blob in kept.items() if at <= seq} for key, kept in handheld.attached.items()
    }
    copied.write(r.HEALTH_EVENT, health="a copy")
    return copied


def _show(centre: Centre, handheld: Handheld, first: int, last: int, **change: object) -> dict:
    kind, ack = centre.say(handheld.batch(first, last, branch=True, **change))
    assert kind == s.TYPE_ACK, ack
    return ack


def _paid(handheld: Handheld, count: int) -> list[int]:
    return [handheld.pay(r.OUTCOME_APPROVED) for _ in range(count)]


def test_a_branch_is_kept_batch_by_batch_as_far_beyond_the_head_as_it_goes(either: Centre, handheld: Handheld) -> None:
    handheld.write(r.SHIFT_OPENED)
    _paid(handheld, 1)
    common = len(handheld.records)
    copied = _copied(handheld, common)
    _paid(handheld, 4)
    either.hello(copied)
    either.send(copied)
    books = either.books()
    either.hello(handheld)
    last, head = len(handheld.records), common + 1
    assert either.send(handheld, head + 2)[s.WANTED]  # not known to be a branch: a gap
    for kept in (0, 1):
        ack = _show(either, handheld, common - 1, common + 3)
        assert ack[s.DUPLICATES] == 2 and ack.get(s.BESIDE, 0) == 3 * kept
        for first in range(common + 4, last + 1, 3):
            ack = _show(either, handheld, first, min(last, first + 2))
            assert s.WANTED not in ack and ack[s.DUPLICATES] == ack[s.NEW] == 0
            assert ack[s.REJECTED] == [[seq, codes.FORK] for seq in range(first, min(last, first + 2) + 1)]
            assert ack[s.ACKED_SEQ] == head and ack.get(s.BESIDE, 0) == len(ack[s.REJECTED]) * kept
    assert _show(either, handheld, last, last)[s.BESIDE] == 1
    handheld.write(r.HEALTH_EVENT, health="x")
    assert _show(either, handheld, last, last + 1)[s.BESIDE] == 1
    last += 1
    assert either.count("forks") == last - common and either.count("raw") == head
    assert either.books() == books


def test_lost_records_of_a_branch_are_no_gap_of_the_chain(either: Centre, handheld: Handheld) -> None:
    handheld.write(r.SHIFT_OPENED)
    copied = _copied(handheld, 1)
    _paid(handheld, 3)
    either.hello(copied)
    either.send(copied)
    either.hello(handheld)
    ack = _show(either, handheld, 5, 10, gap=3)  # the head's next record among the lost ones
    assert ack[s.ACKED_SEQ] == 2 and [seq for seq, _ in ack[s.REJECTED]] == list(range(5, 11))
    assert either.count("gaps") == 0 and either.books() == {} and either.count("forks") == 6


@pytest.mark.parametrize("first", [2, 3, 6])
def test_what_was_shown_to_a_centre_that_has_lost_the_other_chain_since_holds_nothing(
    either: Centre, handheld: Handheld, first: int
) -> None:
    """It was restored between WELCOME and batch: what was shown joins its chain, at once or when it is sent."""
    handheld.write(r.SHIFT_OPENED)
    copied = _copied(handheld, 1)
    either.hello(copied)
    either.send(copied, 1, 1)
    back = _backup(either)
    either.send(copied, 2)
    _paid(handheld, 2)
    back()
    either.hello(handheld)
    last = len(handheld.records)
    ack = _show(either, handheld, first, last)
    assert ack[s.NEW] == (last - 1 if first == 2 else 0)
    if first > 2:
        assert s.REJECTED not in either.send(handheld, 2)
    assert either.books() and len(either.claim()) == 2


def test_a_branch_that_names_the_head_as_its_beginning_does_not_leap_over_records(
    either: Centre, handheld: Handheld
) -> None:
    handheld.write(r.SHIFT_OPENED)
    either.hello(handheld)
    either.send(handheld)
    _paid(handheld, 1)
    for record in handheld.records[1:]:
        record[r.SEQ] += 3
    for at, record in enumerate(handheld.records[1:], 1):
        record[r.PREV] = handheld.hash(at)
    handheld.records[1:1] = [{}] * 3
    kept = handheld.hash
    handheld.hash = lambda seq: kept(1) if seq == 4 else kept(seq)  # type: ignore[method-assign]
    handheld.records[3] = handheld.records[0]
    handheld.attached[s.SEALED] = {seq + 3: blob for seq, blob in handheld.attached[s.SEALED].items()}
    ack = _show(either, handheld, 5, 7)
    assert (ack[s.ACKED_SEQ], ack[s.NEW]) == (1, 0) and either.count("forks") == 3 and either.books() == {}


@pytest.mark.parametrize("value", [1, 0, "yes", b"", None, []])
def test_branch_is_true_or_false(centre: Centre, handheld: Handheld, value: object) -> None:
    handheld.write(r.SHIFT_OPENED)
    centre.hello(handheld)
    assert centre.refused(handheld.batch(1, branch=value)) == codes.MALFORMED
    assert centre.send(handheld)[s.NEW] == 1
