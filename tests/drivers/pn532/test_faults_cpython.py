"""The PN532 driver when things go wrong: two cards, type B, memory cards, bytes lost or changed anywhere, a chip that restarts or dies."""

import asyncio

import pytest

from drivers.pn532.link import Link
from drivers.pn532.reader import Pn532Reader
from protocol.errors import CardCollisionError, CardError, CardRemovedError, CardSilentError, NoCardError
from sim.cards.base import Card
from sim.cards.contactless import Activation
from sim.parts.pn532 import Pn532
from tests.drivers.card_reader_suite import COUNT, ECHO, SIZE
from tests.drivers.pn532.wire import Wire
from tests.sim.cards.echo import EchoCard
from tests.support.dual import araises

LONG = ECHO + b"\x00\x02\x00" + bytes(range(256)) * 2 + b"\x00\x00"


def on_a_wire(story, rate: int = 106) -> None:
    async def run() -> None:
        chip = Pn532()
        await story(Pn532Reader(Link(Wire(chip)), rate), chip, chip.field)
        await chip.close()

    asyncio.run(run())


def test_two_cards_are_a_collision_and_neither_is_talked_to():
    async def story(reader, _chip, field) -> None:
        one, two = EchoCard(field), EchoCard(field)
        await field.insert(one)
        await field.add(two)
        assert await reader.card_present()
        error = await araises(CardCollisionError, reader.connect())
        assert error.code == "CRD-016"
        assert field.log == [] and not one.powered and not two.powered
        assert (await araises(CardError, reader.transceive(COUNT))).code == "CRD-006"
        await field.remove(two)
        await reader.connect()
        assert await reader.transceive(COUNT) == b"\x01\x90\x00"

    on_a_wire(story)


def test_cards_of_both_types_together_are_a_collision():
    async def story(reader, _chip, field) -> None:
        other = EchoCard(field)
        other.activation = Activation(b"PUPI", b"TEST", kind="B")
        await field.insert(EchoCard(field))
        await field.add(other)
        await araises(CardCollisionError, reader.connect())

    on_a_wire(story)


def test_card_of_type_b_works_and_a_memory_card_is_refused():
    async def story(reader, _chip, field) -> None:
        card = EchoCard(field)
        card.activation = Activation(b"PUPI", b"TEST", kind="B")
        await field.insert(card)
        assert (await reader.connect())[:8] == bytes.fromhex("3B888001") + b"TEST"
        assert await reader.transceive(LONG) == bytes(range(256)) * 2 + b"\x90\x00"
        memory = Card()
        memory.activation = Activation(bytes.fromhex("04112233445566"), sak=0x08)
        await field.insert(memory)
        assert (await araises(CardError, reader.connect())).code == "CRD-017"
        assert await reader.card_present()

    on_a_wire(story)


@pytest.mark.parametrize(
    ("most", "rates", "expected"),
    [(106, 0x77, 106), (212, 0x77, 212), (424, 0x77, 424), (424, 0x00, 106), (424, 0x13, 212)],
)
def test_fastest_rate_that_reader_and_card_agree_on(most, rates, expected):
    async def story(reader, chip, field) -> None:
        card = EchoCard(field)
        card.activation = Activation(b"\x08abc", rates=rates)
        await field.insert(card)
        await reader.connect()
        assert reader.rate == expected
        assert (0x4E in chip.commands_seen) == (expected > 106)
        assert await reader.transceive(COUNT) == b"\x01\x90\x00"

    on_a_wire(story, most)


def test_torn_and_mute_cards_are_told_apart():
    async def story(reader, _chip, field) -> None:
        for after in (False, True):
            await field.insert(EchoCard(field))
            await reader.connect()
            field.tear_at, field.tear_after = 2, after
            await reader.transceive(COUNT)
            await araises(CardRemovedError, reader.transceive(COUNT))
            await araises(NoCardError, reader.connect())
        await field.insert(EchoCard(field))
        await reader.connect()
        field.silent_at = 1
        await araises(CardSilentError, reader.transceive(COUNT))
        assert not field.on  # the field is off between sessions: the card starts afresh
        await reader.connect()
        assert await reader.transceive(COUNT) == b"\x01\x90\x00"

    on_a_wire(story)


