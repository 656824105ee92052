"""Strict CBOR: RFC 8949 appendix A entry by entry, and what determinism forbids."""

from protocol import cbor
from protocol.cbor import CborError, Tag
from tests.support.dual import raises, record, vector_cases

# Appendix A entries outside the subset: hex -> (code, why). Everything else there has to round-trip.
REFUSED = {
    "c249010000000000000000": ("FMT-022", "tag (bignum)"),
    "c349010000000000000000": ("FMT-022", "tag (bignum)"),
    "f90000": ("FMT-022", "float"),
    "f98000": ("FMT-022", "float"),
    "f93c00": ("FMT-022", "float"),
    "fb3ff199999999999a": ("FMT-022", "float"),
    "f93e00": ("FMT-022", "float"),
    "f97bff": ("FMT-022", "float"),
    "fa47c35000": ("FMT-022", "float"),
    "fa7f7fffff": ("FMT-022", "float"),
    "fb7e37e43c8800759c": ("FMT-022", "float"),
    "f90001": ("FMT-022", "float"),
    "f90400": ("FMT-022", "float"),
    "f9c400": ("FMT-022", "float"),
    "fbc010666666666666": ("FMT-022", "float"),
    "f97c00": ("FMT-022", "float"),
    "f97e00": ("FMT-022", "float"),
    "f9fc00": ("FMT-022", "float"),
    "fa7f800000": ("FMT-022", "float, and not the shortest"),
    "fa7fc00000": ("FMT-022", "float, and not the shortest"),
    "faff800000": ("FMT-022", "float, and not the shortest"),
    "fb7ff0000000000000": ("FMT-022", "float, and not the shortest"),
    "fb7ff8000000000000": ("FMT-022", "float, and not the shortest"),
    "fbfff0000000000000": ("FMT-022", "float, and not the shortest"),
    "f7": ("FMT-022", "undefined"),
    "f0": ("FMT-022", "simple value"),
    "f818": ("FMT-022", "simple value 24, not even well-formed since RFC 8949"),
    "f8ff": ("FMT-022", "simple value"),
    "c074323031332d30332d32315432303a30343a30305a": ("FMT-022", "tag (date)"),
    "c11a514b67b0": ("FMT-022", "tag (date)"),
    "c1fb41d452d9ec200000": ("FMT-022", "tag (date)"),
    "d74401020304": ("FMT-022", "tag"),
    "d818456449455446": ("FMT-022", "tag"),
    "d82076687474703a2f2f7777772e6578616d706c652e636f6d": ("FMT-022", "tag (URI)"),
    "5f42010243030405ff": ("FMT-022", "indefinite length"),
    "7f657374726561646d696e67ff": ("FMT-022", "indefinite length"),
    "9fff": ("FMT-022", "indefinite length"),
    "9f018202039f0405ffff": ("FMT-022", "indefinite length"),
    "9f01820203820405ff": ("FMT-022", "indefinite length"),
    "83018202039f0405ff": ("FMT-022", "indefinite length"),
    "83019f0203ff820405": ("FMT-022", "indefinite length"),
    "9f0102030405060708090a0b0c0d0e0f101112131415161718181819ff": ("FMT-022", "indefinite length"),
    "bf61610161629f0203ffff": ("FMT-022", "indefinite length"),
    "826161bf61626163ff": ("FMT-022", "indefinite length"),
    "bf6346756ef563416d7421ff": ("FMT-022", "indefinite length"),
}


def test_every_appendix_a_entry_round_trips_or_is_refused_for_its_reason():
    accepted, refused = 0, 0
    for case in vector_cases("cbor_appendix_a.json"):
        data = bytes.fromhex(case["hex"])
        if case["hex"] in REFUSED:
            code, why = REFUSED[case["hex"]]
            error = raises(CborError, cbor.decode, data)
            assert error.code == code, (case["hex"], why, error.code)
            refused += 1
            continue
        value = cbor.decode(data)
        assert cbor.encode(value) == data, case["hex"]
        if "decoded" in case:
            assert value == case["decoded"], case["hex"]
        accepted += 1
    assert refused == len(REFUSED)
    assert accepted + refused == 82
    record("accepted", accepted)


def test_integers_keep_their_value_up_to_64_bits_and_no_further():
    for value in (
        0,
        23,
        24,
        255,
        256,
        65535,
        65536,
        2**30,
        2**31,
        2**32 - 1,
        2**32,
        2**63,
        2**64 - 1,
        -1,
        -24,
        -(2**64),
    ):
        data = cbor.encode(value)
        assert cbor.decode(data) == value
        record("i", data)
    assert raises(CborError, cbor.encode, 2**64).code == "FMT-022"
    assert raises(CborError, cbor.encode, -(2**64) - 1).code == "FMT-022"


