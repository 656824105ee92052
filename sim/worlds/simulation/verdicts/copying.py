"""A terminal and its copy both take payments where neither has a network, so that there is much to decide about: what waits for its issuer, and what
the host has captured by the time at which the fork is known.

The terminal is copied when it begins with the first of these payments, not at the time that the copying draws. Either of the two may speak first; the
other one does a moment later, or when the first one's payments are judged and cleared. While they take payments neither has a network: of two
payments of one identity the issuer would hear one, and the centre may have the other on file.
"""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING

from sim.worlds.simulation.draws.faults import Fault
from sim.worlds.simulation.factory import CARDS, DRIVERS
from sim.worlds.simulation.officer import Task

if TYPE_CHECKING:
    from sim.worlds.simulation.device import Device
    from sim.worlds.simulation.run import Simulation

FINES = (1, 2, 2, 3)
ASKS = ("asks-1", "asks-2", "approves-1", "approves-2")  # approved alone, or deferred for want of a network
SURE = 0.75  # cards that are one of these
SILENT_S = (90, 100, 120)
LATER_S = (0, 3, 10, 60, 150)  # so long after the one the other has its network again
LOOK_MS, LOOKS_S = 1_000, 600
SPEAK = (Task("idle", seconds=60), Task("sync"), Task("idle", seconds=60), Task("sync"))


class Copying:
    """What one such fault of a plan draws."""

    def __init__(self, fault: Fault) -> None:
        rng = random.Random(f"copied {fault.value}")
        self.tasks = [*_fines(rng), *SPEAK]
        self.copys = [*_fines(rng), *SPEAK]
        first = rng.choice(SILENT_S)
        silent = [first, first + rng.choice(LATER_S)]
        rng.shuffle(silent)
        self._silent = silent

    def wait(self, world: "Simulation", source: "Device", copy: "Callable[[], Device]") -> None:
        """Copy a terminal as soon as its own work is done, at the latest after a while, and take the network of both for a time."""
        until = world.schedule.now + LOOKS_S * 1000

        def look() -> None:
            if len(source.officer.tasks) >= len(self.tasks) and world.schedule.now < until:
                world.schedule.call(LOOK_MS, look)
            elif not world.healed:
                self._silence(world, (source, copy()))

        look()

    def _silence(self, world: "Simulation", both: "tuple[Device, Device]") -> None:
        for device, seconds in zip(both, self._silent, strict=True):
            device.radio(False)
            world.schedule.call(seconds * 1000, lambda device=device: device.radio(True))


def _fines(rng: random.Random) -> list[Task]:
    """Fines that are paid by card."""
    cards = [rng.choice(ASKS if rng.random() < SURE else CARDS) for _ in range(rng.choice(FINES))]
    return [Task("fine", rng.choice(DRIVERS), card, offence=rng.randint(1, 5)) for card in cards]
