"""Shifts whose records do not hang together."""

from sqlalchemy import select

from protocol import records as r
from server.store import tables as t
from server.store.engine import reading
from tests.server.centre import Centre
from tests.server.handheld import Handheld

A = 200_000


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
