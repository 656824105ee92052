"""A result that the terminal wrote down and lost: its money is in the ledger by the acquirer's word, and not in suspense as well."""

import copy

import pytest
from sqlalchemy import delete, update

from protocol import records as r
from protocol import sync as s
from server import codes
from server.ledger import recompute
from server.store import restore
from server.store import tables as t
from server.store.engine import reading
from tests.server.centre import Centre
from tests.server.doubts import deferred, settle, write
from tests.server.handheld import Handheld

A = 200_000
PAID = {"receivable:CIB TEST": A, "treasury:16:1:BMP-16-01": -A}


def _held(amount: int) -> dict[str, int]:
    return {"missing:TSD-000001": amount, "suspense:16:1:BMP-16-01": -amount}


def _lose(centre: Centre, handheld: Handheld, first: int) -> None:
    """All records from `first` on are lost; the terminal goes on and says so."""
    last = len(handheld.records)
    handheld.write(r.GAP, first=first, gap_last=last, gap_hash=handheld.hash(last))
    centre.hello(handheld)
    kind, ack = centre.say(handheld.batch(last + 1, gap=first))
    assert (kind, ack[s.ACKED_SEQ], ack.get(s.REJECTED)) == (s.TYPE_ACK, last + 1, None)


def test_a_lost_result_is_posted_once(either: Centre, handheld: Handheld) -> None:
    (intent,) = deferred(either, handheld, A)
    either.hello(handheld)
    first = write(handheld, intent)
    handheld.write(r.LICENCE_DISPOSITION, case=1, disposition=3)
    _lose(either, handheld, first)
    assert either.books() == PAID
    (gap,) = either.ledger()["gaps"]
    assert (gap["count"], gap["amount"], gap["known"]) == (1, A, [intent])


def test_what_no_result_explains_stays_in_suspense(either: Centre, handheld: Handheld) -> None:
    """Two results, one of them of an amount that the missing money does not hold, and an approved payment."""
    intents = deferred(either, handheld, A, 700_000)
    either.hello(handheld)
    first = write(handheld, intents[0])
    handheld.pay(r.OUTCOME_APPROVED, 300_000)
    _lose(either, handheld, first)
    assert either.books() == {
        "receivable:CIB TEST": A + 700_000, "treasury:16:1:BMP-16-01": -A - 700_000, **_held(300_000)
    }  # fmt: skip


def test_results_that_are_just_what_is_missing_are_preferred_to_the_first_that_may_be(
    either: Centre, handheld: Handheld
) -> None:
    intents = deferred(either, handheld, 200_000, 250_000, 300_000)
    either.hello(handheld)
    first = write(handheld, intents[1], 250_000)
    write(handheld, intents[2], 300_000)
    _lose(either, handheld, first)
    assert either.ledger()["gaps"][0]["known"] == intents[1:]
    assert either.books() == {"receivable:CIB TEST": 750_000, "treasury:16:1:BMP-16-01": -750_000}


def test_a_result_that_the_terminal_was_never_told_is_not_among_what_it_lost(
    either: Centre, handheld: Handheld
) -> None:
    deferred(either, handheld, A)
    first = len(handheld.records) + 1
    handheld.pay(r.OUTCOME_APPROVED, A)
    _lose(either, handheld, first)
    assert either.books() == {**PAID, **_held(A)}


def test_a_result_that_was_told_after_the_lost_records_is_not_among_them(either: Centre, handheld: Handheld) -> None:
    deferred(either, handheld, A)
    first = len(handheld.records) + 1
    handheld.pay(r.OUTCOME_APPROVED, A)
    assert s.RESULTS in either.hello(handheld)  # which names the head, beyond what is lost
    _lose(either, handheld, first)
    assert either.books() == {**PAID, **_held(A)}


def test_a_declined_result_took_no_money_with_it(either: Centre, handheld: Handheld) -> None:
    intent = handheld.pay(r.OUTCOME_PROVISIONAL, A)
    either.hello(handheld)
    either.send(handheld)
    for request in either.claim():
        either.answer(request, "51")
    either.hello(handheld)
    first = handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=3, amount=A)
    handheld.pay(r.OUTCOME_APPROVED, A)
    _lose(either, handheld, first)
    assert either.books() == _held(A)


def _said(centre: Centre) -> str:
    """The last alarm."""
    with reading(centre.engine) as connection:
        return (
            connection.exec_driver_sql("SELECT what FROM audit WHERE level = 3 ORDER BY number DESC").scalars().first()
            or ""
        )


