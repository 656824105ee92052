"""The printer: receive buffer, real-time commands, sensors, mechanism.

Bytes arrive through `receive`; real-time commands (DLE EOT, DLE DC4 fn 8) are obeyed at that moment, wherever in the stream
they stand, as on the real part. The rest waits in the receive buffer until `pump` lets the mechanism work. With no paper, an open
cover, an overheated head or the feed button held (`offline`) it stops where it is and goes on when that is over: nothing in the
buffer is lost, and GS r, being an ordinary command, is not answered before. Sensors are plain attributes to set.

`silent`: power or line gone, it takes nothing and says nothing. `mute`: prints but never answers.
"""

from collections import deque
from collections.abc import Callable
from pathlib import Path

from sim.parts.escpos.interpreter import Interpreter
from sim.parts.escpos.paper import Paper, Strip

NEAR_END_ROWS = 2400  # 300 mm: where the near-end lever of a hand-held's roll falls, roughly
CLEAR_BUFFERS = bytes([1, 3, 20, 1, 6, 2, 8])  # d1..d7 of DLE DC4 fn 8
CLEARED = b"\x37\x25\x00"


class EscPosPrinter:
    """One printer with its roll."""

    def __init__(
        self,
        paper_rows: "int | None" = None,
        buffer_size: int = 4096,
        folder: "Path | None" = None,
        on_strip: "Callable[[Strip], None] | None" = None,
    ) -> None:
        """`paper_rows`: dots on the roll (None: endless). `folder`: where each strip is stored as strip-NNN.png, if given."""
        self.paper = Paper(paper_rows)
        self.near_end = False
        self.cover_open = False
        self.overheat = False
        self.offline = False
        self.silent = False
        self.mute = False
        self.buffer_size = buffer_size
        self.folder = folder
        self.on_strip = on_strip
        self.on_reply: Callable[[bytes], None] | None = None
        self.strips: list[Strip] = []
        self.received = 0
        self._replies = bytearray()
        self._buffer: deque[int] = deque()
        self._tail = b""
        self.power_on()

    def power_on(self) -> None:
        """Start as after switching on: buffers empty, modes as after ESC @; the paper stays."""
        self._buffer.clear()
        self._tail = b""
        self.interpreter = Interpreter(self)
        self._steps = self.interpreter.run()
        self._wanted = next(self._steps)

    # -- the wire --------------------------------------------------------------------------------------------------------------
    @property
    def room(self) -> int:
        """Free bytes in the receive buffer: a link that minds flow control sends no more than this."""
        return max(0, self.buffer_size - len(self._buffer))

    def receive(self, data: bytes) -> None:
        """Take bytes from the wire. Bytes that find the buffer full are lost, as on a line without flow control."""
        if self.silent:
            return
        self.received += len(data)
        for byte in data:
            if len(self._buffer) < self.buffer_size:
                self._buffer.append(byte)
            self._tail = (self._tail + bytes([byte]))[-10:]
            self._obey_real_time()

    def transact(self, data: bytes) -> bytes:
        """Receive, print all that can be printed, and return the answers: the printer without a line."""
        self.receive(data)
        self.pump()
        return self.take_replies()

    def take_replies(self) -> bytes:
        """The answers that no link has taken yet."""
        out = bytes(self._replies)
        self._replies.clear()
        return out

    def _answer(self, data: bytes) -> None:
        if self.mute or self.silent:
            return
        if self.on_reply is not None:
            self.on_reply(data)
        else:
            self._replies.extend(data)

    # -- real time -------------------------------------------------------------------------------------------------------------
    def _obey_real_time(self) -> None:
        tail = self._tail
        if tail[-3:-1] == b"\x10\x04" and 1 <= tail[-1] <= 4:
            self._answer(bytes([self.status(tail[-1])]))
        elif tail == b"\x10\x14\x08" + CLEAR_BUFFERS:
            self._buffer.clear()
            self._steps = self.interpreter.run()
            self._wanted = next(self._steps)
            self._answer(CLEARED)

    def status(self, which: int) -> int:
        """The byte that DLE EOT `which` (1 printer, 2 causes of being off-line, 3 error causes, 4 paper sensors) transmits."""
        byte = 0x12
        if which == 1:
            byte |= 0x08 if not self.ready else 0
        elif which == 2:
            byte |= (0x04 if self.cover_open else 0) | (0x08 if self.offline else 0)
            byte |= (0x20 if not self.paper.present else 0) | (0x40 if self.overheat else 0)
        elif which == 3:
            byte |= 0x40 if self.overheat else 0
        else:
            byte |= (0x0C if self.near_end_now else 0) | (0x60 if not self.paper.present else 0)
        return byte

    def paper_byte(self) -> int:
        """What GS r 1 transmits: bits 0-1 near end, bits 2-3 no paper."""
        return (0x03 if self.near_end_now else 0) | (0x0C if not self.paper.present else 0)

    @property
    def near_end_now(self) -> bool:
        """The near-end sensor: set by hand, or fewer than 300 mm left."""
        left = self.paper.rows_left
        return self.near_end or (left is not None and left < NEAR_END_ROWS)

    @property
    def ready(self) -> bool:
        """Whether the mechanism may move."""
        return self.paper.present and not (self.cover_open or self.overheat or self.offline or self.silent)

    # -- the mechanism ---------------------------------------------------------------------------------------------------------
    def pump(self, rows: "int | None" = None) -> int:
        """Let the mechanism work on the buffer for at most `rows` rows (None: as far as it goes); returns the rows moved."""
        moved = 0
        while self.ready:
            wanted = self._wanted
            if wanted is None:
                if not self._buffer:
                    break
                self._wanted = self._steps.send(self._buffer.popleft())
                continue
            if wanted[0] == "row":
                if rows is not None and moved >= rows:
                    break
                self.paper.advance(wanted[1])
                moved += 1
            elif wanted[0] == "answer":
                self._answer(wanted[1])
            else:
                self._finish("cut")
            self._wanted = self._steps.send(None)
        return moved

    def tear(self) -> Strip:
        """Tear off what has come out, as a hand does."""
        return self._finish("tear")

    def _finish(self, ended_by: str) -> Strip:
        strip = self.paper.part(ended_by)
        self.strips.append(strip)
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            strip.save(self.folder / f"strip-{len(self.strips):03d}.png")
        if self.on_strip is not None:
            self.on_strip(strip)
        return strip
