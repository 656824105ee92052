"""What waited long before it left: how long it waited is no reason to believe that nothing of it is under way, nor to give it up after a restore."""

from typing import Any

import pytest
from sqlalchemy import select

from protocol import records as r
from protocol import sync as s
from protocol.errors import ParameterError
from server import codes
from server.acquirer import outbox, settling
from server.acquirer.iso import Answer, Request, reference
from server.office import failures
from server.store import restore
from server.store import tables as t
from server.store.engine import reading
from tests.server.acquirer.test_late_approvals import due
from tests.server.acquirer.test_voids import ended, paid, void
from tests.server.centre import Centre
from tests.server.handheld import Handheld

A = 200_000


pytestmark = pytest.mark.usefixtures("greeted")


def _settle(centre: Centre, request: Request, response: str) -> bool:
    said = Answer(request.identity, request.step, response, "", reference(request.identity))
    with centre.engine.begin() as connection:
        return settling.settle(connection, request, said, centre.now)


def _waiting(centre: Centre) -> list[str]:
    with reading(centre.engine) as connection:
        return list(connection.execute(select(t.audit.c.what).where(t.audit.c.code == "WAITING")).scalars())


def _backup(centre: Centre) -> dict[str, bytes]:
    centre.engine.dispose()
    return {path.name: path.read_bytes() for path in centre.folder.glob("server.db*")}


def _restore(centre: Centre, kept: dict[str, bytes]) -> None:
    centre.engine.dispose()
    for path in centre.folder.glob("server.db*"):
        path.unlink()
    for name, content in kept.items():
        (centre.folder / name).write_bytes(content)
    centre.restart()
    with centre.engine.begin() as connection:
        restore.mark(connection, centre.now)


def test_a_reversal_that_waited_for_its_clearing_does_not_believe_the_first_25(
    centre: Centre, handheld: Handheld
) -> None:
    intent = paid(handheld)
    centre.send(handheld)
    due(centre)
    centre.send(handheld, void(handheld, intent))
    centre.now += outbox.HOLDS + 1000
    [clearing] = due(centre)
    _settle(centre, clearing, "63")
    [reversal] = due(centre)
    assert reversal.step == t.STEP_REVERSE and not _settle(centre, reversal, "25")
    assert s.VOIDS not in centre.hello(handheld)
    centre.now += outbox.HOLDS + outbox.MAX_WAIT
    [again] = due(centre)
    assert _settle(centre, again, "25")
    assert centre.hello(handheld)[s.VOIDS][0][s.RESULT_OUTCOME] == r.VOID_DONE


def test_nor_does_one_after_a_restore(centre: Centre, handheld: Handheld) -> None:
    intent = paid(handheld)
    centre.send(handheld)
    centre.send(handheld, void(handheld, intent))
    kept = _backup(centre)
    centre.restart()
    centre.now += outbox.HOLDS + 1000
    [reversal] = due(centre)
    _settle(centre, reversal, "63")
    assert [one.step for one in due(centre)] == [t.STEP_CLEAR]  # let go, and lost in the restore
    _restore(centre, kept)
    handheld.write(r.HEALTH_EVENT, health="x")
    centre.hello(handheld)
    centre.send(handheld, len(handheld.records))
    [reversal] = due(centre)
    assert reversal.step == t.STEP_REVERSE and not _settle(centre, reversal, "25")


def _asked_for_days(centre: Centre, days: int = 2) -> None:
    for _ in range(days * 30):
        for request in centre.claim():
            centre.answer(request, "91", "")


def test_a_void_that_waits_for_a_clearing_is_an_alarm(centre: Centre, handheld: Handheld) -> None:
    intent = paid(handheld)
    centre.send(handheld)
    _asked_for_days(centre, 1)
    [said] = _waiting(centre)
    assert said.startswith(f"step {t.STEP_CLEAR} of payment {intent} ")
    centre.send(handheld, void(handheld, intent))
    _asked_for_days(centre)
    [_, said] = _waiting(centre)
    assert said.startswith(f"step {t.STEP_REVERSE} of payment {intent} ")


