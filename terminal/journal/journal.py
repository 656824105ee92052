"""The journal: builds, chains, signs and keeps records, and finds its head again after a power cut.

Order of an append (design §3): counter c+1 goes into the record; blobs, record and a money record's second copy are
made durable; the secure element's counter is stepped; only then does the caller show anything. So at boot the journal
may lead the counter by one (a cut between the two), never trail it: trailing means that the storage was rolled back or
copied (JRN-030).

Files: `journal/NNNNNN.seg` (`terminal.journal.frames`), `copies/NNNNNN.seg`, `sealed/SEQ` and `private/SEQ` (blobs
bound by digest), `state/acked`, `state/epoch`. A damaged or torn segment is closed and left as it is; what is lost for
good is declared by a gap record. Error codes: docs/journal.md lists JRN-010 … JRN-041.
"""

import asyncio

from drivers.contracts.secure_element import COUNTER_JOURNAL, SLOT_DEVICE_KEY
from protocol import cbor, cose
from protocol import records as r
from protocol.errors import JournalError, RiskError
from protocol.sync import TYPE_OUTCOME
from terminal.journal import epoch as epochs
from terminal.journal import recovery
from terminal.journal.chain import Chain, Losses
from terminal.journal.frames import SegmentReader, new_window
from terminal.journal.head import Stand
from terminal.journal.shelf import COPIED, RETENTION, Shelf
from terminal.journal.view import View

RESERVE = (
    131072  # bytes kept free so that what was begun can be ended, and a hundred results chained (as terminal.risk)
)
WARNING = 3 * RESERVE  # from here on the officer is told: more than a shift of 40 fines before sales stop
STARTS = (r.NOTICE, r.PAYMENT_INTENT)  # kinds that begin something; refused when the reserve is reached
ROOM_OK, ROOM_LOW, ROOM_NONE = 0, 1, 2
_ROOM_EVERY = 8  # appends between two looks at the free space


def outcome_header(device: str) -> dict:
    """Protected header of a payment outcome's own signature."""
    return {1: -7, 3: TYPE_OUTCOME, 4: device.encode()}


