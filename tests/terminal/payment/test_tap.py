"""The contactless half of a payment as the officer lives it: what is shown, lit, asked and durable, with cards of both kernel families."""

from protocol import records as r
from tests.protocol.emv.scripted import AID, tlv
from tests.terminal.payment.tap_bench import AAC, ARQC, Bench, ContactCard, card2, card3

READ = (15, 0, ((1500, 500),))
OFF = (0, 0, ())
ALERT = (0, 0, ((750, 200), (0, 200), (750, 200)))
APPROVED, PROVISIONAL, DECLINED = r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL, r.OUTCOME_DECLINED
DEVICE_HEAP = "256k"  # the application has 216k; here are asserts, whole names, cards and judge as well


def _last(bench):
    return bench.records(r.PAYMENT_OUTCOME)[-1]


async def test_approved_offline_is_sealed_signed_and_says_so_only_then():
    for card, commands in ((card3(), 6), (card2(), 8)):
        bench = Bench(None, card)
        assert await bench.pay() == APPROVED
        record = _last(bench)
        assert (record[r.REASON], record[r.INTERFACE], record[r.LAST4]) == ("Y1", r.INTERFACE_CONTACTLESS, "0018"), (
            record
        )
        assert bench.journal.blob("sealed", record[r.SEQ]) is not None and r.ONLINE not in record
        assert bench.outcomes == [APPROVED] and bench.asked == []
        assert bench.face.screens()[0] == "card_present" and bench.face.screens()[-1] == "outcome"
        assert bench.contactless_reader.commands == commands
        seen = bench.indicator.seen
        assert (1, 0, ()) in seen and READ in seen and seen[-1] == OFF
        assert bench.face.shown[0][1] == {"amount": 90000, "tap": True}


async def test_without_a_network_provisional_and_with_one_the_issuer_decides_after_the_card_has_gone():
    for make in (card3, card2):
        bench = Bench(make(ARQC))
        assert await bench.pay() == PROVISIONAL and _last(bench)[r.REASON] == "DEFERRED"
        assert bench.journal.blob("sealed", _last(bench)[r.SEQ]) is not None and len(bench.asked) == 1
        bench = Bench(make(ARQC), issuer={"arc": "00", "auth_code": "123456", "data": b""})
        last = len(make(ARQC).names)
        assert last == 0 and await bench.pay() == APPROVED
        record = _last(bench)
        assert (record[r.ONLINE], record[r.AUTH_CODE], r.SEALED in record) == (r.ONLINE_ANSWERED, "123456", False)
        assert bench.face.screens()[-2:] == ["card_message 1B", "outcome"]
        bench = Bench(make(ARQC), issuer={"arc": "51", "data": b""})
        assert await bench.pay() == DECLINED and r.SEALED not in _last(bench)
        bench = Bench(make(ARQC), issuer={"sent": True})
        assert await bench.pay() == DECLINED and _last(bench)[r.ONLINE] == r.ONLINE_DOUBTFUL


async def test_a_card_that_goes_once_it_is_read_ends_like_one_that_stays():
    for make, commands in ((card3, 6), (card2, 8)):
        bench = Bench(make(ARQC), issuer={"arc": "00", "data": b""})
        bench.contactless_reader.cut_at = commands + 1  # any command more would be the end
        kept = bench.face.show

        async def show(screen, kept=kept, bench=bench, **fields):
            if fields.get("ui") in (0x17, 0x1B):
                bench.contactless_reader.card = None
            await kept(screen, **fields)

        bench.face.show = show
        assert await bench.pay() == APPROVED
        assert "card_message 17" in bench.face.screens()


async def test_declined_by_the_card_says_what_decided():
    bench = Bench(card3(AAC))
    assert await bench.pay() == DECLINED
    assert (_last(bench)[r.REASON], _last(bench)[r.INTERFACE]) == ("Z1", r.INTERFACE_CONTACTLESS)
    assert r.SEALED not in _last(bench) and bench.indicator.seen[-1] == ALERT


async def test_a_label_that_is_the_cards_number_is_on_no_screen_and_in_no_record():
    number = b"9999990000000018"
    entry = tlv("61", tlv("4F", AID) + tlv("50", number) + tlv("87", b"\x01"))
    inserted = ContactCard()
    inserted.aids = [(AID, number.decode(), 1)]
    for bench in (Bench(card3(directory=entry)), Bench(slot=[inserted])):
        assert await bench.pay() == APPROVED
        assert _last(bench)[r.SCHEME] == "CIB TEST" and _last(bench)[r.LAST4] == "0018"
        assert number.decode() not in str(bench.face.shown)
