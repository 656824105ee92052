"""Kernel 2, presentation by presentation: the order of the commands, every outcome, limits, relay resistance."""

from protocol.emv.contactless import outcome as o
from protocol.emv.contactless import ui
from tests.protocol.emv.contactless.scripted_c2 import (
    AAC,
    ANY_CVM,
    ARQC,
    PROMPT,
    TC,
    Card2,
    combination,
    tap,
)  # fmt: skip
from tests.protocol.emv.scripted import PAN_DIGITS, TRACK2, body, h, sha256, tlv, txn
from tests.support.dual import record

READS = ["READ 1 1", "READ 2 1", "READ 2 2"]


def _reason(result):
    outcome, s, _ = result
    return outcome.kind, outcome.message, outcome.reason, str(outcome.error), s.explain


def test_tc_in_a_valid_signature_is_approved_with_the_fewest_commands():
    card = Card2()
    outcome, s, trace = tap(card)
    assert (outcome.kind, outcome.message, outcome.cvm) == (o.APPROVED, ui.APPROVED, o.NO_CVM)
    assert card.names == ["GPO"] + READS + ["GAC"]
    assert card.asked == [TC | 0x10]
    assert outcome.cryptogram.signed and outcome.cryptogram.kind == TC
    assert s.tvr == h("0000000001")
    assert s.cvm == h("1F0002")
    assert trace.of("ui") == [("ui", ui.CARD_READ_OK, ui.READ)]
    assert len(trace.of("first_gac")) == 1 and len(trace.of("identified")) == 1
    record("explain", str(s.explain))
    record("ac", outcome.cryptogram.value)


def test_arqc_is_an_online_request():
    outcome, s, _ = tap(Card2(kind=ARQC))
    assert (outcome.kind, outcome.message, outcome.cryptogram.kind) == (o.ONLINE_REQUEST, ui.AUTHORISING, ARQC)
    assert outcome.cryptogram.signed


def test_a_combination_that_is_never_offline_asks_for_an_arqc():
    card = Card2()
    outcome, s, _ = tap(card, combination(offline=False))
    assert card.asked == [ARQC | 0x10] and outcome.kind == o.ONLINE_REQUEST
    assert ("RULE", "never-offline") in s.explain


def test_a_card_that_declines_is_to_be_inserted_where_there_is_a_contact_reader():
    outcome, _, _ = tap(Card2(kind=AAC))
    assert (outcome.kind, outcome.message, outcome.reason) == (o.TRY_ANOTHER_INTERFACE, ui.INSERT_CARD, "")


def test_a_card_that_declines_is_declined_where_there_is_none():
    outcome, _, _ = tap(Card2(kind=AAC), combination(capabilities=h("0008C8")))
    assert (outcome.kind, outcome.message, outcome.reason) == (o.DECLINED, ui.DECLINED, "Z1")


def test_a_phone_that_declines_has_nothing_to_insert():
    phone = {"9F6E": h("00120000303100")}
    assert tap(Card2(kind=AAC, fields=phone))[0].kind == o.DECLINED
    card = {"9F6E": h("00120000303000")}
    assert tap(Card2(kind=AAC, fields=card))[0].kind == o.TRY_ANOTHER_INTERFACE
    no_type = {"9F6E": h("0012800000")}
    assert tap(Card2(kind=AAC, fields=no_type))[0].kind == o.TRY_ANOTHER_INTERFACE


def test_a_declined_refund_ends_the_application():
    outcome, _, _ = tap(Card2(kind=AAC), transaction=txn(type=0x20))
    assert (outcome.kind, outcome.message) == (o.END_APPLICATION, ui.CLEAR)


def test_a_device_that_wants_its_holder_is_presented_again():
    for bits in ("000100", "000200", "000001", "00000F"):
        outcome, _, _ = tap(Card2(kind=AAC, extra=tlv("DF4B", h(bits))))
        assert (outcome.kind, outcome.message, outcome.cryptogram) == (o.TRY_AGAIN, ui.SEE_PHONE, None), bits
    outcome, _, _ = tap(Card2(kind=AAC, extra=tlv("DF4B", h("001000"))))  # "offline PIN verification successful"
    assert outcome.kind == o.TRY_ANOTHER_INTERFACE


