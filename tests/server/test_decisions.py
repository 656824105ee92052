"""Money in suspense is decided by two officers: out of it once, never more than is left, and what comes later undoes no decision in silence."""

import copy
import shutil
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import delete, update

from protocol import records as r
from protocol import sync as s
from protocol.errors import ParameterError
from server import codes, decisions
from server.decisions import Finding, Item
from server.ledger import recompute
from server.store import restore
from server.store import tables as t
from server.store.engine import reading
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.officers import FIRST, SECOND, Officers

A, B = 200_000, 300_000
NAME, OWNER = "TSD-000001", "16:1:BMP-16-01"
PAID = {"receivable:CIB TEST": A, f"treasury:{OWNER}": -A}


def _held(amount: int) -> dict[str, int]:
    return {f"missing:{NAME}": amount, f"suspense:{OWNER}": -amount} if amount else {}


def _earned(amount: int, scheme: str = "CIB TEST") -> dict[str, int]:
    return {f"receivable:{scheme}": amount, f"treasury:{OWNER}": -amount}


def _gap(first: int) -> Item:
    return Item(t.ITEM_GAP, NAME, 1, first)


class Desk(Officers):
    """The two officers, and what they decide."""

    def __init__(self, centre: Centre) -> None:
        super().__init__(centre.folder)
        self.centre = centre

    def draft(self, item: Item, found: Finding = Finding(), undo: int = 0) -> dict[int, Any]:
        with self.centre.engine.begin() as connection:
            if undo:
                return decisions.draft_undo(connection, item, undo, "counted anew", self.centre.now)
            return decisions.draft(connection, item, found, "the acquirer's file", self.centre.now)

    def propose(self, payload: dict[int, Any], number: int = FIRST, kind: str = decisions.PROPOSAL) -> int:
        with self.centre.engine.begin() as connection:
            return decisions.propose(connection, self.office, self.decide(number, kind, payload), self.centre.now)

    def approve(self, payload: dict[int, Any], number: int = SECOND, kind: str = decisions.APPROVAL) -> None:
        with self.centre.engine.begin() as connection:
            decisions.approve(connection, self.office, self.decide(number, kind, payload), self.centre.now)

    def both(self, item: Item, found: Finding = Finding(), undo: int = 0) -> None:
        """Proposed and approved."""
        payload = self.draft(item, found, undo)
        self.propose(payload)
        self.approve(payload)

    def refused(self, act: Any, *words: Any) -> str:
        with pytest.raises(ParameterError) as caught:
            act(*words)
        return caught.value.code

    def left(self) -> list[tuple[str, int, int]]:
        """(kind, sequence, centimes) of what is in suspense."""
        with reading(self.centre.engine) as connection:
            return [(one["kind"], one["seq"], one["left"]) for one in decisions.items(connection)]


def _said(centre: Centre) -> str:
    """All alarms, the last one first."""
    with reading(centre.engine) as connection:
        said = connection.exec_driver_sql("SELECT what FROM audit WHERE level = 3 ORDER BY number DESC").scalars()
        return "; ".join(said)


def _settle(centre: Centre) -> None:
    while requests := centre.claim():
        for request in requests:
            assert centre.answer(request, "00")


def _deferred(centre: Centre, handheld: Handheld, *amounts: int) -> list[int]:
    """Deferred payments that arrive and that the acquirer approves."""
    first = len(handheld.records) + 1
    intents = [handheld.pay(r.OUTCOME_PROVISIONAL, amount) for amount in amounts]
    centre.hello(handheld)
    centre.send(handheld, first)
    _settle(centre)
    return intents


def _write(handheld: Handheld, intent: int, amount: int = A) -> int:
    return handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=1, amount=amount, auth_code="123456")


def _go_on(centre: Centre, handheld: Handheld, first: int) -> int:
    """All records from `first` on are lost; the terminal goes on."""
    last = len(handheld.records)
    handheld.write(r.HEALTH_EVENT, health="storage")
    centre.hello(handheld)
    kind, ack = centre.say(handheld.batch(last + 1, gap=first))
    assert (kind, ack.get(s.REJECTED)) == (s.TYPE_ACK, None)
    return first


