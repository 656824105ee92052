"""Contactless payments with the real terminal and server: cards torn off the antenna, to be inserted, cut by the power; posted once or not at all.

The invariants are the simulation's own (`sim.worlds.simulation.oracle.judge`); each test says from the figures that it happened.
"""

import os

import pytest

from sim.worlds.simulation.draws.faults import Fault
from sim.worlds.simulation.draws.plan import Plan, draw
from sim.worlds.simulation.factory import CARDS
from sim.worlds.simulation.officer import Task
from sim.worlds.simulation.parts import HOW
from sim.worlds.simulation.run import play

SOAK = os.environ.get("TASDID_SOAK") == "1"
THREE, TWO = Task("fine", "amina", "approves-1", tap=True), Task("fine", "amina", "approves-2", tap=True)
END = [Task("sync"), Task("idle", seconds=60), Task("sync"), Task("close")]
COMMANDS = {"approves-1": 6, "approves-2": 11}
FIRST, OPERATIONS = 16, 20  # durable operations of a fine from its intent on, about


def ends(tasks: list[Task], faults: list[Fault]) -> tuple[tuple[int, int, int, int], dict[str, int]]:
    """How the taps ended (approved, provisional, declined, interrupted), and all figures; every invariant holds."""
    outcome = play(Plan(0, [[*tasks, *END]], faults))
    assert outcome.broken == [], "\n".join([*outcome.story, *outcome.broken])
    found = outcome.figures
    return (found["taps_approved"], found["taps_provisional"], found["taps_declined"], found["taps_interrupted"]), found


def test_taps_on_both_kernels_are_captured_once_each() -> None:
    told, figures = ends([THREE, TWO], [])
    assert told == (2, 0, 0, 0) and figures["captures"] == 2


def test_online_a_tap_is_the_issuers_and_offline_provisional_until_the_issuer_has_spoken() -> None:
    asks = [Task("fine", "karim", "asks-1", tap=True), Task("fine", "karim", "asks-2", tap=True)]
    told, figures = ends(asks, [])
    assert told == (2, 0, 0, 0) and figures["captures"] == 2
    told, figures = ends(asks[:1] * 2, [Fault("outage", 0, 0, 500)])
    assert told == (0, 2, 0, 0) and figures["captures"] == 2


def test_an_online_pin_excludes_deferral() -> None:
    told, figures = ends([Task("fine", "karim", "asks-2", tap=True)], [Fault("outage", 0, 0, 500)])
    assert told[:2] == (0, 0) and told[2] >= 1 and figures["captures"] == 0


def test_a_card_that_is_to_be_inserted_has_two_identities_and_no_capture_for_the_first() -> None:
    told, figures = ends([Task("fine", "amina", "declines", tap=True)], [])
    assert told[:2] == (0, 0) and told[2] >= 1 and figures["captures"] == 0
    assert figures["outcomes_shown"] >= 1


@pytest.mark.parametrize("task", [THREE, TWO], ids=["kernel-3", "kernel-2"])
def test_torn_at_every_command(task: Task) -> None:
    for at in range(1, COMMANDS[task.card] + 1):
        told, figures = ends([task], [Fault("tear", 0, 1, at)])
        assert told == (1, 0, 0, 0) and figures["captures"] == 1, at
        gone = Task("fine", "amina", task.card, tap=True, back=False)
        told, figures = ends([gone], [Fault("tear", 0, 1, at)])
        assert told[0] + told[3] >= 1 and told[3] == 1 and figures["captures"] <= 1, (at, told)


@pytest.mark.parametrize("task", [THREE, TWO], ids=["kernel-3", "kernel-2"])
def test_the_power_cut_at_every_durable_operation_of_a_tap(task: Task) -> None:
    interrupted = 0
    for at in range(FIRST, FIRST + OPERATIONS):
        for how in HOW if SOAK else (HOW[at % len(HOW)],):
            told, figures = ends([task], [Fault("cut", 0, at, how)])
            interrupted += figures["interrupted"]
            assert figures["captures"] == told[0] == 1, (at, how, told)
    assert interrupted >= 1, "no cut hit the payment: FIRST and OPERATIONS are wrong"


def test_the_seeds_tap() -> None:
    plans = [draw(seed) for seed in range(60)]
    fines = [task for plan in plans for tasks in plan.tasks for task in tasks if task.what == "fine"]
    tapped = [task for task in fines if task.tap]
    assert len(fines) // 5 < len(tapped) < len(fines) // 2
    assert {task.card for task in tapped} >= set(CARDS) and {task.back for task in tapped} == {True, False}
