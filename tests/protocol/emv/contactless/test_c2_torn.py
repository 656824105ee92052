"""Torn transactions of Kernel 2: at GENERATE AC and at RECOVER AC, before and after the card worked, the same card and another."""

from protocol.emv.contactless import outcome as o
from protocol.emv.contactless import ui
from tests.protocol.emv.contactless.scripted_c2 import AAC, ARQC, PROMPT, TC, Card2, TornLog, combination, tap
from tests.protocol.emv.scripted import h, tlv, txn
from tests.support.dual import record


def _tear(card, log, name="GAC", before=False, **how):
    card.torn = (name, before)
    outcome, s, _ = tap(card, torn=log, **how)
    assert (outcome.kind, outcome.message) == (o.TRY_AGAIN, ui.PRESENT_AGAIN)
    return s


def test_the_same_cryptogram_is_recovered_with_all_that_was_sent():
    card, log = Card2(aip="1981"), TornLog()
    torn = _tear(card, log)
    assert len(log.records) == 1 and log.records[0].pan == b"9999990000000018"
    before = card.kept
    card.names = []
    outcome, s, trace = tap(card, torn=log, elapsed=(PROMPT + 1,))
    assert card.names[-1] == "RECOVER" and "GAC" not in card.names
    assert card.commands[-1] == h("80D0000004") + torn.un + h("00")
    assert outcome.kind == o.APPROVED and outcome.cryptogram.signed and outcome.cvm == o.NO_CVM
    assert card.kept == before and log.records == []
    assert s.un == torn.un and s.terminal[0xDF8306] == torn.terminal[0xDF8306] and s.pdol_data == torn.pdol_data
    assert not trace.of("first_gac")
    record("explain", str(s.explain))


def test_decided_data_come_back_too():
    pin = h("00000000000000000200")
    card, log = Card2(fields={"8E": pin}), TornLog()
    entry = combination(cvm_limit=1)
    _tear(card, log, entry=entry)
    outcome, s, _ = tap(card, entry, torn=log, identified={"online": True})
    assert outcome.kind == o.ONLINE_REQUEST and outcome.cvm == o.ONLINE_PIN and s.online_pin
    assert s.tvr == h("0000040001") and s.cvm == h("020000")  # the torn one's: forced online came later
    assert "TVR B4b4" not in [what for what, _ in s.explain]


def test_a_card_that_never_got_the_command_is_asked_anew():
    card, log = Card2(), TornLog()
    _tear(card, log, before=True)
    outcome, s, trace = tap(card, torn=log)
    assert card.names[-2:] == ["RECOVER", "GAC"] and outcome.kind == o.APPROVED
    assert ("TORN", "not-recovered 6985") in s.explain and log.records == [] and len(trace.of("first_gac")) == 1


def test_torn_at_recover_keeps_the_record():
    card, log = Card2(), TornLog()
    _tear(card, log)
    for before in (True, False):
        _tear(card, log, "RECOVER", before)
        assert len(log.records) == 1
    assert tap(card, torn=log)[0].kind == o.APPROVED
    assert card.asked == [TC | 0x10]


def test_torn_again_at_the_second_generate_ac():
    card, log = Card2(), TornLog()
    _tear(card, log, before=True)
    first = log.records[0].data[0x9F37]
    card.torn = ("GAC", False)
    outcome, s, _ = tap(card, torn=log)
    assert outcome.kind == o.TRY_AGAIN and len(log.records) == 1
    assert log.records[0].data[0x9F37] == s.un and first is not None
    assert tap(card, torn=log)[0].kind == o.APPROVED


def test_without_drdol_or_log_nothing_is_kept():
    for card, log, entry in (
        (Card2(drdol=""), TornLog(), None),
        (Card2(), None, None),
        (Card2(), TornLog(0), None),
        (Card2(), TornLog(), combination(torn_records=0)),
        (Card2(drdol="9F37"), TornLog(), None),  # malformed
    ):
        _tear(card, log, entry=entry)
        assert log is None or log.records == []
        outcome, _, _ = tap(card, entry, torn=log)
        assert outcome.kind == o.APPROVED and "RECOVER" not in card.names


def test_another_card_does_not_touch_the_record():
    card, log = Card2(), TornLog()
    _tear(card, log)
    other = Card2(fields={"5F34": h("02")})
    outcome, _, _ = tap(other, torn=log)
    assert "RECOVER" not in other.names and outcome.kind == o.APPROVED and len(log.records) == 1


def test_another_payment_or_a_late_one_is_not_recovered():
    for change in ({"amount": 500001}, {"counter": 8}, {"time": "093501"}, {"time": "092959"}, {"date": "261123"}):
        card, log = Card2(), TornLog()
        _tear(card, log)
        outcome, s, _ = tap(card, torn=log, transaction=txn(**change))
        assert card.names[-1] == "GAC" and "RECOVER" not in card.names and log.records == [], change
        assert outcome.kind == o.APPROVED and ("TORN", "dropped 9F21") in s.explain
    card, log = Card2(), TornLog()
    _tear(card, log)
    assert tap(card, torn=log, transaction=txn(time="093500"))[0].kind == o.APPROVED
    assert card.names[-1] == "RECOVER"


def test_what_does_not_belong_to_the_torn_transaction_is_refused():
    def cases():
        yield lambda good: good[:-3] + bytes([good[-3] ^ 1]) + good[-2:]  # the signature
        yield lambda good: good.replace(h("9F360201"), h("9F360203"))  # the counter
        yield lambda good: h("9000")
        yield lambda good: tlv("80", h("40000100") + bytes(7)) + h("9000")
        yield lambda good: tlv("77", tlv("9F27", b"\x40") + tlv("9F36", b"\0\1") + tlv("9F26", bytes(8))) + h("9000")
        yield lambda good: good[: len(good) // 2] + h("9000")

    for change in cases():
        card, log = Card2(), TornLog()
        _tear(card, log)
        card.replies["RECOVER"] = change(card.kept + h("9000"))
        outcome, _, _ = tap(card, torn=log)
        assert (outcome.kind, outcome.message, outcome.reason) == (o.END_APPLICATION, ui.TRY_ANOTHER_CARD, "EMV-145")
        assert card.names[-1] == "RECOVER"


def test_a_recovered_cryptogram_may_not_be_more_than_was_asked_for():
    card, log = Card2(), TornLog()
    online = combination(offline=False)
    _tear(card, log, entry=online)
    card.kind = TC
    card.kept = card.cryptogram(ARQC | 0x10, log.records[0].cdol)
    outcome, _, _ = tap(card, online, torn=log)
    assert (outcome.reason, outcome.error.detail) == ("EMV-145", "EMV-120")


def test_an_aac_is_recovered_as_one():
    card, log = Card2(kind=AAC), TornLog()
    _tear(card, log)
    outcome, _, _ = tap(card, torn=log)
    assert outcome.kind == o.TRY_ANOTHER_INTERFACE and card.names[-1] == "RECOVER"
