"""Base45: the examples of RFC 9285 section 4.3 and 4.4, and what is refused."""

from protocol import base45
from protocol.errors import FormatError
from tests.support.dual import raises, record

EXAMPLES = (
    (b"AB", "BB8"),
    (b"Hello!!", "%69 VD92EX0"),
    (b"base-45", "UJCLQE7W581"),
    (b"ietf!", "QED8WEX0"),
    (b"", ""),
    (b"\x00", "00"),
    (b"\xff", "U5"),
    (b"\xff\xff", "FGW"),
)


def test_the_examples_of_the_standard():
    for data, text in EXAMPLES:
        assert base45.encode(data) == text
        assert base45.decode(text) == data


def test_all_bytes_come_back():
    for size in (1, 2, 3, 255, 256):
        data = bytes([i * 37 & 255 for i in range(size)])
        text = base45.encode(data)
        assert base45.decode(text) == data
        record("text", text)


def test_what_is_not_base45_is_refused():
    for text in ("A", "GGW", "::", "U6", ":::", "bb8", "BB8B", "BB\n", "B,8", "é00"):
        assert raises(FormatError, base45.decode, text).code == "FMT-050", text
