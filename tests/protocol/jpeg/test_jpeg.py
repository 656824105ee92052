"""The JPEG decoder on files made by hand: every marker rule, pieces of any size, and bytes that are broken or cut off anywhere."""

from protocol.jpeg import PictureError, UnsupportedPicture
from protocol.jpeg.decoder import BUFFER, Decoder
from tests.protocol.jpeg import made
from tests.support.dual import raises, record

TWO = made.picture(16, 8, made.blocks(3, -1))


def test_two_flat_blocks_have_their_greys_at_every_scale():
    assert made.decode(TWO, 1, 1000) == [2, 1, bytes((131, 130))]
    assert made.decode(TWO, 2, 1000) == [4, 2, bytes((131, 131, 130, 130)) * 2]
    assert made.decode(TWO, 8, 1000) == [16, 8, (bytes([131]) * 8 + bytes([130]) * 8) * 8]


def test_pieces_of_any_size_give_the_same_rows():
    for step in range(1, 20):
        assert made.decode(TWO, 4, step) == made.decode(TWO, 4, 1000)


def test_a_single_frequency_is_its_cosine():
    bits = made.DC_CODES[0] + made.AC_CODES[0x01] + "1" + made.AC_CODES[0]
    row = made.decode(made.picture(8, 8, made.packed(bits)), 8, 1000)[2][:8]
    assert row == bytes((129, 129, 129, 128, 128, 127, 127, 127))  # 8 / 8 * sqrt(2) cos((2x + 1) pi / 16), rounded
    record("row", row)


def test_a_run_of_zeros_puts_the_coefficient_where_the_zigzag_says():
    bits = made.DC_CODES[0] + made.AC_CODES[0x11] + "1" + made.AC_CODES[0]
    rows = made.decode(made.picture(8, 8, made.packed(bits)), 8, 1000)[2]
    assert [rows[8 * y] for y in range(8)] == [129, 129, 129, 128, 128, 127, 127, 127] and rows[:8] == bytes([129]) * 8


def test_restart_markers_begin_the_prediction_anew():
    data = b"".join([made.blocks(2) + bytes((0xFF, 0xD0 + (at & 7))) for at in range(9)]) + made.blocks(1)
    whole = made.picture(80, 8, data, made.segment(0xDD, b"\0\1"))
    for step in (1, 3, 1000):
        assert made.decode(whole, 1, step)[2] == bytes([130] * 9 + [129])
    wrong = made.picture(16, 8, made.blocks(2) + b"\xff\xd1" + made.blocks(1), made.segment(0xDD, b"\0\1"))
    assert raises(PictureError, made.decode, wrong, 1, 1000).detail == "RST"


def test_colour_is_passed_over_and_a_scan_of_lightness_alone_is_enough():
    parts = ((1, 0x22), (2, 0x11), (3, 0x11))
    data = made.blocks(1, 1, 1, 1, 3, 3, 2, 0, 0, 0, 3, 3)
    found = made.decode(made.picture(32, 16, data, parts=parts), 1, 7)
    assert found == [4, 2, bytes((129, 130, 134, 134, 131, 132, 134, 134))]
    alone = made.decode(made.picture(32, 16, made.blocks(*range(-3, 4), 0), parts=parts, numbers=(1,)), 1, 7)
    assert alone == [4, 2, bytes((125, 123, 122, 122, 123, 125, 128, 128))]


def test_segments_without_meaning_are_passed_over_however_long():
    whole = b"\xff\xd8" + made.segment(0xE1, bytes(9000)) + b"\xff\xff" + made.segment(0xFE, b"x") + TWO[2:]
    assert made.decode(whole, 1, 240)[2] == bytes((131, 130))


def test_what_follows_the_picture_is_not_looked_at():
    assert made.decode(TWO + bytes(5000), 1, 240)[2] == bytes((131, 130))


def test_a_file_cut_off_anywhere_is_refused_and_without_its_end_marker_is_whole():
    for end in range(len(TWO) - 3):
        raises(PictureError, made.decode, TWO[:end], 1, 13)
    assert made.decode(TWO[:-2], 1, 13)[2] == bytes((131, 130))


