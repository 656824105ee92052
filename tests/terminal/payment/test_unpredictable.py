"""The unpredictable number that a card is told is the secure element's, and never the same twice: in the slot, tapped, with relay resistance."""

from protocol import records as r
from tests.protocol.emv.contactless import scripted_tap
from tests.protocol.emv.scripted import CDOL1
from tests.terminal.payment.tap_bench import Bench, ContactCard, card2, card3

DEVICE_HEAP = "256k"  # the application has 216k; here are asserts, whole names, cards and judge as well


def _drawn_by(bench, start):
    """Replaces the element's generator by one whose numbers nobody could guess but this test; returns what it gave, in order."""
    given = []

    async def random(length):
        number = bench.crypto.sha256(bytes((start, len(given))))[:length]
        given.append(number)
        return number

    bench.se.random = random
    return given


def told(dol, data):
    """The 9F37 in `data`, by the card's list."""
    at = offset = 0
    while at < len(dol):
        size = 2 if dol[at] & 0x1F == 0x1F else 1
        tag, length = dol[at : at + size], dol[at + size]
        if tag == b"\x9f\x37":
            return bytes(data[offset : offset + length])
        at += size + 1
        offset += length
    raise AssertionError("the list has no 9F37")


def _numbers(card):
    """{command: 9F37} of what the card was told."""
    found = {}
    for i in range(len(card.names)):
        data = card.commands[i][5:-1]
        if card.names[i] == "GPO":
            found["GPO"] = told(card.pdol, data[2:])
        elif card.names[i].startswith("GAC"):
            found["GAC"] = told(CDOL1, data)
    return found


async def _paid(bench, card, again):
    if again:  # the next fine of the same terminal
        notice = {
            r.CASE: 2,
            r.PV: "000002-00001",
            r.OFFENCE: "66/D-24",
            r.TARIFF: 1,
            r.AMOUNT: bench.amount,
            r.POINTS: 6,
        }
        await bench.journal.append(r.NOTICE, notice)
    outcome = await bench.again() if again else await bench.pay()
    assert outcome == r.OUTCOME_APPROVED
    return _numbers(card)


async def test_in_the_slot():
    cards = [ContactCard(), ContactCard()]
    bench = Bench(slot=cards)
    numbers = []
    for i in range(2):
        given = _drawn_by(bench, 1 + i)
        found = await _paid(bench, cards[i], i)
        four = [number for number in given if len(number) == 4]
        assert [found["GPO"]] == [found["GAC"]] == four[:1]
        numbers.append(found["GAC"])
    assert numbers[0] != numbers[1]


async def test_tapped():
    for make in (card3, card2):
        cards = [make(), make()]
        bench = Bench(*cards, amount=10000)  # the same card twice must not look like a split sale
        numbers = []
        for i in range(2):
            given = _drawn_by(bench, 3 + i)
            found = await _paid(bench, cards[i], i)
            four = [number for number in given if len(number) == 4]
            assert [found["GPO"]] == four[:1]
            if make is card2:  # relay resistance draws another one, which the signature covers
                assert [found["GAC"]] == four[1:2]
            numbers += list(found.values())
        assert len(numbers) == len(set(numbers)) == (2 if make is card3 else 4)


def test_the_list_of_the_scripted_card_names_the_number():
    assert told(scripted_tap.PDOL, bytes(range(60))) == bytes(range(29, 33))
