"""AUTHORISE under hostile bytes and in any order: what is not a question is refused, the issuer is asked once, what was not taken is reversed.

Bytes are made by hypothesis and signed by a real device's key where the parser is to be reached; the acquirer's side gets bytes both ways.
"""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol import records as r
from protocol import sync as s
from server import codes
from server.acquirer import iso, settling
from server.acquirer.iso import Answer, Request
from server.office import branches
from server.store import devices
from server.store import tables as t
from server.store.engine import reading
from server.wire import messages
from sim.acquirer.book import Book
from sim.acquirer.host import Host
from sim.acquirer.keys import HostKeys
from tests.server.centre import Centre
from tests.server.handheld import Handheld

A = 500_000
LEAVES = st.one_of(
    st.integers(-(2**63), 2**64 - 1), st.binary(max_size=64), st.text(max_size=16), st.booleans(), st.none()
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.integers(0, 99), inner, max_size=4)),
    max_leaves=8,
)
FIELDS = (s.NONCE, s.EPOCH, s.INTENT, s.AMOUNT, s.UTC, s.CARD_DATA, s.DEVICE)
HANDHELD = Handheld()
DEVICE = devices.parse(HANDHELD.name, HANDHELD.entry())
FEW = settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def question(**change: Any) -> dict[int, Any]:
    said = {s.NONCE: b"\1" * 8, s.EPOCH: 1, s.INTENT: 9, s.AMOUNT: A, s.UTC: 1_800_000_000, s.CARD_DATA: b"sealed"}
    said.update({getattr(s, name.upper()): value for name, value in change.items()})
    return said


def opened(body: bytes) -> messages.Message | str:
    """The message, or the code of its refusal; anything else is the failure that is looked for."""
    try:
        return messages.open_message(body, lambda name: DEVICE if name == HANDHELD.name else None)
    except codes.RefusedError as error:
        return error.code


@FEW
@given(st.dictionaries(st.one_of(st.sampled_from(FIELDS), st.integers(0, 99)), VALUES, max_size=9))
def test_a_signed_payload_of_any_shape_is_a_question_or_refused(payload: dict[int, Any]) -> None:
    found = opened(HANDHELD.message(s.TYPE_AUTHORISE, payload))
    if not isinstance(found, str):
        assert isinstance(found, messages.Authorise)
        assert 1 <= found.intent <= 0xFFFFFFFF and 0 <= found.amount <= 10**12 and 1 <= len(found.card_data) <= 999


@FEW
@given(st.sampled_from(FIELDS[:-1]), VALUES)
def test_one_field_of_another_kind_or_size_is_refused_or_in_range(field: int, value: Any) -> None:
    found = opened(HANDHELD.message(s.TYPE_AUTHORISE, {**question(), field: value}))
    if not isinstance(found, str):
        assert isinstance(found, messages.Authorise) and type(value) in (int, bytes) and not isinstance(value, bool)


@FEW
@given(st.integers(0, 10_000), st.integers(1, 255), st.integers(0, 3))
def test_a_changed_shortened_or_lengthened_message_is_never_taken(place: int, flip: int, how: int) -> None:
    body = HANDHELD.message(s.TYPE_AUTHORISE, question())
    place %= len(body)
    spoilt = [
        body[:place] + bytes([body[place] ^ flip]) + body[place + 1 :],
        body[:place],
        body + bytes([flip]) * (place + 1),
        body[:place] + bytes([flip]) + body[place:],
    ][how]
    assert isinstance(opened(spoilt), str)


@pytest.mark.parametrize("size", [0, 1000, 60_000, 70_000])
def test_card_data_without_bound_are_refused(size: int) -> None:
    assert opened(HANDHELD.message(s.TYPE_AUTHORISE, question(card_data=bytes(size)))) in (
        codes.MALFORMED, codes.TOO_LARGE,
    )  # fmt: skip


# the acquirer's wire

REQUEST = Request(("TSD-000001", 1, 9), t.STEP_AUTHORISE, False, A, 1_800_000_000, "", b"sealed", 16)


def _answered() -> bytes:
    host = Host(Book(HostKeys(bytes(16), {})))
    answer = host.take(iso.encode(REQUEST, 1_800_000_000))
    assert answer is not None
    return answer


ANSWER = _answered()


