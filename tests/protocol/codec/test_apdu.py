"""APDUs of all forms, and the exchange of one command."""

from protocol import apdu
from protocol.apdu import ApduError
from tests.support.dual import raises, record

h = bytes.fromhex


def test_the_seven_forms():
    long = bytes(300)
    forms = (
        ((0, 0x70, 0, 0), b"", None, False, "00700000"),
        ((0, 0x84, 0, 0), b"", 8, False, "0084000008"),
        ((0, 0xB0, 0, 0), b"", 256, False, "00B0000000"),
        ((0, 0xA4, 4, 12), b"\x3f\x00", None, False, "00A4040C023F00"),
        ((0, 0xA4, 4, 0), b"\x3f\x00", 256, False, "00A40400023F0000"),
        ((0, 0xB0, 0, 0), b"", 65536, True, "00B00000000000"),
        ((0, 0xB0, 0, 0), b"", 300, True, "00B0000000012C"),
        ((0, 0xD6, 0, 0), long, None, True, "00D6000000012C" + long.hex()),
        ((0, 0x2A, 0, 0), long, 65536, True, "002A000000012C" + long.hex() + "0000"),
    )
    for head, data, le, extended, text in forms:
        raw = apdu.command(head[0], head[1], head[2], head[3], data, le, extended)
        assert raw == h(text)
        parsed = apdu.parse_command(raw)
        assert (parsed.cla, parsed.ins, parsed.p1, parsed.p2) == head
        assert (parsed.data, parsed.le, parsed.extended) == (data, le, extended)
        assert parsed.encode() == raw
        record("raw", raw)
    assert apdu.command(0, 0xB0, 0, 0, b"", 0) == h("00B0000000")


def test_commands_that_cannot_be_made():
    raises(ApduError, apdu.command, 0, 0, 0, 256)
    raises(ApduError, apdu.command, -1, 0, 0, 0)
    raises(ApduError, apdu.command, 255, 0, 0, 0)
    raises(ApduError, apdu.command, 0, 0, 0, 0, bytes(256))
    raises(ApduError, apdu.command, 0, 0, 0, 0, b"", 257)
    raises(ApduError, apdu.command, 0, 0, 0, 0, b"", 65537, True)
    raises(ApduError, apdu.command, 0, 0, 0, 0, b"", -1)


def test_commands_that_are_none():
    for text in (
        "",
        "00A404",
        "FF000000",
        "00A4000002AA",
        "00A4000001AABBCC",
        "00A400000000",
        "00A40000000001",
        "00A40000000002AA",
    ):
        if text == "00A40000000001":
            assert apdu.parse_command(h(text)).le == 1
        else:
            assert raises(ApduError, apdu.parse_command, h(text)).code == "FMT-040", text
    raises(ApduError, apdu.parse_command, h("00A400000000000000"))
    raises(ApduError, apdu.parse_command, h("00A40000000001AABB"))


def test_responses():
    response = apdu.parse_response(h("6F009000"))
    assert response.data == h("6F00")
    assert response.sw == 0x9000
    assert response.ok
    assert response.encode() == h("6F009000")
    assert apdu.parse_response(h("6A82")) == apdu.Response(b"", 0x6A82)
    for text in ("", "90", "5000", "6000", "A000", "0000"):
        assert raises(ApduError, apdu.parse_response, h(text)).code == "FMT-041", text


def run(generator, *answers):
    """Step an exchange with these answers; returns (commands sent as hex, result)."""
    sent = []
    request = next(generator)
    left = list(answers)
    while True:
        sent.append(bytes(request).hex().upper())
        answer = left.pop(0)
        try:
            request = generator.send(h(answer))
        except StopIteration as stop:
            assert not left
            return sent, stop.value


def test_a_plain_exchange():
    sent, response = run(apdu.exchange(h("00A40400023F0000")), "6F009000")
    assert sent == ["00A40400023F0000"]
    assert response == apdu.Response(h("6F00"), 0x9000)


def test_the_rest_is_asked_for_after_61():
    sent, response = run(apdu.exchange(h("01A40400023F00")), "6103", "AABB6101", "CC9000")
    assert sent == ["01A40400023F00", "01C0000003", "01C0000001"]
    assert response == apdu.Response(h("AABBCC"), 0x9000)


def test_the_right_length_is_sent_after_6c():
    sent, response = run(apdu.exchange(h("80CA9F1700")), "6C04", "9F1701039000")
    assert sent == ["80CA9F1700", "80CA9F1704"]
    assert response.data == h("9F170103")
    sent, response = run(apdu.exchange(h("00B0000010")), "6C00", "AA9000")
    assert sent[1] == "00B0000000"


def test_6c_twice_is_the_answer():
    sent, response = run(apdu.exchange(h("00B0000010")), "6C04", "6C05")
    assert len(sent) == 2
    assert response.sw == 0x6C05


def test_6c_after_get_response():
    sent, response = run(apdu.exchange(h("00A4040000")), "6110", "6C02", "AABB9000")
    assert sent == ["00A4040000", "00C0000010", "00C0000002"]
    assert response.data == h("AABB")


def test_extended_6c_keeps_its_form():
    sent, _ = run(apdu.exchange(h("00B00000000200")), "6C08", "9000")
    assert sent[1] == "00B00000000008"


def test_without_following_the_status_is_handed_back():
    sent, response = run(apdu.exchange(h("00A4040000"), follow=False), "6110")
    assert len(sent) == 1
    assert response.sw == 0x6110


def test_a_chain_sets_the_class_bit_on_all_but_the_last():
    capdu = apdu.command(0, 0xDB, 0x3F, 0xFF, bytes(range(10)), 256)
    sent, response = run(apdu.exchange(capdu, chain=4), "9000", "9000", "AA9000")
    assert sent == ["10DB3FFF0400010203", "10DB3FFF0404050607", "00DB3FFF02080900"]
    assert response == apdu.Response(h("AA"), 0x9000)
    sent, response = run(apdu.exchange(capdu, chain=4), "9000", "6A80")
    assert len(sent) == 2
    assert response.sw == 0x6A80
    raises(ApduError, next, apdu.exchange(h("80DB3FFF03010203"), chain=2))


def test_a_card_that_never_ends_is_given_up():
    exchange = apdu.exchange(h("00A4040000"))
    next(exchange)
    error = None
    for _ in range(1000):
        try:
            exchange.send(h("6101"))
        except ApduError as raised:
            error = raised
            break
    assert error is not None
    assert error.code == "FMT-042"


def test_a_response_longer_than_allowed_is_refused():
    exchange = apdu.exchange(h("00A4040000"), limit=3)
    next(exchange)
    exchange.send(h("AABB6102"))
    assert raises(ApduError, exchange.send, h("CCDD9000")).code == "FMT-042"


def test_what_is_no_response_is_refused():
    exchange = apdu.exchange(h("00A4040000"))
    next(exchange)
    assert raises(ApduError, exchange.send, b"\x90").code == "FMT-041"
