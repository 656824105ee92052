"""What the host was asked and how it ruled, in a file: started again, it hears it all once more, rules as it did, and is where it was.

A line each: CRC-32 and JSON. Card data in it are sealed, as they came.
"""

import json
import os
import zlib
from collections.abc import Iterator
from pathlib import Path

from protocol.errors import ConfigError
from sim.acquirer.book import Ruling

HINT = "move the file away: the host then begins empty"


class Diary:
    """A file of lines. One that a stop cut short was never answered, and is dropped. Errors: ConfigError CFG-098."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._spoilt = False  # what failed could not be taken back: nothing may follow it before a new start
        try:
            if path.exists() and not path.is_file():
                raise OSError("no file")
            path.open("ab").close()
        except OSError as error:
            raise ConfigError(f"{path.name} cannot be written", "CFG-098", "check the path of --diary") from error

    def entries(self) -> Iterator[tuple[bytes, Ruling | None]]:
        """All that it holds, in order: messages, and how the cards in them were ruled upon where one was."""
        data = self._path.read_bytes()
        whole, _, torn = data.rpartition(b"\n")
        if torn[:-1] and torn[8:9] == b" " and torn[:8] == _check(torn[9:-1]):
            raise self._damaged(whole.count(b"\n") + 2 if whole else 1)  # all of it is there but the end of the line
        if torn:
            os.truncate(self._path, len(data) - len(torn))
        for number, line in enumerate(whole.split(b"\n") if whole else (), 1):
            yield self._read(line, number)

    def _read(self, line: bytes, number: int) -> tuple[bytes, Ruling | None]:
        check, _, said = line.partition(b" ")
        if check != _check(said):
            raise self._damaged(number)
        try:
            entry = json.loads(said)
            return bytes.fromhex(entry["message"]), Ruling(*entry["ruling"]) if entry["ruling"] else None
        except (ValueError, KeyError, TypeError) as error:
            raise self._damaged(number) from error

    def _damaged(self, number: int) -> ConfigError:
        return ConfigError(f"{self._path.name} is damaged", "CFG-098", HINT, f"line {number}")

    def add(self, message: bytes, ruling: Ruling | None) -> None:
        """Keep one, durably, before it is answered. OSError, with nothing kept."""
        if self._spoilt:
            raise OSError("the diary failed half-way: start the host again")
        said = json.dumps({"message": message.hex(), "ruling": ruling}).encode()
        with self._path.open("ab", buffering=0) as file:
            before = file.seek(0, os.SEEK_END)
            line = _check(said) + b" " + said + b"\n"
            try:
                if file.write(line) != len(line):
                    raise OSError("the diary has no more room")
                os.fsync(file.fileno())
            except OSError:
                self._spoilt = True
                os.truncate(self._path, before)
                self._spoilt = False
                raise


def _check(said: bytes) -> bytes:
    return b"%08x" % zlib.crc32(said)
