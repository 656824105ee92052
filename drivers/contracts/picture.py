"""Contract of a picture decoder: a licence's portrait made small for a display of one bit a pixel."""


class Pictures:
    """Decodes what the card brings; the bytes may be hostile."""

    def thumbnail(self, group: bytes, width: int, height: int) -> "tuple[int, int, bytes] | None":
        """The picture in a whole DG4 (or DG6 of an EU licence), fitted into `width` x `height`: (width, height, rows).

        Rows are ceil(width / 8) bytes each, most significant bit left, 1 = ink. None if there is no picture that can be decoded.
        """
        raise NotImplementedError
