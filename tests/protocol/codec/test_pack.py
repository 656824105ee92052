"""Range-checked integers, comparison, exclusive or, stable sort."""

from protocol import pack
from protocol.errors import FormatError
from tests.support.dual import raises, record


def test_integers_pack_and_read_back():
    for write, read, top in (
        (pack.u16be, pack.rd16, 2**16),
        (pack.u24be, pack.rd24, 2**24),
        (pack.u32be, pack.rd32, 2**32),
        (pack.u64be, pack.rd64, 2**64),
    ):
        for value in (0, 1, top // 2 - 1, top // 2, top - 1):
            data = write(value)
            assert read(data) == value
            assert read(b"\x00\x00" + data, 2) == value
            assert read(memoryview(b"\xff" + data), 1) == value
            assert pack.int_from(data) == value
            record("v", data)
        assert raises(FormatError, write, top).code == "FMT-010"
        assert raises(FormatError, write, -1).code == "FMT-010"
    assert pack.u8(255) == b"\xff"
    assert pack.be(0, 0) == b""
    assert pack.be(1, 20) == bytes(19) + b"\x01"
    raises(FormatError, pack.u8, 256)


def test_what_is_no_integer_is_refused():
    for value in (True, None, "1", b"1", 1.0):
        raises(FormatError, pack.u8, value)


def test_reading_over_the_end_is_refused():
    raises(FormatError, pack.rd16, b"\x00")
    raises(FormatError, pack.rd32, bytes(5), 2)
    raises(FormatError, pack.rd16, bytes(5), -1)


def test_comparison_and_exclusive_or():
    assert pack.ct_equal(b"abc", bytearray(b"abc"))
    assert not pack.ct_equal(b"abc", b"abd")
    assert not pack.ct_equal(b"bbc", b"abc")
    assert not pack.ct_equal(b"abc", b"ab")
    assert pack.ct_equal(b"", b"")
    assert pack.xor(b"\x0f\xff", b"\xff\xff") == b"\xf0\x00"
    raises(FormatError, pack.xor, b"a", b"ab")


def test_equal_items_keep_their_order():
    rows = [(i * 7919 % 5, i) for i in range(100)]
    ordered = pack.stable_sorted(rows, lambda row: row[0])
    for before, after in zip(ordered, ordered[1:]):  # noqa: B905  strict= is not on both runtimes
        assert before[0] < after[0] or (before[0] == after[0] and before[1] < after[1])
    assert pack.stable_sorted([3, 1, 2]) == [1, 2, 3]
    assert pack.stable_sorted([]) == []
    assert pack.stable_sorted("ba") == ["a", "b"]


def test_hexed_is_text_of_nothing_too():
    assert (pack.hexed(b""), pack.hexed(bytearray(b"\x00\xab")), pack.hexed(memoryview(b"\x0f"))) == ("", "00ab", "0f")
