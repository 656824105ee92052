"""Offline PIN: counter, last try, wrong, blocked, bypass, enciphered; nothing of it stays behind."""

from protocol.crypto.pure import PureCrypto
from protocol.emv.kernel import transact
from protocol.emv.params import EmvParams
from protocol.emv.steps import pin
from protocol.errors import CardRemovedError
from tests.protocol.emv import scripted
from tests.protocol.emv.scripted import APPROVED, DECLINED, OFFLINE_PIN, UN, Card, aid_entry, body, h, pay, txn
from tests.support.dual import record

OPEN = bytes(5)
PLAIN = {"8E": OFFLINE_PIN, "9F0D": OPEN, "9F0E": OPEN, "9F0F": OPEN}
ENCIPHERED = {"8E": h("00000000000000000400"), "9F0D": OPEN, "9F0E": OPEN, "9F0F": OPEN}


def _params(capabilities="20B8C8"):
    return body(aid_entry(tac_denial=OPEN, tac_online=OPEN, tac_default=OPEN, capabilities=h(capabilities)))


def _asked(trace):
    return [(tries, last) for _, tries, last in trace.of("pin")]


def test_right_pin_is_accepted_and_sent_as_format_2():
    card = Card(fields=PLAIN)
    result, trace = pay(card, _params(), pins=[b"1234"])
    assert (result.outcome, result.cvm_results, result.pin_ok) == (APPROVED, h("010002"), True)
    assert _asked(trace) == [(3, False)]
    assert card.commands[card.names.index("VERIFY")] == h("0020008008241234FFFFFFFFFF")
    assert card.names[6:] == ["GET 9F17", "VERIFY", "GAC 1"]


def test_wrong_pin_is_asked_again_with_the_tries_left():
    card = Card(fields=PLAIN)
    result, trace = pay(card, _params(), pins=[b"0000", b"9999", b"1234"])
    assert _asked(trace) == [(3, False), (2, False), (1, True)]
    assert (result.outcome, result.tvr, result.cvm_results) == (APPROVED, OPEN, h("010002"))


def test_pin_tried_too_often_is_blocked():
    card = Card(fields=PLAIN)
    result, trace = pay(card, _params(), pins=[b"0000", b"0001", b"0002", b"1234"])
    assert len(trace.of("pin")) == 3
    assert (result.tvr, result.cvm_results, result.pin_ok) == (h("0000A00000"), h("010001"), False)
    assert ("TVR B3b6", "pin-tries-used 63C0") in result.explain


def test_blocked_pin_is_not_asked_for():
    card = Card(fields=PLAIN)
    card.tries = 0
    result, trace = pay(card, _params(), pins=[b"1234"])
    assert not trace.of("pin") and "VERIFY" not in card.names
    assert result.tvr == h("0000A00000")


def test_pin_found_blocked_by_verify():
    for sw in ("6983", "6984"):
        card = Card(fields=PLAIN, replies={"GET 9F17": h("6A88"), "VERIFY": h(sw)})
        result, trace = pay(card, _params(), pins=[b"1234"])
        assert result.tvr == h("0000A00000")
        assert _asked(trace) == [(None, False)]


def test_blocked_pin_stays_blocked_for_later_rules():
    fields = dict(PLAIN)
    fields["8E"] = h("0000000000000000410044001F00")
    card = Card(fields=fields)
    card.tries = 0
    result, _ = pay(card, _params(), pins=[b"1234"])
    assert card.names.count("GET 9F17") == 1
    assert (result.tvr, result.cvm_results) == (h("0000200000"), h("1F0002"))


def test_last_try_is_announced():
    card = Card(fields=PLAIN)
    card.tries = 1
    _, trace = pay(card, _params(), pins=[b"1234"])
    assert _asked(trace) == [(1, True)]


def test_bypass_sends_nothing_to_the_card():
    card = Card(fields=PLAIN)
    result, _ = pay(card, _params(), pins=[None])
    assert "VERIFY" not in card.names
    assert (result.tvr, card.tries) == (h("0000880000"), 3)


def test_entry_that_is_no_pin_never_reaches_the_card():
    card = Card(fields=PLAIN)
    result, trace = pay(card, _params(), pins=[b"123", b"1234567890123", b"12a4", b"1234"])
    assert len(trace.of("pin")) == 4
    assert card.names.count("VERIFY") == 1
    assert result.pin_ok


def test_card_that_never_stops_asking_is_given_up():
    card = Card(fields=PLAIN, replies={"VERIFY": h("63CF")})
    result, trace = pay(card, _params(), pins=[b"1234"] * 100)
    assert len(trace.of("pin")) == 15
    assert not result.pin_ok and result.tvr[2] & 0x80


