"""A payment that was begun in one epoch and whose outcome is of the next: a fork of the outcome holds it, and is decided, as any other."""

import copy

import pytest

from protocol import records as r
from protocol import sync as s
from server import codes
from server.office import epochs
from server.store import tables as t
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.officers import FIRST, SECOND
from tests.server.verdicts import PAID, A, Desk, settle


def _begun(desk: Desk, handheld: Handheld) -> int:
    """The intent of a payment, the last record of the first epoch; the second one has begun."""
    centre = desk.centre
    case = handheld.notice(A)
    intent = handheld.write(r.PAYMENT_INTENT, case=case, amount=A)
    centre.hello(handheld)
    centre.send(handheld)
    centre.say(handheld.hello(trouble="JRN-030"))
    with centre.engine.begin() as connection:
        payload = epochs.draft(connection, handheld.name, "storage lost", centre.now)
        epochs.propose(connection, desk.office, desk.decide(FIRST, epochs.PROPOSAL, payload), centre.now)
        epochs.approve(connection, desk.office, desk.decide(SECOND, epochs.APPROVAL, payload), centre.now)
    centre.say(handheld.hello(trouble="JRN-030"))
    handheld.epoch = 2
    handheld.write(r.NEW_EPOCH)
    centre.hello(handheld)
    assert s.REJECTED not in centre.send(handheld, intent + 1)
    return intent


def _fork(centre: Centre, handheld: Handheld, seq: int, what: str) -> None:
    other = copy.copy(handheld)
    other.records, other.attached = handheld.records[: seq - 1], {s.SEALED: {}, s.PRIVATE: {}}
    other.write(r.HEALTH_EVENT, health=what)
    assert centre.say(other.batch(seq))[1][s.REJECTED] == [[seq, codes.FORK]]


@pytest.mark.parametrize("stands", [True, False])
def test_an_outcome_of_the_next_epoch_is_held_and_decided(either: Centre, handheld: Handheld, stands: bool) -> None:
    desk = Desk(either)
    intent = _begun(desk, handheld)
    seq = handheld.finish(intent, r.OUTCOME_APPROVED, A, b"sealed")
    assert s.REJECTED not in either.send(handheld, seq) and either.books() == PAID
    _fork(either, handheld, seq, "another")
    assert either.books() == {} and either.claim() == []
    (held,) = desk.held()
    assert (held["epoch"], held["intent"], held["seq"], len(held["others"])) == (1, intent, seq, 1)
    desk.both(intent, stands)
    assert either.books() == (PAID if stands else {})
    assert settle(either) == [t.STEP_CLEAR if stands else t.STEP_REVERSE] and either.books() == (PAID if stands else {})
    if stands:
        _fork(either, handheld, seq, "a third")
        assert either.books() == {} and len(desk.held()[0]["others"]) == 2
        desk.both(intent, False)
        assert settle(either) == [t.STEP_REVERSE] and either.books() == {}


def test_a_branch_that_was_there_before_the_outcome_of_the_next_epoch_holds_it(
    either: Centre, handheld: Handheld
) -> None:
    desk = Desk(either)
    intent = _begun(desk, handheld)
    branch = copy.copy(handheld)
    branch.records, branch.attached = handheld.records[:intent], {s.SEALED: {}, s.PRIVATE: {}}
    for what in ("another", "and more"):  # in the place of the epoch's first record, and of the outcome
        branch.write(r.HEALTH_EVENT, health=what)
    assert either.say(branch.batch(intent + 1))[1][s.REJECTED] == [[intent + n, codes.FORK] for n in (1, 2)]
    seq = handheld.finish(intent, r.OUTCOME_APPROVED, A, b"sealed")
    assert s.REJECTED not in either.send(handheld, seq)
    assert either.books() == {} and desk.held()[0]["seq"] == seq
    desk.both(intent, True)
    assert settle(either) == [t.STEP_CLEAR] and either.books() == PAID
