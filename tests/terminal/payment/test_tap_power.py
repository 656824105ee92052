"""The power cut at every command of a contactless payment. A file of its own: on the device each file has a heap of its own."""

from protocol import records as r
from tests.terminal.payment.tap_bench import Bench
from tests.terminal.payment.tap_judge import CARDS, INTERRUPTED, after_a_cut

APPROVED = r.OUTCOME_APPROVED
DEVICE_HEAP = "256k"  # the application has 216k; here are asserts, whole names, cards and judge as well


async def test_the_power_cut_at_every_command_leaves_interrupted_and_nothing_taken():
    for make, commands in CARDS:
        for at in range(1, commands + 1):
            bench = Bench(make())
            bench.contactless_reader.cut_at = at
            assert await bench.pay() == "cut"
            await after_a_cut(bench, make, at)
            assert [bench.ends()[intent][0] for intent in sorted(bench.ends())] == [INTERRUPTED, APPROVED]
