"""A new epoch on a flash: a power cut while it begins loses nothing of what is known of the former one, and no damaged sector makes
anything go that the centre never had.
"""

import collections

from drivers.storage_littlefs import LittlefsStorage
from protocol import cbor, cose
from protocol import records as r
from protocol.errors import JournalError
from sim.parts.nor import tails
from sim.parts.nor.flash import NorFlash
from terminal.journal import epoch as epochs
from terminal.journal.journal import Journal
from terminal.journal.shelf import RETENTION
from tools.journal import salvage
from tools.journal.soak import rig

DAY = 86400
SERVER = 1_790_000_000


class Approving(rig.Digests):
    """Approvals here are "signed" by nobody."""

    def ecdsa_verify(self, *arguments):
        return True


def _journal(flash, element):
    return Journal(LittlefsStorage(flash), element, rig.HandClock(), Approving(), rig.DEVICE)


def _filled(transactions, blocks):
    """(rig, last record that the centre has, approval of a second epoch after it)."""
    bench = rig.Rig(blocks=blocks, retention=RETENTION, sound=True, settles=5)
    for _ in range(transactions):
        bench.transaction()
    sent = bench.acked
    last = bench.journal.record_at(sent)[0]
    digest = rig.CRYPTO.sha256(bench.shown[sent])
    payload = cbor.encode({1: rig.DEVICE, 2: 2, 3: sent, 4: digest, 5: last[r.CUM_COUNT], 6: last[r.CUM_TOTAL], 7: 99})
    protected, _ = cose.sign1_prepare({1: -7, 3: epochs.TYPE_EPOCH, 4: b"epoch"}, payload)
    return bench, sent, cose.sign1_assemble(protected, {}, payload, bytes(64), tagged=False)


def test_a_cut_while_the_new_epoch_begins_leaves_what_is_known_of_the_former_one():
    bench, sent, approval = _filled(22, 128)
    image, counted = list(bench.flash.blocks), bench.element.value + 1

    def begin(flash, element):
        journal = _journal(flash, element)
        try:
            rig.now(journal.open())
        except JournalError as error:
            assert error.code == "JRN-030"
            rig.now(journal.begin_epoch(approval, bytes(65)))
        return journal

    flash = NorFlash(128, image=image)
    begin(flash, rig.Element(counted))
    assert flash.operations > 5
    for at in range(1, flash.operations + 1):
        cut, element = NorFlash(128, image=image), rig.Element(counted)
        cut.cut_at, cut.tail = at, tails.SHORT
        try:
            begin(cut, element)
        except (JournalError, OSError, RuntimeError):
            pass
        journal = begin(NorFlash(128, image=list(cut.blocks)), element)
        assert (journal.epoch, journal.head_seq, journal._shelf.genesis.former) == (2, sent + 1, {1: sent}), at


def _unsent(storage, sent):
    return {found.record[r.SEQ] for found in salvage.survey(storage).records(1) if found.record[r.SEQ] > sent}


def _months(journal):
    """Sessions of seven weeks in which room is short, with a segment begun now and then."""
    for day in range(50):
        if day in (0, 1, 2, 30):
            journal._shelf.fresh = True
            rig.now(journal.append(r.HEALTH_EVENT, {r.HEALTH: "n"}))
        journal.hear(SERVER + (30 + day) * DAY)
        journal.acknowledge(journal.head_seq, journal.head_hash)
        journal.make_room()


def test_with_a_damaged_sector_nothing_goes_that_the_centre_never_had():
    bench, sent, approval = _filled(12, 96)
    for _ in range(40):  # `state` has been compacted, so that one of its two sectors knows of no new epoch
        bench.journal.acknowledge(sent, rig.CRYPTO.sha256(bench.shown[sent]))
    journal = _journal(bench.flash, bench.element)
    rig.now(journal.begin_epoch(approval, bytes(65)))
    for hour in range(3):
        for _ in range(4):
            rig.now(journal.append(r.HEALTH_EVENT, {r.HEALTH: "n" * 200}))
        journal.hear(SERVER + hour * 3600)
        journal.acknowledge(journal.head_seq, journal.head_hash)
    image, out = list(bench.flash.blocks), collections.Counter()
    for block, content in enumerate(image):
        if content.count(255) == len(content):
            continue
        damaged = NorFlash(96, image=[*image[:block], bytes(len(content)), *image[block + 1 :]])
        try:
            storage = LittlefsStorage(damaged)
            lost = storage.size("state/epoch") < 0
            again = Journal(storage, rig.Element(bench.element.value), rig.HandClock(), Approving(), rig.DEVICE)
            rig.now(again.open())
        except JournalError as error:
            out[error.code] += 1
            continue
        assert again.epoch == 2
        unsent = _unsent(storage, sent)
        _months(again)
        assert _unsent(storage, sent) == unsent, block
        out["found again" if lost else "whole"] += 1
    assert set(out) <= {"found again", "whole", "JRN-013", "JRN-030"}
    assert out["found again"] == 1 and out["whole"] > 80
