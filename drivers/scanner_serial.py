"""Serial 2D scanner or MRZ swipe reader: printable ASCII, each line ended by CR, LF, CR LF, a tab or ETX.

A scan is all lines that follow each other without a pause of 80 ms: one for a bar code, three for the MRZ of an ID-1 document.
A line cut off in the middle (no end within the pause) or more than 512 characters spoil the whole scan, which is then dropped:
half an MRZ is worse than none. What scanners put around their lines is left out: STX before one, NUL before or after one, a byte
order mark before the first; inside a line they spoil the scan. The reader's own settings (suffix CR or CR LF, no prefix, no code
identifiers) are made with its set-up bar codes.
"""

from typing import TYPE_CHECKING

from drivers.contracts.small import Scanner

if TYPE_CHECKING:
    from drivers.contracts.small import Uart

LONGEST = 512
_NUL, _STX, _ETX, _TAB, _LF, _CR = 0, 2, 3, 9, 10, 13
_MARK = b"\xef\xbb\xbf"  # UTF-8's byte order mark
PAUSE_MS = 80


class SerialScanner(Scanner):
    """Scans from `uart` (contract `Uart`). `dropped` counts spoilt scans, `lost` how often the line was gone: then one types."""

    def __init__(self, uart: "Uart") -> None:
        self._uart = uart
        self._chunk = bytearray(64)
        self._text = bytearray(LONGEST)
        self._length = self._before = self._marked = (
            0  # of the scan that is coming in: bytes, the last one, how much of a byte order mark
        )
        self._spoilt = self._ended = False
        self.dropped = 0
        self.lost = 0

    async def discard(self) -> None:
        """Drop what was scanned but not read."""
        for _ in range(2 * LONGEST // len(self._chunk)):  # a line that never falls silent is not waited for
            got = await self._more(1)
            for at in range(got):
                self._chunk[at] = 0
            if not got:
                return

    async def read_scan(self, timeout_ms: int) -> "str | None":
        """Next scan, its lines joined by a line feed; None after `timeout_ms` without one. Spoilt scans give None as well."""
        got = await self._more(timeout_ms)
        if not got:
            return None
        self._length = self._before = self._marked = 0
        self._spoilt = self._ended = False
        while got:
            for at in range(got):
                self._take(self._chunk[at])
                self._chunk[at] = 0
            got = await self._more(PAUSE_MS)
        length = self._length
        whole = length > 0 and self._text[length - 1] == _LF and not self._spoilt
        text = str(bytes(self._text[: length - 1]), "ascii") if whole else None
        for at in range(LONGEST):
            self._text[at] = 0
        if not whole:
            self.dropped += 1
        return text

    async def _more(self, timeout_ms: int) -> int:
        try:
            return await self._uart.read_into(self._chunk, timeout_ms)
        except OSError:
            self.lost += 1
            return 0

    def _take(self, code: int) -> None:
        """The next byte of a scan."""
        begins = self._length == 0 or self._text[self._length - 1] == _LF
        before = self._before
        if code == _NUL:
            self._ended = not begins  # only the line's end may follow
        elif code in (_STX, _ETX, _TAB) and begins:
            pass
        elif self._length == 0 and self._marked < 3 and code == _MARK[self._marked]:
            self._marked += 1
        elif code in (_LF, _CR) and (before in (_TAB, _ETX) or (code == _LF and before == _CR)):
            self._before = code  # the rest of one end of line
        elif code in (_LF, _CR, _TAB, _ETX):
            self._put(_LF)
            self._before, self._ended = code, False
        else:
            self._spoilt = self._spoilt or self._ended or self._marked in (1, 2) or not 32 <= code < 127
            self._put(code)
            self._before = code

    def _put(self, code: int) -> None:
        if self._length == LONGEST:
            self._spoilt = True
        else:
            self._text[self._length] = code
            self._length += 1
