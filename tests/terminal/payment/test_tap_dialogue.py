"""What the officer and the payer are asked to do at the antenna: insert, look at the phone, one card only, take it away, cancel.

A file apart from `test_tap`: on the device each file has a heap of its own.
"""

from protocol import records as r
from protocol.errors import CardCollisionError, CardError, NoCardError
from tests.protocol.emv.scripted import h
from tests.terminal.payment.tap_bench import AAC, ARQC, Bench, ContactCard, body, card2, card3

ALERT = (0, 0, ((750, 200), (0, 200), (750, 200)))
APPROVED, DECLINED = r.OUTCOME_APPROVED, r.OUTCOME_DECLINED
PHONE = ["card_present", "card_message 20"]
OFF = (0, 0, ())
DEVICE_HEAP = "256k"  # the application's 208k, asserts and whole names, and the bench itself: cards, keys, server


def _last(bench):
    return bench.records(r.PAYMENT_OUTCOME)[-1]


async def test_a_card_that_is_to_be_inserted_ends_its_identity_and_the_slot_has_a_new_one():
    for tapped in (card3(replies={"GPO": h("6984")}), card2(AAC)):
        bench = Bench(tapped, slot=[None, None, ContactCard()])
        assert await bench.pay() == APPROVED
        first, second = bench.records(r.PAYMENT_OUTCOME)
        assert (first[r.OUTCOME], first[r.REASON], first[r.INTERFACE]) == (DECLINED, "EMV-140", r.INTERFACE_CONTACTLESS)
        assert second[r.OUTCOME] == APPROVED and r.INTERFACE not in second and second[r.INTENT] > first[r.INTENT]
        assert "card_message 1D" in bench.face.screens() and ALERT in bench.indicator.seen
        assert bench.outcomes == [APPROVED]  # nobody is told "declined"


async def test_over_the_contactless_limit_only_the_slot_is_offered():
    bench = Bench(card3(), slot=[ContactCard()], parameters=body(), amount=900000)
    for entry in bench.emv["contactless"]:
        entry["limit"] = 900000
    assert await bench.pay() == APPROVED
    assert bench.face.shown[0] == ("card_present", {"amount": 900000}) and len(bench.ends()) == 1
    assert bench.contactless_reader.commands == 0


async def test_a_card_in_the_slot_wins_over_the_antenna():
    bench = Bench(None, slot=[None, ContactCard()])
    assert await bench.pay() == APPROVED
    assert r.INTERFACE not in _last(bench) and bench.contactless_reader.commands == 0 and len(bench.ends()) == 1


async def test_a_phone_is_looked_at_unlocked_and_presented_again():
    bench = Bench(card3(replies={"GPO": [h("6986")]}), card3())
    assert await bench.pay() == APPROVED
    assert bench.face.screens()[:2] == PHONE and len(bench.ends()) == 1 and ALERT in bench.indicator.seen
    bench = Bench(card3(replies={"GPO": h("6986")}))
    assert await bench.pay() == DECLINED and _last(bench)[r.REASON] == "EMV-141"
    bench = Bench(card3(replies={"GPO": h("6986")}), keys={"card_message": ["cancel"]})
    assert await bench.pay() == DECLINED and _last(bench)[r.REASON] == "EMV-141"


async def test_two_cards_at_once_are_refused_before_either_is_talked_to():
    bench = Bench(CardCollisionError("two"), CardCollisionError("two"), card3())
    assert await bench.pay() == APPROVED
    assert bench.face.screens()[:3] == ["card_present", "card_message 19", "card_message 17"]
    assert ALERT in bench.indicator.seen and bench.contactless_reader.commands == 6 and bench.codes == []


async def test_a_reader_out_of_order_is_noted_once_and_the_slot_still_works():
    broken = CardError("no answer", "CRD-010")
    bench = Bench(broken, broken, broken, slot=[None, None, None, ContactCard()])
    assert await bench.pay() == APPROVED
    assert bench.codes == ["CRD-010"] and "card_message 21" in bench.face.screens()


async def test_cancel_and_time_out_before_a_card_begin_nothing():
    for keys, code in (({"card_present": ["cancel"]}, "CRD-015"), ({}, "CRD-002")):
        bench = Bench(keys=keys)
        try:
            await bench.pay()
            raise AssertionError("somebody paid")
        except NoCardError as error:
            assert error.code == code
        assert bench.ends() == {} and bench.indicator.seen[-1] == OFF and bench.outcomes == []


async def test_an_online_pin_is_typed_after_the_card_has_gone_and_goes_to_the_issuer_only():
    for pin, expected in (("4711", APPROVED), (None, DECLINED)):
        keys = {"card_pin": (list(pin) + ["ok"]) if pin else ["cancel"]}
        issuer = {"arc": "00", "data": b""}
        bench = Bench(card3(ARQC, ctq=h("8000")), keys=keys, issuer=issuer, amount=600000)
        assert await bench.pay() == expected
        assert len(bench.asked) == (pin is not None)
        for name in bench.storage.files:
            assert b"4711" not in bench.storage.files[name]
    assert _last(bench)[r.REASON] == "EMV-113"


async def test_no_number_of_the_card_is_in_the_storage():
    bench = Bench(card3(ARQC), card2(ARQC))
    await bench.pay()
    for name in bench.storage.files:
        assert (
            b"9999990000000018" not in bench.storage.files[name]
            and h("9999990000000018") not in bench.storage.files[name]
        )


async def test_what_was_tapped_before_counts_and_leads_to_the_slot():
    bench = Bench(card3(), card3(), slot=[None, None, ContactCard()])
    for entry in bench.emv["contactless"]:
        entry["floor"] = 150000
    assert await bench.pay() == APPROVED
    bench.journal.view.case.outcome = 0  # another case, for the risk check
    assert await bench.again() == APPROVED
    assert [record[r.REASON] for record in bench.records(r.PAYMENT_OUTCOME)] == ["Y1", "EMV-140", "Y1"]