def test_a_result_that_comes_after_all_is_in_suspense_until_a_person_decides(
    either: Centre, handheld: Handheld
) -> None:
    """What it was lost in cannot hold a payment, and the alarm says so."""
    (intent,) = deferred(either, handheld, A)
    either.hello(handheld)
    _lose(either, handheld, first := write(handheld, intent))
    assert [result[s.RESULT_INTENT] for result in either.hello(handheld)[s.RESULTS]] == [intent]
    ack = either.send(handheld, write(handheld, intent))
    assert s.REJECTED not in ack and either.books() == {**PAID, **_held(A)}
    assert either.ledger()["gaps"][0]["known"] == []
    assert either.alarms() == ["GAP", "GAP"]
    assert f"record {first} alone holds no payment; {A} centimes in suspense again" in _said(either)


def test_a_welcome_that_never_arrived_costs_no_other_payment_its_suspense(either: Centre, handheld: Handheld) -> None:
    """The result that it told is not among the lost records: another payment of its amount is."""
    (intent,) = deferred(either, handheld, A)
    either.hello(handheld)
    handheld.pay(r.OUTCOME_APPROVED, A)
    _lose(either, handheld, 4)
    assert either.books() == PAID
    either.hello(handheld)
    either.send(handheld, write(handheld, intent))
    assert either.books() == {**PAID, **_held(A)}
    assert "or the gap from 4 holds another payment" in _said(either)


def test_an_outcome_alone_is_lost_after_its_intent_had_arrived(either: Centre, handheld: Handheld) -> None:
    (intent,) = deferred(either, handheld, A)
    either.hello(handheld)
    handheld.pay(r.OUTCOME_APPROVED, A)
    either.send(handheld, 4, 5)
    _lose(either, handheld, 6)
    either.hello(handheld)
    either.send(handheld, write(handheld, intent))
    assert either.books() == {**PAID, **_held(A)}
    assert "or the gap from 6 holds another payment" in _said(either)


def test_another_result_of_the_amount_is_known_instead_of_the_one_that_came(either: Centre, handheld: Handheld) -> None:
    """Two were told, one of them was written down and lost: nobody knows which until one comes; both come when the terminal is told again."""
    intents = deferred(either, handheld, A, A)
    both = {"receivable:CIB TEST": 2 * A, "treasury:16:1:BMP-16-01": -2 * A}
    either.hello(handheld)
    _lose(either, handheld, write(handheld, intents[1]))
    assert either.ledger()["gaps"][0]["known"] == intents[:1]
    either.hello(handheld)
    either.send(handheld, write(handheld, intents[0]))
    assert either.ledger()["gaps"][0]["known"] == intents[1:] and either.books() == both
    assert "0 centimes in suspense again" in _said(either)
    either.send(handheld, write(handheld, intents[1]))
    assert either.ledger()["gaps"][0]["known"] == [] and either.books() == {**both, **_held(A)}


@pytest.mark.parametrize("order", [1, -1])
def test_two_results_that_come_in_one_batch_after_all(either: Centre, handheld: Handheld, order: int) -> None:
    intents = deferred(either, handheld, A, A)
    either.hello(handheld)
    _lose(either, handheld, write(handheld, intents[0]))
    first, _ = [write(handheld, intent) for intent in intents[::order]]
    either.hello(handheld)
    either.send(handheld, first)
    either.books()
    assert either.books()["missing:TSD-000001"] == A and either.ledger()["gaps"][0]["known"] == []


def test_a_result_that_comes_once_more_is_in_suspense_once(either: Centre, handheld: Handheld) -> None:
    """It came after the gap, was lost again, and comes a third time."""
    (intent,) = deferred(either, handheld, A)
    either.hello(handheld)
    _lose(either, handheld, write(handheld, intent))
    either.hello(handheld)
    either.send(handheld, seq := write(handheld, intent))
    again = handheld.write(r.GAP, first=seq, gap_last=seq, gap_hash=handheld.hash(seq))
    either.hello(handheld)
    either.send(handheld, again)
    assert s.REJECTED not in either.send(handheld, write(handheld, intent))
    assert either.books() == {**PAID, **_held(A)} and "has come once more" in _said(either)


def test_the_suspense_of_a_payment_that_is_held_for_a_fork_is_put_back_once(either: Centre, handheld: Handheld) -> None:
    (intent,) = deferred(either, handheld, A)
    either.hello(handheld)
    _lose(either, handheld, write(handheld, intent))
    other = copy.copy(handheld)
    other.records, other.attached = handheld.records[:intent], {s.SEALED: {}, s.PRIVATE: {}}
    other.write(r.HEALTH_EVENT, health="another")
    assert either.say(other.batch(intent + 1))[1][s.REJECTED]
    assert either.books() == _held(A)
    either.hello(handheld)
    either.send(handheld, write(handheld, intent))
    assert either.books() == _held(A)


