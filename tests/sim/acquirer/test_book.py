"""The simulated host: it opens only what was sealed for this payment, checks the cryptogram, and never charges
twice.
"""

import json
from dataclasses import replace

import cbor2
import pytest

from protocol import pinblock
from protocol.crypto.native import NativeCrypto
from sim.acquirer import dukpt, emv, pin
from sim.acquirer.book import (
    APPROVE,
    IN_PROGRESS,
    INSUFFICIENT,
    LATE,
    LESS,
    MALFUNCTION,
    PARTIAL,
    REFUSE,
    UNAVAILABLE,
    VIP,
    Book,
    Demand,
    auth_code,
    card_digest,
)
from tests.server.cards import ARQC, KEYS, MASTER, PAN, TC, content, de55, short
from tests.server.handheld import Handheld
from tests.support import needs

A = 200_000
pytestmark = pytest.mark.filterwarnings(
    "ignore::cryptography.utils.CryptographyDeprecationWarning"
)  # EMV is triple DES


@pytest.fixture
def book() -> Book:
    return Book(KEYS)


def demand(
    handheld: Handheld,
    kind: str = "authorise",
    intent: int = 7,
    repeat: bool = False,
    blob: bytes | None = None,
    amount: int = A,
) -> Demand:
    reference = f"REF{intent:09d}"
    code = auth_code(reference) if kind == "clear" else ""
    return Demand(kind, repeat, reference, handheld.name, 1, intent, amount, blob, auth_code=code)


def sealed(handheld: Handheld, kind: int = ARQC, intent: int = 7, amount: int = A, **more: object) -> bytes:
    return handheld.seal(KEYS.bdk, intent, amount, content(amount, kind, **more))  # type: ignore[arg-type]


def test_working_keys_are_those_of_the_published_vectors() -> None:
    published = json.loads((needs.vectors() / "dukpt_aes.json").read_text())["aes128"]
    bdk = bytes.fromhex(published["bdk"])
    assert dukpt.initial_key(bdk, bytes.fromhex(published["initial_key_id"])).hex().upper() == published["initial_key"]
    payment = published["transaction_data"]
    assert len(published["transactions"]) == 8
    for entry in published["transactions"]:
        key = dukpt.working_key(bdk, bytes.fromhex(entry["ksn"]))
        assert key.hex().upper() == entry["data_encryption_key_aes128"]
        key = dukpt.working_key(bdk, bytes.fromhex(entry["ksn"]), dukpt.PIN_ENCRYPT)
        assert key.hex().upper() == entry["pin_key_aes128"]
        block = bytes.fromhex(entry["encrypted_pin_block"])
        assert pin.opened(bdk, bytes.fromhex(entry["ksn"]), block, payment["pan"]) == payment["pin"]


@pytest.mark.parametrize("ksn", [bytes(12), bytes(11), bytes(8) + (2**17 - 1).to_bytes(4, "big")])
def test_impossible_serial_numbers_have_no_key(ksn: bytes) -> None:
    with pytest.raises(ValueError, match="counter|bytes"):
        dukpt.working_key(bytes(16), ksn)


def test_a_genuine_arqc_is_approved_and_then_captured_once(book: Book, handheld: Handheld) -> None:
    blob = sealed(handheld)
    assert book.answer(demand(handheld, blob=blob)) == "00"
    assert book.captures() == []
    assert book.answer(demand(handheld, "clear")) == "00"
    assert book.answer(demand(handheld, "clear", repeat=True)) == "00"
    (capture,) = book.captures()
    assert (capture.identity, capture.amount) == ((handheld.name, 1, 7), A)
    assert capture.auth_code == auth_code("REF000000007")


@pytest.mark.parametrize("code", ["", "000000"])
def test_what_was_authorised_is_cleared_with_the_code_of_its_approval(
    book: Book, handheld: Handheld, code: str
) -> None:
    assert book.answer(demand(handheld, blob=sealed(handheld))) == "00"
    assert book.answer(replace(demand(handheld, "clear"), auth_code=code)) == "12"
    assert book.captures() == []
    assert book.answer(demand(handheld, "clear", repeat=True)) == "00"


def test_a_card_that_approved_by_itself_is_cleared_without_a_code(book: Book, handheld: Handheld) -> None:
    blob = sealed(handheld, TC)
    assert book.answer(replace(demand(handheld, "clear", blob=blob), auth_code="")) == "00"


OTHER_PAN = "9999990112345682"


