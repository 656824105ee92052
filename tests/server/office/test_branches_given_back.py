"""What a verdict about a fork gives back is reversed at the acquirer, whatever is on file of it, and the host outlives the centre's memory."""

import copy
import shutil
from pathlib import Path

import pytest

from protocol import records as r
from protocol import sync as s
from protocol.errors import ParameterError
from server import codes
from server.acquirer import outbox
from server.office import failures
from server.store import restore
from server.store import tables as t
from server.store.engine import reading
from tests.server.acquirer.test_online import HostSays, ask, begin, take
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.office.test_branches_reversed import ask_void, give_up, refuse, with_card
from tests.server.verdicts import NAME, PAID, A, Desk, fork, pay, said, settle


def back_up(centre: Centre) -> Path:
    centre.engine.dispose()
    return Path(shutil.copy(centre.folder / "server.db", centre.folder / "backup.db"))


def go_back(centre: Centre, backup: Path) -> None:
    """The database is restored, once the host can hold nothing of before."""
    centre.engine.dispose()
    for beside in ("server.db-wal", "server.db-shm"):
        (centre.folder / beside).unlink(missing_ok=True)
    shutil.copy(backup, centre.folder / "server.db")
    centre.restart()
    centre.now += 4000
    with centre.engine.begin() as connection:
        restore.mark(connection, centre.now)


@pytest.mark.parametrize("known", ["its payment", "nothing"])
def test_a_restored_database_that_has_forgotten_what_was_given_back_hears_of_it_from_the_host(
    centre: Centre, handheld: Handheld, known: str
) -> None:
    """Nothing of it had left, and the other branch never comes again."""
    desk = Desk(centre)
    centre.hello(handheld)
    if known == "nothing":
        backup = back_up(centre)
        intent = pay(centre, handheld)
    else:
        intent = pay(centre, handheld)
        backup = back_up(centre)
    fork(centre, handheld, intent)
    desk.both(intent, False)
    assert settle(centre, "25") == [t.STEP_REVERSE]
    go_back(centre, backup)
    centre.hello(handheld)
    if known == "nothing":
        centre.send(handheld, 1)
    (clearing,) = centre.claim()
    assert (clearing.step, clearing.repeat) == (t.STEP_CLEAR, True)
    assert centre.answer(clearing, "12") and centre.books() == {} and centre.claim() == []
    assert f"payment {intent} of epoch 1, {A} centimes: the acquirer has reversed it since the backup" in said(centre)


def test_a_deferred_payment_that_was_given_back_is_reversed_again_after_a_restore(
    centre: Centre, handheld: Handheld
) -> None:
    """Its issuer approves what the restored database asks once more; the terminal has written down that it is declined."""
    desk = Desk(centre)
    intent = pay(centre, handheld, r.OUTCOME_PROVISIONAL)
    backup = back_up(centre)
    fork(centre, handheld, intent)
    desk.both(intent, False)
    assert settle(centre, "25") == [t.STEP_REVERSE]
    centre.hello(handheld)
    seq = handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=r.OUTCOME_DECLINED, amount=A)
    go_back(centre, backup)
    centre.hello(handheld)
    centre.send(handheld, seq)
    assert settle(centre) == [t.STEP_AUTHORISE, t.STEP_REVERSE] and centre.books() == {}


@pytest.mark.parametrize("outcome", [r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL])
def test_what_never_left_is_reversed_at_once_by_a_host_that_knows_nothing(
    either: Centre, handheld: Handheld, outcome: int
) -> None:
    desk = Desk(either)
    intent = pay(either, handheld, outcome)
    fork(either, handheld, intent)
    desk.both(intent, False)
    with either.engine.begin() as connection:
        (request,) = outbox.claim(connection, either.now)
    assert request.step == t.STEP_REVERSE and either.answer(request, "25")
    assert "asked about" not in warned(either)


def warned(centre: Centre) -> str:
    """All warnings."""
    with centre.engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT what FROM audit WHERE level = 2").scalars()
        return "; ".join(found)


