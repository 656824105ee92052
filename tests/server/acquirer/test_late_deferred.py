"""A question put to the issuer while the card waited, answered after the payment was deferred: the deferred authorisation bears the same
reference, so one word of the host counts for both, in whatever order things come. Either the payment is captured once, posted and told as
approved; or nothing of it is captured, posted, or stands at the host, and it is told as declined.
"""

import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select, update

from protocol import records as r
from protocol import sync as s
from server import codes
from server.acquirer import iso, outbox, settling
from server.acquirer.iso import Answer, Request
from server.ingest import results
from server.ingest.dispatch import Asked
from server.office import failures
from server.store import tables as t
from server.store.engine import reading
from sim.acquirer import book
from sim.acquirer.book import Book, Entry
from sim.acquirer.host import Host
from tests.server.acquirer.test_online import PAID, A, authorise, begin
from tests.server.cards import ARQC, KEYS, content
from tests.server.centre import Centre
from tests.server.handheld import Handheld

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")
UNHEARD = ("09", "30", "63")  # the host answers, and the issuer is not asked


class Story:
    """One payment after another at one centre, with a real host."""

    def __init__(self, centre: Centre, handheld: Handheld) -> None:
        self.centre, self.handheld, self.host = centre, handheld, Host(Book(KEYS))
        centre.hello(handheld)

    def ask(self) -> None:
        """A payment is begun, its question leaves and is in the air."""
        self.answer: Answer | None = None
        self.taken = self.heard = self.landed = False
        self.intent = begin(self.handheld)
        self.blob = self.handheld.seal(KEYS.bdk, self.intent, A, content(A, ARQC))
        message = self.centre.service.check(authorise(self.handheld, self.intent, A, self.blob))
        with self.centre.engine.begin() as connection:
            asked = self.centre.service.apply(connection, message, self.centre.now)
        assert isinstance(asked, Asked)
        self.asked = asked

    @property
    def identity(self) -> tuple[str, int, int]:
        return self.handheld.name, 1, self.intent

    def at_host(self, request: Request) -> Answer:
        return iso.decode(self.host.take(iso.encode(request, self.centre.now)) or b"")

    def act(self, action: str) -> None:
        """One thing happens, if it still can."""
        self.centre.now += 5
        if action == "hello":
            self.centre.hello(self.handheld)
        elif action == "restart":
            self.centre.restart()
        elif action == "outcome" and not self.taken:
            self.taken = True
            self.handheld.finish(self.intent, r.OUTCOME_PROVISIONAL, A, self.blob)
            self.centre.hello(self.handheld)
            self.centre.send(self.handheld, self.intent - 1)
        elif action == "issuer" and not self.heard and not self.landed:
            self.heard, self.answer = True, self.at_host(self.asked.request)
        elif action in ("lands", "lost") and not self.landed:
            self.land(self.answer if action == "lands" else None)
        elif action == "reverse" and self.taken:
            self.reverse()
        elif action.startswith("work"):
            self.work(action[5:])

    def land(self, answer: Answer | None) -> None:
        """The question's answer comes back, or the server gives it up."""
        self.landed = True
        with self.centre.engine.begin() as connection:
            self.centre.service.answered(connection, self.asked, answer, False, self.centre.now)

    def reverse(self) -> None:
        """A reversal that nothing here asks for any more, as a database of before may have it."""
        with self.centre.engine.begin() as connection:
            if results.find(connection, self.identity) is None:
                outbox.reverse(connection, self.identity, A, self.handheld.utc, self.centre.now)

    def work(self, how: str, wait: int = 0) -> bool:
        """What is due is asked; whether anything was. `how`: the host's word counts, or it or the request is lost, or the host says `how`."""
        self.centre.now += wait
        with self.centre.engine.begin() as connection:
            requests = outbox.claim(connection, self.centre.now)
        for request in requests:
            if how in UNHEARD and (how == "09" or request.step == t.STEP_AUTHORISE):
                answer = Answer(request.identity, request.step, how, "", iso.reference(request.identity))
            elif how == "unsent":
                answer = None
            else:
                answer = self.at_host(request)
            with self.centre.engine.begin() as connection:
                if answer is None or how == "lost":
                    outbox.postpone(connection, request, self.centre.now)
                else:
                    settling.settle(connection, request, answer, self.centre.now)
        return bool(requests)

    def end(self, last: str) -> tuple[int, str]:
        """All that is under way comes to its end; the result (outcome, reason) that the terminal is told and writes down."""
        self.act("outcome")
        self.act(last)
        for _ in range(40):
            while self.work("", 4000):
                pass
            with self.centre.engine.begin() as connection:
                if not any(failed["step"] == "authorisation" for failed in failures.listed(connection)):
                    break
                over = outbox.reversal_asked(connection, self.identity)
                (failures.give_up if over or last == "lost" else failures.again)(
                    connection, self.identity, self.centre.now
                )
        self.act("lands")
        while self.work("", 4000):
            pass
        (told,) = self.centre.hello(self.handheld)[s.RESULTS]
        assert told[s.RESULT_INTENT] == self.intent
        seq = self.handheld.write(
            r.AUTHORISATION_RESULT, intent=self.intent, outcome=told[s.RESULT_OUTCOME], amount=A,
        )  # fmt: skip
        assert s.REJECTED not in self.centre.send(self.handheld, seq)
        return told[s.RESULT_OUTCOME], told[s.RESULT_REASON]

    def judge(self, outcome: int, reason: str) -> None:
        """One of the two ends, and no mixture."""
        captured = [one for one in self.host.book.captures() if one.identity == self.identity]
        approved = outcome == r.OUTCOME_APPROVED
        with reading(self.centre.engine) as connection:
            c = t.legs.c
            mine = (c.device == self.handheld.name, c.intent == self.intent, c.account.like("receivable%"))
            posted = list(connection.execute(select(c.amount).where(*mine)).scalars())
            named = connection.execute(
                select(t.audit.c.what).where(
                    t.audit.c.code == codes.REVERSED, t.audit.c.what.like(f"payment {self.intent},%")
                )
            ).all()
            assert outbox.unsettled(connection) == 0
        assert [one.amount for one in captured] == posted == ([A] if approved else [])
        entry = self.entry
        assert approved or entry is None or entry.captured is None
        assert approved or entry is None or entry.authorised not in book.APPROVED or entry.reversed
        assert not (approved and entry is not None and entry.reversed)
        assert len(named) == (reason == codes.REVERSED)
        self.centre.books()

    @property
    def entry(self) -> Entry | None:
        return self.host.book.entries.get(iso.reference(self.identity))