def _declare(centre: Centre, handheld: Handheld, first: int, last: int) -> None:
    """The gap record of `first` to `last`, which the centre takes."""
    seq = handheld.write(r.GAP, first=first, gap_last=last, gap_hash=handheld.hash(last))
    centre.hello(handheld)
    assert s.REJECTED not in centre.send(handheld, seq)


def _lost(centre: Centre, handheld: Handheld, *amounts: int) -> int:
    """The first record of a gap that holds approved payments."""
    first = handheld.write(r.LOGIN) + 1
    for amount in amounts:
        handheld.pay(r.OUTCOME_APPROVED, amount)
    centre.hello(handheld)
    centre.send(handheld, 1, first - 1)
    return _go_on(centre, handheld, first)


def test_what_was_captured_is_income_and_what_nobody_paid_is_nothing(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    item = _gap(first := _lost(either, handheld, A, B, A))
    assert desk.left() == [("gap", first, 2 * A + B)]
    payload = desk.draft(item, Finding(collected=A, scheme="CIB TEST"))
    assert payload == {
        1: NAME, 2: 1, 3: t.ITEM_GAP, 4: first, 5: 1, 6: A, 7: "CIB TEST", 8: 0, 9: 1, 10: 0, 11: payload[11], 12: "the acquirer's file"
    }  # fmt: skip
    assert desk.propose(payload) == 1 and either.books() == _held(2 * A + B)
    desk.approve(payload)
    assert either.books() == {**PAID, **_held(A + B)} and desk.left() == [("gap", first, A + B)]
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
    _write(handheld, intent)
    centre.hello(handheld)
    centre.send(handheld, 1, first - 1)
    centre.say(handheld.batch(last + 1, gap=first))
    assert first == intent and codes.OUTCOME_LOST in centre.alarms()
    return intent


def test_a_gap_and_a_result_of_one_number_are_two_items(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent = _unseen(either, handheld)
    assert either.books() == _held(A + B)
    assert sorted(desk.left()) == [("gap", intent, B), ("result", intent, A)]
    result = Item(t.ITEM_RESULT, NAME, 1, intent)
    assert desk.refused(desk.draft, result, Finding(untaken=B)) == "PRM-037"
    desk.both(result, Finding(A - 1, "CIB TEST"))
    assert sorted(desk.left()) == [("gap", intent, B), ("result", intent, 1)]
    desk.both(_gap(intent), Finding(untaken=B))
    desk.both(result, Finding(untaken=1))
    assert desk.left() == [] and either.books() == _earned(A - 1)
    assert desk.refused(desk.draft, Item(t.ITEM_RESULT, NAME, 1, intent + 1), Finding(untaken=1)) == "PRM-037"


def test_a_result_that_comes_once_more_after_the_decision_changes_nothing(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent = _unseen(either, handheld)
    desk.both(Item(t.ITEM_RESULT, NAME, 1, intent), Finding(A, "CIB TEST"))
    assert either.send(handheld, seq := _write(handheld, intent))[s.REJECTED] == [[seq, codes.RESULT_UNEXPECTED]]
    assert either.books() == {**PAID, **_held(B)}


def test_one_officer_cannot_do_it_alone_nor_with_the_others_kind_of_decision(
    centre: Centre, handheld: Handheld
) -> None:
    desk = Desk(centre)
    payload = desk.draft(_gap(_lost(centre, handheld, A)), Finding(untaken=A))
    desk.propose(payload)
    assert desk.refused(desk.approve, payload, FIRST) == "PRM-033"
    assert desk.refused(desk.approve, payload, SECOND, decisions.PROPOSAL) == "PRM-030"
    assert desk.refused(desk.propose, payload, SECOND, decisions.APPROVAL) == "PRM-030"
    assert centre.books() == _held(A)
    desk.approve(payload)
    assert desk.refused(desk.approve, payload) == "PRM-032" and centre.books() == {}


@pytest.mark.parametrize("key", range(1, 13))
def test_what_is_approved_is_what_was_proposed_to_the_letter(centre: Centre, handheld: Handheld, key: int) -> None:
    desk = Desk(centre)
    payload = desk.draft(_gap(_lost(centre, handheld, A, B)), Finding(A, "CIB TEST"))
    desk.propose(payload)
    value = payload[key]
    other = {**payload, key: value + 1 if isinstance(value, int) else value + "x"}
    assert desk.refused(desk.approve, other) in ("PRM-032", "PRM-030")
    assert desk.refused(desk.approve, {**payload, key: None}) == "PRM-030"
    assert desk.refused(desk.approve, {**payload, 13: 0}) == "PRM-030"
    assert centre.books() == _held(A + B)
    desk.approve(payload)
    assert centre.books() == {**PAID, **_held(B)}


@pytest.mark.parametrize(
    ("key", "value"), [(3, 2), (4, 99), (5, 7), (6, -A), (6, A + B), (9, 0), (9, 2), (10, 1), (11, 0)]
)
def test_a_proposal_must_fit_the_item(centre: Centre, handheld: Handheld, key: int, value: int) -> None:
    desk = Desk(centre)
    payload = desk.draft(_gap(_lost(centre, handheld, A, B)), Finding(A, "CIB TEST"))
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
    assert desk.refused(desk.draft, _gap(_lost(centre, handheld, A, B)), found) == "PRM-037"


def test_how_many_payments_it_is_about_is_said_where_it_is_not_one_each(centre: Centre, handheld: Handheld) -> None:
    desk = Desk(centre)
    item = _gap(_lost(centre, handheld, A, A, B))
    desk.both(item, Finding(2 * A, "CIB TEST", payments=2))
    assert desk.refused(desk.draft, item, Finding(untaken=A)) == "PRM-037"  # one payment is left, of B
    desk.both(item, Finding(untaken=B))
    assert centre.books() == _earned(2 * A)


def test_a_proposal_that_is_overtaken_or_old_is_no_longer_open(centre: Centre, handheld: Handheld) -> None:
    desk = Desk(centre)
    item = _gap(_lost(centre, handheld, A, B))
    first = desk.draft(item, Finding(untaken=A))
    desk.propose(first)
    second = desk.draft(item, Finding(untaken=B))
    assert desk.propose(second) == 2
    assert desk.refused(desk.approve, first) == "PRM-032"
    centre.now += decisions.VALID_S + 1
    assert desk.refused(desk.approve, second) == "PRM-032" and centre.books() == _held(A + B)


def test_a_decision_is_undone_by_another_and_made_anew(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    item = _gap(_lost(either, handheld, A, B))
    assert desk.refused(desk.draft, item, Finding(), 1) == "PRM-037"
    desk.both(item, Finding(A, "CIB TEST"))
    desk.both(item, undo=1)
    assert either.books() == _held(A + B)
    assert desk.refused(desk.draft, item, Finding(), 1) == "PRM-037"  # once
    assert desk.refused(desk.draft, item, Finding(), 2) == "PRM-037"  # what undoes stays
    desk.both(item, Finding(untaken=A + B))
    assert either.books() == {}


def test_two_that_would_undo_the_same_are_one(centre: Centre, handheld: Handheld) -> None:
    desk = Desk(centre)
    item = _gap(_lost(centre, handheld, A, B))
    desk.both(item, Finding(A, "CIB TEST"))
    payload = desk.draft(item, undo=1)
    desk.propose(payload)
    desk.approve(payload)
    again = {**payload, 5: 3}
    assert desk.refused(desk.propose, again) == "PRM-037" and centre.books() == _held(A + B)


def test_the_recomputation_sees_a_decision_that_is_not_posted(centre: Centre, handheld: Handheld) -> None:
    desk = Desk(centre)
    desk.both(_gap(_lost(centre, handheld, A, B)), Finding(A, "CIB TEST"))
    with centre.engine.begin() as connection:
        for table in (t.legs, t.postings):
            connection.execute(delete(table).where(table.c.part >= t.PART_DECIDED))
    with reading(centre.engine) as connection:
        assert len(recompute.differences(connection)) == 4


def test_the_recomputation_sees_more_decided_than_there_was(centre: Centre, handheld: Handheld) -> None:
    """As if the gap had held another payment when it was decided."""
    desk = Desk(centre)
    desk.both(_gap(first := _lost(centre, handheld, A, B)), Finding(untaken=A + B))
    with centre.engine.begin() as connection:
        connection.execute(update(t.gaps).values(amount=A, count=1))
    with reading(centre.engine) as connection:
        assert any(f"gap from {first}" in line for line in recompute.differences(connection))


def test_a_result_that_comes_as_a_record_after_a_decision_about_the_rest_is_decided_too(
    either: Centre, handheld: Handheld
) -> None:
    desk = Desk(either)
    (intent,) = _deferred(either, handheld, A)
    either.hello(handheld)
    first = _write(handheld, intent)
    handheld.pay(r.OUTCOME_APPROVED, B)
    item = _gap(_go_on(either, handheld, first))
    assert either.books() == {**PAID, **_held(B)}
    assert desk.refused(desk.draft, item, Finding(untaken=A)) == "PRM-037"  # one payment of B is left
    desk.both(item, Finding(B, "CIB TEST"))
    assert either.books() == _earned(A + B)
    either.hello(handheld)
    either.send(handheld, _write(handheld, intent))
    assert either.books() == {**_earned(A + B), **_held(A)} and desk.left() == [("gap", first, A)]
    desk.both(item, Finding(untaken=A))
    assert either.books() == _earned(A + B) and desk.left() == []
    either.hello(handheld)
    either.send(handheld, _write(handheld, intent))  # it counts twice on the terminal, and changes nothing here
    assert either.books() == _earned(A + B)


def _branch(handheld: Handheld, intent: int) -> Handheld:
    other = copy.copy(handheld)
    other.records, other.attached = handheld.records[:intent], {s.SEALED: {}, s.PRIVATE: {}}
    other.write(r.HEALTH_EVENT, health="another")
    return other


def test_a_fork_puts_its_payment_back_into_suspense_and_leaves_the_decision(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    (intent,) = _deferred(either, handheld, A)
    either.hello(handheld)
    first = _write(handheld, intent)
    handheld.pay(r.OUTCOME_APPROVED, B)
    item = _gap(_go_on(either, handheld, first))
    desk.both(item, Finding(B, "CIB TEST"))
    assert either.say(_branch(handheld, intent).batch(intent + 1))[1][s.REJECTED]
    assert either.books() == {**_earned(B), **_held(A)}
    assert f"the gap from {first} again, save what was decided of it" in _said(either)
    desk.both(item, Finding(A, "CIB TEST"))
    assert either.books() == _earned(A + B)
    either.hello(handheld)
    either.send(handheld, _write(handheld, intent))
    assert either.books() == _earned(A + B)


def test_a_fork_of_a_result_that_was_decided_as_written_twice_asks_for_another_look(
    either: Centre, handheld: Handheld
) -> None:
    desk = Desk(either)
    (intent,) = _deferred(either, handheld, A)
    either.hello(handheld)
    item = _gap(_go_on(either, handheld, _write(handheld, intent)))
    either.hello(handheld)
    either.send(handheld, _write(handheld, intent))
    desk.both(item, Finding(untaken=A))
    assert either.books() == PAID
    assert either.say(_branch(handheld, intent).batch(intent + 1))[1][s.REJECTED]
    assert either.books() == {} and "look whether that stands" in _said(either)
    desk.both(item, undo=1)
    assert either.books() == _held(A)


def test_a_fork_of_a_payment_that_has_the_gaps_number_leaves_the_decision(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    handheld.write(r.SHIFT_OPENED)
    either.hello(handheld)
    either.send(handheld)
    intent = handheld.write(r.PAYMENT_INTENT, case=1, amount=1000)
    handheld.pay(r.OUTCOME_APPROVED, B)
    end = handheld.finish(intent, r.OUTCOME_DECLINED, 1000)
    either.hello(handheld)
    either.say(handheld.batch(end, gap=intent))
    desk.both(_gap(intent), Finding(B, "CIB TEST"))
    other = copy.deepcopy(handheld)
    del other.records[end - 1 :]
    other.finish(intent, r.OUTCOME_INTERRUPTED, 1000)
    either.say(other.batch(end))
    assert codes.FORK in either.alarms() and either.books() == _earned(B)


def test_a_gap_record_that_comes_after_the_decision_agrees_with_the_gap(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    first = _lost(either, handheld, A, B)
    last = len(handheld.records) - 1
    desk.both(_gap(first), Finding(A, "CIB TEST"))
    _declare(either, handheld, first, last)
    assert either.books() == {**PAID, **_held(B)} and either.ledger()["gaps"][0]["declared_seq"]


def test_lost_records_that_come_after_the_decision_are_kept_and_named(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    first = _lost(either, handheld, A)
    desk.both(_gap(first), Finding(A, "CIB TEST"))
    either.send(handheld, first, len(handheld.records) - 1)
    assert codes.GAP_CLOSED in either.alarms() and either.books() == PAID


def test_a_backup_of_before_the_decision_has_it_in_suspense_again(centre: Centre, handheld: Handheld) -> None:
    desk = Desk(centre)
    item = _gap(_lost(centre, handheld, A, B))
    centre.engine.dispose()
    file, backup = Path(centre.folder / "server.db"), centre.folder / "backup.db"
    shutil.copy(file, backup)
    desk.both(item, Finding(A, "CIB TEST"))
    assert centre.books() == {**PAID, **_held(B)}
    centre.engine.dispose()
    for beside in ("server.db-wal", "server.db-shm"):
        (centre.folder / beside).unlink(missing_ok=True)
    shutil.copy(backup, file)
    centre.restart()
    with centre.engine.begin() as connection:
        restore.mark(connection, centre.now)
    assert centre.books() == _held(A + B)
    centre.hello(handheld)
    handheld.write(r.LOGIN)
    centre.send(handheld, len(handheld.records))
    desk.both(item, Finding(A, "CIB TEST"))
    assert centre.books() == {**PAID, **_held(B)}


def _forgotten(centre: Centre, handheld: Handheld) -> tuple[int, int]:
    """(intent, first) of a deferred payment that the acquirer had approved, and the gap that its result is lost in: a restored database knows
    the outcome only.
    """
    (intent,) = _deferred(centre, handheld, A)
    first = _write(handheld, intent)
    handheld.write(r.GAP, first=first, gap_last=first, gap_hash=handheld.hash(first))
    with centre.engine.begin() as connection:
        for table in (t.raw, t.cases, t.payments, t.results, t.postings, t.legs, t.outbox, t.sealed):
            connection.execute(delete(table))
        connection.execute(update(t.heads).values(seq=0, hash=bytes(32), cum_count=0, cum_total=0, counter=0, utc=0))
    with centre.engine.begin() as connection:
        restore.mark(connection, centre.now)
    centre.hello(handheld)
    centre.send(handheld, 1, first - 1)
    centre.say(handheld.batch(first + 1, gap=first))
    return intent, first


def test_a_decision_about_more_than_is_left_when_it_is_approved_is_refused(either: Centre, handheld: Handheld) -> None:
    """After a restore the acquirer says again what it had approved, while the second officer is about to sign."""
    desk = Desk(either)
    _, first = _forgotten(either, handheld)
    payload = desk.draft(_gap(first), Finding(A, "CIB TEST"))
    desk.propose(payload)
    _settle(either)
    assert either.books() == PAID
    assert desk.refused(desk.approve, payload) == "PRM-032" and either.books() == PAID


def test_an_approval_that_the_acquirer_says_again_after_the_decision_is_named_and_the_decision_can_be_undone(
    either: Centre, handheld: Handheld
) -> None:
    desk = Desk(either)
    intent, first = _forgotten(either, handheld)
    desk.both(_gap(first), Finding(A, "CIB TEST"))
    _settle(either)
    assert either.books() == _earned(2 * A)
    assert f"payment {intent} is approved, and may be what was decided of the gap from {first}" in _said(either)
    desk.both(_gap(first), undo=1)
    assert either.books() == PAID and either.ledger()["gaps"][0]["known"] == [intent]
    assert f"known is the result of payment {intent}" in _said(either)