def test_what_may_have_been_captured_is_reversed_though_the_record_on_file_says_declined(
    centre: Centre, handheld: Handheld
) -> None:
    """The database has forgotten what it captured, and the copy, whose card refused, speaks first."""
    desk = Desk(centre)
    centre.hello(handheld)
    backup = back_up(centre)
    intent = handheld.write(r.PAYMENT_INTENT, case=handheld.notice(A), amount=A)
    other = copy.copy(handheld)
    other.records, other.attached = list(handheld.records), {s.SEALED: {}, s.PRIVATE: {}}
    other.write(r.PAYMENT_OUTCOME, case=1, intent=intent, outcome=r.OUTCOME_DECLINED, amount=A, reason="Z1", cid=0)
    handheld.finish(intent, r.OUTCOME_APPROVED, A, b"sealed")
    centre.hello(handheld)
    centre.send(handheld, 1)
    assert settle(centre) == [t.STEP_CLEAR]
    go_back(centre, backup)
    centre.hello(other)
    centre.send(other, 1)
    centre.hello(handheld)
    assert centre.say(handheld.batch(1))[1][s.REJECTED] == [[intent + 1, codes.FORK]]
    assert centre.claim() == [] and desk.held()[0]["acquirer"] == "asked"
    desk.both(intent, False)
    assert settle(centre) == [t.STEP_REVERSE] and centre.books() == {}


def test_what_the_issuer_refused_while_the_card_waited_is_given_back_without_a_word(
    either: Centre, handheld: Handheld
) -> None:
    HostSays(either, "51")
    desk = Desk(either)
    either.hello(handheld)
    intent = begin(handheld)
    ask(either, handheld, intent)
    take(handheld, intent, r.OUTCOME_DECLINED)
    either.send(handheld)
    fork(either, handheld, intent)
    assert desk.held()[0]["acquirer"] == "refused"
    desk.both(intent, False)
    assert either.claim() == [] and desk.held() == []


@pytest.mark.parametrize("captured", [True, False])
@pytest.mark.parametrize("stands", [True, False])
def test_what_the_acquirer_will_not_reverse_is_given_up_and_decided_anew(
    either: Centre, handheld: Handheld, captured: bool, stands: bool
) -> None:
    desk = Desk(either)
    intent = pay(either, handheld)
    if captured:
        settle(either)
    fork(either, handheld, intent)
    desk.both(intent, False)
    refuse(either)
    give_up(either, intent)
    assert f"payment {intent} of epoch 1, given back by a verdict about a fork, is not reversed" in said(either)
    assert desk.held()[0]["acquirer"] == ("captured" if captured else "nothing") and either.books() == {}
    with reading(either.engine) as connection:
        assert failures.listed(connection) == []
    with either.engine.begin() as connection, pytest.raises(ParameterError, match="PRM-036") as caught:
        failures.again(connection, (NAME, 1, intent), either.now)
    assert "tasdid server fork" in (caught.value.hint or "") and either.claim() == []
    desk.both(intent, stands)
    assert settle(either) == ([t.STEP_CLEAR] * (not captured) if stands else [t.STEP_REVERSE])
    assert either.books() == (PAID if stands else {}) and either.ledger()["balanced"]
    fork(either, handheld, intent, "a third")
    assert len(desk.held()) == stands and either.books() == {}


def test_a_void_ends_refused_with_the_reversal_of_what_was_given_back(either: Centre, handheld: Handheld) -> None:
    desk = Desk(either)
    intent = with_card(either, handheld)
    assert settle(either) == [t.STEP_CLEAR]
    ask_void(either, handheld, intent)
    assert [request.step for request in either.claim()] == [t.STEP_REVERSE]
    refuse(either)  # a repeat: its void stays open
    fork(either, handheld, intent)
    desk.both(intent, False)
    refuse(either)
    assert s.VOIDS not in either.hello(handheld)
    give_up(either, intent)
    assert [told[s.RESULT_OUTCOME] for told in either.hello(handheld)[s.VOIDS]] == [r.VOID_REFUSED]
    desk.both(intent, False)
    assert settle(either) == [t.STEP_REVERSE] and either.books() == {}
    assert [told[s.RESULT_OUTCOME] for told in either.hello(handheld)[s.VOIDS]] == [r.VOID_REFUSED]


@pytest.mark.parametrize("before", ["the reversal was given up", "the payment was decided anew"])
def test_a_restored_database_asks_what_was_given_up_since_and_decides_it_again(
    centre: Centre, handheld: Handheld, before: str
) -> None:
    desk = Desk(centre)
    intent = pay(centre, handheld)
    settle(centre)
    fork(centre, handheld, intent)
    desk.both(intent, False)
    refuse(centre)
    backup = back_up(centre)
    give_up(centre, intent)
    if before == "the payment was decided anew":
        backup = back_up(centre)
    desk.both(intent, True)
    assert centre.books() == PAID
    go_back(centre, backup)
    centre.hello(handheld)
    assert centre.books() == {}
    if before == "the reversal was given up":
        refuse(centre)
        give_up(centre, intent)
    (held,) = desk.held()
    assert held["acquirer"] in ("captured", "asked")
    desk.both(intent, True)
    assert t.STEP_REVERSE not in settle(centre) and centre.books() == PAID
