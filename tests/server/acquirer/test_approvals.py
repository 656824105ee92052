"""What an acquirer's answer means: which codes approve, in every step alike, and that another amount than was asked is no approval."""

from typing import Any

import iso8583
import pytest

from protocol import records as r
from protocol import sync as s
from protocol.emv import explain
from protocol.emv.steps import online as kernel
from server import codes
from server.acquirer import iso, settling
from server.acquirer.iso import Answer, Request
from server.store import tables as t
from tests.server.acquirer.test_online import A, HostSays, ask, authorise, begin, take
from tests.server.acquirer.test_voids import paid, void
from tests.server.centre import Centre
from tests.server.handheld import Handheld

LESS = 100_000
PAID = {"receivable:CIB TEST": A, "treasury:16:1:BMP-16-01": -A}
OTHER = [("10", LESS), ("00", LESS), ("08", LESS), ("11", A + 1), ("00", 0), ("51", 0), ("00", iso.OTHER_CURRENCY)]


pytestmark = pytest.mark.usefixtures("greeted")


def test_kernel_explanations_and_server_take_the_same_codes_for_an_approval() -> None:
    every = [f"{number:02d}" for number in range(100)]
    assert [code for code in every if kernel.Answer(code, b"", [], "").approved] == sorted(s.APPROVED)
    refused = [code for code in every if explain._ended_otherwise([("ONLINE", code), ("OUTCOME", code)])]
    assert refused == [code for code in every if code not in s.APPROVED]
    assert sorted(s.APPROVED) == ["00", "08", "10", "11"]
    assert not set(s.APPROVED) & {*s.NOT_REACHED, *s.NO_WORD}


def message(request: Request, answer: str, code: str, **change: str) -> bytes:
    """An answer to a request as the wire has it; field 4 as it was asked."""
    fields, _ = iso8583.decode(iso.encode(request, 1_795_851_624), iso.SPEC)
    fields.pop("48", None)
    fields.update({"t": answer, "39": code, **change})
    return bytes(iso8583.encode({key: value for key, value in fields.items() if value}, iso.SPEC)[0])


REQUEST = Request(("TSD-000001", 1, 7), t.STEP_AUTHORISE, False, A, 1_795_851_624, "", b"x" * 20, 16)


@pytest.mark.parametrize("step", [t.STEP_AUTHORISE, t.STEP_CLEAR, t.STEP_REVERSE])
def test_a_request_names_its_terminal_and_the_merchant_of_its_wilaya(step: int) -> None:
    """Fields 41 and 42: whose account the money goes to."""
    request = Request(("TSD-000001", 1, 7), step, False, A, 1_795_851_624, "", None, 31)
    fields, _ = iso8583.decode(iso.encode(request, 1_795_851_624), iso.SPEC)
    assert (fields["41"], fields["42"]) == ("SD000001", "DZFINES00000031")


@pytest.mark.parametrize(
    ("field", "amount", "about"),
    [("000000500000", A, True), ("", None, True), ("000000100000", LESS, False), ("000000000000", 0, False)],
)
def test_the_amount_of_an_answer_is_read(field: str, amount: int | None, about: bool) -> None:
    for kind, step in (("0110", t.STEP_AUTHORISE), ("0230", t.STEP_CLEAR), ("0410", t.STEP_REVERSE)):
        answer = iso.decode(message(REQUEST, kind, "10", **{"4": field}))
        assert (answer.step, answer.amount, answer.about(A), answer.approves(A)) == (step, amount, about, about)
    assert not iso.decode(message(REQUEST, "0110", "51", **{"4": field})).approves(A)


@pytest.mark.parametrize(("currency", "about"), [("012", True), ("", True), ("978", False), ("840", False)])
def test_an_answer_in_another_currency_is_about_another_amount(currency: str, about: bool) -> None:
    for kind in ("0110", "0230", "0410"):
        for amount in ("000000500000", ""):
            answer = iso.decode(message(REQUEST, kind, "00", **{"4": amount, "49": currency}))
            assert answer.about(A) == answer.approves(A) == about
            assert about or answer.spoken_of == "another currency"


@pytest.mark.parametrize("field", ["00000050000x", "-00000500000", "+00000500000", " 00000500000", "0000_0500000"])
def test_an_amount_that_is_none_makes_the_answer_nonsense(field: str) -> None:
    with pytest.raises(codes.AcquirerError, match=codes.ACQUIRER_NONSENSE):
        iso.decode(message(REQUEST, "0110", "00", **{"4": field}))


