"""Which seeds decide."""

import random
from dataclasses import replace

from sim.worlds.simulation.faults import REFUSALS, REVERSAL_REFUSED, REVERSAL_UNSAID, Fault

MONEY, FORKS, LOST = "suspense-decided", "fork-decided", "lost-money"
SHARE, RESULTS_SHARE, FORK_SHARE = 0.8, 0.2, 0.8  # of lost results most are explained by the acquirer's word
LOST_SHARE, LOST_RESTORED_SHARE = (
    0.06,
    0.15,
)  # of the seeds that lose nothing, and of those of them that restore a backup
RESTORED = 0.35  # of the seeds that lose records, decide, and restore nothing else
LOSSES = ("lost-records", "lost-results", "lost-again", "lost-any", "lost-deferred")
_RESTORABLE = ("lost-records", "lost-results", LOST)  # what other draws restore too
_REFUSALS = (*REFUSALS, REVERSAL_REFUSED, REVERSAL_UNSAID)
_COPIES = ("twin", "clone", "rollback")


def draw(seed: int, devices: int, faults: list[Fault]) -> list[Fault]:
    """When the officers begin to look; the fault's number is how they go about it. With it, perhaps, a loss, or a restore."""
    rng = random.Random(f"decided {seed}")
    drawn, officers = rng.random(), Fault(MONEY, -1, rng.randint(10, 90), rng.randint(1, 1_000_000))
    if _has(faults, *LOSSES):
        loss = next(fault for fault in faults if fault.kind in LOSSES)
        share = RESULTS_SHARE if loss.kind == "lost-results" else SHARE
        return [officers, *_restored(rng, loss, faults)] if drawn < share else []
    if _has(faults, *_COPIES):
        return [replace(officers, kind=FORKS)] if drawn < FORK_SHARE else []
    if drawn < (LOST_RESTORED_SHARE if _has(faults, "backup-restore") else LOST_SHARE):
        return _lost(rng, devices, officers, faults)
    return []


def _lost(rng: random.Random, devices: int, officers: Fault, faults: list[Fault]) -> list[Fault]:
    """A terminal without a network takes payments, and loses some; where there is a restore, about the time of it."""
    device, at, seconds, most = rng.randrange(devices), rng.randint(1, 120), rng.randint(90, 400), rng.randint(1, 14)
    for fault in faults:
        if fault.kind == "backup-restore":
            at, most = max(1, rng.randint(fault.at - 200, int(fault.value) - 60)), min(most, 6)
    if _has(faults, "upgrade", "lost-journal", *_REFUSALS) or _has([f for f in faults if f.device == device], "outage"):
        return []
    loss = Fault(LOST, device, at, most)
    return [officers, Fault("outage", device, at, seconds), loss, *_restored(rng, loss, faults)]


def _has(faults: list[Fault], *kinds: str) -> bool:
    return any(fault.kind in kinds for fault in faults)


def _restored(rng: random.Random, loss: Fault, faults: list[Fault]) -> list[Fault]:
    """A backup of about the time of a loss, and its restore, where no other fault speaks against it."""
    drawn, after, later = rng.random(), rng.randint(1, 400), rng.randint(30, 400)
    if (
        drawn >= RESTORED
        or loss.kind not in _RESTORABLE
        or _has(faults, "backup-restore", "upgrade", "refund", *_REFUSALS)
    ):
        return []
    at = max(1, loss.at - 60) + after
    return [Fault("backup-restore", -1, at, at + later)]
