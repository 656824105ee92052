"""What goes wrong at the roadside: each case gets a coded screen and loses nothing. The whole terminal, on both runtimes, cards over TCP."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from protocol import records as r
from sim.cards import licence
from sim.worlds import evidence
from sim.worlds.fleet import Fleet
from sim.worlds.patrol import Patrol
from sim.worlds.world import World, cpython_terminal
from tests.support import needs
from tools.house.toolchain import APPLICATION_HEAP
from tools.image import device_command, device_image

RUNTIMES = ("cpython", "micropython")
Story = Callable[[World, Patrol], Awaitable[None]]


@contextlib.asynccontextmanager
async def _world(folder: Path, runtime: str) -> AsyncIterator[tuple[World, Patrol]]:
    command = cpython_terminal
    if runtime == "micropython":
        image = device_image()

        def command(wiring: Path) -> list[str]:
            return device_command(image, "terminal.boards.mcu", APPLICATION_HEAP, [str(wiring)])

    world = World(Fleet.make(folder / "world"), runtime, "tcp", "fr", command)
    patrol = Patrol(world, folder, "fr", lambda step: None)
    try:
        await world.start()
        world.gateway.switch(False)
        await world.power_on()
        yield world, patrol
    finally:
        await world.close()


@pytest.fixture(params=RUNTIMES)
def play(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[Story], None]:
    """Plays a story in a fresh world on one runtime."""
    if request.param == "micropython":
        needs.micropython()

    def run(story: Story) -> None:
        async def whole() -> None:
            async with _world(tmp_path, request.param) as (world, patrol):
                await asyncio.wait_for(story(world, patrol), 120)
                assert all(check["ok"] for check in patrol.checks), patrol.checks

        asyncio.run(whole())

    return run


def _records(world: World, kind: int) -> list[dict]:
    return [entry for entry in evidence.records(world.fleet.store(world.runtime)) if entry[r.KIND] == kind]


async def _try_pin(patrol: Patrol, pin: str) -> None:
    officer = patrol.world.fleet.people["officer"]
    await patrol.actor.press("login_number", str(officer["number"]), "ok")
    await patrol.actor.press("login_pin", pin, "ok")


def _wrong_pin(patrol: Patrol) -> str:
    return "0000" if patrol.world.fleet.people["officer"]["pin"] != "0000" else "1111"


def test_three_wrong_pins_lock_the_officer_and_a_power_cut_gives_none_back(play):
    async def story(world: World, patrol: Patrol) -> None:
        await _try_pin(patrol, _wrong_pin(patrol))
        await patrol.actor.press("error", "ok", code="OFC-002")
        await world.power_cut()
        await world.power_on()
        await _try_pin(patrol, _wrong_pin(patrol))
        event = await patrol.actor.press("error", "ok", code="OFC-002")
        assert event["left"] == 1
        await _try_pin(patrol, _wrong_pin(patrol))
        await patrol.actor.see("locked")
        await world.power_cut()
        await world.power_on()
        await patrol.actor.press("login_number", str(world.fleet.people["officer"]["number"]), "ok")
        await patrol.actor.see("locked")
        assert not _records(world, r.LOGIN)

    play(story)


async def _to_licence(patrol: Patrol) -> None:
    await patrol._log_in()
    await patrol.actor.press("home", "1")
    await patrol._mrz("amina", scan=True)


def test_a_licence_pulled_while_it_is_read_goes_on_and_leaves_one_record(play):
    async def story(world: World, patrol: Patrol) -> None:
        await _to_licence(patrol)
        card = licence.build(licence.profile("amina"), world.fleet.pki)
        await patrol.actor.see("licence_present")
        world.licence_slot.tear_at = 9
        await world.licence_slot.insert(card)
        await patrol.actor.press("error", "ok", code="CRD-003")
        await patrol.actor.tap("licence_present", world.licence_slot, card)
        event = await patrol.actor.see("licence_verdict")
        assert event["verdict"] == r.VERDICT_DATA_GENUINE
        await world.licence_slot.remove()
        await patrol.actor.type("ok")
        await patrol.actor.see("plate_entry")
        assert len(_records(world, r.LICENCE_READ)) == 1

    play(story)


def test_the_wrong_field_of_a_typed_mrz_is_named_and_asked_again(play):
    async def story(world: World, patrol: Patrol) -> None:
        await patrol._log_in()
        await patrol.actor.press("home", "1")
        lines = licence.mrz_lines(licence.build.__globals__["PEOPLE"]["amina"]).split("\n")
        number, birth, expiry = lines[0][6:14] + lines[0][14], lines[1][:7], lines[1][8:15]
        wrong = birth[:-1] + str((int(birth[-1]) + 3) % 10)
        await patrol.actor.press("mrz_entry", number, "ok", field="number")
        await patrol.actor.press("mrz_entry", wrong, "ok", field="birth")
        await patrol.actor.press("mrz_entry", expiry, "ok", field="expiry")
        await patrol.actor.press("error", "ok", code="LIC-010")
        event = await patrol.actor.press("mrz_entry", birth, "ok")
        assert event["field"] == "birth"
        await patrol.actor.see("licence_present")

    play(story)


async def _to_payment(patrol: Patrol) -> None:
    await patrol._log_in()
    await patrol.actor.see("home")
    await patrol._notice("amina", scan=True)


@pytest.mark.parametrize("torn", [2, 6, 12])
def test_a_bank_card_pulled_in_a_payment_is_interrupted_and_the_retry_is_a_new_identity(play, torn: int):
    async def story(world: World, patrol: Patrol) -> None:
        await _to_payment(patrol)
        await patrol.actor.press("pay_choice", "1")
        await patrol.actor.see("card_present")
        world.payment_slot.tear_at = torn
        await world.payment_slot.insert(patrol.built["approve"])
        event = await patrol.actor.see("card_pin", "interrupted")
        if event["screen"] == "card_pin":
            await patrol.actor.type(patrol.cards["approve"]["pin"], "ok")
            event = await patrol.actor.see("interrupted")
        await patrol.actor.type("ok")
        assert event["amount"] == 500_000
        await patrol._pay("approve", r.OUTCOME_APPROVED)
        outcomes = [entry[r.OUTCOME] for entry in _records(world, r.PAYMENT_OUTCOME)]
        assert outcomes == [r.OUTCOME_INTERRUPTED, r.OUTCOME_APPROVED]
        intents = {entry[r.INTENT] for entry in _records(world, r.PAYMENT_OUTCOME)}
        assert len(intents) == 2

    play(story)


def test_a_silent_printer_is_said_and_the_receipt_comes_when_it_is_back(play):
    async def story(world: World, patrol: Patrol) -> None:
        await _to_payment(patrol)
        world.printer.silent = True
        await patrol.actor.press("pay_choice", "2")
        await patrol.actor.see("error", code="PRN-002")
        assert not _records(world, r.RECEIPT_PRINTED)
        world.printer.silent = False
        await patrol.actor.type("ok")
        await patrol._paper("later", 0)
        await patrol.actor.see("licence_hand")
        assert len(_records(world, r.RECEIPT_PRINTED)) == 1

    play(story)


def test_an_unreachable_server_is_said_and_every_record_stays(play):
    async def story(world: World, patrol: Patrol) -> None:
        await patrol._log_in()
        before = len(evidence.records(world.fleet.store(world.runtime)))
        await patrol.actor.press("home", "2")
        await patrol.actor.press("error", "ok", code="NET-001")
        await patrol.actor.see("home")
        after = evidence.records(world.fleet.store(world.runtime))
        assert len(after) >= before + 1 and after[-1][r.KIND] == r.OUTAGE_BEGIN

    play(story)


def test_cancel_ends_the_wait_for_a_card(play):
    async def story(world: World, patrol: Patrol) -> None:
        await _to_payment(patrol)
        await patrol.actor.press("pay_choice", "1")
        await patrol.actor.press("card_present", "cancel")
        await patrol.actor.see("pay_choice")
        assert not _records(world, r.PAYMENT_INTENT)

    play(story)


def test_a_tariff_with_a_bad_signature_is_named_and_nothing_is_charged(tmp_path: Path):
    async def story() -> None:
        async with _world(tmp_path, "cpython") as (world, patrol):
            tariff = world.fleet.store("cpython") / "params" / "tariff"
            broken = bytearray(tariff.read_bytes())
            broken[-1] ^= 1
            tariff.write_bytes(broken)
            await _to_licence(patrol)
            await patrol.actor.tap(
                "licence_present", world.licence_slot, licence.build(licence.profile("amina"), world.fleet.pki)
            )
            await patrol.actor.press("licence_verdict", "ok")
            await world.licence_slot.remove()
            await patrol.actor.press("plate_entry", "0012311916", "ok")
            await patrol.actor.press("error", "ok", code="PRM-002")
            await patrol.actor.press("abandon_reason", "1")  # the verdict ends in a closed case
            await patrol.actor.press("confirm_abandon", "ok")
            await patrol.actor.press("licence_hand", "ok", disposition=r.DISPOSITION_RETURNED)
            await patrol.actor.see("home")
            assert not _records(world, r.NOTICE)
            assert len(_records(world, r.LICENCE_READ)) == len(_records(world, r.CASE_CLOSED)) == 1

    asyncio.run(asyncio.wait_for(story(), 60))
