"""Every line in which Kernel 2 explains itself has words in three languages, and every bit of its TVR has a line."""

from typing import Any

import pytest

from protocol.crypto.native import NativeCrypto
from tests.protocol.emv.contactless.scripted_c2 import AAC, ANY_CVM, Card2, TornLog, combination, tap
from tests.protocol.emv.scripted import h, tlv
from tools.emv import explain

CASES: list[tuple[dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ({}, {}, {}),
    ({"aip": "1981"}, {}, {}),
    ({"aip": "1981"}, {}, {"elapsed": (500,)}),
    ({"aip": "1981", "relay": h("000A00140000")}, {"tac_denial": bytes(5)}, {}),
    ({"aip": "1900"}, {}, {}),
    ({"fields": {"8E": ANY_CVM}}, {"cvm_limit": 1}, {}),
    ({"fields": {"8E": ANY_CVM}}, {"cvm_limit": 1, "tac_online": bytes(5)}, {}),
    ({"fields": {"8E": h("000000000000000046001E060000"), "9F07": h("0000")}}, {"floor": 1}, {"identified": {"exception": True, "online": True}}),
    ({"aip": "1A80", "oda": "none"}, {}, {}),
    ({"signed_fields": {"9F46": None}}, {"offline": False}, {}),
    ({"kind": AAC, "extra": tlv("DF4B", h("000100"))}, {}, {}),
    ({}, {"limit": 1}, {}),
]  # fmt: skip


def _worded(s: Any) -> None:
    assert explain.untraced(s.explain, bytes(s.tvr), bytes(s.tsi)) == []
    for what, why in s.explain:
        assert not why[0].islower() or explain.rule_of(why) != "certificate" or why.startswith("missing"), (what, why)
        for lang in explain.LANGUAGES:
            assert "?" not in explain.line(what, why, lang), (what, why)


@pytest.mark.parametrize("at", range(len(CASES)))
def test_every_line_has_words(at: int) -> None:
    card, entry, how = CASES[at]
    _, s, _ = tap(Card2(**card), combination(**entry), crypto=NativeCrypto(), **how)
    _worded(s)


@pytest.mark.parametrize("change", [{}, {"before": True}, {"drdol": "9F37"}, {"late": True}])
def test_every_line_of_a_torn_transaction_has_words(change: dict[str, Any]) -> None:
    card, log = Card2(aip="1981", drdol=change.get("drdol", "9F3704")), TornLog()
    card.torn = ("GAC", bool(change.get("before")))
    _, s, _ = tap(card, torn=log, crypto=NativeCrypto())
    _worded(s)
    entry = combination(torn_lifetime_s=0) if change.get("late") else combination()
    if change.get("late"):
        log.records[0].data[0x9F21] = h("092959")
    _, s, _ = tap(card, entry, torn=log, identified={"online": True}, crypto=NativeCrypto())
    _worded(s)
