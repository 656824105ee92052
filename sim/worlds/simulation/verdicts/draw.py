"""Which seeds decide."""

import random
from dataclasses import replace

from sim.worlds.simulation.draws.faults import REFUSALS, REVERSAL_REFUSED, REVERSAL_UNSAID, Fault
from sim.worlds.simulation.officer import Task
from sim.worlds.simulation.verdicts import copying
from sim.worlds.simulation.verdicts.copying import COPIED, ONLINE

MONEY, FORKS, LOST, BOOKED = "suspense-decided", "fork-decided", "lost-money", "lost-booked"
FORGOTTEN = "decision-forgotten"
SPEAKS = 5
SHARE, RESULTS_SHARE = (
    0.8,
    0.2,
)  # of the seeds that lose records; of lost results most are explained by the acquirer's word
FORK_SHARE, STOPPED_SHARE = (
    0.8,
    0.1,
)  # of the seeds that copy a terminal; storage that is put back, or copied alone, makes no fork
LOST_SHARE, LOST_RESTORED_SHARE = (
    0.06,
    0.15,
)  # of the seeds that lose nothing, and of those of them that restore a backup
RESTORED = 0.35  # of the seeds that decide where a backup may be restored
COPIED_SHARE = 0.7  # of the seeds that decide about a copied terminal
ONLINE_SHARE = 0.3  # of the seeds in which both take payments: one of the two keeps its network, or both do
BOTH_SHARE = 0.2  # of the seeds that decide about a copied terminal: it loses money too
BOOKED_SHARE = 0.5  # of the seeds that would lose payments: it is of what a backup lacks
LOSSES = ("lost-records", "lost-results", "lost-again", "lost-any", "lost-deferred")
_RESTORABLE = ("lost-records", "lost-results")  # what other draws restore too
APPROVING = ("approves", "signs-1", "alone")
_REFUSALS = (*REFUSALS, REVERSAL_REFUSED, REVERSAL_UNSAID)
_COPIES = ("twin", "clone", "rollback")


def draw(seed: int, shifts: list[list[Task]], faults: list[Fault]) -> list[Fault]:
    """When the officers begin to look; the fault's number is how they go about it. With it, perhaps, a loss, or a restore."""
    rng = random.Random(f"decided {seed}")
    drawn, officers = rng.random(), Fault(MONEY, -1, rng.randint(10, 90), rng.randint(1, 1_000_000))
    if _has(faults, *LOSSES):
        loss = next(fault for fault in faults if fault.kind in LOSSES)
        share = RESULTS_SHARE if loss.kind == "lost-results" else SHARE
        return [officers, *(_forgotten(rng, faults) if loss.kind in _RESTORABLE else ())] if drawn < share else []
    if _has(faults, *_COPIES):
        share = FORK_SHARE if _has(faults, "twin") else STOPPED_SHARE
        if drawn >= share:
            return []
        return [replace(officers, kind=FORKS), *_forgotten(rng, faults), *_copied(seed, faults), *_both(seed, faults)]
    if drawn < (LOST_RESTORED_SHARE if _has(faults, "backup-restore") else LOST_SHARE):
        return _lost(rng, shifts, officers, faults)
    return []


def _lost(rng: random.Random, shifts: list[list[Task]], officers: Fault, faults: list[Fault]) -> list[Fault]:
    """A terminal without a network takes payments, and loses some; or it loses some of those that a backup lacks, before it sends them again."""
    device = max(range(len(shifts)), key=lambda one: sum(map(_approves, shifts[one])))
    at, seconds, most = rng.randint(1, 30), rng.randint(90, 400), rng.randint(1, 24)
    booked, backup, later = rng.random() < BOOKED_SHARE, rng.randint(1, 60), rng.randint(40, 300)
    if _has(faults, "upgrade", "lost-journal", *_REFUSALS) or _has([f for f in faults if f.device == device], "outage"):
        return []
    restores = [fault for fault in faults if fault.kind == "backup-restore"]
    if booked and (restores or not _has(faults, "refund")):
        own = [] if restores else [Fault("backup-restore", -1, backup, backup + later)]
        restored = int([*restores, *own][0].value)
        return [officers, *own, Fault(BOOKED, device, restored, min(most, 6)), *_forgotten(rng, faults)]
    for fault in restores:
        at = max(1, rng.randint(fault.at - 200, int(fault.value) - 30))
    offline = Fault("outage", device, at, seconds)
    return [officers, offline, Fault(LOST, device, at, most), *_forgotten(rng, faults)]


