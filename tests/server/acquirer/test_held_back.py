"""What is held back from the acquirer: by a fork, or because the payment is to be given back. Nothing stays so for good, and a capture and a
reversal are never both on their way.
"""

import copy
import functools
import random
import tempfile
from pathlib import Path

import pytest
from sqlalchemy import select, text, update

from protocol import records as r
from protocol import sync as s
from protocol.errors import ParameterError
from server.acquirer import outbox, settling
from server.acquirer.iso import Request
from server.office import failures, refunds
from server.store import restore
from server.store import tables as t
from server.store.engine import reading, upgrade
from tests.server.acquirer.test_online import HostSays, ask, begin, take
from tests.server.acquirer.test_voids import PAID, ended, paid, void
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.officers import FIRST, SECOND, Officers

pytestmark = pytest.mark.usefixtures("greeted")


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
    """Migration 0013."""
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
        for column in ("heads.paid_case", "heads.behind", "heads.blocked", "heads.key_epoch", "epochs.public_key"):
            table, name = column.split(".")
            connection.execute(text(f"ALTER TABLE {table} DROP COLUMN {name}"))
        for table in ("decisions", "verdicts", "rulings", "blocks", "former_keys"):
            connection.execute(text(f"DROP TABLE {table}"))
        connection.execute(text("UPDATE alembic_version SET version_num = '0012'"))
    upgrade(either.engine)
    with reading(either.engine) as connection:
        found = connection.execute(select(o.intent, o.step, o.state).order_by(o.intent, o.step)).all()
    new, failed, held = t.STATE_NEW, t.STATE_FAILED, t.STATE_HELD
    states = {intent: [row.state for row in found if row.intent == intent] for intent in intents}
    assert states == dict(zip(intents, ([held, new], [failed, failed], [held, failed], [held]), strict=True))


def again(centre: Centre, handheld: Handheld, intent: int, clear: bool = False) -> list[str]:
    """The steps that are asked again; none if that is refused."""
    with centre.engine.begin() as connection:
        try:
            return failures.again(connection, (handheld.name, 1, intent), centre.now, clear)
        except ParameterError as error:
            assert error.code == "PRM-036"
            return []


def stands(centre: Centre, handheld: Handheld, intent: int) -> None:
    """A person takes the acquirer's word that nothing is reversed, if there is anything to decide."""
    centre.now += outbox.HOLDS
    with centre.engine.begin() as connection:
        try:
            failures.give_up(connection, (handheld.name, 1, intent), centre.now)
        except ParameterError as error:
            assert error.code == "PRM-036"


@functools.cache
def officers() -> Officers:
    return Officers(Path(tempfile.mkdtemp()))


def refund(centre: Centre, handheld: Handheld, intent: int) -> None:
    """Proposed by one officer, approved by another."""
    identity, decide = (handheld.name, 1, intent), officers().decide
    with centre.engine.begin() as connection:
        payload = refunds.draft(connection, identity, "paid twice", centre.now)
        refunds.propose(connection, officers().office, decide(FIRST, refunds.PROPOSAL, payload), centre.now)
        refunds.approve(connection, officers().office, decide(SECOND, refunds.APPROVAL, payload), centre.now)


def refused(centre: Centre, handheld: Handheld, clearing: str = "", written: bool = True) -> int:
    """A payment whose void the acquirer refuses (63), its clearing answered before or held back; the intent."""
    intent = paid(handheld)
    if clearing:
        centre.send(handheld)
        asked(centre, clearing)
    void(handheld, intent)
    centre.send(handheld, 1 if not clearing else len(handheld.records))
    assert asked(centre, "63") == [t.STEP_REVERSE]
    if written:
        assert centre.hello(handheld)[s.VOIDS][0][s.RESULT_OUTCOME] == r.VOID_REFUSED
        assert s.REJECTED not in centre.send(handheld, ended(handheld, intent, r.VOID_REFUSED))
    return intent


