"""A contact transaction from selection to outcome, as the kernel decides it."""

from tests.protocol.emv.scripted import APPROVED, DECLINED, PROVISIONAL, Card, aid_entry, body, h, pay
from tests.support.dual import record


def test_tc_with_cda_is_approved_offline():
    card = Card(kinds=(0x40,))
    result, trace = pay(card)
    assert (result.outcome, result.reason, result.error) == (APPROVED, "Y1", None), (
        result.reason,
        result.detail,
        result.explain,
    )
    assert card.names == [
        "SELECT F00000544401", "SELECT F00000544401", "GPO", "READ 1 1", "READ 2 1", "READ 2 2", "GAC 1",
    ]  # fmt: skip
    assert result.tvr == bytes(5)
    assert result.tsi == h("E800")
    assert result.cvm_results == h("1F0002")
    assert result.cda_ok and result.oda == "cda" and not result.terminated
    assert (result.pan, result.psn, result.label) == (b"9999990000000018", 1, "CIB TEST")
    assert (result.cid, result.atc) == (0x40, 0x0102)
    assert len(result.cryptogram) == 8
    assert not trace.of("online")
    assert result.track2 == b""
    record("de55", result.de55)
    record("explain", str(result.explain))


def test_arqc_without_network_and_default_match_is_provisional():
    card = Card(kinds=(0x80, 0x00))
    result, trace = pay(card, body(aid_entry(floor=100)))
    assert (result.outcome, result.reason) == (PROVISIONAL, "DEFERRED")
    assert result.de55 == trace.of("online")[0][1]
    assert result.cid == 0x80
    assert result.tvr == h("0000008000")
    assert card.commands[-1][:4] == h("80AE0000")
    assert card.commands[-1][5:7] == b"Z3"
    assert result.track2 != b""
    record("de55", result.de55)


def test_arqc_without_network_and_no_deferral_is_declined():
    result, _ = pay(Card(kinds=(0x80, 0x00)), body(aid_entry(floor=100), deferral=False))
    assert (result.outcome, result.reason) == (DECLINED, "Z3")
    assert result.de55 == b"" and result.track2 == b""


def test_aac_is_declined():
    result, _ = pay(Card(kinds=(0x00,)))
    assert (result.outcome, result.reason) == (DECLINED, "Z1")
    assert not result.terminated
