"""Model of an ST7789V display module: takes the SPI byte stream (D/C line told apart) and holds what a viewer would see.

From the data sheet's command table, not from any driver: window and pointer with wrap-around, RAMWR and RAMWRC, MADCTL's MX,
MY, MV and BGR, COLMOD 12, 16 and 18 bits, inversion, sleep, display on and off; other commands are accepted and ignored with
their parameters. The glass is an IPS panel of 240 x 320 (true colours need inversion on) that lies on its side: the viewer's
upper left is the panel's column 239 of row 0. Not modelled: partial mode, scrolling, gamma, reading back.
"""

import asyncio
import io
from collections.abc import Callable

from PIL import Image

COLUMNS, ROWS = 240, 320
SETTLE_MS = 5
"""No command may follow a reset or a wake-up sooner."""


class St7789Panel:
    """The module. Feed `command(byte)` and `data(bytes)`; `ticks` (ms), if given, checks the prescribed pauses.

    `ignored` counts commands lost because they came too early; `unknown` holds opcodes that were ignored.
    """

    def __init__(self, ticks: "Callable[[], int] | None" = None) -> None:
        self._ticks = ticks
        self._busy_until = -1
        self.memory = bytearray(b"\x55\xaa" * (COLUMNS * ROWS * 3 // 2))
        self.unknown: set[int] = set()
        self.ignored = 0
        self.pixels_written = 0
        self.generation = 0
        self._reset()

    def _reset(self) -> None:
        self.asleep = True
        self.on = False
        self.inverted = False
        self.madctl = 0
        self.colmod = 0x66
        self._columns = (0, COLUMNS - 1)
        self._rows = (0, ROWS - 1)
        self._opcode = 0
        self._parameters = bytearray()
        self._column, self._row = 0, 0
        self._pending = b""

    def command(self, opcode: int) -> None:
        """One byte with D/C low."""
        if self._ticks is not None and self._ticks() < self._busy_until:
            self.ignored += 1
            self._opcode = 0
            return
        self._opcode = opcode
        self._parameters = bytearray()
        self._pending = b""
        self.generation += 1
        simple = {0x10: ("asleep", True), 0x11: ("asleep", False), 0x20: ("inverted", False), 0x21: ("inverted", True)}
        simple |= {0x28: ("on", False), 0x29: ("on", True)}
        if opcode == 0x01:
            self._reset()
        elif opcode in simple:
            name, value = simple[opcode]
            setattr(self, name, value)
        elif opcode == 0x2C:
            self._column, self._row = self._columns[0], self._rows[0]
        elif opcode not in (0x00, 0x13, 0x2A, 0x2B, 0x36, 0x3A, 0x3C):
            self.unknown.add(opcode)
        if opcode in (0x01, 0x10, 0x11) and self._ticks is not None:
            self._busy_until = self._ticks() + SETTLE_MS

    def data(self, data: bytes) -> None:
        """Bytes with D/C high: parameters of the last command, or pixels."""
        if self._opcode in (0x2C, 0x3C):
            self._pixels(bytes(data))
            return
        self._parameters += data
        if self._opcode in (0x2A, 0x2B) and len(self._parameters) == 4:
            first, last = int.from_bytes(self._parameters[:2], "big"), int.from_bytes(self._parameters[2:], "big")
            if first <= last:
                if self._opcode == 0x2A:
                    self._columns = (first, last)
                else:
                    self._rows = (first, last)
        elif self._opcode == 0x36 and len(self._parameters) == 1:
            self.madctl = self._parameters[0]
        elif self._opcode == 0x3A and len(self._parameters) == 1:
            self.colmod = self._parameters[0]

    def _pixels(self, data: bytes) -> None:
        data = self._pending + data
        step = {3: 3, 5: 2, 6: 3}.get(self.colmod & 7)
        if step is None:
            return
        whole = len(data) - len(data) % step
        self._pending = data[whole:]
        if self.colmod & 7 == 5:
            self._words(data[:whole])
            return
        for at in range(0, whole, step):
            if self.colmod & 7 == 6:
                self._store(_six(data[at] >> 2), _six(data[at + 1] >> 2), _six(data[at + 2] >> 2))
            else:
                nibbles = data[at : at + 3].hex()
                for part in (nibbles[:3], nibbles[3:]):
                    self._store(*(17 * int(digit, 16) for digit in part))

    def _words(self, data: bytes) -> None:
        """16-bit pixels, run by run: a run ends where the window's line ends."""
        at = 0
        while at < len(data):
            room = 2 * (self._columns[1] - self._column + 1)
            run = data[at : at + room]
            at += len(run)
            self._run(run)
            self._column += len(run) // 2
            if self._column > self._columns[1]:
                self._column = self._columns[0]
                self._row = self._row + 1 if self._row < self._rows[1] else self._rows[0]

    def _run(self, run: bytes) -> None:
        """Pixels of one line of the window, from the pointer on."""
        exchanged, mirrored = self.madctl & 0x20, self.madctl & (0x80 if self.madctl & 0x20 else 0x40)
        limit = ROWS if exchanged else COLUMNS
        along, across = self._column, self._row
        count = max(0, min(len(run) // 2, limit - along))
        if self.madctl & (0x40 if exchanged else 0x80):
            across = (COLUMNS if exchanged else ROWS) - 1 - across
        if not count or not 0 <= across < (COLUMNS if exchanged else ROWS):
            return
        colours = _expanded(run[: 2 * count], bool(self.madctl & 0x08))
        first = limit - along - count if mirrored else along
        stride = 3 * (COLUMNS if exchanged else 1)
        origin = 3 * (first * COLUMNS + across if exchanged else across * COLUMNS + first)
        for channel in range(3):
            values = colours[channel::3]
            self.memory[origin + channel : origin + channel + stride * (count - 1) + 1 : stride] = (
                values[::-1] if mirrored else values
            )
        self.pixels_written += count

    def _store(self, red: int, green: int, blue: int) -> None:
        column, row = (self._row, self._column) if self.madctl & 0x20 else (self._column, self._row)
        if self.madctl & 0x40:
            column = COLUMNS - 1 - column
        if self.madctl & 0x80:
            row = ROWS - 1 - row
        if 0 <= column < COLUMNS and 0 <= row < ROWS:
            at = 3 * (row * COLUMNS + column)
            self.memory[at : at + 3] = (blue, green, red) if self.madctl & 0x08 else (red, green, blue)
            self.pixels_written += 1
        self._column += 1
        if self._column > self._columns[1]:
            self._column = self._columns[0]
            self._row = self._row + 1 if self._row < self._rows[1] else self._rows[0]

    def image(self) -> Image.Image:
        """What the viewer sees, 320 x 240 RGB; black while asleep or off."""
        if self.asleep or not self.on:
            return Image.new("RGB", (ROWS, COLUMNS))
        picture = Image.frombytes("RGB", (COLUMNS, ROWS), bytes(self.memory))
        if not self.inverted:
            picture = picture.point(lambda value: 255 - value)
        return (
            picture.transpose(Image.Transpose.ROTATE_90)
            .transpose(Image.Transpose.ROTATE_180)
            .transpose(Image.Transpose.ROTATE_180)
        )

    def png(self) -> bytes:
        """The picture as PNG."""
        stream = io.BytesIO()
        self.image().save(stream, "PNG")
        return stream.getvalue()


def _five(value: int) -> int:
    return value << 3 | value >> 2


def _six(value: int) -> int:
    return value << 2 | value >> 4


_COLOURS: dict[bytes, bytes] = {}


def _expanded(words: bytes, blue_first: bool) -> bytes:
    """RGB565 words, high byte first, as three bytes a pixel; the few colours of a screen are remembered."""
    pairs = [words[at : at + 2] for at in range(0, len(words), 2)]
    for pair in set(pairs):
        if pair not in _COLOURS:
            value = pair[0] << 8 | pair[1]
            _COLOURS[pair] = bytes((_five(value >> 11), _six(value >> 5 & 63), _five(value & 31)))
    found = b"".join([_COLOURS[pair] for pair in pairs])
    if blue_first:
        swapped = bytearray(found)
        swapped[0::3], swapped[2::3] = found[2::3], found[0::3]
        return bytes(swapped)
    return found


class SpiLinkServer:
    """The module at the end of a TCP link that carries SPI.

    Frames: type (0 = command, 1 = data), length (2 bytes, big endian), bytes.
    """

    def __init__(self, panel: St7789Panel, host: str = "127.0.0.1", port: int = 0) -> None:
        self.panel = panel
        self.host = host
        self.port = port
        self._server: "asyncio.Server | None" = None
        self._tasks: "set[asyncio.Task]" = set()

    async def start(self) -> int:
        """Listen; returns the port."""
        self._server = await asyncio.start_server(self._serve, self.host, self.port)
        self.port = self._server.sockets[0].getsockname()[1]
        return self.port

    async def close(self) -> None:
        """Stop listening and drop connections."""
        for task in self._tasks:
            task.cancel()
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        if task is not None:
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        try:
            while True:
                head = await reader.readexactly(3)
                body = await reader.readexactly(int.from_bytes(head[1:], "big"))
                if head[0]:
                    self.panel.data(body)
                else:
                    for opcode in body:
                        self.panel.command(opcode)
        except (asyncio.IncompleteReadError, OSError):
            writer.close()
