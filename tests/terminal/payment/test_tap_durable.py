"""The power cut at every durable operation of a contactless payment. A file of its own: on the device each file has a heap of its own."""

from tests.terminal.payment.tap_bench import ARQC, TC, Bench, card2, card3
from tests.terminal.payment.tap_judge import PAID, after_a_cut

DEVICE_HEAP = "256k"  # the application has 216k; here are asserts, whole names, cards and judge as well


async def test_the_power_cut_at_every_durable_operation_leaves_interrupted_or_what_was_shown():
    for make in (lambda: card3(TC), lambda: card2(ARQC)):
        whole = Bench(make())
        assert await whole.pay() in PAID
        operations = whole.storage.operations
        whole = None  # one terminal at a time is in memory
        assert operations >= 6, operations  # intent and counter, key counter, blob, outcome and its copy, counter
        for at in range(1, operations + 1):
            for after in (False, True):
                bench = Bench(make(), cut=at, after=after)
                assert await bench.pay() == "cut", (at, operations)
                await after_a_cut(bench, make, (at, after))
                bench = None
