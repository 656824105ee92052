"""BER-TLV of cards, and data object lists."""

from protocol import tlv
from protocol.tlv import TlvError
from tests.support.dual import raises, record

h = bytes.fromhex

FCI = h("6F1A840E315041592E5359532E4444463031A5088801025F2D02656E")  # EMV Book 1 annex: an FCI of the PSE


def test_one_level_in_order():
    outer = tlv.parse(FCI)
    assert outer == [(0x6F, FCI[2:])]
    inner = tlv.parse(outer[0][1])
    assert inner == [(0x84, b"1PAY.SYS.DDF01"), (0xA5, h("8801025F2D02656E"))]
    assert tlv.parse(b"") == []


def test_values_of_a_memoryview_are_not_copied():
    view = memoryview(FCI)
    value = tlv.parse(view)[0][1]
    assert isinstance(value, memoryview)
    assert bytes(value) == FCI[2:]


def test_walking_down_and_finding():
    seen = [(depth, tag, bytes(value)) for depth, tag, value in tlv.walk(FCI)]
    assert [row[:2] for row in seen] == [(0, 0x6F), (1, 0x84), (1, 0xA5), (2, 0x88), (2, 0x5F2D)]
    assert seen[4][2] == b"en"
    assert tlv.find(FCI, 0x6F, 0xA5, 0x88) == b"\x02"
    assert tlv.find(FCI, 0xA5) is None
    assert tlv.find(FCI, 0x6F, 0x50) is None
    assert tlv.first(FCI, 0x5F2D) == b"en"
    assert tlv.first(FCI, 0x9F38) is None


def test_encoding_gives_the_shortest_length():
    for size in (0, 1, 127, 128, 255, 256, 3000):
        data = tlv.encode(0x70, bytes(size))
        assert tlv.parse(data) == [(0x70, bytes(size))]
        record("head", data[: len(data) - size])
    for size in (0, 127, 128, 255, 256, 65535, 65536, 0xFFFFFF):
        head = tlv.encode_length(size)
        assert tlv.read_length(head, 0) == (size, len(head))
    raises(TlvError, tlv.encode_length, 0x1000000)
    raises(TlvError, tlv.encode_length, -1)
    assert tlv.encode(0x9F02, b"\x01") == h("9F020101")
    assert tlv.encode(0xDF8129, b"") == h("DF812900")
    for tag in (0, 0x9F, 0x1F, 0x9F80, 0x5F81, 0x8400, 0x01000000, -1):
        raises(TlvError, tlv.encode, tag, b"")


def test_lengths_that_are_not_allowed():
    for text, code in (
        ("7080", "FMT-030"),
        ("708400000001AA", "FMT-030"),
        ("70FF", "FMT-030"),
        ("708180", "FMT-031"),
        ("708105", "FMT-030"),
        ("7082", "FMT-031"),
        ("7082FF", "FMT-031"),
        ("7002AA", "FMT-031"),
        ("70", "FMT-031"),
        ("9F", "FMT-031"),
        ("9F81", "FMT-031"),
        ("9F818101", "FMT-030"),
        ("9F8001", "FMT-030"),
        ("708101AA", "FMT-030"),
        ("70820001AA", "FMT-030"),
        ("0000", "FMT-030"),
    ):
        assert raises(TlvError, tlv.parse, h(text)).code == code, text


def test_errors_give_the_offset():
    error = raises(TlvError, tlv.parse, h("8401AA7003"))
    assert error.detail == 3


def test_lenient_reading_skips_filling_and_takes_long_lengths():
    assert tlv.parse(h("00008401AA0000FF8501BBFF"), strict=False) == [(0x84, b"\xaa"), (0x85, b"\xbb")]
    assert tlv.parse(h("84820001AA"), strict=False) == [(0x84, b"\xaa")]
    raises(TlvError, tlv.parse, h("8480AA0000"), strict=False)


def test_duplicates_are_seen():
    data = h("8401AA8501BB8401CC")
    error = raises(TlvError, tlv.parse_map, data)
    assert error.code == "FMT-032"
    assert tlv.parse_map(data, allow_duplicates=True) == {0x84: b"\xaa", 0x85: b"\xbb"}
    assert tlv.parse_map(h("8401AA8500")) == {0x84: b"\xaa", 0x85: b""}


def test_depth_is_bounded():
    data = b""
    for _ in range(9):
        data = tlv.encode(0x70, data)
    assert raises(TlvError, list, tlv.walk(data)).code == "FMT-033"
    assert len(list(tlv.walk(data, max_depth=10))) == 9


def test_a_dol_keeps_repeated_tags_and_order():
    dol = h("9F02069F0306950595059A03")
    assert tlv.parse_dol(dol) == [(0x9F02, 6), (0x9F03, 6), (0x95, 5), (0x95, 5), (0x9A, 3)]
    for bad in ("9F02", "95", "9F"):
        raises(TlvError, tlv.parse_dol, h(bad))


def _lookup(tag):
    return {
        0x9F02: (h("000000500000"), "n"),
        0x9F37: h("01020304"),
        0x5A: (h("4761739001010010"), "cn"),
        0x70: h("AABB"),
    }.get(tag)


def test_a_dol_pads_and_cuts_by_format():
    assert tlv.build_dol(h("9F0206"), _lookup) == h("000000500000")
    assert tlv.build_dol(h("9F0208"), _lookup) == h("0000000000500000")  # numeric: zeros on the left
    assert tlv.build_dol(h("9F0204"), _lookup) == h("00500000")  # numeric: cut on the left
    assert tlv.build_dol(h("5A0A"), _lookup) == h("4761739001010010FFFF")  # compressed numeric: F on the right
    assert tlv.build_dol(h("5A04"), _lookup) == h("47617390")  # cut on the right
    assert tlv.build_dol(h("9F3706"), _lookup) == h("010203040000")  # binary: zeros on the right
    assert tlv.build_dol(h("9F3702"), _lookup) == h("0102")
    assert tlv.build_dol(h("9F4E03"), _lookup) == bytes(3)  # unknown: zeros
    assert tlv.build_dol(h("7002"), _lookup) == bytes(2)  # constructed: zeros
    assert tlv.build_dol(h("9F37049F3704"), _lookup) == h("0102030401020304")
    assert tlv.build_dol([(0x9F37, 4)], _lookup) == h("01020304")
    assert tlv.build_dol(b"", _lookup) == b""
