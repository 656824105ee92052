"""A reader that breaks down after the outcome is durable: the outcome stands, and the fine goes on to its papers, whoever was to look at the card."""

from protocol import records as r
from protocol.errors import CardError
from terminal.flows.fine import Fine
from tests.terminal.payment.tap_bench import ARQC, TC, Bench, ContactCard, Reader, body, card3

DEVICE_HEAP = "256k"


class _Broken(Reader):
    """Fails where it is asked whether the card is still there, or when it waits for it to leave."""

    def __init__(self, seen, at):
        Reader.__init__(self, seen)
        self.at = at

    async def card_present(self):
        if self.at == "present":
            raise CardError("no such reader", "CRD-011")
        return True

    async def wait_for_removal(self, timeout_ms):
        raise CardError("no answer", "CRD-010")


async def _bench(kind, at):
    kinds = (TC,) if kind == TC else (ARQC, 0)
    bench = Bench(parameters=body(contactless=[]), slot=[ContactCard(kinds=kinds)])
    bench.contactless_reader = None
    for entry in bench.emv["aids"]:
        entry["floor"] = 1 if kind == ARQC else entry["floor"]
    bench.payment_reader = _Broken(bench.payment_reader.seen, at)
    bench.release = lambda: None
    return bench


async def test_a_payment_ends_with_its_outcome_and_notes_the_readers_code():
    for kind, outcome in ((TC, r.OUTCOME_APPROVED), (ARQC, r.OUTCOME_PROVISIONAL)):
        for at, code in (("present", "CRD-011"), ("removal", "CRD-010")):
            bench = await _bench(kind, at)
            assert await bench.pay() == outcome
            assert bench.codes == [code]


async def test_a_slot_that_is_out_of_order_leaves_the_antenna_working():
    bench = Bench(None, None, card3(TC))

    async def broken(timeout_ms):
        raise CardError("no such reader", "CRD-011")

    bench.payment_reader.wait_for_card = broken
    assert await bench.pay() == r.OUTCOME_APPROVED and bench.codes == ["CRD-011"]
    bench = Bench()
    bench.payment_reader.wait_for_card = broken
    await bench.noticed()
    bench.release = lambda: None
    bench.face.keys = {"error": ["ok"]}
    assert await Fine(bench)._paying() == "choose"  # nobody came to the antenna: the slot's trouble is named
    assert [fields["code"] for screen, fields in bench.face.shown if screen == "error"] == ["CRD-011"]


async def test_the_fine_goes_on_to_the_papers_and_is_never_offered_again():
    for at in ("present", "removal"):
        bench = await _bench(TC, at)
        await bench.noticed()
        assert await Fine(bench)._paying() == "receipt"
        assert bench.journal.view.case.outcome == r.OUTCOME_APPROVED


async def test_whatever_a_payment_raises_after_its_outcome_the_case_is_not_open_again():
    """Beside the reader of above: whatever else a driver may raise while the outcome is on the screen."""
    bench = await _bench(TC, "present")
    await bench.noticed()
    bench.fail("outcome", CardError("the display shares the link that broke", "CRD-010"))
    bench.face.keys = {"error": ["ok"]}
    assert await Fine(bench)._paying() == "receipt"
