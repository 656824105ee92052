"""What became of the issuer's scripts is in the outcome record, and only where there were any."""

from protocol import records as r
from tests.protocol.emv.scripted import Card, h, tlv
from tests.terminal.payment.tap_bench import AAC, ARQC, TC, Bench, ContactCard

DEVICE_HEAP = "240k"  # the application has 216k; here are asserts, whole names and cards as well
SCRIPT = tlv("9F18", h("11223344")) + tlv("86", h("00DA000001AA")) + tlv("86", h("00DA000001BB"))


class _Card(ContactCard):
    """Signs the second cryptogram under the number of the first: its CDOL2 has none."""

    def generate(self, asked, data):
        if asked & 0xC0 == ARQC:
            return ContactCard.generate(self, asked, data)
        return Card.generate(self, asked, data)


async def _paid(data, answers, last=TC, arc="00"):
    """The outcome record of an insertion whose issuer answered `arc` with `data`; `answers` of the card to the scripts' commands."""
    waiting = list(answers)
    card = _Card(kinds=(ARQC, last), fields={"9F0D": bytes(5)}, replies={"PUT": lambda c, _: waiting.pop(0)})
    bench = Bench(slot=[card], issuer={"arc": arc, "data": data, "auth_code": "123456"})
    bench.contactless_reader = None
    for entry in bench.emv["aids"]:
        entry["floor"] = 1
    await bench.pay()
    assert waiting == [], card.names
    return bench.records(r.PAYMENT_OUTCOME)[-1]


async def test_scripts_that_ran_and_one_that_failed_are_told_with_their_identifiers():
    both = tlv("71", SCRIPT) + tlv("72", SCRIPT)
    record = await _paid(both, (h("9000"), h("9000"), h("9000"), h("6985")))
    assert (record[r.OUTCOME], record[r.SCRIPT_RESULTS]) == (r.OUTCOME_APPROVED, h("20112233441211223344"))
    assert record[r.TVR][4] == 0x10 and record[r.ONLINE] == r.ONLINE_ANSWERED


async def test_scripts_of_a_refusal_and_of_an_approval_that_the_card_did_not_confirm_are_told_too():
    record = await _paid(tlv("71", SCRIPT), (h("6985"),), AAC)
    assert (record[r.OUTCOME], record[r.ONLINE]) == (r.OUTCOME_DECLINED, r.ONLINE_DOUBTFUL)
    assert record[r.SCRIPT_RESULTS] == h("1111223344") and record[r.TVR][4] == 0x20
    record = await _paid(tlv("72", SCRIPT), (h("9000"), h("9000")), AAC, "05")
    assert (record[r.REASON], record[r.SCRIPT_RESULTS]) == ("05", h("2011223344"))


async def test_without_scripts_the_record_has_no_such_key():
    record = await _paid(b"", ())
    assert record[r.OUTCOME] == r.OUTCOME_APPROVED and r.SCRIPT_RESULTS not in record


async def test_more_scripts_than_can_hold_commands_are_cut_off_after_the_fiftieth():
    record = await _paid(h("7200") * 127, ())
    assert len(record[r.SCRIPT_RESULTS]) == r.MOST_SCRIPT_RESULTS
