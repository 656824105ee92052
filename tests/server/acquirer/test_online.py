"""Payments put to their issuer while the card waits: asked once, taken once, reversed whenever the terminal did not take it."""

from pathlib import Path
from typing import Any

import cbor2
import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec

from protocol import records as r
from protocol import sync as s
from server import codes
from server.acquirer import iso
from server.acquirer.iso import Answer, Request
from server.store import restore
from server.store import tables as t
from tests.server.centre import Centre
from tests.server.handheld import Handheld, dumps, open_reply, sign

A = 500_000
PAID = {"receivable:CIB TEST": A, "treasury:16:1:BMP-16-01": -A}


pytestmark = pytest.mark.usefixtures("greeted")


class HostSays:
    """A host that answers as told, and remembers what it was asked."""

    def __init__(self, centre: Centre, response: str = "00", issuer_data: bytes = b"\x91\x02ab") -> None:
        self.response, self.issuer_data = response, issuer_data
        self.amount: int | None = None  # as asked
        self.error: codes.AcquirerError | None = None
        self.asked: list[Request] = []
        centre.service.ask = self.ask

    def ask(self, request: Request, _now: int) -> Answer:
        self.asked.append(request)
        if self.error is not None:
            raise self.error
        code, reference = "424242" if self.response in s.APPROVED else "", iso.reference(request.identity)
        return Answer(request.identity, request.step, self.response, code, reference, self.issuer_data, self.amount)


def authorise(handheld: Handheld, intent: int, amount: int = A, card_data: bytes = b"sealed") -> bytes:
    payload = {
        s.NONCE: handheld.nonce, s.EPOCH: handheld.epoch, s.INTENT: intent, s.AMOUNT: amount, s.UTC: handheld.utc,
        s.CARD_DATA: card_data,
    }  # fmt: skip
    return handheld.message(s.TYPE_AUTHORISE, payload)


def ask(centre: Centre, handheld: Handheld, intent: int, **more: Any) -> dict[int, Any]:
    kind, payload = centre.say(authorise(handheld, intent, **more))
    assert kind == s.TYPE_AUTHORISED, payload
    return payload


def begin(handheld: Handheld) -> int:
    return handheld.write(r.PAYMENT_INTENT, case=handheld.notice(A), amount=A)


def take(
    handheld: Handheld, intent: int, outcome: int, online: int = r.ONLINE_ANSWERED, amount: int = A, **said: object
) -> int:
    extra = {
        "intent": intent,
        "outcome": outcome,
        "amount": amount,
        "scheme": "CIB TEST",
        "last4": "0017",
        "online": online,
        **said,
    }
    return handheld.write(r.PAYMENT_OUTCOME, **extra)


def silent(unsent: bool) -> codes.AcquirerError:
    error = codes.AcquirerError("no answer")
    error.unsent = unsent
    return error


@pytest.mark.parametrize("batches", [1, 2])
@pytest.mark.parametrize(("asked", "said"), [(A + 1, A), (A, A + 1)], ids=["asked about more", "says more"])
def test_an_outcome_of_another_amount_than_the_issuers_is_set_aside_and_the_approval_given_back(
    centre: Centre, handheld: Handheld, batches: int, asked: int, said: int
) -> None:
    HostSays(centre)
    intent = begin(handheld)
    ask(centre, handheld, intent, amount=asked)
    first = take(handheld, intent, r.OUTCOME_APPROVED, amount=said)
    if batches == 2:
        assert centre.send(handheld)[s.REJECTED] == [[first, codes.AMOUNT_DIFFERS]]
    second = take(handheld, intent, r.OUTCOME_APPROVED, amount=asked if asked == A else A)
    later = codes.ONLINE_UNKNOWN if asked == A else codes.AMOUNT_DIFFERS
    assert [second, later] in centre.send(handheld, first if batches == 2 else 1)[s.REJECTED]
    assert centre.books() == {} and codes.AMOUNT_DIFFERS in centre.alarms()
    requests = centre.claim()
    assert [(request.step, request.amount) for request in requests] == [(t.STEP_REVERSE, asked)]
    centre.answer(requests[0], "00")
    assert centre.books() == {} and centre.claim() == []


