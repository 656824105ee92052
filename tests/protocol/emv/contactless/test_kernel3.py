"""Kernel 3 step by step, on both runtimes: what the card says and proves decides, and nothing is approved without a proof."""

from protocol.errors import CardRemovedError
from tests.protocol.emv.contactless import scripted_tap as taps
from tests.protocol.emv.contactless.scripted_tap import AAC, ARQC, TC, Tap, body, combination, tap, txn
from tests.protocol.emv.scripted import AID, APPROVED, DECLINED, PAN_DIGITS, PROVISIONAL, UN, h, sha256
from tests.support.dual import raises, record

GO_ONLINE = {"arc": "00", "auth_code": "4711"}
PIN_WANTED, SIGNATURE_WANTED, ODA_ONLINE, ODA_SWITCH, EXPIRED_ONLINE, DEVICE = (
    h("8000"), h("4000"), h("2000"), h("1000"), h("0800"), h("0080"),
)  # fmt: skip


def _why(result, prefix):
    return [why for what, why in result.explain if what.startswith(prefix)]


def test_a_tc_under_a_valid_signature_is_approved_offline():
    card = Tap()
    result, trace = tap(card)
    assert (result.outcome, result.reason, result.interface, result.kernel) == (APPROVED, "Y1", "contactless", 3), (
        result.explain
    )
    assert (result.pan, result.psn, result.expiry, result.oda) == (PAN_DIGITS, 1, h("301231"), "fdda")
    assert (result.cid, result.atc, result.tvr, result.un, result.cda_ok) == (TC, 0x0201, bytes(5), UN, True)
    assert card.names == ["SELECT PPSE", "SELECT F00000544401", "GPO", "READ 1 1", "READ 2 1", "READ 2 2"]
    assert not trace.of("online") and ("ui", 0x17, 0x04) in trace.asked
    assert h("9F2701") + bytes([TC]) in result.de55 and b"\x57" not in result.de55[:1] and not result.track2
    record("de55", result.de55)


def test_without_5f24_track_2_gives_the_month_and_its_last_day_is_the_expiry():
    track = taps.TRACK2.hex().upper()
    at = track.index("D") + 1
    for year, month, day in [
        (30, m, ["31", "28", "31", "30", "31", "30", "31", "31", "30", "31", "30", "31"][m - 1]) for m in range(1, 13)
    ] + [(28, 2, "29")]:
        changed = {"5F24": None, "57": h(track[:at] + "%02d%02d" % (year, month) + track[at + 4 :])}
        result, _ = tap(Tap(ARQC, fields=changed), online=GO_ONLINE)
        assert (result.outcome, result.reason) == (APPROVED, "00"), (month, result.reason, result.detail)
        assert result.expiry == h("%02d%02d" % (year, month) + day)
    for text in ("3000", "3013"):
        result, _ = tap(
            Tap(ARQC, fields={"5F24": None, "57": h(track[:at] + text + track[at + 4 :])}), online=GO_ONLINE
        )
        assert (result.outcome, result.reason) == (DECLINED, "EMV-102")


def test_the_cards_decision_is_read_from_its_verification_results_where_it_gives_no_9f27():
    for kind, outcome in ((TC, APPROVED), (ARQC, APPROVED), (AAC, DECLINED)):
        result, _ = tap(Tap(kind, with_cid=False), online=GO_ONLINE)
        assert (result.outcome, result.cid) == (outcome, kind)
    result, _ = tap(Tap(TC, with_cid=False, fields={"9F10": h("0601")}))
    assert (result.outcome, result.reason) == (DECLINED, "EMV-120")


def test_one_byte_changed_on_the_air_makes_no_approval_out_of_a_card_that_did_not_approve():
    """9F27 is covered by nothing, 9F10 by the cryptogram: where both tell the kind, both have to say the same."""
    for kind in (TC, ARQC, AAC):
        for told in (TC, ARQC, AAC):
            result, trace = tap(Tap(kind, fields={"9F27": bytes([told])}), online=GO_ONLINE)
            if kind == told:
                assert result.outcome == (DECLINED if kind == AAC else APPROVED)
                continue
            assert (result.outcome, result.reason, result.detail) == (DECLINED, "EMV-102", "9F27 9F10"), (kind, told)
            assert not trace.of("online") and not result.de55 and _why(result, "GPO")[0].startswith("cryptogram-told-")


