"""What the acquirer says on the telephone is true when it says so: a question that it holds yet may be approved after that, and nothing would give
the money back.
"""

import pytest

from protocol import records as r
from protocol.errors import ParameterError
from server.acquirer import iso, outbox, waiting
from server.office import failures
from server.store import tables as t
from sim.acquirer.host import Host
from tests.server.acquirer.test_held_back import again, asked, listed, refund
from tests.server.acquirer.test_online import HostSays, ask, begin, silent, take
from tests.server.acquirer.test_refused_repeats import _decide
from tests.server.acquirer.test_returned import _ask, acquirer  # noqa: F401 - a fixture
from tests.server.acquirer.test_voids import A, paid
from tests.server.cards import ARQC, KEYS, content
from tests.server.centre import Centre
from tests.server.handheld import Handheld

pytestmark = pytest.mark.filterwarnings("ignore::cryptography.utils.CryptographyDeprecationWarning")


def _claim(centre: Centre) -> list[iso.Request]:
    """What is due now: without waiting for what is due later."""
    with centre.engine.begin() as connection:
        return outbox.claim(connection, centre.now)


@pytest.mark.parametrize("heard", [True, False])
def test_what_the_host_may_not_have_heard_of_yet_is_taken_for_reversed_once_it_can_hold_no_question_any_more(
    either: Centre,
    handheld: Handheld,
    acquirer: Host,  # noqa: F811
    heard: bool,
) -> None:
    """Its reversal has overtaken it, and the answer of that (25) is lost; `heard`: it arrives before it is too late."""
    either.hello(handheld)
    intent = handheld.write(r.PAYMENT_INTENT, case=handheld.notice(A), amount=A)
    says = HostSays(either)
    says.error = silent(unsent=False)
    ask(either, handheld, intent, amount=A, card_data=handheld.seal(KEYS.bdk, intent, A, content(A, ARQC)))
    question, asked_at = iso.encode(says.asked[0], either.now), either.now
    said = {"scheme": "CIB TEST", "last4": "0017", "online": r.ONLINE_DOUBTFUL, "reason": "Z3"}
    handheld.write(r.PAYMENT_OUTCOME, intent=intent, outcome=r.OUTCOME_DECLINED, amount=A, **said)
    either.send(handheld)
    identity = (handheld.name, 1, intent)
    (first,) = _claim(either)
    acquirer.take(iso.encode(first, either.now))
    either.now += outbox.LEASE + 1
    (repeat,) = _claim(either)
    assert either.answer(repeat, "30", "") and acquirer.book.is_reversed(iso.reference(identity))
    either.now += 10
    with pytest.raises(ParameterError, match="may not have heard of it yet, for 59 minutes more") as caught:
        _decide(either, failures.confirm_reversed, identity)
    assert caught.value.code == "PRM-036" and listed(either) == [("reversal", "30")]
    if heard:
        acquirer.take(question)
        assert not acquirer.book.is_reversed(iso.reference(identity))
        assert again(either, handheld, intent) == ["reversal"] and _ask(either, acquirer) == [
            (t.STEP_REVERSE, True, "00")
        ]
        assert acquirer.book.is_reversed(iso.reference(identity))
    else:
        either.now = asked_at + outbox.HOLDS
        _decide(either, failures.confirm_reversed, identity)
    assert listed(either) == [] and either.claim() == []


@pytest.mark.parametrize("approved", [True, False])
def test_what_the_host_is_known_to_have_approved_is_taken_for_reversed_at_once(
    either: Centre, handheld: Handheld, approved: bool
) -> None:
    """Who has approved it has heard of it. A 91 says nothing: the issuer may hear of it yet."""
    either.hello(handheld)
    says = HostSays(either)
    says.response = "00" if approved else "91"
    intent = begin(handheld)
    ask(either, handheld, intent)
    take(handheld, intent, r.OUTCOME_DECLINED, r.ONLINE_DOUBTFUL)
    either.send(handheld)
    _claim(either)
    either.now += outbox.LEASE + 1
    (repeat,) = _claim(either)
    assert (repeat.step, repeat.repeat) == (t.STEP_REVERSE, True) and either.answer(repeat, "30", "")
    if approved:
        _decide(either, failures.confirm_reversed, (handheld.name, 1, intent))
    else:
        with pytest.raises(ParameterError, match="may not have heard of it yet"):
            _decide(either, failures.confirm_reversed, (handheld.name, 1, intent))
    assert listed(either) == ([] if approved else [("reversal", "30")])


@pytest.mark.parametrize("cleared_again", [False, True])
def test_a_clearing_that_the_host_has_refused_makes_nobody_wait(
    either: Centre, handheld: Handheld, cleared_again: bool
) -> None:
    """Nothing is on its way: who has answered has heard, and behind its reversal a clearing is refused."""
    intent = paid(handheld)
    identity = (handheld.name, 1, intent)
    either.hello(handheld)
    either.send(handheld)
    assert asked(either, "63") == [t.STEP_CLEAR]
    refund(either, handheld, intent)
    assert asked(either, "63") == [t.STEP_REVERSE]
    if cleared_again:
        assert again(either, handheld, intent, clear=True) == ["clearing"] and asked(either, "12") == [t.STEP_CLEAR]
    _decide(either, failures.confirm_reversed, identity)
    assert listed(either) == [] and either.books() == {}


@pytest.mark.parametrize(
    ("response", "repeated", "waits"), [("63", False, False), ("63", True, True), ("", True, True)]
)
def test_a_deferred_question_is_waited_for_unless_the_host_has_answered_it(
    either: Centre, handheld: Handheld, response: str, repeated: bool, waits: bool
) -> None:
    """A refusal that is no issuer's verdict, to a repeat: the first may be on its way yet."""
    either.hello(handheld)
    intent = handheld.pay(r.OUTCOME_PROVISIONAL)
    identity = (handheld.name, 1, intent)
    either.send(handheld)
    (request,) = _claim(either)
    if repeated:
        either.now += waiting.WAITS
        (request,) = _claim(either)
    if response:
        assert either.answer(request, response, "")
    _decide(either, failures.give_up, identity)
    (request,) = [one for one in _claim(either) if one.step == t.STEP_REVERSE]
    assert either.answer(request, "63", "") and ("reversal", "63") in listed(either)
    if waits:
        with pytest.raises(ParameterError, match="may not have heard of it yet"):
            _decide(either, failures.confirm_reversed, identity)
        either.now += outbox.HOLDS + outbox.LEASE
    _decide(either, failures.confirm_reversed, identity)
    assert listed(either) == [] and either.claim() == []
