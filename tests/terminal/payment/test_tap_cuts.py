"""A contactless payment torn at every command and cut at every command and durable operation: one identity has one end, one case is paid once."""

from protocol import records as r
from tests.terminal.payment.tap_bench import ARQC, TC, Bench, Reader, card2, card3

APPROVED, PROVISIONAL, INTERRUPTED = r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL, r.OUTCOME_INTERRUPTED
CARDS = ((card3, 6), (card2, 8))
PAID = (APPROVED, PROVISIONAL)


def _judge(bench, where):
    """At most one end an identity, at most one payment a case, sealed card data only beside a payment that was taken."""
    ends = bench.ends()
    for intent in ends:
        assert len(ends[intent]) == 1, (where, ends)
    taken = [intent for intent in ends if ends[intent][0] in PAID]
    assert len(taken) <= 1, (where, ends)
    sealed = [name for name in bench.storage.files if name.startswith("sealed/")]
    assert len(sealed) == len(taken), (where, sealed, ends)


async def _torn(make, at, heard, comes_back):
    first = make()
    bench = Bench(first, first if comes_back else None)
    bench.contactless_reader.tear_at, bench.contactless_reader.heard = at, heard
    outcome = await bench.pay()
    _judge(bench, (at, heard, comes_back))
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


async def test_cancel_while_a_torn_card_is_waited_for_is_interrupted_and_a_retry_is_new():
    bench = Bench(card3(), keys={"card_message": ["cancel"]})
    bench.contactless_reader.tear_at = 3
    assert await bench.pay() == INTERRUPTED
    bench.contactless_reader.seen = [card3()]
    assert await bench.again() == APPROVED
    assert [bench.ends()[intent][0] for intent in sorted(bench.ends())] == [INTERRUPTED, APPROVED]
    _judge(bench, "retry")


async def _after_a_cut(bench, make, where):
    """Boot, judge; pay if nothing was taken."""
    shown = list(bench.outcomes)
    await bench.boot()
    ends = bench.ends()
    for intent in ends:
        assert len(ends[intent]) == 1, (where, ends)
    last = [ends[intent][0] for intent in sorted(ends)]
    assert shown in ([], last), (where, shown, last)  # what a person was shown is what is durable
    if bench.journal.view.case.outcome not in PAID:
        assert last in ([], [INTERRUPTED]), (where, last)
        bench.contactless_reader = fresh = Reader([make()])
        assert await bench.again() in PAID and fresh.commands
    _judge(bench, where)
    assert len([intent for intent in bench.ends() if bench.ends()[intent][0] in PAID]) == 1, where


async def test_the_power_cut_at_every_command_leaves_interrupted_and_nothing_taken():
    for make, commands in CARDS:
        for at in range(1, commands + 1):
            bench = Bench(make())
            bench.contactless_reader.cut_at = at
            assert await bench.pay() == "cut"
            await _after_a_cut(bench, make, at)
            assert [bench.ends()[intent][0] for intent in sorted(bench.ends())] == [INTERRUPTED, APPROVED]


async def test_the_power_cut_at_every_durable_operation_leaves_interrupted_or_what_was_shown():
    for make in (lambda: card3(TC), lambda: card2(ARQC)):
        whole = Bench(make())
        assert await whole.pay() in PAID
        operations = whole.storage.operations
        assert operations >= 6, operations  # intent and counter, key counter, blob, outcome and its copy, counter
        for at in range(1, operations + 1):
            for after in (False, True):
                bench = Bench(make(), cut=at, after=after)
                assert await bench.pay() == "cut", (at, operations)
                await _after_a_cut(bench, make, (at, after))
