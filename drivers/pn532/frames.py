"""Frames between host and PN532 (UM0701-02, 6.2.1): normal and extended information frames, ACK, NACK and error frames.

A normal frame is 00 00 FF, LEN, LCS, LEN bytes, DCS, 00; an extended one has FF FF and two bytes of length instead. LEN counts the
frame identifier (D4 to the chip, D5 from it) and what follows; length and data each sum up to zero with their checksum.
"""

ACK = b"\x00\x00\xff\x00\xff\x00"
NACK = b"\x00\x00\xff\xff\x00\x00"
TO_CHIP = 0xD4
FROM_CHIP = 0xD5
LONGEST = 265  # identifier, code, target or status, 262 bytes of data (UM0701-02, 7.3.8)
OVERHEAD = 10  # bytes around the content of an extended frame

NOTHING = 0
GOT_ACK = 1
GOT_NACK = 2
GOT_DATA = 3
GOT_ERROR = 4
DAMAGED = 5

_ERROR_CODE = 0x7F
_HUNT = 0
_LENGTH = 1
_CHECK = 2
_EXTENDED = 3
_BODY = 4


def write(out: bytearray, head: bytes, data: object) -> int:
    """Lay one frame to the chip into `out`: `head` (code and parameters) and `data`; returns its length in bytes."""
    count = 1 + len(head) + len(data)  # type: ignore[arg-type]
    out[0] = out[1] = 0
    out[2] = 0xFF
    if count <= 255:
        out[3] = count
        out[4] = -count & 0xFF
        at = 5
    else:
        out[3] = out[4] = 0xFF
        out[5] = count >> 8
        out[6] = count & 0xFF
        out[7] = -(out[5] + out[6]) & 0xFF
        at = 8
    out[at] = TO_CHIP
    end = at + 1 + len(head)
    out[at + 1 : end] = head
    out[end : at + count] = data  # type: ignore[call-overload]
    out[at + count] = -(TO_CHIP + sum(head) + sum(data)) & 0xFF  # type: ignore[arg-type]
    out[at + count + 1] = 0
    return at + count + 2


class Parser:
    """Takes the chip's bytes. After GOT_DATA the frame's content is `body[:length]`, until the next `feed`."""

    def __init__(self) -> None:
        self.body = bytearray(LONGEST + 2)  # and the data checksum and the postamble
        self.length = 0
        self.at = 0
        self.stray = False
        """Whether bytes came since the last frame that belong to none."""
        self._head = bytearray(3)
        self._state = _HUNT
        self._zero = False
        self._filled = 0

    def reset(self) -> None:
        """Forget a frame that was begun."""
        self._state = _HUNT
        self._zero = False
        self.stray = False

    @property
    def within(self) -> bool:
        """Whether something has begun that is not complete: a frame, or what may have been one."""
        return self._state != _HUNT or self.stray

    def feed(self, chunk: object, start: int, end: int) -> int:
        """Take `chunk[start:end]` up to the end of the first frame; `at` says how far. Returns NOTHING or what was found."""
        self.at = start
        while self.at < end:
            found = self._fill(chunk, end) if self._state == _BODY else self._header(chunk[self.at])  # type: ignore[index]
            if found != NOTHING:
                self.reset()
                return found
        return NOTHING

    def _header(self, byte: int) -> int:
        self.at += 1
        state = self._state
        if state == _HUNT:
            if self._zero and byte == 0xFF:
                self._state = _LENGTH
            elif byte:
                self.stray = True
            self._zero = byte == 0
        elif state == _LENGTH:
            self._head[0] = byte
            self._state = _CHECK
        elif state == _CHECK:
            return self._check(self._head[0], byte)
        else:
            self._head[self._filled] = byte
            self._filled += 1
            if self._filled == 3:
                length = self._head[0] << 8 | self._head[1]
                if sum(self._head) & 0xFF or not 0 < length <= LONGEST:
                    return DAMAGED
                self._begin(length)
        return NOTHING

    def _check(self, length: int, check: int) -> int:
        if length == 0 and check == 0xFF:
            return GOT_ACK
        if length == 0xFF and check == 0:
            return GOT_NACK
        self._filled = 0
        if length == 0xFF and check == 0xFF:
            self._state = _EXTENDED
        elif (length + check) & 0xFF or not length:
            return DAMAGED
        else:
            self._begin(length)
        return NOTHING

    def _begin(self, length: int) -> None:
        self.length = length
        self._filled = 0
        self._state = _BODY

    def _fill(self, chunk: object, end: int) -> int:
        count = min(end - self.at, self.length + 2 - self._filled)
        self.body[self._filled : self._filled + count] = memoryview(chunk)[self.at : self.at + count]  # type: ignore[arg-type]
        self._filled += count
        self.at += count
        if self._filled < self.length + 2:
            return NOTHING
        # without a zero byte of the content the postamble would pass for the checksum, and the sum would be right: so it is waited for
        if self.body[self.length + 1] or sum(memoryview(self.body)[: self.length + 1]) & 0xFF:
            return DAMAGED
        if self.length == 1 and self.body[0] == _ERROR_CODE:
            return GOT_ERROR
        if self.length < 2 or self.body[0] != FROM_CHIP:
            return DAMAGED
        return GOT_DATA