def test_a_payment_whose_void_is_refused_is_captured_after_all(centre: Centre, handheld: Handheld) -> None:
    intent = refused(centre, handheld)
    assert listed(centre) == [("reversal", "63")] and centre.books() == PAID
    (clearing,) = centre.claim()
    assert (clearing.step, clearing.repeat, clearing.sealed) == (t.STEP_CLEAR, False, b"opaque")
    centre.answer(clearing, "00")
    assert rows(centre)[t.STEP_CLEAR] == (t.STATE_DONE, "00") and again(centre, handheld, intent) == []
    assert asked(centre) == [] and centre.books() == PAID


def test_a_payment_whose_refund_is_refused_is_captured_until_it_is_given_back(
    centre: Centre, handheld: Handheld
) -> None:
    intent = paid(handheld)
    centre.send(handheld)
    refund(centre, handheld, intent)
    assert asked(centre, "30") == [t.STEP_REVERSE]
    assert asked(centre, "00") == [t.STEP_CLEAR] and centre.books() == PAID
    assert again(centre, handheld, intent) == ["reversal"]
    assert asked(centre, "00") == [t.STEP_REVERSE] and centre.books() == {} and listed(centre) == []


def test_a_clearing_that_is_let_go_waits_again_while_its_reversal_is_asked_again(
    centre: Centre, handheld: Handheld
) -> None:
    intent = paid(handheld)
    centre.send(handheld)
    refund(centre, handheld, intent)
    asked(centre, "30")
    assert again(centre, handheld, intent) == ["reversal"]
    assert rows(centre)[t.STEP_CLEAR] == (t.STATE_HELD, None)
    assert asked(centre, "30") == [t.STEP_REVERSE] and asked(centre) == []
    stands(centre, handheld, intent)
    assert asked(centre, "00") == [t.STEP_CLEAR]


def test_of_a_clearing_and_a_voids_reversal_that_failed_the_clearing_goes_again(
    either: Centre, handheld: Handheld
) -> None:
    """The driver was told that the payment stands. To give it back all the same is two officers' decision."""
    either.hello(handheld)
    intent = refused(either, handheld, "63")
    assert listed(either) == [("clearing", "63"), ("reversal", "63")]
    assert again(either, handheld, intent) == ["clearing"] and asked(either, "12") == [t.STEP_CLEAR]
    refund(either, handheld, intent)
    assert listed(either) == []
    alarms = either.alarms()
    assert asked(either, "30") == [t.STEP_REVERSE]
    assert again(either, handheld, intent) == ["reversal"] and asked(either, "00") == [t.STEP_REVERSE]
    assert either.books() == {} and either.alarms() == [*alarms, "ACQUIRER"]
    with reading(either.engine) as connection:
        assert connection.execute(select(t.voids.c.state)).scalar() == r.VOID_REFUSED


def test_a_clearing_of_what_was_to_be_given_back_goes_again_if_a_person_says_so(
    centre: Centre, handheld: Handheld
) -> None:
    intent = paid(handheld)
    centre.send(handheld)
    asked(centre, "63")
    refund(centre, handheld, intent)
    assert again(centre, handheld, intent, clear=True) == []  # the reversal is under way
    asked(centre, "12")
    assert listed(centre) == [("clearing", "63"), ("reversal", "12")]
    assert again(centre, handheld, intent, clear=True) == ["clearing"] and asked(centre, "00") == [t.STEP_CLEAR]
    assert centre.books() == PAID and listed(centre) == [("reversal", "12")]


def test_a_clearing_that_a_fork_holds_is_not_let_go(centre: Centre, handheld: Handheld) -> None:
    intent = paid(handheld)
    void(handheld, intent)
    centre.send(handheld)
    fork(centre, handheld, intent + 1)
    assert asked(centre, "63") == [t.STEP_REVERSE] and asked(centre) == []
    assert again(centre, handheld, intent) == [] and again(centre, handheld, intent, clear=True) == []


