"""Cards that lie: changed, cut, repeated and refused answers. The oracle: never approved without a valid cryptogram decision.

The scripted card signs with real keys, so a changed byte must either be harmless (outside what is signed and read) or lead to a
decline; any exception but the link's own is a bug. What the kernel says of a signature counts for nothing: whatever is approved
without an issuer is proved again by `witness`, from the commands and the answers as the terminal saw them.
"""

import os
import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.crypto.native import NativeCrypto
from protocol.emv.steps import taa
from protocol.errors import EmvError
from tests.protocol.emv import witness
from tests.protocol.emv.lies_cpython import BASES, CHANGES, OTHERS, changed
from tests.protocol.emv.scripted import (
    APPROVED,
    DECLINED,
    OFFLINE_PIN,
    PROVISIONAL,
    UN,
    Card,
    aid_entry,
    body,
    ca_entry,
    h,
    pay,
    tlv,
    txn,
)  # fmt: skip
from tests.protocol.emv.wedge import added

SIZE = int(os.environ.get("TASDID_FUZZ", "1"))  # scales the number of added objects
PROFILES: list[dict[str, Any]] = [
    {"kinds": (0x40,)},
    {"kinds": (0x80, 0x00)},
    {"kinds": (0x80, 0x40), "fields": {"8E": OFFLINE_PIN}},
    {"oda": "dda", "kinds": (0x80, 0x00)},
    {"oda": "sda", "kinds": (0x80, 0x00)},
]
CA = {0xE1: (int.from_bytes(ca_entry()["modulus"], "big"), 3)}
TODAY, AMOUNT, COUNTRY = str(txn()["date"]), h("000000500000"), "0012"


class Liar(Card):
    """Hands its answers to `lie(index, answer)` on the way out, and remembers what crossed the link."""

    def __init__(self, lie: Any, **profile: Any) -> None:
        super().__init__(**profile)
        self.lie = lie
        self.at = 0
        self.exchange: witness.Exchange = []
        self.kinds = list(profile.get("kinds", (0x40,))) + [0x00, 0x00]

    def transmit(self, command: bytes) -> bytes:
        answer = super().transmit(command)
        self.at += 1
        answer = self.lie(self.at, answer)
        self.exchange.append((command, answer))
        return answer


def _proved(exchange: witness.Exchange) -> tuple[int, bytes, int]:
    proved = witness.signed(exchange, CA, UN, AMOUNT, TODAY)
    return proved.kind, proved.cryptogram, proved.atc


def _oracle(result: Any, card: Liar, issuer_answered: bool) -> None:
    assert result.outcome in (APPROVED, PROVISIONAL, DECLINED)
    asked = [at for at, (command, _) in enumerate(card.exchange) if command[1] == 0xAE]
    by_issuer = issuer_answered and result.reason not in ("Y1", "Y3")
    if result.outcome == APPROVED and not by_issuer:
        assert _proved(card.exchange) == (0x40, result.cryptogram, result.atc)
        assert result.cda_ok and result.cid & 0xC0 == 0x40
        assert not result.tvr[0] & 0x04
        witness.rests(result, card.exchange, TODAY, COUNTRY)
    if result.outcome == APPROVED and by_issuer and card.exchange[asked[-1]][0][2] & 0x10:
        assert _proved(card.exchange)[0] == 0x40
    if result.outcome == PROVISIONAL and card.exchange[asked[0]][0][2] & 0x10:
        assert card.exchange[asked[-1]][0][2] & 0xC0 == 0
        assert _proved(card.exchange[: asked[-1]]) == (0x80, result.cryptogram, result.atc)
    if result.outcome == PROVISIONAL:
        assert result.cid & 0xC0 == 0x80 and result.cryptogram in result.de55
    if result.outcome == DECLINED:
        assert result.de55 == b"" and result.track2 == b"" and result.reason
        assert result.error is None or isinstance(result.error, EmvError)
    for what, why in result.explain:
        assert "99999900000000" not in what + why


def _run(lie: Any, profile: dict[str, Any], floor: int = 1_000_000, online: Any = None) -> Any:
    return _drive(Liar(lie, **profile), floor, online)