@FEW
@given(st.one_of(st.binary(max_size=600), st.tuples(st.integers(0, 2000), st.binary(min_size=1, max_size=6))))
def test_an_answer_of_any_bytes_is_an_answer_or_nonsense(what: bytes | tuple[int, bytes]) -> None:
    if isinstance(what, tuple):
        place = what[0] % len(ANSWER)
        what = ANSWER[:place] + what[1] + ANSWER[place + len(what[1]) :]
    try:
        answer = iso.decode(what)
    except codes.AcquirerError as error:
        assert error.code == codes.ACQUIRER_NONSENSE
        return
    assert answer.reference == iso.reference(answer.identity) and len(answer.issuer_data) <= 255


@FEW
@given(st.one_of(st.binary(max_size=600), st.tuples(st.integers(0, 2000), st.binary(min_size=1, max_size=6))))
def test_the_simulated_host_survives_any_bytes_and_pays_for_none(what: bytes | tuple[int, bytes]) -> None:
    host = Host(Book(HostKeys(bytes(16), {})))
    message = iso.encode(REQUEST, 1_800_000_000)
    if isinstance(what, tuple):
        place = what[0] % len(message)
        what = message[:place] + what[1] + message[place + len(what[1]) :]
    answer = host.take(what)
    assert answer is None or len(answer) < 2000
    assert host.book.captures() == []


# any order

ACTIONS = st.lists(
    st.sampled_from(
        (
            "ask",
            "ask",
            "ask-more",
            "ask-other",
            "hello",
            "restart",
            "approved",
            "approved-less",
            "declined",
            "interrupted",
            "provisional",
        )
    ),
    min_size=1,
    max_size=9,
)
HOST = st.lists(
    st.sampled_from(("00", "00", "05", "91", "68", "09", "96", "11", "10-", "silent", "unsent", "nonsense")),
    min_size=3,
    max_size=3,
)