def test_presence_is_looked_up_without_ending_the_session():
    async def story(reader, _chip, field) -> None:
        await field.insert(EchoCard(field))
        await reader.connect()
        await reader.transceive(COUNT)
        assert await reader.card_present()
        assert await reader.transceive(COUNT) == b"\x02\x90\x00"
        await field.remove()
        assert not await reader.card_present()
        assert (await araises(CardError, reader.transceive(COUNT))).code == "CRD-006"

    on_a_wire(story)


def test_two_readers_share_one_antenna_one_session_at_a_time():
    async def story(first, chip, field) -> None:
        second = Pn532Reader(first._link, 424)
        await field.insert(EchoCard(field))
        await first.connect()
        await second.connect()
        assert (await araises(CardError, first.transceive(COUNT))).code == "CRD-006"
        await first.disconnect()
        assert await first.card_present()
        assert await second.transceive(COUNT) == b"\x01\x90\x00"
        await second.disconnect()
        assert not field.on
        assert chip.commands_seen.count(0x14) == 1

    on_a_wire(story)


def test_restart_of_the_chip_ends_the_session_and_the_next_one_works():
    async def story(reader, chip, field) -> None:
        await field.insert(EchoCard(field))
        await reader.connect()
        chip.reset()
        assert (await araises(CardError, reader.transceive(COUNT))).code == "CRD-018"
        assert chip.baudrate == 921600  # it was woken and set up again at once
        await reader.connect()
        assert await reader.transceive(COUNT) == b"\x01\x90\x00"
        chip.deaf = True
        assert (await araises(CardError, reader.transceive(COUNT))).code == "CRD-010"
        assert (await araises(CardError, reader.connect())).code == "CRD-010"
        await reader.disconnect()
        chip.deaf = False
        await reader.connect()
        assert await reader.transceive(COUNT) == b"\x01\x90\x00"

    on_a_wire(story)


@pytest.mark.parametrize("way", ["to_chip", "to_host"])
@pytest.mark.parametrize("kind", ["lost", "changed", "doubled"])
def test_one_bad_byte_anywhere_never_repeats_an_apdu_and_never_gives_a_wrong_answer(way, kind):
    """At every byte of an exchange: the true answer, or a coded error; the card has counted each command at most once; then all is well."""

    async def story(reader, chip, field) -> None:
        what = {
            "lost": lambda byte: b"",
            "changed": lambda byte: bytes([byte ^ 0x5A]),
            "doubled": lambda byte: bytes([byte, byte]),
        }[kind]
        card = EchoCard(field)
        await field.insert(card)
        outcomes = set()
        for at in range(34):
            await reader.connect()
            assert await reader.transceive(COUNT) == b"\x01\x90\x00"
            begin = chip._heard if way == "to_chip" else chip._said
            hit = begin + at

            def fault(number, byte, hit=hit):
                return what(byte) if number == hit else bytes([byte])

            setattr(chip, way, fault)
            try:
                assert await reader.transceive(COUNT) == b"\x02\x90\x00"
                outcomes.add("answer")
            except CardError as error:
                assert error.code in ("CRD-018", "CRD-004", "CRD-014"), (at, error.code)
                outcomes.add("error")
            assert card.count <= 2, at
            setattr(chip, way, None)
        assert "answer" in outcomes
        if way == "to_host" and kind != "doubled":
            assert outcomes == {"answer"}  # what the chip said can always be asked for again

    on_a_wire(story)


def test_size_of_every_answer_around_the_chips_buffer():
    async def story(reader, _chip, field) -> None:
        await field.insert(EchoCard(field))
        await reader.connect()
        for size in (0, 1, 58, 59, 60, 61, 120, 252, 253, 259, 260, 261, 262, 522, 523, 1000, 65000):
            assert (
                await reader.transceive(SIZE + size.to_bytes(2, "big") + b"\x00\x00\x00") == bytes(size) + b"\x90\x00"
            ), size

    on_a_wire(story)
