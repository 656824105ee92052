"""A text engine that notes what is drawn, for tests of papers on both runtimes."""

from terminal.face.resources import atlas_blob
from terminal.face.text import TextEngine


class Listening(TextEngine):
    """An engine that notes what is drawn."""

    def __init__(self):
        TextEngine.__init__(self, atlas_blob())
        self.texts = []

    def line(self, text, size, rtl=False):
        self.texts.append(text)
        return TextEngine.line(self, text, size, rtl)
