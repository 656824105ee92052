"""How an entry lies in a segment file, and how a segment is read back.

Frame: 0xA7, length of the body (2 bytes, big endian), body, CRC-32 over length and body (4 bytes). Body: CBOR array [record's bytes,
signature's 64 bytes or null]. A frame that is cut short or whose CRC fails ends the segment: what follows was never acknowledged to
anybody, because an append is durable before it returns.
"""

import binascii

from protocol import cbor
from protocol.errors import FormatError, JournalError
from protocol.pack import rd16, rd32, u16be, u32be

MARK = 0xA7
LARGEST = 1536
_OVERHEAD = 7


def frame(record: bytes, signature: "bytes | None") -> bytes:
    """The frame of an entry. Raises JournalError (JRN-021) if it is larger than a reader takes."""
    body = cbor.encode([record, signature])
    if len(body) > LARGEST:
        raise JournalError("record is larger than the journal takes", "JRN-021", detail=len(body))
    head = u16be(len(body))
    return bytes((MARK,)) + head + body + u32be(binascii.crc32(body, binascii.crc32(head)))


class SegmentReader:
    """Reads the frames of one segment through one window; `torn` tells afterwards whether bytes that are no frame follow."""

    def __init__(self, storage, window: bytearray) -> None:  # noqa: ANN001 - any Storage
        self._storage = storage
        self._window = window
        self._view = memoryview(window)
        self.torn = False

    def entries(self, name: str):  # noqa: ANN201 - generator of (record bytes, signature or None)
        """Yield (record bytes, signature or None) for every whole frame of segment `name`."""
        size = self._storage.size(name)
        self.torn = False
        offset = 0  # of the window's first byte in the file
        start = end = 0
        while True:
            if end - start < LARGEST + _OVERHEAD and offset + end < size:
                self._window[0 : end - start] = self._window[start:end]
                offset += start
                end -= start
                start = 0
                end += self._storage.read_into(name, offset + end, self._view[end:])
            if start == end:
                return
            length = self._whole(start, end)
            if length < 0:
                self.torn = True
                return
            try:
                record, signature = cbor.decode(bytes(self._view[start + 3 : start + 3 + length]))
            except (FormatError, ValueError):
                self.torn = True
                return
            start += length + _OVERHEAD
            yield record, signature

    def _whole(self, start: int, end: int) -> int:
        """Length of the body of a whole frame at `start`, -1 if there is none."""
        if end - start < _OVERHEAD or self._window[start] != MARK:
            return -1
        length = rd16(self._window, start + 1)
        stop = start + 3 + length
        if length > LARGEST or stop + 4 > end:
            return -1
        if binascii.crc32(self._view[start + 1 : stop]) != rd32(self._window, stop):
            return -1
        return length


def new_window() -> bytearray:
    """A window for `SegmentReader`; allocate it early."""
    return bytearray(2 * (LARGEST + _OVERHEAD))
