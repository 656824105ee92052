"""Kernel 2 and cards that lie: changed, cut, repeated and refused answers, tears, data object lists with doubles and nonsense.

The oracle: never approved without a TC inside a valid signature, never a cryptogram beyond what was asked for, never an exception, never card data
in an explanation; whatever the card, the payment comes to an end. `SIZE` scales the number of cases (TASDID_FUZZ, 1 by default).
"""

import os
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.crypto.native import NativeCrypto
from protocol.emv.contactless import outcome as o
from protocol.errors import CardError, CardRemovedError, EmvError
from tests.protocol.emv.contactless.scripted_c2 import AAC, ARQC, TC, Card2, TornLog, combination, tap
from tests.protocol.emv.lies_cpython import CHANGES, changed, flipped
from tests.protocol.emv.scripted import h, tlv

SIZE = int(os.environ.get("TASDID_FUZZ", "1"))
QUICK = settings(max_examples=100 * SIZE, deadline=None, suppress_health_check=[HealthCheck.too_slow])

PROFILES: list[dict[str, Any]] = [
    {"aip": "1981"},
    {"kind": ARQC, "aip": "1980"},
    {"kind": AAC, "aip": "1981"},
    {"aip": "1B81", "fields": {"9F5D": h("000100"), "9F6E": h("00120000303100")}},
    {"oda": "none", "aip": "1880"},
]


class Liar(Card2):
    """Hands its answers to `lie(index, answer)` on the way out."""

    def __init__(self, lie: Any, **profile: Any) -> None:
        super().__init__(**profile)
        self.lie = lie
        self.at = 0

    def transmit(self, command: bytes) -> bytes:
        answer = super().transmit(command)
        self.at += 1
        return self.lie(self.at, answer)


def _oracle(outcome: o.Outcome, s: Any, card: Card2) -> None:
    assert o.APPROVED <= outcome.kind <= o.END_APPLICATION
    given_ = outcome.cryptogram
    if outcome.kind == o.APPROVED:
        assert given_ is not None and given_.kind == TC and given_.signed and not given_.failed
        assert not s.tvr[0] & 0x84 and s.oda == "cda" and len(given_.value) == 8
        assert card.asked[-1] == TC | 0x10 or "RECOVER" in card.names
    elif outcome.kind == o.ONLINE_REQUEST:
        assert given_ is not None and given_.kind == ARQC and not given_.failed
        assert given_.signed or not card.asked[-1] & 0x10
    elif outcome.kind == o.TRY_AGAIN:
        assert given_ is None
    elif outcome.kind in (o.END_APPLICATION, o.SELECT_NEXT):
        assert outcome.reason.startswith("EMV-")
    assert outcome.error is None or isinstance(outcome.error, EmvError | CardError)
    for what, why in s.explain:
        assert "99999900000000" not in what + why


def _run(lie: Any, profile: dict[str, Any], taps: int = 1, **how: Any) -> tuple[o.Outcome, Card2]:
    card, log = Liar(lie, **profile), TornLog()
    outcome = o.Outcome(o.END_APPLICATION)
    for _ in range(taps):
        outcome, s, trace = tap(card, torn=log, crypto=NativeCrypto(), **how)
        _oracle(outcome, s, card)
        assert len(trace.of("first_gac")) <= 1 and len(trace.of("identified")) <= 1
    assert card.names.count("GAC") <= taps
    return outcome, card


def _lengths(profile: dict[str, Any]) -> list[int]:
    lengths: list[int] = []
    _run(lambda at, answer: lengths.append(len(answer)) or answer, profile)
    return lengths


@pytest.mark.parametrize("profile", PROFILES, ids=str)
def test_every_byte_of_every_answer_changed(profile: dict[str, Any]) -> None:
    """One changed byte at each place, three ways; thinned out by a seed to stay quick."""
    places = [(at + 1, offset) for at, length in enumerate(_lengths(profile)) for offset in range(length)]
    for at, offset in random.Random(2).sample(places, min(len(places), 120 * SIZE)):
        for mask in (0x01, 0x80, 0xFF):
            _run(flipped(at, offset, mask), profile)


@pytest.mark.parametrize("profile", PROFILES[:4], ids=str)
def test_every_answer_cut_doubled_refused_or_empty(profile: dict[str, Any]) -> None:
    for at in range(1, len(_lengths(profile)) + 1):
        for change in CHANGES:
            _run(changed(at, change), profile)


def _removed() -> bytes:
    raise CardRemovedError("the card left")


