"""What is held back from the acquirer: by a fork, or because the payment is to be given back. Nothing stays so for good, and a capture and a
reversal are never both on their way.
"""

import copy
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from protocol import records as r
from protocol import sync as s
from server import failures
from server.store import tables as t
from server.store.engine import reading, upgrade
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.test_online import HostSays, ask, begin, take
from tests.server.test_voids import paid, void


@pytest.fixture
def centre(tmp_path: Path, handheld: Handheld) -> Centre:
    made = Centre(tmp_path, handheld)
    made.hello(handheld)
    return made


def fork(centre: Centre, handheld: Handheld, seq: int) -> None:
    """A second branch from record `seq` on."""
    other = copy.copy(handheld)
    other.records = [dict(record) for record in handheld.records[: seq - 1]]
    other.attached = {kind: {} for kind in handheld.attached}
    other.write(r.HEALTH_EVENT, health="x")
    centre.say(other.batch(seq, seq))


def rows(centre: Centre) -> dict[int, tuple[int, str | None]]:
    """The outbox by step: state, response."""
    with reading(centre.engine) as connection:
        return {row.step: (row.state, row.response) for row in connection.execute(select(t.outbox))}


def listed(centre: Centre) -> list[tuple[str, str | None]]:
    with reading(centre.engine) as connection:
        return [(row["step"], row["response"]) for row in failures.listed(connection)]


def asked(centre: Centre, *responses: str) -> list[int]:
    """The steps that go to the acquirer now, answered as told."""
    requests = centre.claim()
    for request, response in zip(requests, responses, strict=True):
        assert centre.answer(request, response, "")
    return [request.step for request in requests]


def test_an_approval_that_nobody_took_is_reversed_though_a_fork_holds_its_payment(
    centre: Centre, handheld: Handheld
) -> None:
    HostSays(centre)
    intent = begin(handheld)
    ask(centre, handheld, intent)
    seq = take(handheld, intent, r.OUTCOME_DECLINED)
    centre.send(handheld)
    fork(centre, handheld, seq)
    assert asked(centre, "00") == [t.STEP_REVERSE]
    assert centre.books() == {} and asked(centre) == [] and listed(centre) == []


def test_a_void_of_a_captured_payment_ends_though_a_fork_holds_the_payment(centre: Centre, handheld: Handheld) -> None:
    intent = paid(handheld)
    centre.send(handheld)
    asked(centre, "00")
    centre.send(handheld, void(handheld, intent))
    fork(centre, handheld, intent + 1)
    assert asked(centre, "00") == [t.STEP_REVERSE] and centre.books() == {}
    assert centre.hello(handheld)[s.VOIDS][0][s.RESULT_OUTCOME] == r.VOID_DONE


@pytest.mark.parametrize("outcome", [r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL])
def test_a_fork_holds_what_could_bring_money_in(centre: Centre, handheld: Handheld, outcome: int) -> None:
    intent = paid(handheld, outcome)
    centre.send(handheld)
    fork(centre, handheld, intent + 1)
    assert asked(centre) == [] and centre.books() == {}


def test_a_database_of_before_lets_a_held_reversal_go_and_names_a_clearing_that_stayed_held(
    either: Centre, handheld: Handheld
) -> None:
    """Migration 0012."""
    either.hello(handheld)
    intents = [paid(handheld) for _ in range(4)]
    for intent in intents[:3]:
        void(handheld, intent)
    either.send(handheld)
    fork(either, handheld, intents[3] + 1)
    fork(either, handheld, intents[2] + 1)
    o = t.outbox.c
    with either.engine.begin() as connection:
        back = update(t.outbox).where(o.step == t.STEP_REVERSE)
        connection.execute(back.where(o.intent == intents[0]).values(state=t.STATE_HELD))
        for intent in intents[1:3]:
            connection.execute(back.where(o.intent == intent).values(state=t.STATE_FAILED, response="63", answered=9))
        connection.execute(text("UPDATE alembic_version SET version_num = '0011'"))
    upgrade(either.engine)
    with reading(either.engine) as connection:
        found = connection.execute(select(o.intent, o.step, o.state).order_by(o.intent, o.step)).all()
    new, failed, held = t.STATE_NEW, t.STATE_FAILED, t.STATE_HELD
    states = {intent: [row.state for row in found if row.intent == intent] for intent in intents}
    assert states == dict(zip(intents, ([held, new], [failed, failed], [held, failed], [held]), strict=True))
