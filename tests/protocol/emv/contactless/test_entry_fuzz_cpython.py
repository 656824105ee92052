"""Entry point and Kernel 3 and cards that lie: changed, cut, repeated and refused answers, tears at every command, directories, data object lists
and answers of the host made of anything, both kernels behind one directory.

The oracle: approved only with a TC under a signature that covers this payment, or by an issuer that was asked about the very cryptogram; one
cryptogram for one payment; nothing of the card kept where nothing was taken; never an exception; whatever the card, the payment comes to an end.
`SIZE` scales the number of cases (TASDID_FUZZ, 1 by default).
"""

import os
import random
from functools import lru_cache
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol import tlv as strict_tlv
from protocol.crypto.native import NativeCrypto
from protocol.emv.contactless import entry
from protocol.emv.contactless.params import ContactlessParams
from protocol.emv.contactless.torn import TornLog
from protocol.errors import CardRemovedError, EmvError
from tests.protocol.emv.contactless import scripted_c2, scripted_tap
from tests.protocol.emv.contactless.scripted_tap import AAC, ARQC, PPSE, TC, Tap, combination, fci, txn
from tests.protocol.emv.lies_cpython import CHANGES, changed, flipped
from tests.protocol.emv.scripted import AID, APPROVED, DECLINED, PROVISIONAL, UN, h, tlv

SIZE = int(os.environ.get("TASDID_FUZZ", "1"))
QUICK = settings(max_examples=100 * SIZE, deadline=None, suppress_health_check=[HealthCheck.too_slow])
ONLINE: tuple[Any, ...] = (None, {"arc": "00"}, {"arc": "05"}, {"sent": True})

PROFILES: list[dict[str, Any]] = [
    {"kind": TC},
    {"kind": ARQC, "ctq": h("0080")},
    {"kind": AAC, "with_cid": False},
    {"kind": TC, "ctq": h("3800"), "fields": {"5F24": h("201231")}},
    {"kind": ARQC, "ctq": None, "fields": {"9F4B": None}},
]


_second = lru_cache(maxsize=1)(lambda: Tap()._second())


class Liar(Tap):
    """Hands its answers to `lie(index, answer)` on the way out."""

    _second = staticmethod(_second)  # the same for every card, and RSA is what this file spends its time on

    def __init__(self, lie: Any, **profile: Any) -> None:
        super().__init__(**profile)
        self.lie = lie
        self.at = 0

    def transmit(self, command: bytes) -> bytes:
        answer = super().transmit(command)
        self.at += 1
        return self.lie(self.at, answer)


class Asked:
    """What the entry point asked besides commands."""

    def __init__(self) -> None:
        self.requests: list[tuple[Any, ...]] = []

    def of(self, word: str) -> list[tuple[Any, ...]]:
        return [request for request in self.requests if request[0] == word]


def drive(
    card: Any, parameters: dict[str, Any], online: Any = None, again: int = 3, **answers: Any
) -> tuple[Any, Asked]:
    """The entry point against one card that is presented again `again` times; None for a payment that the link's failure ended."""
    transaction = answers.pop("transaction", txn())
    machine = entry.transact(transaction, ContactlessParams(parameters), NativeCrypto(), UN, TornLog())
    asked, answer, lost = Asked(), None, None
    steps = 0
    while True:
        steps += 1
        assert steps < 3000, "it never comes to an end"
        try:
            request = machine.throw(lost) if lost is not None else machine.send(answer)
        except StopIteration as stop:
            return stop.value, asked
        except CardRemovedError:
            assert asked.of("again"), "nobody was asked to present the card again"
            return None, asked
        lost = None
        if request[0] in ("apdu", "timed_apdu"):
            try:
                answer = card.transmit(bytes(request[1]))
            except CardRemovedError as error:
                lost = error
                continue
            answer = (answer, 50) if request[0] == "timed_apdu" else answer
            continue
        asked.requests.append(request)
        if request[0] == "again":
            again -= 1
            answer = True if again >= 0 else None
        elif request[0] == "random":
            answer = bytes([len(asked.requests)]) * request[1]
        else:
            answer = {"online": online, **answers}.get(request[0])


def oracle(result: Any, asked: Asked) -> None:
    questions = asked.of("online")
    assert len(questions) <= 1
    if result is None:
        assert not questions
        return
    assert result.outcome in (APPROVED, PROVISIONAL, DECLINED) and result.reason
    if result.outcome == APPROVED and not questions:
        assert result.reason == "Y1" and result.cid & 0xC0 == TC and result.cda_ok and result.oda in ("fdda", "cda")
    if result.outcome == APPROVED and questions:
        assert result.arc in ("00", "08", "10", "11") and result.cid & 0xC0 == ARQC
    if result.outcome == PROVISIONAL:
        assert result.reason == "DEFERRED" and result.cid & 0xC0 == ARQC and result.cda_ok and not result.reversal
    if result.outcome == DECLINED:
        assert result.de55 == b"" and result.track2 == b""
    else:
        held = dict(strict_tlv.parse(result.de55))
        assert bytes(held[0x9F26]) == bytes(result.cryptogram) and len(result.cryptogram) == 8
        assert bytes(held[0x9F37]) == bytes(result.un) and 0x57 not in held
    assert result.error is None or isinstance(result.error, EmvError)
    for what, why in result.explain:
        assert "99999900000000" not in what + why


