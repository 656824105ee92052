"""Payments that the centre gives back, drawn apart so that the rest of a seed's plan is what it always was; in half of the seeds that restore a
backup, and in some others.

One officer proposes, tries to approve alone, which must be refused, and another one approves. What a restored backup has forgotten of it before it
left is forgotten for good; what the host was told must be found again.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import text

from protocol.errors import ParameterError
from server.acquirer import outbox
from server.office import refunds as office_refunds
from sim.worlds.simulation.centre import Centre
from sim.worlds.simulation.draws.faults import Fault
from sim.worlds.simulation.four_eyes import FIRST, SECOND, Officers

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
        self._officers = Officers()
        self.asked: set[Identity] = set()
        self.alone: set[Identity] = set()  # by one officer, who proposed and approved

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
            self._sign(connection, identity, now)
        self.asked.add(identity)
        tell(f"payment {identity[2]} of {identity[0]} is to be given back")
        return True

    def _sign(self, connection: Any, identity: Identity, now: int) -> None:
        payload, office = office_refunds.draft(connection, identity, "paid twice", now), self._officers.office
        office_refunds.propose(connection, office, self._officers.sign(FIRST, office_refunds.PROPOSAL, payload), now)
        try:
            own = self._officers.sign(FIRST, office_refunds.APPROVAL, payload)
            office_refunds.approve(connection, office, own, now)
            self.alone.add(identity)
        except ParameterError:
            approval = self._officers.sign(SECOND, office_refunds.APPROVAL, payload)
            office_refunds.approve(connection, office, approval, now)

    def problems(self) -> Iterator[str]:
        """What one officer alone was allowed to give back."""
        for name, _, intent in sorted(self.alone):
            yield f"one officer alone has had payment {intent} of {name} given back"

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
