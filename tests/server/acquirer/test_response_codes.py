"""Field 39: what is an issuer's verdict, what asks for patience, what is left to a person, and what is no answer at all."""

import iso8583
import pytest

from protocol import records as r
from protocol import sync as s
from protocol.errors import ParameterError
from server import codes
from server.acquirer import iso, outbox, waiting
from server.office import failures
from server.store import tables as t
from tests.server.acquirer.test_held_back import asked, listed, refund, rows
from tests.server.acquirer.test_online import A, HostSays, ask, begin, take
from tests.server.acquirer.test_voids import PAID, paid, void
from tests.server.centre import Centre
from tests.server.handheld import Handheld

pytestmark = pytest.mark.usefixtures("greeted")


def test_a_code_means_one_thing_and_what_is_no_word_while_the_card_waits_is_none_later() -> None:
    assert not set(iso.LATER) & set(iso.BROKEN) and not {*iso.LATER, *iso.BROKEN} & set(s.APPROVED)
    assert {*s.NOT_REACHED, *s.NO_WORD} <= set(iso.LATER)


WORDS = {
    "later": ["09", "68", "90", "91", "92", "94", "96"],
    "broken": ["03", "06", "12", "16", "19", "20", "21", "22", "25", "30", "31", "32", "40", "58", "63", "64", "95"],
    "verdict": ["05", "13", "15", "51", "57", "82", "93", "N7"],
}


@pytest.mark.parametrize(("word", "code"), [(word, code) for word in WORDS for code in WORDS[word]])
def test_a_deferred_payment_that_no_issuer_has_judged_stays_open(
    centre: Centre, handheld: Handheld, word: str, code: str
) -> None:
    """The issuer has approved it, and the answer was lost; its repeat is answered by somebody else."""
    handheld.pay(r.OUTCOME_PROVISIONAL)
    centre.send(handheld)
    centre.claim()
    (repeat,) = centre.claim()
    centre.answer(repeat, code, "")
    told = [row[s.RESULT_OUTCOME] for row in centre.hello(handheld).get(s.RESULTS, [])]
    assert told == ([r.OUTCOME_DECLINED] if word == "verdict" else []) and centre.count("sealed") == (word != "verdict")
    assert listed(centre) == ([("authorisation", code)] if word == "broken" else [])
    assert [one.step for one in centre.claim()] == ([t.STEP_AUTHORISE] if word == "later" else [])


@pytest.mark.parametrize("code", WORDS["later"])
def test_a_reversal_that_is_put_off_ends_no_void(centre: Centre, handheld: Handheld, code: str) -> None:
    intent = paid(handheld)
    centre.send(handheld, 1)
    for request in centre.claim():
        centre.answer(request, "00")
    centre.send(handheld, void(handheld, intent))
    (request,) = centre.claim()
    assert not centre.answer(request, code, "") and s.VOIDS not in centre.hello(handheld)
    (request,) = centre.claim()
    assert request.repeat and centre.answer(request, "00") and centre.books() == {}


def test_an_error_of_the_hosts_own_is_no_decision_about_a_reversal_and_one_about_everything_else_for_a_person() -> None:
    assert set(iso.UNSURE) < set(iso.UNJUDGED)
    for code in {*iso.LATER, *iso.BROKEN, *s.APPROVED, "05"}:
        steps = [step for step in (t.STEP_AUTHORISE, t.STEP_CLEAR, t.STEP_REVERSE) if _said(step, code).is_later]
        assert len(steps) == (3 if code in iso.LATER else 0) or code in iso.UNSURE and steps == [t.STEP_REVERSE], code


def _put_off(centre: Centre, code: str) -> list[int]:
    """The steps that go to the acquirer now; the answer ends none of them."""
    requests = centre.claim()
    assert not any(centre.answer(request, code, "") for request in requests)
    return [request.step for request in requests]


def _said(step: int, code: str) -> iso.Answer:
    return iso.Answer(("TSD-000001", 1, 2), step, code, "", "")


