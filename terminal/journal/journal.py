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

from drivers.contracts.secure_element import COUNTER_EPOCH, COUNTER_JOURNAL, SLOT_DEVICE_KEY
from protocol import cbor, cose
from protocol import records as r
from protocol.errors import JournalError, RiskError
from protocol.sync import TYPE_OUTCOME
from terminal.journal import epoch as epochs
from terminal.journal import recovery
from terminal.journal.chain import END, Chain, Losses
from terminal.journal.frames import SegmentReader, new_window
from terminal.journal.head import Stand
from terminal.journal.room import ROOM_NONE, STARTS, VISITS, Room
from terminal.journal.shelf import COPIED, RETENTION, Shelf
from terminal.journal.view import View

LEAP = 86400  # what lies between two hearings of the server's time counts as no more
_ONE_MORE = 12288  # bytes free for one record and its segment
_AGE_STEP = 43200  # seconds by which the age on storage may lag behind


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
        self.room = Room(storage)
        self._walked: "Stand | None" = None  # the last record that `entries` has come to
        self.device = device
        self.epoch = 1
        self.officer = 0
        self.unit = ""
        self.retention = RETENTION
        self.leap = LEAP
        self._age = 0  # the time by which records grow old: see `hear`
        self._back = 0  # seconds by which the server's clock went back and has not made good since
        self.server_utc = 0  # what the server's clock said last
        self.recovered_torn_tail = False
        self.losses = Losses()
        self.view = View()
        self.told = 0  # the record of `hand` that an officer has read since the boot
        self.shown = (
            0  # up to where a server of another chain was shown all, by the last session (`terminal.testimony`)
        )

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
    def hand(self) -> "tuple | None":
        """What nobody may have read of a licence (`View.hand`), None if there is nothing of it."""
        hand, void = self.view.hand, self.view.voiding
        if hand is None or hand[2] == self.told or hand[3] == r.VOID and (void is None or void.number != hand[0]):
            return None
        return hand

    @property
    def acked_seq(self) -> int:
        """The server has every record up to this one, by its own last word; it goes back when the server was restored."""
        return self._stand.acked

    @property
    def dated(self) -> bool:
        """Whether it is known since when the server has had these; earlier releases did not write it down."""
        return self._stand.acked_utc > 0

    @property
    def last_utc(self) -> int:
        """The latest time that is known: of the records since the server's time was heard, or that. A boot takes it from the newest
        segment's head and the records behind it, those that the server has aside: what it said when it acknowledged them counts.
        """
        return self._stand.utc

    def require(self) -> None:
        """RiskError where nothing new begins: RSK-005 or RSK-015 for want of room, RSK-006 by a clock that is behind `last_utc`."""
        self.room.require()
        if self._clock.now()[0] < self.last_utc:
            raise RiskError("the clock is behind the latest record", "RSK-006", "synchronise to set the clock", "clock")

    @property
    def first_retained(self) -> int:
        """Sequence number of the oldest record still kept (of the next one if there is none)."""
        return self._shelf.segments[0][1] if self._shelf.segments else self.head_seq + 1

    async def open(self) -> None:
        """Find the state again, check chain and counter, mend what a cut left undone, declare what is lost. Raises
        JournalError.
        """
        try:
            genesis, rebuilt = epochs.begun(self._storage, self._shelf)
        finally:
            self.epoch = self._shelf.epoch  # the centre is told of it, whatever is wrong
        if rebuilt:  # it may be a former epoch's too
            self._storage.remove("state/acked")
        self.view.cases = genesis.cases
        acked = recovery.read_acknowledged(self._storage)
        found = recovery.recover(self._shelf, self._reader, self._crypto, self.device, self.view, genesis, acked)
        self._stand = found.stand
        if rebuilt:
            genesis.cases = self.view.cases
            epochs.store(self._storage, genesis, self._shelf.lowest)
        if self.epoch > 1:
            self._shelf.blobs = ("sealed" + str(self.epoch), "private" + str(self.epoch))
            self._shelf.genesis = genesis
        self.losses = found.losses
        self.recovered_torn_tail = found.losses.torn
        self._shelf.settle()  # before the counter says that what was found is there
        await self._bind_counter(genesis)
        self._open = True
        self._age, self.server_utc, self._back = self._stand.acked_utc, found.heard, found.back
        self._shelf.had = found.had
        self.view.acknowledged(self._stand.once)
        self.room.state(True)
        self._clear_the_way()
        if found.last is not None and found.last[0][r.KIND] in COPIED and not self.room.uncounted():
            self._shelf.mend_copy(found.last[0][r.SEQ], found.last[1], found.last[2])
        self._drop_orphans()
        if self._stand.seq == genesis.seq and genesis.epoch > 1:
            while await self.latest_epoch() < genesis.epoch:
                await self._se.increment(COUNTER_EPOCH)
            await self.append(r.NEW_EPOCH, {})
        for gap in self.losses.due:
            if self.room.uncounted():  # only the batch behind it says so, and the centre closes over it
                self.view.missed(gap)
            else:
                await self.append(r.GAP, gap)
        self.view.once = self._stand.once
        self.make_room()

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
            self._shelf.drop(folder, self.head_seq + 1, END)
        for seq in self.view.erased:
            self.erase_blob("sealed", seq)

    async def append(
        self, kind: int, body: dict, sealed: "bytes | None" = None, private: "bytes | None" = None
    ) -> dict:
        """Append a record and make it durable; returns the record.

        `sealed` and `private` are blobs kept beside the journal and bound by their SHA-256. Payment outcomes and voids
        are signed one by one. Raises JournalError: JRN-022 not opened (or an append failed since: open anew), JRN-012,
        JRN-021, JRN-026 an intent beside an open one. RiskError RSK-005, RSK-015: no room to begin something new.
        """
        async with self._lock:
            if not self._open:
                raise JournalError("the journal has not been opened", "JRN-022", "start the terminal again")
            if self._full(kind):
                raise self.room.refusal()
            if kind == r.PAYMENT_INTENT and (self.view.orphan or self.view.case is not None and self.view.case.intent):
                raise JournalError("a payment was begun and has no outcome", "JRN-026", "start the terminal again")
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
        """After a boot: a verdict without a notice is closed, payments without an outcome are *interrupted*; none is gone on with.
        Where no record is taken they stay as they are.
        """
        if self.room.uncounted():
            return
        view = self.view
        if view.verdict and view.case is None:
            closed = {r.CLOSURE: r.CLOSURE_ABANDONED, r.REASON: r.ABANDON_POWER, r.DISPOSITION: r.DISPOSITION_RETURNED}
            await self.append(r.CASE_CLOSED, closed)
        case, cut = view.case, [view.cut[intent] for intent in sorted(view.cut) if intent]
        if view.orphan is not None:
            cut.append(view.orphan)
        if case is not None and case.intent:
            cut.append((case.intent, case.number, case.amount))
        for intent, number, amount in cut:
            body = {
                r.CASE: number,
                r.INTENT: intent,
                r.AMOUNT: amount,
                r.OUTCOME: r.OUTCOME_INTERRUPTED,
                r.REASON: "power",
            }
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
            self.make_room()

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
        if kind == r.GAP:
            record[r.GAP_ONCE] = self.view.once
        return record

    def _full(self, kind: int) -> bool:
        """Whether there is no room for a record of this kind."""
        return self.room.state(True) >= ROOM_NONE if kind in STARTS else kind in VISITS and self.crowded()

    def crowded(self) -> bool:
        """Whether a record of one more boot or log-in would take the room that a session needs."""
        return self.room.crowded(self.acked_seq < self.head_seq)

    def hear(self, utc: int) -> None:
        """Take the server's time: it is `last_utc` from now on, whatever the terminal's clock has dated records before. Records grow old by
        what lies between two hearings, a day at most, and by nothing else: a clock that leaps ahead, the server's or the terminal's, makes nothing
        old, and one that went back stops it for a day at most. Where clocks that differ by less than a day take turns, what one is ahead the
        other takes back.
        """
        if not self._age:
            self._age = utc
        elif self.server_utc:
            self._back -= max(-self.leap, min(utc - self.server_utc, self.leap))
            if self._back < 0:
                self._age, self._back = self._age - self._back, 0
        self.server_utc = self._stand.utc = utc

    def _acknowledgement(self, seq: int, record_hash: bytes, since: int, once: int, once_hash: bytes) -> bytes:
        """Of the file `state/acked`."""
        clock = (self._age, self.server_utc, self._back, self._shelf.had)
        return recovery.encode_acknowledged(seq, record_hash, clock, since, once, once_hash)

    def make_room(self) -> None:
        """Delete the acknowledged segments that are older than `retention`; where room is short, from the oldest on, those
        that are older than `FLOOR` too. Nothing goes before the server has told its time. What was acknowledged at once after
        a long outage is dated by a new segment's head, so that it can go a `FLOOR` later. What an open case needs stays, from its notice on.
        """
        if not self._age:
            return
        case, last = self.view.case, self.acked_seq
        if case is not None:
            last = min(last, case.seq - 1)
        undated = self._shelf.retire(last, self._age, self.retention, self.room.short)
        if undated and self._stand.acked_utc and self.room.short():
            self._shelf.fresh = True
        self.room.changed()

    def _clear_the_way(self) -> None:
        """Second copies of what the server has give way where there is no room for one more record and its segment."""
        while 0 <= self.room.seen < _ONE_MORE and self._shelf.spare_copy(self.acked_seq):
            self.room.state(True)

    async def begin_dated(self) -> None:
        """Where it is so crowded that nobody writes anything, a record of its own begins the segment that dates what is acknowledged."""
        if not self._shelf.fresh or not self.crowded():
            return
        self._clear_the_way()
        if self.room.seen >= _ONE_MORE:
            await self.append(r.HEALTH_EVENT, {r.HEALTH: "room"})

    async def follow(self) -> None:
        """A record behind newest ones that cannot be read, in a segment of its own: what is sent with it says that they are lost."""
        if not self.room.uncounted():
            self._shelf.fresh = True
            await self.append(r.HEALTH_EVENT, {r.HEALTH: "lost"})

    def keep_age(self) -> None:
        """Remember how old what is acknowledged has become, though nothing new is: a terminal may be switched off every night."""
        seq, record_hash, age, _, since, once, once_hash = recovery.read_acknowledged(self._storage)[:7]
        if seq != self.acked_seq or not age or self._age - age < _AGE_STEP:
            return
        content = self._acknowledgement(seq, record_hash, since, once, once_hash)
        try:
            self._storage.replace("state/acked", content)
        except JournalError:  # the next session tries again
            pass

    def entries(self, first: int):  # noqa: ANN201 - generator of (record, record bytes, signature or None)
        """Yield (record, its bytes, signature or None) from sequence `first` to the head, second copies in the place
        of what is lost.

        A jump in the sequence numbers is a gap, which `losses` or a gap record names. Raises JRN-020 where the chain
        does not hold.
        """
        if not self._shelf.segments:
            return
        index = self._shelf.from_segment(first)
        known, walked = None, self._walked
        if walked is not None and walked.seq == first - 1 and walked.epoch == self.epoch:
            known = (walked,)
            index -= 1
        while known is None and index >= 0:
            number, begin = self._shelf.segments[index]
            known = self._shelf.head(number)
            if known is not None and known[0].seq + 1 != begin:  # another segment's: the recovery did not count it
                known = None
            index -= 1
        if known is None:
            stand = epochs.load(self._storage)[0]
            if self._shelf.segments[0][0] != self._shelf.lowest:
                stand.hash = None  # type: ignore[assignment]
        else:
            stand = known[0]
        chain = Chain(
            self._reader, self._crypto, self.device, stand
        )  # it keeps nothing in the window between two steps
        self._walked = None
        for item in chain.walk(self._shelf.parts(index + 1)):
            if item[0][r.SEQ] >= first:
                yield item
        self._walked = stand

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
        try:
            content = self._storage.read(name, 4096)
        except JournalError as error:
            if error.code == "JRN-010" and folder == "sealed" and seq not in self.view.sealed.values():
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
        """Remember, durably, that the server has committed everything up to `seq`, and no more: one that was restored from a
        backup goes back, and since when it has had what it is sent again begins anew. What else it once had counts as
        exposure no more, and is not declared lost at a boot. Raises JournalError JRN-012: remembered until the next boot only,
        as where free space cannot be counted, which raises nothing.
        """
        stand = self._stand
        if seq < stand.acked:
            self._shelf.begin_dates()
        once_hash = record_hash
        if seq < stand.once:
            said = recovery.read_acknowledged(self._storage)
            once_hash = said[6] if said[5] == stand.once else b""
        genesis = self._shelf.genesis
        if genesis is not None:
            self._shelf.had = (self._shelf.had or self._age) if seq > genesis.seq else 0
        stand.acked, stand.acked_utc, stand.once = seq, self._age, max(seq, stand.once)
        self.view.acknowledged(seq)
        self.view.once = stand.once
        content = self._acknowledgement(seq, record_hash, self._shelf.since, stand.once, once_hash)
        while True:
            try:
                self._storage.replace("state/acked", content)
                return
            except JournalError as error:  # full to the brim: a second copy of what the server has makes room
                if self.room.uncounted():
                    return
                if error.code != "JRN-012" or not self.room.short() or not self._shelf.spare_copy(seq):
                    raise

    def approval(self) -> bytes:
        """The approval of the present epoch; empty in a device's first one."""
        known = self.epoch > 1 and self._storage.size(epochs.APPROVAL) > 0
        return self._storage.read(epochs.APPROVAL, 1024) if known else b""

    async def latest_epoch(self) -> int:
        """The latest epoch that this device has begun, by its secure element, which earlier releases did not tell of any."""
        return 1 + await self._se.counter(COUNTER_EPOCH)

    async def begin_epoch(self, approval: bytes, key: bytes) -> None:
        """Go on in a new epoch that the server approved (`terminal.journal.epoch`), after `open` failed; opens the
        journal.

        `key` is the pinned public key of the role "epoch". Raises JournalError JRN-032 and whatever `open` raises.
        """
        try:
            before = epochs.begun(self._storage, self._shelf)[0]
        except JournalError:
            before = None
        latest = max(self._shelf.epoch, await self.latest_epoch())
        stand = epochs.check_approval(self._crypto, approval, key, self.device, latest)
        if before is not None:
            from terminal.journal import former

            stand.former = dict(before.former)
            acked = recovery.read_acknowledged(self._storage)
            stand.former[before.epoch] = former.sent(self._shelf, self._crypto, stand, acked)
        stand.counter = await self._se.counter(COUNTER_JOURNAL)
        self._shelf.lowest = 1
        numbers = self._shelf.numbers()
        self._storage.remove("state/acked")  # first: it says nothing of the new epoch, the old one asks for it again
        self._storage.replace(epochs.APPROVAL, approval)
        epochs.store(self._storage, stand, numbers[-1] + 1 if numbers else 1)
        self.view, self.shown, self.told = View(), 0, 0
        await self.open()
