"""The JPEG decoder beside strangers: libjpeg (through Pillow) encodes and decodes; this one agrees with it, on both runtimes."""

import io
import math
from functools import cache
from typing import Any

import pytest
from PIL import Image

from sim.cards.licence.people import PEOPLE
from sim.cards.licence.pictures import portrait
from tests.protocol.jpeg import made
from tests.support import cross

VARIANTS: "dict[str, dict[str, Any]]" = {
    "444": {"subsampling": 0},
    "422": {"subsampling": 1},
    "420": {"subsampling": 2},
    "optimised": {"subsampling": 2, "optimize": True},
    "restarts": {"subsampling": 1, "restart_marker_blocks": 3},
    "coarse": {"subsampling": 2, "quality": 15},
    "fine": {"subsampling": 0, "quality": 100},
}
WORST = 0.4, 4
"""Mean and largest difference from what the standard's formula in real numbers makes of libjpeg's own pixels."""


def image(mode: str, size: "tuple[int, int]") -> Image.Image:
    """A face with grain: smooth parts, edges and noise."""
    return Image.open(io.BytesIO(portrait(PEOPLE["amina"], 16000))).convert(mode).resize(size)


def encoded(mode: str, size: "tuple[int, int]", options: "dict[str, Any]") -> bytes:
    stream = io.BytesIO()
    image(mode, size).save(stream, "JPEG", **{"quality": 85, **options})
    return stream.getvalue()


@cache
def reducing(n: int) -> "list[list[float]]":
    """Row x: what each of 8 pixels gives pixel x of n, by the n lowest frequencies (T.81 A.3.3)."""

    def basis(x: int, u: int, points: int) -> float:
        return (0.5 if u else math.sqrt(0.125)) * math.cos((2 * x + 1) * u * math.pi / (2 * points))

    return [[sum(basis(x, u, n) * basis(at, u, 8) for u in range(n)) for at in range(8)] for x in range(n)]


@cache
def strangers(data: bytes, n: int) -> "tuple[int, int, dict[tuple[int, int], float]]":
    """libjpeg's lightness: the size at n eighths, and the pixels (column, row) of all whole blocks."""
    opened = Image.open(io.BytesIO(data))
    opened.draft("L", opened.size)
    grey, weights, found = opened.convert("L"), reducing(n), {}
    pixels: Any = grey.load()
    for top in range(0, grey.height - 7, 8):
        for left in range(0, grey.width - 7, 8):
            half = [
                [sum(weights[x][at] * pixels[left + at, top + y] for at in range(8)) for x in range(n)]
                for y in range(8)
            ]
            for y in range(n):
                for x in range(n):
                    value = sum(weights[y][at] * half[at][x] for at in range(8))
                    found[left * n // 8 + x, top * n // 8 + y] = min(255.0, max(0.0, value))
    return -(-grey.width * n // 8), -(-grey.height * n // 8), found


def whole(data: bytes) -> bytes:
    """libjpeg's pixels, the cut blocks at the edges included."""
    opened = Image.open(io.BytesIO(data))
    opened.draft("L", opened.size)
    return opened.convert("L").tobytes()


def differs(found: "list[Any]", data: bytes, n: int) -> "tuple[float, float]":
    """Mean and largest difference of whole blocks."""
    width, height, expected = strangers(data, n)
    assert (found[0], found[1]) == (width, height)
    apart = [abs(found[2][y * width + x] - value) for (x, y), value in expected.items()]
    return sum(apart) / len(apart), max(apart)


@pytest.mark.parametrize("mode", ["RGB", "L"])
@pytest.mark.parametrize("variant", sorted(VARIANTS))
def test_libjpeg_and_this_decoder_agree(variant: str, mode: str) -> None:
    for size in ((120, 154), (67, 41)):
        data = encoded(mode, size, VARIANTS[variant])
        edges = [abs(one - two) for one, two in zip(made.decode(data, 8, 240)[2], whole(data), strict=True)]
        assert max(edges) <= WORST[1]
        for n in (1, 2, 4, 8):
            mean, most = differs(made.decode(data, n, 240), data, n)
            assert mean <= WORST[0] and most <= WORST[1], (size, n, mean, most)


def test_the_device_computes_the_same_greys() -> None:
    inputs = [
        (encoded(mode, (97, 75), VARIANTS[name]), n, step)
        for mode, name, n, step in (
            ("RGB", "420", 4, 240),
            ("RGB", "restarts", 2, 17),
            ("L", "fine", 8, 240),
            ("RGB", "coarse", 1, 1),
        )
    ]
    found = cross.run_on_device("tests.protocol.jpeg.made", "decode", inputs)
    assert found == cross.on_host(made.decode, inputs)
    for (data, n, _), got in zip(inputs, found, strict=True):
        assert differs(got, data, n)[0] <= WORST[0]


@pytest.mark.parametrize("options", [{"progressive": True}])
def test_progressive_files_are_told_apart(options: "dict[str, Any]") -> None:
    data = encoded("RGB", (97, 75), options)
    for error in cross.run_on_device("tests.protocol.jpeg.made", "decode", [(data, 4, 240)]):
        assert error.code == "FMT-091"


def test_a_file_cut_off_or_changed_anywhere_is_refused_or_decoded_and_nothing_else() -> None:
    from protocol.jpeg import PictureError

    data = encoded("RGB", (40, 33), VARIANTS["420"])
    ends = 0
    for at in range(len(data)):
        with pytest.raises(PictureError):
            made.decode(data[: at * (len(data) - 20) // len(data)], 2, 97)
        try:
            made.decode(data[:at] + bytes([data[at] ^ 0x55]) + data[at + 1 :], 2, 97)
            ends += 1
        except PictureError:
            pass
    assert 0 < ends < len(data)
