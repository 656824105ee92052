"""The PN532 driver against the PN532 model over a pty and over TCP, on CPython and on 32-bit MicroPython: the suite of every card reader."""

import asyncio

import pytest

from drivers.pn532.link import Link
from drivers.pn532.reader import Pn532Reader
from drivers.uart_link import LinkUart
from drivers.uart_serial import SerialUart
from sim.parts.pn532 import Pn532, PtyLink, TcpLink
from tests.drivers import card_reader_suite as suite
from tests.sim.cards.echo import EchoCard
from tests.support import cross

PARTS = ("exchange", "reset_by_connect", "leaves", "goes_silent", "says_too_much", "empty")
LINES = ("pty", "tcp")


class Bench:
    """A chip on a line: `async with Bench("pty") as bench`; `bench.reader()` is a driver on it."""

    def __init__(self, line: str, strict_speed: bool = False) -> None:
        self.chip = Pn532()
        self.field = self.chip.field
        self.link = PtyLink(self.chip, strict_speed) if line == "pty" else TcpLink(self.chip)

    async def __aenter__(self) -> "Bench":
        await self.link.start()
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.link.close()

    def reader(self, rate: int = 106, timeout_ms: int = 400) -> Pn532Reader:
        return Pn532Reader(Link(self.uart()), rate, timeout_ms=timeout_ms)

    def uart(self) -> "SerialUart | LinkUart":
        return SerialUart(self.link.path) if isinstance(self.link, PtyLink) else LinkUart("127.0.0.1", self.link.port)


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("line", LINES)
def test_pn532_reader_keeps_the_contract(line, part):
    async def run() -> None:
        async with Bench(line, strict_speed=True) as bench:
            if part != "empty":
                await bench.field.insert(EchoCard(bench.field))
            reader = bench.reader()
            check = getattr(suite, part)
            await (check(reader, suite.CONTACTLESS_ATR) if part == "exchange" else check(reader))
            assert bench.chip.baudrate == 921600
            reader.close()

    asyncio.run(run())


@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("line", LINES)
def test_pn532_reader_on_the_device_keeps_the_contract(line, part):
    async def run() -> None:
        async with Bench(line) as bench:
            if part != "empty":
                await bench.field.insert(EchoCard(bench.field))
            where = (bench.link.path, 0) if isinstance(bench.link, PtyLink) else ("", bench.link.port)
            call = asyncio.to_thread(cross.run_on_device, "tests.drivers.pn532.on_device", "run", [(part, *where)])
            result = (await call)[0]
            assert result == "ok", getattr(result, "trace", result)

    asyncio.run(run())