def _drive(card: Liar, floor: int = 1_000_000, online: Any = None) -> Any:
    result, trace = pay(
        card, body(aid_entry(floor=floor), pse=True), pins=[b"1234"], online=online, crypto=NativeCrypto(), random=0x33
    )
    assert len(trace.of("online")) <= 1
    _oracle(result, card, bool(trace.of("online")) and bool(online) and "sent" not in online)
    return result


@pytest.mark.parametrize("profile", PROFILES, ids=str)
def test_every_byte_of_every_answer_changed(profile: dict[str, Any]) -> None:
    """One changed byte at each place, three ways (bit 1, bit 8, inverted); thinned out by a seed to stay quick."""
    lengths: list[int] = []
    _run(lambda at, answer: lengths.append(len(answer)) or answer, profile)
    places = [(at + 1, offset) for at, length in enumerate(lengths) for offset in range(length)]
    picked = random.Random(44).sample(places, min(len(places), 400))
    for at, offset in picked:
        for mask in (0x01, 0x80, 0xFF):

            def lie(now: int, answer: bytes, at: int = at, offset: int = offset, mask: int = mask) -> bytes:
                if now != at or offset >= len(answer):
                    return answer
                return answer[:offset] + bytes([answer[offset] ^ mask]) + answer[offset + 1 :]

            _run(lie, profile)


SIGNERS: list[dict[str, Any]] = [{"kinds": (0x40,)}, {"kinds": (0x80, 0x40)}]  # Y1 and Y3


def _outgoing(profile: dict[str, Any]) -> Liar:
    card = Liar(lambda at, answer: answer, **profile)
    result = _drive(card)
    assert (result.outcome, result.reason) == (APPROVED, "Y1" if profile["kinds"][0] == 0x40 else "Y3")
    return card


@pytest.mark.parametrize("profile", SIGNERS, ids=str)
def test_no_changed_byte_of_the_signed_answer_is_approved(profile: dict[str, Any]) -> None:
    honest = _outgoing(profile)
    last = len(honest.exchange)
    for offset in range(len(honest.exchange[-1][1]) - 2):
        for mask in (0x01, 0x80):

            def lie(now: int, answer: bytes, offset: int = offset, mask: int = mask) -> bytes:
                return (
                    answer if now != last else answer[:offset] + bytes([answer[offset] ^ mask]) + answer[offset + 1 :]
                )

            assert _run(lie, profile).outcome != APPROVED, (offset, mask)


class Misled(Liar):
    """The command at place `place` reached it with one byte changed; it signs truly what it heard."""

    def __init__(self, place: int, offset: int, **profile: Any) -> None:
        super().__init__(lambda at, answer: answer, **profile)
        self.place, self.offset = place, offset

    def transmit(self, command: bytes) -> bytes:
        if self.at + 1 != self.place:
            return super().transmit(command)
        answer = super().transmit(
            command[: self.offset] + bytes([command[self.offset] ^ 1]) + command[self.offset + 1 :]
        )
        self.exchange[-1] = (command, answer)  # as the terminal saw it
        return answer


@pytest.mark.parametrize("profile", SIGNERS, ids=str)
def test_no_changed_byte_of_what_the_card_is_told_is_approved(profile: dict[str, Any]) -> None:
    """The signature is the card's own and whole: only the hash of the transaction's data tells that it heard something else."""
    for place, (command, _) in enumerate(_outgoing(profile).exchange, 1):
        if command[1] not in (0xA8, 0xAE):
            continue
        for offset in range(7 if command[1] == 0xA8 else 5, 5 + command[4]):
            assert _drive(Misled(place, offset, **profile)).outcome != APPROVED, (place, offset)


@pytest.mark.parametrize("profile", SIGNERS, ids=str)
@pytest.mark.parametrize(
    "other", [{"number": h("A1B2C3D5")}, {"number": b""}, {"cda_damage": 0xC0}, {"cda_damage": 1}], ids=str
)
def test_no_whole_signature_over_another_number_or_decision_is_approved(
    profile: dict[str, Any], other: dict[str, Any]
) -> None:
    card = Liar(lambda at, answer: answer, **profile)
    for name, value in other.items():
        setattr(card, name, value)
    assert _drive(card).outcome != APPROVED


