"""Two officers of the back office who decide about forks, and forks for them to decide about."""

import copy
from typing import Any

import pytest

from protocol import records as r
from protocol import sync as s
from protocol.errors import ParameterError
from server import codes
from server.office import branches, decisions
from server.store import tables as t
from server.store.engine import reading
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.officers import FIRST, SECOND, Officers

A, B = 200_000, 300_000
NAME, OWNER = "TSD-000001", "16:1:BMP-16-01"
PAID = {"receivable:CIB TEST": A, f"treasury:{OWNER}": -A}
AWAITED = {"provisional:CIB TEST": A, f"awaited:{OWNER}": -A}
HELD = {f"missing:{NAME}": A, f"suspense:{OWNER}": -A}
TWICE = {account: 2 * amount for account, amount in PAID.items()}


class Desk(Officers):
    """The two officers, and what they decide about forks."""

    def __init__(self, centre: Centre) -> None:
        super().__init__(centre.folder)
        self.centre = centre

    def draft(self, intent: int, stands: bool = True) -> dict[int, Any]:
        with self.centre.engine.begin() as connection:
            return branches.draft(connection, (NAME, 1, intent), stands, "they have looked", self.centre.now)

    def propose(self, payload: dict[int, Any], number: int = FIRST, kind: str = branches.PROPOSAL) -> int:
        with self.centre.engine.begin() as connection:
            return branches.propose(connection, self.office, self.decide(number, kind, payload), self.centre.now)

    def approve(self, payload: dict[int, Any], number: int = SECOND, kind: str = branches.APPROVAL) -> None:
        with self.centre.engine.begin() as connection:
            branches.approve(connection, self.office, self.decide(number, kind, payload), self.centre.now)

    def both(self, intent: int, stands: bool) -> None:
        """Proposed and approved."""
        payload = self.draft(intent, stands)
        self.propose(payload)
        self.approve(payload)

    def refused(self, act: Any, *words: Any) -> str:
        with pytest.raises(ParameterError) as caught:
            act(*words)
        return caught.value.code

    def held(self) -> list[dict[str, Any]]:
        with reading(self.centre.engine) as connection:
            return branches.held(connection)

    def gap(self, first: int, found: decisions.Finding, undo: int = 0) -> None:
        """Decide about a gap."""
        item = decisions.Item(t.ITEM_GAP, NAME, 1, first)
        with self.centre.engine.begin() as connection:
            draft = decisions.draft_undo if undo else decisions.draft
            payload = draft(connection, item, undo or found, "found", self.centre.now)  # type: ignore[arg-type]
            proposal = self.decide(FIRST, decisions.PROPOSAL, payload)
            decisions.propose(connection, self.office, proposal, self.centre.now)
            approval = self.decide(SECOND, decisions.APPROVAL, payload)
            decisions.approve(connection, self.office, approval, self.centre.now)


def pay(centre: Centre, handheld: Handheld, outcome: int = r.OUTCOME_APPROVED, blob: bytes = b"sealed") -> int:
    first = len(handheld.records) + 1
    intent = handheld.pay(outcome, A, blob)
    centre.hello(handheld)
    centre.send(handheld, first)
    return intent


def fork(centre: Centre, handheld: Handheld, intent: int, what: str = "another") -> None:
    """One more branch has another record in the place of the payment's outcome."""
    other = copy.copy(handheld)
    other.records, other.attached = handheld.records[:intent], {s.SEALED: {}, s.PRIVATE: {}}
    other.write(r.HEALTH_EVENT, health=what)
    assert centre.say(other.batch(intent + 1))[1][s.REJECTED] == [[intent + 1, codes.FORK]]


def settle(centre: Centre, response: str = "00") -> list[int]:
    """Answer all that goes out; the steps."""
    steps = []
    while requests := centre.claim():
        for request in requests:
            steps.append(request.step)
            assert centre.answer(request, response)
    return steps


def said(centre: Centre) -> str:
    """All alarms, the last one first."""
    with reading(centre.engine) as connection:
        said = connection.exec_driver_sql("SELECT what FROM audit WHERE level = 3 ORDER BY number DESC").scalars()
        return "; ".join(said)