def test_forms_of_the_issuers_data_in_which_the_kind_of_cryptogram_is_known():
    """What each says is ARQC; 9F27 says TC. A form that is not known says nothing about the kind."""
    long = h("1F220100A0000000000000") + bytes(21)
    known = ("06010A03A00000", "06011203A000000F0102", "0801120320000011220A")
    unknown = ("06010A02A00000", "05010A03A00000", "09010A03A00000", "06010A03A0")
    unknown += ("0FA501A0A0" + long.hex()[10:], "1F3201" + long.hex()[6:], long.hex()[:-2])
    for text in known + (long.hex(), "1F420100" + long.hex()[8:]):
        result, _ = tap(Tap(TC, fields={"9F10": h(text)}))
        assert (result.outcome, result.reason) == (DECLINED, "EMV-102"), text
        assert tap(Tap(ARQC, fields={"9F10": h(text)}), online=GO_ONLINE)[0].outcome == APPROVED, text
    for text in unknown:
        assert tap(Tap(TC, fields={"9F10": h(text)}))[0].outcome == APPROVED, text


def test_an_arqc_goes_online_after_the_card_may_have_gone():
    result, trace = tap(Tap(ARQC), online=GO_ONLINE)
    assert (result.outcome, result.reason, result.auth_code, result.arc) == (APPROVED, "00", "4711", "00")
    words = [request[0] for request in trace.asked]
    assert words.index("online") > words.index("identified")
    result, _ = tap(Tap(ARQC), online={"arc": "51"})
    assert (result.outcome, result.reason, result.de55) == (DECLINED, "51", b"")


def test_unable_to_go_online_is_provisional_only_where_the_set_and_the_proof_allow_it():
    result, _ = tap(Tap(ARQC))
    assert (result.outcome, result.reason, result.track2 != b"") == (PROVISIONAL, "DEFERRED", True)
    assert h("9F2701") + bytes([ARQC]) in result.de55
    for card, parameters in (
        (Tap(ARQC), body(deferral=False)),
        (Tap(ARQC), body(deferral_oda=["dda"])),
        (Tap(ARQC, fields={"9F4B": None}), None),
    ):
        result, _ = tap(card, parameters)
        assert (result.outcome, result.reason, result.track2) == (DECLINED, "Z3", b"")


def test_sent_without_an_answer_is_declined_and_to_be_reversed():
    for reply in ({"sent": True}, {"arc": "x"}):
        result, _ = tap(Tap(ARQC), online=reply)
        assert (result.outcome, result.reason, result.reversal) == (DECLINED, "Z3", True)


def test_an_aac_declines_and_is_proven_by_nobody():
    result, trace = tap(Tap(AAC))
    assert (result.outcome, result.reason, result.oda) == (DECLINED, "Z1", "none") and not trace.of("online")


def test_no_offline_approval_without_fdda():
    """A TC whose signature is wrong, missing, of another version or over other data is money that nobody can prove."""
    cards = [
        Tap(fields={"9F4B": None}),
        Tap(fields={"9F69": None}),
        Tap(fields={"9F46": None}),
        Tap(fields={"9F4B": bytes(96)}),
        Tap(aip="0000"),
        Tap(aip="4000"),
    ]
    old, replayed, other = Tap(), Tap(), Tap()
    old.version, replayed.sign_over = 0, h("00000000") + h("000000090000") + h("0012") + h("01112233440000")
    other.sign_over = UN + h("000000000100") + h("0012") + h("01112233440000")
    for card in cards + [old, replayed, other]:
        result, _ = tap(card)
        assert (result.outcome, result.reason, result.de55) == (DECLINED, "EMV-121", b""), result.explain
        assert _why(result, "K3 FDDA") and "fdda-holds 9F4B" not in _why(result, "K3 FDDA")


def test_a_failed_signature_leads_to_the_slot_where_the_card_wishes_so():
    for ctq in (ODA_ONLINE, ODA_SWITCH):
        result, _ = tap(Tap(ctq=ctq, fields={"9F4B": bytes(96)}))
        assert (result.outcome, result.reason) == (DECLINED, "EMV-140")
    result, _ = tap(Tap(ARQC, ctq=ODA_ONLINE, fields={"9F4B": bytes(96)}), online=GO_ONLINE)
    assert (result.outcome, result.reason) == (DECLINED, "EMV-121")


