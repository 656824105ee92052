"""Every screen through driver, bus and display model: what a viewer sees is what was laid out.

With TASDID_SCREENS=folder the pictures are kept there, one PNG per screen and language, to be looked at.
"""

import asyncio
import os
from pathlib import Path

import pytest
from PIL import Image

from drivers.st7789 import St7789
from sim.parts.st7789 import St7789Panel
from terminal.face.canvas import Canvas
from terminal.face.face import Face
from terminal.face.resources import atlas_blob
from tests.terminal.face.samples import SAMPLES


class Bus:
    """The driver's bus, wired to the model."""

    def __init__(self, panel: St7789Panel) -> None:
        self.panel = panel

    async def command(self, opcode: int, data: bytes = b"") -> None:
        self.panel.command(opcode)
        if data:
            self.panel.data(data)

    async def data(self, data: bytes) -> None:
        self.panel.data(data)


async def no_wait(duration: int) -> None:
    """The model has no clock here."""


def colour(value: int) -> "tuple[int, int, int]":
    red, green, blue = value >> 11, value >> 5 & 63, value & 31
    return red << 3 | red >> 2, green << 2 | green >> 4, blue << 3 | blue >> 2


def painted(face: Face, screen: str, fields: dict) -> Image.Image:
    """The sheet drawn by Pillow, panel by panel, each on one big canvas."""
    picture = Image.new("RGB", (320, 240), (255, 0, 255))
    for panel in face.lay_out(screen, fields).panels:
        canvas = Canvas(320, 240, bytearray(40 * 240))
        panel.paint(face.engine, canvas)
        mask = Image.frombytes("1", (320, 240), bytes(canvas.buffer))
        box = (panel.x, panel.y, panel.x + panel.width, panel.y + panel.height)
        patch = Image.new("RGB", (panel.width, panel.height), colour(panel.paper))
        patch.paste(colour(panel.ink), (0, 0, panel.width, panel.height), mask.crop(box))
        picture.paste(patch, box)
    return picture


@pytest.mark.parametrize("lang", ["ar", "fr", "en"])
def test_the_viewer_sees_what_was_laid_out(lang):
    panel = St7789Panel()
    face = Face(St7789(Bus(panel), no_wait), None, None, None, atlas_blob(), lang)  # type: ignore[arg-type]
    folder = os.environ.get("TASDID_SCREENS")
    seen = set()
    for name, screen, fields in SAMPLES(lang):
        face.status = ("14:05", len(name) % 2 == 0, len(name), 4217)
        asyncio.run(face.show(screen, **fields))
        picture = panel.image()
        assert picture.tobytes() == painted(face, screen, fields).tobytes(), name
        assert (255, 0, 255) not in {found for _, found in picture.getcolors(320 * 240) or ()}, name
        seen.add(picture.tobytes())
        if folder:
            Path(folder).mkdir(parents=True, exist_ok=True)
            (Path(folder) / f"{name}.{lang}.png").write_bytes(panel.png())
    assert len(seen) == len(SAMPLES(lang)), "two screens look the same"
    assert not panel.unknown
