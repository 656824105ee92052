"""The journal: builds, chains, signs and keeps records, and finds its head again after a power cut.

Order of an append (design §3): counter c+1 goes into the record; blobs and record are made durable; the secure element's counter is
stepped; only then does the caller show anything. So at boot the journal may lead the counter by one (a cut between the two), never trail
it: trailing means that the storage was rolled back or copied (JRN-030).

Files: `journal/NNNNNN.seg` (frames), `sealed/SEQ` and `private/SEQ` (blobs bound by digest), `state/acked`. A segment whose tail is torn is
closed and left as it is. Error codes: JRN-020 chain broken, JRN-021 record too large, JRN-022 not opened, JRN-030 rolled back, JRN-031 counter far ahead.
"""

import asyncio

from drivers.contracts.secure_element import COUNTER_JOURNAL, SLOT_DEVICE_KEY
from protocol import cbor, cose
from protocol import records as r
from protocol.errors import JournalError
from protocol.sync import TYPE_OUTCOME
from terminal.journal.frames import SegmentReader, frame, new_window
from terminal.journal.view import View

SEGMENT_BYTES = 16384


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
        self._window = new_window()
        self._lock = asyncio.Lock()
        self._segments: "list[tuple[int, int]]" = []  # (segment number, first seq in it)
        self._fresh_segment = True
        self.device = device
        self.epoch = 1
        self.head_seq = 0
        self.head_hash = r.ZERO_HASH
        self.counter = -1
        self.cum_count = 0
        self.cum_total = 0
        self.last_utc = 0
        self.officer = 0
        self.unit = ""
        self.acked_seq = 0
        self.recovered_torn_tail = False
        self.view = View()

    async def open(self) -> None:
        """Read everything back, check chain and counter. Raises JournalError."""
        reader = SegmentReader(self._storage, self._window)
        for name in self._storage.names("journal"):
            number = int(name.split(".")[0])
            first = self.head_seq + 1
            for data, _ in reader.entries("journal/" + name):
                self._follow(data)
            self._segments.append((number, first))
            self.recovered_torn_tail = reader.torn
        self._fresh_segment = self.recovered_torn_tail or not self._segments
        await self._bind_counter()
        if self._storage.size("state/acked") > 0:
            self.acked_seq = cbor.decode(self._storage.read("state/acked"))[0]
            self.view.acknowledged(self.acked_seq)

    def _follow(self, data: bytes) -> None:
        record = cbor.decode(data)
        if record[r.SEQ] != self.head_seq + 1 or record[r.PREV] != self.head_hash or record[r.DEVICE] != self.device:
            raise JournalError("the journal's chain is broken", "JRN-020", "stop selling; call a technician", record.get(r.SEQ))
        self._take(record, data)

    def _take(self, record: dict, data: bytes) -> None:
        self.head_seq = record[r.SEQ]
        self.head_hash = self._crypto.sha256(data)
        self.counter = record[r.COUNTER]
        self.cum_count = record[r.CUM_COUNT]
        self.cum_total = record[r.CUM_TOTAL]
        self.last_utc = record[r.UTC]
        self.epoch = record[r.EPOCH]
        self.view.apply(record)

    async def _bind_counter(self) -> None:
        value = await self._se.counter(COUNTER_JOURNAL)
        if self.head_seq == 0:
            if value != 0:
                raise JournalError("the journal is empty but the secure element has counted", "JRN-030", "the storage was erased: call a technician")
            self.counter = 0
        elif value + 1 == self.counter:
            await self._se.increment(COUNTER_JOURNAL)
        elif value > self.counter:
            raise JournalError("the journal is older than the secure element", "JRN-030", "the storage was rolled back or copied: call a technician")
        elif value < self.counter:
            raise JournalError("the secure element is older than the journal", "JRN-031", "the secure element was exchanged: call a technician")

    async def append(self, kind: int, body: dict, sealed: "bytes | None" = None, private: "bytes | None" = None) -> dict:
        """Append a record and make it durable; returns the record.

        `sealed` and `private` are blobs kept beside the journal and bound by their SHA-256. Payment outcomes are signed one by one.
        """
        async with self._lock:
            if self.counter < 0:
                raise JournalError("the journal has not been opened", "JRN-022")
            record = self._build(kind, body)
            for key, folder, blob in ((r.SEALED, "sealed/", sealed), (r.PRIVATE, "private/", private)):
                if blob is not None:
                    record[key] = self._crypto.sha256(blob)
                    self._storage.replace(folder + str(record[r.SEQ]), blob)
            data = cbor.encode(record)
            signature = None
            if kind == r.PAYMENT_OUTCOME:
                _, digest = cose.sign1_prepare(outcome_header(self.device), data)
                signature = await self._se.sign(SLOT_DEVICE_KEY, digest)
            self._storage.append(self._segment(record[r.SEQ]), frame(data, signature))
            await self._se.increment(COUNTER_JOURNAL)
            self._take(record, data)
            return record

    def _build(self, kind: int, body: dict) -> dict:
        utc, quality = self._clock.now()
        record = dict(body)
        record[r.V] = r.SCHEMA
        record[r.DEVICE] = self.device
        record[r.EPOCH] = self.epoch
        record[r.SEQ] = self.head_seq + 1
        record[r.PREV] = self.head_hash
        record[r.COUNTER] = self.counter + 1
        record[r.UTC] = utc
        record[r.CLOCK] = quality
        record[r.KIND] = kind
        record[r.OFFICER] = self.officer
        record[r.UNIT] = self.unit
        count, total = r.approved_step(record)
        record[r.CUM_COUNT] = self.cum_count + count
        record[r.CUM_TOTAL] = self.cum_total + total
        return record

    def _segment(self, seq: int) -> str:
        """Name of the segment to append to; begins a new one after a boot and when the last is full."""
        number = self._segments[-1][0] if self._segments else 0
        name = "journal/%06d.seg" % number
        if self._fresh_segment or self._storage.size(name) >= SEGMENT_BYTES:
            self._fresh_segment = False
            number += 1
            self._segments.append((number, seq))
            name = "journal/%06d.seg" % number
        return name

    def entries(self, first: int):  # noqa: ANN201 - generator of (record, record bytes, signature or None)
        """Yield (record, its bytes, signature or None) from sequence `first` to the head."""
        reader = SegmentReader(self._storage, self._window)  # one window: iterations must not be nested
        for index in range(len(self._segments)):
            number, begin = self._segments[index]
            if index + 1 < len(self._segments) and self._segments[index + 1][1] <= first:
                continue
            if begin > self.head_seq:
                return
            for data, signature in reader.entries("journal/%06d.seg" % number):
                record = cbor.decode(data)
                if record[r.SEQ] >= first:
                    yield record, data, signature

    def blob(self, folder: str, seq: int) -> "bytes | None":
        """The blob kept beside record `seq` ("sealed" or "private"), None when it has been erased."""
        name = folder + "/" + str(seq)
        return self._storage.read(name, 4096) if self._storage.size(name) >= 0 else None

    def erase_blob(self, folder: str, seq: int) -> None:
        """Erase a blob; the record that names its digest stays."""
        self._storage.remove(folder + "/" + str(seq))

    def acknowledge(self, seq: int, record_hash: bytes) -> None:
        """Remember, durably, that the server has committed everything up to `seq`."""
        self._storage.replace("state/acked", cbor.encode([seq, record_hash]))
        self.acked_seq = seq
        self.view.acknowledged(seq)