@pytest.mark.parametrize(
    ("field", "code"),
    [("424242", "424242"), ("4242  ", "4242"), ("4242\0\0", "4242"), ("\0\0\0\0\0\0", ""), (" A1+2 ", "A1+2")],
)
def test_what_pads_an_approval_code_is_not_of_it(field: str, code: str) -> None:
    assert iso.decode(message(REQUEST, "0110", "00", **{"38": field})).auth_code == code


@pytest.mark.parametrize(
    ("name", "field"), [("38", "\x1b[2J12"), ("38", "12\x00345"), ("38", "1234\n5"), ("39", "0\x01")]
)
def test_what_no_paper_takes_makes_the_answer_nonsense(name: str, field: str) -> None:
    with pytest.raises(codes.AcquirerError, match=codes.ACQUIRER_NONSENSE):
        iso.decode(message(REQUEST, "0110", "00", **{name: field}))


@pytest.mark.parametrize("code", s.APPROVED)
def test_every_approval_while_the_card_waits_is_posted_or_reversed(
    centre: Centre, handheld: Handheld, code: str
) -> None:
    HostSays(centre, code)
    for outcome, books, step in ((r.OUTCOME_DECLINED, {}, t.STEP_REVERSE), (r.OUTCOME_APPROVED, PAID, t.STEP_CLEAR)):
        intent = begin(handheld)
        said = ask(centre, handheld, intent)
        assert (said[s.STATE], said[s.RESPONSE]) == (s.ASKED_ANSWERED, code)
        take(handheld, intent, outcome)
        assert s.REJECTED not in centre.send(handheld)
        assert centre.books() == books
        (request,) = centre.claim()
        assert request.step == step and centre.answer(request, "00")
        centre.hello(handheld)
    assert centre.alarms() == []


@pytest.mark.parametrize("code", s.APPROVED)
def test_every_approval_of_a_deferred_payment_is_posted_and_cleared(
    centre: Centre, handheld: Handheld, code: str
) -> None:
    intent = handheld.pay(r.OUTCOME_PROVISIONAL, A)
    centre.send(handheld)
    (request,) = centre.claim()
    assert settle(centre, request, code, A)
    (result,) = centre.hello(handheld)[s.RESULTS]
    assert (result[s.RESULT_OUTCOME], result[s.RESULT_REASON]) == (r.OUTCOME_APPROVED, code)
    (clearing,) = centre.claim()
    assert clearing.step == t.STEP_CLEAR and settle(centre, clearing, code, A)
    assert centre.claim() == [] and centre.books() == PAID and centre.alarms() == []
    handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=r.OUTCOME_APPROVED, amount=A)
    assert s.REJECTED not in centre.send(handheld)


@pytest.mark.parametrize("code", s.APPROVED)
def test_every_approval_ends_a_clearing_and_a_void(centre: Centre, handheld: Handheld, code: str) -> None:
    intent = paid(handheld)
    centre.send(handheld)
    (clearing,) = centre.claim()
    assert settle(centre, clearing, code, clearing.amount) and centre.count("sealed") == 0
    assert s.CLEARED in centre.hello(handheld)  # the terminal may erase its card data
    centre.send(handheld, void(handheld, intent))
    (reversal,) = centre.claim()
    assert settle(centre, reversal, code, None)
    assert [end[s.RESULT_OUTCOME] for end in centre.hello(handheld)[s.VOIDS]] == [r.VOID_DONE]
    assert centre.books() == {} and centre.alarms() == []


def settle(centre: Centre, request: Request, code: str, amount: int | None) -> bool:
    """The acquirer's answer, with its amount."""
    said = Answer(request.identity, request.step, code, "424242", iso.reference(request.identity), b"", amount)
    with centre.engine.begin() as connection:
        return settling.settle(connection, request, said, centre.now)


@pytest.mark.parametrize(("code", "amount"), OTHER)
@pytest.mark.parametrize("outcome", [r.OUTCOME_DECLINED, r.OUTCOME_INTERRUPTED])
def test_another_amount_while_the_card_waits_is_doubt_and_reversed_once(
    centre: Centre, handheld: Handheld, code: str, amount: int, outcome: int
) -> None:
    host = HostSays(centre, code)
    host.amount = amount
    intent = begin(handheld)
    for _ in range(2):
        said = ask(centre, handheld, intent)
        assert said[s.STATE] == s.ASKED_DOUBTFUL and s.RESPONSE not in said and s.ISSUER_DATA not in said
        centre.hello(handheld)
    assert len(host.asked) == 1 and centre.alarms() == [codes.OTHER_AMOUNT]
    take(handheld, intent, outcome, r.ONLINE_DOUBTFUL)
    centre.send(handheld)
    centre.send(handheld)
    (request,) = centre.claim()
    assert (request.step, request.amount) == (t.STEP_REVERSE, A)
    assert iso.encode(request, centre.now)[:4] == b"0400"
    assert centre.answer(request, "00") and centre.claim() == [] and centre.books() == {}


