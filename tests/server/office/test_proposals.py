"""Proposals as lists have them, and officers who decide at the same moment."""

import threading
import time

import pytest

from protocol import records as r
from protocol import sync as s
from protocol.errors import ParameterError
from server.office import epochs, proposals, refunds, signing
from server.store import devices
from server.store.engine import reading
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.officers import FIRST, SECOND, Officers

NAME, THIRD = "TSD-000001", 2003


def _refund(centre: Centre, officers: Officers, intent: int) -> None:
    with centre.engine.begin() as connection:
        payload = refunds.draft(connection, (NAME, 1, intent), "tariff was wrong", centre.now)
        refunds.propose(connection, officers.office, officers.decide(FIRST, refunds.PROPOSAL, payload), centre.now)
    centre.now += 1


def test_what_is_open_is_listed_however_much_came_after_it(
    either: Centre, handheld: Handheld, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proposals, "LISTED", 2)
    one, two = (handheld.pay(r.OUTCOME_APPROVED, 200_000) for _ in range(2))
    either.hello(handheld)
    either.send(handheld)
    officers = Officers(either.folder)
    for intent in (one, two, two, two, two):
        _refund(either, officers, intent)
    with reading(either.engine) as connection:
        found = [(row["intent"], row["number"], row["state"]) for row in refunds.listed(connection)]
    withdrawn = [(two, 3, "withdrawn"), (two, 2, "withdrawn")]
    assert found == [(two, 4, "proposed"), *withdrawn, (one, 1, "proposed")]


def _propose(centre: Centre, officers: Officers, reason: str) -> "dict[int, object]":
    with centre.engine.begin() as connection:
        payload = epochs.draft(connection, NAME, reason, centre.now)
        epochs.propose(connection, officers.office, officers.decide(FIRST, epochs.PROPOSAL, payload), centre.now)
    return payload


class Approval(threading.Thread):
    """An officer approves, in a session of his own; `code` is what he is told."""

    def __init__(self, centre: Centre, officers: Officers, number: int, payload: "dict[int, object]") -> None:
        super().__init__()
        self._centre, self._officers, self._number, self._payload = centre, officers, number, payload
        self.code = ""

    def run(self) -> None:
        approval = self._officers.decide(self._number, epochs.APPROVAL, self._payload)
        try:
            with self._centre.engine.begin() as connection:
                epochs.approve(connection, self._officers.office, approval, self._centre.now)
            self.code = "approved"
        except ParameterError as error:
            self.code = error.code


def _waiting(centre: Centre, many: int) -> None:
    """Until so many sessions wait for a lock."""
    asked = "SELECT COUNT(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
    for _ in range(400):
        with reading(centre.engine) as connection:
            if connection.exec_driver_sql(asked).scalar() == many:
                return
        time.sleep(0.05)
    raise AssertionError("nobody waits")


def test_an_epoch_whose_proposal_is_overtaken_at_the_same_moment_is_not_approved(
    beside: Centre, handheld: Handheld
) -> None:
    officers = Officers(beside.folder)
    first = _propose(beside, officers, "storage lost")
    with beside.engine.begin() as connection:
        devices.heads(connection, [NAME])
        approval = Approval(beside, officers, SECOND, first)
        approval.start()
        _waiting(beside, 1)
        payload = epochs.draft(connection, NAME, "another reason", beside.now)
        epochs.propose(connection, officers.office, officers.decide(FIRST, epochs.PROPOSAL, payload), beside.now)
    approval.join()
    assert approval.code == "PRM-032"
    with reading(beside.engine) as connection:
        assert [(row["number"], row["state"]) for row in epochs.listed(connection)] == [
            (2, "proposed"),
            (1, "withdrawn"),
        ]


def test_of_two_officers_who_approve_an_epoch_at_the_same_moment_one_does(beside: Centre, handheld: Handheld) -> None:
    officers = Officers(beside.folder)
    signing.enrol(beside.folder / "office.json", THIRD, beside.folder / f"{THIRD}.pem")
    officers.office = signing.Office.load(beside.folder / "office.json")
    payload = _propose(beside, officers, "storage lost")
    both = [Approval(beside, officers, number, payload) for number in (SECOND, THIRD)]
    with beside.engine.begin() as connection:
        devices.heads(connection, [NAME])
        for one in both:
            one.start()
        _waiting(beside, 2)
    for one in both:
        one.join()
    assert sorted(one.code for one in both) == ["PRM-032", "approved"]
    _, welcome = beside.say(handheld.hello(trouble="JRN-030"))
    assert s.COMMANDS in welcome


@pytest.mark.parametrize("key", [1, 8])
def test_an_approval_without_device_or_number_is_no_decision(centre: Centre, handheld: Handheld, key: int) -> None:
    officers = Officers(centre.folder)
    payload = {**_propose(centre, officers, "storage lost"), key: [1]}
    signed = officers.decide(SECOND, epochs.APPROVAL, payload)
    with centre.engine.begin() as connection, pytest.raises(ParameterError) as error:
        epochs.approve(connection, officers.office, signed, centre.now)
    assert error.value.code == "PRM-030"
