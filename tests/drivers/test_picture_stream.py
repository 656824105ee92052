"""Portraits decoded as they come: found in their group, fitted, dithered; what cannot be shown is said, whatever the bytes."""

from drivers.contracts.picture import BROKEN, UNABLE
from drivers.picture_stream import StreamPicture
from tests.protocol.jpeg import made
from tests.support.dual import record

GROUP = b"\x65\x81\xff\xa2\x81\xfc\x5f\x40\x81\xf8"


def show(content, width=16, height=16, step=50):
    """The result for a whole group that comes in pieces."""
    picture = StreamPicture(width, height)
    for at in range(0, len(content), step):
        picture.feed(content[at : at + step])
    return picture.result()


def ink(rows):
    """How many dots are dark."""
    count = 0
    for value in rows:
        while value:
            count += value & 1
            value >>= 1
    return count


def test_dark_is_ink_and_proportion_is_kept():
    half = made.picture(16, 16, made.blocks(-4, 0, 7, 3), step=160)
    width, height, rows = show(GROUP + half)
    assert (width, height, len(rows)) == (16, 16, 32)
    assert ink(rows[:16]) > 118 and ink(rows[16:]) < 30, "contrast is stretched to black and white"
    for size, fitted in (
        ((16, 8), (16, 8)),
        ((8, 16), (8, 16)),
        ((32, 8), (16, 4)),
        ((8, 64), (2, 16)),
        ((2048, 8), (16, 1)),
    ):
        blocks = (size[0] + 7) // 8 * ((size[1] + 7) // 8)
        width, height, rows = show(GROUP + made.picture(size[0], size[1], made.blocks(*[0] * blocks)))
        assert (width, height) == fitted and len(rows) == (width + 7) // 8 * height


def test_a_flat_grey_keeps_its_share_of_ink():
    width, height, rows = show(GROUP + made.picture(16, 8, made.blocks(3, 0)), 64, 32)
    assert (width, height) == (64, 32)
    assert 0.4 < ink(rows) / (64 * 32) < 0.6
    record("rows", rows)


def test_pieces_of_any_size_give_the_same_picture():
    content = GROUP + made.picture(16, 16, made.blocks(-7, 3, 6, -5))
    whole = show(content, step=1000)
    assert not isinstance(whole, str)
    for step in range(1, 40):
        assert show(content, step=step) == whole


def test_kinds_that_are_not_decoded_here_are_unable():
    progressive = made.picture(16, 8, made.blocks(3, -1)).replace(b"\xff\xc0", b"\xff\xc2")
    for content in (
        progressive,
        b"\x00\x00\x00\x0cjP  \r\n\x87\n" + bytes(300),
        b"\xff\x4f\xff\x51" + bytes(300),
        made.picture(16, 8, made.blocks(3, -1)).replace(made.frame(16, 8), made.frame(4096, 8)),
    ):
        for step in (1, 240):
            assert show(GROUP + content, step=step) == UNABLE


def test_what_is_no_picture_is_broken():
    whole = GROUP + made.picture(16, 8, made.blocks(3, -1))
    for content in (
        b"",
        b"\x65\x00",
        GROUP + bytes(200),
        GROUP + bytes(3000),
        GROUP + b"\x89PNG" + bytes(50),
        whole[:-4],
        whole[:60],
    ):
        assert show(content) == BROKEN


def test_a_broken_picture_stays_broken_and_what_follows_is_not_kept():
    picture = StreamPicture(16, 16)
    picture.feed(GROUP + b"\xff\xd8\xff\xd8")
    for _ in range(20):
        picture.feed(made.picture(16, 8, made.blocks(3, -1)))
    assert picture.result() == BROKEN
