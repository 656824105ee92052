"""Broken journals that damage or cuts at chance places hardly meet: each is shown the very image on which it goes wrong, and is noticed."""

import pytest

from protocol import records as r
from protocol.errors import JournalError
from terminal.journal import recovery
from terminal.journal.chain import Chain
from terminal.journal.journal import Journal
from tools.journal.soak import campaigns, damage
from tools.journal.soak.campaigns import CAMPAIGNS
from tools.journal.soak.rig import CRYPTO, DEVICE, Element, HandClock, Rig, now

MAIN, COPIES = "journal/000001.seg", "copies/000001.seg"


class Bench:
    """The files of a terminal that has nothing acknowledged, and its element."""

    def __init__(self, transactions=2):
        made = Rig(settles=0)
        for _ in range(transactions):
            made.transaction()
        self.files = dict(made.storage.files)
        self.shown, self.counter, self.utc = dict(made.shown), made.element.value, made.clock.utc

    def boot(self):
        """The journal, opened on the files."""
        element = Element(self.counter)
        journal = Journal(damage.Files(self.files), element, HandClock(self.utc), CRYPTO, DEVICE)
        now(journal.open())
        self.counter = element.value
        return journal

    def append(self, journal, kind, body):
        """One more record."""
        record = now(journal.append(kind, body))
        self.counter += 1
        return record


def _void(case):
    return {r.CASE: case, r.INTENT: 4, r.AMOUNT: 1, r.VOID_STATE: r.VOID_REFUSED}


# to what is torn or damaged nothing is added


def _torn_goes_on(patch):
    whole = recovery.recover

    def recover(shelf, *words):
        found = whole(shelf, *words)
        shelf.fresh = shelf.fresh and not found.losses.torn
        return found

    patch.setattr(recovery, "recover", recover)


def _goes_on_behind_a_torn_record():
    """Whether what comes after a torn record is written behind it."""
    bench = Bench()
    bench.files[MAIN], bench.counter = bench.files[MAIN][:-5], bench.counter - 1
    torn = bench.files[MAIN]
    journal = bench.boot()
    assert journal.recovered_torn_tail and journal.head_seq == len(bench.shown) - 1
    for _ in range(2):
        bench.append(journal, r.HEALTH_EVENT, {r.HEALTH: "on"})
    again = bench.boot()
    assert again.head_seq == len(bench.shown) + 1 and not again.losses.gaps
    assert (bench.files[MAIN] != torn) == bool(again.losses.damaged)  # an honest cut is taken for damage then
    return bench.files[MAIN] != torn


def test_a_journal_that_goes_on_behind_a_torn_record_is_noticed(monkeypatch):
    assert not _goes_on_behind_a_torn_record()
    _torn_goes_on(monkeypatch)
    assert _goes_on_behind_a_torn_record()


def _copies_torn_go_on(patch):
    patch.setattr(recovery, "_whole", lambda *_: True)


@pytest.mark.parametrize("spoilt", [slice(20, 21), slice(-5, None)], ids=["damaged", "torn"])
def test_a_journal_that_goes_on_behind_spoilt_second_copies_is_noticed(spoilt, monkeypatch):
    def goes_on():
        bench = Bench()
        content = bytearray(bench.files[COPIES])
        content[spoilt] = b"" if spoilt.stop is None else bytes(1)
        before = bench.files[COPIES] = bytes(content)
        journal = bench.boot()
        bench.append(journal, r.VOID, _void(2))
        names = [name for name in bench.files if name.startswith("copies/")]
        assert journal.head_seq in [seq for name in names for seq, _, _ in journal._reader.index(name)]
        return bench.files[COPIES] != before

    assert not goes_on()
    _copies_torn_go_on(monkeypatch)
    assert goes_on()


# what is acknowledged


def _ack_not_back(patch):
    """The journal goes back in memory only."""
    whole = Journal.acknowledge

    def acknowledge(self, seq, record_hash):
        if seq >= self.acked_seq:
            whole(self, seq, record_hash)
            return
        self._shelf.begin_dates()
        self._stand.acked = seq
        self.view.acknowledged(seq)

    patch.setattr(Journal, "acknowledge", acknowledge)


