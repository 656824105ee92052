"""Voids at the centre: one reversal for one void, opposite entries, and an end that the terminal hears until it has written it down."""

from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from protocol import records as r
from protocol import sync as s
from protocol.errors import ServerError
from server import codes
from server.acquirer import iso, outbox
from server.store import restore
from server.store import tables as t
from server.store.engine import reading
from tests.server.centre import Centre
from tests.server.handheld import Handheld

A = 200_000
CARD = b"\x11" * 8
OLD_CARD = CARD + b"\x22" * 8  # the same card's token as release 0.1.0 kept it
PAID = {"receivable:CIB TEST": A, "treasury:16:1:BMP-16-01": -A}


pytestmark = pytest.mark.usefixtures("greeted")


def paid(handheld: Handheld, outcome: int = r.OUTCOME_APPROVED) -> int:
    """A payment with a card's token in its outcome; its intent."""
    case = handheld.notice(A)
    intent = handheld.write(r.PAYMENT_INTENT, case=case, amount=A)
    seq = handheld.finish(intent, outcome, A)
    handheld.records[seq - 1][r.CARD_TOKEN] = CARD
    handheld.write(r.CASE_CLOSED, case=case, closure=r.CLOSURE_PAID)
    return intent


def void(handheld: Handheld, intent: int, **change: Any) -> int:
    """The record that asks."""
    body: dict[str, Any] = {"case": handheld.cases, "intent": intent, "amount": A, "void_state": r.VOID_ASKED}
    body.update(second_officer=1300, card_token=CARD)
    body.update(change)
    return handheld.write(r.VOID, **body)


def ended(handheld: Handheld, intent: int, state: int, reason: str = "00") -> int:
    return handheld.write(r.VOID, case=handheld.cases, intent=intent, amount=A, void_state=state, reason=reason)


def steps(requests: list[Any]) -> list[tuple[int, bool]]:
    return [(request.step, request.repeat) for request in requests]


def test_a_void_of_an_uncleared_payment_reverses_it_once_and_nothing_is_captured(
    centre: Centre, handheld: Handheld
) -> None:
    intent = paid(handheld)
    centre.send(handheld)
    seq = void(handheld, intent)
    assert s.REJECTED not in centre.send(handheld, seq)
    assert centre.books() == PAID  # until the acquirer has answered
    assert s.VOIDS not in centre.hello(handheld)
    (request,) = centre.claim()
    assert iso.encode(request, centre.now)[:4] == b"0400" and request.repeat is False
    assert centre.answer(request, "00") and not centre.answer(request, "00")
    assert centre.books() == {} and centre.claim() == []
    expected = {
        s.RESULT_EPOCH: 1, s.RESULT_INTENT: intent, s.RESULT_OUTCOME: r.VOID_DONE, s.RESULT_REASON: "00",
        s.RESULT_REF: iso.reference((handheld.name, 1, intent)),
    }  # fmt: skip
    assert centre.hello(handheld)[s.VOIDS] == [expected]
    centre.restart()
    assert centre.hello(handheld)[s.VOIDS] == [expected]  # that WELCOME was lost
    done = ended(handheld, intent, r.VOID_DONE)
    assert s.REJECTED not in centre.send(handheld, done)
    assert s.VOIDS not in centre.hello(handheld)
    report = centre.ledger()
    assert report["now"]["reversed"] == {"count": 1, "amount": A} and report["now"]["paid"]["count"] == 0
    assert (report["cases"][0]["state"], report["cases"][0]["closed"]) == ("unpaid", False)


def test_the_cards_sealed_data_may_go_once_the_payment_is_reversed(centre: Centre, handheld: Handheld) -> None:
    intent = paid(handheld)
    void(handheld, intent)
    centre.send(handheld)
    assert centre.count("sealed") == 1 and s.CLEARED not in centre.hello(handheld)
    (request,) = centre.claim()
    centre.answer(request, "25")  # the host had never heard of it: as good as reversed
    assert centre.count("sealed") == 0
    assert centre.hello(handheld)[s.VOIDS][0][s.RESULT_OUTCOME] == r.VOID_DONE
    receipt = centre.hello(handheld)[s.CLEARED]
    assert isinstance(receipt, bytes)


