"""Storage that is lost for good: a gap whose money is in suspense, or a new epoch that two officers approve.

The invariants are the simulation's own; each test says from the story that what it is about took place.
"""

import re
from unittest import mock

import pytest

from server.ingest.lost import gaps, suspense
from sim.worlds.simulation import centre, mutations
from sim.worlds.simulation.draws.faults import Fault
from sim.worlds.simulation.draws.plan import Plan
from sim.worlds.simulation.factory import factory
from sim.worlds.simulation.officer import Task
from sim.worlds.simulation.parts import HOW
from sim.worlds.simulation.run import Outcome, Simulation, play
from terminal.journal.view import View

FINES = [
    Task("fine", "amina", "approves-1"),
    Task("fine", "karim", "asks-1"),
    Task("sync"),
    Task("fine", "amina", "approves-2"),
]
OFFLINE = Fault("outage", 0, 1, 150)


def held(faults: list[Fault], *told: str) -> Outcome:
    """Play it; every invariant holds, and the story tells of what was to go wrong."""
    outcome = play(Plan(0, [[*FINES, Task("close")]], faults))
    story = "\n".join(outcome.story)
    assert outcome.broken == [], "\n".join([*outcome.story, *outcome.broken])
    for words in told:
        assert words in story, story
    return outcome


@pytest.mark.parametrize("most", (1, 3, 6))
def test_records_lost_before_they_were_sent_are_closed_over(most: int) -> None:
    figures = held([OFFLINE, Fault("lost-records", 0, 120, most)], "are lost").figures
    assert figures["gaps"] == 1 and figures["epochs"] == 0


DEFERRED = [
    Task("fine", "karim", "asks-1"),
    Task("idle", seconds=60),
    Task("sync"),
    Task("idle", seconds=60),
    Task("sync"),
]


def deferred(faults: list[Fault]) -> Outcome:
    """A deferred payment whose result is lost as soon as it is written down."""
    plan = Plan(0, [[*DEFERRED, Task("close")]], [Fault("outage", 0, 1, 50), Fault("lost-results", 0, 1, 2), *faults])
    outcome = play(plan)
    assert "results among them, are lost" in "\n".join(outcome.story), outcome.story
    return outcome


def test_a_lost_result_is_posted_once_and_told_again() -> None:
    outcome = deferred([])
    assert outcome.broken == [], "\n".join([*outcome.story, *outcome.broken])
    assert (outcome.figures["gaps"], outcome.figures["captures"]) == (1, 1)


def test_a_lost_result_that_had_arrived_is_told_again() -> None:
    outcome = deferred([Fault("lose-reply", 0, 4, 30)])
    assert outcome.broken == [], "\n".join([*outcome.story, *outcome.broken])
    assert (outcome.figures["gaps"], outcome.figures["captures"]) == (0, 1)


def test_a_result_that_counts_twice_and_is_named_by_nobody_is_noticed() -> None:
    with mock.patch.object(gaps.audit, "alarm", lambda *_: None):
        broken = deferred([Fault("lose-reply", 0, 4, 30)]).broken
    assert any("wrote the result" in sentence and "nobody was told" in sentence for sentence in broken), broken


def test_a_lost_result_that_is_in_suspense_as_well_is_noticed() -> None:
    """It comes once more in the batch that tells of the loss: nobody would know why so much is in suspense."""
    with mock.patch.object(suspense, "explained", lambda *_: []):
        broken = deferred([]).broken
    assert any("wrote the result" in sentence and "nobody was told" in sentence for sentence in broken), broken


def lost_and_deferred(what: int) -> list[str]:
    """The outcome of a deferred payment (2: with its intent) is lost once its case is closed, before anybody has it: what is broken."""
    outcome = play(
        Plan(0, [[*DEFERRED, Task("close")]], [Fault("outage", 0, 1, 150), Fault("lost-deferred", 0, 1, what)])
    )
    assert ("records 9 to 9 are lost", "records 8 to 9 are lost")[what - 1] in "\n".join(outcome.story), outcome.story
    return outcome.broken