def test_a_terminal_that_takes_another_amount_for_an_approval_is_not_believed(
    centre: Centre, handheld: Handheld
) -> None:
    HostSays(centre, "10").amount = LESS
    intent = begin(handheld)
    ask(centre, handheld, intent)
    seq = take(handheld, intent, r.OUTCOME_APPROVED)
    assert centre.send(handheld)[s.REJECTED] == [[seq, codes.ONLINE_UNKNOWN]]
    assert centre.books() == {}


def test_another_amount_after_the_outcome_is_reversed(centre: Centre, handheld: Handheld) -> None:
    intent = begin(handheld)
    checked = centre.service.check(authorise(handheld, intent))
    with centre.engine.begin() as connection:
        asked: Any = centre.service.apply(connection, checked, centre.now)
    take(handheld, intent, r.OUTCOME_DECLINED, r.ONLINE_DOUBTFUL)
    centre.send(handheld)
    (request,) = centre.claim()
    assert centre.answer(request, "25")
    reference = iso.reference(request.identity)
    late = Answer(request.identity, t.STEP_AUTHORISE, "10", "424242", reference, b"", LESS)
    with centre.engine.begin() as connection:
        centre.service.answered(connection, asked, late, False, centre.now)
    (request,) = centre.claim()
    assert (request.step, request.repeat) == (t.STEP_REVERSE, True)


@pytest.mark.parametrize(("code", "amount"), OTHER)
def test_another_amount_declines_a_deferred_payment_and_is_reversed_once(
    centre: Centre, handheld: Handheld, code: str, amount: int
) -> None:
    intent = handheld.pay(r.OUTCOME_PROVISIONAL, A)
    centre.send(handheld)
    (request,) = centre.claim()
    assert settle(centre, request, code, amount) and not settle(centre, request, code, amount)
    assert centre.books() == {} and centre.alarms() == [codes.OTHER_AMOUNT] and centre.count("sealed") == 0
    (result,) = centre.hello(handheld)[s.RESULTS]
    assert (result[s.RESULT_OUTCOME], result[s.RESULT_REASON]) == (r.OUTCOME_DECLINED, codes.OTHER_AMOUNT)
    (reversal,) = centre.claim()
    assert (reversal.step, reversal.repeat, reversal.amount) == (t.STEP_REVERSE, False, A)
    assert settle(centre, reversal, "00", A) and centre.claim() == [] and centre.books() == {}
    seq = handheld.write(r.AUTHORISATION_RESULT, intent=intent, outcome=r.OUTCOME_DECLINED, amount=A)
    ack = centre.send(handheld, seq)
    assert s.REJECTED not in ack and s.CLEARED in ack
    assert centre.ledger()["cases"][0]["state"] == "declined" and centre.ledger()["balanced"]


@pytest.mark.parametrize("code", ["91", "68"])
def test_what_the_host_left_open_is_asked_again_whatever_amount_it_names(
    centre: Centre, handheld: Handheld, code: str
) -> None:
    handheld.pay(r.OUTCOME_PROVISIONAL, A)
    centre.send(handheld)
    (request,) = centre.claim()
    assert not settle(centre, request, code, 0)
    (request,) = centre.claim()
    assert (request.step, request.repeat) == (t.STEP_AUTHORISE, True) and centre.alarms() == []


def test_a_clearing_of_another_amount_needs_a_person_and_is_not_asked_again(centre: Centre, handheld: Handheld) -> None:
    handheld.pay(r.OUTCOME_APPROVED, A)
    centre.send(handheld)
    (clearing,) = centre.claim()
    assert settle(centre, clearing, "00", LESS)
    assert centre.claim() == [] and centre.alarms() == [codes.OTHER_AMOUNT]
    assert s.CLEARED not in centre.hello(handheld)  # the card data have not served
    assert centre.books() == PAID


def test_a_reversal_of_another_amount_does_not_end_a_void_as_done(centre: Centre, handheld: Handheld) -> None:
    intent = paid(handheld)
    centre.send(handheld)
    books = centre.books()
    centre.send(handheld, void(handheld, intent))
    (reversal,) = centre.claim()
    assert settle(centre, reversal, "00", LESS)
    (end,) = centre.hello(handheld)[s.VOIDS]
    assert (end[s.RESULT_OUTCOME], end[s.RESULT_REASON]) == (r.VOID_REFUSED, codes.OTHER_AMOUNT)
    assert [request.step for request in centre.claim()] == [t.STEP_CLEAR]  # the driver was told that it stands
    assert centre.alarms() == [codes.OTHER_AMOUNT] and centre.books() == books
