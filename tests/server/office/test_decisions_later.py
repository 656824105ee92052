"""What comes after a decision about suspense undoes it never in silence: results, forks, gap records, lost records, restores."""

import copy
import shutil
from pathlib import Path

from sqlalchemy import delete, update

from protocol import records as r
from protocol import sync as s
from server import codes
from server.office.decisions import Finding
from server.store import devices, restore
from server.store import tables as t
from tests.server.centre import Centre
from tests.server.doubts import (
    NAME,
    PAID,
    A,
    B,
    Desk,
    declare,
    deferred,
    earned,
    gap,
    go_on,
    held,
    lost,
    said,
    settle,
    write,
)
from tests.server.handheld import Handheld


def test_a_result_that_comes_as_a_record_after_a_decision_about_the_rest_is_decided_too(
    either: Centre, handheld: Handheld
) -> None:
    desk = Desk(either)
    (intent,) = deferred(either, handheld, A)
    either.hello(handheld)
    first = write(handheld, intent)
    handheld.pay(r.OUTCOME_APPROVED, B)
    item = gap(go_on(either, handheld, first))
    assert either.books() == {**PAID, **held(B)}
    assert desk.refused(desk.draft, item, Finding(untaken=A)) == "PRM-037"  # one payment of B is left
    desk.both(item, Finding(B, "CIB TEST"))
    assert either.books() == earned(A + B)
    either.hello(handheld)
    either.send(handheld, write(handheld, intent))
    assert either.books() == {**earned(A + B), **held(A)} and desk.left() == [("gap", first, A)]
    desk.both(item, Finding(untaken=A))
    assert either.books() == earned(A + B) and desk.left() == []
    either.hello(handheld)
    either.send(handheld, write(handheld, intent))  # it counts twice on the terminal, and changes nothing here
    assert either.books() == earned(A + B)


def _branch(handheld: Handheld, intent: int) -> Handheld:
    other = copy.copy(handheld)
    other.records, other.attached = handheld.records[:intent], {s.SEALED: {}, s.PRIVATE: {}}
    other.write(r.HEALTH_EVENT, health="another")
    return other


