"""Proof by cutting, small here and whole under `make soak`; a sample on MicroPython's own littlefs; recovery of
10,000 records.
"""

import os
import subprocess
import time

import pytest

from drivers.storage_littlefs import LittlefsStorage
from protocol import records as r
from sim.parts.nor.flash import NorFlash
from terminal.journal.journal import Journal
from tests.support import strict
from tools.house.paths import ROOT
from tools.house.toolchain import micropython_command, why_unavailable
from tools.journal.soak import rig
from tools.journal.soak.campaigns import CAMPAIGNS
from tools.journal.soak.run import FULL, run

SMALL = {"cuts": (8, 5), "bytes": (1, 25), "doubles": (2, 31), "flips": (2, 997), "faults": (8, 1)}


@pytest.mark.parametrize("name", list(SMALL))
def test_small_campaign_holds(name):
    transactions, every = SMALL[name]
    report = CAMPAIGNS[name](transactions, 0, every, lambda done: None)
    print(report)
    assert report["distinct"] > 50
    assert report["failures"] == [] and "NOT HELD" not in report["outcomes"]


def test_the_oracle_notices_a_store_that_forgets_the_last_append(monkeypatch):
    """The campaign must be able to fail: a storage whose appends are not durable until the next one."""

    class Forgetful(LittlefsStorage):
        """Keeps each append back until another operation comes."""

        late: "tuple[str, bytes] | None" = None

        def append(self, name, data):
            if self.late is not None:
                super().append(*self.late)
            self.late = (name, data)

        def size(self, name):
            held = len(self.late[1]) if self.late is not None and self.late[0] == name else 0
            size = super().size(name)
            return max(size, 0) + held if held else size

    monkeypatch.setattr(rig, "LittlefsStorage", Forgetful)
    report = CAMPAIGNS["cuts"](1, 0, 1, lambda done: None)
    assert report["outcomes"]["NOT HELD"] > 0


@pytest.mark.soak
@pytest.mark.timeout(3 * 3600)
@pytest.mark.parametrize("name", list(FULL))
def test_whole_campaign_holds(name):
    every = int(os.environ.get("TASDID_SOAK_EVERY", "1"))
    report = run({name: FULL[name]}, os.cpu_count() or 1, every)[name]
    print(report)
    assert report["ok"], report["failures"]


def _device(*words):
    why_not = why_unavailable(32)
    if why_not:
        strict.skip_missing(why_not)
    command = [
        *micropython_command(32, words[0]),
        str(ROOT / "tests" / "conformance" / "journal" / words[1]),
        *words[2:],
    ]
    path = os.pathsep.join((str(ROOT), str(ROOT / "tools" / "house" / "device"), ".frozen"))
    done = subprocess.run(
        command, check=False, env={**os.environ, "MICROPYPATH": path}, capture_output=True, text=True, timeout=200
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_cuts_hold_on_the_littlefs_of_micropython():
    step = "1" if os.environ.get("TASDID_SOAK") == "1" else "4"
    printed = _device("3m", "device_cut.py", "2", "1", step)
    operations, images, failures = [int(word) for word in printed.splitlines()[-1].split()]
    print(printed)
    assert operations > 60 and images > 60
    assert failures == 0, printed


def _ten_thousand(acknowledged):
    """(flash, counter, clock) with 10,000 records."""
    flash, element, clock = NorFlash(1024), rig.Element(), rig.HandClock()
    journal = Journal(LittlefsStorage(flash, fresh=True), element, clock, rig.CRYPTO, rig.DEVICE)
    rig.now(journal.open())
    outcome = {
        r.CASE: 1,
        r.INTENT: 1,
        r.AMOUNT: 5000,
        r.OUTCOME: r.OUTCOME_DECLINED,
        r.CRYPTOGRAM: bytes(8),
        r.TVR: bytes(5),
    }
    for number in range(10000):
        if number % 8 == 4:
            rig.now(journal.append(r.PAYMENT_OUTCOME, outcome))
        else:
            rig.now(journal.append(r.HEALTH_EVENT, {r.HEALTH: "x" * 40}))
        if acknowledged and number % 100 == 0:
            journal.acknowledge(journal.head_seq, journal.head_hash)
    return flash, element, clock


@pytest.mark.parametrize("acknowledged", [True, False], ids=["acknowledged", "all-pending"])
def test_ten_thousand_records_are_recovered_within_a_second_of_work(acknowledged, tmp_path):
    flash, element, clock = _ten_thousand(acknowledged)
    journal = Journal(LittlefsStorage(flash.copy()), rig.Element(element.value), clock, rig.CRYPTO, rig.DEVICE)
    began = time.process_time()
    rig.now(journal.open())
    seconds = time.process_time() - began
    print(f"CPython: {seconds:.3f} s of CPU")
    assert journal.head_seq == 10000 and seconds < 1.0
    image = tmp_path / "flash.img"
    image.write_bytes(flash.image())
    taken, records, heap = [
        int(word) for word in _device("192k", "device_open.py", str(image), str(element.value)).split()
    ]
    print(f"32-bit MicroPython, heap 192k: {taken} ms, {heap} bytes more alive afterwards")
    assert records == 10000 and heap < 40000