def test_qualifiers_that_the_signature_does_not_cover_are_refused():
    card = Tap(ctq=DEVICE)
    card.signed_ctq = h("0000")
    result, _ = tap(card, transaction=txn(600000), parameters=body(combination(floor=900000)))
    assert (result.outcome, result.reason) == (DECLINED, "EMV-121")
    assert _why(result, "K3 FDDA") == ["fdda-qualifiers-differ"]


def test_a_wish_for_an_online_pin_is_not_taken_away_with_9f6c():
    """The answer to GET PROCESSING OPTIONS without 9F6C; the record's 9F69 has its copy. No falling back to a signature, and no TC."""
    big, high = txn(600000), body(combination(floor=700000))
    for fields in ({}, {"9F4B": None}):  # with the signature, and with that taken away as well
        card = Tap(ARQC, ctq=None, fields=fields)
        card.signed_ctq = PIN_WANTED
        result, trace = tap(card, transaction=big, online=GO_ONLINE, online_pin=True)
        assert (result.outcome, result.signature, result.cvm_results) == (APPROVED, False, h("020000"))
        assert trace.of("online_pin") and _why(result, "CTQ") == ["8000 9F69"]
    card = Tap(TC, ctq=None)
    card.signed_ctq = PIN_WANTED
    result, _ = tap(card, high, big)
    assert (result.outcome, result.reason) == (DECLINED, "EMV-140")
    card = Tap(TC, ctq=None, fields={"5F24": h("261031")})
    card.signed_ctq = EXPIRED_ONLINE
    assert tap(card)[0].reason == "EMV-140"
    card = Tap(ARQC, ctq=None)
    card.signed_ctq = h("0000")  # no wish although the holder has to be verified
    result, _ = tap(card, transaction=big, online=GO_ONLINE)
    assert (result.outcome, result.reason, _why(result, "K3 CVM")) == (DECLINED, "Z1", ["cvm-impossible"])


def test_9f69_counts_in_version_01_only():
    card = Tap(ARQC, ctq=None, fields={"9F4B": None})
    card.version, card.signed_ctq = 2, PIN_WANTED
    result, _ = tap(card, transaction=txn(600000), online=GO_ONLINE)
    assert (result.outcome, result.signature) == (APPROVED, True) and not _why(result, "CTQ")
    result, _ = tap(Tap(ARQC, ctq=None, fields={"9F4B": None, "9F69": h("0111223344")}), online=GO_ONLINE)
    assert result.outcome == APPROVED and not _why(result, "CTQ")


def test_changed_qualifiers_are_found_under_an_arqc_without_a_signature_too():
    card = Tap(ARQC, ctq=SIGNATURE_WANTED, fields={"9F4B": None})
    card.signed_ctq = PIN_WANTED
    result, trace = tap(card, transaction=txn(600000), online=GO_ONLINE)
    assert (result.outcome, result.reason) == (DECLINED, "EMV-121") and not trace.of("online")
    assert _why(result, "K3 FDDA") == ["fdda-qualifiers-differ"]


def test_device_verification_is_believed_only_where_it_is_proven():
    """The published attack: qualifiers changed on the air, signature left out, so that a stolen card pays any amount without a PIN."""
    proven, _ = tap(Tap(ARQC, ctq=DEVICE), transaction=txn(600000), online=GO_ONLINE)
    assert proven.outcome == APPROVED and _why(proven, "K3 CVM") == ["cvm-device"]
    bare, trace = tap(Tap(ARQC, ctq=DEVICE, fields={"9F4B": None}), transaction=txn(600000), online=GO_ONLINE)
    assert (bare.outcome, bare.reason) == (DECLINED, "Z1") and not trace.of("online")


def test_online_pin_is_asked_before_the_issuer_and_excludes_deferral():
    big = txn(600000)
    result, trace = tap(Tap(ARQC, ctq=PIN_WANTED), transaction=big, online=GO_ONLINE, online_pin=True)
    words = [request[0] for request in trace.asked]
    assert result.outcome == APPROVED and words.index("online_pin") < words.index("online")
    assert trace.of("online_pin") == [("online_pin", {"pan": PAN_DIGITS, "psn": 1})] and result.cvm_results == h(
        "020000"
    )
    result, trace = tap(Tap(ARQC, ctq=PIN_WANTED), transaction=big, online_pin=True)
    assert (result.outcome, result.reason) == (DECLINED, "Z3") and trace.of("online")
    result, trace = tap(Tap(ARQC, ctq=PIN_WANTED), transaction=big, online=GO_ONLINE)
    assert (result.outcome, result.reason) == (DECLINED, "EMV-113") and not trace.of("online")


