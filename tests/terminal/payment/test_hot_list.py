"""A hot-listed card, whichever way it is presented: declined at once where the action codes say so, else for its bank alone and never deferred."""

from protocol import records as r
from tests.protocol.emv.scripted import PAN_DIGITS, h, sha256
from tests.terminal.payment.tap_bench import ARQC, Bench, ContactCard, body, card2, card3

DEVICE_HEAP = "256k"  # the application has 216k; here are asserts, whole names, cards and judge as well
LISTED = 0x10  # TVR, byte 1; the same bit of an action code


def _listed(denied):
    found = body(exceptions=[bytes(32), sha256(PAN_DIGITS)])
    for entry in found["aids"] + found["contactless"]:
        entry["tac_denial"] = h("1010000000") if denied else h("0010000000")
    return found


async def _declined(bench):
    """The records of what was declined; nothing is kept of it for anybody."""
    await bench.pay()
    assert not [name for name in bench.storage.files if name.startswith("sealed/")]
    found = bench.records(r.PAYMENT_OUTCOME)
    assert [record[r.OUTCOME] for record in found] == [r.OUTCOME_DECLINED] * len(found)
    return found


def _slot():
    card = ContactCard(kinds=(0x00, 0x00))
    return card, [None, None, card]


async def test_a_card_of_kernel_2_is_declined_and_in_the_slot_again():
    card, (inside, slot) = card2(), _slot()
    bench = Bench(card, slot=slot, parameters=_listed(True), issuer={"arc": "00", "data": b""})
    tapped, inserted = await _declined(bench)
    assert (tapped[r.REASON], tapped[r.INTERFACE], inserted[r.REASON]) == ("EMV-140", r.INTERFACE_CONTACTLESS, "Z1")
    assert tapped[r.TVR][0] == inserted[r.TVR][0] == LISTED and bench.asked == []
    assert card.asked == [0x00] and [c[2] for c in inside.commands if c[1] == 0xAE] == [0x00]
    assert [fields["why"] for screen, fields in bench.face.shown if screen == "outcome"] == ["B1b5"]


async def test_without_a_network_none_is_deferred():
    (tapped,) = await _declined(Bench(card2(), parameters=_listed(False)))
    assert (tapped[r.REASON], tapped[r.TVR][0]) == ("Z3", LISTED)
    bench = Bench(slot=[ContactCard(kinds=(ARQC, 0x00))], parameters=_listed(False))
    bench.contactless_reader = None
    (inserted,) = await _declined(bench)
    assert (inserted[r.REASON], inserted[r.TVR][0]) == ("Z3", LISTED) and len(bench.asked) == 1


async def test_a_card_of_kernel_3_is_declined_whatever_it_gave():
    for card in (card3(), card3(ARQC)):
        bench = Bench(card, parameters=_listed(False), issuer={"arc": "00", "data": b""})
        (record,) = await _declined(bench)
        assert (record[r.REASON], record[r.INTERFACE]) == ("Z1", r.INTERFACE_CONTACTLESS) and bench.asked == []