def test_more_than_was_asked_for_ends_the_application():
    for kind in (TC, 0xC0):
        outcome, _, _ = tap(Card2(kind=kind), combination(offline=False))
        assert (outcome.kind, outcome.message, outcome.reason) == (o.END_APPLICATION, ui.TRY_ANOTHER_CARD, "EMV-120")


def test_a_wrong_signature_ends_the_application():
    for kind in (TC, ARQC):
        card = Card2(kind=kind)
        card.spoil = lambda dynamic: dynamic[:-1] + bytes([dynamic[-1] ^ 1])
        outcome, s, _ = tap(card)
        assert (outcome.kind, outcome.reason) == (o.END_APPLICATION, "EMV-121")
        assert s.tvr[0] & 0x04 and outcome.cryptogram.failed


def test_a_missing_signature_ends_the_application_but_for_an_aac():
    def bare(kind):
        return tlv("77", tlv("9F27", bytes([kind])) + tlv("9F36", b"\0\1") + tlv("9F26", bytes(8))) + h("9000")

    for kind in (TC, ARQC):
        card = Card2()
        card.replies["GAC"] = bare(kind)
        assert tap(card)[0].reason == "EMV-121"
    card = Card2()
    card.replies["GAC"] = bare(AAC)
    assert tap(card)[0].kind == o.TRY_ANOTHER_INTERFACE


def test_without_cda_the_card_goes_online_and_a_device_is_refused():
    card = Card2(oda="none", aip="1880")
    outcome, s, _ = tap(card)
    assert card.asked == [ARQC] and outcome.kind == o.ONLINE_REQUEST and not outcome.cryptogram.signed
    assert s.tvr[0] == 0x80
    device = Card2(oda="none", aip="1A80")
    outcome, s, _ = tap(device)
    assert device.asked == [AAC] and ("RULE", "device-needs-cda") in s.explain


def test_cda_data_that_are_missing_are_told_to_the_card():
    card = Card2(signed_fields={"9F46": None})
    outcome, s, _ = tap(card)
    assert card.asked == [ARQC] and s.tvr[0] == 0x24
    assert outcome.kind == o.ONLINE_REQUEST and not outcome.cryptogram.signed
    unknown = Card2(signed_fields={"8F": b"\x07"})
    _, s, _ = tap(unknown)
    assert unknown.asked == [ARQC] and s.tvr[0] == 0x04


def test_cda_without_its_tag_list_ends_the_application():
    for value in (None, b"\x82\x84"):
        card = Card2(signed_fields={"9F4A": value})
        outcome, _, _ = tap(card)
        assert (outcome.kind, outcome.reason, card.asked) == (o.END_APPLICATION, "EMV-102", [])
    assert tap(Card2(oda="none", aip="1880", signed_fields={"9F4A": None}))[0].kind == o.ONLINE_REQUEST


def test_cda_on_an_aac_is_asked_for_where_the_card_says_so():
    denied = combination(tac_denial=h("0000000001"))
    plain = Card2()
    tap(plain, denied)
    assert plain.asked == [AAC]
    capable = Card2(fields={"9F5D": h("000100")})
    outcome, _, _ = tap(capable, denied)
    assert capable.asked == [AAC | 0x10]
    assert outcome.cryptogram.signed and outcome.cryptogram.kind == AAC
    silent = Card2(fields={"9F5D": h("000100")})
    silent.replies["GAC"] = lambda card, command: tlv("80", h("00000100") + bytes(7)) + h("9000")
    assert tap(silent, denied)[0].reason == "EMV-121"


def test_application_capabilities_may_come_in_the_fci():
    card = Card2()
    fci = card.fci()
    fci[0xBF0C] = tlv("9F5D", h("000100"))
    card.fci = lambda: fci
    tap(card, combination(tac_denial=h("0000000001")))
    assert card.asked == [AAC | 0x10]


