"""Parameter sets that are published before their day: a tariff, and in half of these seeds the list of officers. Drawn apart, and in two residues of
the seeds only, so that the stories of all others are what they always were.

    one            a second tariff comes into force during the story
    two            a third one follows it, on a later day; which of them is known when they come is as the network is
    withdrawn      a third one takes the second one's place, on its day or before, or at once

In half of these the power goes once in the first terminal, as it has just kept a set that is in force as it comes: at one of the next three durable
operations.

Not drawn where a terminal is copied or put back, of which nothing is judged. Each version of the tariff asks for 200 DA more than the one before;
each list of officers has them in another unit, so that what they write tells which one let them in.
"""

import random

from sim.worlds.simulation.draws.faults import AHEAD, Fault
from sim.worlds.simulation.parts import HOW

MODULUS, RESIDUES = 17, (5, 15)  # no seed that a test names has one of these
STEP = 20_000  # centimes by which each version of the tariff is dearer
KINDS = tuple(AHEAD.values())
_COPIES = ("rollback", "clone", "twin")  # of these terminals nothing is judged
EARLY_S, LATE_S = 60, 420  # a day that counts comes between these


def draw(seed: int, faults: list[Fault]) -> list[Fault]:
    """What is published when (`at`), and from when on it is in force (`value`), in seconds; nothing in most seeds."""
    if seed % MODULUS not in RESIDUES or any(fault.kind in _COPIES for fault in faults):
        return []
    rng = random.Random(f"sets ahead {seed}")
    found = _row(rng, "tariff-ahead")
    if rng.random() < 0.5:
        found += _row(rng, "officers-ahead")
    cuts = random.Random(f"sets cut {seed}")
    if cuts.random() < 0.5:
        found.append(Fault("cut-set", 0, cuts.randint(1, 3), cuts.choice(HOW)))
    return found


def _row(rng: random.Random, kind: str) -> list[Fault]:
    """The versions of one kind; they ascend as they are published."""
    day, at = rng.randint(EARLY_S, LATE_S), rng.randint(1, 40)
    row = [Fault(kind, -1, at, day)]
    shape = rng.choice(("one", "two", "withdrawn"))
    if shape == "two":
        row.append(Fault(kind, -1, at + rng.choice((1, 30, 150)), day + rng.choice((20, 60, 120))))
    elif shape == "withdrawn":
        again = at + rng.choice((1, 60, 150, 300))
        row.append(Fault(kind, -1, again, min(day, rng.choice((1, again, max(1, day - 30), day)))))
    return row


def unit(version: int, first: str) -> str:
    """The unit of the officers in a version of their list."""
    return first if version == 1 else f"{first}/{version}"