def run(lie: Any, profile: dict[str, Any], **how: Any) -> tuple[Any, Liar]:
    card = Liar(lie, **profile)
    result, asked = drive(card, how.pop("parameters", scripted_tap.body()), **how)
    oracle(result, asked)
    return result, card


def lengths(profile: dict[str, Any]) -> list[int]:
    found: list[int] = []
    run(lambda at, answer: found.append(len(answer)) or answer, profile)
    return found


def removed() -> bytes:
    raise CardRemovedError("the card left")


@pytest.mark.parametrize("profile", PROFILES, ids=str)
def test_every_byte_of_every_answer_changed(profile: dict[str, Any]) -> None:
    """One changed byte at each place, three ways; thinned out by a seed to stay quick."""
    places = [(at + 1, offset) for at, length in enumerate(lengths(profile)) for offset in range(length)]
    for at, offset in random.Random(3).sample(places, min(len(places), 80 * SIZE)):
        for mask in (0x01, 0x80, 0xFF):
            run(flipped(at, offset, mask), profile, online={"arc": "00"} if mask == 0x80 else None)


def test_no_changed_byte_of_what_is_signed_is_approved() -> None:
    """The record, the certificates and the signature of a TC: only the padding of templates may change without a decline."""
    honest = lengths(PROFILES[0])
    approved = 0
    for at in (4, 5, 6):
        for offset in range(2, honest[at - 1] - 2, max(1, 4 // SIZE)):
            approved += run(flipped(at, offset, 0x10), PROFILES[0])[0].outcome == APPROVED
    assert approved == 0


@pytest.mark.parametrize("profile", PROFILES[:3], ids=str)
def test_every_answer_cut_doubled_refused_or_empty(profile: dict[str, Any]) -> None:
    for at in range(1, len(lengths(profile)) + 1):
        for change in CHANGES:
            for online in ONLINE:
                run(changed(at, change), profile, online=online)


@pytest.mark.parametrize("profile", PROFILES, ids=str)
def test_torn_at_every_command_once_twice_and_for_ever(profile: dict[str, Any]) -> None:
    count = len(lengths(profile))
    for at in range(1, count + 1):
        for places in ((at,), (at, at + count), tuple(range(at, 100))):
            for online in ONLINE:
                result, card = run(
                    lambda now, a, places=places: removed() if now in places else a, profile, online=online
                )
                assert (result is None) == (len(places) > 3), (at, places)


@QUICK
@given(st.integers(1, 7), st.binary(max_size=260), st.sampled_from(range(len(PROFILES))), st.sampled_from(ONLINE))
def test_any_answer_at_any_place(at: int, reply: bytes, which: int, online: Any) -> None:
    run(lambda now, answer: reply if now == at else answer, PROFILES[which], online=online)


@QUICK
@given(st.lists(st.one_of(st.none(), st.binary(max_size=64)), max_size=40), st.sampled_from(range(len(PROFILES))))
def test_card_that_talks_nonsense_or_leaves_from_some_point_on(replies: list[bytes | None], which: int) -> None:
    start = len(replies) % 7
    supply = iter(replies)

    def lie(now: int, answer: bytes) -> bytes:
        if now <= start:
            return answer
        reply = next(supply, h("6F00"))
        return removed() if reply is None else reply

    run(lie, PROFILES[which])


@QUICK
@given(st.binary(max_size=60))
def test_any_data_object_list(pdol: bytes) -> None:
    for whole in (pdol, h("9F6604") + pdol):
        card = Liar(lambda now, a: a)
        card.pdol = whole
        card.replies["READ 2 2"] = h("7000") + h("9000")  # the script's signature needs its own list
        oracle(*drive(card, scripted_tap.body()))


_TAGS = ("9F66", "9F02", "9F37", "9F37", "95", "5A", "57", "9F34", "9A", "BF0C", "00", "9F33", "9F1A")


@QUICK
@given(st.lists(st.tuples(st.sampled_from(_TAGS), st.integers(0, 40)), max_size=10))
def test_data_object_lists_with_doubles_send_every_entry(entries: list[tuple[str, int]]) -> None:
    """The same tag twice is two values, in place (Book 3, 5.4), or the list is refused as a whole."""
    card = Liar(lambda now, a: a)
    card.pdol = h("9F6604") + b"".join(h(tag) + bytes([length]) for tag, length in entries)
    card.replies["READ 2 2"] = h("7000") + h("9000")
    result, asked = drive(card, scripted_tap.body())
    oracle(result, asked)
    if "GPO" in card.names:
        sent = next(command for name, command in zip(card.names, card.commands, strict=True) if name == "GPO")
        total = 4 + sum(length for _, length in entries)
        assert sent[4] == total + (2 if total < 128 else 3)


_OBJECTS = ("82", "94", "57", "9F10", "9F26", "9F36", "9F27", "9F6C", "5A", "5F24", "9F4B", "50", "9F5D")


@QUICK
@given(
    st.lists(st.tuples(st.sampled_from(_OBJECTS), st.binary(max_size=20)), max_size=9),
    st.sampled_from(("77", "80", "70")),
    st.sampled_from(ONLINE),
)
def test_any_objects_in_the_answer_to_get_processing_options(objects: Any, template: str, online: Any) -> None:
    card = Liar(lambda now, a: a)
    card.replies["GPO"] = tlv(template, b"".join(tlv(tag, value) for tag, value in objects)) + h("9000")
    result, asked = drive(card, scripted_tap.body(), online=online)
    oracle(result, asked)
    assert result.reason != "Y1", "nothing of this is signed"


_ENTRY = st.lists(
    st.tuples(
        st.sampled_from(("4F", "50", "87", "9F2A", "9F29", "61", "42")), st.one_of(st.just(AID), st.binary(max_size=17))
    ),
    max_size=5,
)


@QUICK
@given(st.lists(_ENTRY, max_size=6), st.binary(max_size=12), st.booleans())
def test_any_directory(entries: Any, rest: bytes, extended: bool) -> None:
    """Entries malformed, doubled, empty, for kernels that nobody has: passed over or refused, never paid twice."""
    inside = b"".join(tlv("61", b"".join(tlv(tag, value) for tag, value in entry_)) for entry_ in entries)
    card = Liar(lambda now, a: a, directory=inside + rest)
    oracle(*drive(card, scripted_tap.body(combination(extended=extended), scripted_c2.combination())))


@QUICK
@given(st.binary(max_size=40), st.sampled_from((PPSE, AID)))
def test_any_file_control_information(inner: bytes, name: bytes) -> None:
    card = Liar(lambda now, a: a)
    card.replies["SELECT PPSE" if name == PPSE else "SELECT " + AID.hex().upper()] = fci(name, inner)
    oracle(*drive(card, scripted_tap.body()))


class Both:
    """One card with both kernels: the first of the directory gives up, the second pays; each command may be a lie."""

    def __init__(self, lie: Any) -> None:
        self.lie, self.at, self.chosen = lie, 0, 0
        self.three, self.two = Tap(replies={"GPO": h("6985")}), scripted_c2.Card2(aip="1981")

    def transmit(self, command: bytes) -> bytes:
        self.at += 1
        if command[1] == 0xA4 and command[5:].startswith(PPSE):
            entries = (
                tlv("61", tlv("4F", AID) + tlv("87", bytes([at])) + tlv("9F2A", bytes([k])))
                for at, k in ((1, 3), (2, 2))
            )
            return self.lie(self.at, fci(PPSE, tlv("BF0C", b"".join(entries))))
        if command[1] == 0xA4:
            self.chosen += 1
        answer = (self.three if self.chosen % 2 else self.two).transmit(command)
        return self.lie(self.at, answer)


def test_the_next_combination_starts_from_nothing_whatever_the_first_one_left() -> None:
    parameters = scripted_tap.body(combination(), scripted_c2.combination())
    count: list[int] = []
    result, asked = drive(Both(lambda at, a: count.append(at) or a), parameters)
    oracle(result, asked)
    assert (result.outcome, result.kernel, result.reason) == (APPROVED, 2, "Y1"), result.explain
    for at in range(1, len(count) + 1):
        for change in (
            lambda a: h("6A82"),
            lambda a: a[:-2] + a,
            lambda a: bytes([a[0] ^ 1]) + a[1:],
            lambda a: removed(),
        ):
            for online in (None, {"arc": "00"}):
                lying = Both(lambda now, a, at=at, change=change: change(a) if now == at else a)
                oracle(*drive(lying, parameters, online=online))


@QUICK
@given(st.dictionaries(st.sampled_from(["arc", "issuer_auth", "scripts", "data", "auth_code"]), st.binary(max_size=80)))
def test_any_answer_of_the_host(reply: dict[str, bytes]) -> None:
    result, _ = run(lambda now, answer: answer, PROFILES[1], online=reply)
    assert result.outcome != PROVISIONAL