def test_an_approval_goes_to_the_card_and_is_posted_and_cleared_once(centre: Centre, handheld: Handheld) -> None:
    host = HostSays(centre)
    intent = begin(handheld)
    said = ask(centre, handheld, intent)
    assert (said[s.STATE], said[s.RESPONSE], said[s.AUTH_CODE]) == (s.ASKED_ANSWERED, "00", "424242")
    assert (said[s.ISSUER_DATA], said[s.INTENT], said[s.AMOUNT]) == (b"\x91\x02ab", intent, A)
    assert (host.asked[0].step, host.asked[0].repeat, host.asked[0].sealed) == (t.STEP_AUTHORISE, False, b"sealed")
    assert centre.count("sealed") == 0  # the server keeps no card data
    take(handheld, intent, r.OUTCOME_APPROVED)
    assert s.REJECTED not in centre.send(handheld)
    centre.send(handheld)
    assert centre.books() == PAID
    (request,) = centre.claim()
    assert (request.step, request.repeat, request.sealed) == (t.STEP_CLEAR, False, None)
    assert centre.answer(request, "00") and centre.claim() == []
    assert s.CLEARED not in centre.hello(handheld)  # nothing was sealed for later


def test_asking_twice_gives_the_same_answer_and_asks_nobody(centre: Centre, handheld: Handheld) -> None:
    host = HostSays(centre)
    intent = begin(handheld)
    first = ask(centre, handheld, intent)
    host.response = "05"
    centre.hello(handheld)
    second = ask(centre, handheld, intent)
    assert len(host.asked) == 1
    assert {k: v for k, v in first.items() if k != s.NONCE} == {k: v for k, v in second.items() if k != s.NONCE}
    assert second[s.NONCE] == handheld.nonce
    assert centre.refused(authorise(handheld, intent, A + 1)) == codes.ASKED_OTHERWISE
    assert centre.refused(authorise(handheld, intent, A, b"other")) == codes.ASKED_OTHERWISE


def test_after_an_approval_that_no_issuer_gave_nobody_is_asked_any_more(centre: Centre, handheld: Handheld) -> None:
    host = HostSays(centre)
    intent = begin(handheld)
    first, second = take(handheld, intent, r.OUTCOME_APPROVED), take(handheld, intent, r.OUTCOME_APPROVED)
    rejected = centre.send(handheld)[s.REJECTED]
    assert rejected == [[first, codes.ONLINE_UNKNOWN], [second, codes.ONLINE_UNKNOWN]]
    centre.hello(handheld)
    assert centre.refused(authorise(handheld, intent)) == codes.ASKED_OTHERWISE
    assert host.asked == [] and centre.books() == {} and centre.claim() == []


def test_a_question_of_an_old_session_is_refused(centre: Centre, handheld: Handheld) -> None:
    host = HostSays(centre)
    late = authorise(handheld, begin(handheld))
    centre.hello(handheld)
    assert centre.refused(late) == codes.WRONG_NONCE
    assert host.asked == []


def test_a_question_after_the_outcome_is_refused(centre: Centre, handheld: Handheld) -> None:
    host = HostSays(centre)
    intent = handheld.pay(r.OUTCOME_DECLINED, A)
    centre.send(handheld)
    assert centre.refused(authorise(handheld, intent)) == codes.PAYMENT_OVER
    assert host.asked == []


@pytest.mark.parametrize("outcome", [r.OUTCOME_DECLINED, r.OUTCOME_INTERRUPTED])
def test_an_approval_that_the_terminal_did_not_take_is_reversed(
    centre: Centre, handheld: Handheld, outcome: int
) -> None:
    HostSays(centre)
    intent = begin(handheld)
    ask(centre, handheld, intent)
    take(handheld, intent, outcome, r.ONLINE_DOUBTFUL)
    centre.send(handheld)
    (request,) = centre.claim()
    assert request.step == t.STEP_REVERSE
    assert iso.encode(request, centre.now)[:4] == b"0400"
    assert centre.answer(request, "00") and centre.claim() == []
    assert centre.books() == {}