@pytest.mark.parametrize("profile", PROFILES, ids=str)
def test_a_lie_after_a_tear(profile: dict[str, Any]) -> None:
    """Torn after GENERATE AC, then RECOVER AC with a changed byte: the answer as it was, or none."""
    last = len(_lengths(profile))
    answers: list[bytes] = []
    _run(lambda at, answer: _removed() if at == last else answers.append(answer) or answer, profile, taps=2)
    honest = answers[-1]
    for offset in range(0, len(honest), max(1, 8 // SIZE)):

        def lie(now: int, answer: bytes, offset: int = offset) -> bytes:
            if now == last:
                return _removed()
            if now == 2 * last and answer == honest:
                return answer[:offset] + bytes([answer[offset] ^ 0x41]) + answer[offset + 1 :]
            return answer

        outcome, _ = _run(lie, profile, taps=2)
        assert outcome.kind not in (o.APPROVED,) or outcome.cryptogram is not None


@QUICK
@given(st.integers(1, 8), st.binary(max_size=260), st.sampled_from(range(len(PROFILES))))
def test_any_answer_at_any_place(at: int, reply: bytes, which: int) -> None:
    _run(lambda now, answer: reply if now == at else answer, PROFILES[which])


@QUICK
@given(st.lists(st.one_of(st.none(), st.binary(max_size=64)), max_size=40), st.sampled_from(range(len(PROFILES))))
def test_card_that_talks_nonsense_or_leaves_from_some_point_on(replies: list[bytes | None], which: int) -> None:
    start = len(replies) % 7
    supply = iter(replies)

    def lie(now: int, answer: bytes) -> bytes:
        if now <= start:
            return answer
        reply = next(supply, h("6F00"))
        return _removed() if reply is None else reply

    _run(lie, PROFILES[which], taps=3)


@QUICK
@given(st.binary(max_size=60), st.binary(max_size=40), st.binary(max_size=40))
def test_any_data_object_list(cdol: bytes, drdol: bytes, pdol: bytes) -> None:
    card = Card2(fields={"8C": cdol, "9F51": drdol})
    card.pdol = pdol
    card.torn = ("GAC", False)
    log = TornLog()
    for _ in range(2):
        outcome, s, _ = tap(card, torn=log, crypto=NativeCrypto())
        _oracle(outcome, s, card)


_TAGS = ("9F02", "9F37", "9F37", "95", "5A", "57", "9F34", "DF4B", "DF8301", "8C", "9F10", "BF0C", "00", "9F33")


@QUICK
@given(st.lists(st.tuples(st.sampled_from(_TAGS), st.integers(0, 60)), max_size=12))
def test_data_object_lists_with_doubles_send_every_entry(entries: list[tuple[str, int]]) -> None:
    """The same tag twice is two values, in place (Book 3, 5.4), or the list is refused as a whole."""
    dol = b"".join(h(tag) + bytes([length]) for tag, length in entries)
    card = Card2(fields={"8C": dol}, oda="none", aip="1880")
    outcome, s, _ = tap(card, crypto=NativeCrypto())
    _oracle(outcome, s, card)
    if card.names[-1] == "GAC" and not outcome.reason:
        assert card.commands[-1][4] == sum(length for _, length in entries) or not entries


@QUICK
@given(
    st.lists(
        st.tuples(
            st.sampled_from(("9F27", "9F36", "9F26", "9F4B", "9F10", "DF4B", "9F6E", "50")), st.binary(max_size=20)
        ),
        max_size=8,
    ),
    st.sampled_from(("77", "80", "70")),
)
def test_any_objects_in_the_answer_to_generate_ac(objects: list[tuple[str, bytes]], template: str) -> None:
    for entry in (combination(), combination(offline=False), combination(tac_denial=b"\xff" * 5)):
        card = Card2()
        card.replies["GAC"] = tlv(template, b"".join(tlv(tag, value) for tag, value in objects)) + h("9000")
        outcome, s, _ = tap(card, entry, crypto=NativeCrypto())
        card.asked.append(s.terminal[0xDF8114][0])
        _oracle(outcome, s, card)
        assert outcome.kind != o.APPROVED


@QUICK
@given(st.binary(max_size=24), st.lists(st.integers(0, 1 << 40), min_size=1, max_size=4))
def test_any_relay_resistance_answer_and_any_time(reply: bytes, times: list[int]) -> None:
    for answer in (tlv("80", reply) + h("9000"), reply + h("9000"), tlv("80", (reply + bytes(10))[:10]) + h("9000")):
        card = Card2(aip="1981")
        card.replies["RELAY"] = answer
        outcome, s, _ = tap(card, elapsed=times, crypto=NativeCrypto())
        _oracle(outcome, s, card)
        assert card.names.count("RELAY") <= 3
