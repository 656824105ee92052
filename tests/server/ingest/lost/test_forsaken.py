"""A payment that its issuer approved while the card waited, and of which the terminal has lost everything: when its new epoch begins it is
reversed and named.
"""

import shutil
from typing import Any

import cbor2
import pytest
from sqlalchemy import select

from protocol import records as r
from protocol import sync as s
from server.acquirer.iso import Answer, reference
from server.office import epochs
from server.office.decisions import Finding
from server.store import restore
from server.store import tables as t
from server.store.engine import reading
from tests.server.acquirer.test_online import A, HostSays, ask, begin, silent, take
from tests.server.acquirer.test_returned import _backup
from tests.server.centre import Centre
from tests.server.doubts import Desk, gap
from tests.server.handheld import Handheld
from tests.server.officers import FIRST, SECOND, Officers


def _approved(centre: Centre, officers: Officers | None = None) -> None:
    """Two officers approve a new epoch."""
    officers = officers or Officers(centre.folder)
    with centre.engine.begin() as connection:
        payload = epochs.draft(connection, "TSD-000001", "storage lost", centre.now)
        epochs.propose(connection, officers.office, officers.decide(FIRST, epochs.PROPOSAL, payload), centre.now)
        epochs.approve(connection, officers.office, officers.decide(SECOND, epochs.APPROVAL, payload), centre.now)


def _lost(handheld: Handheld, kept: int) -> None:
    del handheld.records[kept:]
    handheld.attached[s.SEALED].clear()
    handheld.epoch += 1
    handheld.write(r.NEW_EPOCH)


def _named(centre: Centre) -> list[str]:
    with reading(centre.engine) as connection:
        rows = connection.execute(select(t.audit).where(t.audit.c.level == t.LEVEL_ALARM).order_by(t.audit.c.number))
        return [row.what for row in rows if "issuer" in row.what]


def _asked(centre: Centre, handheld: Handheld, response: str | None = "00") -> int:
    """A payment put to its issuer; only what came before it is at the centre."""
    handheld.write(r.PROVISIONED)
    centre.hello(handheld)
    centre.send(handheld)
    host = HostSays(centre, response or "00")
    host.error = None if response else silent(unsent=False)
    intent = begin(handheld)
    centre.hello(handheld)
    ask(centre, handheld, intent)
    return intent


@pytest.mark.parametrize("response", ["00", "91", None])
def test_an_approval_of_the_old_epoch_without_an_outcome_is_reversed_once_and_named(
    either: Centre, handheld: Handheld, response: str | None
) -> None:
    intent = _asked(either, handheld, response)
    _approved(either)
    assert either.claim() == []
    _lost(handheld, 1)
    for _ in range(2):
        either.hello(handheld)
    (request,) = either.claim()
    assert (request.identity, request.step, request.amount) == (("TSD-000001", 1, intent), t.STEP_REVERSE, A)
    assert request.wilaya == 16
    assert either.answer(request, "00") and either.books() == {}
    what = f"payment {intent} of epoch 1, {A} centimes, is or may be approved by its issuer and its outcome is lost: reversed"
    assert _named(either) == [what]
    assert either.send(handheld, 2)[s.ACKED_SEQ] == 2 and either.claim() == []


@pytest.mark.parametrize("response", ["05", "51"])
def test_what_the_issuer_declined_is_left_alone(centre: Centre, handheld: Handheld, response: str) -> None:
    _asked(centre, handheld, response)
    _approved(centre)
    _lost(handheld, 1)
    centre.hello(handheld)
    assert centre.claim() == [] and _named(centre) == []


def test_what_has_an_outcome_is_left_to_it(centre: Centre, handheld: Handheld) -> None:
    intent = _asked(centre, handheld)
    take(handheld, intent, r.OUTCOME_APPROVED)
    centre.hello(handheld)
    assert s.REJECTED not in centre.send(handheld, 2)
    _approved(centre)
    _lost(handheld, len(handheld.records))
    centre.hello(handheld)
    assert [request.step for request in centre.claim()] == [t.STEP_CLEAR] and _named(centre) == []