@pytest.mark.parametrize("captured", [False, True])
@pytest.mark.parametrize("code", iso.UNSURE)
def test_a_void_waits_while_the_host_answers_its_reversal_by_an_error(
    either: Centre, handheld: Handheld, code: str, captured: bool
) -> None:
    """The host may have carried it out, or not; it is asked again, as a repeat, and nobody is told anything until then."""
    either.hello(handheld)
    intent = paid(handheld)
    either.send(handheld)
    if captured:
        assert asked(either, "00") == [t.STEP_CLEAR]
    either.send(handheld, void(handheld, intent))
    for repeat in (False, True, True):
        (request,) = either.claim()
        assert (request.step, request.repeat) == (t.STEP_REVERSE, repeat) and not either.answer(request, code, "")
        assert s.VOIDS not in either.hello(handheld) and listed(either) == [] and either.alarms() == []
        assert either.books() == PAID and rows(either).get(t.STEP_CLEAR, (t.STATE_HELD,))[0] != t.STATE_NEW
    (request,) = either.claim()
    assert request.repeat and either.answer(request, "00") and either.books() == {}
    assert [end[s.RESULT_OUTCOME] for end in either.hello(handheld)[s.VOIDS]] == [r.VOID_DONE]
    assert either.claim() == [] and either.alarms() == []


@pytest.mark.parametrize("code", iso.UNSURE)
def test_what_is_refused_after_such_an_error_is_a_persons_to_find_out(
    centre: Centre, handheld: Handheld, code: str
) -> None:
    """12 to the repeat may well be since the first was carried out: its void is not refused by it."""
    intent = paid(handheld)
    centre.send(handheld)
    centre.send(handheld, void(handheld, intent))
    assert _put_off(centre, code) == [t.STEP_REVERSE] and asked(centre, "12") == [t.STEP_REVERSE]
    assert s.VOIDS not in centre.hello(handheld) and listed(centre) == [("reversal", "12")] and centre.claim() == []


@pytest.mark.parametrize("code", iso.UNSURE)
def test_an_error_that_goes_on_for_a_day_is_an_alarm_and_the_reversal_may_be_given_up(
    centre: Centre, handheld: Handheld, code: str
) -> None:
    intent = paid(handheld)
    centre.send(handheld)
    centre.send(handheld, void(handheld, intent))
    begun = centre.now
    while centre.now < begun + waiting.WAITS:
        assert centre.alarms() == [] and _put_off(centre, code) == [t.STEP_REVERSE]
    assert _put_off(centre, code) == [t.STEP_REVERSE] and centre.alarms() == ["WAITING"]
    with centre.engine.begin() as connection:
        failures.give_up(connection, (handheld.name, 1, intent), centre.now)
    assert s.VOIDS not in centre.hello(handheld) and listed(centre) == [("reversal", None)] and centre.claim() == []


@pytest.mark.parametrize("code", iso.UNSURE)
def test_a_refund_and_what_nobody_took_wait_likewise(centre: Centre, handheld: Handheld, code: str) -> None:
    HostSays(centre)
    untaken = begin(handheld)
    ask(centre, handheld, untaken)
    take(handheld, untaken, r.OUTCOME_DECLINED)
    centre.send(handheld)
    assert _put_off(centre, code) == [t.STEP_REVERSE] and asked(centre, "00") == [t.STEP_REVERSE]
    given = paid(handheld)
    centre.send(handheld, given - 1)
    assert asked(centre, "00") == [t.STEP_CLEAR]
    refund(centre, handheld, given)
    assert _put_off(centre, code) == [t.STEP_REVERSE] and centre.books() == PAID and listed(centre) == []
    assert asked(centre, "00") == [t.STEP_REVERSE] and centre.books() == {} and centre.alarms() == []


@pytest.mark.parametrize("code", ["90", "92", "22", "06"])
def test_while_the_card_waits_it_approves_nothing_and_nothing_is_reversed(
    centre: Centre, handheld: Handheld, code: str
) -> None:
    host = HostSays(centre)
    host.response = code
    intent = begin(handheld)
    said = ask(centre, handheld, intent)
    assert (said[s.STATE], said[s.RESPONSE]) == (s.ASKED_ANSWERED, code)
    take(handheld, intent, r.OUTCOME_DECLINED)
    centre.send(handheld)
    assert centre.claim() == [] and centre.books() == {}