def test_other_status_words_fail_without_a_pin_bit():
    for sw in ("6A86", "6300", "6581"):
        result, _ = pay(Card(fields=PLAIN, replies={"VERIFY": h(sw)}), _params(), pins=[b"1234"])
        assert result.tvr == h("0000800000"), sw


def test_malformed_try_counter_ends_the_transaction():
    for reply, code in (("9F17029000", "EMV-101"), ("9F170203039000", "EMV-102"), ("9F360200019000", "EMV-108")):
        result, _ = pay(Card(fields=PLAIN, replies={"GET 9F17": h(reply)}), _params(), pins=[b"1234"])
        assert (result.outcome, result.reason) == (DECLINED, code), reply


def test_block_of_every_length():
    expected = {4: "241234FFFFFFFFFF", 5: "2512345FFFFFFFFF", 12: "2C123456789012FF"}
    for length in expected:
        assert bytes(pin.block(b"123456789012"[:length])) == h(expected[length])
    for bad in (b"", b"123", b"1234567890123", b"12 4"):
        assert pin.block(bad) is None


def test_enciphered_pin_opens_with_the_cards_key():
    challenge = h("0102030405060708")
    seen = []

    def verify(card, command):
        assert command[:4] == h("00200088")
        number = pow(int.from_bytes(command[5 : 5 + command[4]], "big"), scripted._ICC_D, scripted._ICC_N)
        seen.append(number.to_bytes(96, "big"))
        return h("9000")

    card = Card(fields=ENCIPHERED, replies={"CHALLENGE": challenge + h("9000"), "VERIFY": verify})
    result, _ = pay(card, _params(), pins=[b"1234"], random=0x5A)
    assert (result.cvm_results, result.pin_ok, result.outcome) == (h("040002"), True, APPROVED)
    assert seen == [h("7F241234FFFFFFFFFF") + challenge + b"\x5a" * 79]
    record("cvm", result.cvm_results)


def test_enciphered_pin_without_a_challenge_or_a_key_fails():
    for replies, signed in (({"CHALLENGE": h("6A81")}, {}), ({"CHALLENGE": h("01029000")}, {}), ({}, {"9F46": None})):
        card = Card(fields=ENCIPHERED, replies=replies, signed_fields=signed, kinds=(0x80, 0x00))
        result, _ = pay(card, _params(), pins=[b"1234"])
        assert "VERIFY" not in card.names
        assert (result.cvm_results, result.tvr[2]) == (h("040001"), 0x80)


def _until_pin(card):
    machine = transact(txn(), EmvParams(_params()), PureCrypto(), UN)
    answer = None
    while True:
        request = machine.send(answer)
        if request[0] == "pin":
            return machine
        answer = card.transmit(bytes(request[1])) if request[0] == "apdu" else None


def test_pin_is_wiped_from_the_entry_and_from_the_command():
    machine = _until_pin(Card(fields=PLAIN))
    digits = bytearray(b"1234")
    word, command = machine.send(digits)
    assert word == "apdu" and bytes(command) == h("0020008008241234FFFFFFFFFF")
    assert digits == bytearray(4)
    machine.send(h("9000"))
    assert bytes(command) == bytes(13)


def test_pin_is_wiped_when_the_card_leaves_during_verify():
    from protocol.errors import CardRemovedError

    machine = _until_pin(Card(fields=PLAIN))
    _, command = machine.send(bytearray(b"1234"))
    try:
        machine.throw(CardRemovedError("the card left"))
        raise AssertionError("kept to itself")
    except CardRemovedError:
        pass
    assert bytes(command) == bytes(13)


def test_every_buffer_that_held_the_pin_is_zero_afterwards():
    """Entry, plain block, command and what was enciphered: whatever the card says, and if it leaves."""
    kept, made = pin.block, []

    def block(digits):
        made.append(kept(digits))
        return made[-1]

    class Leaves(Card):
        def _verify(self, data):
            raise CardRemovedError("the card left")

    pin.block = block
    try:
        for fields, replies, make in (
            (PLAIN, {}, Card), (PLAIN, {"VERIFY": h("63C2")}, Card), (PLAIN, {"VERIFY": h("6983")}, Card), (PLAIN, {}, Leaves),
            (ENCIPHERED, {"CHALLENGE": h("6985")}, Card), (ENCIPHERED, {"CHALLENGE": h("11223344556677889000"), "VERIFY": h("9000")}, Card),
        ):  # fmt: skip
            entered = [bytearray(b"1234"), bytearray(b"1234"), bytearray(b"1234")]
            before = len(made)
            try:
                pay(make(fields=fields, replies=replies), _params(), pins=list(entered))
            except CardRemovedError:
                assert make is Leaves
            assert len(made) > before
            for each in made[before:]:
                assert len(each) == 8 and each == bytes(8), each
            for each in entered[: len(made) - before]:
                assert each == bytes(4)
    finally:
        pin.block = kept
