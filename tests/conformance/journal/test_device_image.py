"""The flash image of a handheld, as MicroPython wrote it, on the technician's bench: exported and verified with the commands that he
has, and the volume goes back to MicroPython.
"""

import asyncio
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from littlefs import LittleFS
from typer.testing import CliRunner

from drivers.flash_file import FileFlash
from drivers.storage_littlefs import LittlefsStorage
from protocol import cbor
from protocol import records as r
from sim.parts import secure_element
from sim.parts.nor.flash import BLOCK
from tests.conformance.journal import exports
from tests.support import device
from tools.commands.journal import app
from tools.journal import reading
from tools.journal.exporting import StateElement

BLOCKS = 96
CUTS = {
    "sealed": 3,
    "record": 24,
    "copy": 30,
}  # flash operations after the intent, and in which file the power goes then
HERE = Path(__file__).parent


@dataclass
class Bench:
    """A handheld's flash image and its secure element, and what was shown on it."""

    image: Path
    state: Path
    shown: dict[int, str]
    blobs: dict[str, str]
    head: int

    def export(self, out: Path) -> None:
        """As the technician does."""
        done = CliRunner().invoke(app, ["export", str(out), "--flash", str(self.image), "--element", str(self.state)])
        assert done.exit_code == 0, done.output + repr(done.exception)

    def verify(self, out: Path) -> tuple[int, dict[str, Any]]:
        """(exit code, report) under the pinned key."""
        key = asyncio.run(StateElement(self.state).public_key(0)).hex()
        done = CliRunner().invoke(app, ["verify", str(out), "--key", key, "--json"])
        return done.exit_code, json.loads(done.stdout)

    def boot(self) -> int:
        """The last record, by MicroPython."""
        counter = asyncio.run(StateElement(self.state).counter(0))
        return int(device.run_script("192k", HERE / "device_open.py", str(self.image), str(counter)).split()[1])


def _factory(image: Path, version: int) -> None:
    """A volume of this version with the device's identity, as the factory programs it."""
    identity = {
        "device": exports.DEVICE,
        "keys": {},
        "authority": {},
        "wilaya": 16,
        "force": 1,
        "place": "",
        "ksn_id": bytes(8),
    }
    volume = LittleFS(block_size=BLOCK, block_count=BLOCKS, disk_version=version)
    volume.makedirs("device")
    with volume.open("device/identity", "wb") as file:
        file.write(cbor.encode(identity))
    image.write_bytes(bytes(volume.context.buffer))


def _worked(folder: Path, version: int, cut: int) -> Bench:
    """A shift on MicroPython, the secure element beside it in this process."""
    image, state = folder / "flash.img", folder / "element.json"
    _factory(image, version)
    exports.element(folder)
    model = secure_element.SecureElementModel(secure_element.SecureElementState(state))

    async def work() -> dict[str, Any]:
        server = await secure_element.serve(model)
        port = server.sockets[0].getsockname()[1]
        words = ("3m", HERE / "device_image.py", str(image), str(port), str(cut))
        try:
            return json.loads(await asyncio.to_thread(device.run_script, *words))
        finally:
            server.close()

    told = asyncio.run(work())
    shown = {int(seq): digest for seq, digest in told["shown"].items()}
    return Bench(image, state, shown, told["blobs"], told["head"])


def _exported(out: Path) -> dict[int, bytes]:
    return {entry.seq: entry.data for entry in reading.read(out.read_bytes()).entries}


@pytest.mark.parametrize("version", [0x00020000, 0x00020001], ids=["2.0", "2.1"])
@pytest.mark.parametrize("cut", list(CUTS))
def test_what_micropython_wrote_is_exported_from_its_flash_and_holds(cut: str, version: int, tmp_path: Path) -> None:
    bench = _worked(tmp_path, version, CUTS[cut])
    out = tmp_path / "journal.cbor"
    bench.export(out)
    code, report = bench.verify(out)
    assert (code, report["verdict"], report["findings"], report["records"]) == (0, "holds", [], bench.head)
    outcomes = {outcome: count for outcome, (count, _) in report["totals"].items()}
    cut_short = {str(r.OUTCOME_INTERRUPTED): 1} if cut != "copy" else {str(r.OUTCOME_PROVISIONAL): 2}
    assert report["signatures"] == sum(outcomes.values()) == 7 and cut_short.items() <= outcomes.items()
    digests = {seq: hashlib.sha256(data).hexdigest() for seq, data in _exported(out).items()}
    assert len(bench.shown) == bench.head - 1 and bench.shown.items() <= digests.items()
    storage = LittlefsStorage(FileFlash(str(bench.image)))
    assert len(bench.blobs) == 13
    assert bench.blobs == {name: hashlib.sha256(storage.read(name)).hexdigest() for name in bench.blobs}
    assert bench.boot() == bench.head


def test_a_damaged_record_on_the_flash_of_micropython_is_named_and_the_image_boots_again(tmp_path: Path) -> None:
    bench = _worked(tmp_path, 0x00020001, CUTS["record"])
    out = tmp_path / "journal.cbor"
    bench.export(out)
    records = _exported(out)
    notice = max(seq for seq in records if cbor.decode(records[seq])[r.KIND] == r.NOTICE)
    image = bytearray(bench.image.read_bytes())
    at, places = image.find(records[notice]), 0
    while at >= 0:  # older copies of the sector too
        image[at + 10] ^= 4
        at, places = image.find(records[notice]), places + 1
    assert places
    bench.image.write_bytes(bytes(image))
    bench.export(out)
    code, report = bench.verify(out)
    assert (code, report["verdict"], report["records"]) == (0, "holds", bench.head)
    assert [(found["code"], found["seq"]) for found in report["findings"]] == [("JRN-061", notice)]
    left = _exported(out)
    assert set(left) == set(records) - {notice} | {bench.head + 1}
    assert cbor.decode(left[bench.head + 1])[r.KIND] == r.GAP
    assert bench.boot() == bench.head + 1
