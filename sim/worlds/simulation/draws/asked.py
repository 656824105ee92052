"""What becomes of questions put to the issuer while the card waits, drawn apart so that the rest of a seed's plan is what it always was.

    host-away   the acquirer's host cannot be reached: nothing has left the server
    host-shut   it says that the issuer is not reached (91), and has not heard of it
    host-slow   it comes to the question some seconds later, when nobody waits for its answer any more

A card that then approves by itself (`factory.ALONE`) takes another card's place in these seeds.
"""

import dataclasses
import random

from sim.worlds.simulation.draws.faults import Fault
from sim.worlds.simulation.factory import ALONE, SIGNING
from sim.worlds.simulation.officer import Task

SHARE = 0.2  # of the seeds in which it may happen
IN_VAIN = ("host-away", "host-shut")
SLOW = "host-slow"


def draw(seed: int, shifts: list[list[Task]]) -> tuple[list[list[Task]], list[Fault]]:
    """The shifts with such cards, and which questions meet trouble; nothing in most seeds."""
    rng = random.Random(f"asked {seed}")
    if rng.random() >= SHARE:
        return shifts, []
    changed = [list(shift) for shift in shifts]
    for shift in changed:
        for index, task in enumerate(shift):
            voided = index + 1 < len(shift) and shift[index + 1].what == "void"
            drawn, card = rng.random(), rng.choice(tuple(ALONE))
            if task.what == "fine" and task.card not in SIGNING and drawn < 0.5 and not voided:
                shift[index] = dataclasses.replace(task, card=card)
    questions = rng.sample((1, 2, 3), rng.randint(1, 2))
    return changed, [Fault(rng.choice((*IN_VAIN, SLOW)), -1, at, rng.choice((3, 90, 105, 115))) for at in questions]