def test_an_outcome_that_was_set_aside_is_a_person_s_to_decide(centre: Centre, handheld: Handheld) -> None:
    intent = _asked(centre, handheld)
    handheld.unsigned.add(take(handheld, intent, r.OUTCOME_APPROVED))
    centre.hello(handheld)
    assert s.REJECTED in centre.send(handheld, 2)
    _approved(centre)
    _lost(handheld, len(handheld.records))
    centre.hello(handheld)
    assert centre.claim() == [] and [what.split("; ")[1] for what in _named(centre)] == [
        "its outcome was set aside: decide"
    ]


def test_an_answer_that_comes_after_the_new_epoch_has_begun_is_reversed_again(
    centre: Centre, handheld: Handheld
) -> None:
    """The reversal may have overtaken the question."""
    handheld.write(r.PROVISIONED)
    centre.hello(handheld)
    centre.send(handheld)
    intent = begin(handheld)
    centre.hello(handheld)
    waiting: list[Any] = []
    card = {
        s.NONCE: handheld.nonce,
        s.EPOCH: 1,
        s.INTENT: intent,
        s.AMOUNT: A,
        s.UTC: handheld.utc,
        s.CARD_DATA: b"card",
    }
    message = centre.service.check(handheld.message(s.TYPE_AUTHORISE, card))
    with centre.engine.begin() as connection:
        waiting.append(centre.service.apply(connection, message, centre.now))
    _approved(centre)
    _lost(handheld, 1)
    centre.hello(handheld)
    (first,) = centre.claim()
    said = Answer(first.identity, t.STEP_AUTHORISE, "00", "123456", reference(first.identity))
    with centre.engine.begin() as connection:
        centre.service.answered(connection, waiting[0], said, False, centre.now)
    assert not centre.answer(first, "25"), "it was asked before the answer came"
    (again,) = centre.claim()
    assert (again.step, again.repeat) == (t.STEP_REVERSE, True) and centre.answer(again, "00")


def test_after_a_restore_what_may_have_had_an_outcome_is_asked_of_a_person(centre: Centre, handheld: Handheld) -> None:
    """Its outcome arrived and was captured; the backup is of before that, and then the terminal's storage is lost."""
    intent = _asked(centre, handheld)
    centre.engine.dispose()
    shutil.copy(centre.folder / "server.db", centre.folder / "backup.db")
    take(handheld, intent, r.OUTCOME_APPROVED)
    centre.hello(handheld)
    centre.send(handheld, 2)
    assert [centre.answer(request, "00") for request in centre.claim()] == [True]
    _approved(centre)
    command = centre.say(handheld.hello(trouble="JRN-030"))[1][s.COMMANDS][0]
    centre.engine.dispose()
    for path in centre.folder.glob("server.db*"):
        path.unlink()
    shutil.copy(centre.folder / "backup.db", centre.folder / "server.db")
    centre.restart()
    with centre.engine.begin() as connection:
        restore.mark(connection, centre.now)
    approval = cbor2.loads(cbor2.loads(command)[2])[5]
    _lost(handheld, len(handheld.records))
    assert centre.say(handheld.hello(approval=approval))[0] == s.TYPE_WELCOME
    assert centre.claim() == []
    assert [what.split("; ")[1] for what in _named(centre)] == [
        "its outcome may have been on file before the restore: ask the acquirer"
    ]


def _gap(centre: Centre, handheld: Handheld, first: int, last: int) -> None:
    """Records `first` to `last` are lost; a case is closed after them."""
    handheld.write(r.CASE_CLOSED, case=handheld.cases, closure=r.CLOSURE_PAID)
    centre.hello(handheld)
    assert centre.say(handheld.batch(last + 1, gap=first))[0] == s.TYPE_ACK


def _new_epoch(centre: Centre, handheld: Handheld, officers: Officers | None = None) -> None:
    """One that goes on from all that the centre has."""
    _approved(centre, officers)
    with reading(centre.engine) as connection:
        kept = connection.execute(select(t.heads.c.seq)).scalar()
    assert kept is not None
    _lost(handheld, kept)
    centre.hello(handheld)