def test_small_segments_notice_an_acknowledgement_that_does_not_go_back(monkeypatch):
    """A server that was restored comes within the first settlements."""
    _ack_not_back(monkeypatch)
    report = CAMPAIGNS["turns"](4, 0, 1, lambda done: None)
    assert report["outcomes"].get("NOT HELD", 0) > 0
    assert "count as acknowledged" in report["failures"][0]


def _acked_lost(patch):
    """What the heads say that the centre once had counts for nothing."""
    whole = recovery._survey

    def survey(shelf, numbers, genesis):
        heads = whole(shelf, numbers, genesis)
        for known in heads:
            if known is not None:
                known[0].acked = genesis.seq
        return heads

    patch.setattr(recovery, "_survey", survey)


def _acked_lost_once(patch):
    """The first boot without `state/acked` asks the heads, and writes down that nothing is acknowledged, which the next one believes."""
    survey, opened = recovery._survey, Journal.open
    _acked_lost(patch)
    forgetful = recovery._survey

    def survey_once(shelf, *words):
        return (forgetful if shelf._storage.size("state/acked") >= 0 else survey)(shelf, *words)

    async def open_and_write(self):
        await opened(self)
        if self._storage.size("state/acked") < 0:
            self._storage.replace("state/acked", self._acknowledgement(0, b"", -1, 0, b""))

    patch.setattr(recovery, "_survey", survey_once)
    patch.setattr(Journal, "open", open_and_write)


@pytest.mark.parametrize("broken", [_acked_lost, _acked_lost_once])
def test_a_journal_that_forgets_with_its_file_what_the_centre_once_had_is_noticed(broken, monkeypatch):
    """An acknowledged record is damaged as well: the centre has it, and no boot declares it lost, the first or a later one."""
    whole = damage.Intact(campaigns.unacknowledged(30))

    def declared():
        files = {name: data for name, data in whole.files.items() if name != "state/acked"}
        for name, frame in whole.frames[3]:
            files[name] = files[name].replace(frame, bytes(len(frame)))
        storage, element = damage.Files(files), Element(whole.counter)
        for _ in range(3):
            journal = Journal(storage, element, HandClock(whole.utc), CRYPTO, DEVICE)
            now(journal.open())
            now(journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"}))
        kinds = [record[r.KIND] for record, _, _ in journal.entries(len(whole.shown))]
        assert len(kinds) > 3 and 3 not in [record[r.SEQ] for record, _, _ in journal.entries(1)]
        return r.GAP in kinds

    assert not declared()
    broken(monkeypatch)
    assert declared()


# each record names the one before


class _Anything:
    """Equal to whatever it is held against."""

    def __eq__(self, other):
        return True

    def __hash__(self):
        return 0


def _no_chain(patch):
    """Whatever a record names as the one before it is right."""
    whole = Chain._read

    def read(self, name, where):
        item = whole(self, name, where)
        if item is not None:
            item[0][r.PREV] = _Anything()
        return item

    patch.setattr(Chain, "_read", read)


def _of_another_history(seq):
    """The frames of a record that follows the same ones, a second later."""
    made = Rig(settles=0)
    append = made.append

    def later(kind, body, **blobs):
        made.clock.utc += len(made.shown) == seq - 1
        return append(kind, body, **blobs)

    made.append = later
    for _ in range(2):
        made.transaction()
    return damage.frames(made.storage.files)[seq]


@pytest.mark.parametrize("copy_alone", [False, True], ids=["in its place", "its second copy alone"])
def test_a_journal_that_takes_a_record_of_another_history_is_noticed(copy_alone, monkeypatch):
    """A frame that is whole in every respect but that the next record names another one before it."""
    bench = Bench()
    own = damage.frames(bench.files)
    seq = next(number for number, places in own.items() if number > 9 and (len(places) > 1) == copy_alone)
    for (name, frame), (_, strange) in zip(own[seq], _of_another_history(seq), strict=True):
        assert len(frame) == len(strange) and frame != strange
        put = bytes(len(frame)) if copy_alone and name == MAIN else strange
        bench.files[name] = bench.files[name].replace(frame, put)
    with pytest.raises(JournalError, match="chain") as caught:
        bench.boot()
    assert caught.value.code == "JRN-020"
    _no_chain(monkeypatch)
    bench.boot()