@pytest.mark.parametrize("code", iso.OTHERWISE)
def test_what_an_issuer_approves_otherwise_while_the_card_waits_is_doubt_and_is_reversed(
    centre: Centre, handheld: Handheld, code: str
) -> None:
    host = HostSays(centre, code)
    intent = begin(handheld)
    for _ in range(2):
        said = ask(centre, handheld, intent)
        assert said[s.STATE] == s.ASKED_DOUBTFUL and s.RESPONSE not in said
        centre.hello(handheld)
    assert len(host.asked) == 1
    take(handheld, intent, r.OUTCOME_DECLINED, r.ONLINE_DOUBTFUL)
    centre.send(handheld)
    (request,) = centre.claim()
    assert (request.step, request.amount) == (t.STEP_REVERSE, A)
    assert centre.answer(request, "00") and centre.claim() == [] and centre.books() == {}


@pytest.mark.parametrize("code", ["90", "92"])
def test_what_is_deferred_after_that_is_asked_as_a_repeat_and_counts_by_that_word(
    centre: Centre, handheld: Handheld, code: str
) -> None:
    """Nothing takes the first for an approval; whatever comes under its reference is captured once."""
    host = HostSays(centre)
    host.response = code
    intent = begin(handheld)
    ask(centre, handheld, intent, card_data=b"what the card gave")
    handheld.finish(intent, r.OUTCOME_PROVISIONAL, A, b"what the card gave")
    centre.send(handheld)
    (request,) = centre.claim()
    assert (request.step, request.repeat) == (t.STEP_AUTHORISE, True) and centre.answer(request, "00")
    (clearing,) = centre.claim()
    assert (
        clearing.step == t.STEP_CLEAR and centre.answer(clearing, "00") and centre.books()["receivable:CIB TEST"] == A
    )
    assert centre.claim() == [] and rows(centre)[t.STEP_CLEAR] == (t.STATE_DONE, "00")


@pytest.mark.parametrize("field", ["  ", "--", "..", "0 ", "\x000", "é0"])
def test_what_is_not_two_letters_or_digits_is_no_answer(centre: Centre, handheld: Handheld, field: str) -> None:
    handheld.pay(r.OUTCOME_PROVISIONAL)
    centre.send(handheld)
    (request,) = centre.claim()

    def answer(code: str) -> bytes:
        fields, _ = iso8583.decode(iso.encode(request, centre.now), iso.SPEC)
        kept = {name: fields[name] for name in ("11", "37", "60")}
        raw = bytes(iso8583.encode({"t": "0110", **kept, "39": "QQ"}, iso.SPEC)[0])
        assert raw.count(b"QQ") == 1
        return raw.replace(b"QQ", code.encode("latin-1"))

    assert iso.decode(answer("1A")).response == "1A"
    with pytest.raises(codes.AcquirerError) as caught:
        iso.decode(answer(field))
    assert caught.value.code == codes.ACQUIRER_NONSENSE


def test_a_first_question_that_was_put_off_may_be_heard_yet(centre: Centre, handheld: Handheld) -> None:
    """Given up after a 90 while the card waited, its reversal refused: the acquirer's word counts once nothing can come."""
    host = HostSays(centre)
    host.response = "90"
    intent = begin(handheld)
    identity = (handheld.name, 1, intent)
    asked_at = centre.now
    ask(centre, handheld, intent)
    with centre.engine.begin() as connection:
        outbox.reverse(connection, identity, A, centre.now, centre.now)
        (request,) = outbox.claim(connection, centre.now)
    centre.answer(request, "63", "")
    centre.now = asked_at + 60
    with centre.engine.begin() as connection, pytest.raises(ParameterError, match="may not have heard of it yet"):
        failures.confirm_reversed(connection, identity, centre.now)
    centre.now += outbox.HOLDS
    with centre.engine.begin() as connection:
        failures.confirm_reversed(connection, identity, centre.now)
    assert listed(centre) == []