def test_a_silent_host_leaves_doubt_and_the_doubt_is_reversed(centre: Centre, handheld: Handheld) -> None:
    HostSays(centre).error = silent(unsent=False)
    intent = begin(handheld)
    said = ask(centre, handheld, intent)
    assert said[s.STATE] == s.ASKED_DOUBTFUL and s.RESPONSE not in said
    take(handheld, intent, r.OUTCOME_DECLINED, r.ONLINE_DOUBTFUL)
    centre.send(handheld)
    (request,) = centre.claim()
    assert request.step == t.STEP_REVERSE
    assert centre.answer(request, "25")  # it never got there: as good as reversed
    assert centre.claim() == [] and centre.alarms() == []


@pytest.mark.parametrize("response", ["68", "09", "96", "94"])
@pytest.mark.parametrize("outcome", [r.OUTCOME_DECLINED, r.OUTCOME_INTERRUPTED])
def test_a_response_that_leaves_open_what_was_done_is_doubt_and_is_reversed_once(
    centre: Centre, handheld: Handheld, response: str, outcome: int
) -> None:
    host = HostSays(centre, response)
    intent = begin(handheld)
    for _ in range(2):
        said = ask(centre, handheld, intent)
        assert said[s.STATE] == s.ASKED_DOUBTFUL and s.RESPONSE not in said and s.ISSUER_DATA not in said
        centre.hello(handheld)
    assert len(host.asked) == 1
    take(handheld, intent, outcome, r.ONLINE_DOUBTFUL)
    centre.send(handheld)
    centre.send(handheld)
    (request,) = centre.claim()
    assert request.step == t.STEP_REVERSE
    assert centre.answer(request, "00") and centre.claim() == []
    assert centre.books() == {} and centre.alarms() == []


def test_an_approval_is_not_believed_where_the_host_left_it_open(centre: Centre, handheld: Handheld) -> None:
    HostSays(centre, "68")
    intent = begin(handheld)
    ask(centre, handheld, intent)
    seq = take(handheld, intent, r.OUTCOME_APPROVED)
    assert centre.send(handheld)[s.REJECTED] == [[seq, codes.ONLINE_UNKNOWN]]
    assert centre.books() == {}


def test_an_answer_that_comes_after_a_late_one_changes_nothing_but_the_reversal(
    centre: Centre, handheld: Handheld
) -> None:
    intent = begin(handheld)
    checked = centre.service.check(authorise(handheld, intent))
    with centre.engine.begin() as connection:
        asked = centre.service.apply(connection, checked, centre.now)
    for response in ("68", "00", "05"):
        answer = Answer(
            (handheld.name, 1, intent), t.STEP_AUTHORISE, response, "", iso.reference((handheld.name, 1, intent))
        )
        with centre.engine.begin() as connection:
            centre.service.answered(connection, asked, answer, False, centre.now)  # type: ignore[arg-type]
    take(handheld, intent, r.OUTCOME_DECLINED, r.ONLINE_DOUBTFUL)
    centre.send(handheld)
    (request,) = centre.claim()
    assert request.step == t.STEP_REVERSE and centre.answer(request, "00") and centre.claim() == []


@pytest.mark.parametrize("outcome", [r.OUTCOME_DECLINED, r.OUTCOME_INTERRUPTED])
def test_an_issuer_that_was_not_reached_is_told_as_such_and_a_payment_given_up_is_reversed(
    centre: Centre, handheld: Handheld, outcome: int
) -> None:
    HostSays(centre, "91")
    intent = begin(handheld)
    said = ask(centre, handheld, intent)
    assert (said[s.STATE], said[s.RESPONSE]) == (s.ASKED_ANSWERED, "91")
    handheld.finish(intent, outcome, A)
    centre.send(handheld)
    (request,) = centre.claim()
    assert request.step == t.STEP_REVERSE
    assert centre.answer(request, "25")  # nobody had it: no harm
    assert centre.claim() == [] and centre.alarms() == [] and centre.books() == {}


