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
from server.store import restore
from server.store import tables as t
from server.store.engine import reading
from sim.acquirer.book import INSUFFICIENT, Book, Demand, auth_code
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


def _forgotten(story: Story) -> None:
    """A restore has forgotten the question, and that the payment is held because of it."""
    with story.centre.engine.begin() as connection:
        connection.execute(t.authorisations.delete())
        connection.execute(t.heads.update().values(doubtful_seq=99))


def test_a_question_that_a_restore_has_forgotten_is_named_when_its_terminal_shows_it(story: Story) -> None:
    intent, _, _ = story.ask()
    story.end(intent, r.OUTCOME_DECLINED, reason="Z3")
    _forgotten(story)
    story.other_pays(r.OUTCOME_PROVISIONAL, later=2)
    story.other_speaks()
    story.one_shows()
    named = [line["what"] for line in story.centre.ledger()["alarms"] if "whose card it has" in line["what"]]
    assert len(named) == 1 and f"payment {intent} " in named[0] and story.held() == []
    story.centre.books()


def test_what_a_restore_has_forgotten_and_the_chain_has_no_payment_for_is_reversed(story: Story) -> None:
    intent, _, _ = story.ask()
    story.end(intent, r.OUTCOME_DECLINED, reason="Z3")
    _forgotten(story)
    for health in ("battery", "paper", "clock"):
        story.other.write(r.HEALTH_EVENT, health=health)
    story.other_speaks()
    story.one_shows()
    story.work()
    assert not story.stands_at_the_issuer()


@pytest.mark.parametrize("outcome", [r.OUTCOME_PROVISIONAL, r.OUTCOME_APPROVED])
def test_a_question_that_never_came_holds_nothing(story: Story, outcome: int) -> None:
    """One's message was lost on its way, and its driver is in doubt; the other's payment is its own."""
    intent = story.one.write(r.PAYMENT_INTENT, case=story.case, amount=A)
    story.end(intent, r.OUTCOME_DECLINED, reason="Z3")
    story.other_pays(outcome, later=2)
    story.other_speaks()
    story.work()
    assert story.captured() == [A]
    story.one_shows()
    assert story.held() == [] and story.centre.books()["receivable:CIB TEST"] == A
    assert not any("card" in line["what"] for line in story.centre.ledger()["alarms"])


def test_no_branch_takes_out_what_was_paid_before_the_two_parted(story: Story) -> None:
    intents = [story.one.pay(r.OUTCOME_APPROVED, A) for _ in range(3)]
    story.centre.hello(story.one)
    story.centre.send(story.one, 3)
    copied = copy.copy(story.one)
    copied.records, copied.attached = list(story.one.records), {s.SEALED: {}, s.PRIVATE: {}}
    copied.utc += 5
    story.one.write(r.HEALTH_EVENT, health="battery")
    story.centre.hello(story.one)
    story.centre.send(story.one, len(story.one.records))
    first = len(copied.records) + 1
    for intent in intents:
        copied.write(
            r.PAYMENT_OUTCOME,
            intent=intent,
            outcome=r.OUTCOME_DECLINED,
            amount=A,
            online=r.ONLINE_DOUBTFUL,
            reason="Z3",
        )
    story.centre.hello(copied)
    kind, _ = story.centre.say(copied.batch(first, branch=s.SHOWN))
    assert kind == s.TYPE_ACK and story.held() == [] and story.centre.books()["receivable:CIB TEST"] == 3 * A


def test_what_its_own_terminal_deferred_stays_for_officers_to_decide(story: Story) -> None:
    """It had asked, was told that the issuer could not be reached, and deferred what it had asked about; the copy's doubt has the same number."""
    story.centre.service.ask = lambda q, _now: Answer(
        q.identity, q.step, "91", "", reference(q.identity), b"", q.amount
    )
    intent, blob, said = story.ask()
    assert said[s.RESPONSE] == "91"
    story.one.finish(intent, r.OUTCOME_PROVISIONAL, A, blob)
    story.centre.hello(story.one)
    story.centre.send(story.one, 3)
    story.other.write(r.PAYMENT_INTENT, case=story.case, amount=A)
    story.other.write(
        r.PAYMENT_OUTCOME, intent=intent, outcome=r.OUTCOME_DECLINED, amount=A, online=r.ONLINE_DOUBTFUL, reason="Z3"
    )
    story.centre.hello(story.other)
    story.centre.say(story.other.batch(3, branch=s.SHOWN))
    assert [row["another"] for row in story.held()] == [False]


def test_an_answer_that_a_restore_has_forgotten_is_its_terminals_own_word(story: Story) -> None:
    """The backup was made while the host was thinking; it said 91 then, and the card approved."""
    intent = story.other_pays(r.OUTCOME_APPROVED)
    with story.centre.engine.begin() as connection:
        row = {"device": story.one.name, "epoch": 1, "intent": intent, "amount": A, "utc": 1, "digest": bytes(32)}
        connection.execute(t.authorisations.insert().values(**row, state=s.ASKED_DOUBTFUL, asked=story.centre.now - 1))
        restore.mark(connection, story.centre.now)
    story.other_speaks()
    story.work()
    assert story.held() == [] and story.captured() == [A] and story.centre.books()["receivable:CIB TEST"] == A


