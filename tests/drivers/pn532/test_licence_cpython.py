"""A whole licence read through driver and model: the verdict, and on the wire and on air not a byte more than the arithmetic has."""

import asyncio
import os

from drivers.pn532.link import Link
from drivers.pn532.reader import Pn532Reader
from protocol import records as r
from protocol.crypto.native import NativeCrypto
from protocol.licence import mrz
from protocol.licence.reader import read_licence
from protocol.licence.trust.anchors import TrustSet
from sim.cards import licence
from sim.cards.licence.people import PEOPLE
from sim.parts.pn532 import Field, Pn532
from sim.pki.authority import make_pki
from terminal.flows.drive import drive
from terminal.flows.licence.element import Curves
from tests.benchmarks import channel
from tests.drivers.pn532.wire import Wire

TODAY = "20260701"
FSD = 64  # bytes of a frame from the card
CHUNK = 262  # bytes of an APDU in one of the chip's commands


def on_the_line(command: int, answer: int) -> int:
    """Bytes of one exchange on the UART: the channel's, and a command without data for each 262 bytes of an answer after the first."""
    total = 0
    while answer > CHUNK:
        total += round(channel.host_s(command, CHUNK) * channel.HOST_BAUD / 10)
        command, answer = 0, answer - CHUNK
    return total + round(channel.host_s(command, answer) * channel.HOST_BAUD / 10)


def reading(folder, rate: int) -> "tuple[int, Pn532, Field, float, int]":
    """Read a licence at up to `rate`; verdict, chip, field, and the host's bytes and air's seconds since the card was activated."""

    async def run():
        pki = make_pki(folder / "pki")
        profile = licence.profile("amina")
        chip = Pn532(Field(lambda command, answer: channel.compute_s(command, len(answer))))
        await chip.field.insert(licence.build(profile, pki))
        reader = Pn532Reader(Link(Wire(chip)), rate)
        atr = await reader.connect()
        assert reader.rate == rate
        spent = chip.spent
        air_s, host = spent.air_s, spent.host_in + spent.host_out
        parsed = mrz.parse(licence.mrz_lines(PEOPLE[profile["person"]]))
        machine = read_licence(
            NativeCrypto(), parsed, os.urandom, TrustSet(pki.anchors()), TODAY, (1, 11), True, atr=atr
        )

        async def progress(*_: object) -> None:
            return None

        found = await drive(reader, machine, {"progress": progress, **Curves(None).handlers})
        await chip.close()
        return found.verdict, chip, chip.field, spent.air_s - air_s, spent.host_in + spent.host_out - host

    return asyncio.run(run())


def test_licence_costs_what_the_channel_says(tmp_path):
    for rate in (106, 424):
        verdict, chip, field, air_s, host = reading(tmp_path, rate)
        assert verdict == r.VERDICT_DATA_GENUINE
        exchanges = [(command, len(answer)) for command, answer in field.log]
        assert len(exchanges) > 60
        assert all(len(command) <= CHUNK for command, _ in exchanges)
        assert host == sum(on_the_line(len(c), n) for c, n in exchanges)
        least = sum(channel.radio_s(len(c), rate) + channel.radio_s(n, rate, FSD) for c, n in exchanges)
        assert abs(air_s - least) < 1e-6
        computed = sum(channel.compute_s(c, n) for c, n in exchanges)
        assert abs(chip.spent.card_s - computed) < 1e-6
        line_s = 10 * host / channel.HOST_BAUD
        print(
            f"{rate} kbit/s, {len(exchanges)} APDUs: line {host} B {line_s:.3f} s, air {air_s:.3f} s, card {computed:.3f} s"
        )
