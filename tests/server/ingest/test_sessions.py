"""What a session leaves behind: nonces that are remembered for a time, and a shift whose totals agree though a record of it was set aside."""

from sqlalchemy import select

from protocol import records as r
from protocol import sync as s
from server import codes
from server.ingest import sessions
from server.store import tables as t
from server.store.engine import reading
from tests.server.centre import Centre
from tests.server.handheld import Handheld


def test_a_nonce_is_remembered_for_its_time_and_then_forgotten(centre: Centre, handheld: Handheld) -> None:
    """However many came after it."""
    first = handheld.hello()
    centre.say(first)
    begun = centre.now
    for _ in range(20):
        centre.hello(handheld)
    centre.now = begun + sessions.NONCE_SECONDS - 1
    assert centre.refused(first) == codes.NONCE_REUSED
    centre.now = begun + sessions.NONCE_SECONDS + 60
    centre.hello(handheld)
    with reading(centre.engine) as connection:
        kept = connection.execute(select(t.nonces.c.nonce)).all()
    assert [bytes(row.nonce) for row in kept] == [handheld.nonce]


def test_a_shift_of_which_a_record_was_set_aside_does_not_balance_and_names_it(
    centre: Centre, handheld: Handheld
) -> None:
    """Even where both sides count alike without it."""
    first = handheld.write(r.SHIFT_OPENED)
    handheld.pay(r.OUTCOME_APPROVED)
    handheld.pay(r.OUTCOME_APPROVED, 300_000)
    bad = len(handheld.records)
    handheld.unsigned.add(bad)
    totals = {r.OUTCOME_APPROVED: [1, 200_000]}
    last = handheld.write(r.SHIFT_CLOSED, first=first, totals=totals)
    centre.hello(handheld)
    assert centre.send(handheld)[s.REJECTED] == [[bad, codes.BAD_OUTCOME_SIGNATURE]]
    recon = centre.say(handheld.close(first, last, totals))[1]
    assert (recon[s.BALANCED], recon[s.DIFFERING], recon[s.TOTALS]) == (False, [bad], totals)
    assert "RECON" in centre.alarms()