def test_other_processes_are_told_from_broken_files():
    head, tail = b"\xff\xd8" + made.quantisation(), made.TABLES + made.scan() + made.blocks(3, -1)
    for marker in (0xC2, 0xC3, 0xC5, 0xC9, 0xCB, 0xCF):
        raises(UnsupportedPicture, made.decode, head + made.frame(16, 8, marker=marker) + tail, 1, 50)
    for kind in (
        made.frame(16, 8, precision=12),
        made.frame(4000, 8),
        made.frame(8, 4000),
        made.frame(2048, 264),
        made.frame(8, 0),
        made.frame(16, 8, ((82, 0x11), (71, 0x11), (66, 0x11))),
        made.frame(16, 8, ((1, 0x11), (2, 0x11), (3, 0x11), (4, 0x11))),
        made.frame(16, 8, ((1, 0x11), (2, 0x22), (3, 0x11))),
    ):
        raises(UnsupportedPicture, made.decode, head + kind + tail, 1, 50)
    rgb = made.segment(0xEE, b"Adobe\0\x64\0\0\0\0\0")
    parts = ((1, 0x11), (2, 0x11), (3, 0x11))
    raises(UnsupportedPicture, made.decode, made.picture(8, 8, made.blocks(0, 0, 0), rgb, parts), 1, 50)
    assert raises(PictureError, made.decode, b"GIF89a" + bytes(50), 1, 50).code == "FMT-090"


def test_malformed_segments_are_refused():
    good = [made.quantisation(), made.frame(16, 8), made.TABLES, made.scan()]
    for at, bad in (
        (0, made.segment(0xDB, bytes(30))),
        (0, made.segment(0xDB, b"\x04" + bytes(64))),
        (0, made.segment(0xDB, b"\x20" + bytes(64))),
        (0, b""),
        (0, b"\xff\xdb\0\1"),
        (0, made.segment(0xDB, bytes(BUFFER))),
        (0, made.segment(0xDD, b"\1")),
        (0, b"\xff\xd8"),
        (0, b"\xff\xd9"),
        (0, b"x"),
        (1, made.frame(0, 8)),
        (1, made.frame(16, 8)[:-1]),
        (1, made.frame(16, 8, ((1, 0x01),))),
        (1, made.frame(16, 8, ())),
        (1, made.frame(16, 8) * 2),
        (1, b""),
        (2, made.table(0, made.DC_CODES)),
        (2, made.segment(0xC4, b"\0" + bytes([3]) + bytes(15) + b"\0\1\2")),
        (2, made.segment(0xC4, b"\0" + bytes([1]) + bytes(15))),
        (2, made.segment(0xC4, b"\x24" + bytes(16))),
        (3, made.scan((2,))),
        (3, made.scan((1, 1))),
        (3, made.scan(())),
        (3, made.scan()[:-1] + b"\x11"),
        (3, made.scan()[:4]),
    ):
        parts = good[:at] + [bad] + good[at + 1 :]
        whole = b"\xff\xd8" + b"".join(parts) + made.blocks(3, -1) + b"\xff\xd9"
        raises(PictureError, made.decode, whole, 1, 50)


def test_codes_that_no_table_has_and_blocks_too_long_are_refused():
    for bits in (
        "111" * 8,
        "00" + "10" * 5,  # five runs of sixteen zeros
        "00" + "10" * 3 + "110" + "1" + "110" * 9,
        "00" + "11" + "1" * 20,
    ):
        raises(PictureError, made.decode, made.picture(8, 8, made.packed(bits) + b"\xff\xd9"), 1, 50)


def test_a_brightness_that_runs_away_is_refused():
    raises(PictureError, made.decode, made.picture(1024, 512, made.blocks(*[7] * 1000)), 1, 240)


def test_a_unit_larger_than_the_buffer_is_refused_and_not_collected():
    decoder = Decoder(made.Kept(1))
    decoder.feed(made.picture(1024, 512, b"")[:-2])
    stuffed = raises(PictureError, _endless, decoder)
    assert stuffed.code == "FMT-090"


def _endless(decoder):
    """Fill bytes instead of a restart marker, for ever."""
    for _ in range(100):
        decoder.feed(b"\xff\0" * 500)
