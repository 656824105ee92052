"""How an entry lies in a segment file, and how a segment is read back, damaged or not.

    0xA9, length of the body (2), sequence number (4), body, CRC-32 over length, number and body (4); all big endian
    0xC5, the same: a piece of the segment's head; the number is index * 256 + count of pieces
    0xA7, length (2), body, CRC-32 over length and body: entries as release 0.1.0 wrote them; read, no longer written

The body of an entry is the CBOR array [record's bytes, signature's 64 bytes or null]. The head says where the journal
stood before the segment's first entry (`terminal.journal.head`). Bytes that are no whole frame are stepped over to the
next whole frame; if none follows the tail is torn. What the storage cannot read at all (JRN-014) is stepped over in the same way.
"""

import binascii

from drivers.contracts.storage import UNREADABLE
from protocol import cbor
from protocol.errors import FormatError, JournalError
from protocol.pack import rd16, rd32, u16be, u32be

ENTRY = 0xA9
HEAD = 0xC5
OLD_ENTRY = 0xA7
LARGEST = 1536
PIECE = 1024
_OVERHEAD = 11
_WINDOW = 2 * (LARGEST + _OVERHEAD)
_STEP = 64  # no piece that cannot be read is smaller: sectors are


def _frame(mark: int, number: int, body: bytes) -> bytes:
    if len(body) > LARGEST:
        raise JournalError("record is larger than the journal takes", "JRN-021", detail=len(body))
    head = u16be(len(body)) + u32be(number)
    return bytes((mark,)) + head + body + u32be(binascii.crc32(body, binascii.crc32(head)))


def frame(seq: int, record: bytes, signature: "bytes | None") -> bytes:
    """The frame of an entry. Raises JournalError JRN-021 if it is larger than a reader takes."""
    return _frame(ENTRY, seq, cbor.encode([record, signature]))


def head_frames(body: bytes) -> bytes:
    """The frames of a segment's head, at most 255 pieces."""
    count = (len(body) + PIECE - 1) // PIECE
    if count > 255:
        raise JournalError("segment head is larger than the journal takes", "JRN-021", detail=len(body))
    return b"".join(
        [_frame(HEAD, index * 256 + count, body[index * PIECE : (index + 1) * PIECE]) for index in range(count)]
    )


