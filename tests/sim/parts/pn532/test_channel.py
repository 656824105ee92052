"""Bytes and stated time of an exchange on the model agree with the channel's arithmetic (tests/benchmarks/channel.py)."""

import asyncio

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from sim.cards.base import Card
from sim.cards.contactless import FRAME_SIZES, Activation
from sim.parts.pn532 import Pn532
from sim.parts.pn532.air import FSDI
from tests.benchmarks import channel
from tests.sim.parts.pn532.bench import LIST_A, Host

FSD = FRAME_SIZES[FSDI]


class Talker(Card):
    """Answers with whatever is put into `answer`."""

    def __init__(self, answer: bytes = b"\x90\x00", fsci: int = 8) -> None:
        super().__init__()
        self.answer = answer
        self.activation = Activation(b"\x08abc", fsci=fsci)
        self.heard: list[bytes] = []

    def respond(self, capdu: bytes) -> bytes:
        self.heard.append(capdu)
        return self.answer


async def talking(card: Talker, rate: int = 106) -> Host:
    host = Host(Pn532())
    await host.start()
    await host.chip.field.insert(card)
    await host.ask(LIST_A)
    code = {106: 0, 212: 1, 424: 2}[rate]
    if code:
        assert await host.ask(bytes([0x4E, 1, code, code])) == b"\x4f\x00"
    return host


async def apdu(host: Host, command: bytes) -> bytes:
    """One APDU in the chip's pieces; the answer, b"" and the status if it failed."""
    while len(command) > 262:
        answer = await host.ask(b"\x40\x41" + command[:262])
        assert answer == b"\x41\x00"
        command = command[262:]
    got, answer = b"", await host.ask(b"\x40\x01" + command)
    while answer[1] & 0x40:
        got += answer[2:]
        answer = await host.ask(b"\x40\x01")
    assert answer[1] == 0, answer.hex()
    return got + answer[2:]


@pytest.mark.parametrize("rate", [106, 212, 424])
@pytest.mark.parametrize("fsci", [2, 5, 8])
@pytest.mark.parametrize(
    "sizes", [(4, 2), (5, 258), (61, 61), (62, 62), (253, 253), (254, 254), (261, 262), (262, 124)]
)
def test_one_exchange_costs_what_the_arithmetic_says(rate, fsci, sizes):
    async def run() -> None:
        card = Talker(bytes(sizes[1]), fsci)
        host = await talking(card, rate)
        spent = host.chip.spent
        host_bytes, air_s = spent.host_in + spent.host_out, spent.air_s
        assert await apdu(host, bytes(sizes[0])) == card.answer
        expected = channel.host_s(*sizes) * channel.HOST_BAUD / 10
        assert spent.host_in + spent.host_out - host_bytes == round(expected)
        on_air = channel.radio_s(sizes[0], rate, FRAME_SIZES[fsci]) + channel.radio_s(sizes[1], rate, FSD)
        assert abs(spent.air_s - air_s - on_air) < 1e-9
        await host.chip.close()

    asyncio.run(run())


def on_the_line(count: int) -> int:
    """Bytes of a frame with `count` bytes between its length and its data checksum."""
    return count + (7 if count <= 255 else 10)


def test_longer_exchanges_cost_one_more_command_for_each_262_bytes():
    """What the arithmetic for one exchange leaves out: the chip's buffer cuts commands, and with them blocks, at 262 bytes."""

    async def run() -> None:
        card = Talker(bytes(4098))
        host = await talking(card, 424)
        spent = host.chip.spent
        host_bytes, air_s = spent.host_in + spent.host_out, spent.air_s
        assert await apdu(host, bytes(1000)) == card.answer
        sent, got = [262, 262, 262, 214], [262] * 15 + [168]
        commands = [on_the_line(3 + count) for count in sent] + [on_the_line(3)] * 15
        answers = [on_the_line(3)] * 3 + [on_the_line(3 + count) for count in got]
        assert spent.host_in + spent.host_out - host_bytes == sum(commands) + sum(answers) + channel.ACK_BYTES * len(
            commands
        )
        acknowledged = 3 * ((9 * 3 + 2) * channel.RATES[424] / channel.FC + channel.SILENCE_S)
        there = sum(channel.radio_s(count, 424, 256) for count in sent) + acknowledged
        assert abs(spent.air_s - air_s - there - channel.radio_s(4098, 424, FSD)) < 1e-9
        await host.chip.close()

    asyncio.run(run())


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    command=st.binary(min_size=4, max_size=700),
    answer=st.binary(min_size=2, max_size=700),
    fsci=st.integers(0, 8),
    fates=st.lists(st.sampled_from(["", "", "", "lost", "damaged"]), max_size=60),
    work=st.sampled_from([0.0, 0.01, 0.2, 1.0]),
)
def test_no_disturbance_on_air_changes_or_repeats_an_apdu(command, answer, fsci, fates, work):
    """Frames lost and damaged, chains both ways, waiting time extensions: the card hears the command once and whole, or the chip says that
    it failed.
    """

    async def run() -> None:
        card = Talker(answer, fsci)
        host = await talking(card)
        field = host.chip.field
        field.compute = lambda command, response: work
        first = field.frames
        field.disturb = lambda number: fates[number - first - 1] or None if number - first <= len(fates) else None
        try:
            got = await apdu(host, command)
        except AssertionError:
            got = None  # the chip gave up: more frames in a row were bad than it tries
        assert card.heard in ([], [command]), "heard another command, or twice"
        if got is not None:
            assert got == answer
            assert card.heard == [command]
        await host.chip.close()

    asyncio.run(run())
