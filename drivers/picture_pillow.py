"""A licence's portrait, found by `protocol.licence.groups`, decoded by Pillow (libjpeg; openjpeg for JPEG 2000). CPython only.

The picture comes from a card that may be hostile: formats are limited to these two and the size to MAX_PIXELS.
"""

import io
import warnings

from PIL import Image, ImageOps

from drivers.contracts.picture import BROKEN, Picture, Pictures
from protocol.licence.errors import GroupError
from protocol.licence.groups import portrait_image

FORMATS = {"jpeg": ("JPEG",), "jp2": ("JPEG2000",)}
MAX_PIXELS = 4096 * 4096


def decode(dg4: bytes) -> Image.Image:
    """The picture in a whole DG4, as RGB or grey. GroupError LIC-050 if there is none or it cannot be decoded."""
    kind, start, end = portrait_image(dg4)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(dg4[start:end]), formats=FORMATS[kind]) as image:
                if image.width * image.height > MAX_PIXELS:
                    raise GroupError("the portrait is too large", detail="DG4")
                image.load()
                return image.convert("L" if image.mode in ("L", "1", "I;16") else "RGB")
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError) as error:
        raise GroupError(f"the portrait cannot be decoded ({kind})", detail="DG4") from error


class PillowPictures(Pictures):
    """Pictures that are collected, then decoded."""

    def begin(self, width: int, height: int) -> "PillowPicture":
        """See the contract."""
        return PillowPicture(width, height)


class PillowPicture(Picture):
    """A thumbnail in one bit: contrast stretched, errors diffused (Floyd-Steinberg)."""

    def __init__(self, width: int, height: int) -> None:
        self._size = width, height
        self._group = bytearray()

    def feed(self, data: "bytes | bytearray | memoryview") -> None:
        """See the contract."""
        self._group += data

    def result(self) -> "tuple[int, int, bytes] | str":
        """See the contract."""
        try:
            image = decode(bytes(self._group)).convert("L")
        except GroupError:
            return BROKEN
        small = ImageOps.autocontrast(ImageOps.contain(image, self._size), cutoff=1)
        ink = ImageOps.invert(small).convert("1")
        return ink.width, ink.height, ink.tobytes()
