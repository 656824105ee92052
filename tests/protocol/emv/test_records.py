"""GET PROCESSING OPTIONS, AFL, READ RECORD, mandatory data: what is malformed ends the transaction with its code."""

from protocol.emv import tags
from protocol.emv.steps import records
from protocol.errors import EmvError
from tests.protocol.emv.scripted import APPROVED, DECLINED, TRACK2, Card, h, pay, tlv
from tests.support.dual import raises

OK = h("9000")


def _ends(card, code, detail=None):
    result, _ = pay(card)
    assert (result.outcome, result.reason) == (DECLINED, code), (result.reason, result.detail)
    assert result.terminated and "GAC 1" not in card.names
    assert isinstance(result.error, EmvError)
    if detail is not None:
        assert result.detail == detail


def test_both_formats_of_the_answer():
    card = Card(replies={"GPO": lambda c, command: _note(c, command) or tlv("80", c.aip + c.afl) + OK})
    result, _ = pay(card)
    assert result.outcome == APPROVED


def _note(card, command):
    card.hashed = command[7:-1]


def test_pdol_values_are_sent_in_template_83():
    card = Card(pdol="9F33039F37049F66049F0206")
    pay(card)
    assert card.commands[card.names.index("GPO")] == h("80A8000013831120B8C8A1B2C3D40000000000000050000000")


def test_without_pdol_an_empty_template_is_sent():
    card = Card(pdol="")
    result, _ = pay(card)
    assert card.commands[card.names.index("GPO")] == h("80A8000002830000")
    assert result.outcome == APPROVED


def test_malformed_processing_options():
    for reply, code in (
        ("6F00", "EMV-108"), ("", "EMV-108"), ("8003190008", "EMV-102"), ("80021900", "EMV-102"), ("77048202", "EMV-101"),
        ("770482021900", "EMV-104"), ("770694040801 0100", "EMV-104"), ("770E820219008202190094040801 0100", "EMV-103"),
        ("770B820119" "94080801010110010200", "EMV-108"), ("7707820119" "940108", "EMV-101"), ("7706820119" "940108", "EMV-102"),
        ("770D820119" "94080801010110010200", "EMV-102"), ("77008000", "EMV-108"), ("80819019", "EMV-101"),
    ):  # fmt: skip
        _ends(Card(replies={"GPO": h(reply) + OK}), code)
    for sw in ("6A81", "6700", "6283"):
        _ends(Card(replies={"GPO": h(sw)}), "EMV-105", "GPO " + sw)


def test_afl_is_held_to_the_letter():
    for good in ("08010101", "08010200F0010300", "0801FF00"[:4] + "4000"):
        assert records.parse_afl(h(good))
    for bad in (
        "", "080101", "0801010100", "00010100", "F8010100", "09010100", "0C010100", "08000100", "08020100", "08010102",
        "0801FF00", "08010101" * 64,
    ):  # fmt: skip
        assert raises(EmvError, records.parse_afl, h(bad)).code == "EMV-106", bad


def test_record_that_is_refused():
    for sw in ("6A83", "6985", "6281"):
        _ends(Card(replies={"READ 2 1": h(sw)}), "EMV-105", "READ " + sw)


def test_record_that_is_not_one_template_70():
    for reply, code in (
        ("5A0499999900", "EMV-108"),
        ("70007000", "EMV-108"),
        ("", "EMV-108"),
        ("7005", "EMV-101"),
        ("70035A0512", "EMV-101"),
    ):
        _ends(Card(replies={"READ 2 1": h(reply) + OK}), code)


def test_padding_between_objects_is_allowed():
    card = Card()
    card.replies["READ 2 1"] = tlv("70", b"\0\0" + card.second + b"\0") + OK
    card.afl = h("0801010110010200")
    result, _ = pay(card)
    assert result.outcome == APPROVED


def test_data_object_in_two_records():
    card = Card()
    card.second += tlv("5F24", h("301231"))
    _ends(card, "EMV-103", "5F24")


