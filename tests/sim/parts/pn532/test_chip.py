"""The PN532 model as a part: power-up, frames, one command at a time, cards, faults."""

import asyncio

from sim.cards.base import Card
from sim.cards.contactless import Activation, historical
from sim.parts.pn532 import Pn532
from tests.sim.cards.echo import EchoCard
from tests.sim.parts.pn532.bench import ACK, FIELD_OFF, LIST_A, LIST_B, NACK, Host, frame

FIRMWARE = b"\x03\x32\x01\x06\x07"


def with_host(story) -> None:
    async def run() -> None:
        host = Host(Pn532())
        await host.start()
        await story(host, host.chip.field)
        await host.chip.close()

    asyncio.run(run())


def test_chip_sleeps_until_it_is_woken_and_configured():
    async def run() -> None:
        chip = Pn532()
        host = Host(chip)
        chip.receive(frame(b"\x02"))
        assert host.heard == b""
        chip.receive(b"\x55\x55\x00\x00\x00" + frame(b"\x02"))
        assert host.heard == b""  # low-battery mode: SAMConfiguration first
        assert await host.ask(b"\x14\x01\x00") == b"\x15"
        assert await host.ask(b"\x02") == FIRMWARE
        chip.reset()
        chip.receive(frame(b"\x02"))
        assert host.heard[6:] != b"" and host.heard.count(ACK) == 1
        await chip.close()

    asyncio.run(run())


def test_damaged_commands_get_no_word_and_a_nack_gets_the_last_answer_again():
    async def story(host, _field) -> None:
        good = frame(b"\x02")
        for at in range(1, len(good) - 1):
            host.heard = b""
            host.chip.receive(good[:at] + bytes([good[at] ^ 0x11]) + good[at + 1 :])
            host.chip.receive(bytes(300))  # what a host sends that wants to be sure
            assert host.heard in (b"",), at
        assert await host.ask(b"\x02") == FIRMWARE
        host.heard = b""
        host.chip.receive(NACK)
        assert await host.answer() == FIRMWARE
        assert await host.ask(b"\x99") == b"\x7f"

    with_host(story)


def test_speed_changes_on_the_hosts_acknowledgement():
    async def story(host, _field) -> None:
        assert await host.ask(b"\x10\x07") == b"\x11"
        assert host.chip.baudrate == 115200
        host.chip.receive(ACK)
        assert host.chip.baudrate == 921600

    with_host(story)


def test_cards_are_listed_activated_and_lose_power_with_the_field():
    async def story(host, field) -> None:
        assert await host.ask(LIST_A) == b"\x4b\x00"
        card = EchoCard(field)
        await field.insert(card)
        listed = await host.ask(LIST_A)
        assert listed == b"\x4b\x01\x01" + bytes.fromhex("0004200408000001") + card_ats(field, card)
        assert await host.ask(b"\x40\x01\x80\x05\x00\x00\x00") == b"\x41\x00\x01\x90\x00"
        assert await host.ask(b"\x40\x01\x80\x05\x00\x00\x00") == b"\x41\x00\x02\x90\x00"
        await host.ask(FIELD_OFF)
        assert not card.powered
        assert await host.ask(b"\x40\x01\x80\x05\x00\x00\x00") == b"\x41\x27"
        await host.ask(LIST_A)
        assert await host.ask(b"\x40\x01\x80\x05\x00\x00\x00") == b"\x41\x00\x01\x90\x00"

    with_host(story)


def card_ats(field, card) -> bytes:
    ats = field.activation(card).ats
    assert ats == bytes([10, 0x78, 0x33, 0x80, 0x00]) + b"TSDID"
    return ats


def test_two_cards_and_types_side_by_side():
    async def story(host, field) -> None:
        one, two, other = EchoCard(field), EchoCard(field), Card()
        other.activation = Activation(b"PUPI", kind="B")
        for card in (one, two, other):
            await field.add(card)
        listed = await host.ask(LIST_A)
        assert listed[1] == 2 and listed[2:].count(b"TSDID") == 2
        assert (await host.ask(LIST_B))[1] == 1
        await field.remove(one)
        assert (await host.ask(LIST_A))[1] == 1
        await field.remove()
        assert (await host.ask(LIST_A))[1] == 0 and (await host.ask(LIST_B))[1] == 0

    with_host(story)