def test_a_reversal_waits_until_the_clearing_is_no_longer_in_doubt(centre: Centre, handheld: Handheld) -> None:
    intent = paid(handheld)
    centre.send(handheld)
    (clearing,) = centre.claim()  # it may have been received; then the void comes
    seq = void(handheld, intent)
    centre.send(handheld, seq)
    (again,) = centre.claim()
    assert steps([again]) == [(t.STEP_CLEAR, True)]
    assert not centre.answer(clearing, "00")  # it is being asked again: that answer counts
    assert centre.answer(again, "00")
    (reversal,) = centre.claim()
    assert (reversal.step, reversal.repeat) == (t.STEP_REVERSE, False)
    centre.answer(reversal, "00")
    assert centre.books() == {} and centre.alarms() == []


def test_a_doubtful_reversal_is_repeated_and_the_void_stays_open(centre: Centre, handheld: Handheld) -> None:
    intent = paid(handheld)
    void(handheld, intent)
    centre.send(handheld)
    (first,) = centre.claim()
    assert centre.answer(first, "91") is False
    assert s.VOIDS not in centre.hello(handheld) and centre.books() == PAID
    (second,) = centre.claim()
    one, two = iso.encode(first, centre.now), iso.encode(second, centre.now)
    assert (one[:4], two[:4]) == (b"0400", b"0401") and one[4:] == two[4:]
    centre.answer(second, "00")
    assert centre.books() == {}


def test_a_reversal_that_the_acquirer_refuses_leaves_the_payment_and_raises_an_alarm(
    centre: Centre, handheld: Handheld
) -> None:
    intent = paid(handheld)
    void(handheld, intent)
    centre.send(handheld)
    (request,) = centre.claim()
    centre.answer(request, "12")
    assert centre.books() == PAID and "ACQUIRER" in centre.alarms()
    (end,) = centre.hello(handheld)[s.VOIDS]
    assert (end[s.RESULT_OUTCOME], end[s.RESULT_REASON]) == (r.VOID_REFUSED, "12")
    assert s.REJECTED not in centre.send(handheld, ended(handheld, intent, r.VOID_REFUSED))
    assert s.VOIDS not in centre.hello(handheld)


@pytest.mark.parametrize(("said", "written"), [("12", r.VOID_DONE), ("00", r.VOID_REFUSED)])
def test_a_terminal_that_writes_another_end_than_the_acquirers_is_named_and_told_no_more(
    centre: Centre, handheld: Handheld, said: str, written: int
) -> None:
    """As after a restore, when the acquirer answers otherwise than before."""
    intent = paid(handheld)
    void(handheld, intent)
    centre.send(handheld)
    (request,) = centre.claim()
    centre.answer(request, said, "")
    books = centre.books()
    assert s.VOIDS in centre.hello(handheld)
    seq = ended(handheld, intent, written)
    assert centre.send(handheld, seq)[s.REJECTED] == [[seq, codes.RESULT_DIFFERS]]
    assert centre.books() == books and s.VOIDS not in centre.hello(handheld)
    with reading(centre.engine) as connection:
        named = connection.execute(select(t.audit.c.what).where(t.audit.c.code == codes.RESULT_DIFFERS)).scalars().all()
        assert connection.execute(select(t.voids.c.result_seq)).scalar() == seq
    words = {r.VOID_DONE: "done; refused", r.VOID_REFUSED: "refused; done"}[written]
    assert f"record {seq}: void of payment {intent}, {A} centimes, {words} by the acquirer" in named


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"card_token": b"\x22" * 8}, codes.VOID_ANOTHER_CARD),
        ({"card_token": b"\x22" * 16}, codes.VOID_ANOTHER_CARD),
        ({"second_officer": 1207}, codes.VOID_ONE_OFFICER),
        ({"amount": A - 1}, codes.AMOUNT_DIFFERS),
    ],
)
def test_a_void_that_may_not_be_is_kept_asks_nobody_and_ends_refused(
    centre: Centre, handheld: Handheld, change: dict[str, Any], code: str
) -> None:
    intent = paid(handheld)
    seq = void(handheld, intent, **change)
    assert centre.send(handheld)[s.REJECTED] == [[seq, code]]
    assert steps(centre.claim()) == [(t.STEP_CLEAR, False)]
    (end,) = centre.hello(handheld)[s.VOIDS]
    assert (end[s.RESULT_OUTCOME], end[s.RESULT_REASON]) == (r.VOID_REFUSED, code)
    assert code in centre.alarms() and centre.books() == PAID


