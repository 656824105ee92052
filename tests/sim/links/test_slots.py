"""Slots: faults at the n-th APDU, the log and its masks, over TCP and over pcscd with vpcd; strangers reach the cards too."""

import asyncio
import os
import socket
import subprocess
import sys

import pytest

from drivers.card_link import LinkReader
from drivers.card_pcsc import PcscReader
from protocol.errors import CardError, CardRemovedError, CardSilentError
from sim.cards import emv, licence
from sim.cards.emv import pin
from sim.links import pcscd
from sim.links.direct import DirectReader
from sim.links.slot import masked
from sim.links.slot_server import LinkSlot
from sim.links.vpcd import VpcdSlot
from sim.pki.schemes import RID
from tests.sim.pki import made, strangers
from tests.support import strict

SELECT_CIB = b"\x00\xa4\x04\x00\x06" + RID + b"\x01\x00"
START = bytes.fromhex("80A8000002830000")
SELECT_LICENCE = bytes.fromhex("00A4040C07A0000002480200")
KINDS = pytest.mark.parametrize("kind", ["direct", "link", "pcsc"])


def needs_pcsc() -> None:
    """Skip (fail in CI) where PC/SC is not there."""
    reason = pcscd.why_not()
    if reason:
        strict.skip_missing(reason)


class Bench:
    """A slot of some kind with a reader on it: `async with Bench(kind) as (slot, reader)`."""

    def __init__(self, kind: str) -> None:
        if kind == "pcsc":
            needs_pcsc()
        self.kind = kind

    async def __aenter__(self):
        if self.kind == "direct":
            self.slot = self.reader = DirectReader(timeout_ms=300)
            return self.slot, self.reader
        self.slot = LinkSlot() if self.kind == "link" else VpcdSlot()
        await self.slot.start()
        if isinstance(self.slot, LinkSlot):
            self.reader = LinkReader("127.0.0.1", self.slot.port, timeout_ms=300)
        else:
            self.reader = PcscReader(self.slot.reader_name, timeout_ms=600)
        return self.slot, self.reader

    async def __aexit__(self, *error):
        await self.reader.disconnect()
        await self.slot.remove()
        if self.kind == "pcsc":
            await self.reader.wait_for_removal(3000)
        await self.slot.close()
        if self.kind != "direct":
            self.reader.close()


def payment_card() -> emv.EmvCard:
    return emv.build(emv.profile("cib-approve"), made.shared())


@KINDS
@pytest.mark.parametrize("processed", [True, False])
def test_card_torn_at_an_apdu_gives_no_answer_but_may_have_counted(kind, processed):
    async def run() -> None:
        card = payment_card()
        async with Bench(kind) as (slot, reader):
            slot.tear_at, slot.tear_after = 2, processed
            await slot.insert(card)
            await reader.wait_for_card(3000)
            await reader.connect()
            assert (await reader.transceive(SELECT_CIB))[-2:] == b"\x90\x00"
            with pytest.raises(CardRemovedError):
                await reader.transceive(START)
            assert card.application.state["atc"] == (1 if processed else 0)
            assert slot.card is None
            assert slot.log[-1] == (START, b"")
            await reader.disconnect()
            assert await reader.wait_for_removal(3000)
            await slot.insert(card)
            await reader.wait_for_card(3000)
            await reader.connect()
            assert (await reader.transceive(SELECT_CIB))[-2:] == b"\x90\x00", "a fault fires once"

    asyncio.run(run())


@KINDS
def test_silent_card_is_reported_within_the_time_out(kind):
    async def run() -> None:
        async with Bench(kind) as (slot, reader):
            slot.silent_at = 2
            await slot.insert(payment_card())
            await reader.wait_for_card(3000)
            await reader.connect()
            await reader.transceive(SELECT_CIB)
            began = asyncio.get_running_loop().time()
            with pytest.raises(CardSilentError):
                await reader.transceive(START)
            assert asyncio.get_running_loop().time() - began < 1.5
            with pytest.raises(CardError):
                await reader.transceive(START)

    asyncio.run(run())


@KINDS
def test_card_taken_out_between_two_apdus_is_noticed(kind):
    async def run() -> None:
        async with Bench(kind) as (slot, reader):
            await slot.insert(payment_card())
            await reader.wait_for_card(3000)
            await reader.connect()
            await reader.transceive(SELECT_CIB)
            await slot.remove()
            with pytest.raises(CardRemovedError):
                await reader.transceive(START)

    asyncio.run(run())


@KINDS
def test_card_that_leaves_while_it_is_silent_ends_the_wait(kind):
    async def run() -> None:
        async with Bench(kind) as (slot, reader):
            slot.silent_at = 1
            await slot.insert(payment_card())
            await reader.wait_for_card(3000)
            await reader.connect()
            asyncio.get_running_loop().call_later(0.1, lambda: asyncio.ensure_future(slot.remove()))
            with pytest.raises(CardRemovedError):
                await reader.transceive(SELECT_CIB)

    asyncio.run(run())