def test_get_processing_options_that_is_refused_leads_to_the_next_combination():
    for answer in ("6985", "6A81"):
        card = Card2()
        card.replies["GPO"] = h(answer)
        outcome, _, _ = tap(card)
        assert (outcome.kind, outcome.reason) == (o.SELECT_NEXT, "EMV-105"), answer
        assert card.names == ["GPO"]


def test_a_malformed_answer_to_get_processing_options_ends_the_application():
    rows = (("9000", "EMV-108"), ("770482021980" + "9000", "EMV-104"), ("80029000", "EMV-101"))
    for answer, reason in rows:
        card = Card2()
        card.replies["GPO"] = h(answer)
        outcome, _, _ = tap(card)
        assert (outcome.kind, outcome.reason) == (o.END_APPLICATION, reason), answer
        assert card.names == ["GPO"]


def test_a_file_control_information_that_cannot_be_read_leads_to_the_next_combination():
    for tag, value, reason in ((0xBF0C, h("9F5D"), "EMV-101"), (0x9F38, h("9F"), "EMV-107")):
        card = Card2()
        fci = card.fci()
        fci[tag] = value
        card.fci = lambda fci=fci: fci
        outcome, _, _ = tap(card)
        assert (outcome.kind, outcome.reason) == (o.SELECT_NEXT, reason)
        assert card.names == []


def test_a_card_without_emv_mode_ends_the_application():
    card = Card2(aip="1900")
    outcome, _, _ = tap(card)
    assert (outcome.kind, outcome.reason) == (o.END_APPLICATION, "EMV-142")
    assert card.names == ["GPO"]


def test_the_limit_comes_before_what_is_missing():
    entry = combination(limit=500000)
    for tag in ("5A", "5F24", "8C"):
        missing = {tag: None}
        assert tap(Card2(signed_fields=missing, fields=missing), entry)[0].reason == "EMV-143"
        outcome, _, _ = tap(Card2(signed_fields=missing, fields=missing))
        assert (outcome.kind, outcome.reason) == (o.END_APPLICATION, "EMV-104")


def test_contactless_limits_with_and_without_a_device_that_verifies():
    entry = combination(limit=500000, device_limit=900000)
    assert tap(Card2(), entry, transaction=txn(amount=499999))[0].kind == o.APPROVED
    outcome, _, _ = tap(Card2(), entry, transaction=txn(amount=500000))
    assert (outcome.kind, outcome.reason) == (o.SELECT_NEXT, "EMV-143")
    assert tap(Card2(aip="1B80"), entry, transaction=txn(amount=899999))[0].kind == o.APPROVED
    assert tap(Card2(aip="1B80"), entry, transaction=txn(amount=900000))[0].reason == "EMV-143"
    deaf = combination(limit=500000, device_limit=900000, configuration=h("10"))
    assert tap(Card2(aip="1B80"), deaf, transaction=txn(amount=500000))[0].reason == "EMV-143"


def test_floor_limit_and_lists_are_told_to_the_card():
    _, s, _ = tap(Card2(), combination(floor=500000))
    assert s.tvr[3] == 0x80
    _, s, _ = tap(Card2(), combination(floor=500001))
    assert s.tvr[3] == 0
    _, s, _ = tap(Card2(), combination(floor=500001), identified={"logged": 1})
    assert s.tvr[3] == 0x80
    _, s, _ = tap(Card2(), identified={"exception": True, "online": True})
    assert s.tvr[0] == 0x10 and s.tvr[3] == 0x08


def test_a_card_on_the_exception_file_meets_the_action_codes():
    for denial, asked in ("0010000004", ARQC), ("1010000004", AAC):
        entry = combination(tac_denial=h(denial))
        card = Card2()
        _, s, _ = tap(card, parameters=body(contactless=[entry], exceptions=[bytes(32), sha256(PAN_DIGITS)]))
        assert s.tvr[0] == 0x10 and ("TVR B1b5", "exception-file 5A") in s.explain
        assert card.asked[0] & 0xC0 == asked
    _, s, _ = tap(Card2(), parameters=body(contactless=[combination()], exceptions=[bytes(32)]))
    assert s.tvr[0] == 0