@pytest.fixture
def story(either: Centre, handheld: Handheld) -> Story:
    made = Story(either, handheld)
    made.ask()
    return made


def test_an_approval_that_comes_late_beside_a_deferred_payment_is_that_payments(story: Story) -> None:
    """The first repeat finds the question in progress; the issuer approves; the repeat hears it, and it is captured."""
    for action in ("outcome", "work 09", "issuer", "lands"):
        story.act(action)
    told = story.end("hello")
    assert told == (r.OUTCOME_APPROVED, "00") and story.centre.books() == PAID and story.centre.alarms() == []
    assert story.host.types == ["0100", "0101", "0220"]
    story.judge(*told)


@pytest.mark.parametrize("before", [False, True])
def test_an_approval_whose_reversal_was_asked_for_is_declined_by_name_and_reversed(story: Story, before: bool) -> None:
    """The reversal waits for the deferred authorisation; one that went before it (of which the host knew nothing) is sent again."""
    story.act("outcome")
    story.reverse()
    if before:
        c = t.outbox.c
        with story.centre.engine.begin() as connection:
            done = {"state": t.STATE_DONE, "response": "25", "tries": 1}
            connection.execute(update(t.outbox).where(c.step == t.STEP_REVERSE).values(**done))
    told = story.end("issuer")
    assert told == (r.OUTCOME_DECLINED, codes.REVERSED)
    assert story.centre.books() == {} and story.centre.alarms() == [codes.REVERSED]
    assert story.host.types[:2] == ["0100", "0101"] and set(story.host.types[2:]) == {"0401"}
    story.judge(*told)


