"""What must hold after a contactless payment that was torn or cut: one identity has one end, one case is paid once."""

from protocol import records as r
from tests.terminal.payment.tap_bench import Reader, card2, card3

CARDS = ((card3, 6), (card2, 8))
PAID = (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL)
INTERRUPTED = r.OUTCOME_INTERRUPTED


def judge(bench, where):
    """At most one end an identity, at most one payment a case, sealed card data only beside a payment that was taken."""
    ends = bench.ends()
    for intent in ends:
        assert len(ends[intent]) == 1, (where, ends)
    taken = [intent for intent in ends if ends[intent][0] in PAID]
    assert len(taken) <= 1, (where, ends)
    sealed = [name for name in bench.storage.files if name.startswith("sealed/")]
    assert len(sealed) == len(taken), (where, sealed, ends)


async def after_a_cut(bench, make, where):
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
    judge(bench, where)
    assert len([intent for intent in bench.ends() if bench.ends()[intent][0] in PAID]) == 1, where
