"""Card numbers, track 2 and PINs are nowhere but with cards and acquirer: files of a whole world, and the MicroPython process's memory."""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from protocol import records as r
from sim.worlds.fleet import Fleet
from sim.worlds.world import World, cpython_terminal
from tests.e2e.emv import canary
from tests.e2e.emv.raw_flash import RawFlash
from tools.house.toolchain import APPLICATION_HEAP

pytestmark = pytest.mark.timeout(300)
SECRETS = ("world/pki/", "world/acquirer/", "world/people.json")  # cards' and acquirer's own


def _command(runtime: str) -> Any:
    if runtime == "cpython":
        return cpython_terminal
    from tools.image import device_command, device_image

    image = device_image()
    return lambda wiring: device_command(image, "terminal.boards.mcu", APPLICATION_HEAP, [str(wiring)])


Records = list[dict[int, Any]]
Story = Callable[[canary.Shift], Awaitable[Records]]


async def _inserted(shift: canary.Shift) -> Records:
    """Offline: one approved, one provisional; online: one approved, one with an online PIN."""
    records = [
        await shift.case("approve", r.OUTCOME_APPROVED),
        await shift.case("online", r.OUTCOME_PROVISIONAL),
    ]
    shift.world.gateway.switch(True)
    records.append(await shift.case("online", r.OUTCOME_APPROVED))
    records.append(await shift.case("online-pin", r.OUTCOME_APPROVED))
    return records


async def _tapped(shift: canary.Shift) -> Records:
    """Offline: approved and provisional on each kernel; online: each kernel, and one with an online PIN typed after the card has gone."""
    records = [
        await shift.tap("cib-3", r.OUTCOME_APPROVED),
        await shift.tap("edahabia-2", r.OUTCOME_PROVISIONAL),
        await shift.tap("cib-2", r.OUTCOME_APPROVED),
    ]
    shift.world.gateway.switch(True)
    records.append(await shift.tap("edahabia-3", r.OUTCOME_APPROVED))
    records.append(await shift.tap("edahabia-pin", r.OUTCOME_APPROVED, canary.PIN))
    return records


def _play(folder: Path, runtime: str, look: Callable[[World], None], story: Story) -> tuple[Records, Fleet]:
    """A shift; `look` at every outcome and at the end."""

    async def play() -> tuple[Records, Fleet]:
        world = World(Fleet.make(folder / "world"), runtime, "tcp", "fr", _command(runtime))
        canary.plant(world.fleet)
        shift = canary.Shift(world, folder, "fr", lambda step: None)
        try:
            await world.start()
            shift.at_outcome = lambda: look(world)
            await shift.begin(network=False)
            records = await story(shift)
            await shift.synchronise()
            for _ in range(20):
                await asyncio.sleep(0.3)
                await shift.synchronise()
                if [entry for entry in shift._records() if entry[r.KIND] == r.CARD_DATA_ERASED]:
                    break
            await shift.actor.see("home")
            assert shift.failed() == []
            records += [entry for entry in shift._records() if entry[r.KIND] == r.CARD_DATA_ERASED]
            (folder / "events.jsonl").write_text("\n".join(json.dumps(event) for event in world.diagnostic.events))
            (folder / "ledger.json").write_text(json.dumps(await world.http_json("/api/ledger")))
            look(world)
            return records, world.fleet
        finally:
            await world.close()

    return asyncio.run(play())


def _searched(folder: Path, runtime: str, story: Story, flash: RawFlash) -> tuple[Records, list[str], Fleet]:
    """Play, and search memory and files: (records, what was found where, the world)."""
    found: list[str] = []

    def look(world: World) -> None:
        if runtime == "micropython":
            flash.look(world.fleet)
            wanted = canary.needles(world.fleet)
            seen = False
            for where, data in canary.memory(world.terminal._child.pid):  # type: ignore[union-attr]
                found.extend(f"{where}: {name}" for name in canary.hits(data, wanted))
                seen = seen or b"TSD-000001" in data
            assert seen, "this is not the terminal's memory"

    records, fleet = _play(folder, runtime, look, story)
    wanted = canary.needles(fleet)
    scanned = list(canary.files(folder, SECRETS))
    assert any(path.name == "server.db" for path in scanned) and len(scanned) > 20
    for path in scanned:
        found.extend(f"{path.relative_to(folder)}: {name}" for name in canary.hits(path.read_bytes(), wanted))
    return records, found, fleet


async def _both(shift: canary.Shift) -> Records:
    records = await _inserted(shift)
    shift.world.gateway.switch(False)
    records += await _tapped(shift)
    await shift.not_voided("decline")
    return records


@pytest.mark.parametrize("runtime", ["cpython", "micropython"])
def test_no_secret_of_an_inserted_or_tapped_card_is_left_behind(tmp_path: Path, runtime: str) -> None:
    flash = RawFlash()
    records, found, fleet = _searched(tmp_path, runtime, _both, flash)
    offline, provisional, online, online_pin, *tapped = records[:9]
    erased = [intent for record in records[9:] for intent in record[r.INTENTS]]
    assert (offline[r.REASON], r.ONLINE in offline, r.SEALED in offline) == ("Y1", False, True)
    assert (provisional[r.REASON], r.ONLINE in provisional) == ("DEFERRED", False)
    for record in (online, online_pin):
        assert (record[r.REASON], record[r.ONLINE], r.SEALED in record) == ("00", r.ONLINE_ANSWERED, False)
        assert len(record[r.AUTH_CODE]) == 6
    assert [record[r.REASON] for record in tapped] == ["Y1", "DEFERRED", "Y1", "00", "00"]
    assert all(record[r.INTERFACE] == r.INTERFACE_CONTACTLESS for record in tapped)
    assert [r.SEALED in record for record in tapped] == [True, True, True, False, False]
    assert {record[r.INTENT] for record in (offline, tapped[0], tapped[2])} <= set(erased)
    assert found == []
    if runtime == "micropython":
        sealed = {record[r.SEQ]: record for record in records[:9] if record[r.INTENT] in erased}
        assert all(flash.holds(seq, record[r.SEALED]) for seq, record in sealed.items())
        given_away, pages = flash.scan(fleet, sorted(sealed))
        assert given_away == [] and len(sealed) >= 3
        left = RawFlash()
        left.look(fleet)
        assert not left.seen.keys() & sealed.keys()
        print(f"{len(sealed)} sealed files erased, ciphertext of {pages} still in raw pages, no key")


def test_the_search_finds_what_it_looks_for(tmp_path: Path) -> None:
    pan = "9999990173619520"
    wanted = [("number, text", pan.encode()), ("number, BCD", bytes.fromhex(pan))]
    assert canary.hits(b"x" + bytes.fromhex(pan), wanted) == ["number, BCD"]
    assert canary.hits(pan.encode().hex().upper().encode(), wanted) == ["number, text"]
    assert canary.hits(b"999999 0173619520", wanted) == []
    kept = bytearray(b"canary in memory")
    mine = [data for _, data in canary.memory(int(Path("/proc/self").resolve().name))]
    assert any(bytes(kept) in data for data in mine), sys.version
