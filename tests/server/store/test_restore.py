"""After a restore: which records the acquirer may know of, told by the head of the first session that a message is bound to, whatever comes late."""

from typing import Any

import pytest
from sqlalchemy import event, select

from protocol import records as r
from protocol import sync as s
from server.store import restore
from server.store import tables as t
from server.store.engine import reading
from tests.server.acquirer.test_online import HostSays, ask, begin
from tests.server.centre import Centre
from tests.server.handheld import Handheld


def hello(centre: Centre, handheld: Handheld, head: int) -> None:
    """A HELLO of when the terminal's head was `head`."""
    centre.say(handheld.hello(head_seq=head, head_hash=handheld.hash(head)))


def repeats(centre: Centre, handheld: Handheld) -> dict[int, bool]:
    """What goes to the acquirer once all has been sent, and whether as a repeat, by intent."""
    centre.hello(handheld)
    centre.send(handheld)
    return {request.identity[2]: request.repeat for request in centre.claim()}


@pytest.fixture
def restored(centre: Centre) -> Centre:
    with centre.engine.begin() as connection:
        restore.mark(connection, centre.now)
    return centre


def doubtful(centre: Centre, handheld: Handheld, intents: list[int]) -> list[bool]:
    with centre.engine.connect() as connection:
        return [restore.doubtful(connection, handheld.name, intent) for intent in intents]


@pytest.mark.parametrize("late", [(), (3,), (3, 0)])
@pytest.mark.parametrize("afterwards", [(), (3,), (0, 3)])
def test_a_late_hello_says_nothing_of_what_is_doubtful(
    restored: Centre, handheld: Handheld, late: tuple[int, ...], afterwards: tuple[int, ...]
) -> None:
    """An older HELLO may arrive before the one that a batch is bound to, or after it."""
    intents = [handheld.pay(r.OUTCOME_APPROVED) for _ in range(2)]
    for head in late:
        hello(restored, handheld, head)
    assert doubtful(restored, handheld, [*intents, 1000]) == [True, True, True]
    assert repeats(restored, handheld) == dict.fromkeys(intents, True)
    for head in afterwards:
        hello(restored, handheld, head)
    intents.append(handheld.pay(r.OUTCOME_APPROVED))
    assert doubtful(restored, handheld, intents) == [True, True, False]
    restored.now += restore.WINDOW
    assert repeats(restored, handheld)[intents[2]] is False


def test_a_higher_head_that_is_named_within_the_hour_counts_and_one_named_later_does_not(
    restored: Centre, handheld: Handheld
) -> None:
    marked = restored.now
    intents = [handheld.pay(r.OUTCOME_APPROVED)]
    repeats(restored, handheld)
    for head, seconds in ((6, restore.WINDOW - 10), (9, restore.WINDOW + 10)):
        intents.append(handheld.pay(r.OUTCOME_APPROVED))
        restored.now = marked + seconds
        hello(restored, handheld, head)
    assert doubtful(restored, handheld, intents) == [True, True, False]


def test_the_first_session_counts_however_late_it_comes(restored: Centre, handheld: Handheld) -> None:
    intents = [handheld.pay(r.OUTCOME_APPROVED) for _ in range(2)]
    restored.now += 30 * 86400
    repeats(restored, handheld)
    intents.append(handheld.pay(r.OUTCOME_APPROVED))
    assert doubtful(restored, handheld, intents) == [True, True, False]
    assert repeats(restored, handheld)[intents[2]] is False


def test_a_payment_whose_intent_was_the_last_record_before_the_restore_is_in_doubt(
    restored: Centre, handheld: Handheld
) -> None:
    """The card waits: the question may have been put to the issuer already. The payment after it is new."""
    host = HostSays(restored)
    intent = begin(handheld)
    restored.hello(handheld)
    ask(restored, handheld, intent)
    assert host.asked[0].repeat and doubtful(restored, handheld, [intent, intent + 1]) == [True, False]


def test_an_outcome_whose_intent_was_the_last_record_before_the_restore_goes_out_as_a_repeat(
    centre: Centre, handheld: Handheld
) -> None:
    """The intent is in the backup, the outcome may have come and been sent on since."""
    intent = begin(handheld)
    centre.hello(handheld)
    centre.send(handheld)
    with centre.engine.begin() as connection:
        restore.mark(connection, centre.now)
    hello(centre, handheld, intent)
    assert s.REJECTED not in centre.send(
        handheld, handheld.finish(intent, r.OUTCOME_APPROVED, handheld.records[intent - 1][r.AMOUNT])
    )
    assert [(request.identity[2], request.repeat) for request in centre.claim()] == [(intent, True)]


def test_many_unsent_clearings_are_named_by_few_statements(either: Centre, handheld: Handheld) -> None:
    either.hello(handheld)
    for _ in range(40):
        handheld.pay(r.OUTCOME_APPROVED)
    either.send(handheld)
    before = either.count("audit")
    asked: list[str] = []

    @event.listens_for(either.engine, "before_cursor_execute")
    def _asked(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "audit" in statement:
            asked.append(statement)

    with either.engine.begin() as connection:
        restore.mark(connection, either.now)
    assert len(asked) < 12, "each clearing costs statements of its own"
    named = either.alarms()[before:]
    assert named.count("RESTORED") >= 40
    with reading(either.engine) as connection:
        lines = connection.execute(
            select(t.audit).where(t.audit.c.device == handheld.name).order_by(t.audit.c.number)
        ).all()
    assert [row.number for row in lines] == list(range(1, len(lines) + 1))
    assert [row.what.split()[1] for row in lines[-40:]] == [str(3 * n + 2) for n in range(40)]  # each payment's intent
