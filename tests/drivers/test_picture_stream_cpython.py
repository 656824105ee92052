"""The microcontroller's portrait beside Pillow's, and the same on 32-bit MicroPython."""

import pytest

from drivers.picture_pillow import PillowPictures
from sim.cards.licence.people import PEOPLE
from sim.cards.licence.pictures import portrait
from tests.drivers.test_picture_stream import show
from tests.support import cross

SIZE = (112, 144)


def group(person: str, limit: int) -> bytes:
    return b"\x65\x82\x40\x00\xa2\x82\x40\x00" + portrait(PEOPLE[person], limit)


def shares(picture: "tuple[int, int, bytes]") -> "list[float]":
    """The share of ink in each square of 8 by 8 dots."""
    width, height, rows = picture
    stride = (width + 7) // 8
    return [
        sum(rows[(y + at) * stride + x].bit_count() for at in range(8)) / 64
        for y in range(0, height - 7, 8)
        for x in range(width // 8)
    ]


@pytest.mark.parametrize("person", ["amina", "rachid"] if "rachid" in PEOPLE else sorted(PEOPLE)[:2])
def test_it_looks_as_pillow_makes_it(person: str) -> None:
    content = group(person, 16000)
    other = PillowPictures().begin(*SIZE)
    other.feed(content)
    expected, found = other.result(), show(content, *SIZE, 240)
    assert not isinstance(found, str) and not isinstance(expected, str)
    assert found[:2] == expected[:2]
    apart = [abs(one - two) for one, two in zip(shares(found), shares(expected), strict=True)]
    assert sum(apart) / len(apart) < 0.08 and max(apart) < 0.4, (sum(apart) / len(apart), max(apart))


def test_the_device_draws_the_same_dots_in_its_heap() -> None:
    inputs = [(group("amina", 16000), *SIZE, 240)]
    found = cross.run_on_device("tests.drivers.test_picture_stream", "show", inputs)
    assert found == cross.on_host(show, inputs)
    assert found[0][:2] == [112, 144] and len(found[0][2]) == 14 * 144
