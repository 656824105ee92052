"""A contactless payment torn at every command: presented again, gone, or cancelled."""

from protocol import records as r
from tests.protocol.emv.scripted import h
from tests.terminal.payment.tap_bench import ARQC, TC, Bench, card2, card3
from tests.terminal.payment.tap_judge import CARDS, INTERRUPTED, judge

APPROVED = r.OUTCOME_APPROVED
DEVICE_HEAP = "256k"  # the application has 216k; here are asserts, whole names, cards and judge as well


async def _torn(make, at, heard, comes_back):
    first = make()
    bench = Bench(first, first if comes_back else None)
    bench.contactless_reader.tear_at, bench.contactless_reader.heard = at, heard
    outcome = await bench.pay()
    judge(bench, (at, heard, comes_back))
    assert bench.outcomes == [outcome] and len(bench.ends()) == 1
    assert "card_message 21" in bench.face.screens()
    return outcome


async def test_torn_at_every_command_and_presented_again_is_one_payment():
    for make, commands in CARDS:
        for at in range(1, commands + 1):
            for heard in (True, False):
                assert await _torn(make, at, heard, True) == APPROVED, (at, heard)


async def test_torn_at_every_command_and_gone_is_interrupted():
    for make, commands in CARDS:
        for at in range(1, commands + 1):
            assert await _torn(make, at, at % 2 == 0, False) == INTERRUPTED, at


async def test_what_could_recover_a_torn_card_is_forgotten_when_the_payment_is_over():
    from terminal.flows import tap as flow

    taps, plain = [], flow.Tap

    def kept(*of):
        taps.append(plain(*of))
        return taps[-1]

    flow.Tap = kept
    try:
        bench = Bench(card2())
        bench.contactless_reader.tear_at = dict(CARDS)[card2]
        assert await bench.pay() == INTERRUPTED
    finally:
        flow.Tap = plain
    assert [tap._torn.records for tap in taps] == [[]]


async def test_cancel_while_a_torn_card_is_waited_for_is_interrupted_and_a_retry_is_new():
    bench = Bench(card3(), keys={"card_message": ["cancel"]})
    bench.contactless_reader.tear_at = 3
    assert await bench.pay() == INTERRUPTED
    bench.contactless_reader.seen = [card3()]
    assert await bench.again() == APPROVED
    assert [bench.ends()[intent][0] for intent in sorted(bench.ends())] == [INTERRUPTED, APPROVED]
    judge(bench, "retry")


async def test_what_a_card_was_that_left_is_not_said_of_the_one_that_paid():
    for at in (7, 8):
        expired = card2(TC, fields={"5F24": h("260131"), "5F25": h("210201")})
        bench = Bench(expired, None, card2(ARQC, fields={"5F34": h("02")}))
        bench.contactless_reader.tear_at = at
        assert await bench.pay() == r.OUTCOME_PROVISIONAL
        assert bench.records(r.PAYMENT_OUTCOME)[-1][r.TVR] == h("0000000002")
        assert [fields["why"] for screen, fields in bench.face.shown if screen == "outcome"] == [""], at
