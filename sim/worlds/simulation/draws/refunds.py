"""Payments that the centre gives back, drawn apart so that the rest of a seed's plan is what it always was; in half of the seeds that restore a
backup, and in some others.

Two officers' signatures are tested elsewhere: here the reversal is asked for as their approval does it. What a restored backup has forgotten of
it before it left is forgotten for good; what the host was told must be found again.
"""

import random
from collections.abc import Callable
from typing import Any

from sqlalchemy import text

from server.acquirer import outbox
from sim.worlds.simulation.centre import Centre
from sim.worlds.simulation.draws.faults import Fault

SHARE, RESTORED_SHARE = 0.1, 0.5
TRIES, AGAIN_MS = 20, 20_000
Identity = tuple[str, int, int]
_APPROVED = (
    "SELECT p.device, p.epoch, p.intent FROM payments p LEFT JOIN results q ON p.device = q.device AND p.epoch = q.epoch"
    " AND p.intent = q.intent WHERE p.held = 0 AND (p.outcome = 1 OR q.outcome = 1) ORDER BY p.device, p.epoch, p.intent"
)
_RETURNED = (
    "SELECT p.epoch, p.intent, p.amount FROM payments p JOIN postings b ON b.device = p.device AND b.epoch = p.epoch"
    " AND b.intent = p.intent AND b.part = 3 WHERE p.device = :d"
)


def draw(seed: int, faults: list[Fault], seconds: int) -> list[Fault]:
    """When a refund is asked for."""
    rng = random.Random(f"refunds {seed}")
    restores = [fault for fault in faults if fault.kind == "backup-restore"]
    if rng.random() >= (RESTORED_SHARE if restores else SHARE):
        return []
    if restores:  # between the backup and its restore, where there is room for it
        return [Fault("refund", -1, rng.randint(restores[0].at, int(restores[0].value)))]
    return [Fault("refund", -1, rng.randint(60, seconds))]


class Refunds:
    """What was given back, and the officers who do it."""

    def __init__(self, seed: int) -> None:
        self._rng = random.Random(f"refunded {seed}")
        self.asked: set[Identity] = set()

    def ask(self, centre: Centre, tell: Callable[[str], None], now: int, left_alone: set[str]) -> bool:
        """Ask for one; whether there was a payment to be given back."""
        if not centre.up:
            return False
        with centre.engine.begin() as connection:
            found = [(row.device, row.epoch, row.intent) for row in connection.execute(text(_APPROVED))]
            open_ = [one for one in found if one[0] not in left_alone and outbox.reversible(connection, one)]
            if not open_:
                return False
            identity = self._rng.choice(open_)
            outbox.request_reversal(connection, identity, "officers 2001 and 2002", now)
        self.asked.add(identity)
        tell(f"payment {identity[2]} of {identity[0]} is to be given back")
        return True

    def returned(self, connection: Any, name: str, voided: set[int]) -> int:
        """Centimes that the books have given back to holders of a device's payments in this way: not what was `voided`, be it that a restore forgot
        who asked first.
        """
        rows = connection.execute(text(_RETURNED), {"d": name})
        mine = [row for row in rows if (name, row.epoch, row.intent) in self.asked and row.intent not in voided]
        return sum(row.amount for row in mine)

    def names(self, name: str, intent: int) -> bool:
        """Whether a payment was to be given back."""
        return any((device, number) == (name, intent) for device, _, number in self.asked)
