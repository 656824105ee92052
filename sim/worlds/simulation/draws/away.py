"""Officers who walk away from a case's last question, what to do with the licence, of a case that was given up or of a void too: nobody answers
within the time, the terminal is at its log-in screen with the case open, and somebody logs in later. Drawn apart, and in a few residues of the seeds
only, so that the stories of all others are what they always were.
"""

import dataclasses
import random

from sim.worlds.simulation.officer import Task

MODULUS, RESIDUES = 73, (40, 42, 58, 61)  # no seed that a test names has one of these, nor any of the first 40
LEAVES = 0.4


def draw(seed: int, shifts: list[list[Task]]) -> list[list[Task]]:
    """The tasks of a seed, of which some are left before their last question is answered; in most seeds none."""
    if seed % MODULUS not in RESIDUES:
        return shifts
    rng = random.Random(f"walks away {seed}")
    return [
        [
            dataclasses.replace(task, leaves=rng.random() < LEAVES) if task.what in ("fine", "void") else task
            for task in shift
        ]
        for shift in shifts
    ]