@pytest.mark.parametrize(
    ("kept", "presented", "same"),
    [
        (OLD_CARD, CARD, True),  # the terminal was updated in between
        (CARD, OLD_CARD, True),
        (OLD_CARD, OLD_CARD, True),
        (OLD_CARD, CARD + b"\x23" * 8, False),
        (OLD_CARD, b"\x22" * 8, False),
    ],
)
def test_tokens_from_before_and_after_an_update_are_compared_by_what_both_have(
    centre: Centre, handheld: Handheld, kept: bytes, presented: bytes, same: bool
) -> None:
    intent = paid(handheld)
    (outcome,) = [record for record in handheld.records if record[r.KIND] == r.PAYMENT_OUTCOME]
    outcome[r.CARD_TOKEN] = kept
    handheld.records[-1][r.PREV] = handheld.hash(outcome[r.SEQ])
    seq = void(handheld, intent, card_token=presented)
    refused = centre.send(handheld).get(s.REJECTED, [])
    assert refused == ([] if same else [[seq, codes.VOID_ANOTHER_CARD]])
    assert steps(centre.claim()) == [(t.STEP_REVERSE if same else t.STEP_CLEAR, False)]


@pytest.mark.parametrize("size", [0, 7, 9, 15, 17, 32])
def test_a_token_of_another_length_is_none(centre: Centre, handheld: Handheld, size: int) -> None:
    seq = void(handheld, paid(handheld), card_token=bytes(size))
    read = handheld.write(r.LICENCE_READ, verdict=1, licence_token=bytes(size))
    assert [entry[0] for entry in centre.send(handheld)[s.REJECTED]] == [seq, read]


def test_a_void_of_no_payment_and_an_end_of_no_void_are_set_aside(centre: Centre, handheld: Handheld) -> None:
    intent = paid(handheld)
    first = void(handheld, intent - 1)
    second = ended(handheld, intent, r.VOID_DONE)
    assert centre.send(handheld)[s.REJECTED] == [[first, codes.VOID_UNEXPECTED], [second, codes.VOID_UNEXPECTED]]
    assert steps(centre.claim()) == [(t.STEP_CLEAR, False)] and centre.books() == PAID


@pytest.mark.parametrize("outcome", [r.OUTCOME_PROVISIONAL, r.OUTCOME_DECLINED, r.OUTCOME_INTERRUPTED])
def test_only_an_approved_payment_can_be_voided(centre: Centre, handheld: Handheld, outcome: int) -> None:
    intent = paid(handheld, outcome)
    seq = void(handheld, intent)
    assert centre.send(handheld)[s.REJECTED] == [[seq, codes.VOID_UNEXPECTED]]
    assert centre.count("outbox") == (1 if outcome == r.OUTCOME_PROVISIONAL else 0)


def test_a_second_void_of_the_same_payment_asks_nobody(centre: Centre, handheld: Handheld) -> None:
    intent = paid(handheld)
    void(handheld, intent)
    seq = void(handheld, intent)
    assert centre.send(handheld)[s.REJECTED] == [[seq, codes.VOID_UNEXPECTED]]
    assert steps(centre.claim()) == [(t.STEP_REVERSE, False)]
    later = void(handheld, intent)
    assert centre.send(handheld, later)[s.REJECTED] == [[later, codes.VOID_UNEXPECTED]]
    assert centre.count("outbox") == 2


def test_a_refund_by_the_centre_and_a_void_do_not_both_happen(centre: Centre, handheld: Handheld) -> None:
    intent = paid(handheld)
    centre.send(handheld)
    with centre.engine.begin() as connection:
        outbox.request_reversal(connection, (handheld.name, 1, intent), "two supervisors", centre.now)
    seq = void(handheld, intent)
    assert centre.send(handheld, seq)[s.REJECTED] == [[seq, codes.VOID_UNEXPECTED]]
    other = paid(handheld)
    void(handheld, other)
    centre.send(handheld, seq + 1)
    with centre.engine.begin() as connection, pytest.raises(ServerError, match=codes.NO_SUCH_PAYMENT):
        outbox.request_reversal(connection, (handheld.name, 1, other), "two supervisors", centre.now)


def test_the_same_batch_twice_asks_once(centre: Centre, handheld: Handheld) -> None:
    intent = paid(handheld)
    void(handheld, intent)
    centre.send(handheld)
    again = centre.send(handheld)
    assert again[s.DUPLICATES] == len(handheld.records) and centre.count("voids") == 1
    assert steps(centre.claim()) == [(t.STEP_REVERSE, False)]


def test_a_void_without_its_own_signature_is_set_aside(centre: Centre, handheld: Handheld) -> None:
    intent = paid(handheld)
    seq = void(handheld, intent)
    handheld.unsigned.add(seq)
    assert centre.send(handheld)[s.REJECTED] == [[seq, codes.BAD_OUTCOME_SIGNATURE]]
    assert steps(centre.claim()) == [(t.STEP_CLEAR, False)]


