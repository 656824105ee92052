"""Serial 2D scanner or MRZ swipe reader: printable ASCII, each line ended by CR, LF or CR LF.

A scan is all lines that follow each other without a pause of 80 ms: one for a bar code, three for the MRZ of an ID-1 document.
A line cut off in the middle (no end within the pause) or more than 512 characters spoil the whole scan, which is then dropped:
half an MRZ is worse than none. The reader's own settings (suffix CR or CR LF, no prefix, no code identifiers) are made with its set-up
bar codes.
"""

from typing import TYPE_CHECKING

from drivers.contracts.small import Scanner

if TYPE_CHECKING:
    from drivers.contracts.small import Uart

LONGEST = 512
PAUSE_MS = 80


class SerialScanner(Scanner):
    """Scans from `uart` (contract `Uart`). `dropped` counts spoilt scans."""

    def __init__(self, uart: "Uart") -> None:
        self._uart = uart
        self._chunk = bytearray(64)
        self._text = bytearray(LONGEST)
        self.dropped = 0

    async def discard(self) -> None:
        """Drop what was scanned but not read."""
        for _ in range(2 * LONGEST // len(self._chunk)):  # a line that never falls silent is not waited for
            got = await self._uart.read_into(self._chunk, 1)
            for at in range(got):
                self._chunk[at] = 0
            if not got:
                return

    async def read_scan(self, timeout_ms: int) -> "str | None":
        """Next scan, its lines joined by a line feed; None after `timeout_ms` without one. Spoilt scans give None as well."""
        length = 0
        spoilt = False
        before = 0
        got = await self._uart.read_into(self._chunk, timeout_ms)
        if not got:
            return None
        while got:
            for at in range(got):
                code = self._chunk[at]
                self._chunk[at] = 0
                if code == 10 and before == 13:
                    before = 10
                    continue
                before = code
                if code == 13:
                    code = 10
                if length == LONGEST or not (code == 10 or 32 <= code < 127):
                    spoilt = True
                else:
                    self._text[length] = code
                    length += 1
            got = await self._uart.read_into(self._chunk, PAUSE_MS)
        whole = length > 0 and self._text[length - 1] == 10 and not spoilt
        text = str(bytes(self._text[: length - 1]), "ascii") if whole else None
        for at in range(LONGEST):
            self._text[at] = 0
        if not whole:
            self.dropped += 1
        return text