def test_data_object_twice_in_one_record():
    card = Card()
    card.record += tlv("5A", h("9999990000000018"))
    _ends(card, "EMV-103", "5A")


def test_mandatory_data():
    for tag in ("5A", "5F24", "8C", "8D"):
        _ends(Card(fields={tag: None}), "EMV-104", tag)


def test_wrong_lengths_and_contents():
    for tag, value in (
        ("5A", ""), ("5A", "99999900000000181234FF"), ("5A", "9999990000F00018"), ("5A", "99999A0000000018"), ("5A", "123456"),
        ("5F24", "3012"), ("5F24", "301331"), ("5F24", "301200"), ("5F24", "30123A"), ("5F25", "240001"), ("5F34", "0A"),
        ("5F34", "0101"), ("9F07", "FF"), ("9F08", "00"), ("9F0D", "FC602428"), ("9F0E", ""), ("8C", "01"), ("5F28", "000012"),
    ):  # fmt: skip
        _ends(Card(fields={tag: h(value)}), "EMV-102", tag)


def test_dates_are_of_the_calendar():
    for text in ("240229", "000229", "300430", "501231", "230228"):
        tags.check_date(tags.EXPIRY, h(text))
    for text in ("300231", "230229", "300431", "300600", "301301", "300001", "30113A", "3011"):
        raises(EmvError, tags.check_date, tags.EXPIRY, h(text))


def test_malformed_data_object_lists():
    for value in ("9F02", "9F02069F", "9F02FF"):
        _ends(Card(fields={"8C": h(value)}), "EMV-107")
    _ends(Card(fields={"8C": h("9F107F9F107F9F107F")}), "EMV-107")
    _ends(Card(pdol="9F02"), "EMV-107")


def test_card_cannot_replace_the_terminals_data():
    card = Card(fields={"9F02": h("000000000001"), "9F37": bytes(4), "95": bytes(5), "9C": b"\x20"})
    result, _ = pay(card)
    gac = card.commands[-1]
    assert gac[5:11] == h("000000500000")
    assert gac[30:34] == h("A1B2C3D4")
    assert result.outcome == APPROVED


def test_too_many_records_are_refused_before_any_is_read():
    card = Card()
    card.afl = h("08014100")
    result, _ = pay(card)
    assert (result.reason, result.detail) == ("EMV-106", "65")
    assert not [name for name in card.names if name.startswith("READ")]


def test_a_number_of_no_digits_is_none():
    for value in ("", "FF", "FFFFFFFFFFFFFFFF"):
        assert raises(EmvError, tags.pan_digits, h(value)).code == "EMV-102"


def test_track_2_with_another_number_than_5a_ends_the_payment():
    number, rest = TRACK2[:8], TRACK2[8:]
    for other in ("9999990000000026", "9999990100000018", "8999990000000018"):
        _ends(Card(fields={"57": h(other) + rest}), "EMV-102", "5A 57")
        _ends(Card(fields={"5A": h(other)}), "EMV-102", "5A 57")
    longer = h("9999990000000018" + "0D3012201123456789")  # the same digits and one more
    _ends(Card(fields={"57": longer}), "EMV-102", "5A 57")
    for same in ({"57": number + rest + h("FF")}, {"57": None}):
        assert pay(Card(fields=same))[0].outcome == APPROVED


def test_track_2_that_is_none_ends_the_payment():
    for value in ("9999990000000018", "9999990000000018D3", "9999990000000018DA0122F", "D301220112345678"):
        _ends(Card(fields={"57": h(value + "F" * (len(value) % 2))}), "EMV-102")


def test_the_date_that_counts_is_5f24_whatever_track_2_says():
    for expiry, date in (("2501", "301231"), ("3512", "301231")):
        result, _ = pay(Card(fields={"57": TRACK2[:8] + h("D" + expiry + "2011234567890"), "5F24": h(date)}))
        assert result.outcome == APPROVED and not result.tvr[1] & 0x40
    result, _ = pay(Card(fields={"5F24": h("251231"), "5F25": h("210201")}))
    assert result.tvr[1] & 0x40