@pytest.mark.parametrize(
    ("outcome", "step"), [(r.OUTCOME_APPROVED, t.STEP_CLEAR), (r.OUTCOME_PROVISIONAL, t.STEP_AUTHORISE)]
)
def test_what_the_card_gave_when_its_issuer_was_not_reached_goes_on(
    centre: Centre, handheld: Handheld, outcome: int, step: int
) -> None:
    HostSays(centre, "91")
    intent = begin(handheld)
    ask(centre, handheld, intent, card_data=b"what the card gave")
    handheld.finish(intent, outcome, A, b"what the card gave" if outcome == r.OUTCOME_PROVISIONAL else b"a certificate")
    centre.send(handheld)
    (request,) = centre.claim()
    assert request.step == step and request.sealed is not None


@pytest.mark.parametrize("response", ["05", "51", "55"])
def test_a_refusal_by_the_issuer_needs_no_reversal(centre: Centre, handheld: Handheld, response: str) -> None:
    HostSays(centre, response)
    intent = begin(handheld)
    assert ask(centre, handheld, intent)[s.RESPONSE] == response
    take(handheld, intent, r.OUTCOME_DECLINED)
    centre.send(handheld)
    assert centre.claim() == []


def test_what_never_left_may_be_authorised_later(centre: Centre, handheld: Handheld) -> None:
    HostSays(centre).error = silent(unsent=True)
    intent = begin(handheld)
    assert ask(centre, handheld, intent)[s.STATE] == s.ASKED_NOT
    handheld.finish(intent, r.OUTCOME_PROVISIONAL, A)
    centre.send(handheld)
    (request,) = centre.claim()
    assert (request.step, request.repeat) == (t.STEP_AUTHORISE, False)


def test_without_an_acquirer_nothing_is_sent(centre: Centre, handheld: Handheld) -> None:
    assert ask(centre, handheld, begin(handheld))[s.STATE] == s.ASKED_NOT


def test_an_answer_after_the_outcome_is_reversed(centre: Centre, handheld: Handheld) -> None:
    intent = begin(handheld)
    checked = centre.service.check(authorise(handheld, intent))
    with centre.engine.begin() as connection:
        asked = centre.service.apply(connection, checked, centre.now)
    take(handheld, intent, r.OUTCOME_DECLINED, r.ONLINE_DOUBTFUL)  # the terminal gave up, and its record is faster
    centre.send(handheld)
    (request,) = centre.claim()
    assert request.step == t.STEP_REVERSE and centre.answer(request, "25")  # overtook the authorisation
    late = Answer(request.identity, t.STEP_AUTHORISE, "00", "424242", iso.reference(request.identity))
    with centre.engine.begin() as connection:
        centre.service.answered(connection, asked, late, False, centre.now)  # type: ignore[arg-type]
    (request,) = centre.claim()
    assert (request.step, request.repeat) == (t.STEP_REVERSE, True)
    assert centre.answer(request, "00")
    assert centre.books() == {}


@pytest.mark.parametrize(
    ("outcome", "said", "steps"),
    [
        (r.OUTCOME_DECLINED, {"online": r.ONLINE_DOUBTFUL}, [t.STEP_REVERSE]),
        (r.OUTCOME_INTERRUPTED, {"online": r.ONLINE_DOUBTFUL}, [t.STEP_REVERSE]),
        (r.OUTCOME_INTERRUPTED, {}, [t.STEP_REVERSE]),  # cut by its power: it could not say
        (
            r.OUTCOME_DECLINED,
            {"online": r.ONLINE_ANSWERED},
            [t.STEP_REVERSE],
        ),  # the issuer may have approved what the card refused
        (r.OUTCOME_DECLINED, {"reason": "Z3"}, [t.STEP_REVERSE]),  # the host may have answered 91 to what was approved
        *(
            (r.OUTCOME_DECLINED, {"reason": "Z1", "cid": cid}, []) for cid in (0x00, 0x80)
        ),  # the card alone: nobody was asked
        (r.OUTCOME_DECLINED, {"reason": "RSK-008"}, []),  # nor by the terminal that refused the card
        (r.OUTCOME_DECLINED, {"reason": "EMV-122", "cid": 0x40}, []),  # nor about a TC
        *((r.OUTCOME_DECLINED, {"reason": f"EMV-14{n}", "cid": 0x40}, [t.STEP_REVERSE]) for n in (6, 7)),
    ],
)
def test_a_question_that_a_restored_server_has_forgotten_is_reversed_if_the_terminal_did_not_take_the_answer(
    centre: Centre, handheld: Handheld, tmp_path: Path, outcome: int, said: dict[str, Any], steps: list[int]
) -> None:
    HostSays(centre)
    intent = begin(handheld)
    ask(centre, handheld, intent)
    handheld.write(r.PAYMENT_OUTCOME, intent=intent, outcome=outcome, amount=A, scheme="CIB TEST", last4="0017", **said)
    restored = Centre(tmp_path / "restored", handheld)  # a backup of the day before
    with restored.engine.begin() as connection:
        restore.mark(connection, restored.now)
    restored.hello(handheld)
    restored.send(handheld)
    found = restored.claim()
    assert [(request.step, request.repeat) for request in found] == [(step, True) for step in steps]
    for request in found:
        assert restored.answer(request, "00")
    assert restored.claim() == [] and restored.books() == {}


