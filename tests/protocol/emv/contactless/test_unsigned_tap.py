"""On the air somebody adds an object to an answer that nothing signs: what the signed record says is what counts, under Kernel 2 and 3."""

from tests.protocol.emv.contactless import scripted_c2
from tests.protocol.emv.contactless.scripted_tap import PPSE, TC, Tap, body, fci, tap, txn
from tests.protocol.emv.scripted import AID, APPROVED, DECLINED, TRACK2, h, tlv
from tests.protocol.emv.wedge import Wedge

SELECT, OPTIONS, GENERATE = 0xA4, 0xA8, 0xAE
EXPIRED, LATER = h("260131"), tlv("5F24", h("311231"))


class Tap2(scripted_c2.Card2):
    """The card of Kernel 2 with a directory, for the entry point."""

    def _answer(self, name, command):
        if name == "SELECT " + PPSE.hex().upper():
            return fci(PPSE, tlv("BF0C", tlv("61", tlv("4F", AID) + tlv("87", b"\x01"))))
        return scripted_c2.Card2._answer(self, name, command)


def _two(card):
    return tap(card, body(scripted_c2.combination()), txn())[0]


def _three(card):
    return tap(card)[0]


def _same(run, make, objects, at=SELECT, outcome=DECLINED):
    honest, result = run(make()), run(Wedge(make(), objects, at))
    assert honest.outcome == outcome, (honest.reason, honest.detail)
    assert (result.outcome, result.reason) == (honest.outcome, honest.reason), (result.reason, result.detail)
    assert (result.tvr, result.cvm_results, result.psn) == (honest.tvr, honest.cvm_results, honest.psn)
    assert (result.expiry, result.de55) == (honest.expiry, honest.de55)
    return result


def test_kernel_3_expiry_in_fci_or_options_does_not_renew_an_expired_card():
    for at, where in ((SELECT, "SELECT"), (OPTIONS, "GPO")):
        result = _same(_three, lambda: Tap(TC, fields={"5F24": EXPIRED}), LATER, at)
        assert ("K3 RESTRICTION", "expiry 5F24 9A") in result.explain
        assert (where, "not-of-this-answer 5F24") in result.explain


def test_kernel_3_usage_number_and_sequence_number_in_the_fci_are_not_the_cards():
    for at in (SELECT, OPTIONS):
        _same(_three, lambda: Tap(TC, fields={"9F07": h("0000")}), tlv("9F07", h("FF00")), at)
        _same(_three, lambda: Tap(TC, fields={"9F07": h("2800"), "5F28": h("0250")}), tlv("5F28", h("0012")), at)
        _same(_three, lambda: Tap(TC), tlv("5A", h("9999990000000026")), at, outcome=APPROVED)
    _same(_three, lambda: Tap(TC), tlv("5F34", h("07")), outcome=APPROVED)
    _same(_three, lambda: Tap(TC), tlv("9F6C", h("0080")) + tlv("9F69", bytes(7)), outcome=APPROVED)


class Signing(Tap):
    """Its record says too what the answer to GET PROCESSING OPTIONS said; `more` goes into the record."""

    more = b""

    def _record(self):
        return Tap._record(self) + self.more


def test_kernel_3_record_that_contradicts_the_options_ends_the_payment():
    other = h("9999990000000018D31122011234567890")
    for tag, value in (("57", other), ("5F34", h("07")), ("9F6C", h("0080")), ("82", h("2040")), ("9F27", b"\x80")):
        card = Signing(TC)
        card.more = tlv(tag, value)
        result = _three(card)
        assert (result.outcome, result.reason, result.detail) == (DECLINED, "EMV-103", tag)


def test_kernel_3_record_that_says_the_same_as_the_options_is_fine():
    card = Signing(TC)
    card.more = tlv("57", TRACK2) + tlv("5F34", h("01")) + tlv("9F6C", h("0000"))
    result = _three(card)
    assert (result.outcome, result.reason) == (APPROVED, "Y1")


def test_kernel_3_a_signed_sequence_number_is_not_replaced_on_the_air():
    class Changed(Signing):
        def _options(self, data):
            return Signing._options(self, data).replace(tlv("5F34", h("01")), tlv("5F34", h("07")))

    card = Changed(TC)
    card.more = tlv("5F34", h("01"))
    assert _three(card).reason == "EMV-103"


def test_kernel_2_expiry_in_the_fci_does_not_renew_an_expired_card():
    for objects in (LATER, tlv("BF0C", LATER)):
        result = _same(_two, lambda: Tap2(TC, fields={"5F24": EXPIRED}), objects)
        assert result.tvr[1] & 0x40
        assert ("SELECT", "not-of-this-answer 5F24") in result.explain


def test_kernel_2_list_without_a_pin_in_the_fci_does_not_replace_the_signed_one():
    only_pin = h("00000000000000000200")
    for other in (h("00000000000000001F00"), h("00000000000000001E00")):
        for objects in (tlv("8E", other), tlv("BF0C", tlv("8E", other))):
            result = _same(_two, lambda: Tap2(TC, fields={"8E": only_pin}), objects)
            assert result.cvm_results[0] & 0x3F in (0x02, 0x3F)


def test_kernel_2_other_objects_in_the_fci_and_the_options_are_not_the_cards():
    for at in (SELECT, OPTIONS):
        _same(_two, lambda: Tap2(TC, fields={"9F07": h("0000")}), tlv("9F07", h("FF00")), at)
        _same(_two, lambda: Tap2(TC, fields={"5F25": h("270101")}), tlv("5F25", h("200101")), at)
        _same(_two, lambda: Tap2(TC), tlv("5F34", h("07")), at, outcome=APPROVED)
        _same(_two, lambda: Tap2(TC, fields={"5F24": EXPIRED}), LATER, at)


def test_kernel_2_profile_in_the_fci_is_not_the_cards():
    _same(_two, lambda: Tap2(TC, fields={"8E": h("00000000000000000200")}), tlv("82", h("0980")))


def test_kernel_2_objects_added_to_a_signed_cryptogram_break_its_signature():
    for objects in (tlv("8E", scripted_c2.NO_CVM), LATER, tlv("5F34", h("07")), tlv("9F6E", bytes(7))):
        result = _two(Wedge(Tap2(TC), objects, GENERATE))
        assert (result.outcome, result.reason) == (DECLINED, "EMV-121")


def test_kernel_2_takes_third_party_data_and_capabilities_from_the_fci():
    whole = tlv("BF0C", tlv("9F5D", h("000100")) + tlv("9F6E", h("00120000303100")))
    result = _two(Wedge(Tap2(TC), whole))
    assert (result.outcome, result.reason) == (APPROVED, "Y1")
    other = Wedge(Tap2(TC, fields={"9F6E": h("00120000303000")}), whole)
    assert _two(other).reason == "EMV-103"
