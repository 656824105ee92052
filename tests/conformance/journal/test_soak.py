"""Proof by cutting, small here and whole under `make soak`; a sample on MicroPython's own littlefs; recovery of
10,000 records.
"""

import json
import os
from pathlib import Path

import pytest

from drivers.storage_littlefs import LittlefsStorage
from protocol import records as r
from sim.parts.nor.flash import PAGE, PAGES, NorFlash
from terminal.journal.frames import SegmentReader
from terminal.journal.journal import Journal
from terminal.journal.shelf import Shelf
from tests.support import device
from tools.journal.soak import damage, remembered, rig, volume
from tools.journal.soak.campaigns import CAMPAIGNS
from tools.journal.soak.run import FULL, run

SMALL = {
    "cuts": (8, 5),
    "turns": (24, 2),
    "bytes": (2, 12),
    "doubles": (2, 31),
    "twice": (22, 41),
    "flips": (2, 997),
    "faults": (8, 1),
    "pending": (30, 211),
}


@pytest.mark.parametrize("name", list(SMALL))
def test_small_campaign_holds(name):
    transactions, every = SMALL[name]
    with remembered.remembering():
        report = CAMPAIGNS[name](transactions, 0, every, lambda done: None)
    print(report)
    assert report["distinct"] > 50
    assert report["failures"] == [] and "NOT HELD" not in report["outcomes"]
    assert report.get("gone", 99) > 40  # segments were deleted where that is to be cut


@pytest.mark.parametrize("boots", [0, 3])
def test_nothing_goes_before_its_time_though_the_server_is_restored_and_its_clock_wrong(boots):
    """The rig asserts it after each transaction; and what may go does."""
    made = rig.Rig()
    while made.transactions < 200:
        made.transaction()
        if boots and made.transactions % boots == 0:
            made.boot()
    assert made.journal.first_retained > 900 and made.journal.view.outage


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


def _record_before_blobs(patch):
    whole = rig.NotingJournal._keep

    def keep(self, record, data, signature, sealed, private):
        whole(self, record, data, signature, None, None)
        for folder, blob in (("sealed", sealed), ("private", private)):
            if blob is not None:
                self._storage.replace(self._blob_name(folder, record[r.SEQ]), blob)

    patch.setattr(rig.NotingJournal, "_keep", keep)


def _copy_not_mended(patch):
    patch.setattr(Shelf, "mend_copy", lambda *_: False)


def _erasure_not_finished(patch):
    patch.setattr(Journal, "_drop_orphans", lambda _: None)


class _InTwoSteps(LittlefsStorage):
    """Replaces a file by removing it first."""

    def replace(self, name, data):
        self.remove(name)
        super().replace(name, data)


def test_small_segments_notice_what_is_replaced_in_two_steps(monkeypatch):
    """The acknowledgement is written anew within few transactions."""
    monkeypatch.setattr(rig, "LittlefsStorage", _InTwoSteps)
    assert CAMPAIGNS["turns"](6, 0, 1, lambda done: None)["outcomes"]["NOT HELD"] > 0


def _had_for_ever(patch):
    patch.setattr(Shelf, "_had_since", lambda *_: 1)


def _any_leap_of_the_clock_counts(patch):
    whole = Journal.hear

    def hear(self, utc):
        kept, self.leap = self.leap, 1 << 40
        whole(self, utc)
        self.leap = kept

    patch.setattr(Journal, "hear", hear)


@pytest.mark.parametrize("broken", [_had_for_ever, _any_leap_of_the_clock_counts])
def test_the_workload_notices_what_goes_before_its_time(broken, monkeypatch):
    broken(monkeypatch)
    with pytest.raises(AssertionError, match="before their time"):
        CAMPAIGNS["turns"](24, 0, 9999, lambda done: None)


@pytest.mark.parametrize("broken", [_record_before_blobs, _copy_not_mended, _erasure_not_finished])
def test_the_oracle_for_cuts_notices_what_is_missing_beside_a_record(broken, monkeypatch):
    broken(monkeypatch)
    report = CAMPAIGNS["cuts"](5, 0, 1 if broken is not _record_before_blobs else 3, lambda done: None)
    assert report["outcomes"]["NOT HELD"] > 0, report


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
    return device.run_script(words[0], Path(__file__).with_name(words[1]), *words[2:])


def test_cuts_hold_on_the_littlefs_of_micropython():
    step = "1" if os.environ.get("TASDID_SOAK") == "1" else "4"
    printed = _device("3m", "device_cut.py", "2", "1", step)
    operations, images, failures = [int(word) for word in printed.splitlines()[-1].split()]
    print(printed)
    assert operations > 60 and images > 60
    assert failures == 0, printed


def test_damage_is_met_or_named_on_the_littlefs_of_micropython():
    step = "1" if os.environ.get("TASDID_SOAK") == "1" else "4"
    printed = _device("3m", "device_damage.py", "15", "0", step)
    print(printed)
    words = json.loads(printed.splitlines()[-1])
    assert "NOT HELD" not in words and damage.ENDLESS not in words, printed
    assert words["intact"] > 10 and words["named gap"] > 0 and words["stopped JRN-013"] > 0


def _ten_thousand(acknowledged):
    """(flash, counter, clock) with 10,000 records and the personal data of 1,250 reports."""
    flash, element, clock = NorFlash(2048), rig.Element(), rig.HandClock()
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
            personal = bytes(180) if number % 8 == 0 else None
            rig.now(journal.append(r.HEALTH_EVENT, {r.HEALTH: "x" * 40}, private=personal))
        if acknowledged and number % 100 == 0:
            journal.acknowledge(journal.head_seq, journal.head_hash)
    return flash, element, clock


@pytest.mark.parametrize("acknowledged", [True, False], ids=["acknowledged", "all-pending"])
def test_ten_thousand_records_are_recovered(acknowledged, tmp_path):
    flash, element, clock = _ten_thousand(acknowledged)
    journal = Journal(LittlefsStorage(flash.copy()), rig.Element(element.value), clock, rig.CRYPTO, rig.DEVICE)
    rig.now(journal.open())  # how long it takes: `tasdid bench recovery`
    assert journal.head_seq == 10000
    image = tmp_path / "flash.img"
    image.write_bytes(flash.image())
    taken, records, heap = [
        int(word) for word in _device("192k", "device_open.py", str(image), str(element.value)).split()
    ]
    print(f"32-bit MicroPython, heap 192k: {taken} ms, {heap} bytes more alive afterwards")
    assert records == 10000 and heap < 40000
