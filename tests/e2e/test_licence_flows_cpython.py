"""A whole terminal, played by its keys, on both runtimes: paper and foreign licences, a chip given up, category, portrait."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from drivers.contracts.picture import Pictures
from drivers.late_pictures import LatePictures
from drivers.picture_pillow import PillowPictures
from protocol import records as r
from sim.cards import licence
from sim.cards.licence.people import PEOPLE
from sim.worlds import evidence
from sim.worlds.actor import Actor
from sim.worlds.fleet import Fleet
from sim.worlds.world import World, cpython_terminal
from terminal.face.sheet import MARGIN
from terminal.flows.licence import PICTURE_HEIGHT, PICTURE_WIDTH
from tests.support import needs
from tools.house.toolchain import APPLICATION_HEAP

pytestmark = pytest.mark.timeout(200)
NUMBER = "9081726354"


def _command(runtime: str) -> Callable[[Path], list[str]]:
    if runtime == "cpython":
        return cpython_terminal
    from tools.image import device_command, device_image

    image = device_image()
    return lambda wiring: device_command(image, "terminal.boards.mcu", APPLICATION_HEAP, [str(wiring)])


async def _scan(world: World, who: str) -> None:
    await world.scanner.connected()
    world.scanner.send(licence.mrz_lines(PEOPLE[who]).replace("\n", "\r").encode() + b"\r\r")


async def _give_up(actor: Actor, reason: str) -> None:
    """A verdict that comes to no notice is given up with a reason."""
    await actor.press("abandon_reason", reason)
    await actor.press("confirm_abandon", "ok")
    await actor.press("licence_hand", "ok")


async def _paper_and_foreign(actor: Actor) -> None:
    for choice in ("2", "3"):
        await actor.press("home", "1")
        await actor.press("mrz_entry", "menu")
        await actor.press("document_menu", choice)
        await actor.press("document_number", NUMBER, "ok")
        await actor.press("licence_verdict", "ok", verdict=r.VERDICT_NOT_VERIFIED)
        await actor.press("plate_entry", "cancel")
        await _give_up(actor, "1")


async def _given_up(actor: Actor, world: World) -> None:
    """The card is torn out; the officer goes on without it, as far as a notice."""
    await actor.press("home", "1")
    await actor.see("mrz_entry")
    await _scan(world, "amina")
    await actor.see("licence_present")
    await world.licence_slot.insert(licence.build(licence.profile("amina"), world.fleet.pki))
    world.licence_slot.tear_at = 5
    await actor.press("error", "cancel")
    world.licence_slot.tear_at = None
    await actor.press("licence_unreadable", "ok", code="CRD-003")
    await actor.press("licence_verdict", "ok", verdict=r.VERDICT_UNREADABLE)
    await actor.press("plate_entry", "0012311916", "ok")
    await actor.press("offence_list", "1")
    await actor.press("acknowledge", "ok")
    await actor.press("pay_choice", "2")
    await actor.press("licence_hand", "ok")


async def _drawn(world: World, runtime: str) -> None:
    """The portrait is on the glass, dot by dot as this board's decoder makes it."""
    pictures: Pictures = PillowPictures() if runtime == "cpython" else LatePictures()
    picture = pictures.begin(PICTURE_WIDTH, PICTURE_HEIGHT)
    picture.feed(licence.build(licence.profile("amina"), world.fleet.pki).content.files[4])
    found = picture.result()
    assert not isinstance(found, str)
    width, height, rows = found
    wanted = Image.frombytes("1", (width, height), bytes(rows)).tobytes()
    for _ in range(100):
        glass = world.display.image().convert("L").point(lambda level: 255 * (level < 128)).convert("1")
        for top in range(glass.height - height):
            if glass.crop((MARGIN, top, MARGIN + width, top + height)).tobytes() == wanted:
                return
        await asyncio.sleep(0.1)
    raise AssertionError("the portrait is not on the display")


async def _lorry(actor: Actor, world: World, runtime: str) -> list[str]:
    """A driver of a lorry with a licence for cars; the portrait is asked for. The findings shown."""
    await actor.press("home", "1")
    await actor.press("mrz_entry", "menu")
    await actor.press("document_menu", "4")
    await actor.press("category_list", "5")
    await actor.press("document_menu", "cancel")
    await actor.see("mrz_entry")
    await _scan(world, "amina")
    await actor.tap("licence_present", world.licence_slot, licence.build(licence.profile("amina"), world.fleet.pki))
    shown = await actor.press("licence_verdict", "down", verdict=r.VERDICT_DATA_GENUINE)
    await actor.see("licence_portrait")
    await _drawn(world, runtime)
    await actor.type("cancel")
    await actor.press("licence_verdict", "cancel")
    await _give_up(actor, "4")
    await world.licence_slot.remove()
    await actor.see("home")
    return shown["findings"]


def _play(folder: Path, runtime: str) -> "tuple[list[dict[int, Any]], list[str], list[dict[str, Any]]]":
    """(records in the storage, findings shown, events of the technician's port)."""
    fleet = Fleet.make(folder / "world")
    world = World(fleet, runtime, "tcp", "fr", _command(runtime))

    async def course() -> list[str]:
        await world.start()
        try:
            actor = Actor(world, 40)
            await world.power_on()
            officer = fleet.people["officer"]
            await actor.press("login_number", str(officer["number"]), "ok")
            await actor.press("login_pin", officer["pin"], "ok")
            await _paper_and_foreign(actor)
            await _given_up(actor, world)
            return await _lorry(actor, world, runtime)
        finally:
            await world.close()

    findings = asyncio.run(course())
    return evidence.records(fleet.store(runtime)), findings, world.diagnostic.events


@pytest.mark.parametrize("runtime", ["cpython", "micropython"])
def test_documents_without_a_proven_chip_are_recorded_as_what_they_are(runtime: str, tmp_path: Path) -> None:
    if runtime == "micropython":
        needs.micropython()
    kept, findings, events = _play(tmp_path, runtime)
    read = [record for record in kept if record[r.KIND] == r.LICENCE_READ]
    assert [(record[r.VERDICT], record.get(r.REASON)) for record in read] == [
        (r.VERDICT_NOT_VERIFIED, "paper"), (r.VERDICT_NOT_VERIFIED, "foreign"), (r.VERDICT_UNREADABLE, "CRD-003"),
        (r.VERDICT_DATA_GENUINE, None),
    ]  # fmt: skip
    assert findings == ["LIC-202"] and read[-1][r.FINDINGS] == ["LIC-202"]
    assert [record[r.KIND] for record in kept].count(r.NOTICE) == 1, "the case with the unreadable chip went on"
    given_up = [record for record in kept if record.get(r.CLOSURE) == r.CLOSURE_ABANDONED]
    assert [(record[r.REASON], record[r.DISPOSITION], r.CASE in record) for record in given_up] == [
        ("no-offence", r.DISPOSITION_RETURNED, False), ("no-offence", r.DISPOSITION_RETURNED, False),
        ("left", r.DISPOSITION_RETAINED, False),
    ]  # fmt: skip
    assert read[0][r.LICENCE_TOKEN] == read[1][r.LICENCE_TOKEN] != read[2][r.LICENCE_TOKEN] == read[3][r.LICENCE_TOKEN]
    text = str(events)
    assert NUMBER not in text and PEOPLE["amina"].number not in text
