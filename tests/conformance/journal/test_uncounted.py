"""littlefs counts its free space and looks for a free block in the same way: where one sector of a longer file keeps it from counting, it
takes no record either. So there is no estimate: it would let a sale begin that cannot be written. What is there opens and is sent all the
same, whatever the sector held.
"""

import asyncio
from pathlib import Path

from drivers.storage_littlefs import LittlefsStorage
from protocol import records as r
from protocol import sync as m
from protocol.errors import JournalError
from sim.parts.nor.flash import NorFlash
from terminal.journal.journal import Journal
from terminal.sync import Sync
from tests.conformance.journal import exports
from tests.support import told
from tests.support.centre import Handheld, quiet
from tests.support.parts import CountingElement
from tools.journal.exporting import exported
from tools.journal.soak import rig
from tools.journal.verify import verify

HAD = 60


def _settled() -> rig.Rig:
    """40 fines, of whose records the centre has 60."""
    made = rig.Rig(sound=True, retention=60 * 86400, settles=0, blocks=256)
    for _ in range(40):
        made.transaction()
    made.acknowledge(HAD)
    return made


def _damaged(made: rig.Rig):
    """The storages that mount and cannot be counted, one sector of each erased."""
    whole = [bytes(block) if block is not None else None for block in made.flash.blocks]
    for block in range(len(whole)):
        if whole[block] is None:
            continue
        flash = NorFlash(len(whole), image=[*whole[:block], bytes([255]) * 4096, *whole[block + 1 :]])
        try:
            storage = LittlefsStorage(flash)
        except JournalError:
            continue
        try:
            storage.free_bytes()
        except JournalError:
            yield storage


def test_where_the_free_space_cannot_be_counted_no_record_is_taken_and_all_that_is_there_is_sent() -> None:
    made = _settled()
    hashes = {record[r.SEQ]: rig.CRYPTO.sha256(data) for record, data, _ in made.journal.entries(1)}
    looked = 0
    for storage in _damaged(made):
        looked += 1
        element = CountingElement()
        element.counters[0] = made.element.value
        said = {m.ACKED_SEQ: HAD, m.ACKED_HASH: hashes[HAD]}
        sent: set[int] = set()
        named: set[int] = set()

        def answer(
            kind: str, payload: dict, said: dict = said, sent: set = sent, named: set = named
        ) -> tuple[str, dict]:
            if kind == m.TYPE_HELLO:
                return m.TYPE_WELCOME, {**said, m.SERVER_UTC: made.clock.utc + 100, m.RETRY_AFTER: 0}
            first = payload[m.FIRST_SEQ]
            if m.GAP in payload:
                named.update(range(payload[m.GAP], first))
            last = first + told.count(payload) - 1
            sent.update(range(first, last + 1))
            said.update({m.ACKED_SEQ: last, m.ACKED_HASH: hashes[last]})
            return m.TYPE_ACK, said

        t = Handheld(answer, storage, element)
        t.clock.utc = made.clock.utc
        t.journal = Journal(storage, element, t.clock, t.crypto, rig.DEVICE)
        rig.now(t.journal.open())
        assert t.journal.room.uncounted() and not t.journal.view.gaps
        rig.now(t.journal.end_what_was_cut())
        rig.now(Sync(t, quiet).run())
        assert not sent & named and sent | named == set(range(HAD + 1, made.journal.head_seq + 1))
        assert t.journal.acked_seq == t.journal.head_seq == made.journal.head_seq
        kept = storage.names("copies"), t.journal.first_retained
        t.journal.hear(made.clock.utc + 30 * 86400)
        t.journal.make_room()
        assert (storage.names("copies"), t.journal.first_retained) == kept
        try:
            rig.now(t.journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"}))
            raise AssertionError("a record was taken")
        except JournalError as error:
            assert error.code == "JRN-012"
    assert looked


def test_its_export_says_that_it_cannot_be_read_where_no_gap_record_could_say_what_is_lost(tmp_path: Path) -> None:
    made = _settled()
    part = exports.element(tmp_path)
    while part._model.counter(0) < made.element.value:
        part._model.increment(0)
    for storage in _damaged(made):
        pieces, done = asyncio.run(exported(storage, part, rig.DEVICE, {}))
        report = verify(b"".join(pieces), asyncio.run(part.public_key(0)))
        assert (done.trouble, report["trouble"], report["verdict"]) == ("JRN-014", "JRN-014", "fails")
