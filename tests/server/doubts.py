"""Two officers of the back office who decide about money in suspense, and terminals that have lost some."""

from typing import Any

import pytest

from protocol import records as r
from protocol import sync as s
from protocol.errors import ParameterError
from server.office import decisions
from server.office.decisions import Finding, Item
from server.store import tables as t
from server.store.engine import reading
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.officers import FIRST, SECOND, Officers

A, B = 200_000, 300_000
NAME, OWNER = "TSD-000001", "16:1:BMP-16-01"
PAID = {"receivable:CIB TEST": A, f"treasury:{OWNER}": -A}


def held(amount: int) -> dict[str, int]:
    return {f"missing:{NAME}": amount, f"suspense:{OWNER}": -amount} if amount else {}


def earned(amount: int, scheme: str = "CIB TEST") -> dict[str, int]:
    return {f"receivable:{scheme}": amount, f"treasury:{OWNER}": -amount}


def gap(first: int) -> Item:
    return Item(t.ITEM_GAP, NAME, 1, first)


class Desk(Officers):
    """The two officers, and what they decide."""

    def __init__(self, centre: Centre) -> None:
        super().__init__(centre.folder)
        self.centre = centre

    def draft(self, item: Item, found: Finding = Finding(), undo: int = 0) -> dict[int, Any]:
        with self.centre.engine.begin() as connection:
            if undo:
                return decisions.draft_undo(connection, item, undo, "counted anew", self.centre.now)
            return decisions.draft(connection, item, found, "the acquirer's file", self.centre.now)

    def propose(self, payload: dict[int, Any], number: int = FIRST, kind: str = decisions.PROPOSAL) -> int:
        with self.centre.engine.begin() as connection:
            return decisions.propose(connection, self.office, self.decide(number, kind, payload), self.centre.now)

    def approve(self, payload: dict[int, Any], number: int = SECOND, kind: str = decisions.APPROVAL) -> None:
        with self.centre.engine.begin() as connection:
            decisions.approve(connection, self.office, self.decide(number, kind, payload), self.centre.now)

    def both(self, item: Item, found: Finding = Finding(), undo: int = 0) -> None:
        """Proposed and approved."""
        payload = self.draft(item, found, undo)
        self.propose(payload)
        self.approve(payload)

    def refused(self, act: Any, *words: Any) -> str:
        with pytest.raises(ParameterError) as caught:
            act(*words)
        return caught.value.code

    def left(self) -> list[tuple[str, int, int]]:
        """(kind, sequence, centimes) of what is in suspense."""
        with reading(self.centre.engine) as connection:
            return [(one["kind"], one["seq"], one["left"]) for one in decisions.items(connection)]


def said(centre: Centre) -> str:
    """All alarms, the last one first."""
    with reading(centre.engine) as connection:
        said = connection.exec_driver_sql("SELECT what FROM audit WHERE level = 3 ORDER BY number DESC").scalars()
        return "; ".join(said)


def settle(centre: Centre) -> None:
    while requests := centre.claim():
        for request in requests:
            assert centre.answer(request, "00")


def deferred(centre: Centre, handheld: Handheld, *amounts: int) -> list[int]:
    """Deferred payments that arrive and that the acquirer approves."""
    first = len(handheld.records) + 1
    intents = [handheld.pay(r.OUTCOME_PROVISIONAL, amount) for amount in amounts]
    centre.hello(handheld)
    centre.send(handheld, first)
    settle(centre)
    return intents


def write(handheld: Handheld, intent: int, amount: int = A) -> int:
    return handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=1, amount=amount, auth_code="123456")


def go_on(centre: Centre, handheld: Handheld, first: int) -> int:
    """All records from `first` on are lost; the terminal goes on."""
    last = len(handheld.records)
    handheld.write(r.HEALTH_EVENT, health="storage")
    centre.hello(handheld)
    kind, ack = centre.say(handheld.batch(last + 1, gap=first))
    assert (kind, ack.get(s.REJECTED)) == (s.TYPE_ACK, None)
    return first


def declare(centre: Centre, handheld: Handheld, first: int, last: int) -> None:
    """The gap record of `first` to `last`, which the centre takes."""
    seq = handheld.write(r.GAP, first=first, gap_last=last, gap_hash=handheld.hash(last))
    centre.hello(handheld)
    assert s.REJECTED not in centre.send(handheld, seq)


def lost(centre: Centre, handheld: Handheld, *amounts: int) -> int:
    """The first record of a gap that holds approved payments."""
    first = handheld.write(r.LOGIN) + 1
    for amount in amounts:
        handheld.pay(r.OUTCOME_APPROVED, amount)
    centre.hello(handheld)
    centre.send(handheld, 1, first - 1)
    return go_on(centre, handheld, first)
