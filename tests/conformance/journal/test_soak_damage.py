"""The oracles of the soak for damage can fail: builds that lose, hide or stop what they should not are noticed; what is found has its own name."""

import pytest

from protocol import cbor
from protocol import records as r
from terminal.journal import recovery, view
from terminal.journal.chain import END, Chain
from terminal.journal.shelf import Shelf
from tools.journal.soak import campaigns, checks, damage, rig, spoiling, volume
from tools.journal.soak.campaigns import CAMPAIGNS
from tools.journal.soak.run import _sum


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