@pytest.mark.parametrize("what", (1, 2))
def test_a_lost_deferred_payment_whose_case_is_closed_is_told_at_both_ends(what: int) -> None:
    assert lost_and_deferred(what) == []
    with mutations.by_name("closed-unpaid-silent").patch():
        broken = lost_and_deferred(what)
    assert any("closed as deferred without such a payment, and nobody was told" in words for words in broken), broken
    with mock.patch.object(View, "missed", lambda *_: None):
        broken = lost_and_deferred(what)
    assert any("payments may be lost" in words and "was not warned" in words for words in broken), broken


def test_a_lost_deferred_payment_that_is_not_interrupted_is_noticed() -> None:
    with mutations.by_name("cut-not-ended").patch():
        broken = lost_and_deferred(1)
    assert any(re.search("payment 8 .* has 0 outcomes", words) for words in broken), broken


TOLD_IN_VAIN = [
    *DEFERRED,
    Task("idle", seconds=30),
    Task("fine", "amina", "approves-1"),
    Task("idle", seconds=60),
    Task("close"),
]


def told_in_vain() -> list[str]:
    """A WELCOME with a result is lost, and then an approved payment of the same amount: what is broken."""
    away = [Fault("outage", 0, 1, 50), Fault("lose-reply", 0, 4, 30), Fault("outage", 0, 91, 300)]
    outcome = play(Plan(0, [TOLD_IN_VAIN], [*away, Fault("lost-records", 0, 230, 4)]))
    assert "records 18 to 21 are lost" in "\n".join(outcome.story), outcome.story
    said = factory().look("SELECT what FROM audit WHERE code = 'GAP'")
    assert "1 approved payments, 0 of 500000 centimes in suspense; known are the results of payments 8" in said
    return outcome.broken


def test_a_lost_payment_is_in_suspense_though_a_result_of_its_amount_was_told_and_never_heard() -> None:
    assert told_in_vain() == []
    with mock.patch.object(suspense, "put_back", lambda *_: None):
        broken = told_in_vain()
    assert any("0 centimes in suspense, 500000 are lost" in sentence for sentence in broken), broken


@pytest.mark.parametrize("backup", (30, 60))
def test_a_lost_result_is_taken_out_of_suspense_once_the_acquirer_says_it_again_after_a_restore(backup: int) -> None:
    """The backup is of before the result, with the payment or without; it is put back while the terminal that lost the result starts again."""
    restored = [Fault("backup-restore", -1, backup, 88)]
    outcome = deferred(restored)
    assert outcome.broken == [], "\n".join([*outcome.story, *outcome.broken])
    assert "restored from a backup" in "\n".join(outcome.story)
    assert (outcome.figures["gaps"], outcome.figures["captures"]) == (1, 1)
    with mock.patch.object(suspense, "recall", lambda *_: None):
        broken = deferred(restored).broken
    assert any("posted, and may be in suspense" in sentence for sentence in broken), broken


def test_records_lost_after_they_arrived_make_no_gap() -> None:
    figures = held([Fault("lose-reply", 0, 4), Fault("lost-records", 0, 55, 4)], "are lost").figures
    assert (figures["gaps"], figures["captures"]) == (0, 3)


@pytest.mark.parametrize("at", (70, 200))
def test_a_storage_lost_for_good_goes_on_in_a_new_epoch(at: int) -> None:
    told = ("error code=JRN-030", "officer 2001 proposes", "officer 2002 approves", "epoch number=2")
    figures = held([Fault("outage", 0, 1, 90), Fault("lost-journal", 0, at)], *told).figures
    assert figures["epochs"] == 1 and figures["gaps"] == 0


def operations_before_the_loss() -> int:
    """Durable operations of the shift that comes before."""
    simulation, seen = Simulation(Plan(0, [[*FINES, Task("close")]], [Fault("lost-journal", 0, 70)])), []
    simulation.schedule.call(69_000, lambda: seen.append(simulation.devices[0].power.operations))
    try:
        simulation.play(False)
    finally:
        centre.current(None)
    return seen[0]


@pytest.mark.parametrize("how", HOW)
def test_the_power_goes_while_the_new_epoch_begins(how: str) -> None:
    begins = operations_before_the_loss() + 1
    for operation in range(begins, begins + 7):
        cut = Fault("cut", 0, operation, how)
        outcome = held(
            [Fault("lost-journal", 0, 70), cut], f"at durable operation {operation}", "officer 2002 approves"
        )
        assert outcome.figures["epochs"] == 1
