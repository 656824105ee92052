"""Offline data authentication inside a transaction: each failure's TVR bits, and that none of them is approved offline."""

from protocol.emv.oda import authenticate
from tests.protocol.emv.scripted import (
    APPROVED,
    DECLINED,
    PAN,
    PROVISIONAL,
    Card,
    aid_entry,
    body,
    ca_entry,
    h,
    icc_certificate,
    issuer_certificate,
    pay,
    tlv,
    txn,
)
from tests.support.dual import record

CDA_FAILED = h("0400000000")
CDA_MISSING = h("2400000000")


def _lenient(**changes):
    """Action codes that let everything but a missing CDA pass: shows what the house rule alone does."""
    zero = bytes(5)
    return body(aid_entry(tac_denial=zero, tac_online=zero, tac_default=zero), **changes)


def _no_codes(extra=None):
    fields = {"9F0D": bytes(5), "9F0E": bytes(5), "9F0F": bytes(5)}
    fields.update(extra or {})
    return fields


def test_the_method_is_the_best_both_can():
    table = (
        (0x61, 0xC8, "cda"), (0x61, 0xC0, "dda"), (0x61, 0x80, "sda"), (0x60, 0xC8, "dda"), (0x40, 0xC8, "sda"),
        (0x01, 0xC0, "none"), (0x00, 0xC8, "none"), (0x61, 0x00, "none"), (0x20, 0x88, "none"),
    )  # fmt: skip
    for aip, capability, expected in table:
        assert authenticate.method(aip, capability) == expected, (aip, capability)


def _failing(signed_fields=None, parameters=None, transaction=None, **card):
    """An ARQC card whose authentication fails before the first GENERATE AC: what it was asked and what it left."""
    card = Card(kinds=(0x80, 0x00), signed_fields=signed_fields, **card)
    result, _ = pay(card, parameters, transaction)
    assert result.outcome == DECLINED, result.reason
    assert card.commands[-2][2] == 0x80  # online asked, no CDA in P1
    assert not result.cda_ok
    return result


def test_unknown_ca_key_fails_cda_without_missing_data():
    result = _failing(signed_fields={"8F": b"\xe2"})
    assert result.tvr == CDA_FAILED
    assert ("TVR B1b3", "ca-key-unknown") in result.explain


def test_ca_key_with_a_wrong_check_sum_is_not_used():
    result = _failing(parameters=body(ca_keys=[ca_entry(sha1=bytes(20))]))
    assert ("TVR B1b3", "ca-key-digest") in result.explain


def test_expired_ca_key_is_not_used():
    assert ("TVR B1b3", "ca-key-expired") in _failing(parameters=body(ca_keys=[ca_entry(expiry="20261121")])).explain
    result, _ = pay(Card(), body(ca_keys=[ca_entry(expiry="20261122")]))
    assert result.outcome == APPROVED


def test_certificates_are_good_until_the_end_of_their_month():
    old, rest = issuer_certificate(expiry="1126")
    result, _ = pay(Card(signed_fields={"90": old, "92": rest}), transaction=txn(date="261130"))
    assert result.outcome == APPROVED
    result = _failing(signed_fields={"90": old, "92": rest}, transaction=txn(date="261201"))
    assert ("TVR B1b3", "issuer-expired") in result.explain


def test_expired_icc_certificate_fails():
    card = Card()
    old, rest = icc_certificate(card.record + card.aip, expiry="1026")
    assert ("TVR B1b3", "icc-expired") in _failing(signed_fields={"9F46": old, "9F48": rest}).explain


def test_icc_certificate_of_another_pan_fails():
    card = Card()
    other, rest = icc_certificate(card.record + card.aip, pan=h("9999990000000026"))
    assert ("TVR B1b3", "icc-pan") in _failing(signed_fields={"9F46": other, "9F48": rest}).explain


def test_issuer_certificate_for_another_bin_fails():
    other, rest = issuer_certificate(identifier="888888FF")
    assert ("TVR B1b3", "issuer-identifier") in _failing(signed_fields={"90": other, "92": rest}).explain


def test_revoked_issuer_certificate_fails():
    result = _failing(parameters=body(revoked=[h("F000005444E1000001")]))
    assert ("TVR B1b3", "issuer-revoked") in result.explain


def test_missing_data_sets_both_bits():
    for tag in ("8F", "90", "9F32", "9F46", "9F47", "92", "9F48"):
        result = _failing(signed_fields={tag: None})
        wanted = CDA_MISSING if tag not in ("92", "9F48") else CDA_FAILED  # a lost remainder shows as a wrong hash
        assert result.tvr == wanted, (tag, result.explain)


def test_changed_static_data_fail():
    genuine = Card().record + b"\x19\x00"
    certificate, rest = icc_certificate(genuine)
    result = _failing(fields={"5F34": b"\x02"}, signed_fields={"9F46": certificate, "9F48": rest})
    assert ("TVR B1b3", "icc-hash") in result.explain


def test_changed_aip_fails_because_the_sda_tag_list_covers_it():
    certificate, rest = icc_certificate(Card().record + b"\x19\x00")
    result = _failing(aip="1D00", signed_fields={"9F46": certificate, "9F48": rest})
    assert ("TVR B1b3", "icc-hash") in result.explain


def test_sda_tag_list_with_anything_but_the_aip_fails():
    for listed in ("825A", "5A", ""):
        result = _failing(signed_fields={"9F4A": h(listed)})
        assert ("TVR B1b3", "sda-tag-list") in result.explain, listed


