"""A card, or a link, whose answers are larger than the memory ends its payment with a code, and never the terminal."""

from protocol import records as r
from tests.protocol.emv.scripted import h
from tests.terminal.payment.tap_bench import Bench, ContactCard, Reader, card2, card3

DEVICE_HEAP = "240k"  # the application has 216k; here are asserts, whole names and cards as well
MUCH = 40000
GPO, READ, GENERATE, DIRECTORY = 0xA8, 0xB2, 0xAE, 0xA4


class _Endless(ContactCard):
    """Answers one instruction with 40,000 bytes by GET RESPONSE, 256 at a time."""

    def __init__(self, ins):
        ContactCard.__init__(self)
        self.ins, self.left, self.fetched = ins, 0, 0

    def transmit(self, command):
        if command[1] == 0xC0:
            self.left -= 256
            self.fetched += 1
            return bytes(256) + (h("6100") if self.left > 0 else h("9000"))
        if command[1] == self.ins and command[4:9] != b"1PAY.":
            self.left = MUCH
            return h("6100")
        return ContactCard.transmit(self, command)


async def test_a_card_that_chains_40000_bytes_is_declined_with_a_code_after_its_256():
    for ins in (GPO, READ, GENERATE, DIRECTORY):
        card = _Endless(ins)
        bench = Bench(slot=[card])
        bench.contactless_reader = None
        assert await bench.pay() == r.OUTCOME_DECLINED, ins
        record = bench.records(r.PAYMENT_OUTCOME)[-1]
        assert record[r.REASON] == "EMV-101" and bench.outcomes == [r.OUTCOME_DECLINED], record
        assert card.fetched == 2 and [len(end) for end in bench.ends().values()] == [1]
        assert not [name for name in bench.storage.files if name.startswith("sealed/")]


class _Long:
    """A tapped card one of whose answers has more than 256 bytes of data in one piece."""

    def __init__(self, card, ins):
        self.card, self.ins = card, ins

    def transmit(self, command):
        answer = self.card.transmit(command)
        return bytes(255) + answer if command[1] == self.ins else answer


async def test_a_tapped_card_with_a_longer_answer_is_declined_with_a_code():
    for card, instructions in ((card3(), (DIRECTORY, GPO, READ)), (card2(), (DIRECTORY, GPO, 0xEA, READ, GENERATE))):
        for ins in instructions:
            bench = Bench(_Long(card, ins))
            assert await bench.pay() == r.OUTCOME_DECLINED, ins
            assert bench.records(r.PAYMENT_OUTCOME)[-1][r.REASON] == "EMV-101", ins


class _Full(Reader):
    """A link for whose answer to command `at`, or to the second GENERATE AC, there is no room."""

    def __init__(self, seen, at):
        Reader.__init__(self, seen)
        self.at = at

    async def transceive(self, command):
        answer = await Reader.transceive(self, command)
        if self.commands == self.at or getattr(self.card, "gacs", 0) == 2:
            raise MemoryError
        return answer


async def _full(at, tapped, issuer=None, **how):
    bench = Bench(issuer=issuer, **how)
    if tapped:
        bench.contactless_reader = _Full([card3()], at)
    else:
        bench.contactless_reader = None
        bench.payment_reader = _Full([ContactCard(kinds=(0x80, 0x40), fields={"9F0D": bytes(5)})], at)
        for entry in bench.emv["aids"]:
            entry["floor"] = 1
    outcome = await bench.pay()
    assert bench.codes == ["CRD-019"] and bench.outcomes == [outcome] == [r.OUTCOME_INTERRUPTED], (at, bench.codes)
    record = bench.records(r.PAYMENT_OUTCOME)[-1]
    assert record[r.REASON] == "CRD-019" and record.get(r.INTERFACE) == (r.INTERFACE_CONTACTLESS if tapped else None)
    assert [len(end) for end in bench.ends().values()] == [1]
    assert not [name for name in bench.storage.files if name.startswith("sealed/")]
    return record


async def test_no_memory_for_an_answer_is_an_interrupted_payment_and_the_terminal_goes_on():
    for at in range(1, 7):
        assert r.ONLINE not in await _full(at, True)
        assert r.ONLINE not in await _full(at, False)


async def test_no_memory_after_the_issuer_was_asked_leaves_the_payment_in_doubt():
    record = await _full(0, False, {"arc": "00", "data": b"", "auth_code": "123456"})
    assert record[r.ONLINE] == r.ONLINE_DOUBTFUL
