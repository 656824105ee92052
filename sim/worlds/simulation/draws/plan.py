"""What a seed plays: tasks by terminal, and faults, each drawn apart from the others."""

import dataclasses
import random
from dataclasses import dataclass

from sim.worlds.simulation import verdicts
from sim.worlds.simulation.draws import (
    ahead,
    asked,
    away,
    grants,
    limits,
    losses,
    refunds,
    refusals,
    signatures,
    workers,
)
from sim.worlds.simulation.draws import faults as drawing
from sim.worlds.simulation.draws.faults import Fault
from sim.worlds.simulation.factory import CARDS, DRIVERS
from sim.worlds.simulation.officer import Task

WORK_S = 600  # faults tied to a time lie within this
TAPPED, PATIENT = 1 / 3, 2 / 3


@dataclass
class Plan:
    """What a seed does: tasks by terminal, and faults. Leaving out a fault leaves the rest as it is."""

    seed: int
    tasks: list[list[Task]]
    faults: list[Fault]


def draw(seed: int) -> Plan:
    """The plan of a seed."""
    rng = random.Random(f"tasdid {seed}")
    devices = rng.choice((1, 2, 2, 3))
    tasks = [_shift(rng, rng.choice((1, 2, 2, 3)) if devices > 1 else rng.randint(2, 5)) for _ in range(devices)]
    faults = drawing.draw(rng, devices, WORK_S)
    faults += losses.draw(seed, devices, faults, WORK_S)
    tasks = _second_thoughts(random.Random(f"second thoughts {seed}"), tasks)
    tasks = signatures.draw(seed, _taps(random.Random(f"taps {seed}"), tasks))
    tasks = losses.asked_again(seed, tasks, faults)
    tasks, troubles = asked.draw(seed, tasks)
    faults += troubles + refunds.draw(seed, faults, WORK_S)
    faults += refusals.draw(seed, faults) + workers.draw(seed)
    faults += verdicts.draw(seed, tasks, faults)
    faults += grants.draw(seed, faults) + limits.draw(seed, faults) + ahead.draw(seed, faults)
    return Plan(seed, away.draw(seed, verdicts.speaking(seed, tasks, faults)), faults)


def _taps(rng: random.Random, shifts: list[list[Task]]) -> list[list[Task]]:
    """A third of the cards is tapped, a third of those is not presented again once it was torn away; drawn apart, as second thoughts."""
    return [
        [dataclasses.replace(task, tap=rng.random() < TAPPED, back=rng.random() < PATIENT) for task in shift]
        for shift in shifts
    ]


def _second_thoughts(rng: random.Random, shifts: list[list[Task]]) -> list[list[Task]]:
    """Voids and abandoned cases, drawn apart so that the rest of a seed's plan is what it always was."""
    changed = []
    for shift in shifts:
        tasks: list[Task] = []
        for task in shift:
            if task.what == "fine" and rng.random() < 0.08:
                task = dataclasses.replace(task, abandon=rng.randint(1, 5))
            tasks.append(task)
            if task.what == "fine" and not task.later and rng.random() < 0.4:
                card = task.card if rng.random() < 0.85 else rng.choice(CARDS)
                after = rng.choice(("pay", "pay", "later", "abandon"))
                reason = rng.randint(1, 5) if after == "abandon" else 0
                tasks.append(Task("void", card=card, later=after == "later", abandon=reason))
        changed.append(tasks)
    return changed


def _shift(rng: random.Random, fines: int) -> list[Task]:
    tasks: list[Task] = []
    for _ in range(fines):
        later = rng.random() < 0.1
        card = rng.choice(CARDS)
        tasks.append(Task("fine", rng.choice(DRIVERS), card, later, rng.randint(1, 5)))
        if rng.random() < 0.5:
            tasks.append(Task("sync"))
        if rng.random() < 0.3:
            tasks.append(Task("idle", seconds=rng.choice((60, 120, 240))))
    if rng.random() < 0.5:
        tasks.append(Task("close"))
    return tasks