def test_a_reversal_waits_for_a_deferred_authorisation_that_was_never_sent(either: Centre, handheld: Handheld) -> None:
    """If its reversal went first, the host would approve what nobody gives back."""
    either.hello(handheld)
    intent = handheld.pay(r.OUTCOME_PROVISIONAL, A)
    either.send(handheld)
    with either.engine.begin() as connection:
        outbox.reverse(connection, (handheld.name, 1, intent), A, handheld.utc, either.now)
    (request,) = either.claim()
    assert (request.step, request.repeat) == (t.STEP_AUTHORISE, False)
    assert either.answer(request, "05")
    (request,) = either.claim()
    assert request.step == t.STEP_REVERSE and either.answer(request, "00")
    (told,) = either.hello(handheld)[s.RESULTS]
    assert (told[s.RESULT_OUTCOME], told[s.RESULT_REASON]) == (r.OUTCOME_DECLINED, "05") and either.books() == {}


def test_a_host_that_takes_its_approval_back_is_asked_to_reverse_it(story: Story) -> None:
    """Approved when the card waited, refused when asked again: nothing stands."""
    for action in ("outcome", "issuer", "lands"):
        story.act(action)
    (request,) = story.centre.claim()
    assert story.centre.answer(request, "05")
    assert story.end("hello") == (r.OUTCOME_DECLINED, "05")
    story.judge(r.OUTCOME_DECLINED, "05")
    assert story.entry is not None and story.entry.reversed and story.centre.books() == {}


def test_a_late_approval_of_what_was_refused_when_asked_again_is_reversed(story: Story) -> None:
    for action in ("outcome", "issuer"):
        story.act(action)
    (request,) = story.centre.claim()
    assert story.centre.answer(request, "05")
    assert story.end("lands") == (r.OUTCOME_DECLINED, "05")
    story.judge(r.OUTCOME_DECLINED, "05")
    assert story.entry is not None and story.entry.reversed and story.centre.books() == {}


def test_a_late_approval_beside_a_failed_authorisation_waits_for_a_person(story: Story) -> None:
    for action in ("outcome", "work 63", "issuer", "lands"):
        story.act(action)
    with story.centre.engine.begin() as connection:
        assert not outbox.reversal_asked(connection, story.identity)
        failures.again(connection, story.identity, story.centre.now)
    assert story.end("hello") == (r.OUTCOME_APPROVED, "00")
    story.judge(r.OUTCOME_APPROVED, "00")


# any order

ACTIONS = st.lists(
    st.sampled_from(
        ("outcome", "issuer", "lands", "lost", "hello", "restart", "reverse", "work real", "work real", "work lost", "work unsent")
        + tuple(f"work {said}" for said in UNHEARD)
    ),
    max_size=9,
)  # fmt: skip
PROFILES = (
    book.APPROVE,
    book.APPROVE,
    book.REFUSE,
    book.UNAVAILABLE,
    book.LATE,
    book.IN_PROGRESS,
    book.MALFUNCTION,
    book.PARTIAL,
    book.VIP,
)


@pytest.fixture(scope="module")
def stories() -> Story:
    handheld = Handheld()
    return Story(Centre(Path(tempfile.mkdtemp(prefix="tasdid-late-")), handheld), handheld)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ACTIONS, st.sampled_from(PROFILES), st.sampled_from(("lands", "lost", "issuer")))
def test_in_any_order_a_deferred_payment_is_paid_wholly_or_not_at_all(
    stories: Story, actions: list[str], profile: str, last: str
) -> None:
    stories.host.book.usual = profile
    stories.centre.hello(stories.handheld)
    stories.ask()
    for action in actions:
        stories.act(action)
    if profile == book.UNAVAILABLE:
        stories.host.book.usual = book.APPROVE
    stories.judge(*stories.end(last))
