"""The errors that public kernels made (`domain` section 4): each is named here, and is not made."""

from protocol.crypto.pure import PureCrypto
from protocol.emv import state, tags
from protocol.emv.params import EmvParams
from protocol.emv.steps import taa
from tests.protocol.emv.scripted import APPROVED, PROVISIONAL, UN, Card, aid_entry, body, h, pay, tlv, txn

ZERO = bytes(5)
FLOOR = h("0000008000")


def _session():
    return state.Session(txn(), EmvParams(body()), PureCrypto(), UN)


def test_default_iac_of_all_ones_is_forty_bits_not_bytes_of_01():
    s = _session()
    assert taa.issuer_code(s, tags.IAC_ONLINE) == b"\xff\xff\xff\xff\xff"
    assert taa.issuer_code(s, tags.IAC_DEFAULT) == b"\xff\xff\xff\xff\xff"


def test_missing_iacs_are_not_read_as_zero():
    assert taa.issuer_code(_session(), tags.IAC_DENIAL) == ZERO
    card = Card(kinds=(0x80, 0x00), fields={"9F0D": None, "9F0E": None, "9F0F": None})
    result, _ = pay(card, body(aid_entry(floor=1, tac_denial=ZERO, tac_online=ZERO, tac_default=ZERO)))
    assert card.commands[-2][2] & 0xC0 == 0x80  # a floor limit went online
    assert ("IAC-ONLINE B4b8", "tvr 95") in result.explain
    assert ("IAC-DEFAULT B4b8", "tvr 95") in result.explain


def test_match_of_the_default_codes_asks_for_an_aac_not_a_tc():
    for tac, iac in ((FLOOR, ZERO), (ZERO, FLOOR)):
        card = Card(kinds=(0x80, 0x00), fields={"9F0D": iac, "9F0F": FLOOR})
        result, _ = pay(card, body(aid_entry(floor=1, tac_default=tac)))
        assert card.commands[-1][:4] == h("80AE0000") and card.commands[-1][5:7] == b"Z3"
        assert result.outcome == PROVISIONAL


def test_script_failure_is_in_byte_5_of_the_tvr_not_byte_4():
    for template, bit in (("71", 0x20), ("72", 0x10)):
        card = Card(kinds=(0x80, 0x40), fields={"9F0F": FLOOR}, replies={"PUT": h("6985")})
        script = tlv(template, tlv("86", h("00DA000001AA")))
        result, _ = pay(card, body(aid_entry(floor=1)), online={"arc": "00", "scripts": script})
        assert ("TVR B5b6" if bit == 0x20 else "TVR B5b5") in [what for what, _ in result.explain]
        after = card.commands[-1][7:12] if template == "71" else None
        assert after in (None, h("0000008020"))
        assert result.tvr == FLOOR[:4] + bytes([bit]) and result.outcome == APPROVED, result.tvr.hex()
        assert tlv("95", FLOOR) in result.de55  # what the cryptogram was made over
        assert FLOOR in card.commands[card.names.index("GAC 1")] and result.cid == 0x80


def test_unpredictable_number_comes_from_the_caller_and_is_used_everywhere():
    card = Card(oda="dda", kinds=(0x80, 0x00))
    result, _ = pay(card)
    assert result.un == UN
    assert card.commands[card.names.index("INTERNAL")][5:9] == UN
    assert UN in card.commands[card.names.index("GPO")]
    assert UN in card.commands[card.names.index("GAC 1")]
    for wrong in (b"", b"123", b"12345"):
        try:
            state.Session(txn(), EmvParams(body()), PureCrypto(), wrong)
        except Exception as error:  # noqa: BLE001  the class does not matter, being refused does
            assert error.code == "EMV-102"
            continue
        raise AssertionError("a wrong unpredictable number was taken")


def test_same_tag_twice_in_a_data_object_list_is_answered_twice():
    dol = h("9F37049F02069F37029F37069F0204")
    s = _session()
    s.aid = s.params.aids[0]
    state.fill_terminal(s)
    assert tags.build_dol(dol, s.get) == UN + h("000000500000") + UN[:2] + UN + h("0000") + h("00500000")


def test_unknown_tags_are_not_dropped_from_de55():
    card = Card(fields={"9F7C": h("C0FFEE"), "DF31": h("01"), "9F6E": h("20700000")})
    parameters = body(de55=[0x9F26, 0x9F7C, 0x82, 0xDF31, 0x9F6E, 0x9F36])
    result, _ = pay(card, parameters)
    assert result.de55 == (
        tlv("9F26", result.cryptogram) + h("9F7C03C0FFEE" "82021900" "DF310101" "9F6E0420700000" "9F36020102")
    )  # fmt: skip


def test_unknown_tags_of_the_issuers_answer_reach_the_card():
    card = Card(kinds=(0x80, 0x40), fields={"8D": h("8A02DF7103"), "9F0F": FLOOR})
    pay(card, body(aid_entry(floor=1)), online={"arc": "00", "data": tlv("DF71", h("AABBCC"))})
    assert card.commands[-1][5:10] == b"00" + h("AABBCC")