@pytest.mark.parametrize("restored", [False, True])
@pytest.mark.parametrize("said", [{"cid": 0x80}, {}])
@pytest.mark.parametrize("reason", ["Z3", "EMV-123", "EMV-121", "EMV-105", "EMV-120", "EMV-101"])
def test_a_decline_behind_a_host_that_could_not_go_on_is_reversed_whatever_it_was_declined_for(
    centre: Centre, handheld: Handheld, tmp_path: Path, reason: str, said: dict[str, int], restored: bool
) -> None:
    """The host answered 91, which may hide an approval; the kernel goes on as if nobody was asked, and ends as it may then."""
    HostSays(centre, "91")
    intent = begin(handheld)
    ask(centre, handheld, intent)
    decline = {"outcome": r.OUTCOME_DECLINED, "amount": A, "scheme": "CIB TEST", "last4": "0017", "reason": reason}
    handheld.write(r.PAYMENT_OUTCOME, intent=intent, **decline, **said)
    if restored:
        centre = Centre(tmp_path / "restored", handheld)
        with centre.engine.begin() as connection:
            restore.mark(connection, centre.now)
        centre.hello(handheld)
    centre.send(handheld)
    assert [(request.step, request.repeat) for request in centre.claim()] == [(t.STEP_REVERSE, restored)]


def test_a_doubt_about_a_question_that_never_arrived_is_reversed_and_does_no_harm(
    centre: Centre, handheld: Handheld
) -> None:
    intent = begin(handheld)
    take(handheld, intent, r.OUTCOME_DECLINED, r.ONLINE_DOUBTFUL)
    centre.send(handheld)
    (request,) = centre.claim()
    assert request.step == t.STEP_REVERSE and centre.answer(request, "25")
    assert centre.claim() == [] and centre.alarms() == []
    assert centre.refused(authorise(handheld, intent)) == codes.PAYMENT_OVER


def test_a_server_that_dies_while_asking_leaves_doubt(centre: Centre, handheld: Handheld) -> None:
    intent = begin(handheld)
    checked = centre.service.check(authorise(handheld, intent))
    with centre.engine.begin() as connection:
        centre.service.apply(connection, checked, centre.now)
    centre.restart()
    host = HostSays(centre)
    assert ask(centre, handheld, intent)[s.STATE] == s.ASKED_DOUBTFUL
    assert host.asked == []


def test_an_approval_that_no_issuer_gave_is_kept_and_not_posted(centre: Centre, handheld: Handheld) -> None:
    seq = take(handheld, begin(handheld), r.OUTCOME_APPROVED)
    assert centre.send(handheld)[s.REJECTED] == [[seq, codes.ONLINE_UNKNOWN]]
    assert centre.books() == {} and centre.alarms() == [codes.ONLINE_UNKNOWN]


def receipt(centre: Centre, reply: dict[int, Any]) -> list[list[Any]]:
    """What the signed receipt in a reply names."""
    kind, payload = open_reply(reply[s.CLEARED], centre.keys.public("ack"))
    assert kind == s.TYPE_CLEARED and payload[s.DEVICE] == "TSD-000001" and payload[s.EPOCH] == 1
    return payload[s.CLEARED]


