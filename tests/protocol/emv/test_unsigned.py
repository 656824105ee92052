"""A wedge between card and reader adds an object to an answer that nothing signs: what the signed record says is what counts."""

from tests.protocol.emv.scripted import APPROVED, DECLINED, NO_CVM, OFFLINE_PIN, Card, h, pay, tlv
from tests.protocol.emv.wedge import Wedge

SELECT, OPTIONS, GENERATE = 0xA4, 0xA8, 0xAE
IGNORED = "not-of-this-answer "


def _wrong():
    return [bytearray(b"9999") for _ in range(3)]


def _same(objects, fields, replies=None, at=SELECT, declined=True):
    """The wedge's payment ends as the honest one; returns its result."""
    honest, _ = pay(Card(fields=fields, replies=replies), pins=_wrong())
    result, _ = pay(Wedge(Card(fields=fields, replies=replies), objects, at), pins=_wrong())
    assert (honest.outcome == DECLINED) == declined, honest.reason
    assert (result.outcome, result.reason) == (honest.outcome, honest.reason), result.reason
    assert (result.tvr, result.cvm_results, result.psn) == (honest.tvr, honest.cvm_results, honest.psn)
    assert (result.expiry, result.de55) == (honest.expiry, honest.de55)
    return result


def test_list_without_a_pin_in_the_fci_does_not_replace_the_signed_one():
    result = _same(tlv("8E", NO_CVM), {"8E": OFFLINE_PIN})
    assert result.cvm_results == h("010001")
    assert ("SELECT", IGNORED + "8E") in result.explain


def test_expiry_in_the_fci_does_not_renew_an_expired_card():
    result = _same(tlv("5F24", h("311231")), {"5F24": h("260131")})
    assert result.tvr[1] & 0x40 and result.expiry == h("260131")


def test_usage_control_in_the_fci_allows_nothing():
    result = _same(tlv("9F07", h("FF00")), {"9F07": h("0000")})
    assert result.tvr[1] & 0x10


def test_velocity_limits_in_the_fci_count_nothing():
    counters = {"GET 9F36": h("9F36020102") + h("9000"), "GET 9F13": h("9F13020100") + h("9000")}
    result = _same(tlv("9F14", b"\xff") + tlv("9F23", b"\xff"), {"9F14": b"\0", "9F23": b"\0"}, counters)
    assert result.tvr[3] & 0x60 == 0x60


def test_sequence_number_in_the_fci_is_not_the_cards():
    result = _same(tlv("5F34", h("07")), {}, declined=False)
    assert result.psn == 1 and tlv("5F34", h("01")) in result.de55


def test_action_codes_dates_country_and_currency_in_the_fci_are_not_the_cards():
    _same(tlv("9F0D", bytes(5)) + tlv("9F0F", bytes(5)), {"9F0F": b"\xff\xff\xff\xff\xff", "8E": OFFLINE_PIN})
    _same(tlv("5F25", h("200101")), {"5F25": h("270101")})
    _same(tlv("5F28", h("0012")), {"5F28": h("0250"), "9F07": h("2900")})
    _same(tlv("9F42", h("0012")), {"9F42": h("0250"), "8E": h("00000001000000011F07") + h("0100")})


def test_interchange_profile_in_the_fci_is_not_the_cards():
    result = _same(tlv("82", h("0900")), {"8E": OFFLINE_PIN})
    assert result.cvm_results == h("010001")


def test_objects_beside_profile_and_locator_in_the_answer_to_gpo_are_not_the_cards():
    for objects in (tlv("8E", NO_CVM), tlv("5F24", h("311231")), tlv("9F4A", b"\x82") + tlv("5F34", h("07"))):
        _same(objects, {"8E": OFFLINE_PIN, "5F24": h("260131")}, at=OPTIONS)
        _same(objects, {}, at=OPTIONS, declined=False)


def test_objects_added_to_a_signed_cryptogram_break_its_signature():
    for objects in (tlv("8E", NO_CVM), tlv("5F24", h("311231")), tlv("5F34", h("07"))):
        result, _ = pay(Wedge(Card(), objects, GENERATE))
        assert (result.outcome, result.reason) == (DECLINED, "EMV-121")


def test_record_that_contradicts_the_fci_or_the_options_ends_the_payment():
    for tag, value in (("9F38", "9F3704"), ("82", "3900"), ("94", "08010100"), ("84", "F00000544402"), ("50", "41")):
        result, _ = pay(Card(fields={tag: h(value)}))
        assert (result.outcome, result.reason, result.detail) == (DECLINED, "EMV-103", tag)
        assert result.terminated


def test_record_that_says_the_same_as_the_fci_and_the_options_is_fine():
    result, _ = pay(Card(fields={"9F38": h("9F33039F3704"), "82": h("1900"), "50": b"CIB TEST"}))
    assert (result.outcome, result.reason) == (APPROVED, "Y1")


def test_what_belongs_into_an_fci_is_taken_from_it():
    whole = (
        tlv("5F2D", b"frar") + tlv("9F11", b"\x01") + tlv("9F12", b"DE MON CHOIX") + tlv("BF0C", tlv("9F4D", h("0B0A")))
    )
    result, _ = pay(Wedge(Card(), whole))
    assert (result.outcome, result.label) == (APPROVED, "DE MON CHOIX")
    assert not [why for _, why in result.explain if why.startswith(IGNORED)]


def test_card_that_does_not_sign_its_profile_is_not_approved_offline():
    """The genuine certificate covers record and profile; without 9F4A the profile's bytes hide in the record, and another one is told."""
    card = Card(kinds=(0x80, 0x00), fields={"8E": OFFLINE_PIN}, signed_fields={"9F4A": None})
    card.record += card.aip
    card.aip = h("0900")  # no CVM
    result, _ = pay(card, pins=_wrong())
    assert result.cvm_results == h("3F0000") and not result.tvr[0] & 0x04
    assert card.commands[card.names.index("GAC 1")][2] == 0x90
    assert ("RULE", "offline-needs-cda") in result.explain and result.outcome != APPROVED
