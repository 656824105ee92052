"""A loss with money in it: records that nobody has acknowledged are lost, and approved payments are among them."""

import random
from typing import Any

from protocol import records as r
from sim.worlds.simulation import losses
from sim.worlds.simulation.losses import Lost

LOOKS_S, LOOK_MS = 400, 2_000
LATER_MS = (0, 20_000, 60_000, 120_000)  # so long after the first one is there


def choose(device: Any, most: int, restored: bool, rng: random.Random) -> list[Lost]:
    """Up to `most` records that follow each other, around an approved one and before the last; none if there is none. Beside a restore nothing of an
    open case, and only what `losses.choose` would take.
    """
    journal = device.terminal.journal
    case = journal.view.case or journal.view.voiding
    end = min(journal.head_seq, case.seq) if case is not None and restored else journal.head_seq
    here = [item for item in losses.held(device, journal.acked_seq + 1) if item.seq < end]
    approved = [at for at, item in enumerate(here) if r.approved_step(item.record)[0]]
    if not approved:
        return []
    never = losses.KEPT_WHOLE if restored else (*losses.NEVER_LOST, r.VOID)
    first = last = rng.choice(approved)
    for _ in range(most - 1):  # it grows around that record, ahead or back
        at = last + 1 if rng.random() < 0.5 else first - 1
        if 0 <= at < len(here) and here[at].record[r.KIND] not in never:
            first, last = min(first, at), max(last, at)
    return here[first : last + 1]