def test_long_commands_and_answers_go_in_pieces_of_262_bytes():
    async def story(host, field) -> None:
        await field.insert(EchoCard(field))
        await host.ask(LIST_A)
        command = b"\x80\x01\x00\x00\x00\x02\x58" + bytes(range(200)) * 3 + b"\x00\x00"
        for at in range(0, 524, 262):
            assert await host.ask(b"\x40\x41" + command[at : at + 262]) == b"\x41\x00"
        got = b""
        answer = await host.ask(b"\x40\x01" + command[524:])
        while answer[1] & 0x40:
            assert len(answer) == 2 + 262
            got += answer[2:]
            answer = await host.ask(b"\x40\x01")
        assert got + answer[2:] == bytes(range(200)) * 3 + b"\x90\x00"
        host.heard = b""
        host.chip.receive(frame(b"\x40\x01" + bytes(263)))
        assert host.heard == b""  # longer than any frame that it takes

    with_host(story)


def test_new_command_or_acknowledgement_stops_what_runs():
    async def story(host, field) -> None:
        await field.insert(EchoCard(field, silent_s=60.0))
        await host.ask(LIST_A)
        host.heard = b""
        host.chip.receive(frame(b"\x40\x01\x80\x04\x00\x00"))
        await asyncio.sleep(0.05)
        assert host.heard == ACK
        host.chip.receive(ACK)
        await asyncio.sleep(0.05)
        assert host.heard == ACK
        assert await host.ask(b"\x02") == FIRMWARE

    with_host(story)


def test_removed_and_mute_cards_are_time_outs_and_the_log_hides_what_is_verified():
    async def story(host, field) -> None:
        card = EchoCard(field)
        await field.insert(card)
        await host.ask(LIST_A)
        await host.ask(b"\x40\x01\x00\x20\x00\x80\x08\x24\x12\x34\xff\xff\xff\xff\xff")
        assert field.log[-1][0] == bytes.fromhex("0020008008") + b"\xff" * 8
        field.silent_at = field.count + 1
        assert await host.ask(b"\x40\x01\x80\x05\x00\x00\x00") == b"\x41\x01"
        await host.ask(FIELD_OFF)
        await host.ask(LIST_A)
        assert await host.ask(b"\x00\x06") == b"\x01\x00"
        field.tear_at = field.count + 1
        assert await host.ask(b"\x40\x01\x80\x05\x00\x00\x00") == b"\x41\x01"
        assert await host.ask(b"\x00\x06") == b"\x01\x01"
        assert card not in field.cards

    with_host(story)


def test_pace_takes_the_stated_time_on_a_clock_of_its_own(monkeypatch):
    slept = []
    real = asyncio.sleep

    async def noted(seconds, *args) -> None:
        slept.append(seconds)
        await real(0)

    async def story(host, field) -> None:
        await field.insert(EchoCard(field))
        await host.ask(LIST_A)
        host.chip.pace = True
        field.compute = lambda command, response: 0.25
        before = host.chip.spent.card_s
        monkeypatch.setattr("sim.parts.pn532.chip.asyncio.sleep", noted)
        await host.ask(b"\x40\x01\x80\x05\x00\x00\x00")
        assert abs(host.chip.spent.card_s - before - 0.25) < 1e-9
        assert max(slept) > 0.25

    with_host(story)


def test_historical_bytes_of_atrs():
    assert historical(bytes.fromhex("3B6500005453444944")) == b"TSDID"
    assert historical(bytes.fromhex("3B888001544553542D49444C4D")) == b"TEST-IDL"
    assert historical(bytes.fromhex("3B8180018080")) == b"\x80"
    assert historical(b"") == b""
