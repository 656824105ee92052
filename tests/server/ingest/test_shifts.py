"""Shifts whose records do not hang together."""

from sqlalchemy import select

from protocol import records as r
from protocol import sync as s
from server.store import tables as t
from server.store.engine import reading
from tests.server.centre import Centre
from tests.server.handheld import Handheld

A = 200_000


def _said(centre: Centre) -> list[str]:
    with reading(centre.engine) as connection:
        return [row.what for row in connection.execute(select(t.audit.c.what).where(t.audit.c.code == "RECON"))]


def _between(handheld: Handheld) -> tuple[int, int]:
    """A closed shift, and money that is written down before the next is opened: (the first record behind the one, the opening of the other)."""
    handheld.write(r.SHIFT_OPENED)
    last = handheld.write(r.SHIFT_CLOSED, first=1, totals={})
    handheld.pay(r.OUTCOME_APPROVED, A)
    return last + 1, handheld.write(r.SHIFT_OPENED)


def test_what_comes_between_two_shifts_counts_in_the_second(either: Centre, handheld: Handheld) -> None:
    first, _ = _between(handheld)
    totals = {1: [1, A]}
    last = handheld.write(r.SHIFT_CLOSED, first=first, totals=totals)
    either.hello(handheld)
    either.send(handheld)
    reply = either.say(handheld.close(first, last, totals))[1]
    assert reply[s.BALANCED] is True and reply[s.TOTALS] == totals and _said(either) == []


def test_money_between_two_shifts_of_an_earlier_terminal_is_in_neither_and_that_is_told(
    either: Centre, handheld: Handheld
) -> None:
    begin, opened = _between(handheld)
    last = handheld.write(r.SHIFT_CLOSED, first=opened, totals={})
    either.hello(handheld)
    either.send(handheld)
    assert either.say(handheld.close(opened, last, {}))[1][s.BALANCED] is True  # as it says
    assert _said(either) == [f"records {begin} to {opened - 1} are in no shift, and money is among them"]


def test_other_records_between_two_shifts_are_no_reason_to_tell(either: Centre, handheld: Handheld) -> None:
    handheld.write(r.SHIFT_OPENED)
    handheld.write(r.SHIFT_CLOSED, first=1, totals={})
    handheld.write(r.HEALTH_EVENT, health="boot")
    opened = handheld.write(r.SHIFT_OPENED)
    handheld.write(r.SHIFT_CLOSED, first=opened, totals={})
    either.hello(handheld)
    either.send(handheld)
    assert _said(either) == []


def test_a_shift_that_begins_while_another_is_open_leaves_payments_in_no_closed_one(
    either: Centre, handheld: Handheld
) -> None:
    """As after a terminal has lost the record that opened the first."""
    either.hello(handheld)
    first = handheld.write(r.SHIFT_OPENED)
    handheld.pay(r.OUTCOME_APPROVED, A)
    either.send(handheld)
    second = handheld.write(r.SHIFT_OPENED)
    handheld.pay(r.OUTCOME_APPROVED, A)
    handheld.write(r.SHIFT_CLOSED, first=second, totals={1: [1, A]})
    either.send(handheld, second)
    assert either.alarms() == ["RECON"]
    with reading(either.engine) as connection:
        what = connection.execute(select(t.audit.c.what).where(t.audit.c.code == "RECON")).scalar()
    assert what is not None and f"record {second} opens a shift, that of record {first} has no end" in what
    handheld.write(r.SHIFT_OPENED)
    either.send(handheld, len(handheld.records))
    assert either.alarms() == ["RECON"]