def test_tc_with_a_wrong_cda_signature_is_declined():
    card = Card(kinds=(0x40,))
    card.cda_damage = 1
    result, _ = pay(card)
    assert (result.outcome, result.reason) == (DECLINED, "EMV-121")
    assert ("TVR B1b3", "cda-cid") in result.explain
    assert result.tsi == h("E800") and result.de55 == b""


def test_tc_without_any_signature_is_declined():
    def unsigned(card, command):
        return card.generate(command[2] & 0xEF, b"")

    for codes in (None, _no_codes()):
        result, _ = pay(Card(kinds=(0x40,), fields=codes, replies={"GAC 1": unsigned}), _lenient())
        assert (result.outcome, result.reason) == (DECLINED, "EMV-121")
        assert not result.cda_ok


def test_transaction_data_changed_between_card_and_terminal_fails_cda():
    def other_amount(card, command):
        data = command[5 : 5 + command[4]]
        return card.generate(command[2], h("000000000100") + data[6:])

    result, _ = pay(Card(kinds=(0x40,), replies={"GAC 1": other_amount}))
    assert result.reason == "EMV-121"
    assert ("TVR B1b3", "cda-transaction-hash") in result.explain


def test_cryptogram_in_clear_that_differs_from_the_signed_one_fails_cda():
    def both(card, command):
        answer = card.generate(command[2], command[5 : 5 + command[4]])
        inner = answer[3:-2] if answer[1] & 0x80 else answer[2:-2]
        return tlv("77", inner + tlv("9F26", bytes(8))) + h("9000")

    result, _ = pay(Card(kinds=(0x40,), replies={"GAC 1": both}))
    assert result.reason == "EMV-121"


def test_arqc_whose_cda_fails_is_ended_by_an_aac_and_never_sent():
    card = Card(kinds=(0x80, 0x00))
    card.cda_damage = 1
    result, trace = pay(card, online={"arc": "00"})
    assert (result.outcome, result.reason) == (DECLINED, "EMV-121")
    assert card.commands[-1][:4] == h("80AE0000")
    assert card.commands[-1][5:12] == b"Z1" + CDA_FAILED
    assert not trace.of("online")


def test_dda_is_never_approved_offline_but_may_be_provisional():
    card = Card(oda="dda", kinds=(0x80, 0x00), fields=_no_codes())
    result, _ = pay(card, _lenient())
    assert (result.outcome, result.reason, result.oda) == (PROVISIONAL, "DEFERRED", "dda")
    assert result.tvr == bytes(5)
    assert card.commands[-2][2] == 0x80 and card.commands[-1][2] == 0x00
    assert ("RULE", "offline-needs-cda") in result.explain
    record("de55", result.de55)


def test_dda_goes_online():
    result, _ = pay(
        Card(oda="dda", kinds=(0x80, 0x40), fields=_no_codes()), _lenient(), online={"arc": "00", "auth_code": "A1"}
    )
    assert (result.outcome, result.reason, result.auth_code) == (APPROVED, "00", "A1")


def test_sda_is_never_approved_offline_nor_deferred():
    result, _ = pay(Card(oda="sda", kinds=(0x80, 0x00), fields=_no_codes()), _lenient())
    assert (result.outcome, result.reason, result.oda) == (DECLINED, "Z3", "sda")
    assert result.tvr == h("0200000000")


def test_card_without_any_method_is_not_approved_offline():
    result, _ = pay(Card(oda="none", kinds=(0x80, 0x00), fields=_no_codes()), _lenient())
    assert (result.outcome, result.tvr, result.tsi[0] & 0x80) == (DECLINED, h("8000000000"), 0)


def test_yes_card_that_answers_tc_to_an_arqc_request_is_refused():
    for method in ("dda", "sda", "none"):
        result, _ = pay(Card(oda=method, kinds=(0x40,), fields=_no_codes()), _lenient())
        assert (result.outcome, result.reason) == (DECLINED, "EMV-120"), method


def test_dda_over_other_data_fails():
    result, _ = pay(
        Card(oda="dda", kinds=(0x80, 0x00), replies={"INTERNAL": lambda c, _: c._answer("INTERNAL", bytes(10))})
    )
    assert result.tvr == h("0800000000")
    assert result.outcome == DECLINED


def test_refused_internal_authenticate_ends_the_transaction():
    card = Card(oda="dda", replies={"INTERNAL": h("6A80")})
    result, _ = pay(card)
    assert (result.outcome, result.reason, result.detail) == (DECLINED, "EMV-105", "INTERNAL-AUTH 6A80")
    assert result.terminated and card.names[-1] == "INTERNAL"


def test_ddol_without_the_unpredictable_number_fails():
    result, _ = pay(Card(oda="dda", kinds=(0x80, 0x00), fields={"9F49": h("9A03")}))
    assert result.tvr == h("0800000000")


def test_sda_over_changed_data_fails():
    genuine = Card(oda="sda", aip="5800")
    changed = Card(oda="sda", kinds=(0x80, 0x00), fields={"5A": PAN, "5F34": b"\x09"})
    changed.third = genuine.third
    result, _ = pay(changed)
    assert result.tvr == h("4200000000")


def test_record_of_a_proprietary_file_that_is_no_template_fails_authentication():
    card = Card(kinds=(0x80, 0x00), replies={"READ 11 1": h("0102039000")})
    card.afl = h("080101015801010110010200")
    result, _ = pay(card)
    assert ("TVR B1b3", "record-template") in result.explain
    assert result.outcome == DECLINED