class Story:
    """One payment after another at one centre: making a centre takes longer than playing many stories."""

    def __init__(self) -> None:
        self.handheld = Handheld()
        self.centre = Centre(Path(tempfile.mkdtemp(prefix="tasdid-fuzz-")), self.handheld)
        self.sent = 0

    def play(self, actions: list[str], host: list[str]) -> None:
        """Whatever the order: asked once, one posting at most, and nothing stands at the issuer that was not taken."""
        asked: list[Request] = []
        answers = iter(host)

        def ask(request: Request, _now: int) -> Answer:
            asked.append(request)
            said = next(answers)
            if len(said) > 3:
                error = codes.AcquirerError(
                    "no answer", codes.ACQUIRER_NONSENSE if said == "nonsense" else codes.ACQUIRER_UNREACHABLE
                )
                error.unsent = said == "unsent"
                raise error
            reference, amount = iso.reference(request.identity), A - 1 if said == "10-" else None  # an approval in part
            return Answer(request.identity, request.step, said[:2], "424242", reference, b"", amount)

        handheld, centre = self.handheld, self.centre
        intent = handheld.write(r.PAYMENT_INTENT, case=handheld.notice(A), amount=A)
        centre.service.ask = ask
        centre.hello(handheld)
        outcome, given_back = 0, False
        for action in actions:
            if action == "hello":
                centre.hello(handheld)
            elif action == "restart":
                centre.restart()
                centre.service.ask = ask
            elif action.startswith("ask"):
                self._ask(intent, action)
            elif action == "approved-less":
                untaken = not outcome or outcome == 1 and bool(asked) and host[0] not in ("00", "11")
                given_back = given_back or bool(asked) and untaken
                self._take(intent, 1, A - 1)
            elif not outcome:
                outcome = {"approved": 1, "provisional": 2, "declined": 3, "interrupted": 4}[action]
                self._take(intent, outcome)
        if not outcome:
            outcome = 4
            self._take(intent, outcome)
        given_back = given_back or outcome in (1, 2) and bool(asked) and asked[0].amount != A
        if outcome == r.OUTCOME_PROVISIONAL:
            self._judge_deferred(intent, asked, host, given_back)
        else:
            self._judge(intent, outcome, asked, host, given_back)

    def _ask(self, intent: int, action: str) -> None:
        handheld = self.handheld
        amount = A + 1 if action == "ask-more" else A
        data = b"other" if action == "ask-other" else b"sealed"
        payload = {**question(intent=intent, amount=amount, card_data=data), s.NONCE: handheld.nonce}
        kind, said = self.centre.say(handheld.message(s.TYPE_AUTHORISE, payload))
        if kind == s.TYPE_REFUSED:
            assert said[s.CODE] in (codes.ASKED_OTHERWISE, codes.PAYMENT_OVER)
        else:
            assert (said[s.INTENT], said[s.AMOUNT]) == (intent, amount)

    def _take(self, intent: int, outcome: int, amount: int = A) -> None:
        extra = {"intent": intent, "outcome": outcome, "amount": amount, "scheme": "CIB TEST", "last4": "0017"}
        if outcome == r.OUTCOME_PROVISIONAL:
            self.handheld.finish(intent, outcome, amount, b"sealed")
        else:
            self.handheld.write(r.PAYMENT_OUTCOME, **extra, online=r.ONLINE_ANSWERED)
        self.centre.hello(self.handheld)
        self.centre.send(self.handheld, self.sent + 1)
        self.sent = len(self.handheld.records)

    def _judge(self, intent: int, outcome: int, asked: list[Request], host: list[str], given_back: bool) -> None:
        assert len(asked) <= 1
        stands = bool(asked) and host[0] not in ("05", "unsent")
        approved = bool(asked) and host[0] in ("00", "11") and outcome == 1 and not given_back
        wanted = [t.STEP_CLEAR] if approved else [t.STEP_REVERSE] if stands and (outcome != 1 or given_back) else []
        found = [request for request in self.centre.claim() if request.identity[2] == intent]
        assert [request.step for request in found] == wanted, (outcome, host, found)
        for request in found:
            assert request.amount == asked[0].amount
            self.centre.answer(request, "00")
        self.centre.books()

    def _judge_deferred(self, intent: int, asked: list[Request], host: list[str], given_back: bool) -> None:
        """A deferred payment is authorised under the reference of its question, and reversed only where the word on that is no approval; it is held
        where that was about another card, and no amount given back.
        """
        said = [answer[:2] if len(answer) <= 3 else "silent" for answer in host]
        stands = bool(asked) and host[0] not in ("05", "unsent")
        if asked and asked[0].sealed != b"sealed" and host[0] != "unsent" and not given_back:
            assert self._steps(intent, "00") == []
            with reading(self.centre.engine) as connection:
                assert (intent, True) in [(row["intent"], row["another"]) for row in branches.held(connection)]
            return
        if given_back and stands or bool(asked) and asked[0].amount != A:
            assert self._steps(intent, "00") == ([t.STEP_REVERSE] if stands else [])
            return
        outcome = None
        for word in [*said[1:], "05"]:
            part = A - 1 if word == "10" else None
            sent = bool(asked) and host[0] != "unsent"
            (request,) = [request for request in self.centre.claim() if request.identity[2] == intent]
            assert request.step == t.STEP_AUTHORISE and request.repeat >= sent
            if word != "silent":
                with self.centre.engine.begin() as connection:
                    answer = Answer(request.identity, 1, word, "424242", iso.reference(request.identity), b"", part)
                    if settling.settle(connection, request, answer, self.centre.now):
                        outcome = word in ("00", "11")
                        break
        back = word == "10" or bool(asked) and host[0] in ("00", "11")
        assert outcome is not None
        assert self._steps(intent, "00") == ([t.STEP_CLEAR] if outcome else [t.STEP_REVERSE] if back else [])
        self.centre.hello(self.handheld)
        result = 1 if outcome else 3
        self.handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=result, amount=A)
        assert s.REJECTED not in self.centre.send(self.handheld, self.sent + 1)
        self.sent = len(self.handheld.records)

    def _steps(self, intent: int, answer: str) -> list[int]:
        """What else is asked about a payment, and answered; the books agree."""
        found = [request for request in self.centre.claim() if request.identity[2] == intent]
        for request in found:
            self.centre.answer(request, answer)
        self.centre.books()
        return [request.step for request in found]


@pytest.fixture(scope="module")
def story() -> Story:
    return Story()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ACTIONS, HOST)
def test_in_any_order_the_issuer_is_asked_once_and_what_was_not_taken_is_reversed(
    story: Story, actions: list[str], host: list[str]
) -> None:
    story.play(actions, host)