@pytest.mark.parametrize("decided", [False, True])
def test_what_a_gap_can_hold_stays_a_persons_to_decide_whatever_epochs_begin(
    either: Centre, handheld: Handheld, decided: bool
) -> None:
    """Two officers may have decided that it was collected: the books keep no income that is given back."""
    intent = _asked(either, handheld)
    either.send(handheld, 2)
    outcome = take(handheld, intent, r.OUTCOME_APPROVED)
    _gap(either, handheld, outcome, outcome)
    desk = Desk(either)
    if decided:
        desk.both(gap(outcome), Finding(collected=A, scheme="CIB TEST"))
    books = either.books()
    for _ in range(2):
        _new_epoch(either, handheld, desk)
        assert either.claim() == [] and either.books() == books
    what = f"payment {intent} of epoch 1, {A} centimes, is or may be approved by its issuer"
    assert _named(either) == [f"{what}; the gap from record {outcome} may hold its outcome: ask the acquirer"]


@pytest.mark.parametrize("behind", [False, True])
def test_a_gap_before_which_or_with_which_the_intent_ends_holds_no_outcome_of_it(
    centre: Centre, handheld: Handheld, behind: bool
) -> None:
    """The lost records hold another payment of that amount; nothing comes after them but a new epoch."""
    handheld.write(r.PROVISIONED)
    centre.hello(handheld)
    centre.send(handheld)
    HostSays(centre)
    lost = len(handheld.records) + 1
    handheld.pay(r.OUTCOME_APPROVED, A)
    intent = begin(handheld)
    centre.hello(handheld)
    ask(centre, handheld, intent)
    last = take(handheld, intent, r.OUTCOME_DECLINED) if behind else intent
    handheld.write(r.HEALTH_EVENT, health="boot")
    centre.hello(handheld)
    assert centre.say(handheld.batch(last + 1, gap=lost))[0] == s.TYPE_ACK
    assert _named(centre) == []
    _new_epoch(centre, handheld)
    assert [(request.step, request.identity[2]) for request in centre.claim()] == (
        [] if behind else [(t.STEP_REVERSE, intent)]
    )
    end = (
        f"; the gap from record {lost} may hold its outcome: ask the acquirer"
        if behind
        else " and its outcome is lost: reversed"
    )
    assert [what.endswith(end) for what in _named(centre)] == [True]


def test_an_epoch_that_is_approved_after_a_restore_reverses_nothing_that_may_have_been_on_file(
    centre: Centre, handheld: Handheld
) -> None:
    """Its outcome had come and was captured; the terminal says so by its head, and loses its storage before it has sent it again."""
    intent = _asked(centre, handheld)
    back = _backup(centre)
    take(handheld, intent, r.OUTCOME_APPROVED)
    centre.hello(handheld)
    centre.send(handheld, 2)
    assert [centre.answer(request, "00") for request in centre.claim()] == [True]
    back()
    centre.hello(handheld)
    centre.send(handheld, 2, 2)
    officers = Officers(centre.folder)
    for _ in range(2):
        _new_epoch(centre, handheld, officers)
        assert centre.claim() == []
    assert [what.split("; ")[1] for what in _named(centre)] == [
        "its outcome may have been on file before the restore: ask the acquirer"
    ]


def test_an_outcome_of_a_new_epoch_takes_no_payment_that_was_reversed(centre: Centre, handheld: Handheld) -> None:
    intent = _asked(centre, handheld)
    centre.hello(handheld)
    centre.send(handheld, 2)  # the intent is on file, its outcome is not
    _approved(centre)
    _lost(handheld, len(handheld.records))
    centre.hello(handheld)
    late = take(handheld, intent, r.OUTCOME_APPROVED)
    assert [late, "SRV-034"] in centre.send(handheld, late - 1)[s.REJECTED]
    assert [request.step for request in centre.claim()] == [t.STEP_REVERSE] and centre.books() == {}