def test_what_an_issuer_refused_for_one_card_is_not_collected_from_the_other(story: Story) -> None:
    """The host clears nothing under that reference any more: the payment is held, and its driver's report is owed again once it is given back."""
    story.book = Book(cards.KEYS, profiles={cards.PAN: INSUFFICIENT})
    intent, _, said = story.ask()
    story.end(intent, r.OUTCOME_DECLINED, online=r.ONLINE_ANSWERED, reason="51")
    assert said[s.RESPONSE] == "51"
    story.other_pays(r.OUTCOME_APPROVED, later=2)
    story.other_speaks()
    story.one_shows()
    story.given_back(intent)
    assert story.captured() == [] and set(story.centre.books().values()) <= {0}


def test_a_question_of_after_the_restore_holds_the_other_ones_payment(story: Story) -> None:
    """The first question after a restore: the terminal's own word about what was forgotten says nothing of it."""
    with story.centre.engine.begin() as connection:
        restore.mark(connection, story.centre.now)
    story.centre.now += 1
    intent, _, said = story.ask()
    assert said[s.RESPONSE] == "00"
    story.end(intent, r.OUTCOME_DECLINED, reason="Z3")
    with story.centre.engine.begin() as connection:  # the answer was lost with its process
        connection.execute(t.authorisations.update().values(state=s.ASKED_DOUBTFUL, response=None, answered=None))
    story.other_pays(r.OUTCOME_APPROVED, later=2)
    story.other_speaks()
    story.one_shows()
    assert story.captured() == []
    story.given_back(intent)
    assert not story.stands_at_the_issuer()


def test_a_question_of_before_the_backup_is_named_when_its_terminal_shows_it(story: Story) -> None:
    """Its answer is forgotten, and the other's card approved by itself: whether it is the same terminal shows only later."""
    intent, _, _ = story.ask()
    story.end(intent, r.OUTCOME_DECLINED, reason="Z3")
    with story.centre.engine.begin() as connection:
        connection.execute(t.authorisations.update().values(state=s.ASKED_DOUBTFUL, response=None, answered=None))
        restore.mark(connection, story.centre.now + 1)
    story.centre.now += 2
    story.other_pays(r.OUTCOME_APPROVED, later=2)
    story.other_speaks()
    story.one_shows()
    named = [line["what"] for line in story.centre.ledger()["alarms"] if "whose card it has" in line["what"]]
    assert len(named) == 1 and f"payment {intent} " in named[0]
    story.centre.books()


@pytest.mark.parametrize("said", ["unsent", "05", "91", "00"])
@pytest.mark.parametrize("outcome", [r.OUTCOME_PROVISIONAL, r.OUTCOME_APPROVED])
def test_the_books_agree_though_the_host_answers_after_the_other_has_spoken(
    story: Story, outcome: int, said: str
) -> None:
    centre, real = story.centre, story.host

    def ask(request: Request, now: int) -> Answer:
        story.other_pays(outcome)
        centre.hello(story.other)
        centre.send(story.other, 3)
        if said == "unsent":
            error = codes.AcquirerError("no answer", codes.ACQUIRER_UNREACHABLE)
            error.unsent = True
            raise error
        return (
            real(request)
            if said == "00"
            else Answer(request.identity, request.step, said, "", reference(request.identity), b"", A)
        )

    centre.service.ask = ask
    intent, _, _ = story.ask()
    assert [row["intent"] for row in story.held()] == [intent]
    centre.books()
    story.given_back(intent)
    centre.books()
    assert not story.stands_at_the_issuer() and story.captured() == []


def test_what_the_host_has_refused_to_be_asked_about_is_reversed_as_it_was_captured(story: Story) -> None:
    """The other's payment was captured before a restore; the host refuses a question of another amount under its name."""
    intent = story.other_pays(r.OUTCOME_APPROVED, B)
    story.other_speaks()
    story.work()
    assert story.captured() == [B]
    with story.centre.engine.begin() as connection:
        for table in (t.outbox, t.payments, t.postings, t.legs):
            connection.execute(table.delete())
        connection.execute(t.raw.delete().where(t.raw.c.seq > 2))
        connection.execute(
            t.heads.update().values(seq=2, hash=story.one.hash(2), cum_count=0, cum_total=0, doubtful_seq=99)
        )
    asked, _, said = story.ask(A)
    assert (asked, said[s.RESPONSE]) == (intent, "12")
    story.end(intent, r.OUTCOME_DECLINED, online=r.ONLINE_ANSWERED, reason="12")
    story.other_speaks()
    story.one_shows()
    if story.held():
        Desk(story.centre).both(intent, stands=False)
        story.work()
        assert story.captured() == [] and set(story.centre.books().values()) <= {0}
    else:
        story.work()
        assert story.captured() == [B] and story.centre.books()["receivable:CIB TEST"] == B


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
