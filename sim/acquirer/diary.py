"""What the host was asked, in a file: started again, it hears it all once more and is where it was. Card data in it are sealed, as they came."""

import os
from collections.abc import Iterator
from pathlib import Path


class Diary:
    """A file of messages, each behind a two-byte length. One that a stop cut short was never answered, and is dropped."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def messages(self) -> Iterator[bytes]:
        """All that it holds, in order."""
        data = self._path.read_bytes() if self._path.exists() else b""
        at = 0
        while at + 2 <= len(data):
            end = at + 2 + int.from_bytes(data[at : at + 2], "big")
            if end > len(data):
                break
            yield data[at + 2 : end]
            at = end
        if at < len(data):
            os.truncate(self._path, at)

    def add(self, message: bytes) -> None:
        """Keep one, durably, before it is acted upon."""
        with self._path.open("ab") as file:
            file.write(len(message).to_bytes(2, "big") + message)
            file.flush()
            os.fsync(file.fileno())
