"""What one registered device can make the server do, and what forks and gaps leave in the books."""

import copy
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from protocol import batch
from protocol import records as r
from protocol import sync as s
from server import codes
from server.ingest import close
from server.ingest.lost import suspense
from server.ledger import recompute
from server.store import audit
from server.store.engine import reading
from server.wire import schema
from tests.server.centre import Centre
from tests.server.handheld import Handheld

A = 200_000


def _branch(handheld: Handheld, records: int) -> Handheld:
    """A second history that shares the first records."""
    other = copy.copy(handheld)
    other.records = [dict(record) for record in handheld.records[:records]]
    other.attached = {key: {} for key in handheld.attached}
    return other


def _said(centre: Centre, code: str = "RECON") -> list[str]:
    with reading(centre.engine) as connection:
        lines = connection.exec_driver_sql("SELECT what, code FROM audit ORDER BY number")
        return [line.what for line in lines if line.code == code]


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Shifts are long from 20 records on; the list counts the records that are gone through, 1 at a time."""
    monkeypatch.setattr(close, "SLICE", 20)
    monkeypatch.setattr(close, "LONGEST", 50)
    seen: list[int] = []
    step = r.totals_step

    def counting(totals: dict[int, list[int]], record: dict[int, Any]) -> None:
        seen.append(record[r.SEQ])
        step(totals, record)

    monkeypatch.setattr(r, "totals_step", counting)
    return seen


def _shift(handheld: Handheld, payments: int) -> tuple[int, dict[int, list[int]]]:
    """A shift with its end: (its first record, its totals)."""
    first = handheld.write(r.SHIFT_OPENED, shift=1)
    for _ in range(payments):
        handheld.pay(r.OUTCOME_DECLINED)
    totals = {3: [payments, payments * A]}
    handheld.write(r.SHIFT_CLOSED, shift=1, first=first, totals=totals)
    return first, totals


def _send_all(centre: Centre, handheld: Handheld, begin: int = 1, size: int = 25) -> None:
    centre.hello(handheld)
    for first in range(begin, len(handheld.records) + 1, size):
        centre.send(handheld, first, min(first + size - 1, len(handheld.records)))


def test_a_shift_that_begins_before_the_last_one_ended_is_named_and_not_gone_through(
    centre: Centre, handheld: Handheld, short: list[int]
) -> None:
    first, totals = _shift(handheld, 15)
    end = len(handheld.records)
    for _ in range(10):
        handheld.write(r.SHIFT_CLOSED, first=first, totals=totals)
    _send_all(centre, handheld)
    assert len(short) == 15
    assert _said(centre) == [
        f"shift {first} to {end + n} begins before record {end + n - 1}, the end of another: not compared"
        for n in range(1, 11)
    ]


def test_a_long_shift_balances_and_each_of_its_records_is_gone_through_once(
    either: Centre, handheld: Handheld, short: list[int]
) -> None:
    first, totals = _shift(handheld, 100)
    last = len(handheld.records)
    _send_all(either, handheld)
    assert sorted(short) == sorted(set(short)) and len(short) == 100
    reply = either.say(handheld.close(first, last, totals))[1]
    assert reply[s.BALANCED] is True and reply[s.TOTALS] == totals and reply[s.DIFFERING] == []
    assert len(short) < 100 + 50 and _said(either) == []


def test_a_short_shift_beside_a_long_one_balances(centre: Centre, handheld: Handheld, short: list[int]) -> None:
    _shift(handheld, 60)
    _shift(handheld, 1)
    _shift(handheld, 1)
    _send_all(centre, handheld, size=49)
    assert _said(centre) == []


def test_a_long_shift_that_does_not_balance_is_named_once_with_its_payments(
    centre: Centre, handheld: Handheld, short: list[int]
) -> None:
    first, totals = _shift(handheld, 100)
    handheld.records[-1][r.TOTALS] = wrong = {3: [100, 100 * A + 1]}
    last = len(handheld.records)
    _send_all(centre, handheld)
    for _ in range(2):
        reply = centre.say(handheld.close(first, last, wrong))[1]
        assert reply[s.BALANCED] is False and reply[s.TOTALS] == totals
        outcomes = {rec[r.SEQ] for rec in handheld.records if rec[r.KIND] == r.PAYMENT_OUTCOME}
        assert {first + 3, last - 1} <= set(reply[s.DIFFERING]) <= outcomes
    assert _said(centre) == [f"shift {first} to {last} does not balance"]


def test_a_record_of_a_long_shift_that_is_lost_or_set_aside_is_named(
    centre: Centre, handheld: Handheld, short: list[int]
) -> None:
    first, totals = _shift(handheld, 100)
    last = len(handheld.records)
    handheld.records[6][r.OUTCOME] = 9  # no outcome
    for seq in range(8, last + 1):
        handheld.records[seq - 1][r.PREV] = handheld.hash(seq - 1)
    centre.hello(handheld)
    centre.send(handheld, 1, 25)
    centre.say(handheld.batch(31, 50, gap=26))
    for begin in range(51, last + 1, 25):
        centre.send(handheld, begin, min(begin + 24, last))
    reply = centre.say(handheld.close(first, last, totals))[1]
    assert reply[s.BALANCED] is False and {7, 26, 27, 28, 29, 30} <= set(reply[s.DIFFERING])


def test_what_was_never_followed_and_is_too_long_is_not_compared(
    centre: Centre, handheld: Handheld, short: list[int]
) -> None:
    for _ in range(30):
        handheld.pay(r.OUTCOME_DECLINED)
    last = handheld.write(r.SHIFT_CLOSED, first=2, totals={})
    _send_all(centre, handheld)
    reply = centre.say(handheld.close(2, last, {}))[1]
    assert reply[s.BALANCED] is False and reply[s.DIFFERING] == [2] and sorted(short) == sorted(set(short))
    assert _said(centre) == [f"shift 2 to {last} is too long to be compared here"]


def test_a_shift_that_begins_before_its_opening_uses_what_was_added_up_while_it_was_open(
    either: Centre, handheld: Handheld, short: list[int]
) -> None:
    _shift(handheld, 1)
    for before in (1, 30):  # results that come between two shifts: few, and more than are gone through at once
        first = len(handheld.records) + 1
        for _ in range(before):
            handheld.pay(r.OUTCOME_DECLINED)
        handheld.write(r.SHIFT_OPENED, shift=2)
        for _ in range(60):
            handheld.pay(r.OUTCOME_DECLINED)
        totals = {3: [before + 60, (before + 60) * A]}
        last = handheld.write(r.SHIFT_CLOSED, shift=2, first=first, totals=totals)
    _send_all(either, handheld)
    assert _said(either) == [] and sorted(short) == sorted(set(short))
    reply = either.say(handheld.close(first, last, totals))[1]
    assert reply[s.BALANCED] is True and reply[s.TOTALS] == totals


def test_what_lies_between_two_shifts_is_looked_for_as_far_as_it_was_added_up(
    centre: Centre, handheld: Handheld, short: list[int]
) -> None:
    _shift(handheld, 1)
    end = len(handheld.records)
    for _ in range(40):
        handheld.pay(r.OUTCOME_DECLINED)
    first = handheld.write(r.SHIFT_OPENED, shift=2)
    handheld.write(r.SHIFT_CLOSED, shift=2, first=first, totals={})
    _send_all(centre, handheld)
    assert _said(centre) == [f"records {end + 1} to {first - 1} are in no shift, and money is among them"]
    assert len(short) < 50


def test_a_shift_that_begins_after_its_own_end_is_a_bad_record(centre: Centre, handheld: Handheld) -> None:
    bad = handheld.write(r.SHIFT_CLOSED, first=schema.U32, totals={})
    own = handheld.write(r.SHIFT_CLOSED, first=bad + 2, totals={})
    centre.hello(handheld)
    assert centre.send(handheld)[s.REJECTED] == [[bad, codes.BAD_RECORD], [own, codes.BAD_RECORD]]
    assert _said(centre) == []


def test_a_batch_that_would_be_far_longer_than_any_terminals_is_refused(centre: Centre, handheld: Handheld) -> None:
    centre.hello(handheld)
    for _ in range(200):
        handheld.write(r.HEALTH_EVENT, health="x")
    for record in handheld.records:
        record[r.PREV], record[200] = handheld.hash(record[r.SEQ] - 1), b"z" * 600
    course = batch.Course(handheld.name)
    told = b"".join([batch.tell(course, record) for record in handheld.records])
    assert len(told) < 2000
    assert centre.refused(handheld.batch(1, records=told, signatures=b"")) == codes.MALFORMED


def test_made_up_amounts_are_not_tried_in_all_their_sums() -> None:
    candidates = [SimpleNamespace(amount=1000 + 3**n) for n in range(40)]
    total = sum(row.amount for row in candidates[:20])
    found = suspense.explained(candidates, 20, total)
    assert sum(row.amount for row in found) <= total and len(found) <= 20
    few = candidates[:8]
    assert suspense.explained(few, 3, sum(row.amount for row in few[2:5])) == few[2:5]


def test_a_fork_of_the_first_lost_payment_leaves_the_gaps_money_in_suspense(either: Centre, handheld: Handheld) -> None:
    handheld.write(r.SHIFT_OPENED)
    either.hello(handheld)
    either.send(handheld)
    intent = handheld.write(r.PAYMENT_INTENT, case=1, amount=1000)
    handheld.pay(r.OUTCOME_APPROVED, 500_000)
    end = handheld.finish(intent, r.OUTCOME_DECLINED, 1000)
    either.hello(handheld)
    either.say(handheld.batch(end, gap=intent))
    held = either.books()
    assert held["missing:TSD-000001"] == 500_000
    other = _branch(handheld, end - 1)
    other.finish(intent, r.OUTCOME_INTERRUPTED, 1000)
    either.say(other.batch(end))
    assert either.books() == held and codes.FORK in either.alarms()
    with reading(either.engine) as connection:
        assert recompute.differences(connection) == []


def test_a_payment_held_for_a_fork_is_not_asked_about_when_its_card_data_come_again(
    either: Centre, handheld: Handheld
) -> None:
    intent = handheld.pay(r.OUTCOME_APPROVED)
    either.hello(handheld)
    either.send(handheld)
    for request in either.claim():
        either.answer(request, "25")
    other = _branch(handheld, intent)
    other.finish(intent, r.OUTCOME_INTERRUPTED, A)
    either.say(other.batch(intent + 1))
    either.hello(handheld)
    either.send(handheld, 1)
    assert either.claim() == [] and either.books() == {}


def test_a_result_that_had_arrived_and_is_lost_is_named_since_it_counts_twice(
    either: Centre, handheld: Handheld
) -> None:
    intent = handheld.pay(r.OUTCOME_PROVISIONAL)
    either.hello(handheld)
    either.send(handheld)
    for request in either.claim():
        either.answer(request, "00")
    either.hello(handheld)
    lost = handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=1, amount=A, auth_code="123456")
    either.send(handheld, lost)
    handheld.write(r.GAP, first=lost, gap_last=lost, gap_hash=handheld.hash(lost))
    either.hello(handheld)
    either.send(handheld, lost + 1)
    with reading(either.engine) as connection:
        (said,) = [line.what for line in connection.exec_driver_sql("SELECT what FROM audit WHERE code = 'GAP'")]
    assert f"the result of payment {intent} had arrived" in said and str(A) in said
    assert [result[s.RESULT_INTENT] for result in either.hello(handheld)[s.RESULTS]] == [intent]


def test_heads_that_are_behind_are_told_once_and_push_no_other_device_off_the_page(tmp_path: Path) -> None:
    loud, quiet = Handheld("TSD-000001"), Handheld("TSD-000002")
    centre = Centre(tmp_path, loud, quiet)
    with centre.engine.begin() as connection:
        audit.alarm(connection, quiet.name, "GAP", "of interest", centre.now)
        for number in range(60):
            audit.alarm(connection, loud.name, "GAP", f"noise {number}", centre.now + 1)
    for _ in range(3):
        loud.pay(r.OUTCOME_DECLINED)
    centre.hello(loud)
    centre.send(loud)
    for head in (5, 4, 5, 6, 3, 5):
        centre.say(loud.hello(head_seq=head, head_hash=bytes(32)))
    assert centre.alarms().count(codes.ROLLED_BACK) == 1 and centre.alarms().count(codes.FORK) == 1
    shown = [alarm["device"] for alarm in centre.ledger()["alarms"]]
    assert (shown.count(loud.name), shown.count(quiet.name)) == (20, 1)
