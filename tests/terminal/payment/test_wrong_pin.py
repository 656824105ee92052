"""A PIN that the card refused is called wrong where it is asked for again."""

from tests.protocol.emv.scripted import OFFLINE_PIN, aid_entry, h
from tests.protocol.emv.scripted import body as contact_body
from tests.terminal.payment.tap_bench import Bench, ContactCard

DEVICE_HEAP = "288k"
OPEN = bytes(5)


async def test_the_second_question_for_a_pin_says_that_the_first_was_wrong():
    fields = {"8E": OFFLINE_PIN, "9F0D": OPEN, "9F0E": OPEN, "9F0F": OPEN}
    entry = aid_entry(tac_denial=OPEN, tac_online=OPEN, tac_default=OPEN, capabilities=h("20B8C8"))
    keys = {"card_pin": list("0000") + ["ok"] + list("1234") + ["ok"]}
    bench = Bench(slot=[ContactCard(fields=fields)], parameters=contact_body(entry), keys=keys)
    bench.contactless_reader = None
    assert await bench.pay() == 1
    asked = [(shown["tries_left"], shown["wrong"]) for screen, shown in bench.face.shown if screen == "card_pin"]
    assert asked == [(3, False)] * 5 + [(2, True)] * 5