def test_every_way_of_verifying_the_holder():
    """(card's wish or None, terminal can, needed) and what is chosen; "" declines."""
    both, pin_only, neither = h("37204080"), h("35204080"), h("31204080")
    no_device = h("35200080")  # 5.7.1.1: no device, no online PIN that the card did not ask for
    rows = [
        (None, both, False, "none"), (None, both, True, "signature"), (None, pin_only, True, "online-pin"), (h("0000"), both, False, "none"),
        (h("0000"), both, True, ""), (PIN_WANTED, both, True, "online-pin"), (PIN_WANTED, both, False, "online-pin"),
        (PIN_WANTED, neither, False, "none"), (PIN_WANTED, neither, True, ""), (SIGNATURE_WANTED, both, True, "signature"),
        (SIGNATURE_WANTED, pin_only, True, ""), (SIGNATURE_WANTED, pin_only, False, "none"), (h("C000"), both, True, "online-pin"),
        (h("C000"), h("33204080"), True, "signature"), (DEVICE, both, True, "device"), (DEVICE, both, False, "device"),
        (h("8080"), both, True, "online-pin"), (h("4080"), both, True, "device"),
        (None, pin_only, False, "none"), (None, no_device, True, ""), (None, neither, True, ""), (PIN_WANTED, no_device, True, "online-pin"),
    ]  # fmt: skip
    for ctq, ttq, needed, expected in rows:
        parameters = body(combination(ttq=ttq, cvm_limit=0 if needed else 500000))
        silent = {"9F69": None, "9F4B": None} if ctq is None else None  # 9F69 would tell
        result, _ = tap(Tap(ARQC, ctq=ctq, fields=silent), parameters, online=GO_ONLINE, online_pin=True)
        assert _why(result, "K3 CVM") == ["cvm-" + (expected or "impossible")], (ctq, ttq, needed)
        assert result.outcome == (APPROVED if expected else DECLINED)
        assert result.signature == (expected == "signature")


def test_a_tc_that_wants_an_online_pin_is_to_be_inserted():
    result, _ = tap(Tap(TC, ctq=PIN_WANTED), online_pin=True)
    assert (result.outcome, result.reason) == (DECLINED, "EMV-140")


def test_an_expired_card_is_declined_offline_or_inserted_and_goes_online_with_an_arqc():
    old = {"5F24": h("261031")}
    assert tap(Tap(fields=old))[0].reason == "Z1"
    assert tap(Tap(fields=old, ctq=EXPIRED_ONLINE))[0].reason == "EMV-140"
    assert tap(Tap(ARQC, fields=old), online=GO_ONLINE)[0].outcome == APPROVED
    assert tap(Tap(fields={"5F24": h("261122")}))[0].outcome == APPROVED  # its last day
    assert tap(Tap(fields={"5F24": None}))[0].reason == "EMV-104"  # track 2 proves no date


def test_exception_file_usage_and_the_terminals_own_limits():
    assert tap(Tap(), body(exceptions=[sha256(PAN_DIGITS)]))[0].reason == "Z1"
    assert tap(Tap(ARQC), body(exceptions=[sha256(PAN_DIGITS)]), online=GO_ONLINE)[0].reason == "Z1"
    assert tap(Tap(fields={"9F07": h("D700")}))[0].reason == "Z1"
    assert tap(Tap(fields={"9F07": h("D700"), "5F28": h("0250")}))[0].outcome == APPROVED
    result, _ = tap(Tap(), identified="RSK-008")
    assert (result.outcome, result.reason, result.detail) == (DECLINED, "STOP", "RSK-008")
    assert tap(Tap(), identified={"exception": True})[0].reason == "Z1"
    assert tap(Tap(), identified={"online": True})[0].reason == "EMV-120"


def test_a_tc_over_the_floor_limit_or_where_none_may_be_asked_is_refused():
    for parameters, amount in ((None, 100001), (body(combination(offline=False)), 100)):
        card = Tap()
        result, _ = tap(card, parameters, txn(amount))
        assert (result.outcome, result.reason) == (DECLINED, "EMV-120")
        assert card.asked[1] & 0x80
    assert tap(Tap(), None, txn(100000))[0].outcome == APPROVED


