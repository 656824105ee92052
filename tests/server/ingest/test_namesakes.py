"""A terminal was copied: one of the two puts a payment to its issuer while the card waits, the other's record has its number. No driver pays for
another's card.
"""

import copy

import pytest

from protocol import records as r
from protocol import sync as s
from protocol.errors import ParameterError
from server import codes
from server.acquirer import settling
from server.acquirer.iso import Answer, Request, reference
from server.office import branches
from server.store import tables as t
from server.store.engine import reading
from sim.acquirer.book import Book, Demand, auth_code
from tests.server import cards
from tests.server.centre import Centre
from tests.server.handheld import Handheld
from tests.server.verdicts import Desk

A, B = 200_000, 300_000
pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


class Story:
    """A centre, the host's real book, and two terminals of one name that part behind record 2."""

    def __init__(self, centre: Centre, one: Handheld) -> None:
        self.centre, self.one = centre, one
        self.book = Book(cards.KEYS)
        centre.service.ask = self.host
        one.write(r.SHIFT_OPENED)
        self.case = one.notice(A)
        centre.hello(one)
        centre.send(one)
        self.other = copy.copy(one)
        self.other.records, self.other.attached = list(one.records), {s.SEALED: {}, s.PRIVATE: {}}
        self.other.utc += 1

    def host(self, request: Request, _now: int = 0) -> Answer:
        kind = {t.STEP_AUTHORISE: "authorise", t.STEP_CLEAR: "clear", t.STEP_REVERSE: "reverse"}[request.step]
        name = reference(request.identity)
        asked = Demand(
            kind, request.repeat, name, *request.identity, request.amount, request.sealed, auth_code=request.auth_code
        )
        said = self.book.answer(asked)
        return Answer(
            request.identity, request.step, said, auth_code(name) if said == "00" else "", name, b"", request.amount
        )

    def ask(self, amount: int = A) -> tuple[int, bytes, dict]:
        """One puts a payment to its issuer: its number, what it sealed, the reply."""
        intent = self.one.write(r.PAYMENT_INTENT, case=self.case, amount=amount)
        self.centre.hello(self.one)
        blob = self.one.seal(cards.KEYS.bdk, intent, amount, cards.content(amount, cards.ARQC))
        question = {
            s.NONCE: self.one.nonce, s.EPOCH: 1, s.INTENT: intent, s.AMOUNT: amount, s.UTC: self.one.utc, s.CARD_DATA: blob,
        }  # fmt: skip
        kind, said = self.centre.say(self.one.message(s.TYPE_AUTHORISE, question))
        assert kind == s.TYPE_AUTHORISED
        return intent, blob, said

    def end(self, intent: int, outcome: int, amount: int = A, online: int = r.ONLINE_DOUBTFUL, **more: object) -> None:
        """How that ends at its terminal."""
        self.one.write(
            r.PAYMENT_OUTCOME,
            intent=intent,
            outcome=outcome,
            amount=amount,
            scheme="CIB TEST",
            last4="5674",
            online=online,
            **more,
        )

    def other_pays(self, outcome: int, amount: int = A, later: int = 0) -> int:
        """The other's payment of that number, without asking anybody; its outcome comes `later` by so many records."""
        intent = self.other.write(r.PAYMENT_INTENT, case=self.case, amount=amount)
        for _ in range(later):
            self.other.write(r.HEALTH_EVENT, health="paper")
        kind = cards.TC if outcome == r.OUTCOME_APPROVED else cards.ARQC
        blob = self.other.seal(cards.KEYS.bdk, intent, amount, cards.content(amount, kind))
        self.other.finish(intent, outcome, amount, blob)
        return intent

    def other_speaks(self) -> None:
        self.centre.hello(self.other)
        self.centre.send(self.other, 3)

    def one_shows(self) -> None:
        self.centre.hello(self.one)
        kind, _ = self.centre.say(self.one.batch(3, branch=s.SHOWN))
        assert kind == s.TYPE_ACK

    def work(self, days: int = 3) -> None:
        for _ in range(days):
            for request in self.centre.claim():
                with self.centre.engine.begin() as connection:
                    settling.settle(connection, request, self.host(request), self.centre.now)
            self.centre.now += 86400

    def captured(self) -> list[int]:
        return [capture.amount for capture in self.book.captures()]

    def held(self) -> list[dict]:
        with reading(self.centre.engine) as connection:
            return branches.held(connection)

    def stands_at_the_issuer(self) -> bool:
        return any(entry.authorised == "00" and not entry.reversed for entry in self.book.entries.values())

    def given_back(self, intent: int) -> None:
        """Two officers cannot have it stand, and have it given back."""
        identity = (self.one.name, 1, intent)
        [row] = self.held()
        assert row["intent"] == intent and row["another"]
        with reading(self.centre.engine) as connection, pytest.raises(ParameterError) as caught:
            branches.draft(connection, identity, True, "both drivers were asked", self.centre.now)
        assert caught.value.code == "PRM-039"
        Desk(self.centre).both(intent, stands=False)
        self.work()


@pytest.fixture
def story(either: Centre, handheld: Handheld) -> Story:
    return Story(either, handheld)