def test_a_fork_puts_its_payment_back_into_suspense_and_leaves_the_decision(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    (intent,) = deferred(either, handheld, A)
    either.hello(handheld)
    first = write(handheld, intent)
    handheld.pay(r.OUTCOME_APPROVED, B)
    item = gap(go_on(either, handheld, first))
    desk.both(item, Finding(B, "CIB TEST"))
    assert either.say(_branch(handheld, intent).batch(intent + 1))[1][s.REJECTED]
    assert either.books() == {**earned(B), **held(A)}
    assert f"the gap from {first} again, save what was decided of it" in said(either)
    desk.both(item, Finding(A, "CIB TEST"))
    assert either.books() == earned(A + B)
    either.hello(handheld)
    either.send(handheld, write(handheld, intent))
    assert either.books() == earned(A + B)


def test_a_fork_of_a_result_that_was_decided_as_written_twice_asks_for_another_look(
    either: Centre, handheld: Handheld
) -> None:
    desk = Desk(either)
    (intent,) = deferred(either, handheld, A)
    either.hello(handheld)
    item = gap(go_on(either, handheld, write(handheld, intent)))
    either.hello(handheld)
    either.send(handheld, write(handheld, intent))
    desk.both(item, Finding(untaken=A))
    assert either.books() == PAID
    assert either.say(_branch(handheld, intent).batch(intent + 1))[1][s.REJECTED]
    assert either.books() == {} and "look whether that stands" in said(either)
    desk.both(item, undo=1)
    assert either.books() == held(A)


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
    desk.both(gap(intent), Finding(B, "CIB TEST"))
    other = copy.deepcopy(handheld)
    del other.records[end - 1 :]
    other.finish(intent, r.OUTCOME_INTERRUPTED, 1000)
    either.say(other.batch(end))
    assert codes.FORK in either.alarms() and either.books() == earned(B)


def test_a_gap_record_that_comes_after_the_decision_agrees_with_the_gap(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    first = lost(either, handheld, A, B)
    last = len(handheld.records) - 1
    desk.both(gap(first), Finding(A, "CIB TEST"))
    declare(either, handheld, first, last)
    assert either.books() == {**PAID, **held(B)} and either.ledger()["gaps"][0]["declared_seq"]


def test_lost_records_that_come_after_the_decision_are_kept_and_named(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    first = lost(either, handheld, A)
    desk.both(gap(first), Finding(A, "CIB TEST"))
    either.send(handheld, first, len(handheld.records) - 1)
    assert codes.GAP_CLOSED in either.alarms() and either.books() == PAID


def test_a_backup_of_before_the_decision_has_it_in_suspense_again(centre: Centre, handheld: Handheld) -> None:
    desk = Desk(centre)
    item = gap(lost(centre, handheld, A, B))
    centre.engine.dispose()
    file, backup = Path(centre.folder / "server.db"), centre.folder / "backup.db"
    shutil.copy(file, backup)
    desk.both(item, Finding(A, "CIB TEST"))
    assert centre.books() == {**PAID, **held(B)}
    centre.engine.dispose()
    for beside in ("server.db-wal", "server.db-shm"):
        (centre.folder / beside).unlink(missing_ok=True)
    shutil.copy(backup, file)
    centre.restart()
    with centre.engine.begin() as connection:
        restore.mark(connection, centre.now)
    assert centre.books() == held(A + B)
    centre.hello(handheld)
    handheld.write(r.LOGIN)
    centre.send(handheld, len(handheld.records))
    desk.both(item, Finding(A, "CIB TEST"))
    assert centre.books() == {**PAID, **held(B)}


def _forgotten(centre: Centre, handheld: Handheld) -> tuple[int, int]:
    """(intent, first) of a deferred payment that the acquirer had approved, and the gap that its result is lost in: a restored database knows
    the outcome only.
    """
    (intent,) = deferred(centre, handheld, A)
    first = write(handheld, intent)
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
    payload = desk.draft(gap(first), Finding(A, "CIB TEST"))
    desk.propose(payload)
    settle(either)
    assert either.books() == PAID
    assert desk.refused(desk.approve, payload) == "PRM-032" and either.books() == PAID


def test_an_approval_that_the_acquirer_says_again_after_the_decision_is_named_and_the_decision_can_be_undone(
    either: Centre, handheld: Handheld
) -> None:
    desk = Desk(either)
    intent, first = _forgotten(either, handheld)
    desk.both(gap(first), Finding(A, "CIB TEST"))
    settle(either)
    assert either.books() == earned(2 * A)
    assert f"payment {intent} is approved, and may be what was decided of the gap from {first}" in said(either)
    desk.both(gap(first), undo=1)
    assert either.books() == PAID and either.ledger()["gaps"][0]["known"] == [intent]
    assert f"known is the result of payment {intent}" in said(either)


def _move(centre: Centre, handheld: Handheld) -> dict[str, int]:
    """Their terminal serves another unit from now on; what A centimes in its suspense look like."""
    with centre.engine.begin() as connection:
        entry = {**handheld.entry(), "unit": "BMP-31-02", "wilaya": 31}
        devices.register(connection, devices.parse(NAME, entry), centre.now)
    centre.restart()
    return {f"missing:{NAME}": A, "suspense:31:1:BMP-31-02": -A}


def test_a_gap_and_its_decisions_stay_with_the_unit_that_the_device_had(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    item = gap(lost(either, handheld, A, B))
    desk.both(item, Finding(A, "CIB TEST"))
    moved = _move(either, handheld)
    assert either.books() == {**PAID, **held(B)}
    desk.both(item, Finding(B, "CIB TEST"))
    assert either.books() == earned(A + B)
    for number in (1, 2):
        desk.both(item, undo=number)
    assert either.books() == held(A + B)
    desk.both(item, Finding(untaken=A + B))
    either.hello(handheld)
    lost(either, handheld, A)
    assert either.books() == moved and either.ledger()["balanced"]


def test_what_results_explain_of_a_gap_stays_with_the_unit_that_the_device_had(
    either: Centre, handheld: Handheld
) -> None:
    desk = Desk(either)
    (intent,) = deferred(either, handheld, A)
    either.hello(handheld)
    item = gap(go_on(either, handheld, write(handheld, intent)))
    assert either.books() == PAID
    _move(either, handheld)
    either.hello(handheld)
    either.send(handheld, write(handheld, intent))
    assert either.books() == {**PAID, **held(A)}
    desk.both(item, Finding(untaken=A))
    assert either.books() == PAID
    desk.both(item, undo=1)
    assert either.books() == {**PAID, **held(A)}