def test_log_masks_every_pin():
    async def run() -> None:
        reader = DirectReader()
        await reader.insert(payment_card())
        await reader.connect()
        seen = []
        reader.on_exchange = lambda command, response: seen.append(command)
        for command in (SELECT_CIB, START, b"\x00\x20\x00\x80\x08" + pin.block("1234")):
            assert (await reader.transceive(command))[-2:] == b"\x90\x00"
        assert reader.log[-1] == (b"\x00\x20\x00\x80\x08" + b"\xff" * 8, b"\x90\x00")
        assert seen == [command for command, _ in reader.log]
        assert not [command for command in seen if pin.block("1234") in command]

    asyncio.run(run())


def test_masks_keep_the_header_and_hide_the_data():
    assert (
        masked(bytes.fromhex("002000800824123 4FFFFFFFFFF".replace(" ", "")))
        == bytes.fromhex("0020008008") + b"\xff" * 8
    )
    assert masked(bytes.fromhex("0C20008015AABB")) == bytes.fromhex("0C20008015FFFF")
    assert masked(SELECT_CIB) == SELECT_CIB
    assert masked(b"\x00\x20\x00\x80") == b"\x00\x20\x00\x80"


def test_a_terminal_that_connects_again_owns_the_slot():
    async def run() -> None:
        slot = LinkSlot()
        await slot.start()
        await slot.insert(payment_card())
        first = LinkReader("127.0.0.1", slot.port)
        await first.connect()
        await first.transceive(SELECT_CIB)
        second = LinkReader("127.0.0.1", slot.port)
        await second.connect()
        assert (await second.transceive(START))[-2:] == b"\x69\x85", "powered afresh: nothing is selected"
        with pytest.raises(CardRemovedError):
            await first.transceive(START)
        second.close()
        await slot.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    ("card", "apdu", "atr", "answer"),
    [
        ("licence", SELECT_LICENCE, "3b:88:80:01:54:45:53:54:2d:49:44:4c:4d", "SW1=0x90, SW2=0x00"),
        ("payment", SELECT_CIB, "3b:65:00:00:54:45:53:54:31", "6F 1E 84 06 F0 00 00 54 44 01"),
    ],
    ids=["licence", "payment"],
)
def test_opensc_tool_reaches_the_cards_through_pcscd(card, apdu, atr, answer):
    needs_pcsc()

    async def run() -> str:
        async with Bench("pcsc") as (slot, reader):
            built = licence.build(licence.profile("amina"), made.shared()) if card == "licence" else payment_card()
            await slot.insert(built)
            await reader.wait_for_card(3000)
            shown = await asyncio.to_thread(strangers.run, "opensc-tool", "-r", "0", "-a", "-s", apdu.hex(":"))
            assert slot.log
            return shown

    shown = asyncio.run(run())
    assert atr in shown
    assert answer in shown


def test_cards_are_swapped_under_a_handle_that_keeps_working():
    """What PC/SC does when a card is changed faster than it polls; here as a warning to whoever trusts a handle."""
    needs_pcsc()

    async def run() -> None:
        async with Bench("pcsc") as (slot, reader):
            await slot.insert(payment_card())
            await reader.wait_for_card(3000)
            await reader.connect()
            assert b"CIB TEST" in await reader.transceive(SELECT_CIB)
            slot.settle_s = 0
            await slot.insert(licence.build(licence.profile("amina"), made.shared()))
            try:
                answer = await reader.transceive(SELECT_CIB)
            except CardRemovedError:
                return  # a poll fell between the two: noticed, which is as good
            assert answer == b"\x6a\x82", "the licence answered in place of the payment card"

    asyncio.run(run())


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give pcscd a namespace")
def test_the_virtual_readers_port_is_not_reachable_from_outside():
    needs_pcsc()
    daemon = pcscd.ensure()
    if daemon.namespace_pid is None:
        pytest.skip(f"no namespaces here: {daemon.note}")
    daemon.connect(pcscd.FIRST_PORT).close()
    with pytest.raises(OSError), socket.create_connection(("127.0.0.1", pcscd.FIRST_PORT), 1):
        pass


def test_pcscd_ends_with_the_process_that_started_it():
    needs_pcsc()
    environment = {
        name: value for name, value in os.environ.items() if name not in (pcscd.CLIENT_VARIABLE, pcscd.OUR_VARIABLE)
    }
    code = "from sim.links import pcscd; d = pcscd.ensure(); print(d.process.pid if d.process else 0, d.folder)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, env=environment, check=True
    )
    pid, _, folder = done.stdout.strip().partition(" ")
    assert not folder or not os.path.exists(folder)
    assert pid == "0" or not os.path.exists(f"/proc/{pid}")
