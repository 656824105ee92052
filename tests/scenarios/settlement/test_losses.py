"""Storage that is lost for good: a gap whose money is in suspense, or a new epoch that two officers approve.

The invariants are the simulation's own; each test says from the story that what it is about took place.
"""

import pytest

from sim.worlds.simulation import centre
from sim.worlds.simulation.faults import Fault
from sim.worlds.simulation.officer import Task
from sim.worlds.simulation.parts import HOW
from sim.worlds.simulation.run import Outcome, Plan, Simulation, play

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