@pytest.mark.parametrize(("code", "pays"), [("", OTHER_PAN), (auth_code("REF000000007"), PAN)])
def test_of_two_cards_under_one_reference_that_one_pays_whose_approval_or_certificate_is_cleared(
    book: Book, handheld: Handheld, code: str, pays: str
) -> None:
    """As a terminal and its copy may bring them."""
    assert book.answer(demand(handheld, blob=sealed(handheld))) == "00"
    other = Handheld().seal(KEYS.bdk, 7, A, content(A, TC, OTHER_PAN))
    assert book.answer(replace(demand(handheld, "clear", blob=other), auth_code=code)) == "00"
    (entry,), (capture,) = book.entries.values(), book.captures()
    assert (entry.authorised_for, capture.card) == (card_digest(PAN), card_digest(pays))
    assert PAN not in repr(book.entries) and OTHER_PAN not in repr(book.captures())


def test_a_card_that_approved_by_itself_is_cleared_though_its_issuer_came_to_the_question_late(
    book: Book, handheld: Handheld
) -> None:
    assert book.answer(demand(handheld, blob=sealed(handheld))) == "00"
    blob = sealed(handheld, TC)
    assert book.answer(replace(demand(handheld, "clear", blob=blob), auth_code="")) == "00"
    assert len(book.captures()) == 1


@pytest.mark.parametrize("kind", ["authorise", "clear", "reverse"])
@pytest.mark.parametrize(
    ("terminal", "merchant"), [("SD000001", "DZFINES00000099"), ("SD000009", "DZFINES00000016"), ("", "")]
)
def test_money_goes_to_the_terminals_own_merchant_only(
    handheld: Handheld, kind: str, terminal: str, merchant: str
) -> None:
    known = {"SD000001": frozenset({"DZFINES00000016"}), "SD000002": frozenset({"DZFINES00000099"})}
    book = Book(KEYS, merchants=known)
    asked = demand(handheld, kind, blob=sealed(handheld))
    assert book.answer(replace(asked, terminal=terminal, merchant=merchant)) == "03"
    assert book.entries == {}
    right = replace(demand(handheld, blob=asked.blob), terminal="SD000001", merchant="DZFINES00000016")
    assert book.answer(right) == "00"


ONLINE_PIN = bytes.fromhex("020000")


def with_pin(handheld: Handheld, digits: str | None, beyond: int = 0, holder: bytes = ONLINE_PIN) -> bytes:
    """Sealed data with the block of a PIN under the key of the counter that seals them, or of one `beyond`; None: without a block."""
    data = content(A, ARQC, holder=holder)
    serial = handheld.key_id + (handheld.counter + 1 + beyond).to_bytes(4, "big")
    if digits is not None:
        key = dukpt.working_key(KEYS.bdk, serial, dukpt.PIN_ENCRYPT)
        data[5] = bytes(pinblock.encipher_iso4(NativeCrypto(), key, digits.encode(), PAN.encode(), bytes(8)))
    return handheld.seal(KEYS.bdk, 7, A, data)


@pytest.mark.parametrize(
    ("digits", "beyond", "code"),
    [("1234", 0, "00"), ("1235", 0, "55"), ("12345", 0, "55"), ("1234", 1, "55"), ("1234", -1, "55"), (None, 0, "55")],
)
def test_only_the_right_pin_under_the_key_of_the_same_counter_is_approved(
    handheld: Handheld, digits: str | None, beyond: int, code: str
) -> None:
    handheld.counter = 4
    book = Book(KEYS, {}, {PAN: "1234"})
    asked = demand(handheld, blob=with_pin(handheld, digits, beyond))
    assert book.answer(asked) == code and book.captures() == []
    assert (book.answer(demand(handheld, "clear")) == "00") == (code == "00")


@pytest.mark.parametrize("holder", [b"", bytes.fromhex("1F0000"), bytes.fromhex("020001"), bytes.fromhex("010002")])
def test_no_pin_is_missed_where_the_results_name_none_that_was_entered_for_the_issuer(
    handheld: Handheld, holder: bytes
) -> None:
    book = Book(KEYS, {}, {PAN: "1234"})
    assert book.answer(demand(handheld, blob=with_pin(handheld, None, holder=holder))) == "00"
    other = Book(KEYS, {}, {PAN: "1234"})  # a block that is there is looked at all the same
    assert other.answer(demand(handheld, blob=with_pin(handheld, "9999", holder=holder))) == "55"