class Journal:
    """One device's journal. `officer` and `unit` go into every record."""

    def __init__(self, storage, secure_element, clock, crypto, device: str) -> None:  # noqa: ANN001 - contracts
        self._storage = storage
        self._se = secure_element
        self._clock = clock
        self._crypto = crypto
        self._reader = SegmentReader(storage, new_window())
        self._shelf = Shelf(storage, self._reader)
        self._lock = asyncio.Lock()
        self._stand = Stand()
        self._open = False
        self._until_room = 0
        self._free = 0
        self.device = device
        self.epoch = 1
        self.officer = 0
        self.unit = ""
        self.acked_seq = 0
        self.retention = RETENTION
        self.server_utc = (
            0  # the server's time as heard last since the boot: how old records are is not asked of the own clock
        )
        self.recovered_torn_tail = False
        self.losses = Losses()
        self.view = View()

    @property
    def head_seq(self) -> int:
        """Sequence number of the last record, 0 if there is none."""
        return self._stand.seq

    @property
    def head_hash(self) -> bytes:
        """SHA-256 of the last record."""
        return self._stand.hash  # type: ignore[return-value]

    @property
    def counter(self) -> int:
        """The secure element's counter after the last record, -1 before `open`."""
        return self._stand.counter if self._open else -1

    @property
    def cum_count(self) -> int:
        """Approved payments so far."""
        return self._stand.cum_count

    @property
    def cum_total(self) -> int:
        """Approved centimes so far."""
        return self._stand.cum_total

    @property
    def last_utc(self) -> int:
        """Time of the last record."""
        return self._stand.utc

    @property
    def first_retained(self) -> int:
        """Sequence number of the oldest record still kept (of the next one if there is none)."""
        return self._shelf.segments[0][1] if self._shelf.segments else self.head_seq + 1

    async def open(self) -> None:
        """Find the state again, check chain and counter, mend what a cut left undone, declare what is lost. Raises
        JournalError.
        """
        genesis, lowest = epochs.load(self._storage)
        self._shelf.lowest = max(lowest, 1)
        self.view.cases = genesis.cases
        acked = recovery.read_acknowledged(self._storage)
        found = recovery.recover(
            self._shelf, self._reader, self._crypto, self.device, self.view, genesis, lowest, acked
        )
        self._stand = found.stand
        self.epoch = max(genesis.epoch, self._stand.epoch)
        if self.epoch > 1:
            self._shelf.blobs = ("sealed" + str(self.epoch), "private" + str(self.epoch))
        self.losses = found.losses
        self.recovered_torn_tail = found.losses.torn
        await self._bind_counter(genesis)
        self._open = True
        self.acked_seq = min(max(acked, 0, self.first_retained - 1), self.head_seq) if self._shelf.segments else 0
        self.view.acknowledged(self.acked_seq)
        if found.last is not None and found.last[0][r.KIND] in COPIED:
            self._shelf.mend_copy(found.last[0][r.SEQ], found.last[1], found.last[2])
        self._drop_orphans()
        if self._stand.seq == genesis.seq and genesis.epoch > 1:
            await self.append(r.NEW_EPOCH, {})
        for gap in self.losses.gaps:
            if gap[r.GAP_LAST] > self.acked_seq and self.view.gaps.get(gap[r.FIRST]) != gap[r.GAP_LAST]:
                await self.append(r.GAP, gap)

    async def _bind_counter(self, genesis: Stand) -> None:
        value = await self._se.counter(COUNTER_JOURNAL)
        counter = self._stand.counter
        if value + 1 == counter and self._stand.seq > genesis.seq:
            await self._se.increment(COUNTER_JOURNAL)
        elif self._stand.seq == 0 and genesis.epoch == 1 and value != 0:
            raise JournalError(
                "the journal is empty but the secure element has counted",
                "JRN-030",
                "the storage was erased: call a technician",
            )
        elif value > counter:
            raise JournalError(
                "the journal is older than the secure element",
                "JRN-030",
                "the storage was rolled back or copied: call a technician",
            )
        elif value < counter:
            raise JournalError(
                "the secure element is older than the journal",
                "JRN-031",
                "the secure element was exchanged: call a technician",
            )

    def _drop_orphans(self) -> None:
        """Erase blobs whose record was never written, and sealed card data whose erasure is chained but was cut."""
        for folder in self._shelf.blobs:
            for name in self._storage.names(folder):
                if name.isdigit() and int(name) > self.head_seq:
                    self._storage.remove(folder + "/" + name)
        for seq in self.view.erased:
            self.erase_blob("sealed", seq)

    async def append(
        self, kind: int, body: dict, sealed: "bytes | None" = None, private: "bytes | None" = None
    ) -> dict:
        """Append a record and make it durable; returns the record.

        `sealed` and `private` are blobs kept beside the journal and bound by their SHA-256. Payment outcomes and voids
        are signed one by one. Raises JournalError: JRN-022 not opened (or an append failed since: open anew), JRN-040 no
        room to begin something new, JRN-012, JRN-021.
        """
        async with self._lock:
            if not self._open:
                raise JournalError("the journal has not been opened", "JRN-022", "start the terminal again")
            if kind in STARTS and self.room(True) == ROOM_NONE:
                raise RiskError(
                    "the terminal's storage is nearly full", "RSK-005", "synchronise before the next case", "flash"
                )
            record = self._build(kind, body)
            for key, blob in ((r.SEALED, sealed), (r.PRIVATE, private)):
                if blob is not None:
                    record[key] = self._crypto.sha256(blob)
            data = cbor.encode(record)
            signature = None
            if kind in r.SIGNED:
                _, digest = cose.sign1_prepare(outcome_header(self.device), data)
                signature = await self._se.sign(SLOT_DEVICE_KEY, digest)
            self._open = False  # until all of it is durable: after a failed write only `open` knows what is there
            self._keep(record, data, signature, sealed, private)
            await self._se.increment(COUNTER_JOURNAL)
            self._open = True
            self._stand.advance(record, self._crypto.sha256(data))
            self.view.apply(record)
            return record

    async def end_what_was_cut(self) -> None:
        """After a boot: a verdict without a notice is closed, a payment without an outcome is *interrupted*; neither is gone on with."""
        view = self.view
        if view.verdict and view.case is None:
            closed = {r.CLOSURE: r.CLOSURE_ABANDONED, r.REASON: r.ABANDON_POWER, r.DISPOSITION: r.DISPOSITION_RETURNED}
            await self.append(r.CASE_CLOSED, closed)
        if view.case is not None and view.case.intent:
            body = {r.CASE: view.case.number, r.INTENT: view.case.intent, r.AMOUNT: view.case.amount}
            body[r.OUTCOME] = r.OUTCOME_INTERRUPTED
            body[r.REASON] = "power"
            await self.append(r.PAYMENT_OUTCOME, body)

    def _keep(
        self, record: dict, data: bytes, signature: "bytes | None", sealed: "bytes | None", private: "bytes | None"
    ) -> None:
        """Blobs first, then the record: a record never names a blob that was not there."""
        seq = record[r.SEQ]
        if sealed is not None:
            self._storage.replace(self._blob_name("sealed", seq), sealed)
        if private is not None:
            self._storage.replace(self._blob_name("private", seq), private)
        count = len(self._shelf.segments)
        self._shelf.append(self._stand, self.view, seq, record[r.KIND], data, signature)
        if len(self._shelf.segments) > count > 0:
            self._shelf.retire(self.acked_seq, self.server_utc - self.retention)

    def _build(self, kind: int, body: dict) -> dict:
        utc, quality = self._clock.now()
        record = dict(body)
        record[r.V] = r.SCHEMA
        record[r.DEVICE] = self.device
        record[r.EPOCH] = self.epoch
        record[r.SEQ] = self.head_seq + 1
        record[r.PREV] = self.head_hash
        record[r.COUNTER] = self._stand.counter + 1
        record[r.UTC] = utc
        record[r.CLOCK] = quality
        record[r.KIND] = kind
        record[r.OFFICER] = self.officer
        record[r.UNIT] = self.unit
        count, total = r.approved_step(record)
        record[r.CUM_COUNT] = self.cum_count + count
        record[r.CUM_TOTAL] = self.cum_total + total
        return record

    def room(self, look: bool = False) -> int:
        """ROOM_OK, ROOM_LOW (warn the officer) or ROOM_NONE (no new sale). Looks at the storage at times only, or
        when told to.
        """
        if look or self._until_room <= 0:
            self._free = self._storage.free_bytes()
            self._until_room = _ROOM_EVERY
        self._until_room -= 1
        if self._free < RESERVE:
            return ROOM_NONE
        return ROOM_LOW if self._free < WARNING else ROOM_OK

    def entries(self, first: int):  # noqa: ANN201 - generator of (record, record bytes, signature or None)
        """Yield (record, its bytes, signature or None) from sequence `first` to the head, second copies in the place
        of what is lost.

        A jump in the sequence numbers is a gap, which `losses` or a gap record names. Raises JRN-020 where the chain
        does not hold.
        """
        if not self._shelf.segments:
            return
        index = self._shelf.from_segment(first)
        known = None
        while known is None and index >= 0:
            known = self._shelf.head(self._shelf.segments[index][0])
            index -= 1
        if known is None:
            stand = epochs.load(self._storage)[0]
            if self._shelf.segments[0][1] != stand.seq + 1:
                stand.seq = self._shelf.segments[0][1] - 1
                stand.hash = None  # type: ignore[assignment]
        else:
            stand = known[0]
        chain = Chain(
            self._reader, self._crypto, self.device, stand
        )  # it keeps nothing in the window between two steps
        for item in chain.walk(self._shelf.tail(index + 1)):
            if item[0][r.SEQ] >= first:
                yield item

    def record_at(self, seq: int) -> "tuple | None":
        """(record, its bytes, signature or None) of one sequence number, None if it is not kept or lost."""
        if self._shelf.segments:
            chain = Chain(self._reader, self._crypto, self.device, self._stand)
            found = chain.pick(self._shelf.segments[self._shelf.from_segment(seq)][0], seq)
            if found is not None:
                return found
        for item in self.entries(seq):
            return item if item[0][r.SEQ] == seq else None
        return None

    def blob(self, folder: str, seq: int) -> "bytes | None":
        """The blob kept beside record `seq` ("sealed" or "private"), None when it has been erased.

        A blob that does not have the digest which its record names is not passed on: None, and `losses.blobs` names it.
        """
        name = self._blob_name(folder, seq)
        item = self.record_at(seq)
        digest = item[0].get(r.SEALED if folder == "sealed" else r.PRIVATE) if item is not None else None
        if digest is None:
            return None
        content = None
        if self._storage.size(name) >= 0:
            content = self._storage.read(name, 4096)
        elif folder == "sealed" and seq not in self.view.sealed.values():
            return None
        if content is None or digest != self._crypto.sha256(content):
            if (folder, seq) not in self.losses.blobs:
                self.losses.blobs.append((folder, seq))
            return None
        return content

    def erase_blob(self, folder: str, seq: int) -> None:
        """Erase a blob; the record that names its digest stays."""
        self._storage.remove(self._blob_name(folder, seq))

    def _blob_name(self, folder: str, seq: int) -> str:
        return self._shelf.blobs[0 if folder == "sealed" else 1] + "/" + str(seq)

    def acknowledge(self, seq: int, record_hash: bytes) -> None:
        """Remember, durably, that the server has committed everything up to `seq`."""
        self._storage.replace("state/acked", cbor.encode([seq, record_hash, recovery.check_of(seq, record_hash)]))
        self.acked_seq = seq
        self.view.acknowledged(seq)

    def approval(self) -> bytes:
        """The approval of the present epoch; empty in a device's first one."""
        known = self.epoch > 1 and self._storage.size(epochs.APPROVAL) > 0
        return self._storage.read(epochs.APPROVAL, 1024) if known else b""

    async def begin_epoch(self, approval: bytes, key: bytes) -> None:
        """Go on in a new epoch that the server approved (`terminal.journal.epoch`), after `open` failed; opens the
        journal.

        `key` is the pinned public key of the role "epoch". Raises JournalError JRN-032 and whatever `open` raises.
        """
        try:
            current = epochs.load(self._storage)[0].epoch
        except JournalError:
            current = 1
        stand = epochs.check_approval(self._crypto, approval, key, self.device, current)
        stand.counter = await self._se.counter(COUNTER_JOURNAL)
        numbers = self._shelf.numbers()
        self._storage.replace(epochs.APPROVAL, approval)
        epochs.store(self._storage, stand, numbers[-1] + 1 if numbers else 1)
        self._storage.remove("state/acked")
        self.view = View()
        await self.open()
