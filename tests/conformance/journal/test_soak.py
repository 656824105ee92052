"""Proof by cutting, small here and whole under `make soak`; a sample on MicroPython's own littlefs; recovery of
10,000 records.
"""

import json
import os
from pathlib import Path

import pytest

from drivers.storage_littlefs import LittlefsStorage
from protocol import cbor
from protocol import records as r
from sim.parts.nor.flash import PAGE, PAGES, NorFlash
from terminal.journal import recovery, view
from terminal.journal.chain import END, Chain
from terminal.journal.frames import SegmentReader
from terminal.journal.journal import Journal
from terminal.journal.shelf import Shelf
from tests.support import device
from tools.journal.soak import campaigns, checks, damage, remembered, rig, spoiling, volume
from tools.journal.soak.campaigns import CAMPAIGNS
from tools.journal.soak.run import FULL, _sum, run

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


def _lost_beginning_unnamed(patch):
    patch.setattr(recovery, "_earlier", lambda _shelf, chain, *_: chain.losses)


def _any_number_in_any_segment(patch):
    def parts(self, index):
        return [(number, END + number) for number, _ in self.segments[index:]]

    patch.setattr(Shelf, "parts", parts)


@pytest.mark.parametrize("broken", [_lost_beginning_unnamed, _any_number_in_any_segment])
def test_the_oracle_for_damage_notices_what_is_lost_in_silence_and_what_is_not_lost(broken, monkeypatch):
    """The beginning vanishes with its copies; and a frame of another segment lies over one of an older segment."""
    whole = damage.Intact(campaigns.unacknowledged(30))
    gone = {name: data for name, data in whole.files.items() if not name.endswith("/000002.seg")}
    (name, stray), target = whole.frames[150][0], whole.files["journal/000003.seg"]
    assert name == "journal/000005.seg"
    over = target[:1500] + stray + target[1500 + len(stray) :]
    images = [damage.Files(gone), damage.Files({**whole.files, "journal/000003.seg": over})]
    assert [whole._judge(damage.Files(dict(image.files))) for image in images] == ["named gap", "named gap"]
    broken(monkeypatch)
    with pytest.raises(checks.NotHeld):
        for image in images:
            whole._judge(image)


def test_the_oracle_for_damage_notices_a_gap_that_hides_its_money():
    whole = damage.Intact(campaigns.unacknowledged(30))
    gone = {name: data for name, data in whole.files.items() if not name.endswith("/000002.seg")}
    journal, _ = checks.open_journal(damage.Files(gone), whole.counter, whole.utc)
    (gap,) = (record for record, _, _ in journal.entries(len(whole.shown) + 1) if record[r.KIND] == r.GAP)
    assert gap[r.GAP_COUNT] > 0
    damage.money(whole.shown, 0, gap, journal)
    for told in ({r.GAP_COUNT: 0, r.GAP_TOTAL: 0}, {r.GAP_TOTAL: gap[r.GAP_TOTAL] + 1}):
        with pytest.raises(checks.NotHeld, match="payments are lost"):
            damage.money(whole.shown, 0, {**gap, **told}, journal)
    del gap[r.GAP_COUNT], gap[r.GAP_TOTAL]
    with pytest.raises(checks.NotHeld, match="does not say"):
        damage.money(whole.shown, 0, gap, journal)
    journal._shelf.lowest, journal._shelf.head = 0, lambda number: None
    damage.money(whole.shown, 0, gap, journal)  # no head tells how much there was before


def _gaps_say_nothing_was_approved(gap):
    gap[r.GAP_COUNT] = gap[r.GAP_TOTAL] = 0


def _gaps_do_not_say(gap):
    gap.pop(r.GAP_COUNT, None)
    gap.pop(r.GAP_TOTAL, None)


@pytest.mark.parametrize(("broken", "among"), [(_gaps_say_nothing_was_approved, 97), (_gaps_do_not_say, 997)])
def test_damage_to_payments_shows_what_gaps_do_not_tell(broken, among, monkeypatch):
    """One in a hundred images has approved money among what is lost."""
    whole = Chain._gap

    def gap(self, *words):
        whole(self, *words)
        broken(self.losses.gaps[-1])

    monkeypatch.setattr(Chain, "_gap", gap)
    report = CAMPAIGNS["pending"](30, 0, among, lambda done: None)
    assert report["outcomes"].get("NOT HELD", 0) * 100 > report["images"], report


def test_every_approved_outcome_that_is_pending_loses_both_copies():
    whole = damage.Intact(campaigns.unacknowledged(30))
    payments, found = set(), set()
    for seq in range(whole.acked + 1, len(whole.shown) + 1):
        if r.approved_step(cbor.decode(whole.shown[seq]))[0]:
            payments.add(seq)
    for where, spoil in spoiling.on_payments(whole):
        if "byte 0 " in where:
            flash = volume.Traced(whole.blocks)
            spoil(flash)
            assert whole.judge(flash) == "named gap", where
            found.add(int(where.split()[1].strip(",")))
    assert found == payments and len(payments) == 14