@pytest.mark.parametrize("known_before", [False, True])
def test_after_a_restore_the_lost_result_is_taken_out_of_suspense_once_the_acquirer_has_said_it_again(
    either: Centre, handheld: Handheld, known_before: bool
) -> None:
    """The backup has the result and was never asked for it, or it has nothing at all of the terminal."""
    (intent,) = deferred(either, handheld, A)
    first = write(handheld, intent)
    handheld.write(r.GAP, first=first, gap_last=first, gap_hash=handheld.hash(first))
    if not known_before:
        with either.engine.begin() as connection:
            for table in (t.raw, t.cases, t.payments, t.results, t.postings, t.legs, t.outbox, t.sealed):
                connection.execute(delete(table))
            connection.execute(
                update(t.heads).values(seq=0, hash=bytes(32), cum_count=0, cum_total=0, counter=0, utc=0)
            )
    with either.engine.begin() as connection:
        restore.mark(connection, either.now)
    either.hello(handheld)
    if not known_before:
        either.send(handheld, 1, first - 1)
    kind, ack = either.say(handheld.batch(first + 1, gap=first))
    assert (kind, ack[s.ACKED_SEQ]) == (s.TYPE_ACK, first + 1)
    if not known_before:
        provisional = {"provisional:CIB TEST": A, "awaited:16:1:BMP-16-01": -A}
        assert either.books() == {**provisional, **_held(A)}
    settle(either)
    assert either.books() == PAID


def test_after_a_restore_a_result_said_again_is_not_looked_for_in_a_gap_that_the_backup_knew(
    either: Centre, handheld: Handheld
) -> None:
    """Another payment of the same amount was lost after the deferred one's outcome; what was told since is in no record of that gap."""
    intent = handheld.pay(r.OUTCOME_PROVISIONAL, A)
    either.hello(handheld)
    either.send(handheld)
    lost = len(handheld.records) + 1
    handheld.pay(r.OUTCOME_APPROVED, A)
    _lose(either, handheld, lost)
    either.now += 1
    with either.engine.begin() as connection:
        restore.mark(connection, either.now)
    either.hello(handheld)
    settle(either)
    assert [result[s.RESULT_INTENT] for result in either.hello(handheld)[s.RESULTS]] == [intent]
    assert either.books() == {**PAID, **_held(A)} and either.alarms().count("GAP") == 1


def test_the_recomputation_sees_a_payment_that_is_posted_and_in_suspense(centre: Centre, handheld: Handheld) -> None:
    """As if nothing had been taken out."""
    (intent,) = deferred(centre, handheld, A)
    centre.hello(handheld)
    _lose(centre, handheld, first := write(handheld, intent))
    with centre.engine.begin() as connection:
        connection.execute(update(t.results).values(gap=None))
        for table in (t.legs, t.postings):
            connection.execute(delete(table).where(table.c.part == t.PART_KNOWN))
    with reading(centre.engine) as connection:
        assert recompute.differences(connection) == [
            f"payment {intent} of TSD-000001 is posted, and may be in suspense with the gap from {first}"
        ]


def test_a_gap_record_and_the_result_written_again_come_in_one_batch(either: Centre, handheld: Handheld) -> None:
    """As after a restore, or when the answer that told the result again is all that the terminal has heard."""
    (intent,) = deferred(either, handheld, A)
    either.hello(handheld)
    lost = write(handheld, intent)
    either.send(handheld, lost)
    handheld.write(r.GAP, first=lost, gap_last=lost, gap_hash=handheld.hash(lost))
    write(handheld, intent)
    either.hello(handheld)
    assert s.REJECTED not in either.send(handheld, lost + 1)
    assert either.books() == PAID and s.RESULTS not in either.hello(handheld)


def test_a_fork_of_the_payment_that_explained_a_gap_lets_another_result_explain_it(
    either: Centre, handheld: Handheld
) -> None:
    """Two results of one amount were told, one record is lost: whichever was taken for it is held for a fork later."""
    intents = deferred(either, handheld, A, A)
    either.hello(handheld)
    _lose(either, handheld, write(handheld, intents[1]))
    (known,) = either.ledger()["gaps"][0]["known"]
    outcome = next(record for record in handheld.records if record.get(r.INTENT) == known and r.OUTCOME in record)
    other = copy.deepcopy(handheld)
    del other.records[outcome[r.SEQ] - 1 :]
    other.finish(known, r.OUTCOME_INTERRUPTED, A)
    either.say(other.batch(outcome[r.SEQ]))
    assert codes.FORK in either.alarms() and either.books() == PAID
    (other_one,) = set(intents) - {known}
    assert f"known are the results of payments {other_one}" in _said(either)