def test_the_caller_stops_before_any_cryptogram():
    card = Card2()
    outcome, _, _ = tap(card, identified="limit of the officer")
    assert (outcome.kind, outcome.reason, outcome.error.detail) == (o.DECLINED, "STOP", "limit of the officer")
    assert card.names == ["GPO"] + READS


def test_processing_restrictions_reach_the_tvr():
    _, s, _ = tap(Card2(fields={"5F24": h("251231"), "9F08": h("0002"), "9F07": h("0000"), "5F25": h("301231")}))
    assert s.tvr[1] == 0xF0


def test_mandatory_data():
    for tag in ("5F24", "5A", "8C"):
        outcome, _, _ = tap(Card2(fields={tag: None}))
        assert (outcome.kind, outcome.reason) == (o.END_APPLICATION, "EMV-104"), tag


def test_relay_resistance_is_exchanged_once_and_signed():
    card = Card2(aip="1981")
    outcome, s, _ = tap(card)
    assert card.names == ["GPO", "RELAY"] + READS + ["GAC"]
    assert s.tvr == h("0000000002") and outcome.kind == o.APPROVED and outcome.cryptogram.signed
    assert s.un == b"\xe1\xe1\xe1\xe1" and card.commands[-1][5 + 25 : 5 + 29] == s.un
    assert s.terminal[0xDF8306] == h("000F")


def test_relay_resistance_data_outside_the_signature_or_changed_in_it_end_the_application():
    for spoil in (
        lambda dynamic: dynamic[:38],
        lambda dynamic: dynamic[:38] + bytes([dynamic[38] ^ 1]) + dynamic[39:],
        lambda dynamic: dynamic[:-1] + b"\x19",
    ):
        card = Card2(aip="1981")
        card.spoil = spoil
        assert tap(card)[0].reason == "EMV-121"


def test_slow_three_times_is_told_to_the_card_and_denied_by_the_action_code():
    card = Card2(aip="1981")
    outcome, s, _ = tap(card, elapsed=(42 + 71,))
    assert card.names == ["GPO"] + ["RELAY"] * 3 + READS + ["GAC"]
    assert s.tvr[4] == 0x06 and s.un == b"\xe3\xe3\xe3\xe3" and s.terminal[0xDF8307] == b"\x02"
    assert card.asked == [AAC] and outcome.reason == "EMV-144"
    record("explain", str(s.explain))


def test_slow_once_is_asked_again_and_forgotten():
    card = Card2(aip="1981")
    outcome, s, _ = tap(card, elapsed=(500, PROMPT))
    assert card.names.count("RELAY") == 2
    assert s.tvr[4] == 0x02 and outcome.kind == o.APPROVED


def test_faster_than_possible_is_no_card():
    slow = Card2(aip="1981", relay=h("00640078") + h("0018"))
    outcome, _, _ = tap(slow, elapsed=(42 + 79,))
    assert (outcome.kind, outcome.reason) == (o.END_APPLICATION, "EMV-144")
    assert tap(Card2(aip="1981", relay=h("006400780018")), elapsed=(42 + 80,))[0].kind == o.APPROVED


# minimum, maximum, estimate; elapsed -> TVR byte 5
RELAYS = (
    ("000A", "0014", "0018", 57, 0x02),
    ("000A", "0014", "0018", 42 + 70, 0x02),  # maximum and grace period
    ("000A", "0014", "0018", 42 + 71, 0x06),
    ("000A", "0014", "000C", 30 + 15, 0x02),  # half of what the terminal expects
    ("000A", "0014", "000B", 29 + 15, 0x0A),
    ("000A", "0014", "0030", 42 + 15, 0x02),  # twice
    ("000A", "0014", "0031", 42 + 15, 0x0A),
    ("000A", "0014", "0000", 18 + 15, 0x0A),  # no estimate
    ("0000", "0400", "0018", 42 + 300, 0x02),  # accuracy
    ("0000", "0400", "0018", 42 + 301, 0x0A),
    ("0000", "0000", "0018", 42 + 51, 0x06),
    ("0000", "0000", "0018", 3, 0x02),  # never negative
    ("FFFF", "FFFF", "FFFF", 0x20000, 0x0E),
)