def _copied(seed: int, faults: list[Fault]) -> list[Fault]:
    """Whether a terminal and its copy take payments beside each other; drawn apart from the rest."""
    rng = random.Random(f"copied and decided {seed}")
    drawn, how = rng.random(), rng.randint(1, 1_000_000)
    twin = next((fault for fault in faults if fault.kind == "twin"), None)
    if twin is None or drawn >= COPIED_SHARE:
        return []
    return [Fault(COPIED, twin.device, 1, how), *_online(seed, twin.device)]


def _online(seed: int, device: int) -> list[Fault]:
    """Whether one of the two keeps its network meanwhile, or both; drawn apart from the rest."""
    rng = random.Random(f"asked twice {seed}")
    drawn, how = rng.random(), rng.randint(1, 1_000_000)
    return [Fault(ONLINE, device, 1, how)] if drawn < ONLINE_SHARE else []


def _both(seed: int, faults: list[Fault]) -> list[Fault]:
    """Whether the terminal that is copied loses money as well, so that officers decide about its suspense too; drawn apart from the rest."""
    rng = random.Random(f"both decided {seed}")
    drawn, at, most = rng.random(), rng.randint(30, 400), rng.randint(1, 12)
    officers = Fault(MONEY, -1, rng.randint(10, 90), rng.randint(1, 1_000_000))
    twin = next((fault for fault in faults if fault.kind == "twin"), None)
    apart = _has(faults, "upgrade", "lost-journal", "outage", *_REFUSALS)
    return (
        [officers, Fault(LOST, twin.device, at, most)] if twin is not None and drawn < BOTH_SHARE and not apart else []
    )


def speaking(seed: int, shifts: list[list[Task]], faults: list[Fault]) -> list[list[Task]]:
    """Where officers decide about suspense: the terminal that loses something synchronises some more, so that they hear of it while faults go on.
    Where they decide about what a copied terminal and its copy have taken, these payments come last.
    """
    work = copying.of(faults)
    for fault in faults:
        if fault.kind == COPIED and work is not None:
            shifts = [[*shift, *work.tasks] if device == fault.device else shift for device, shift in enumerate(shifts)]
    if not _has(faults, MONEY):
        return shifts
    rng = random.Random(f"decided and spoken of {seed}")
    lossy = {fault.device for fault in faults if fault.kind in (*LOSSES, LOST, BOOKED)}
    more = [Task("idle", seconds=rng.choice((30, 60, 120))) for _ in range(SPEAKS)]
    after = [task for idle in more for task in (idle, Task("sync"))]
    return [[*shift, *after] if device in lossy else shift for device, shift in enumerate(shifts)]


def _approves(task: Task) -> bool:
    """Whether a payment is to be expected that needs no issuer."""
    return task.what == "fine" and task.card.startswith(APPROVING) and not task.later and not task.abandon


def _has(faults: list[Fault], *kinds: str) -> bool:
    return any(fault.kind in kinds for fault in faults)


def _forgotten(rng: random.Random, faults: list[Fault]) -> list[Fault]:
    """A backup of the time of the n-th proposal, and its restore so many seconds later, where no other fault speaks against it."""
    drawn, number, later = rng.random(), rng.randint(1, 4), rng.randint(10, 240)
    apart = _has(faults, "upgrade", "refund", *_REFUSALS)
    return [] if drawn >= RESTORED or apart else [Fault(FORGOTTEN, -1, number, later)]
