"""A device with a storage that is short of room or not, and new epochs that nobody need approve."""

import gc

from protocol import cbor, cose
from protocol import records as r
from protocol.crypto.pure import PureCrypto
from terminal.journal import epoch as epochs
from terminal.journal.journal import Journal
from terminal.journal.room import SPARE
from tests.support.hearing import daily
from tests.support.parts import CountingElement, HandClock, MemoryStorage

SERVER = 1_790_000_000
DEVICE = "TSD-000001"


class Flash(MemoryStorage):
    """A storage that is short of room, or not."""

    short = False

    def free_bytes(self):
        return SPARE - 1 if self.short else 1 << 22


class Approving(PureCrypto):
    """Approvals here are "signed" by nobody."""

    def ecdsa_verify(self, *arguments):
        return True


class Bench:
    """A device that fills a segment every few records, with blobs beside them."""

    def __init__(self):
        self.storage, self.element = Flash(), CountingElement()
        self.journal = self._made()

    def _made(self):
        journal = Journal(self.storage, self.element, HandClock(), Approving(), DEVICE)
        journal._shelf.segment_bytes = 1024
        return journal

    async def boot(self, opened=True):
        self.journal = None
        gc.collect()
        self.journal = self._made()
        if opened:
            await self.journal.open()

    async def write(self, count):
        for _ in range(count):
            await self.journal.append(r.HEALTH_EVENT, {r.HEALTH: "n" * 60}, sealed=b"card", private=b"person")

    async def epoch(self, number, seq, record_hash=None):
        """A new one that goes on after record `seq`, the last that the centre has."""
        record_hash = record_hash or PureCrypto().sha256(self.journal.record_at(seq)[1])
        payload = cbor.encode({1: DEVICE, 2: number, 3: seq, 4: record_hash, 5: 0, 6: 0})
        protected, _ = cose.sign1_prepare({1: -7, 3: epochs.TYPE_EPOCH, 4: b"epoch"}, payload)
        approval = cose.sign1_assemble(protected, {}, payload, bytes(64), tagged=False)
        await self.boot(False)
        await self.journal.begin_epoch(approval, bytes(65))

    async def heard(self, now):
        """The centre has all of it now, and a later segment says so."""
        self.journal.hear(now)
        self.journal.acknowledge(self.journal.head_seq, self.journal.head_hash)
        await self.write(8)

    def old(self):
        """Numbers of the former epochs' segments and of the records whose blobs are there."""
        lowest = self.journal._shelf.lowest
        segments = [int(name[8:14]) for name in self.storage.files if name.startswith("journal/")]
        blobs = [int(name[7:]) for name in self.storage.files if name.startswith("sealed/")]
        private = [int(name[8:]) for name in self.storage.files if name.startswith("private/")]
        assert sorted(blobs) == sorted(private)
        return [number for number in sorted(segments) if number < lowest], sorted(blobs)


def after(bench, seconds):
    """So long after the new epoch was heard: whatever is to go has gone."""
    daily(bench.journal, SERVER + seconds)
    for _ in range(20):  # a few segments at a time
        bench.journal.make_room()