def test_what_was_spent_with_the_card_before_counts_towards_the_floor_limit():
    for logged, outcome, reason in ((0, APPROVED, "Y1"), (10000, APPROVED, "Y1"), (10001, DECLINED, "EMV-140")):
        result, _ = tap(Tap(), identified={"logged": logged})  # 900 DA, floor limit 1,000 DA
        assert (result.outcome, result.reason) == (outcome, reason), (logged, result.explain)
    assert _why(result, "K3 SWITCH") == ["switch-split-sale 9F02 9F1B"]
    result, _ = tap(Tap(ARQC), identified={"logged": 10001}, online=GO_ONLINE)  # who goes online anyway is not held up
    assert (result.outcome, result.reason) == (APPROVED, "00")
    result, _ = tap(Tap(), identified={"logged": 10001, "exception": True})
    assert (result.outcome, result.reason) == (DECLINED, "Z1")


def test_payments_below_the_floor_limit_are_drawn_at_random_to_go_online():
    for target, drawn in ((0, False), (10, False), (11, True), (99, True)):  # the script draws 11 of 99
        parameters = body(combination(target_pct=target, max_target_pct=target, threshold=0))
        card = Tap(ARQC if drawn else TC)
        result, trace = tap(card, parameters, online=GO_ONLINE)
        assert bool(card.asked[1] & 0x80) == drawn and (result.reason == "00") == drawn, (target, result.explain)
        assert _why(result, "K3 RANDOM") == (["random-selection 9F02"] if drawn else [])
        assert len(trace.of("random")) == (target > 0)
    result, trace = tap(Tap(TC), body(combination(target_pct=99, max_target_pct=99, threshold=0)))
    assert (result.outcome, result.reason) == (DECLINED, "EMV-120")  # a TC although it was drawn
    _, trace = tap(Tap(ARQC), body(combination(target_pct=99, max_target_pct=99)), txn(100001), online=GO_ONLINE)
    assert not trace.of("random")  # over the floor limit nothing is drawn


def test_what_the_terminal_announces():
    rows = [(90000, "37204080"), (100001, "37A04080"), (500000, "37E04080")]
    for amount, expected in rows:
        card = Tap(ARQC)
        tap(card, transaction=txn(amount), online=GO_ONLINE)
        assert card.asked[:4] == h(expected)
    card = Tap(ARQC)
    tap(card, body(combination(ttq=h("FFFFFFFF"))), online=GO_ONLINE)
    assert card.asked[:4] == h("7F3F7FFF")  # neither magnetic stripe nor issuer update, whatever the set says


def test_status_words_of_get_processing_options():
    for sw, reason in (("6984", "EMV-140"), ("6985", "EMV-142"), ("6A80", "EMV-105"), ("6F00", "EMV-105")):
        result, _ = tap(Tap(replies={"GPO": h(sw)}))
        assert (result.outcome, result.reason) == (DECLINED, reason)


def test_procedure_bytes_are_refusals_over_the_air():
    for name, reason in (
        ("SELECT PPSE", "EMV-142"),
        ("SELECT F00000544401", "EMV-142"),
        ("GPO", "EMV-105"),
        ("READ 2 1", "EMV-105"),
    ):
        for word in ("6110", "6C10"):
            card = Tap(replies={name: h(word)})
            result, _ = tap(card)
            assert (result.outcome, result.reason) == (DECLINED, reason), (name, word)
            assert card.names[-1] == name and "INS c0" not in card.names


def test_see_phone_asks_again_and_the_payment_goes_on():
    card = Tap(ARQC, ctq=DEVICE, replies={"GPO": [h("6986")]})
    result, trace = tap(card, transaction=txn(600000), online=GO_ONLINE, again=[card])
    assert result.outcome == APPROVED and result.un == h("0A0B0C0D")
    assert trace.of("again") == [("again", 0x20)] and ("ui", 0x20, 0x05) in trace.asked
    assert card.names.count("SELECT PPSE") == 2
    result, _ = tap(Tap(replies={"GPO": h("6986")}))
    assert (result.outcome, result.reason) == (DECLINED, "EMV-141")