def test_a_receipt_names_a_tc_only_when_its_clearing_was_accepted(centre: Centre, handheld: Handheld) -> None:
    intent = handheld.pay(r.OUTCOME_APPROVED, A)
    centre.send(handheld)
    (request,) = centre.claim()
    assert s.CLEARED not in centre.hello(handheld)
    assert centre.answer(request, "00")
    reply = centre.hello(handheld)
    assert receipt(centre, reply) == [[intent, iso.reference((handheld.name, 1, intent))]]
    assert receipt(centre, centre.hello(handheld))  # that WELCOME was lost
    seq = handheld.write(r.CARD_DATA_ERASED, intents=[intent], receipt=bytes(32))
    again = handheld.write(r.CARD_DATA_ERASED, intents=[intent], receipt=bytes(32))
    ack = centre.send(handheld, seq, again)
    assert s.CLEARED not in ack and s.REJECTED not in ack and centre.count("erasures") == 1


@pytest.mark.parametrize("word", ["away", "91"])
def test_a_receipt_names_what_the_card_approved_when_its_issuer_was_asked_in_vain(
    centre: Centre, handheld: Handheld, word: str
) -> None:
    """It was sealed, whoever was asked before; only of what the issuer approved while the card waited nothing is kept."""
    host = HostSays(centre, "91")
    host.error = silent(unsent=True) if word == "away" else None
    intent = begin(handheld)
    assert ask(centre, handheld, intent)[s.STATE] == (s.ASKED_NOT if word == "away" else s.ASKED_ANSWERED)
    handheld.finish(intent, r.OUTCOME_APPROVED, A)
    assert s.REJECTED not in centre.send(handheld)
    (request,) = centre.claim()
    assert s.CLEARED not in centre.hello(handheld)
    assert request.step == t.STEP_CLEAR and centre.answer(request, "00")
    assert receipt(centre, centre.hello(handheld)) == [[intent, iso.reference((handheld.name, 1, intent))]]
    seq = handheld.write(r.CARD_DATA_ERASED, intents=[intent], receipt=bytes(32))
    assert s.CLEARED not in centre.send(handheld, seq) and s.CLEARED not in centre.hello(handheld)


def test_one_receipt_a_session_since_a_terminal_erases_once(centre: Centre, handheld: Handheld) -> None:
    intents = [handheld.pay(r.OUTCOME_APPROVED, A), handheld.pay(r.OUTCOME_APPROVED, A)]
    centre.send(handheld)
    for request in centre.claim():
        assert centre.answer(request, "00")
    assert len(receipt(centre, centre.hello(handheld))) == 2
    seq = handheld.write(r.CARD_DATA_ERASED, intents=intents[:1], receipt=bytes(32))
    assert s.CLEARED not in centre.send(handheld, seq)
    assert [pair[0] for pair in receipt(centre, centre.hello(handheld))] == intents[1:]


def test_a_receipt_names_an_arqc_only_when_its_result_is_written_down(centre: Centre, handheld: Handheld) -> None:
    intent = handheld.pay(r.OUTCOME_PROVISIONAL, A)
    centre.send(handheld)
    (request,) = centre.claim()
    assert centre.answer(request, "51")
    assert s.CLEARED not in centre.hello(handheld)
    seq = handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=3, amount=A)
    assert receipt(centre, centre.send(handheld, seq)) == [[intent, iso.reference((handheld.name, 1, intent))]]


def test_a_stranger_cannot_sign_a_receipt(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_APPROVED, A)
    centre.send(handheld)
    assert centre.answer(centre.claim()[0], "00")
    forged = centre.hello(handheld)
    protected, _, payload, _ = cbor2.loads(forged[s.CLEARED])
    stranger = ec.generate_private_key(ec.SECP256R1())
    forged[s.CLEARED] = dumps([protected, {}, payload, sign(stranger, protected, payload)])
    with pytest.raises(InvalidSignature):
        receipt(centre, forged)


def test_an_erasure_of_a_payment_that_is_not_there_is_set_aside(centre: Centre, handheld: Handheld) -> None:
    seq = handheld.write(r.CARD_DATA_ERASED, intents=[77], receipt=bytes(32))
    assert centre.send(handheld)[s.REJECTED] == [[seq, codes.NO_INTENT]]
