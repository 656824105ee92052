"""The portrait's thumbnail: one bit a pixel, fitted, dark is ink; what cannot be decoded is said to be broken."""

import io

from PIL import Image, ImageDraw

from drivers.contracts.picture import BROKEN
from drivers.picture_pillow import PillowPictures
from sim.cards.licence import build, profile
from sim.cards.tlv import tlv
from sim.pki import make_pki


def group(image: Image.Image, kind: str) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind)
    return tlv(0x65, tlv(0xA2, tlv(0x5F40, stream.getvalue())))


def thumbnail(content: bytes, width: int, height: int) -> "tuple[int, int, bytes] | str":
    picture = PillowPictures().begin(width, height)
    for at in range(0, len(content), 240):
        picture.feed(content[at : at + 240])
    return picture.result()


def test_a_thumbnail_keeps_proportion_and_darkness() -> None:
    image = Image.new("L", (240, 320), 255)
    ImageDraw.Draw(image).rectangle((0, 0, 239, 159), fill=0)
    for kind in ("JPEG", "JPEG2000"):
        found = thumbnail(group(image, kind), 112, 144)
        assert not isinstance(found, str)
        width, height, rows = found
        assert (width, height) == (108, 144) and len(rows) == 14 * 144
        top, bottom = rows[: 14 * 60], rows[14 * 84 :]
        assert sum(byte.bit_count() for byte in top) > 0.98 * 108 * 60
        assert sum(byte.bit_count() for byte in bottom) < 0.02 * 108 * 60
        assert all(rows[13 + 14 * row] & 0x0F == 0 for row in range(144)), "bits beyond the width are blank"


def test_the_simulated_portrait_becomes_a_picture(tmp_path) -> None:
    files = build(profile("amina"), make_pki(tmp_path)).content.files
    found = thumbnail(files[4], 112, 144)
    assert not isinstance(found, str) and found[0] <= 112 and found[1] <= 144
    ink = sum(byte.bit_count() for byte in found[2])
    assert 0.1 < ink / (found[0] * found[1]) < 0.9


def test_what_is_no_picture_is_broken() -> None:
    for content in (b"\x65\x00", group(Image.new("L", (8, 8)), "PNG"), tlv(0x65, b"\xff\xd8\xff\xe0" + bytes(99))):
        assert thumbnail(content, 112, 144) == BROKEN
