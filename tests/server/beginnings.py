"""What leads to a new epoch, as tests play it: a terminal in trouble, two officers, the first record."""

from typing import Any

import cbor2

from protocol import records as r
from protocol import sync as s
from server.office import epochs
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.officers import FIRST, SECOND, Officers


class BackOffice(Officers):
    """Two officers who decide about epochs."""

    def __init__(self, centre: Centre) -> None:
        super().__init__(centre.folder)
        self.centre = centre

    def draft(self, device: str = "TSD-000001") -> dict[int, Any]:
        """What they would sign now."""
        with self.centre.engine.begin() as connection:
            return epochs.draft(connection, device, "storage lost", self.centre.now)

    def propose(self, payload: dict[int, Any], number: int = FIRST, kind: str = epochs.PROPOSAL) -> int:
        """The first signature; the proposal's number."""
        message = self.decide(number, kind, payload)
        with self.centre.engine.begin() as connection:
            return epochs.propose(connection, self.office, message, self.centre.now)

    def approve(self, payload: dict[int, Any], number: int = SECOND, kind: str = epochs.APPROVAL) -> None:
        """The second one."""
        message = self.decide(number, kind, payload)
        with self.centre.engine.begin() as connection:
            epochs.approve(connection, self.office, message, self.centre.now)

    def both(self) -> dict[int, Any]:
        """A new epoch from the chain as it stands; what both have signed: 2 is its number, 3 the last record that counts."""
        payload = self.draft()
        self.propose(payload)
        self.approve(payload)
        return payload

    def withdraw(self, device: str = "TSD-000001") -> None:
        """What is open is withdrawn."""
        with self.centre.engine.begin() as connection:
            epochs.withdraw(connection, device, FIRST, self.centre.now)


def trouble(centre: Centre, handheld: Handheld) -> dict[int, Any]:
    """HELLO of a terminal that cannot go on: the payload of WELCOME."""
    kind, payload = centre.say(handheld.hello(trouble="JRN-030"))
    assert kind == s.TYPE_WELCOME
    return payload


def told(centre: Centre, handheld: Handheld) -> bytes:
    """The approval that a terminal in trouble is told, as it keeps it."""
    return cbor2.loads(cbor2.loads(trouble(centre, handheld)[s.COMMANDS][0])[2])[5]


def begin(handheld: Handheld, epoch: int = 0) -> None:
    """What `terminal.journal.epoch` does."""
    handheld.epoch = epoch or handheld.epoch + 1
    handheld.write(r.NEW_EPOCH)
