"""A loss with money in it: records that are not acknowledged are lost, and approved payments are among them.

lost-money    nobody has them yet: they are lost as soon as there are some, or a while later
lost-booked   they had arrived, and a restored database makes the terminal send them again
"""

import random
from collections.abc import Callable
from typing import Any

from protocol import records as r
from sim.worlds.simulation.draws import losses
from sim.worlds.simulation.draws.faults import Fault
from sim.worlds.simulation.draws.losses import Lost
from sim.worlds.simulation.schedule import Schedule
from sim.worlds.simulation.verdicts.draw import BOOKED, FORGOTTEN

LOOKS_S, LOOK_MS, HEARS_MS = 400, 2_000, 50
LATER_MS = (0, 30_000, 90_000, 180_000)  # so long after the first one is there


class Losing:
    """One such fault of a plan. `lose`: what destroys records; `turn`: until when nothing changes though nothing happens, 0 once all is over."""

    def __init__(
        self, plan: Any, fault: Fault, device: Any, schedule: Schedule,
        lose: Callable[[Any, list[Lost], str], None], turn: Callable[[int], int],
    ) -> None:  # fmt: skip
        self._device, self._schedule, self._lose, self._turn = device, schedule, lose, turn
        self._most, self._booked = int(fault.value), fault.kind == BOOKED
        self._restored = any(other.kind in ("backup-restore", FORGOTTEN) for other in plan.faults)
        self._rng = random.Random(f"{fault.kind.replace('-', ' ')} {plan.seed}")
        self._until = (fault.at + LOOKS_S) * 1000
        start = fault.at * 1000 - self._booked
        schedule.call(start, lambda: self._hear(0) if self._booked else self._look())

    def _look(self, waited: bool = False) -> None:
        lost = self._choose() if self._device.works else []
        if lost and waited:
            self._lose(self._device, lost, ", approved payments among them,")
        elif self._schedule.now < self._until and self._turn(self._until):
            self._schedule.call(self._rng.choice(LATER_MS) if lost else LOOK_MS, lambda: self._look(bool(lost)))

    def _hear(self, before: int) -> None:
        """The terminal hears from a restored server that less has arrived than it had said."""
        now = self._device.terminal.journal.acked_seq if self._device.works else before
        lost = self._choose() if now < before else []
        turn = self._turn(self._until - 1)
        if lost:
            self._lose(self._device, lost, ", approved payments among them, which were to be sent again,")
        elif self._schedule.now < self._until - 1 and turn:
            self._schedule.again(HEARS_MS, lambda: self._hear(max(now, before)), turn)

    def _choose(self) -> list[Lost]:
        return choose(self._device, self._most, self._restored or self._booked, self._rng)


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