def test_a_genuine_tc_is_captured_without_being_asked_before(book: Book, handheld: Handheld) -> None:
    assert book.answer(demand(handheld, "clear", blob=sealed(handheld, TC))) == "00"
    assert len(book.captures()) == 1


@pytest.mark.parametrize(
    ("profile", "code"), [(APPROVE, "00"), (INSUFFICIENT, "51"), (REFUSE, "05"), (UNAVAILABLE, "91")]
)
def test_a_card_is_answered_by_its_profile(handheld: Handheld, profile: str, code: str) -> None:
    book = Book(KEYS, {PAN: profile})
    assert book.answer(demand(handheld, blob=sealed(handheld))) == code


def test_what_was_unavailable_may_be_approved_later_by_a_repeat(handheld: Handheld) -> None:
    book = Book(KEYS, {PAN: UNAVAILABLE})
    blob = sealed(handheld)
    assert book.answer(demand(handheld, blob=blob)) == "91"
    book.profiles[PAN] = APPROVE
    assert book.answer(demand(handheld, blob=blob, repeat=True)) == "00"


@pytest.mark.parametrize(("profile", "code"), [(LATE, "68"), (IN_PROGRESS, "09"), (MALFUNCTION, "96")])
def test_what_is_late_was_approved_and_may_be_reversed(handheld: Handheld, profile: str, code: str) -> None:
    for kind, captured in (("reverse", 0), ("clear", 1)):
        book = Book(KEYS, {PAN: profile})
        asked = demand(handheld, blob=sealed(handheld))
        assert (book.answer(asked), book.issuer_data(asked)) == (code, b"")
        repeated = demand(handheld, blob=asked.blob, repeat=True)
        assert book.answer(repeated) == "00" and book.issuer_data(repeated)[:2] == b"\x91\x08"
        assert book.answer(demand(handheld, kind)) == "00"
        assert len(book.captures()) == captured and book.doubles == 0
        assert book.entries[asked.reference].reversed == (kind == "reverse")
        handheld.counter += 1


