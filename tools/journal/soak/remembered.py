"""The terminal's journal, remembering what it has already worked out from the same bytes.

Finding the frames of a segment, reading its head and decoding a record depend on nothing but the bytes. A campaign boots
from millions of images that differ in a page, so each distinct segment, head and record goes through the terminal's own
code once and its result is kept. `tests/conformance/journal/test_soak.py` compares with the journal that remembers nothing.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from protocol import cbor
from protocol.errors import JournalError
from terminal.journal import chain
from terminal.journal.frames import LARGEST, SegmentReader, decode_entry, new_window
from terminal.journal.journal import Journal
from terminal.journal.shelf import Shelf

MOST = 20_000  # of each kind; then everything is forgotten
_FIRST = 2 * LARGEST
_LONGEST = 1 << 20

_indexes: dict[bytes, tuple[list[tuple[int, int, int]], tuple[bool, bool, bool]]] = {}
_heads: dict[bytes, bytes] = {}
_entries: dict[bytes, tuple[bytes, bytes | None] | None] = {}
_records: dict[bytes, Any] = {}


def _keep(memory: dict[Any, Any], key: bytes, value: Any) -> None:
    if len(memory) >= MOST:
        memory.clear()
    memory[key] = value


class RememberingReader(SegmentReader):
    """Reads a segment whole and looks whether the same bytes were read before."""

    _content: tuple[str, bytes] = ("", b"")

    def index(self, name: str) -> list[tuple[int, int, int]]:
        """As the terminal's; a segment larger than a megabyte, or one that cannot be read, would not be remembered."""
        self._content = ("", b"")
        try:
            content = self._storage.read(name, _LONGEST)
        except JournalError:
            return super().index(name)
        self._content = (name, content)
        known = _indexes.get(content)
        if known is None:
            found = super().index(name)
            known = (found, (self.torn, self.damaged, self.old))
            if len(_indexes) >= MOST // 20:
                _indexes.clear()
            _indexes[content] = known
        self.torn, self.damaged, self.old = known[1]
        return list(known[0])

    def entry(self, name: str, offset: int, length: int) -> "tuple[bytes, bytes | None] | None":
        """As the terminal's, from the bytes that were indexed."""
        if self._content[0] != name:
            return super().entry(name, offset, length)
        body = self._content[1][offset : offset + length]
        if body not in _entries:
            _keep(_entries, body, decode_entry(body))
        return _entries[body]

    def head(self, name: str) -> "bytes | None":
        """As the terminal's; remembered if it lies in the first bytes of the file."""
        buffer = bytearray(_FIRST)
        try:
            start = bytes(buffer[: self._storage.read_into(name, 0, buffer)])
        except JournalError:
            return super().head(name)
        known = _heads.get(start)
        if known is None:
            known = super().head(name)
            if known is not None and len(known) < _FIRST // 2:
                _keep(_heads, start, known)
        return known


class RememberingJournal(Journal):
    """The journal over a reader that remembers."""

    def __init__(self, *words: Any) -> None:
        super().__init__(*words)
        storage = words[0]
        self._reader = RememberingReader(storage, new_window())
        self._shelf = Shelf(storage, self._reader)


class _Cbor:
    """In the place of `protocol.cbor` where the chain decodes records: a fresh dict of the same items each time."""

    @staticmethod
    def decode(data: bytes) -> Any:
        known = _records.get(data)
        if known is None:
            known = cbor.decode(data)
            _keep(_records, data, known)
        return dict(known) if isinstance(known, dict) else known


@contextmanager
def remembering() -> Iterator[None]:
    """The chain's records are decoded once within."""
    plain = chain.cbor
    chain.cbor = _Cbor  # type: ignore[assignment]
    try:
        yield
    finally:
        chain.cbor = plain