def test_the_oracle_of_a_faulty_flash_notices_a_beginning_lost_in_silence(monkeypatch):
    """The first segment vanishes with its copies while nothing of it is acknowledged."""
    made = rig.Rig(settles=0, segment_bytes=4096)
    transaction = made.transaction

    def lose():
        transaction()
        if len(made.journal._shelf.segments) < 2:
            return
        for name in ("journal/000001.seg", "copies/000001.seg"):
            made.storage.inner.remove(name)

    made.transaction = lose
    tally = campaigns.Tally()
    campaigns._run_on(tally, made, 8, "lost beginning")
    assert tally.words == {"named gap": 1}
    _lost_beginning_unnamed(monkeypatch)
    campaigns._run_on(tally, made, 1, "lost beginning")
    assert tally.words["NOT HELD"] == 1


def _without(whole, *numbers):
    """The files of an image, all frames of these records zeroed."""
    files = dict(whole.files)
    for seq in numbers:
        for name, frame in whole.frames[seq]:
            files[name] = files[name].replace(frame, bytes(len(frame)))
    return files


def test_the_oracle_for_damage_tells_what_is_named_from_what_was_acknowledged():
    """Of two records that are lost the one that nothing names decides."""
    whole = damage.Intact(campaigns.unacknowledged(30))
    assert 3 <= whole.acked < 100
    for lost, word in (((100,), "named gap"), ((3,), "acknowledged"), ((3, 100), "acknowledged")):
        assert whole._judge(damage.Files(_without(whole, *lost))) == word


def test_the_oracle_for_damage_takes_nothing_for_acknowledged_that_either_side_does_not_know_of():
    whole = damage.Intact(campaigns.unacknowledged(30))
    journal, _ = checks.open_journal(damage.Files(_without(whole, 3)), whole.counter, whole.utc)
    assert damage.unnamed([3], set(), journal, whole.acked) == [3]
    assert damage.unnamed([3], {3}, journal, 0) == []
    with pytest.raises(checks.NotHeld, match="no gap names it"):
        damage.unnamed([3], set(), journal, 2)
    journal.view.once = 2
    with pytest.raises(checks.NotHeld, match="does not know"):
        damage.unnamed([3], set(), journal, whole.acked)


def test_the_oracle_of_a_faulty_flash_tells_what_was_acknowledged_apart():
    made = rig.Rig(settles=2, segment_bytes=2048)
    for _ in range(4):
        made.transaction()
    content = made.storage.files["journal/000001.seg"]
    (_, frame) = damage.frames(made.storage.files)[3][0]
    made.storage.inner.replace("journal/000001.seg", content.replace(frame, bytes(len(frame))))
    tally = campaigns.Tally()
    campaigns._run_on(tally, made, 0, "acknowledged record lost")
    assert tally.words == {"acknowledged": 1}


def test_an_image_that_takes_many_reads_is_judged_like_any_and_one_that_never_ends_is_counted_apart(monkeypatch):
    """And no soak holds that has one."""
    whole = damage.Intact(campaigns.unacknowledged(30))
    assert damage.MORE_READS > 10_000_000  # four million are the most that an image was seen to take

    def judged():
        flash = volume.Traced(whole.blocks)
        flash.flip(2, 0, 0)
        return whole.judge(flash, True)

    word = judged()
    monkeypatch.setattr(damage, "READS", 10)
    assert judged() == word != damage.ENDLESS
    monkeypatch.setattr(damage, "MORE_READS", 10)
    assert judged() == damage.ENDLESS
    monkeypatch.setattr(campaigns, "MORE_READS", 10)
    tally = campaigns.Tally()
    campaigns._run_on(tally, rig.Rig(), 1, "never ends")
    assert tally.words == {damage.ENDLESS: 1}
    part = {**tally.report(), "images": 1, "distinct": 1}
    assert not _sum("faults", 1, 1, [part])["ok"]
    assert _sum("faults", 1, 1, [{**part, "outcomes": {"intact": 1}}])["ok"]


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


def test_the_oracle_for_damage_notices_a_case_that_takes_anothers_payment(monkeypatch):
    rig_ = rig.Rig(settles=0)
    for _ in range(2):
        rig_.transaction()
    intact = damage.Intact(rig_)
    files = _without(intact, 8, 9, 10)  # the first one's closing, the second one's notice, and what lies between
    assert intact._judge(damage.Files(dict(files))) == "named gap"
    monkeypatch.setattr(view, "_OF_CASE", ())
    with pytest.raises(checks.NotHeld, match="takes the payment of case 2"):
        intact._judge(damage.Files(dict(files)))


def test_the_oracle_for_damage_notices_a_terminal_that_stops_although_it_could_go_on():
    rig_ = rig.Rig(settles=0)
    rig_.transaction()
    last = damage.frames(rig_.storage.files)[len(rig_.shown)]
    for code in ("JRN-010", "JRN-012", "JRN-014", "JRN-020", "JRN-025", "JRN-030", "JRN-031"):
        with pytest.raises(checks.NotHeld, match=code):
            damage.why_stopped(code, damage.Files(dict(rig_.storage.files)), last)
    gone = damage.Files({name: data[:-40] for name, data in rig_.storage.files.items()})
    damage.why_stopped("JRN-030", gone, last)
    damage.why_stopped("JRN-025", damage.Files({"journal/000001.seg": bytes(400)}), last)
