"""No number of an epoch has two beginnings: what was approved once may have been begun unheard, and is never proposed again."""

import copy
import shutil
from typing import Any

import pytest
from sqlalchemy import select, update

from protocol import records as r
from protocol import sync as s
from protocol.errors import ParameterError
from server.office.signing import VALID_S
from server.store import restore
from server.store import tables as t
from server.store.engine import reading
from tests.server.beginnings import BackOffice, begin, told, trouble
from tests.server.centre import Centre
from tests.server.handheld import Handheld


@pytest.fixture
def back(either: Centre) -> BackOffice:
    return BackOffice(either)


def _paid(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_APPROVED, 200_000)
    centre.hello(handheld)
    centre.send(handheld)


def _copied(handheld: Handheld) -> Handheld:
    """A second terminal of the same name and key, with the records of the first."""
    twin = copy.copy(handheld)
    twin.records, twin.attached = list(handheld.records), {key: dict(each) for key, each in handheld.attached.items()}
    return twin


def _goes_on(centre: Centre, twin: Handheld, what: str) -> None:
    """One more record, sent."""
    seq = twin.write(r.HEALTH_EVENT, health=what)
    centre.hello(twin)
    assert centre.send(twin, seq)[s.ACKED_SEQ] == seq


def _overtaken(centre: Centre, handheld: Handheld, back: BackOffice) -> tuple[Handheld, bytes]:
    """The terminal was told of epoch 2 and begins it after record 3, unheard; a copy of it sends record 4 in epoch 1. The copy, the approval."""
    _paid(centre, handheld)
    twin = _copied(handheld)
    back.both()
    approval = told(centre, handheld)
    begin(handheld)
    handheld.pay(r.OUTCOME_APPROVED, 300_000)
    _goes_on(centre, twin, "a copy")
    return twin, approval


def _after(handheld: Handheld, other: Handheld, epoch: int) -> None:
    """On a fresh volume: a new epoch after the records of the other one."""
    handheld.records, handheld.attached = list(other.records), {key: dict(each) for key, each in other.attached.items()}
    handheld.cases = other.cases
    begin(handheld, epoch)


def _states(centre: Centre) -> list[tuple[int, int, int]]:
    """Number, last record and state of each proposal, in their order."""
    c = t.epochs.c
    with reading(centre.engine) as connection:
        return [tuple(row) for row in connection.execute(select(c.epoch, c.seq, c.state).order_by(c.number))]


def test_an_epoch_that_was_begun_unheard_is_not_taken_for_a_later_beginning(
    either: Centre, handheld: Handheld, back: BackOffice
) -> None:
    twin, approval = _overtaken(either, handheld, back)
    again = back.both()
    assert (again[2], again[3]) == (3, 4)
    for _ in range(2):
        assert either.refused(handheld.hello()) == "SRV-016"
        assert either.refused(handheld.hello(approval=approval)) == "SRV-045"
    what = "a terminal that began epoch 2 after record 3 is not heard, since another one of this name has gone on in epoch 1"
    assert [alarm["what"] for alarm in either.ledger()["alarms"]].count(what) == 1
    assert either.count("forks") == 0 and either.hello(twin)[s.ACKED_SEQ] == 4
    assert _states(either) == [(2, 3, t.EPOCH_WITHDRAWN), (3, 4, t.EPOCH_APPROVED)]


def test_officers_bring_back_the_terminal_and_then_its_copy(
    either: Centre, handheld: Handheld, back: BackOffice
) -> None:
    twin, _ = _overtaken(either, handheld, back)
    back.both()
    told(either, handheld)  # from a fresh volume: its secure element knows of epoch 2
    assert _states(either)[1] == (3, 4, t.EPOCH_APPROVED)
    _after(handheld, twin, 3)
    handheld.pay(r.OUTCOME_APPROVED, 500_000)
    assert either.hello(handheld)[s.ACKED_SEQ] == 4
    assert either.send(handheld, 5)[s.ACKED_SEQ] == 8
    assert either.refused(twin.hello()) == "SRV-016"
    trouble(either, twin)
    assert back.both()[2] == 4
    told(either, twin)
    _after(twin, handheld, 4)
    assert either.hello(twin)[s.ACKED_SEQ] == 8
    assert either.send(twin, 9)[s.ACKED_SEQ] == 9
    assert either.count("forks") == 0 and either.books()["treasury:16:1:BMP-16-01"] == -700_000
    assert [state for *_, state in _states(either)] == [t.EPOCH_WITHDRAWN, t.EPOCH_BEGUN, t.EPOCH_BEGUN]