@pytest.mark.parametrize("later", [0, 2])
@pytest.mark.parametrize("amount", [A, B])
@pytest.mark.parametrize("outcome", [r.OUTCOME_PROVISIONAL, r.OUTCOME_APPROVED])
def test_nobody_pays_for_a_card_that_was_declined(story: Story, outcome: int, amount: int, later: int) -> None:
    """One's driver is told *declined* though his issuer approved; the other's pays without a network, and the other speaks first."""
    intent, _, said = story.ask()
    assert said[s.RESPONSE] == "00"
    story.end(intent, r.OUTCOME_DECLINED, reason="Z3")
    assert story.other_pays(outcome, amount, later) == intent
    story.other_speaks()
    assert [row["intent"] for row in story.held()] == [intent] and codes.FORK in story.centre.alarms()
    story.work()
    assert story.captured() == [] and set(story.centre.books().values()) <= {0}
    story.one_shows()
    story.given_back(intent)
    assert story.captured() == [] and not story.stands_at_the_issuer()
    assert set(story.centre.books().values()) <= {0}
    told = story.centre.hello(story.other).get(s.RESULTS, [])
    assert [row[s.RESULT_OUTCOME] for row in told] == ([r.OUTCOME_DECLINED] if outcome == r.OUTCOME_PROVISIONAL else [])


@pytest.mark.parametrize("outcome", [r.OUTCOME_DECLINED, r.OUTCOME_APPROVED])
def test_what_the_chain_has_no_payment_for_is_reversed(story: Story, outcome: int) -> None:
    intent, _, said = story.ask()
    answered = outcome == r.OUTCOME_APPROVED
    more = {"online": r.ONLINE_ANSWERED, "auth_code": said[s.AUTH_CODE]} if answered else {"reason": "Z3"}
    story.end(intent, outcome, **more)  # type: ignore[arg-type]
    for health in ("battery", "paper", "clock"):
        story.other.write(r.HEALTH_EVENT, health=health)
    story.other_speaks()
    story.one_shows()
    story.work()
    assert not story.stands_at_the_issuer() and story.captured() == []
    named = [line["what"] for line in story.centre.ledger()["alarms"] if "was told that he has paid" in line["what"]]
    assert len(named) == int(answered) and all(f"payment {intent} " in what for what in named)
    story.one_shows()
    assert len(
        [line for line in story.centre.ledger()["alarms"] if "was told that he has paid" in line["what"]]
    ) == len(named)


def test_a_driver_who_was_told_that_he_has_paid_is_named_where_the_other_declined(story: Story) -> None:
    intent, _, said = story.ask()
    story.end(intent, r.OUTCOME_APPROVED, online=r.ONLINE_ANSWERED, auth_code=said[s.AUTH_CODE])
    story.other.write(r.PAYMENT_INTENT, case=story.case, amount=A)
    story.other.finish(intent, r.OUTCOME_DECLINED, A)
    story.other_speaks()
    story.one_shows()
    story.work()
    assert story.captured() == [] and not story.stands_at_the_issuer()
    assert any("was told that he has paid" in line["what"] for line in story.centre.ledger()["alarms"])


def test_a_question_about_a_number_that_the_chain_has_passed_is_not_put(story: Story) -> None:
    for health in ("battery", "paper", "clock"):
        story.other.write(r.HEALTH_EVENT, health=health)
    story.other_speaks()
    intent = story.one.write(r.PAYMENT_INTENT, case=story.case, amount=A)
    story.centre.hello(story.one)
    question = {
        s.NONCE: story.one.nonce, s.EPOCH: 1, s.INTENT: intent, s.AMOUNT: A, s.UTC: story.one.utc, s.CARD_DATA: b"sealed",
    }  # fmt: skip
    assert story.centre.refused(story.one.message(s.TYPE_AUTHORISE, question)) == codes.PAYMENT_OVER
    assert story.book.entries == {}


def test_what_one_shows_after_a_restore_holds_what_the_other_defers(story: Story) -> None:
    """The question is forgotten; the records that say of it come before those of the other."""
    intent, _, _ = story.ask()
    story.end(intent, r.OUTCOME_DECLINED, reason="Z3")
    story.other_pays(r.OUTCOME_PROVISIONAL, later=2)
    story.other_speaks()
    with story.centre.engine.begin() as connection:
        connection.execute(t.authorisations.delete())
        connection.execute(t.payments.update().values(held=0))
        connection.execute(t.outbox.update().values(state=t.STATE_NEW))
    story.one_shows()
    assert [(row["intent"], row["another"]) for row in story.held()] == [(intent, True)]
    story.work()
    assert story.captured() == []
    story.given_back(intent)
    assert not story.stands_at_the_issuer()


def test_a_terminal_that_asked_goes_on_as_before(story: Story) -> None:
    """Its own payment, approved by its issuer, is captured though a copy has others behind it."""
    intent, _, said = story.ask()
    story.end(intent, r.OUTCOME_APPROVED, online=r.ONLINE_ANSWERED, auth_code=said[s.AUTH_CODE])
    story.centre.hello(story.one)
    story.centre.send(story.one, 3)
    story.other_pays(r.OUTCOME_PROVISIONAL)
    story.centre.hello(story.other)
    story.centre.say(story.other.batch(3, branch=s.SHOWN))
    assert [row["another"] for row in story.held()] == [False]
    Desk(story.centre).both(intent, stands=True)
    story.work()
    assert story.captured() == [A]