def test_after_a_restore_the_reversal_goes_out_as_a_repeat_and_nothing_is_captured_twice(
    tmp_path: Path, handheld: Handheld
) -> None:
    """The database knows nothing of the void any more; the host has reversed it, and says 12 to a clearing."""
    intent = paid(handheld)
    void(handheld, intent)
    ended(handheld, intent, r.VOID_DONE)
    centre = Centre(tmp_path, handheld)
    with centre.engine.begin() as connection:
        restore.mark(connection, centre.now)
    centre.hello(handheld)
    assert s.REJECTED not in centre.send(handheld)
    (clearing,) = centre.claim()
    assert (clearing.step, clearing.repeat) == (t.STEP_CLEAR, True)
    centre.answer(clearing, "12")
    (reversal,) = centre.claim()
    assert (reversal.step, reversal.repeat) == (t.STEP_REVERSE, True)
    centre.answer(reversal, "00")
    assert centre.books() == {} and "ACQUIRER" not in centre.alarms()
    assert s.VOIDS not in centre.hello(handheld)  # the terminal has written it down long ago


@pytest.mark.parametrize("forgotten", [False, True])
def test_a_shift_with_a_void_balances_and_names_the_void_when_it_does_not(
    centre: Centre, handheld: Handheld, forgotten: bool
) -> None:
    intent = paid(handheld)
    void(handheld, intent)
    centre.send(handheld)
    (request,) = centre.claim()
    centre.answer(request, "00")
    seq = ended(handheld, intent, r.VOID_DONE)
    centre.send(handheld, seq)
    totals = {r.OUTCOME_APPROVED: [1, A], r.VOIDED: [1, A]}
    told = {r.OUTCOME_APPROVED: [1, A]} if forgotten else totals
    last = handheld.write(r.SHIFT_CLOSED, first=1, totals=told)
    centre.send(handheld, last)
    _, recon = centre.say(handheld.close(1, last, told))
    assert recon[s.BALANCED] is not forgotten and recon[s.TOTALS] == totals
    assert recon[s.DIFFERING] == ([seq] if forgotten else [])


def test_card_data_sent_again_do_not_revive_a_clearing_that_was_voided(centre: Centre, handheld: Handheld) -> None:
    intent = paid(handheld)
    blobs, handheld.attached[s.SEALED] = handheld.attached[s.SEALED], {}
    centre.send(handheld)
    (clearing,) = centre.claim()
    centre.answer(clearing, "25")
    seq = void(handheld, intent)
    centre.send(handheld, seq)
    handheld.attached[s.SEALED] = blobs
    centre.send(handheld, 1)
    assert steps(centre.claim()) == [(t.STEP_REVERSE, False)]


def test_a_verdict_that_came_to_no_notice_is_closed_with_a_reason(centre: Centre, handheld: Handheld) -> None:
    handheld.write(r.LICENCE_READ, verdict=1)
    handheld.write(r.CASE_CLOSED, closure=r.CLOSURE_ABANDONED, reason="no-offence")
    assert s.REJECTED not in centre.send(handheld)
    bad = handheld.write(r.CASE_CLOSED, closure=r.CLOSURE_ABANDONED, case=1)
    worse = handheld.write(r.CASE_CLOSED, closure=r.CLOSURE_PAID)
    assert centre.send(handheld, bad)[s.REJECTED] == [[bad, codes.BAD_RECORD], [worse, codes.BAD_RECORD]]


def test_an_abandoned_case_is_closed_and_keeps_its_number(centre: Centre, handheld: Handheld) -> None:
    case = handheld.notice(A)
    handheld.write(r.CASE_CLOSED, case=case, closure=r.CLOSURE_ABANDONED, reason="entry")
    handheld.notice(A)
    assert s.REJECTED not in centre.send(handheld)
    states = {row["case"]: row["closed"] for row in centre.ledger()["cases"]}
    assert states == {1: True, 2: False}


def test_a_void_that_had_arrived_and_is_lost_is_named_since_its_terminal_may_not_say_how_it_ended(
    centre: Centre, handheld: Handheld
) -> None:
    intent = paid(handheld)
    asked = void(handheld, intent)
    centre.send(handheld)
    handheld.write(r.GAP, first=asked, gap_last=asked, gap_hash=handheld.hash(asked))
    centre.send(handheld, asked + 1)
    with reading(centre.engine) as connection:
        (said,) = connection.exec_driver_sql("SELECT what FROM audit WHERE code = 'GAP'").scalars()
    assert said.startswith(f"records {asked} to {asked} are lost: the void of payment {intent} had arrived")
