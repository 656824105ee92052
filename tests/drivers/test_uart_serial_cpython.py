"""A serial line through pyserial when its other end is gone: an OSError, whatever the system's own class for it is."""

import asyncio
import os

import pytest

from drivers.pn532.link import Link
from drivers.pn532.reader import Pn532Reader
from drivers.uart_serial import SerialUart
from protocol.errors import CardError


@pytest.fixture
def gone():
    """A port whose other end was closed."""
    master, slave = os.openpty()
    port = SerialUart(os.ttyname(slave))
    os.close(slave)
    os.close(master)
    yield port
    port.close()


def test_every_method_says_so(gone: SerialUart) -> None:
    with pytest.raises(OSError):
        gone.set_baudrate(9600)
    with pytest.raises(OSError):
        asyncio.run(gone.write(b"x"))
    with pytest.raises(OSError):
        asyncio.run(gone.read_into(bytearray(1), 10))


def test_the_antennas_reader_behind_it_is_out_of_order_and_no_more(gone: SerialUart) -> None:
    reader = Pn532Reader(Link(gone))

    async def story() -> None:
        for call in (reader.card_present, lambda: reader.wait_for_card(0), reader.connect):
            with pytest.raises(CardError) as caught:
                await call()
            assert caught.value.code == "CRD-010"
        await reader.disconnect()

    asyncio.run(story())