class SegmentReader:
    """Reads the segments of one storage through one window.

    After a scan: `torn` says that the bytes at the end are no frame, `damaged` that such bytes lie before a whole
    frame, `old` that entries of release 0.1.0 were met.
    """

    def __init__(self, storage, window: bytearray) -> None:  # noqa: ANN001 - any Storage
        self._storage = storage
        self._window = window
        self._view = memoryview(window)
        self._held: "tuple[str, int, int] | None" = (
            None  # file, first and last offset of what the window holds for `entry`
        )
        self.torn = self.damaged = self.old = False

    def frames(self, name: str):  # noqa: ANN201 - generator of (mark, number, offset of the body, body as a view that the next step overwrites)
        """Yield every whole frame of a segment in file order; entries of release 0.1.0 have number -1."""
        self._held = None
        size = self._size(name)
        self.torn = self.damaged = self.old = lost = False
        offset = start = end = 0  # offset: of the window's first byte in the file
        while True:
            while end - start < LARGEST + _OVERHEAD and offset + end < size:
                self._window[0 : end - start] = self._window[start:end]
                offset += start
                end -= start
                start = 0
                count = self._fill(name, offset + end, end)
                if not count:
                    size = offset + end
                end += count
            if start >= end:
                self.torn = lost
                return
            mark = self._window[start]
            body = 3 if mark == OLD_ENTRY else 7
            length = self._whole(start, end, body)
            if length < 0:
                lost = True
                start += 1
                continue
            if lost:
                self.damaged = True
                lost = False
            if mark == OLD_ENTRY:
                self.old = True
            number = -1 if mark == OLD_ENTRY else rd32(self._window, start + 3)
            yield mark, number, offset + start + body, self._view[start + body : start + body + length]
            start += body + length + 4

    def _size(self, name: str) -> int:
        """Length of a file; one of which not even that can be read is torn, not absent: nothing may be written to it."""
        try:
            return self._storage.size(name)
        except JournalError as error:
            if error.code != UNREADABLE:
                raise
            return 1

    def _fill(self, name: str, offset: int, at: int) -> int:
        """Read into the window from its place `at` on; returns how many bytes: fewer than there are where what can be read
        ends. Zeros stand for what cannot.
        """
        view = self._view[at:]
        count = self._try(name, offset, view)
        if count >= 0:
            return count
        good, bad = 0, len(view)  # so many bytes can be read, so many cannot
        while bad - good > 1:
            middle = (good + bad) // 2
            if self._try(name, offset, view[:middle]) < 0:
                bad = middle
            else:
                good = middle
        if good:
            return self._storage.read_into(name, offset, view[:good])
        good = _STEP
        while good < len(view) and self._try(name, offset + good, view[:1]) < 0:
            good += _STEP
        bad = good - _STEP  # here it cannot be read, from `good` on it can again
        while good - bad > 1:
            middle = (good + bad) // 2
            if self._try(name, offset + middle, view[:1]) < 0:
                bad = middle
            else:
                good = middle
        good = min(good, len(view))
        view[:good] = bytes(good)
        return good

    def _try(self, name: str, offset: int, view: memoryview) -> int:
        """Read; -1 if it cannot be."""
        try:
            return self._storage.read_into(name, offset, view)
        except JournalError as error:
            if error.code != UNREADABLE:
                raise
            return -1

    def _whole(self, start: int, end: int, body: int) -> int:
        """Length of the body of a whole frame at `start`, -1 if there is none; `body` is the body's distance from the
        mark.
        """
        if end - start < body + 4 or self._window[start] not in (ENTRY, HEAD, OLD_ENTRY):
            return -1
        length = rd16(self._window, start + 1)
        stop = start + body + length
        if length > LARGEST or stop + 4 > end:
            return -1
        if binascii.crc32(self._view[start + 1 : stop]) != rd32(self._window, stop):
            return -1
        return length

    def index(self, name: str) -> "list[tuple[int, int, int]]":
        """(sequence number, offset and length of the body) of every whole entry, by number; file order decides among
        equals.
        """
        found = []
        ordered = True
        last = -1
        for mark, number, offset, body in self.frames(name):
            if mark == HEAD:
                continue
            if mark == OLD_ENTRY:
                number = _number_of(body)
                if number < 0:
                    self.damaged = True
                    continue
            ordered = ordered and number > last
            last = number
            found.append((number, offset, len(body)))
        if not ordered:
            self.damaged = True
            found.sort()  # offsets make every item different
        return found

    def entry(self, name: str, offset: int, length: int) -> "tuple[bytes, bytes | None] | None":
        """(record's bytes, signature or None) of the body at `offset`; None if it does not decode.

        Reads a windowful, which then serves the entries that follow: what is whole in a segment never changes.
        """
        held = self._held
        if held is None or held[0] != name or offset < held[1] or offset + length > held[2]:
            count = self._fill(name, offset, 0)
            held = self._held = (name, offset, offset + count)
        start = offset - held[1]
        return decode_entry(self._view[start : min(start + length, held[2] - held[1])])

    def head(self, name: str) -> "bytes | None":
        """The segment's head, None if it has none or it is damaged. Reads no further than it must."""
        pieces = []
        for mark, number, _, body in self.frames(name):
            if mark != HEAD or number >> 8 != len(pieces):
                return None
            pieces.append(bytes(body))
            if len(pieces) == number & 255:
                return b"".join(pieces)
        return None


def decode_entry(body) -> "tuple[bytes, bytes | None] | None":  # noqa: ANN001 - bytes-like
    """(record's bytes, signature or None) of an entry's body; None if it is none."""
    try:
        entry = cbor.decode(bytes(body))
    except (FormatError, ValueError):
        return None
    if not isinstance(entry, list) or len(entry) != 2 or not isinstance(entry[0], bytes):
        return None
    return entry[0], entry[1]


def _number_of(body) -> int:  # noqa: ANN001
    """Sequence number of an entry of release 0.1.0, -1 if it does not decode."""
    entry = decode_entry(body)
    if entry is None:
        return -1
    try:
        record = cbor.decode(entry[0])
    except (FormatError, ValueError):
        return -1
    number = record.get(4) if isinstance(record, dict) else None
    return number if isinstance(number, int) else -1


def new_window() -> bytearray:
    """A window for `SegmentReader`; allocate it early."""
    return bytearray(_WINDOW)