def test_true_is_not_one():
    assert cbor.encode(True) == b"\xf5"
    assert cbor.encode(1) == b"\x01"
    assert cbor.decode(b"\xf5") is True
    assert cbor.decode(b"\x01") is not True
    raises(CborError, cbor.encode, {True: 1})
    raises(CborError, cbor.decode, b"\xa1\xf5\x01")


def test_keys_are_sorted_by_their_encoded_bytes():
    value = {"aa": 1, "b": 2, 10: 3, 100: 4, -1: 5, 256: 6}
    data = cbor.encode(value)
    assert data.hex() == "a60a031864041901000620056162026261" + "6101"
    assert cbor.decode(data) == value


def test_maps_out_of_order_or_with_a_key_twice_are_refused():
    assert raises(CborError, cbor.decode, b"\xa2\x02\x00\x01\x00").code == "FMT-021"
    assert raises(CborError, cbor.decode, b"\xa2\x01\x00\x01\x00").code == "FMT-021"
    assert raises(CborError, cbor.decode, b"\xa2\x61\x61\x00\x01\x00").code == "FMT-021"
    assert raises(CborError, cbor.decode, b"\xa1\x41\x61\x00").code == "FMT-022"


def test_longer_than_shortest_forms_are_refused():
    for text in (
        "1817",
        "1900ff",
        "1a0000ffff",
        "1b00000000ffffffff",
        "3817",
        "5801ff",
        "780161",
        "980100",
        "b8010000",
    ):
        assert raises(CborError, cbor.decode, bytes.fromhex(text)).code == "FMT-021", text


def test_cut_short_and_trailing_bytes_are_refused_with_their_offset():
    whole = cbor.encode({1: [b"abc", "def"], 2: 1000})
    for end in range(len(whole)):
        assert raises(CborError, cbor.decode, whole[:end]).code == "FMT-020"
    error = raises(CborError, cbor.decode, whole + b"\x00")
    assert error.detail == len(whole)
    for reserved in (0x1C, 0x1D, 0x1E, 0x3C, 0x5D, 0x9E):
        assert raises(CborError, cbor.decode, bytes((reserved,))).code == "FMT-020"
    assert raises(CborError, cbor.decode, b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff").code == "FMT-020"
    assert raises(CborError, cbor.decode, b"\xff").code == "FMT-022"


def test_text_that_is_not_utf8_is_refused_on_both_runtimes():
    bad = (
        "80",
        "c0af",
        "c1bf",
        "c3",
        "e080af",
        "eda080",
        "edbfbf",
        "f08080af",
        "f4908080",
        "f5808080",
        "e6b0",
        "ff",
        "c328",
    )
    for text in bad:
        data = bytes.fromhex(text)
        assert raises(CborError, cbor.decode, cbor.head(3, len(data)) + data).code == "FMT-020", text
    for good in (
        "",
        "\x00",
        "\u00fc",
        "\u6c34",
        "\u062a\u0633\u062f\u064a\u062f",
        chr(0x10FFFF),
        chr(0xD7FF),
        chr(0xE000),
    ):
        assert cbor.decode(cbor.encode(good)) == good
        record("t", cbor.encode(good))


def test_nesting_and_size_are_bounded():
    assert cbor.decode(b"\x81" * 8 + b"\x00") == [[[[[[[[0]]]]]]]]
    assert raises(CborError, cbor.decode, b"\x81" * 9 + b"\x00").code == "FMT-023"
    assert raises(CborError, cbor.decode, b"\x81\x80", 1).code == "FMT-023"
    nested = 0
    for _ in range(9):
        nested = [nested]
    assert raises(CborError, cbor.encode, nested).code == "FMT-023"
    assert raises(CborError, cbor.encode, bytes(100), False, 8, 100).code == "FMT-023"
    assert raises(CborError, cbor.decode, bytes(101), 8, False, 100).code == "FMT-023"


def test_tags_only_where_asked_for():
    value = Tag(18, [b"", {}])
    data = cbor.encode(value, tags=True)
    assert data == b"\xd2\x82\x40\xa0"
    assert cbor.decode(data, tags=True) == value
    raises(CborError, cbor.encode, value)
    raises(CborError, cbor.decode, data)


def test_prefix_hands_back_where_it_stopped():
    data = b"\xff" + cbor.encode([1, 2]) + b"\x05"
    assert cbor.decode_prefix(data, 1) == ([1, 2], 4)
    assert cbor.decode_prefix(memoryview(data), 4) == (5, 5)
    raises(CborError, cbor.decode_prefix, data, 5)
    raises(CborError, cbor.decode_prefix, data, 6)


def test_other_types_have_no_place():
    for value in (1.5, {1: 1.5}, [set()], {b"a": 1}, {None: 1}, {(1,): 1}):
        assert raises(CborError, cbor.encode, value).code == "FMT-022"
    assert cbor.encode((1, bytearray(b"a"), memoryview(b"b"))) == b"\x83\x01\x41a\x41b"
