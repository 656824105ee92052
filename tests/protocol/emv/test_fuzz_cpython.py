"""Cards that lie: changed, cut, repeated and refused answers. The oracle: never approved without a valid cryptogram decision.

The scripted card signs with real keys, so a changed byte must either be harmless (outside what is signed and read) or lead to a
decline; any exception but the link's own is a bug.
"""

import random
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from protocol.crypto.native import NativeCrypto
from protocol.errors import EmvError
from tests.protocol.emv.scripted import APPROVED, DECLINED, OFFLINE_PIN, PROVISIONAL, Card, aid_entry, body, h, pay

PROFILES: list[dict[str, Any]] = [
    {"kinds": (0x40,)},
    {"kinds": (0x80, 0x00)},
    {"kinds": (0x80, 0x40), "fields": {"8E": OFFLINE_PIN}},
    {"oda": "dda", "kinds": (0x80, 0x00)},
    {"oda": "sda", "kinds": (0x80, 0x00)},
]


class Liar(Card):
    """Hands its answers to `lie(index, answer)` on the way out, and remembers the true ones."""

    def __init__(self, lie: Any, **profile: Any) -> None:
        super().__init__(**profile)
        self.lie = lie
        self.at = 0
        self.kinds = list(profile.get("kinds", (0x40,))) + [0x00, 0x00]

    def transmit(self, command: bytes) -> bytes:
        answer = super().transmit(command)
        self.at += 1
        return self.lie(self.at, answer)


def _oracle(result: Any, card: Card) -> None:
    assert result.outcome in (APPROVED, PROVISIONAL, DECLINED)
    if result.outcome == APPROVED and result.reason in ("Y1", "Y3"):
        assert result.cda_ok and result.cid & 0xC0 == 0x40 and len(result.cryptogram) == 8
        assert card.oda == "cda"
        assert not result.tvr[0] & 0x04
    if result.outcome == PROVISIONAL:
        assert result.cid & 0xC0 == 0x80 and result.cryptogram in result.de55
    if result.outcome == DECLINED:
        assert result.de55 == b"" and result.track2 == b"" and result.reason
        assert result.error is None or isinstance(result.error, EmvError)
    for what, why in result.explain:
        assert "99999900000000" not in what + why


def _run(lie: Any, profile: dict[str, Any], floor: int = 1_000_000, online: Any = None) -> Any:
    card = Liar(lie, **profile)
    result, trace = pay(
        card, body(aid_entry(floor=floor), pse=True), pins=[b"1234"], online=online, crypto=NativeCrypto(), random=0x33
    )
    _oracle(result, card)
    assert len(trace.of("online")) <= 1
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


@pytest.mark.parametrize("profile", PROFILES[:3], ids=str)
def test_every_answer_cut_doubled_refused_or_empty(profile: dict[str, Any]) -> None:
    lengths: list[int] = []
    _run(lambda at, answer: lengths.append(len(answer)) or answer, profile)
    changes = [
        lambda a: b"",
        lambda a: a[:1],
        lambda a: a[:-2],
        lambda a: a[-2:],
        lambda a: a[:-2] + a,
        lambda a: a[: len(a) // 2] + h("9000"),
    ]
    changes += [
        lambda a, sw=sw: h(sw)
        for sw in ("6700", "6985", "6A81", "6A82", "6A83", "6283", "6100", "6C00", "63C0", "9000", "FFFF")
    ]
    for at in range(1, len(lengths) + 1):
        for change in changes:
            for online in (None, {"arc": "00"}, {"sent": True}):
                _run(
                    lambda now, answer, at=at, change=change: change(answer) if now == at else answer,
                    profile,
                    online=online,
                )


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