@pytest.mark.parametrize("oda", ["dda", "sda", "none"])
@pytest.mark.parametrize("kinds", [(0x40,), (0x80, 0x40)], ids=str)
def test_a_certificate_without_a_signature_is_not_approved_even_if_one_was_asked_for(
    monkeypatch: pytest.MonkeyPatch, oda: str, kinds: tuple[int, ...]
) -> None:
    """The second line: were a TC asked for by mistake, the answer is not taken for more than it is."""
    monkeypatch.setattr(taa, "may_trust_tc", lambda s: True)
    monkeypatch.setattr(taa, "matches", lambda *_: False)
    result = _run(lambda at, answer: answer, {"oda": oda, "kinds": kinds})
    assert (result.outcome, result.reason) == (DECLINED, "EMV-122" if len(kinds) == 1 else "EMV-123")


@pytest.mark.parametrize("kinds", [(0x40,), (0x80, 0x40)], ids=str)
@pytest.mark.parametrize("fields", BASES, ids=str)
def test_no_object_beside_the_signed_ones_makes_another_approval(
    fields: dict[str, bytes], kinds: tuple[int, ...]
) -> None:
    """An object of the records added to what nothing signs (FCI, GPO) and to GENERATE AC: the honest approval, or none."""
    profile: dict[str, Any] = {"kinds": kinds, "fields": fields}
    honest = Liar(lambda at, answer: answer, **profile)
    told = _grounds(_drive(honest))
    places = [at for at, (command, _) in enumerate(honest.exchange, 1) if command[1] in (0xA4, 0xA8, 0xAE)]
    cases = [(at, other) for at in places for other in OTHERS]
    for at, (tag, value) in random.Random(8).sample(cases, min(len(cases), 50 * SIZE)):
        result = _run(lambda now, a, at=at, o=tlv(tag, value): added(a, o) if now == at else a, profile)
        assert result.outcome != APPROVED or _grounds(result) == told, (at, tag, result.reason)


def _grounds(result: Any) -> tuple[Any, ...]:
    return result.outcome, result.pan, result.psn, result.expiry, bytes(result.tvr), bytes(result.cvm_results)


@pytest.mark.parametrize("profile", PROFILES[:3], ids=str)
def test_every_answer_cut_doubled_refused_or_empty(profile: dict[str, Any]) -> None:
    lengths: list[int] = []
    _run(lambda at, answer: lengths.append(len(answer)) or answer, profile)
    for at in range(1, len(lengths) + 1):
        for change in CHANGES:
            for online in (None, {"arc": "00"}, {"sent": True}):
                _run(changed(at, change), profile, online=online)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.integers(1, 12), st.binary(max_size=260), st.sampled_from(range(len(PROFILES))))
def test_any_answer_at_any_place(at: int, reply: bytes, which: int) -> None:
    _run(lambda now, answer: reply if now == at else answer, PROFILES[which])


@settings(max_examples=100, deadline=None)
@given(st.lists(st.binary(max_size=64), max_size=40), st.sampled_from(range(len(PROFILES))))
def test_card_that_talks_nonsense_from_some_point_on(replies: list[bytes], which: int) -> None:
    start = len(replies) % 8
    supply = iter(replies)
    _run(lambda now, answer: next(supply, h("6F00")) if now > start else answer, PROFILES[which])


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=60), st.binary(max_size=60))
def test_any_data_object_list(cdol: bytes, cdol2: bytes) -> None:
    _run(lambda now, answer: answer, {"kinds": (0x80, 0x00), "fields": {"8C": cdol, "8D": cdol2}})


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(["arc", "issuer_auth", "scripts", "data", "auth_code"]), st.binary(max_size=80)))
def test_any_answer_of_the_host(reply: dict[str, bytes]) -> None:
    result = _run(lambda now, answer: answer, PROFILES[1], floor=1, online=reply)
    if result.outcome == APPROVED:
        assert result.arc in ("00", "08", "10", "11")