def test_table_of_relay_resistance():
    for low, high, estimate, elapsed, expected in RELAYS:
        card = Card2(aip="1981", relay=h(low + high + estimate))
        _, s, _ = tap(card, elapsed=(elapsed,))
        assert s.tvr[4] == expected, (low, high, estimate, elapsed, s.explain)


def test_relay_answers_that_are_none_end_the_application():
    for answer in (
        "6985",
        "9000",
        "8009" + "00" * 9 + "9000",
        "770A" + "00" * 10 + "9000",
        "800B" + "00" * 11 + "9000",
        "8005",
    ):
        card = Card2(aip="1981")
        card.replies["RELAY"] = h(answer)
        outcome, _, _ = tap(card)
        assert outcome.kind == o.END_APPLICATION and outcome.reason in ("EMV-144", "EMV-101"), answer
        assert "GAC" not in card.names


def test_a_reader_without_relay_resistance_says_nothing_of_it():
    card = Card2(aip="1981")
    outcome, s, _ = tap(card, combination(configuration=h("20")))
    assert s.tvr[4] == 0 and "RELAY" not in card.names and outcome.kind == o.APPROVED


def test_status_words_of_the_contact_interface_are_not_followed():
    for name, answer in (("GAC", "6C10"), ("READ 2 1", "6110"), ("GPO", "6C00")):
        card = Card2()
        card.replies[name] = h(answer)
        outcome, _, _ = tap(card)
        assert outcome.reason == "EMV-105" and card.names.count(name) == 1


def test_link_failures_ask_for_the_same_card_again():
    for name in ("GPO", "RELAY", "READ 1 1", "GAC"):
        for before in (True, False):
            card = Card2(aip="1981")
            card.torn = (name, before)
            outcome, _, _ = tap(card)
            assert (outcome.kind, outcome.message, outcome.cryptogram) == (o.TRY_AGAIN, ui.PRESENT_AGAIN, None)
            assert outcome.error.code == "CRD-003"


def test_online_pin_is_left_to_the_outcome_and_never_answered_offline():
    card = Card2(fields={"8E": ANY_CVM})
    outcome, s, trace = tap(card, combination(cvm_limit=500000, tac_online=h("0000000000")))
    assert outcome.cvm == o.ONLINE_PIN and s.online_pin and outcome.kind == o.ONLINE_REQUEST
    assert s.tvr[2] == 0x04 and card.asked == [ARQC | 0x10]
    assert not trace.of("online_pin") and not trace.of("pin")


def test_a_cryptogram_that_is_the_cards_number_ends_the_payment_and_is_not_told():
    card = Card2()
    answer = tlv("9F27", b"\0") + tlv("9F36", b"\0\1") + tlv("9F10", h("06010A03A00000"))
    card.cryptogram = lambda control, data: tlv("77", answer + tlv("9F26", h("9999990000000018")))
    outcome, _, _ = tap(card, combination(tac_online=h("FFFFFFFFFF")))
    assert (outcome.kind, outcome.reason, outcome.error.detail) == (o.END_APPLICATION, "EMV-102", "9F26")
    assert outcome.cryptogram is None


def test_track_2_with_another_number_than_5a_ends_the_payment():
    other = h("9999990000000026")
    for changed in ({"5A": other}, {"57": other + TRACK2[8:]}):
        card = Card2(fields=changed)
        outcome, _, trace = tap(card)
        assert (outcome.kind, outcome.reason, outcome.error.detail) == (o.END_APPLICATION, "EMV-102", "5A 57"), changed
        assert "GAC" not in card.names and not trace.of("identified")
    for same in ({"57": None}, {"57": TRACK2 + h("FF")}):
        assert tap(Card2(fields=same))[0].kind == o.APPROVED