@pytest.mark.parametrize(("profile", "code", "part"), [(PARTIAL, "10", 2), (LESS, "00", 2), (VIP, "11", 1)])
def test_what_is_granted_is_said_and_no_more_is_captured(
    book: Book, handheld: Handheld, profile: str, code: str, part: int
) -> None:
    book.profiles[PAN] = profile
    asked = demand(handheld, blob=sealed(handheld))
    assert (book.answer(asked), book.granted(asked)) == (code, A // part)
    assert book.issuer_data(asked)[:2] == b"\x91\x08"
    repeated = demand(handheld, blob=asked.blob, repeat=True)
    assert (book.answer(repeated), book.granted(repeated)) == (code, A // part)
    cleared = demand(handheld, "clear")
    assert (book.answer(cleared), book.granted(cleared)) == ("00", A // part)
    assert [capture.amount for capture in book.captures()] == [A // part]
    given_back = demand(handheld, "reverse")
    assert (book.answer(given_back), book.granted(given_back)) == ("00", A) and book.captures() == []


def test_a_card_that_approved_by_itself_is_captured_whole(book: Book, handheld: Handheld) -> None:
    book.profiles[PAN] = PARTIAL
    assert book.answer(demand(handheld, "clear", blob=sealed(handheld, TC))) == "00"
    assert [capture.amount for capture in book.captures()] == [A]


def test_a_wrong_cryptogram_is_answered_82(book: Book, handheld: Handheld) -> None:
    assert book.answer(demand(handheld, blob=sealed(handheld, master=bytes(16)))) == "82"
    inside = content(A, ARQC)
    for at in (5, 20, -1):  # amount, country, cryptogram
        spoilt = bytearray(inside[4])
        spoilt[at] ^= 1
        blob = handheld.seal(KEYS.bdk, 8, A, {**inside, 4: bytes(spoilt)})
        fresh = Book(KEYS)
        assert fresh.answer(demand(handheld, intent=8, blob=blob)) == "82"
        handheld.counter += 1


def test_a_tc_does_not_pass_for_an_arqc_nor_the_reverse(book: Book, handheld: Handheld) -> None:
    assert book.answer(demand(handheld, blob=sealed(handheld, TC))) == "82"
    assert book.answer(demand(handheld, "clear", 8, blob=sealed(handheld, ARQC, 8))) == "82"


def test_a_cryptogram_for_another_amount_is_wrong(book: Book, handheld: Handheld) -> None:
    blob = handheld.seal(KEYS.bdk, 7, A, content(A - 1, ARQC))
    assert book.answer(demand(handheld, blob=blob)) == "82"


@pytest.mark.parametrize("change", [{"intent": 8}, {"amount": A + 1}])
def test_card_data_open_only_for_their_payment_and_amount(
    book: Book, handheld: Handheld, change: dict[str, int]
) -> None:
    assert book.answer(demand(handheld, blob=sealed(handheld), **change)) == "63"  # type: ignore[arg-type]


TOLD = (0x9F26, 0x9F27, 0x9F36, 0x95)


def beside(handheld: Handheld, kind: int = TC, intent: int = 7) -> tuple[bytes, tuple[bytes | None, ...]]:
    """Card data sealed beside an outcome record, and what that says in clear; it has no AID."""
    data = de55(A, kind)
    clear = [*(emv.parse(data)[tag] for tag in TOLD), None]
    return handheld.seal_short(KEYS.bdk, intent, A, short(data, TOLD), clear, 10), tuple(clear)


def clearing(handheld: Handheld, blob: bytes, clear: tuple[bytes | None, ...], kind: str = "clear") -> Demand:
    return Demand(kind, False, "REF000000007", handheld.name, 1, 7, A, blob, b"", clear)


def test_what_a_message_says_in_clear_is_put_to_what_is_sealed(handheld: Handheld) -> None:
    for kind, cryptogram in (("clear", TC), ("authorise", ARQC)):
        blob, clear = beside(handheld, cryptogram)
        assert Book(KEYS).answer(clearing(handheld, blob, clear, kind)) == "00"


@pytest.mark.parametrize("place", range(5))
def test_a_value_in_clear_that_was_altered_on_the_way_is_answered_63(handheld: Handheld, place: int) -> None:
    blob, clear = beside(handheld)
    for value in (b"\x07", bytes(8), None if place < 4 else b"\xa0\0\0\0\3"):
        book = Book(KEYS)
        assert book.answer(clearing(handheld, blob, (*clear[:place], value, *clear[place + 1 :]))) == "63"
        assert book.captures() == []


def test_what_was_sealed_while_the_card_waited_needs_nothing_in_clear(handheld: Handheld) -> None:
    blob = handheld.seal_short(KEYS.bdk, 7, A, short(de55(A, ARQC)), None, 10)
    other = (bytes(8), b"\x40", bytes(2), bytes(5), bytes(7))
    for clear in (other, (None,) * 5):
        assert Book(KEYS).answer(clearing(handheld, blob, clear, "authorise")) == "00"


def test_both_forms_of_terminals_that_were_not_updated_are_opened(handheld: Handheld) -> None:
    other = (bytes(8), b"\x40", bytes(2), bytes(5), bytes(7))  # the server says it beside old blobs too
    release_0_1_0 = sealed(handheld, TC)
    since = handheld.seal_short(KEYS.bdk, 7, A, short(de55(A, TC)), None, 30)
    for blob in (release_0_1_0, since):
        assert Book(KEYS).answer(clearing(handheld, blob, other)) == "00"
    bound = handheld.seal_short(KEYS.bdk, 7, A, short(de55(A, TC)), list(other), 30)
    assert Book(KEYS).answer(clearing(handheld, bound, other)) == "63"  # nobody ever sealed like this


@pytest.mark.parametrize(
    "blob", [b"", b"\xa0", b"\x83\x40\xa0\x40", cbor2.dumps(cbor2.CBORTag(18, [])), cbor2.dumps([b"", {}, 5])]
)
def test_what_is_no_sealed_data_is_answered_63(book: Book, handheld: Handheld, blob: bytes) -> None:
    assert book.answer(demand(handheld, blob=blob)) == "63"


def test_every_flipped_byte_of_a_blob_is_noticed(handheld: Handheld) -> None:
    for blob, clear in ((sealed(handheld, TC), (None,) * 5), beside(handheld)):
        for at in range(len(blob)):
            spoilt = blob[:at] + bytes([blob[at] ^ 0x80]) + blob[at + 1 :]
            assert Book(KEYS).answer(clearing(handheld, spoilt, clear)) == "63"


def test_a_key_serial_number_serves_one_payment(book: Book, handheld: Handheld) -> None:
    assert book.answer(demand(handheld, blob=sealed(handheld))) == "00"
    handheld.counter -= 1
    assert book.answer(demand(handheld, intent=8, blob=sealed(handheld, intent=8))) == "63"


def copies(handheld: Handheld, kind: int) -> tuple[bytes, bytes]:
    """One cryptogram sealed for two payments, 7 and 8, each under a key of its own."""
    inside = content(A, kind)
    return handheld.seal(KEYS.bdk, 7, A, inside), handheld.seal(KEYS.bdk, 8, A, inside)


@pytest.mark.parametrize(("kind", "data"), [("authorise", ARQC), ("clear", TC)])
def test_a_cryptogram_serves_one_payment(book: Book, handheld: Handheld, kind: str, data: int) -> None:
    first, second = copies(handheld, data)
    assert book.answer(demand(handheld, kind, blob=first)) == "00" and book.replays == 0
    again = demand(handheld, kind, 8, blob=second)
    assert (book.answer(again), book.replays) == ("63", 1)
    assert book.issuer_data(again) == b""  # nothing for the card: its issuer was not asked
    assert book.answer(demand(handheld, kind, 8, repeat=True, blob=second)) == "63" and book.doubles == 0
    book.answer(demand(handheld, "clear"))
    book.answer(demand(handheld, "clear", 8, repeat=True, blob=second))
    assert [capture.reference for capture in book.captures()] == ["REF000000007"]


def presented(book: Book, handheld: Handheld, intent: int, kind: int, psn: int | None = 1, **more: object) -> str:
    """The host's answer to one cryptogram of the transaction with this terminal's number, for this payment."""
    name = f"{psn or 0:02d}"
    more = {"number": b"\1\2\3\4", **more}
    inside = {**content(A, kind, psn=name, **more), 2: psn}  # type: ignore[arg-type]
    blob = handheld.seal(KEYS.bdk, intent, A, inside)
    return book.answer(demand(handheld, "authorise" if kind == ARQC else "clear", intent, blob=blob))


@pytest.mark.parametrize(("first", "second"), [(None, 0), (0, None), (None, None), (0, 0)])
def test_no_sequence_number_is_sequence_number_0(
    book: Book, handheld: Handheld, first: int | None, second: int | None
) -> None:
    assert (presented(book, handheld, 7, ARQC, first), presented(book, handheld, 8, ARQC, second)) == ("00", "63")
    book.answer(demand(handheld, "clear"))
    assert book.answer(demand(handheld, "clear", 8)) == "12" and book.replays == 1
    assert [capture.reference for capture in book.captures()] == ["REF000000007"]


@pytest.mark.parametrize(("first", "second"), [(ARQC, TC), (TC, ARQC), (ARQC, ARQC), (TC, TC)])
def test_every_cryptogram_of_one_transaction_is_one_payments(
    book: Book, handheld: Handheld, first: int, second: int
) -> None:
    assert (presented(book, handheld, 7, first), presented(book, handheld, 8, second)) == ("00", "63")
    assert book.replays == 1


def test_a_payment_may_present_an_arqc_and_then_the_tc_of_its_transaction(handheld: Handheld) -> None:
    book = Book(KEYS, {PAN: UNAVAILABLE})
    assert (presented(book, handheld, 7, ARQC), presented(book, handheld, 7, TC)) == ("91", "00")
    assert book.replays == 0 and [capture.reference for capture in book.captures()] == ["REF000000007"]


@pytest.mark.parametrize("kind", [ARQC, TC])
def test_another_card_of_the_account_and_another_count_are_other_transactions(
    book: Book, handheld: Handheld, kind: int
) -> None:
    assert presented(book, handheld, 7, kind) == "00"
    assert presented(book, handheld, 8, kind, psn=2) == "00"
    assert presented(book, handheld, 9, kind, psn=None) == "00"
    assert presented(book, handheld, 10, kind, atc=2) == "00"
    assert presented(book, handheld, 11, kind, pan="9999990112345682") == "00"  # another account
    assert presented(book, handheld, 12, kind, number=b"\1\2\3\5") == "00"  # a simulated card that was built anew
    assert book.replays == 0


def test_a_cryptogram_stays_its_payments_whatever_became_of_that(handheld: Handheld) -> None:
    for profile, code in ((INSUFFICIENT, "51"), (UNAVAILABLE, "91"), (APPROVE, "00")):
        book = Book(KEYS, {PAN: profile})
        first, second = copies(handheld, ARQC)
        assert book.answer(demand(handheld, blob=first)) == code
        book.answer(demand(handheld, "reverse"))
        book.profiles[PAN] = APPROVE
        assert book.answer(demand(handheld, "authorise", 8, blob=second)) == "63" and book.captures() == []


def test_repeats_reversals_and_another_cryptogram_of_the_card_are_no_replay(book: Book, handheld: Handheld) -> None:
    book.profiles[PAN] = UNAVAILABLE
    blob = sealed(handheld)
    assert book.answer(demand(handheld, blob=blob)) == "91"
    book.profiles[PAN] = APPROVE
    assert book.answer(demand(handheld, blob=blob, repeat=True)) == "00"
    assert book.answer(demand(handheld, "reverse")) == "00"
    assert book.answer(demand(handheld, "authorise", 8, blob=sealed(handheld, intent=8, atc=2))) == "00"
    assert book.answer(demand(handheld, "clear", 8)) == "00" and book.replays == 0


def test_what_is_no_cards_cryptogram_takes_none_away(book: Book, handheld: Handheld) -> None:
    inside = content(A, ARQC)
    spoilt = handheld.seal(
        KEYS.bdk, 7, A, {**inside, 2: 3}
    )  # the sequence number of another card: its cryptogram is none
    assert book.answer(demand(handheld, blob=spoilt)) == "82"
    genuine = handheld.seal(KEYS.bdk, 8, A, inside)
    assert book.answer(demand(handheld, intent=8, blob=genuine)) == "00" and book.replays == 0


def test_a_repeat_gets_the_same_answer_and_a_second_new_one_is_a_double(handheld: Handheld) -> None:
    book = Book(KEYS, {PAN: INSUFFICIENT})
    blob = sealed(handheld)
    assert book.answer(demand(handheld, blob=blob)) == "51"
    book.profiles[PAN] = APPROVE
    assert book.answer(demand(handheld, blob=blob, repeat=True)) == "51"
    assert book.answer(demand(handheld, repeat=True)) == "51"  # without card data too
    assert book.doubles == 0
    assert book.answer(demand(handheld, blob=blob)) == "94"
    assert book.doubles == 1


def test_one_reference_for_two_payments_is_refused(book: Book, handheld: Handheld) -> None:
    book.answer(demand(handheld, blob=sealed(handheld)))
    other = Demand("authorise", True, "REF000000007", handheld.name, 1, 8, A, None)
    assert book.answer(other) == "12"


def test_nothing_known_and_no_card_data_is_answered_25(book: Book, handheld: Handheld) -> None:
    for kind in ("authorise", "clear", "reverse"):
        assert book.answer(demand(handheld, kind, repeat=True)) == "25"
    assert book.entries == {}


def test_what_was_refused_or_reversed_cannot_be_captured(handheld: Handheld) -> None:
    book = Book(KEYS, {PAN: REFUSE})
    book.answer(demand(handheld, blob=sealed(handheld)))
    assert book.answer(demand(handheld, "clear")) == "12"
    book.profiles[PAN] = APPROVE
    book.answer(demand(handheld, intent=8, blob=sealed(handheld, intent=8)))
    assert book.answer(demand(handheld, "reverse", 8)) == "00"
    assert book.answer(demand(handheld, "clear", 8)) == "12"
    assert book.captures() == []


def test_a_captured_payment_can_be_reversed(book: Book, handheld: Handheld) -> None:
    book.answer(demand(handheld, "clear", blob=sealed(handheld, TC)))
    assert len(book.captures()) == 1
    assert book.answer(demand(handheld, "reverse")) == "00"
    assert book.answer(demand(handheld, "reverse", repeat=True)) == "00"
    assert book.captures() == []


def test_card_data_never_show_in_a_repr(handheld: Handheld) -> None:
    from sim.acquirer.sealed import open_blob

    card = open_blob(KEYS.bdk, sealed(handheld), handheld.name, 1, 7, A)
    assert card.pan == PAN and PAN not in repr(card) and PAN not in json.dumps(repr({"card": card}))


@pytest.mark.parametrize("data", [b"\x9f", b"\x9f\x02", b"\x9f\x02\x06\x00", b"\x82\x82\x01"])
def test_tlv_cut_short_is_noticed(data: bytes) -> None:
    with pytest.raises(ValueError, match="cut short"):
        emv.parse(data)


def test_the_master_key_of_another_issuer_does_not_serve() -> None:
    assert KEYS.issuer_key("9999990299999999") is None and KEYS.issuer_key(PAN) == MASTER
