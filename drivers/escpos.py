"""A 58 mm ESC/POS receipt printer on a UART: contract `drivers.contracts.printer.Printer`, both runtimes.

Commands (Epson ESC/POS reference): ESC @, ESC a, ESC J, GS v 0, GS ( k fn 165/167/169/180/181, GS V 66, DLE EOT 1..4,
DLE DC4 fn 8, GS r 1. Rows are sent only as far as they carry ink: blank rows become ESC J, and GS v 0 under ESC a left, centre or
right carries only the columns in between. ESC J is taken to feed in dots, as 203 dpi parts do after ESC @.

GS r 1 is an ordinary command, answered when all before it is done: an answer after the last item is the proof that the job was
printed. One is sent after every 2 KB or 400 rows too and no more than two may be open, so that at most 4 KB lie unread in the
printer's buffer and memory here stays bounded. Real-time commands are sent between complete commands only; and since a printer
obeys them inside raster data as well, a row that would spell one (10 04, 10 05, 10 14) gets one dot widened.

A printer that says nothing is *unknown*, never fine: without an answer a job fails with PRN-002.
"""

from typing import TYPE_CHECKING

from drivers.contracts.printer import DOTS, ROW_BYTES, Printer, PrinterStatus
from protocol.errors import PrinterError

if TYPE_CHECKING:
    from typing import Any

    from drivers.contracts.small import Uart

_MARK_BYTES = 2048
_MARK_ROWS = 400
_OPEN_MARKS = 2
_STATUS_MS = 600
_SLICE_MS = 500
_QUIET_MS = 300
_CLEAR = b"\x10\x14\x08\x01\x03\x14\x01\x06\x02\x08"
_COMMAND = 11  # what another GS v 0 costs, with its ESC a
_BLANK = b"\0" * ROW_BYTES


