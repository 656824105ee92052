"""Card data and PIN are in no explanation, no reason, no exception; track 2 leaves only with a provisional payment."""

from protocol.emv import explain
from protocol.errors import CardRemovedError
from tests.protocol.emv.scripted import (
    AID,
    APPROVED,
    OFFLINE_PIN,
    PAN,
    PAN_DIGITS,
    PROVISIONAL,
    TRACK2,
    Card,
    aid_entry,
    body,
    h,
    pay,
    tlv,
)  # fmt: skip

SECRETS = ("9999990000000018", "999999000000", "1234", "301231", TRACK2.hex().upper())

DEVICE_HEAP = "216k"  # the application's


def _texts(result):
    out = [result.reason, result.detail, str(result.error), repr(result.error)]
    for what, why in result.explain:
        out.append(what)
        out.append(why)
    return out


def _clean(result):
    for text in _texts(result):
        for secret in SECRETS:
            assert secret not in text, text


def test_no_card_data_in_explanations_or_errors():
    for card in (
        Card(fields={"8E": OFFLINE_PIN}), Card(kinds=(0x80, 0x00)), Card(fields={"5A": h("99999900000000181234FF")}),
        Card(fields={"57": TRACK2 + TRACK2}), Card(signed_fields={"9F46": bytes(96)}),
        Card(replies={"GAC 1": h("5A089999990000000018")}),
        Card(replies={"READ 1 1": h("5A0899999900000000189000")}), Card(fields={"5F24": h("301239")}),
    ):  # fmt: skip
        for pins in ([b"1234"], [b"0000", b"0000", b"0000"], []):
            result, _ = pay(card, body(aid_entry()), pins=list(pins))
            _clean(result)
            card.gacs = 0
            card.names = []


def test_track_2_leaves_only_with_a_provisional_payment():
    result, trace = pay(Card(kinds=(0x80, 0x00)), body(aid_entry(floor=1), de55=[0x57, 0x9F26]))
    assert (result.outcome, result.track2) == (PROVISIONAL, TRACK2)
    assert TRACK2 not in result.de55 and TRACK2 not in trace.of("online")[0][1]


def test_track_data_in_any_form_and_the_name_are_in_no_chip_data():
    hidden = {"56": TRACK2, "9F6B": TRACK2, "9F1F": b"300", "9F20": h("0300"), "5F20": b"AMINA", "9F0B": b"AMINA"}
    listed = [0x57, 0x9F26] + [int(name, 16) for name in hidden]
    for kinds, floor, outcome in (((0x40,), 1000000, APPROVED), ((0x80, 0x00), 1, PROVISIONAL)):
        result, trace = pay(Card(kinds=kinds, fields=hidden), body(aid_entry(floor=floor), de55=listed))
        assert result.outcome == outcome
        for data in [result.de55] + [item[1] for item in trace.of("online")]:
            assert data[:2] == h("9F26") and len(data) == 11


def test_forget_drops_the_card_data():
    result, _ = pay(Card(kinds=(0x80, 0x00)), body(aid_entry(floor=1)))
    assert result.pan == PAN_DIGITS and result.de55 and result.expiry
    result.forget()
    assert (result.pan, result.track2, result.de55, result.expiry) == (b"", b"", b"", b"")


def test_card_pulled_at_any_command_is_the_links_error():
    whole = Card(kinds=(0x80, 0x00), fields={"8E": OFFLINE_PIN})
    pay(whole, body(aid_entry(floor=1)), pins=[b"1234"])
    assert len(whole.names) == 10
    for at in range(1, len(whole.names) + 1):
        card = Card(kinds=(0x80, 0x00), fields={"8E": OFFLINE_PIN})
        card.removed_at = at
        try:
            pay(card, body(aid_entry(floor=1)), pins=[b"1234"])
        except CardRemovedError:
            assert len(card.names) == at
            continue
        raise AssertionError("a removed card gave a result at " + str(at))


def test_the_decisive_line():
    result, _ = pay(Card(kinds=(0x80, 0x00)), body(aid_entry(floor=1), deferral=False))
    assert explain.decisive(result.explain) == ("TAC-DEFAULT B4b8", "tvr 95")
    assert explain.lines(result.explain, "TVR B4b8") == ["floor 9F02 9F1B"]
    assert explain.decisive([]) == ("", "")


def test_what_led_to_the_issuer_does_not_decide_where_something_else_declined():
    online = [("TVR B4b8", "floor 9F02 9F1B"), ("TAC-ONLINE B4b8", "tvr 95"), ("GAC1 asked 80", "card gave 80")]
    for end in ([("ONLINE", "51"), ("OUTCOME", "51")], [("OUTCOME", "EMV-104")], [("ONLINE", "00"), ("OUTCOME", "Z1")]):
        assert explain.decisive(online + end) == end[-1]
        assert explain.decided(online + end) == ""
    approved = [("ONLINE", "00"), ("OUTCOME", "00")]
    assert explain.decisive(online + approved) == ("TAC-ONLINE B4b8", "tvr 95")
    denied = [("TAC-DENIAL B1b4", "tvr 95"), ("GAC1 asked 00", "card gave 00"), ("OUTCOME", "Z1")]
    assert explain.decided(denied) == "B1b4"


def test_a_rule_that_led_to_the_issuer_does_not_decide_either():
    for rule in ("offline-needs-cda", "xda-failed-online", "online-only 9F35"):
        asked = [("RULE", rule), ("GAC1 asked 80", "card gave 80")]
        for end in (
            [("ONLINE", "51"), ("OUTCOME", "51")],
            [("ONLINE", "00"), ("OUTCOME", "Z1")],
            [("OUTCOME", "EMV-121")],
        ):
            assert explain.decisive(asked + end) == end[-1] and explain.decided(asked + end) == ""
        for end in ([("ONLINE", "unable"), ("OUTCOME", "Z3")], [("ONLINE", "00"), ("OUTCOME", "00")]):
            assert explain.decided(asked + end) == rule.split(" ")[0]
    gone = [("ONLINE", "51"), ("RULE", "card-gone"), ("OUTCOME", "51")]
    assert explain.decisive(gone) == ("OUTCOME", "51")


def test_an_application_may_say_no_more_of_its_name_than_a_number_has_room_in():
    for more, told in (
        (b"", b""),
        (b"\x01", b"\x01"),
        (PAN[:2], PAN[:2]),
        (PAN[:3], b""),
        (PAN, b""),
        (PAN + b"\xff\xff", b""),
    ):
        card = Card(kinds=(0x80, 0x00))
        card.aids = [(AID + more, "CIB TEST", 1)]
        result, trace = pay(card, body(aid_entry(floor=1)))
        assert (result.outcome, result.aid) == (PROVISIONAL, AID + told)
        assert trace.of("identified")[0][1]["aid"] == AID + told
        assert tlv("84", AID + more) in result.de55  # the issuer's own, and sealed
        _clean(result)


def test_the_longest_entry_that_covers_the_name_is_the_one_that_counts():
    short, longer = aid_entry(aid=AID[:5]), aid_entry(aid=AID + PAN[:1])
    for entries, name, told in (
        ((short, longer), AID + PAN, AID + PAN[:1]), ((longer, short), AID + PAN, AID + PAN[:1]), ((short,), AID + PAN[:1], AID + PAN[:1]),
        ((short,), AID + PAN[:2], AID[:5]), ((aid_entry(aid=AID + PAN, partial=False),), AID + PAN, AID + PAN),
    ):  # fmt: skip
        card = Card()
        card.aids = [(name, "CIB TEST", 1)]
        assert pay(card, body(*entries))[0].aid == told