def test_a_phone_that_is_never_unlocked_comes_to_an_end():
    card = Tap(replies={"GPO": h("6986")})
    result, trace = tap(card, again=[card] * 50)
    assert (result.outcome, result.reason, len(trace.of("again"))) == (DECLINED, "EMV-142", 16)


def test_removal_before_the_result_asks_again_and_harms_nothing():
    whole = Tap()
    tap(whole)
    for at in range(1, len(whole.names) + 1):
        torn = Tap()
        torn.removed_at = at
        raises(CardRemovedError, tap, torn)
        torn = Tap()
        torn.removed_at = at
        result, trace = tap(torn, again=[Tap()])
        assert (result.outcome, result.reason) == (APPROVED, "Y1") and trace.of("again") == [("again", 0x21)]


def test_what_breaks_the_rules_is_declined_with_its_code():
    cards = [
        (Tap(fields={"9F10": None}), "EMV-104"), (Tap(fields={"9F36": None}), "EMV-104"), (Tap(fields={"57": None}), "EMV-104"),
        (Tap(fields={"9F6C": b"\0"}), "EMV-102"), (Tap(fields={"9F26": b"\0"}), "EMV-102"), (Tap(fields={"57": h("1234")}), "EMV-102"),
        (Tap(fields={"5A": h("9999990000000026")}), "EMV-102"), (Tap(fields={"94": h("0800")}), "EMV-106"),
        (Tap(fields={"9F26": None}), "EMV-104"), (Tap(replies={"READ 1 1": h("6A83")}), "EMV-105"),
        (Tap(replies={"GPO": h("80061A2B3C4D5E6F9000")}), "EMV-108"), (Tap(replies={"GPO": h("7703820020") + h("9000")}), "EMV-101"),
        (Tap(replies={"GPO": h("7708820220008202200080") + h("9000")}), "EMV-101"),
    ]  # fmt: skip
    for card, reason in cards:
        result, _ = tap(card)
        assert (result.outcome, result.reason) == (DECLINED, reason), (reason, result.reason, result.detail)
    twice = taps.tlv("77", taps.tlv("82", h("2000")) + taps.tlv("82", h("2000"))) + h("9000")
    assert tap(Tap(replies={"GPO": twice}))[0].reason == "EMV-103"


def test_a_cryptogram_that_is_the_cards_number_ends_the_payment_and_is_not_told():
    for kind in (TC, ARQC, AAC):
        for number in ({}, {"5A": None}):  # track 2 alone may tell it
            for told in ("9999990000000018", "999999000000AAAA"):
                fields = {"9F26": h(told)}
                fields.update(number)
                result, trace = tap(Tap(kind, fields=fields), online=GO_ONLINE)
                assert (result.outcome, result.reason, result.detail) == (DECLINED, "EMV-102", "9F26"), (
                    kind,
                    result.reason,
                )
                assert not result.cryptogram and not trace.of("online")


def test_track_2_with_another_number_than_5a_ends_the_payment():
    other = h("9999990000000026")
    for kind in (TC, ARQC):
        for changed in ({"5A": other}, {"57": other + taps.TRACK2[8:]}):
            card = Tap(kind, fields=changed)
            result, trace = tap(card, online=GO_ONLINE)
            assert (result.outcome, result.reason, result.detail) == (DECLINED, "EMV-102", "5A 57"), (kind, changed)
            assert not trace.of("online") and not trace.of("identified")
    for same in ({"5A": None}, {"57": taps.TRACK2 + h("FF")}):  # 5A is not mandatory here
        result, _ = tap(Tap(ARQC, fields=same), online=GO_ONLINE)
        assert (result.outcome, result.reason) == (APPROVED, "00"), same


def test_an_application_without_qualifiers_in_its_pdol_is_passed_over():
    for pdol in (b"", h("9F0206")):
        card = Tap()
        card.pdol = pdol
        assert tap(card)[0].reason == "EMV-142"


def test_an_answer_without_a_cryptogram_ends_the_payment_and_no_other_application_is_tried():
    other = h("F00000544402")
    entries = b"".join([taps.tlv("61", taps.tlv("4F", aid)) for aid in (AID, other)])
    card = Tap(directory=entries, fields={"9F26": None})
    assert tap(card, body(combination(), combination(aid=other)))[0].reason == "EMV-104"
    assert card.names == ["SELECT PPSE", "SELECT F00000544401", "GPO"]
