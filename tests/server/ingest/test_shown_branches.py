"""A terminal that knows the centre's chain to be another one shows its own: kept beside the chain wherever it begins, and never joined to it."""

import copy
from typing import Any

import pytest
from sqlalchemy import select

from protocol import records as r
from protocol import sync as s
from server import codes
from server.store import tables as t
from server.store.engine import reading
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


def _show(
    centre: Centre, handheld: Handheld, first: int, last: int, branch: int = s.SHOWN, **change: object
) -> dict[int, Any]:
    kind, ack = centre.say(handheld.batch(first, last, branch=branch, **change))
    assert kind == s.TYPE_ACK and ack[s.FIRST_SEQ] == first, ack
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
    for _ in range(2):
        ack = _show(either, handheld, common - 1, common + 3)
        assert ack[s.DUPLICATES] == 2
        for first in range(common + 4, last + 1, 3):
            ack = _show(either, handheld, first, min(last, first + 2))
            assert s.WANTED not in ack and ack[s.DUPLICATES] == ack[s.NEW] == 0
            assert ack[s.REJECTED] == [[seq, codes.FORK] for seq in range(first, min(last, first + 2) + 1)]
            assert ack[s.ACKED_SEQ] == head
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


def test_asking_keeps_nothing_and_says_what_is_there(either: Centre, handheld: Handheld) -> None:
    handheld.write(r.SHIFT_OPENED)
    copied = _copied(handheld, 1)
    _paid(handheld, 2)
    either.hello(copied)
    either.send(copied)
    either.hello(handheld)
    last = len(handheld.records)

    def has(seq: int) -> tuple[int, int]:
        ack = _show(either, handheld, seq, seq, s.ASKED)
        assert s.REJECTED not in ack and ack[s.NEW] == 0
        return ack[s.DUPLICATES], ack.get(s.BESIDE, 0)

    assert [has(seq) for seq in range(1, last + 1)] == [(1, 0)] + [(0, 0)] * (last - 1)
    assert either.count("forks") == 0 and codes.FORK not in either.alarms()[1:]
    _show(either, handheld, 2, 4)
    assert [has(seq) for seq in range(1, last + 1)] == [(1, 0)] + [(0, 1)] * 3 + [(0, 0)] * (last - 4)
    copied.write(r.HEALTH_EVENT, health="more")
    either.hello(copied)
    assert _show(either, copied, 2, 3, s.ASKED)[s.NEW] == 0 and either.count("raw") == 2  # though it goes on at once


@pytest.mark.parametrize("same", [True, False])
@pytest.mark.parametrize("size", [2, 3, 100])
def test_what_lies_in_a_range_that_the_other_chain_lacks_is_the_lost_or_another_branch(
    either: Centre, handheld: Handheld, same: bool, size: int
) -> None:
    """The copy has declared a range lost. Records of it from the common part come back; those of a branch are no lost ones, wherever they lie."""
    handheld.write(r.SHIFT_OPENED)
    copied = _copied(handheld, 1)
    if same:
        _paid(handheld, 2)
        copied.records = handheld.records[:]
    else:
        _paid(copied, 2)
        _paid(handheld, 2)
    last = len(copied.records)
    copied.write(r.HEALTH_EVENT, health="a copy")
    either.hello(copied)
    either.send(copied, 1, 1)
    assert s.REJECTED not in either.say(copied.batch(last + 1, gap=2))[1]
    handheld.write(r.HEALTH_EVENT, health="x")
    either.hello(handheld)
    rejected = []
    for first in range(1, len(handheld.records) + 1, size):
        rejected += _show(either, handheld, first, min(first + size - 1, len(handheld.records))).get(s.REJECTED, [])
    lost = [seq for seq, code in rejected if code == codes.GAP_CLOSED]
    assert lost == (list(range(2, last + 1)) if same else []) or not same and size < last
    assert [seq for seq, _ in rejected] == list(range(2, len(handheld.records) + 1))
    assert either.count("forks") == len(rejected)
    assert all(_show(either, handheld, seq, seq, s.ASKED)[s.BESIDE] == 1 for seq, _ in rejected)
    assert (codes.GAP_CLOSED in either.alarms()) == bool(lost) and codes.FORK in either.alarms()
    assert ("they are the lost ones" in " ".join(_said(either))) == same


def _said(centre: Centre) -> list[str]:
    with reading(centre.engine) as connection:
        return [row.what for row in connection.execute(select(t.audit.c.what))]


def test_behind_a_gap_totals_that_go_back_are_an_alarm(either: Centre, handheld: Handheld) -> None:
    handheld.write(r.SHIFT_OPENED)
    copied = _copied(handheld, 1)
    _paid(copied, 3)
    _paid(handheld, 2)
    either.hello(copied)
    either.send(copied)
    either.hello(handheld)
    head = len(copied.records)
    while len(handheld.records) < head + 3:
        handheld.write(r.HEALTH_EVENT, health="x")
    before = either.alarms().count(codes.FORK)
    for _ in range(2):
        assert either.refused(handheld.batch(head + 2, gap=head + 1)) == codes.WRONG_TOTALS
    assert either.alarms().count(codes.FORK) == before + 1 and either.count("gaps") == 0


def test_what_goes_on_at_once_has_to_go_on_from_the_totals_too(either: Centre, handheld: Handheld) -> None:
    _paid(handheld, 1)
    either.hello(handheld)
    either.send(handheld)
    handheld.write(r.HEALTH_EVENT, health="x")
    last = len(handheld.records)
    wrong = handheld.batch(last, branch=s.SHOWN, cum_count=7, cum_total=0)
    assert either.refused(wrong) == codes.WRONG_TOTALS
    assert _show(either, handheld, last, last)[s.NEW] == 1


@pytest.mark.parametrize("value", [3, -1, True, "yes", b"", None, []])
def test_branch_is_one_of_two(centre: Centre, handheld: Handheld, value: object) -> None:
    handheld.write(r.SHIFT_OPENED)
    centre.hello(handheld)
    assert centre.refused(handheld.batch(1, branch=value)) == codes.MALFORMED
    assert centre.send(handheld)[s.NEW] == 1