@pytest.mark.parametrize("decides", ["reversed", "given up", "again"])
def test_a_reversal_without_a_final_answer_is_sent_no_more_once_it_is_given_up_and_then_decided(
    centre: Centre, handheld: Handheld, decides: str
) -> None:
    intent = paid(handheld)
    identity = (handheld.name, 1, intent)
    centre.send(handheld)
    (clearing,) = centre.claim()
    assert centre.answer(clearing, "00")
    centre.send(handheld, void(handheld, intent))
    (request,) = centre.claim()
    assert not centre.answer(request, "91", "")
    assert _refused(centre, failures.give_up, identity)  # it has not waited long enough
    _asked_for_days(centre)
    (sent,) = centre.claim()
    with centre.engine.begin() as connection:
        assert failures.give_up(connection, identity, centre.now) == failures.STOPPED
        assert not outbox.hold(connection, sent, centre.now)  # what is on its way out does not leave any more
    assert s.VOIDS not in centre.hello(handheld) and centre.claim() == []  # nobody knows yet how it ended
    with reading(centre.engine) as connection:
        assert failures.waiting(connection, centre.now) == []
        (item,) = failures.listed(connection)
    assert (item["step"], item["response"], item["again"]) == ("reversal", None, True)
    if decides == "again":
        with centre.engine.begin() as connection:
            assert failures.again(connection, identity, centre.now) == ["reversal"]
        (request,) = centre.claim()
        assert request.repeat and centre.answer(request, "00")
    else:
        centre.now = item["answered"] + 60
        assert _refused(centre, failures.give_up, identity)  # the last request may be acted on yet
        centre.now += outbox.HOLDS if decides == "given up" else 0
        with centre.engine.begin() as connection:
            (failures.give_up if decides == "given up" else failures.confirm_reversed)(connection, identity, centre.now)
    stands = decides == "given up"
    (told,) = centre.hello(handheld)[s.VOIDS]
    assert told[s.RESULT_OUTCOME] == (r.VOID_REFUSED if stands else r.VOID_DONE)
    assert centre.claim() == [] and sum(centre.books().values()) == 0 and bool(centre.books()) == stands


def _stopped(centre: Centre, handheld: Handheld) -> tuple[Request, tuple[str, int, int]]:
    """A captured payment's reversal that is stopped while it is on the wire."""
    identity = (handheld.name, 1, paid(handheld))
    centre.send(handheld)
    (clearing,) = centre.claim()
    assert centre.answer(clearing, "00")
    centre.send(handheld, void(handheld, identity[2]))
    _asked_for_days(centre)
    (sent,) = centre.claim()
    with centre.engine.begin() as connection:
        assert failures.give_up(connection, identity, centre.now) == failures.STOPPED
    return sent, identity


def test_the_approval_of_a_reversal_that_was_stopped_on_the_wire_counts(centre: Centre, handheld: Handheld) -> None:
    sent, identity = _stopped(centre, handheld)
    centre.now += 5
    assert centre.answer(sent, "00")
    assert not any(centre.books().values()) and not centre.answer(sent, "00")
    centre.now += outbox.HOLDS
    assert _refused(centre, failures.give_up, identity) and _refused(centre, failures.confirm_reversed, identity)
    assert centre.hello(handheld)[s.VOIDS][0][s.RESULT_OUTCOME] == r.VOID_DONE


@pytest.mark.parametrize("response", ["63", "25", "12"])
def test_any_other_answer_to_it_is_told_to_the_person_who_decides(
    centre: Centre, handheld: Handheld, response: str
) -> None:
    sent, identity = _stopped(centre, handheld)
    alarms = len(centre.alarms())
    assert not centre.answer(sent, "91")
    assert centre.answer(sent, response) and not centre.answer(sent, "00")
    assert centre.alarms()[alarms:] == ["ACQUIRER"] and s.VOIDS not in centre.hello(handheld)
    with reading(centre.engine) as connection:
        (item,) = failures.listed(connection)
    assert (item["step"], item["response"], item["again"]) == ("reversal", response, True)
    centre.now += outbox.HOLDS
    with centre.engine.begin() as connection:
        failures.give_up(connection, identity, centre.now)
    assert any(centre.books().values())


def test_what_is_asked_again_after_a_stop_has_its_own_answer(centre: Centre, handheld: Handheld) -> None:
    sent, identity = _stopped(centre, handheld)
    with centre.engine.begin() as connection:
        failures.again(connection, identity, centre.now)
    assert not centre.answer(sent, "63") and len(centre.claim()) == 1


