"""Money in suspense is decided by two officers: out of it once, never more than is left, and what comes later undoes no decision in silence."""

import pytest
from sqlalchemy import delete, update

from protocol import records as r
from protocol import sync as s
from server import codes
from server.ledger import recompute
from server.office import decisions
from server.office.decisions import Finding, Item
from server.office.signing import VALID_S
from server.store import devices
from server.store import tables as t
from server.store.engine import reading
from tests.server.centre import Centre
from tests.server.doubts import NAME, OWNER, PAID, A, B, Desk, earned, gap, held, lost, write
from tests.server.handheld import Handheld
from tests.server.officers import FIRST, SECOND


def test_what_was_captured_is_income_and_what_nobody_paid_is_nothing(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    item = gap(first := lost(either, handheld, A, B, A))
    assert desk.left() == [("gap", first, 2 * A + B)]
    payload = desk.draft(item, Finding(collected=A, scheme="CIB TEST"))
    assert payload == {
        1: NAME, 2: 1, 3: t.ITEM_GAP, 4: first, 5: 1, 6: A, 7: "CIB TEST", 8: 0, 9: 1, 10: 0, 11: payload[11], 12: "the acquirer's file"
    }  # fmt: skip
    assert desk.propose(payload) == 1 and either.books() == held(2 * A + B)
    desk.approve(payload)
    assert either.books() == {**PAID, **held(A + B)} and desk.left() == [("gap", first, A + B)]
    desk.both(item, Finding(A, "EDAHABIA", B))
    assert either.books() == {
        "receivable:CIB TEST": A, "receivable:EDAHABIA": A, f"treasury:{OWNER}": -2 * A
    }  # fmt: skip
    assert desk.left() == [] and either.ledger()["gaps"][0]["left"] == 0
    assert [(row["number"], row["state"]) for row in either.ledger()["decisions"]] == [(2, "approved"), (1, "approved")]
    assert [row["part"] for row in either.ledger()["postings"]].count("decided") == 2
    assert either.ledger()["balanced"] and desk.refused(desk.draft, item, Finding(untaken=1)) == "PRM-037"
    said = [line["what"] for line in either.ledger()["alarms"] if line["code"] == "SUSPENSE"]
    assert len(said) == 4 and f"gap {first} of epoch 1" in said[0]


def _unseen(centre: Centre, handheld: Handheld) -> int:
    """The intent of an approved result whose outcome is lost with a restored database; it is the first record of a gap as well."""
    first = handheld.write(r.LOGIN) + 1
    case = handheld.cases + 1
    intent = handheld.write(r.PAYMENT_INTENT, case=case, amount=A)
    handheld.finish(intent, r.OUTCOME_PROVISIONAL, A)
    handheld.pay(r.OUTCOME_APPROVED, B)
    last = len(handheld.records)
    write(handheld, intent)
    centre.hello(handheld)
    centre.send(handheld, 1, first - 1)
    centre.say(handheld.batch(last + 1, gap=first))
    assert first == intent and codes.OUTCOME_LOST in centre.alarms()
    return intent


def test_a_gap_and_a_result_of_one_number_are_two_items(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent = _unseen(either, handheld)
    assert either.books() == held(A + B)
    assert sorted(desk.left()) == [("gap", intent, B), ("result", intent, A)]
    result = Item(t.ITEM_RESULT, NAME, 1, intent)
    assert desk.refused(desk.draft, result, Finding(untaken=B)) == "PRM-037"
    desk.both(result, Finding(A - 1, "CIB TEST"))
    assert sorted(desk.left()) == [("gap", intent, B), ("result", intent, 1)]
    desk.both(gap(intent), Finding(untaken=B))
    desk.both(result, Finding(untaken=1))
    assert desk.left() == [] and either.books() == earned(A - 1)
    assert desk.refused(desk.draft, Item(t.ITEM_RESULT, NAME, 1, intent + 1), Finding(untaken=1)) == "PRM-037"


def test_a_result_that_comes_once_more_after_the_decision_changes_nothing(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent = _unseen(either, handheld)
    desk.both(Item(t.ITEM_RESULT, NAME, 1, intent), Finding(A, "CIB TEST"))
    assert either.send(handheld, seq := write(handheld, intent))[s.REJECTED] == [[seq, codes.RESULT_UNEXPECTED]]
    assert either.books() == {**PAID, **held(B)}


def test_one_officer_cannot_do_it_alone_nor_with_the_others_kind_of_decision(
    centre: Centre, handheld: Handheld
) -> None:
    desk = Desk(centre)
    payload = desk.draft(gap(lost(centre, handheld, A)), Finding(untaken=A))
    desk.propose(payload)
    assert desk.refused(desk.approve, payload, FIRST) == "PRM-033"
    assert desk.refused(desk.approve, payload, SECOND, decisions.PROPOSAL) == "PRM-030"
    assert desk.refused(desk.propose, payload, SECOND, decisions.APPROVAL) == "PRM-030"
    assert centre.books() == held(A)
    desk.approve(payload)
    assert desk.refused(desk.approve, payload) == "PRM-032" and centre.books() == {}


@pytest.mark.parametrize("key", range(1, 13))
def test_what_is_approved_is_what_was_proposed_to_the_letter(centre: Centre, handheld: Handheld, key: int) -> None:
    desk = Desk(centre)
    payload = desk.draft(gap(lost(centre, handheld, A, B)), Finding(A, "CIB TEST"))
    desk.propose(payload)
    value = payload[key]
    other = {**payload, key: value + 1 if isinstance(value, int) else value + "x"}
    assert desk.refused(desk.approve, other) in ("PRM-032", "PRM-030")
    assert desk.refused(desk.approve, {**payload, key: None}) == "PRM-030"
    assert desk.refused(desk.approve, {**payload, 13: 0}) == "PRM-030"
    assert centre.books() == held(A + B)
    desk.approve(payload)
    assert centre.books() == {**PAID, **held(B)}


@pytest.mark.parametrize(
    ("key", "value"), [(3, 2), (4, 99), (5, 7), (6, -A), (6, A + B), (9, 0), (9, 2), (10, 1), (11, 0)]
)
def test_a_proposal_must_fit_the_item(centre: Centre, handheld: Handheld, key: int, value: int) -> None:
    desk = Desk(centre)
    payload = desk.draft(gap(lost(centre, handheld, A, B)), Finding(A, "CIB TEST"))
    assert desk.refused(desk.propose, {**payload, key: value}) in ("PRM-032", "PRM-037")
    assert centre.count("decisions") == 0


@pytest.mark.parametrize(
    "found",
    [
        Finding(), Finding(untaken=A + B + 1), Finding(A), Finding(untaken=A, scheme="CIB"), Finding(A, "a:b"), Finding(A, "x" * 33),
        Finding(A, "CIB", -1), Finding(A, "CIB", payments=2), Finding(A, "CIB", B, payments=1), Finding(A, "CIB", payments=3),
    ],
)  # fmt: skip
def test_what_cannot_be_is_not_proposed(centre: Centre, handheld: Handheld, found: Finding) -> None:
    desk = Desk(centre)
    assert desk.refused(desk.draft, gap(lost(centre, handheld, A, B)), found) == "PRM-037"


def test_how_many_payments_it_is_about_is_said_where_it_is_not_one_each(centre: Centre, handheld: Handheld) -> None:
    desk = Desk(centre)
    item = gap(lost(centre, handheld, A, A, B))
    desk.both(item, Finding(2 * A, "CIB TEST", payments=2))
    assert desk.refused(desk.draft, item, Finding(untaken=A)) == "PRM-037"  # one payment is left, of B
    desk.both(item, Finding(untaken=B))
    assert centre.books() == earned(2 * A)


def test_a_proposal_that_is_overtaken_or_old_is_no_longer_open(centre: Centre, handheld: Handheld) -> None:
    desk = Desk(centre)
    item = gap(lost(centre, handheld, A, B))
    first = desk.draft(item, Finding(untaken=A))
    desk.propose(first)
    second = desk.draft(item, Finding(untaken=B))
    assert desk.propose(second) == 2
    assert desk.refused(desk.approve, first) == "PRM-032"
    centre.now += VALID_S + 1
    assert desk.refused(desk.approve, second) == "PRM-032" and centre.books() == held(A + B)


def test_a_decision_is_undone_by_another_and_made_anew(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    item = gap(lost(either, handheld, A, B))
    assert desk.refused(desk.draft, item, Finding(), 1) == "PRM-037"
    desk.both(item, Finding(A, "CIB TEST"))
    desk.both(item, undo=1)
    assert either.books() == held(A + B)
    assert desk.refused(desk.draft, item, Finding(), 1) == "PRM-037"  # once
    assert desk.refused(desk.draft, item, Finding(), 2) == "PRM-037"  # what undoes stays
    desk.both(item, Finding(untaken=A + B))
    assert either.books() == {}


def test_a_decision_is_undone_where_it_was_posted_though_the_device_has_moved(
    either: Centre, handheld: Handheld
) -> None:
    desk = Desk(either)
    item = gap(lost(either, handheld, A, B))
    before = either.books()
    desk.both(item, Finding(A, "CIB TEST", untaken=B))
    moved = devices.parse(handheld.name, {**handheld.entry(), "unit": "BMP-31-02", "wilaya": 31})
    with either.engine.begin() as connection:
        devices.register(connection, moved, either.now)
    desk.both(item, undo=1)
    with reading(either.engine) as connection:
        assert recompute.posted(connection).balances == before


def test_two_that_would_undo_the_same_are_one(centre: Centre, handheld: Handheld) -> None:
    desk = Desk(centre)
    item = gap(lost(centre, handheld, A, B))
    desk.both(item, Finding(A, "CIB TEST"))
    payload = desk.draft(item, undo=1)
    desk.propose(payload)
    desk.approve(payload)
    again = {**payload, 5: 3}
    assert desk.refused(desk.propose, again) == "PRM-037" and centre.books() == held(A + B)


def test_the_recomputation_sees_a_decision_that_is_not_posted(centre: Centre, handheld: Handheld) -> None:
    desk = Desk(centre)
    desk.both(gap(lost(centre, handheld, A, B)), Finding(A, "CIB TEST"))
    with centre.engine.begin() as connection:
        for table in (t.legs, t.postings):
            connection.execute(delete(table).where(table.c.part >= t.PART_DECIDED))
    with reading(centre.engine) as connection:
        assert len(recompute.differences(connection)) == 4


def test_the_recomputation_sees_more_decided_than_there_was(centre: Centre, handheld: Handheld) -> None:
    """As if the gap had held another payment when it was decided."""
    desk = Desk(centre)
    desk.both(gap(first := lost(centre, handheld, A, B)), Finding(untaken=A + B))
    with centre.engine.begin() as connection:
        connection.execute(update(t.gaps).values(amount=A, count=1))
    with reading(centre.engine) as connection:
        assert any(f"gap from {first}" in line for line in recompute.differences(connection))