def test_only_what_was_approved_takes_its_number(either: Centre, handheld: Handheld, back: BackOffice) -> None:
    _paid(either, handheld)
    for _ in range(2):
        back.propose(back.draft())
        back.withdraw()
    back.propose(back.draft())
    payload = back.draft()
    assert payload[2] == 2
    back.propose(payload)
    back.approve(payload)
    assert back.draft()[2] == 3  # while it stands
    back.withdraw()
    assert back.both()[2] == 3
    either.now += VALID_S + 1  # never asked for
    assert back.both()[2] == 4
    for _ in range(2):
        assert s.COMMANDS in trouble(either, handheld)


def test_a_restored_database_that_knows_of_the_approval_does_not_use_its_number(
    centre: Centre, handheld: Handheld
) -> None:
    back = BackOffice(centre)
    _paid(centre, handheld)
    back.both()
    back.withdraw()
    centre.engine.dispose()
    (centre.folder / "restored").mkdir()
    shutil.copy(centre.folder / "server.db", centre.folder / "restored")
    back.centre = Centre(centre.folder / "restored")
    with back.centre.engine.begin() as connection:
        restore.mark(connection, back.centre.now)
    assert back.draft()[2] == 3


def _number_again(centre: Centre, back: BackOffice) -> dict[int, Any]:
    """A proposal as an earlier release made it, after record 4: with the number of the approval that was withdrawn. What it says."""
    _forget(centre, None)
    payload = back.draft()
    assert (payload[2], payload[3]) == (2, 4)
    back.propose(payload)
    return payload


def _forget(centre: Centre, approved_at: int | None) -> None:
    """When the first approval was given: None has it look like a mere proposal, whose number is free."""
    with centre.engine.begin() as connection:
        connection.execute(update(t.epochs).where(t.epochs.c.number == 1).values(approved_at=approved_at))


def test_a_proposal_of_an_earlier_release_with_such_a_number_is_not_approved(
    either: Centre, handheld: Handheld, back: BackOffice
) -> None:
    _overtaken(either, handheld, back)
    payload = _number_again(either, back)
    _forget(either, either.now)
    with pytest.raises(ParameterError) as error:
        back.approve(payload)
    assert error.value.code == "PRM-032"
    assert back.both()[2] == 3


def test_an_approval_of_an_earlier_release_with_such_a_number_is_told_to_nobody(
    either: Centre, handheld: Handheld, back: BackOffice
) -> None:
    _overtaken(either, handheld, back)
    back.approve(_number_again(either, back))
    _forget(either, either.now)
    handheld.epoch = 1
    assert s.COMMANDS not in trouble(either, handheld)
    assert _states(either)[1] == (2, 4, t.EPOCH_WITHDRAWN)


def test_who_was_told_of_such_a_number_by_an_earlier_release_is_heard_by_what_it_shows(
    either: Centre, handheld: Handheld, back: BackOffice
) -> None:
    twin, approval = _overtaken(either, handheld, back)
    back.approve(_number_again(either, back))
    shown = told(either, twin)
    _forget(either, either.now)
    assert either.refused(handheld.hello()) == "SRV-016"
    assert either.refused(handheld.hello(approval=approval)) == "SRV-045"
    begin(twin)
    assert either.refused(twin.hello()) == "SRV-016"
    kind, welcome = either.say(twin.hello(approval=shown))
    assert (kind, welcome[s.ACKED_SEQ]) == (s.TYPE_WELCOME, 4)
    assert either.send(twin, 5)[s.ACKED_SEQ] == 5
