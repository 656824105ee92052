"""Proof by cutting, small here and whole under `make soak`; a sample on MicroPython's own littlefs; recovery of
10,000 records.
"""

import os
import subprocess
import time

import pytest

from drivers.storage_littlefs import LittlefsStorage
from protocol import records as r
from sim.parts.nor.flash import PAGE, PAGES, NorFlash
from terminal.journal.frames import SegmentReader
from terminal.journal.journal import Journal
from tests.support import strict
from tools.house.paths import ROOT
from tools.house.toolchain import micropython_command, why_unavailable
from tools.journal.soak import damage, remembered, rig, volume
from tools.journal.soak.campaigns import CAMPAIGNS
from tools.journal.soak.run import FULL, run

SMALL = {"cuts": (8, 5), "bytes": (2, 12), "doubles": (2, 31), "flips": (2, 997), "faults": (8, 1)}


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


def _told(report):
    return {key: report[key] for key in ("operations", "images", "distinct", "outcomes", "failures")}


@pytest.mark.parametrize("name", ["cuts", "bytes", "doubles", "flips"])
def test_what_is_remembered_and_taken_over_is_what_would_be_found(name, monkeypatch):
    """The short cuts of the campaigns (`remembered`, `Observer`, `Intact.judge_flip`) change no verdict."""
    size = {"cuts": (7, 1, 6), "bytes": (1, 3, 40), "doubles": (2, 1, 9), "flips": (3, 5, 1511)}[name]
    with remembered.remembering():
        quick = CAMPAIGNS[name](*size, lambda done: None)
    monkeypatch.setattr(volume.Observer, "_find", lambda *_: None)
    if name == "flips":  # another reader would touch other pages, and the bits of those pages are counted
        for memory in ("_indexes", "_heads", "_entries", "_records"):
            monkeypatch.setattr(remembered, memory, _Forgetful())
    else:
        monkeypatch.setattr(remembered, "RememberingReader", SegmentReader)
    monkeypatch.setattr(damage.Intact, "judge_flip", _on_the_volume)
    slow = CAMPAIGNS[name](*size, lambda done: None)
    assert _told(quick) == _told(slow)
    if name == "flips":
        assert 0 < quick["on_files"] < quick["images"] and slow["on_files"] == 0
    else:
        assert quick["run"] < slow["run"] or name == "bytes"  # its sampled operations lie far apart


class _Forgetful(dict):
    """Keeps what was put last and never finds it when asked whether it is there."""

    def get(self, key, default=None):
        return default

    def __contains__(self, key):
        return False


def _on_the_volume(whole, page, byte, bit):
    flash = volume.Traced(whole.blocks)
    flash.flip(page // PAGES, page % PAGES * PAGE + byte, bit)
    return whole.judge(flash, True)


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
