"""The handheld's antenna in a whole terminal, on both runtimes: a licence read over the PN532 from home screen to verdict, torn and read on."""

import asyncio
from pathlib import Path

import pytest

from protocol import records as r
from sim.cards import licence
from sim.worlds.fleet import Fleet
from sim.worlds.patrol import Patrol
from sim.worlds.world import World, cpython_terminal
from tests.support import needs
from tools.house.toolchain import APPLICATION_HEAP
from tools.image import device_command, device_image

pytestmark = pytest.mark.timeout(400)


async def _licence_on_air(world: World, folder: Path) -> None:
    patrol = Patrol(world, folder, "fr", lambda step: None)
    try:
        await world.start()
        world.gateway.switch(False)
        await world.power_on()
        await patrol._log_in()
        await patrol.actor.see("home")
        await patrol.actor.type("1")
        await patrol._mrz("amina", scan=True)
        await patrol.actor.see("licence_present")
        world.field.tear_at = 9
        await world.field.insert(licence.build(licence.profile("amina"), world.fleet.pki))
        await patrol.actor.see("error", code="CRD-003")
        await patrol.actor.type("ok")
        await patrol.actor.see("licence_present")
        await world.field.insert(licence.build(licence.profile("amina"), world.fleet.pki))
        event = await patrol.actor.see("licence_verdict")
        assert event["verdict"] == r.VERDICT_DATA_GENUINE
    finally:
        await world.close()
    assert world.antenna.baudrate == 921600
    assert world.field.log and world.antenna.spent.air_bytes > sum(len(c) + len(a) for c, a in world.field.log)


@pytest.mark.parametrize("runtime", ["cpython", "micropython"])
def test_licence_over_the_antenna_of_the_handheld(tmp_path, runtime):
    command = cpython_terminal
    if runtime == "micropython":
        needs.micropython()
        image = device_image()

        def command(wiring: Path) -> list[str]:
            return device_command(image, "terminal.boards.mcu", APPLICATION_HEAP, [str(wiring)])

    world = World(Fleet.make(tmp_path / "world"), runtime, "tcp", "fr", command, licence_on_air=True)
    asyncio.run(asyncio.wait_for(_licence_on_air(world, tmp_path), 120))
