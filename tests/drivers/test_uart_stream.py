"""A line over a stream: when its other end is gone that is said once, and the next use opens a new one."""

import asyncio

from drivers.uart_stream import StreamUart
from tests.support.dual import araises


class _Reader:
    def __init__(self, chunks):
        self.chunks = list(chunks)

    async def read(self, count):
        await asyncio.sleep(0)
        return self.chunks.pop(0) if self.chunks else b""


class _Writer:
    def __init__(self):
        self.sent = b""
        self.closed = False

    def write(self, data):
        self.sent += data

    async def drain(self):
        await asyncio.sleep(0)

    def close(self):
        self.closed = True


class _Uart(StreamUart):
    """Each connection gives the next list of chunks, then ends."""

    def __init__(self, *lines):
        StreamUart.__init__(self)
        self.lines = list(lines)
        self.writers = []

    async def _connect(self):
        if not self.lines:
            raise OSError("refused")
        self.writers.append(_Writer())
        return _Reader(self.lines.pop(0)), self.writers[-1]


async def _read(uart):
    buffer = bytearray(8)
    return bytes(buffer[: await uart.read_into(buffer, 1000)])


async def test_what_came_before_the_end_is_read_then_the_loss_is_told_once_then_there_is_a_new_line():
    uart = _Uart([b"one"], [b"two", b"three"])
    assert await _read(uart) == b"one"
    await araises(OSError, _read(uart))
    assert await _read(uart) == b"two" and await _read(uart) == b"three"
    assert [writer.closed for writer in uart.writers] == [True, False]
    await araises(OSError, _read(uart))
    await araises(OSError, _read(uart))  # nobody listens any more


async def test_a_write_to_a_line_that_is_gone_is_told_and_the_next_goes_out():
    uart = _Uart([], [b"x"])
    await uart.write(b"a")
    for _ in range(4):
        await asyncio.sleep(0)
    await araises(OSError, uart.write(b"b"))
    await uart.write(b"c")
    assert [writer.sent for writer in uart.writers] == [b"a", b"c"] and await _read(uart) == b"x"
