"""Where the face's two data files lie: beside this module, in the image or in the source tree."""

from terminal.face.atlas import open_blob


def _beside(name: str) -> memoryview:
    folder = __file__[: __file__.rfind("/")] if "/" in __file__ else "."
    return open_blob(folder + "/" + name)


def atlas_blob() -> memoryview:
    """The glyph atlas."""
    return _beside("atlas.bin")


def strings_blob() -> memoryview:
    """The catalogue of words."""
    return _beside("strings.bin")