def test_a_clearing_that_may_have_been_let_go_before_a_restore_goes_out_as_a_repeat(
    centre: Centre, handheld: Handheld
) -> None:
    void(handheld, paid(handheld))
    centre.send(handheld)
    with centre.engine.begin() as connection:
        restore.mark(connection, centre.now)
    assert asked(centre) == []  # its terminal may know of an end
    centre.now += restore.WINDOW
    centre.hello(handheld)
    assert asked(centre, "63") == [t.STEP_REVERSE] and asked(centre) == []
    stands(centre, handheld, 2)
    (clearing,) = centre.claim()
    assert (clearing.step, clearing.repeat) == (t.STEP_CLEAR, True)


def test_a_reversal_that_cannot_be_written_lets_the_clearing_go(centre: Centre, handheld: Handheld) -> None:
    void(handheld, paid(handheld))
    centre.send(handheld)
    (request,) = centre.claim()
    with centre.engine.begin() as connection:
        settling.unsendable(connection, request, centre.now)
    assert asked(centre, "00") == [t.STEP_CLEAR]


class _Payment:
    """One payment in any order of what can happen to it; the invariant is looked at after each."""

    def __init__(self, centre: Centre, handheld: Handheld) -> None:
        self.centre, self.handheld = centre, handheld
        centre.hello(handheld)
        self.intent = paid(handheld)
        centre.send(handheld)
        self.asking: dict[int, Request] = {}

    def do(self, what: str) -> None:
        if what == "void":
            self.centre.hello(self.handheld)
            self.centre.send(self.handheld, void(self.handheld, self.intent))
        elif what == "refund":
            try:
                refund(self.centre, self.handheld, self.intent)
            except ParameterError as error:
                assert error.code == "PRM-034"
        elif what == "claim":
            self.asking.update((request.step, request) for request in self.centre.claim())
        elif what == "stands":
            stands(self.centre, self.handheld, self.intent)
        elif what in ("again", "clear"):
            again(self.centre, self.handheld, self.intent, what == "clear")
        else:
            for request in list(self.asking.values()):
                if self.centre.answer(request, what, ""):
                    del self.asking[request.step]

    def look(self) -> None:
        found, waits = rows(self.centre), (t.STATE_NEW, t.STATE_DOUBTFUL)
        clearing, reversal = found[t.STEP_CLEAR][0], found.get(t.STEP_REVERSE, (t.STATE_FAILED, None))[0]
        assert not (clearing == t.STATE_NEW and reversal in waits), "a clearing may leave beside the reversal"
        held = [step for step, request in self.asking.items() if self._held(request)]
        assert len(held) < 2, "both are on their way"
        if reversal == t.STATE_DONE:
            assert self.centre.books() == {} and clearing not in waits

    def _held(self, request: Request) -> bool:
        with self.centre.engine.connect() as connection:
            return connection.execute(select(t.outbox.c.step).where(outbox.held(request))).first() is not None


@pytest.mark.parametrize("seed", range(30))
def test_a_capture_and_a_reversal_are_never_both_on_their_way(tmp_path: Path, handheld: Handheld, seed: int) -> None:
    draw = random.Random(f"held back {seed}")
    payment = _Payment(Centre(tmp_path, handheld), handheld)
    for _ in range(25):
        payment.do(
            draw.choice(
                ("void", "refund", "claim", "claim", "claim", "again", "clear", "63", "63", "00", "91", "stands")
            )
        )
        payment.look()
    clearing, reversal = (rows(payment.centre).get(step, (None, None))[0] for step in (t.STEP_CLEAR, t.STEP_REVERSE))
    if (clearing, reversal) == (t.STATE_HELD, t.STATE_FAILED):
        payment.do("stands")
        assert rows(payment.centre)[t.STEP_CLEAR][0] != t.STATE_HELD, "held for good"
