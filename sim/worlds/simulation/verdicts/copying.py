"""A terminal and its copy both take payments where neither has a network, so that there is much to decide about: what waits for its issuer, and what
the host has captured by the time at which the fork is known.

The terminal is copied when it begins with the first of these payments, not at the time that the copying draws. Either of the two may speak first; the
other one does a moment later, or when the first one's payments are judged and cleared. While they take payments neither has a network: of two
payments of one identity the issuer would hear one, and the centre may have the other on file.

That very thing takes place in three of ten of these seeds (`twin-online`): one of the two keeps its network, or both do, and puts its cards to their
issuers at once. Mostly an answer is lost on its way and the network with it, so that the other one, which defers, speaks first; often the terminal is
copied while it is switched off and the fines of both are of one amount, so that two cards come under one identity. Whose card is charged then is
`oracle.cards`' to judge.
"""

import random
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from sim.worlds.simulation.draws.faults import Fault
from sim.worlds.simulation.factory import CARDS, DRIVERS
from sim.worlds.simulation.officer import Task

if TYPE_CHECKING:
    from sim.worlds.simulation.device import Device
    from sim.worlds.simulation.run import Simulation

COPIED, ONLINE = "copy-works", "twin-online"
FINES = (1, 2, 2, 3)
ASKS = ("asks-1", "asks-2", "approves-1", "approves-2")  # approved alone, or deferred for want of a network
SURE = 0.75  # cards that are one of these
SILENT_S = (90, 100, 120)
LATER_S = (0, 3, 10, 60, 150)  # so long after the one the other has its network again
SOURCE, COPY, BOTH = range(3)
KEEPS = (SOURCE, SOURCE, COPY, COPY, BOTH)  # whose network stays
UNANSWERED = (0, 1, 1, 2)  # the question to an issuer whose answer is lost, if any
GONE_S = (60, 150, 200, 300)  # so long the network is gone with it
AWAY_S = (45, 60, 90)  # so long the other one has none
ALIKE, OFF = 0.8, 0.6  # how often their fines are of one amount; how often the terminal is off while it is copied
LOOK_MS, LOOKS_S = 1_000, 600
SPEAK = (Task("idle", seconds=60), Task("sync"), Task("idle", seconds=60), Task("sync"))


class Copying:
    """What one such fault of a plan draws; `online`: the fault that leaves a network on."""

    def __init__(self, fault: Fault, online: Fault | None = None) -> None:
        rng = random.Random(f"copied {fault.value}")
        self.tasks = [*_fines(rng), *SPEAK]
        self.copys = [*_fines(rng), *SPEAK]
        first = rng.choice(SILENT_S)
        silent = [first, first + rng.choice(LATER_S)]
        rng.shuffle(silent)
        self._silent = silent
        self._online = Online(online) if online is not None else None
        if self._online is not None:
            self.tasks, self.copys = self._online.alike(self.tasks), self._online.alike(self.copys)

    def wait(self, world: "Simulation", source: "Device", copy: "Callable[[], Device]") -> None:
        """Copy a terminal as soon as its own work is done, at the latest after a while, and take the network of both for a time."""
        until = world.schedule.now + LOOKS_S * 1000

        def look() -> None:
            if len(source.officer.tasks) >= len(self.tasks) and world.schedule.now < until:
                world.schedule.call(LOOK_MS, look)
            elif not world.healed:
                if self._online is not None and self._online.off:
                    source.pull(why="switched off, and copied")
                    source.officer.tasks = list(self.tasks)
                self._silence(world, (source, copy()))

        look()

    def _silence(self, world: "Simulation", both: "tuple[Device, Device]") -> None:
        if self._online is not None:
            self._online.silence(world, both)
            return
        for device, seconds in zip(both, self._silent, strict=True):
            _without(world, device, seconds)


class Online:
    """How one of the two keeps its network, or both do."""

    def __init__(self, fault: Fault) -> None:
        rng = random.Random(f"online beside {fault.value}")
        self._keeps = rng.choice(KEEPS)
        self._unanswered, self._gone_s, self._away_s = rng.choice(UNANSWERED), rng.choice(GONE_S), rng.choice(AWAY_S)
        self._whose = rng.choice((SOURCE, COPY))  # answer is lost, where both keep it
        self._fine = (rng.choice(DRIVERS), rng.randint(1, 5)) if rng.random() < ALIKE else None
        self.off = rng.random() < OFF

    def alike(self, tasks: list[Task]) -> list[Task]:
        """The same work, its fines of one driver and one amount: the host refuses another amount under one reference."""
        if self._fine is None:
            return tasks
        driver, offence = self._fine
        return [replace(task, driver=driver, offence=offence) if task.what == "fine" else task for task in tasks]

    def silence(self, world: "Simulation", both: "tuple[Device, Device]") -> None:
        """The other one has no network for a time, and this one none any more once an answer is lost."""
        asks = both[self._whose if self._keeps == BOTH else self._keeps]
        if self._keeps != BOTH:
            _without(world, both[COPY if self._keeps == SOURCE else SOURCE], self._away_s)
        if self._unanswered:
            asks.air.lose_answer(self._unanswered, lambda: _without(world, asks, self._gone_s))


def of(faults: list[Fault]) -> Copying | None:
    """What the faults of a plan say of a terminal and its copy that both work."""
    work, online = (next((one for one in faults if one.kind == kind), None) for kind in (COPIED, ONLINE))
    return None if work is None else Copying(work, online)


def _without(world: "Simulation", device: "Device", seconds: int) -> None:
    """Take the network of a terminal for so long."""
    device.radio(False)
    world.schedule.call(seconds * 1000, lambda: device.radio(True))


def _fines(rng: random.Random) -> list[Task]:
    """Fines that are paid by card."""
    cards = [rng.choice(ASKS if rng.random() < SURE else CARDS) for _ in range(rng.choice(FINES))]
    return [Task("fine", rng.choice(DRIVERS), card, offence=rng.randint(1, 5)) for card in cards]