@pytest.mark.parametrize("stopped", [True, False])
def test_what_its_terminal_has_written_as_done_is_not_given_up(
    centre: Centre, handheld: Handheld, stopped: bool
) -> None:
    """After a restore: the acquirer had reversed it, its driver was told so."""
    intent = paid(handheld)
    identity = (handheld.name, 1, intent)
    centre.send(handheld)
    (clearing,) = centre.claim()
    assert centre.answer(clearing, "00")
    asked = void(handheld, intent)
    centre.send(handheld, asked)
    kept = _backup(centre)
    centre.restart()
    (request,) = centre.claim()
    assert centre.answer(request, "00")
    centre.hello(handheld)
    done = ended(handheld, intent, r.VOID_DONE)
    handheld.write(r.HEALTH_EVENT, health="x")
    centre.send(handheld, done)
    _restore(centre, kept)
    centre.hello(handheld)
    centre.send(handheld, done, None if stopped else done)  # else its word about other voids is awaited still
    if stopped:
        _asked_for_days(centre)
        with centre.engine.begin() as connection:
            assert failures.give_up(connection, identity, centre.now) == failures.STOPPED
            (item,) = failures.listed(connection)
            assert not failures.may_stand(connection, identity)
        assert item["done"]
    centre.now += 90000
    assert _refused(centre, failures.give_up, identity)
    if stopped:
        with centre.engine.begin() as connection:
            failures.confirm_reversed(connection, identity, centre.now)
        assert not any(centre.books().values()) and codes.RESULT_DIFFERS not in centre.alarms()


def _refused(centre: Centre, decide: Any, identity: tuple[str, int, int]) -> bool:
    with centre.engine.begin() as connection, pytest.raises(ParameterError, match="PRM-036"):
        decide(connection, identity, centre.now)
    return True


def test_what_waits_once_more_is_said_once_more(centre: Centre, handheld: Handheld) -> None:
    intent = handheld.pay(r.OUTCOME_PROVISIONAL, A, b"sealed")
    centre.send(handheld)
    _asked_for_days(centre)
    for request in centre.claim():
        centre.answer(request, "63", "")
    with centre.engine.begin() as connection:
        failures.again(connection, (handheld.name, 1, intent), centre.now)
    _asked_for_days(centre)
    assert len(_waiting(centre)) == 2


def test_after_a_restore_nothing_is_given_up_at_once_nor_what_the_terminal_has_an_approval_of(
    centre: Centre, handheld: Handheld
) -> None:
    intent = handheld.pay(r.OUTCOME_PROVISIONAL, A, b"sealed")
    identity = (handheld.name, 1, intent)
    centre.send(handheld)
    for request in centre.claim():
        centre.answer(request, "91", "")
    kept = _backup(centre)
    centre.restart()
    for request in centre.claim():
        centre.answer(request, "00")
    centre.hello(handheld)
    word = handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=r.OUTCOME_APPROVED, amount=A)
    centre.send(handheld, word)
    centre.now += 90000
    _restore(centre, kept)
    centre.hello(handheld)
    with centre.engine.begin() as connection, pytest.raises(ParameterError, match="PRM-036"):
        failures.give_up(connection, identity, centre.now)
    centre.send(handheld, word)
    centre.now += 90000
    with centre.engine.begin() as connection, pytest.raises(ParameterError, match="has the result"):
        failures.give_up(connection, identity, centre.now)


def test_a_shift_is_an_alarm_once_wherever_it_is_said_to_begin(centre: Centre, handheld: Handheld) -> None:
    first = handheld.write(r.SHIFT_OPENED, shift=1)
    for _ in range(30):
        handheld.pay(r.OUTCOME_APPROVED)
    totals: dict[int, list[int]] = {}
    for record in handheld.records:
        r.totals_step(totals, record)
    last = handheld.write(r.SHIFT_CLOSED, shift=1, first=first, totals=totals)
    centre.send(handheld)
    for _ in range(2):
        for begin in range(first + 1, last + 1):
            centre.say(handheld.close(begin, last, totals))
    with reading(centre.engine) as connection:
        assert len(connection.execute(select(t.audit.c.what).where(t.audit.c.code == "RECON")).all()) == 1
