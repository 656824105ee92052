"""A display bus over a link: its frames, and a connection that is lost and made again."""

from drivers import spi_link
from drivers.spi_link import LinkSpi
from tests.support.dual import araises


class Line:
    """Takes the place of `asyncio` in the driver: what was sent over each connection; `broken`: the present one takes nothing more."""

    def __init__(self, real):
        self.Lock = real.Lock
        self.sent = []
        self.closed = 0
        self.broken = self.refused = False

    async def open_connection(self, host, port):
        if self.refused:
            raise OSError(111)
        assert (host, port) == ("host", 7)
        self.sent.append(b"")
        self.broken = False
        return None, self

    def write(self, data):
        if not self.broken:
            self.sent[-1] += bytes(data)

    async def drain(self):
        if self.broken:
            raise OSError(32)

    def close(self):
        self.closed += 1

    async def wait_closed(self):
        raise OSError(104)


async def _with_line(doing):
    real = spi_link.asyncio
    line = spi_link.asyncio = Line(real)
    try:
        await doing(LinkSpi("host", 7), line)
    finally:
        spi_link.asyncio = real


async def test_commands_and_data_are_framed():
    async def doing(spi, line):
        await spi.command(0x2A, b"\x00\x01")
        await spi.command(0x2C)
        await spi.data(memoryview(bytearray(b"pixels"))[:3])
        assert line.sent == [b"\x00\x00\x01\x2a\x01\x00\x02\x00\x01\x00\x00\x01\x2c\x01\x00\x03pix"]

    await _with_line(doing)


async def test_after_a_loss_the_next_use_connects_again():
    async def doing(spi, line):
        for method, argument in ((spi.command, 0x2C), (spi.data, b"pixels")):
            await method(argument)
            line.broken, count = True, len(line.sent)
            await araises(OSError, method(argument))
            line.refused = True
            await araises(OSError, method(argument))
            line.refused = False
            assert len(line.sent) == count
            await method(argument)
            assert len(line.sent) == count + 1 and line.sent[-1]
        assert line.closed == 2

    await _with_line(doing)
