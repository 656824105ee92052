"""Every card reader passes the one suite: LinkReader on CPython and on 32-bit MicroPython, DirectReader, PcscReader
through pcscd and vpcd.
"""

import asyncio
import time

import pytest

from drivers.card_link import LinkReader
from drivers.card_pcsc import PcscReader, reader_names
from protocol.errors import CardError
from sim.links import pcscd
from sim.links.direct import DirectReader
from sim.links.slot_server import LinkSlot
from sim.links.vpcd import VpcdSlot
from tests.drivers import card_reader_suite as suite
from tests.sim.cards.echo import EchoCard
from tests.support import cross, strict

PARTS = ("exchange", "reset_by_connect", "leaves", "goes_silent")
OWN_LIMIT = (*PARTS, "says_too_much")  # of drivers that hold the answer themselves


def pcsc_or_skip() -> None:
    """Skip (fail in CI) where PC/SC is not there."""
    reason = pcscd.why_not()
    if reason:
        strict.skip_missing(reason)


async def run_link(part: str, with_card: bool = True) -> None:
    slot = LinkSlot()
    await slot.start()
    if with_card:
        await slot.insert(EchoCard(slot))
    reader = LinkReader("127.0.0.1", slot.port, timeout_ms=400)
    await getattr(suite, part)(reader)
    reader.close()
    await slot.close()


@pytest.mark.parametrize("part", OWN_LIMIT)
def test_link_reader_keeps_the_contract(part):
    asyncio.run(run_link(part))


def test_link_reader_without_a_card():
    asyncio.run(run_link("empty", with_card=False))


@pytest.mark.parametrize("part", [*OWN_LIMIT, "empty"])
def test_link_reader_on_the_device_keeps_the_contract(part):
    async def run() -> None:
        slot = LinkSlot()
        await slot.start()
        if part != "empty":
            await slot.insert(EchoCard(slot))
        call = asyncio.to_thread(cross.run_on_device, "tests.drivers.card_link_device", "run", [(part, slot.port)])
        result = (await call)[0]
        await slot.close()
        assert result == "ok", getattr(result, "trace", result)

    asyncio.run(run())


@pytest.mark.parametrize("part", [*PARTS, "empty"])
def test_direct_reader_keeps_the_contract(part):
    async def run() -> None:
        reader = DirectReader(timeout_ms=400)
        if part != "empty":
            await reader.insert(EchoCard(reader))
        await getattr(suite, part)(reader)

    asyncio.run(run())


@pytest.mark.parametrize("part", [*PARTS, "empty"])
def test_pcsc_reader_keeps_the_contract(part):
    pcsc_or_skip()

    async def run() -> None:
        slot = VpcdSlot()
        await slot.start()
        reader = PcscReader(slot.reader_name, timeout_ms=800)
        if part != "empty":
            await slot.insert(EchoCard(slot, away_s=0.8, silent_s=1.2))
        try:
            await getattr(suite, part)(reader)
        finally:
            await slot.close()
            await reader.wait_for_removal(3000)
            reader.close()

    asyncio.run(run())


def test_pcsc_reader_that_does_not_exist_is_named_by_a_code():
    pcsc_or_skip()
    pcscd.ensure()

    async def run() -> None:
        reader = PcscReader("No Such Reader")
        with pytest.raises(CardError) as caught:
            await reader.card_present()
        assert caught.value.code == "CRD-011"
        reader.close()

    assert reader_names()[:1] == ["Virtual PCD 00 00"]
    asyncio.run(run())


def test_slot_that_cannot_be_reached_is_named_by_a_code():
    async def run() -> None:
        slot = LinkSlot()
        await slot.start()
        port = slot.port
        await slot.close()
        with pytest.raises(CardError) as caught:
            await LinkReader("127.0.0.1", port).connect()
        assert caught.value.code == "CRD-010"

    asyncio.run(run())


@pytest.mark.parametrize("kind", ["link", "pcsc"])
def test_apdus_are_not_slowed_by_delayed_acknowledgements(kind):
    """A hundred exchanges; one delayed acknowledgement each would be 4 s."""
    if kind == "pcsc":
        pcsc_or_skip()

    async def run() -> float:
        slot = LinkSlot() if kind == "link" else VpcdSlot()
        await slot.start()
        await slot.insert(EchoCard(slot))
        reader = LinkReader("127.0.0.1", slot.port) if isinstance(slot, LinkSlot) else PcscReader(slot.reader_name)
        await reader.wait_for_card(3000)
        await reader.connect()
        began = time.perf_counter()
        for _ in range(100):
            await reader.transceive(suite.ECHO + b"\x10" + bytes(16) + b"\x00")
        took = time.perf_counter() - began
        await reader.disconnect()
        await slot.close()
        if kind == "pcsc":
            await reader.wait_for_removal(3000)
        reader.close()
        return took

    took = asyncio.run(run())
    print(f"{kind}: {took * 10:.3f} ms per APDU")
    assert took < 1.0