class EscPosPrinter(Printer):
    """One ESC/POS printer. `bytes_sent` and `dots_fed` (QR codes apart) tell about the last job."""

    def __init__(self, uart: "Uart", cutter: bool = True, tear_dots: int = 96, patience_ms: int = 8000) -> None:
        """`cutter`: whether to send GS V (parts without a cutter pass over it). `tear_dots`: from the head to the tear bar.
        `patience_ms`: the longest time that 2 KB may take to print."""
        self._uart = uart
        self._cutter = cutter
        self._tear_dots = tear_dots
        self._patience_ms = patience_ms
        self._out = bytearray(512)
        self._used = 0
        self._in = bytearray(16)
        self._open = 0  # GS r 1 sent and not answered
        self._skip = 0  # bytes of a longer answer still to pass over
        self._unmarked = 0
        self._unmarked_rows = 0
        self._align = 0
        self._doubtful = False  # a job failed: the printer may hold the rest of it
        self._confirmed = 0
        self._marks: "list[int]" = []
        self.bytes_sent = 0
        self.dots_fed = 0

    # -- status ----------------------------------------------------------------------------------------------------------------
    async def status(self) -> PrinterStatus:
        """DLE EOT 1 to 4. A byte counts only if (b & 0x93) == 0x12; what is not answered is None."""
        printer = await self._poll(1)
        paper = await self._poll(4)
        if printer < 0 and paper < 0:
            return PrinterStatus(None, None, None, None, None, None)
        causes = await self._poll(2)
        errors = await self._poll(3)
        has_paper = None if paper < 0 else paper & 0x60 == 0
        if causes >= 0 and causes & 0x20:
            has_paper = False
        failed = None
        if causes >= 0 or errors >= 0:
            failed = (causes >= 0 and causes & 0x40 != 0) or (errors >= 0 and errors & 0x6C != 0)
        return PrinterStatus(
            None if printer < 0 else printer & 0x08 == 0,
            has_paper,
            None if paper < 0 else paper & 0x0C != 0,
            None if causes < 0 else causes & 0x04 != 0,
            None if errors < 0 else errors & 0x40 != 0,
            failed,
        )

    async def _poll(self, which: int) -> int:
        """The status byte of DLE EOT `which`, -1 if none comes. Answers to GS r that arrive meanwhile are counted."""
        try:
            await self._uart.write(bytes((0x10, 0x04, which)))
            found = await self._listen(_STATUS_MS, True)
        except OSError:
            return -1
        return found

    async def _listen(self, timeout_ms: int, want_status: bool) -> int:
        """Read what comes until a status byte (then that byte), an answer to GS r (-2, if no status is wanted) or silence (-1)."""
        last = -1
        while last < 0:
            count = await self._uart.read_into(self._in, timeout_ms)
            if not count:
                return -1
            for i in range(count):
                kind = self._sort(self._in[i])
                if kind == 1 and want_status:
                    last = self._in[i]
                elif kind == 2 and not want_status:
                    last = -2
            if last == -2:
                return last
        return last

    def _sort(self, byte: int) -> int:
        """1 = DLE EOT's answer, 2 = GS r's answer, 0 = anything else (XON/XOFF, automatic status, the answer to DLE DC4 fn 8)."""
        if self._skip:
            self._skip -= 1
            return 0
        if byte & 0x93 == 0x12:
            return 1
        if byte & 0x90 == 0:
            if self._open:
                self._open -= 1
                self._confirmed = self._marks.pop(0)
            return 2
        if byte == 0x37:
            self._skip = 2
        elif byte & 0x93 == 0x10:
            self._skip = 3
        return 0

    # -- the job ---------------------------------------------------------------------------------------------------------------
    async def print_job(self, items: "Any") -> None:
        """See the contract. PRN-002 to PRN-006 without a `detail` mean that nothing was printed; with one, the job broke off and
        the item of that index may or may not be on paper."""
        self.bytes_sent = self.dots_fed = 0
        await self._prepare()
        try:
            index = 0
            for item in items:
                await self._item(item)
                index += 1
                await self._mark(index, False)
            await self._mark(index, True)
            while self._open:
                await self._wait_for_mark()
        except OSError:
            self._doubtful = True
            raise PrinterError("the line to the printer is gone", "PRN-002", "switch the printer on", self._confirmed)
        except PrinterError as error:
            await self._give_up()
            raise error

    async def _prepare(self) -> None:
        """Make sure that there is a printer, able to print and holding nothing of an earlier job."""
        self._open = self._skip = self._used = self._unmarked = self._unmarked_rows = self._confirmed = self._align = 0
        self._marks = []
        await self._drain(1)
        problem = _problem(await self.status(), None)
        if problem is not None:
            raise problem
        try:
            if self._doubtful:
                await self._resynchronise()
            await self._put(b"\x1b@")
        except OSError:
            raise PrinterError("the line to the printer is gone", "PRN-002", "switch the printer on")

    async def _resynchronise(self) -> None:
        """After a broken job: bytes that an unfinished raster may still wait for, then GS r until it is answered, then quiet."""
        await self._uart.write(_CLEAR)
        await self._drain(_QUIET_MS)
        for _ in range(24):
            await self._uart.write(_BLANK)
        await self._uart.write(b"\x1dr\x01")
        if await self._listen(self._patience_ms, False) != -2:
            raise PrinterError("the printer does not say that it is ready", "PRN-002", "switch the printer off and on")
        await self._drain(_QUIET_MS)
        self._doubtful = False

    async def _drain(self, quiet_ms: int) -> None:
        """Throw away what the printer said, until it is quiet for `quiet_ms`; at most 64 reads."""
        self._skip = 0
        try:
            for _ in range(64):
                if not await self._uart.read_into(self._in, quiet_ms):
                    return
        except OSError:
            return  # status() finds out and says so

    async def _give_up(self) -> None:
        """Have the printer forget the rest, so that it does not come out with the next paper roll."""
        self._doubtful = True
        self._used = 0
        try:
            await self._uart.write(_CLEAR)
            await self._drain(_QUIET_MS)
        except OSError:
            return  # the error that brought us here is the one to tell

    async def _mark(self, index: int, last: bool) -> None:
        """After an item: send GS r 1 if enough is under way, and wait while too many are open."""
        if not last and self._unmarked + self._used < _MARK_BYTES and self._unmarked_rows < _MARK_ROWS:
            return
        await self._put(b"\x1dr\x01")
        await self._flush()
        self._unmarked = self._unmarked_rows = 0
        self._open += 1
        self._marks.append(index)
        while self._open >= _OPEN_MARKS:
            await self._wait_for_mark()

    async def _wait_for_mark(self) -> None:
        """Return after one answer to GS r. While it is missing ask why; raise when there is a reason or patience is at an end."""
        waited = 0
        before = self._open
        while await self._listen(_SLICE_MS, False) != -2:
            waited += _SLICE_MS
            status = await self.status()
            if self._open < before:
                return
            silent = status.online is None and status.paper is None
            problem = None if silent else _problem(status, self._confirmed)
            if problem is not None:
                raise problem
            if waited >= self._patience_ms:
                if silent:
                    raise PrinterError("the printer fell silent", "PRN-002", "switch the printer on", self._confirmed)
                raise PrinterError("the printer stopped in mid-job", "PRN-006", "look at the paper", self._confirmed)

    # -- items -----------------------------------------------------------------------------------------------------------------
    async def _item(self, item: "tuple[Any, ...]") -> None:
        kind = item[0]
        if kind == "raster":
            await self._raster(memoryview(item[1]), item[2])
        elif kind == "feed":
            await self._feed(item[1])
        elif kind == "qr":
            await self._qr(item[1], item[2])
        elif kind == "cut":
            await self._feed(self._tear_dots)
            if self._cutter:
                await self._put(b"\x1dVB\0")
        else:
            raise PrinterError("no such item of a print job", "PRN-007", "report this to support", kind)

    async def _feed(self, dots: int) -> None:
        self._advance(dots)
        while dots > 0:
            await self._put(bytes((0x1B, 0x4A, min(dots, 255))))
            dots -= 255

    async def _qr(self, text: str, module_dots: int) -> None:
        data = text.encode()
        length = len(data) + 3
        await self._justify(1)
        for fn, first, second in ((0x41, 0x32, 0), (0x43, module_dots, None), (0x45, 0x31, None)):
            values = bytes((first,)) if second is None else bytes((first, second))
            await self._put(bytes((0x1D, 0x28, 0x6B, len(values) + 2, 0, 0x31, fn)))
            await self._put(values)
        await self._put(bytes((0x1D, 0x28, 0x6B, length & 0xFF, length >> 8, 0x31, 0x50, 0x30)))
        await self._put(data)
        await self._put(b"\x1d(k\x03\x001Q0")
        self._unmarked_rows = _MARK_ROWS  # its height is the printer's business: a mark follows in any case

    async def _raster(self, rows: memoryview, height: int) -> None:
        """Split a band at its blank rows, and where the ink grows so much wider or narrower that another command pays."""
        y = 0
        while y < height:
            start = y
            while y < height and rows[y * ROW_BYTES : (y + 1) * ROW_BYTES] == _BLANK:
                y += 1
            if y > start:
                await self._feed(y - start)
            start = y
            left = right = ROW_BYTES
            while y < height:
                row = bytes(rows[y * ROW_BYTES : (y + 1) * ROW_BYTES])
                row_left = ROW_BYTES - len(row.lstrip(b"\0"))
                if row_left == ROW_BYTES:
                    break
                row_right = ROW_BYTES - len(row.rstrip(b"\0"))
                if y > start:
                    joined = _width(min(left, row_left), min(right, row_right))
                    apart = (y - start) * _width(left, right) + _width(row_left, row_right) + _COMMAND
                    if (y - start + 1) * joined > apart:
                        break
                left = min(left, row_left)
                right = min(right, row_right)
                y += 1
            if y > start:
                await self._run(rows, start, y, left, right)

    async def _run(self, rows: memoryview, start: int, end: int, left: int, right: int) -> None:
        """Send rows start..end-1, which have at least `left` and `right` blank bytes, with the narrowest justification."""
        width = _width(left, right)
        if width == ROW_BYTES:
            align = self._align
        elif width == ROW_BYTES - right:
            align = 0
        elif width == ROW_BYTES - left:
            align = 2
        else:
            align = 1
        left = (0, (ROW_BYTES - width) >> 1, ROW_BYTES - width)[align]
        await self._justify(align)
        height = end - start
        self._advance(height)
        await self._put(bytes((0x1D, 0x76, 0x30, 0, width, 0, height & 0xFF, height >> 8)))
        last = 0
        for y in range(start, end):
            at = y * ROW_BYTES + left
            last = await self._row(rows[at : at + width], last)

    async def _row(self, row: memoryview, last: int) -> int:
        """Queue one row's bytes; `last` is the byte before it, the last byte of the row is returned."""
        size = len(row)
        if self._used + size > len(self._out):
            await self._flush()
        at = self._used
        out = self._out
        out[at : at + size] = row
        for i in range(at, at + size):
            byte = out[i]
            if last == 0x10 and byte in (0x04, 0x05, 0x14):
                byte |= 0x08
                out[i] = byte
            last = byte
        self._used += size
        return last

    async def _justify(self, align: int) -> None:
        if align != self._align:
            self._align = align
            await self._put(bytes((0x1B, 0x61, align)))

    def _advance(self, dots: int) -> None:
        self.dots_fed += dots
        self._unmarked_rows += dots

    # -- output ----------------------------------------------------------------------------------------------------------------
    async def _put(self, data: bytes) -> None:
        """Queue whole small commands; flush when the buffer is full."""
        size = len(data)
        if self._used + size > len(self._out):
            await self._flush()
        if size > len(self._out):
            await self._send(data)
            return
        self._out[self._used : self._used + size] = data
        self._used += size

    async def _flush(self) -> None:
        if self._used:
            await self._send(memoryview(self._out)[: self._used])
            self._used = 0

    async def _send(self, data: "Any") -> None:
        await self._uart.write(data)
        self.bytes_sent += len(data)
        self._unmarked += len(data)


def _width(left: int, right: int) -> int:
    """Bytes of a row of which `left` and `right` are blank, under the justification that leaves out most."""
    return ROW_BYTES - max(left, right, 2 * min(left, right))


def _problem(status: PrinterStatus, detail: object) -> "PrinterError | None":
    """The error that a status means, None if the printer can print (near end is no error)."""
    if status.online is None and status.paper is None:
        return PrinterError("the printer does not answer", "PRN-002", "switch the printer on", detail)
    if status.cover_open:
        return PrinterError("the printer's cover is open", "PRN-004", "close the cover", detail)
    if status.paper is False:
        return PrinterError("the printer has no paper", "PRN-003", "load a new roll", detail)
    if status.overheat:
        return PrinterError("the printer is too hot", "PRN-005", "wait a minute", detail)
    if status.error or status.online is False:
        return PrinterError("the printer is off line", "PRN-006", "look at the printer", detail)
    return None


__all__ = ["DOTS", "EscPosPrinter"]
