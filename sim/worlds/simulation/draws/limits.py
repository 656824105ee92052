"""Tight limits of what is taken offline, drawn apart so that the rest of a seed's plan is what it always was: with the usual ones no shift is long
enough to come near them. They are in force in all terminals from the first day; none are published later.
"""

import random

from sim.worlds.fleet import LIMITS
from sim.worlds.simulation.draws.faults import Fault

KIND = "tight-limits"
SHARE = 0.05  # of the seeds in which it may happen
TIGHT: tuple[dict[str, int], ...] = (
    {"offline_count_max": 1},
    {"offline_total_max": 700_000},
    {"card_offline_max": 500_000},
    {"officer_offline_max": 700_000},
    {"tx_max": 300_000},
    {"offline_count_max": 2, "card_offline_max": 300_000},
)
"""Centimes; the tariff's fines are of 200,000 to 500,000."""


def draw(seed: int, faults: list[Fault]) -> list[Fault]:
    """Which limits are tight; none in most seeds."""
    rng = random.Random(f"limits {seed}")
    if rng.random() >= SHARE or any(fault.kind == "new-set" for fault in faults):
        return []
    return [Fault(KIND, -1, 0, rng.randrange(len(TIGHT)))]


def of(faults: list[Fault]) -> dict[str, int]:
    """The limits that are in force."""
    return {**LIMITS, **next((TIGHT[int(fault.value)] for fault in faults if fault.kind == KIND), {})}
