"""Portrait and signature of fictional people, drawn with Pillow: real JPEG and JPEG 2000 files, the same at every run."""

import hashlib
import io
import random
from functools import cache

from PIL import Image, ImageDraw, ImageFilter

from sim.cards.licence.people import Person

_SIZE = (240, 308)


def _random(person: Person) -> random.Random:
    return random.Random(hashlib.sha256(person.number.encode()).digest())


def _face(person: Person) -> Image.Image:
    rng = _random(person)
    skin = (190 + rng.randrange(40), 150 + rng.randrange(40), 120 + rng.randrange(35))
    hair = (30 + rng.randrange(50), 20 + rng.randrange(35), 15 + rng.randrange(30))
    coat = (40 + rng.randrange(120), 50 + rng.randrange(100), 60 + rng.randrange(120))
    image = Image.new("RGB", _SIZE, (206, 212, 218))
    draw = ImageDraw.Draw(image)
    draw.ellipse((20, 230, 220, 420), fill=coat)
    draw.rectangle((98, 190, 142, 250), fill=skin)
    if person.sex == "F":
        draw.ellipse((52, 40, 188, 262), fill=hair)
    draw.ellipse((62, 48, 178, 222), fill=skin)
    draw.pieslice((58, 36, 182, 180), 180, 360, fill=hair)
    for x in (92, 148):
        draw.ellipse((x - 13, 120, x + 13, 134), fill=(250, 250, 250))
        draw.ellipse((x - 6, 121, x + 6, 133), fill=(50, 35, 25))
        draw.arc((x - 18, 98, x + 18, 124), 200, 340, fill=hair, width=4)
    draw.line((120, 130, 112, 164, 126, 166), fill=(150, 110, 90), width=3)
    draw.arc((96, 166, 144, 198), 20, 160, fill=(150, 70, 70), width=4)
    grain = Image.frombytes("L", _SIZE, rng.randbytes(_SIZE[0] * _SIZE[1]))
    return Image.blend(image.filter(ImageFilter.GaussianBlur(1.2)), Image.merge("RGB", (grain, grain, grain)), 0.08)


@cache
def portrait(person: Person, limit: int, kind: str = "jpeg") -> bytes:
    """A picture of 240 x 308 dots, as good as fits into `limit` bytes (about 4 KB at least): "jpeg", "progressive" or "jp2"."""
    face = _face(person)
    if kind == "jp2":
        made = io.BytesIO()
        face.save(made, "JPEG2000", quality_mode="rates", quality_layers=[face.width * face.height * 3 / limit])
        return made.getvalue()
    for quality in (95, 92, 90, 85, 75, 65, 55, 45, 35, 25, 15, 8):
        stream = io.BytesIO()
        face.save(stream, "JPEG", quality=quality, optimize=True, progressive=kind == "progressive")
        if stream.tell() <= limit:
            break
    return stream.getvalue()


@cache
def signature(person: Person) -> bytes:
    """A small grey JPEG of a scribble."""
    rng = _random(person)
    image = Image.new("L", (200, 60), 255)
    points = [(12 + 11 * step + rng.randrange(8), 30 + rng.randrange(-20, 20)) for step in range(16)]
    ImageDraw.Draw(image).line(points, fill=40, width=2, joint="curve")
    stream = io.BytesIO()
    image.save(stream, "JPEG", quality=50, optimize=True)
    return stream.getvalue()
