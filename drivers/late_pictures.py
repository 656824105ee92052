"""The microcontroller's pictures, whose decoder is in memory only while a licence is read (`terminal.phases`)."""

from drivers.contracts.picture import Picture, Pictures


class LatePictures(Pictures):
    """`drivers.picture_stream`, loaded by the first picture."""

    def begin(self, width: int, height: int) -> Picture:
        """See the contract."""
        from drivers.picture_stream import StreamPicture

        return StreamPicture(width, height)
