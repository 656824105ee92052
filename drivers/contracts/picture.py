"""Contract of a picture decoder: a licence's portrait made small for a display of one bit a pixel, while it is read."""

UNABLE = "unable"  # a kind of picture that this terminal does not show
BROKEN = "broken"  # no picture, or one that cannot be decoded


class Picture:
    """One picture in the making. The bytes come from a card and may be hostile: nothing in them makes these methods raise."""

    def feed(self, data: "bytes | bytearray | memoryview") -> None:
        """The next bytes of a whole DG4 (or DG6 of an EU licence), from its first one on."""
        raise NotImplementedError

    def result(self) -> "tuple[int, int, bytes | bytearray] | str":
        """After the last byte: (width, height, rows), else UNABLE or BROKEN.

        Rows are ceil(width / 8) bytes each, most significant bit left, 1 = ink.
        """
        raise NotImplementedError


class Pictures:
    """Decodes what the card brings."""

    def begin(self, width: int, height: int) -> Picture:
        """A picture to be fitted into `width` x `height`."""
        raise NotImplementedError
