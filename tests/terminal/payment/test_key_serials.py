"""One transaction counter serves one payment: it is durable before its key is used, so no power cut makes a key serial number twice."""

from drivers.contracts.secure_element import SLOT_DUKPT_COUNTER, SLOT_DUKPT_IK
from protocol import cose
from protocol.pack import rd32
from terminal import online, sealing
from tests.protocol.emv.scripted import h
from tests.support.parts import PowerCut
from tests.terminal.payment.tap_bench import ARQC, Bench, Element, Reader, card3

DEVICE_HEAP = "240k"  # the application has 216k; here are asserts, whole names and cards as well
FACTS = {"pan": b"9999990000000018", "psn": 1, "expiry": h("301231")}


class _Element(Element):
    """Notes the counter that is durable whenever a key of the initial one is derived."""

    def __init__(self, storage):
        Element.__init__(self, storage)
        self.durable = []

    def stored(self):
        return rd32(self.blocks.get((SLOT_DUKPT_COUNTER, 0), bytes(32)))

    async def aes_ecb(self, slot, block):
        if slot == SLOT_DUKPT_IK:
            self.durable.append(self.stored())
        return await Element.aes_ecb(self, slot, block)


def _bench(**how):
    bench = Bench(card3(ARQC), **how)
    bench.se = _Element(bench.storage)
    return bench


def _serial(blob):
    """The counter in a sealed blob's key serial number, as the host reads it."""
    serial = cose.encrypt0_parse(blob).protected[4]
    assert len(serial) == 12
    return rd32(serial[8:])


async def _seal(bench, pin=False):
    """Seal one payment's data; with a PIN its block first, under the same counter."""
    block = (0, b"")
    if pin:
        block = await sealing.pin_block(bench, FACTS["pan"], bytearray(b"1234"))
    blob = await sealing.seal_card(bench, 7, 90000, FACTS, h("9F2608") + bytes(8), block)
    assert not pin or _serial(blob) == block[0]
    return _serial(blob)


async def test_a_key_is_derived_when_its_counter_is_durable_and_not_before():
    bench = _bench()
    await bench.boot()
    for pin, keys in ((False, 1), (True, 2), (False, 1)):
        bench.se.durable = []
        counter = await _seal(bench, pin)
        assert bench.se.durable == [counter] * keys == [bench.se.stored()] * keys
    assert counter == 3


async def test_a_cut_around_the_write_of_the_counter_makes_no_key_serve_twice():
    for pin in (False, True):
        bench = _bench()
        await bench.boot()
        served = [await _seal(bench, pin)]
        for after in (False, True):
            bench.se.durable = []
            bench.storage.operations, bench.storage.cut, bench.storage.after = 0, 1, after
            try:
                await _seal(bench, pin)
                raise AssertionError("the power did not go")
            except PowerCut:
                assert bench.se.durable == []  # no key was made that may be made again
            bench.storage.cut = 0
            await bench.boot()
            served.append(await _seal(bench, pin))
        assert len(set(served)) == 3, served


async def _asking(cut, after):
    """A payment whose issuer is asked, cut at durable operation `cut`; then paid again: counters of all that left or was kept."""
    bench = _bench(issuer={"arc": "00", "data": b""}, cut=cut, after=after)
    left = []

    async def authorise(t, intent, amount, seal):
        left.append(_serial(await seal()))
        return online.Asked(dict(bench.issuer), "REF")

    bench._authorise = authorise
    ended = await bench.pay()
    if ended == "cut":
        await bench.boot()
        bench.contactless_reader = Reader([card3(ARQC)])
        if bench.journal.view.case.outcome_record is None or bench.journal.view.case.outcome not in (1, 2):
            await bench.again()
    return ended, left


async def test_a_whole_payment_cut_anywhere_and_paid_again_shows_the_host_no_serial_twice():
    most = 0
    for after in (False, True):
        ended, cut = "cut", 0
        while ended == "cut":
            cut += 1
            ended, left = await _asking(cut, after)
            assert len(set(left)) == len(left), (cut, after, left)
            most = max(most, len(left))
        assert cut > 3
    assert most == 2  # some payments had asked before the cut and asked again
