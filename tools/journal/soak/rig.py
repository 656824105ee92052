"""What the soak runs: the terminal's own Journal over littlefs-python over `sim.parts.nor`, with a secure element and
a clock that take no time.

Nothing in it waits, so a coroutine is stepped by hand (`now`) instead of under an event loop: a check can run inside a
flash operation of another journal, which is how every operation's images are looked at without running everything
anew.
"""

import hashlib
from collections.abc import Coroutine
from typing import Any

from drivers.contracts.secure_element import COUNTER_JOURNAL, SecureElement
from drivers.contracts.small import Clock
from drivers.contracts.storage import Storage
from drivers.storage_littlefs import LittlefsStorage
from protocol import records as r
from protocol.crypto.native import NativeCrypto
from sim.parts.nor.flash import NorFlash
from terminal.journal.chain import copy_name
from terminal.journal.journal import LEAP
from terminal.journal.shelf import COPIED, FLOOR, SEGMENT_BYTES
from tools.journal.soak.remembered import RememberingJournal


class Digests(NativeCrypto):
    """SHA-256 from hashlib: the same digests, without an OpenSSL context for each."""

    def sha256(self, data: "bytes | bytearray | memoryview") -> bytes:
        """32 bytes."""
        return hashlib.sha256(data).digest()


DEVICE = "TSD-000001"
CRYPTO = Digests()
BLOCKS = 128  # the reserve (`terminal.journal.journal.RESERVE`) and 96 sectors to work in
RETENTION = 6 * 3600
STEP = 1200  # seconds between transactions
WRONG = 5 * 86400  # by so much more each time the server's clock is wrong, in three sessions of fourteen
LACKS = 12  # in the second of so many settlements the server was restored from a backup


def now(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never waits to its end."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("the coroutine waits for something")


def leap(retention: int) -> int:
    """What counts between two hearings of the server's time, where less than the terminal's retention is asked for."""
    return min(LEAP, retention // 9)


class Element(SecureElement):
    """Two counters and signatures that are digests: the soak compares bytes, it does not verify."""

    def __init__(self, counter: int = 0) -> None:
        self.value = counter
        self.epochs = 0

    async def sign(self, slot: int, digest: bytes) -> bytes:
        """64 bytes that depend on the digest only."""
        half = hashlib.sha256(digest).digest()
        return half + half

    async def counter(self, index: int) -> int:
        """The journal's counter, or that of new epochs."""
        return self.value if index == COUNTER_JOURNAL else self.epochs

    async def increment(self, index: int) -> int:
        """One step."""
        if index == COUNTER_JOURNAL:
            self.value += 1
        else:
            self.epochs += 1
        return await self.counter(index)


class HandClock(Clock):
    """A clock set by the workload."""

    def __init__(self, utc: int = 1_700_000_000) -> None:
        self.utc = utc

    def now(self) -> tuple[int, int]:
        """(UTC, quality)."""
        return self.utc, 1


class Watched(Storage):
    """Hands everything on to `inner` and keeps what the files must be: `files`, and of the operation under way its
    name and both contents.
    """

    def __init__(self, inner: Storage) -> None:
        self.inner = inner
        self.files: dict[str, bytes] = {}
        self.name = ""
        self.after: bytes | None = None
        self.serial = 0  # operations done

    def names(self, folder: str) -> list:
        """Of `inner`."""
        return self.inner.names(folder)

    def size(self, name: str) -> int:
        """Of `inner`."""
        return self.inner.size(name)

    def read_into(self, name: str, offset: int, buffer: object) -> int:
        """Of `inner`."""
        return self.inner.read_into(name, offset, buffer)

    def read(self, name: str, limit: int = 65536) -> bytes:
        """Of `inner`."""
        return self.inner.read(name, limit)

    def free_bytes(self) -> int:
        """Of `inner`."""
        return self.inner.free_bytes()

    def append(self, name: str, data: bytes) -> None:
        """Noted, done, noted as done."""
        self._begin(name, self.files.get(name, b"") + data)
        self.inner.append(name, data)
        self._end()

    def replace(self, name: str, data: bytes) -> None:
        """Noted, done, noted as done."""
        self._begin(name, bytes(data))
        self.inner.replace(name, data)
        self._end()

    def remove(self, name: str) -> None:
        """Noted, done, noted as done."""
        self._begin(name, None)
        self.inner.remove(name)
        self._end()

    def _begin(self, name: str, after: bytes | None) -> None:
        self.name, self.after = name, after

    def _end(self) -> None:
        if self.after is None:
            self.files.pop(self.name, None)
        else:
            self.files[self.name] = self.after
        self.name = ""
        self.serial += 1


class NotingJournal(RememberingJournal):
    """The journal, telling which record it is about to make durable."""

    pending: bytes = b""

    def _keep(
        self, record: dict, data: bytes, signature: bytes | None, sealed: bytes | None, private: bytes | None
    ) -> None:
        self.pending = data
        super()._keep(record, data, signature, sealed, private)


class Rig:
    """One handheld's flash, storage, element, clock and journal, with the list of records that have been shown; `acked` is
    the last one that the server has acknowledged. It synchronises after every `settles`-th transaction, 0 for never. At
    times the server's clock is wrong, or it was restored from a backup, unless it is `sound`. `step` seconds lie between transactions.
    """

    def __init__(
        self,
        settles: int = 5,
        segment_bytes: int = SEGMENT_BYTES,
        blocks: int = 0,
        retention: int = 0,
        sound: bool = False,
        step: int = STEP,
    ) -> None:
        self.flash = NorFlash(blocks or BLOCKS)
        self.storage = Watched(LittlefsStorage(self.flash, fresh=True))
        self.element = Element()
        self.clock = HandClock()
        self._retention, self._segment_bytes = retention or RETENTION, segment_bytes
        self._settles, self._step = settles, step
        self.acked = self.acked_before = self._settled = 0
        self._sound = sound
        self._had: list[tuple[int, int]] = []  # up to where the server has had everything, since when in truth
        self.shown: dict[int, bytes] = {}
        self.transactions = 0
        self.boot()

    def boot(self) -> None:
        """Open the journal, as after switching on."""
        self.journal = NotingJournal(self.storage, self.element, self.clock, CRYPTO, DEVICE)
        self.journal.retention, self.journal.leap = self._retention, leap(self._retention)
        self.journal._shelf.segment_bytes = self._segment_bytes
        now(self.journal.open())

    def append(self, kind: int, body: dict, **blobs: bytes) -> dict:
        """Append and count as shown; nothing that is money is shown before its second copy is there."""
        record = now(self.journal.append(kind, body, **blobs))
        self.shown[record[r.SEQ]] = self.journal.pending
        if kind in COPIED:
            copies = copy_name(self.journal._shelf.segments[-1][0])
            assert self.journal.pending in self.storage.files.get(copies, b""), "shown without a second copy"
        return record

    def transaction(self) -> None:
        """One fine as the terminal writes it; every fifth, or as the rig was told, is followed by an acknowledgement, results
        and the erasure of card data.
        """
        number = self.transactions = self.transactions + 1
        self.clock.utc += self._step
        self.journal.hear(self.clock.utc + self._wrong())  # what is old enough may go
        outcome = (r.OUTCOME_APPROVED, r.OUTCOME_PROVISIONAL, r.OUTCOME_APPROVED, r.OUTCOME_DECLINED)[number % 4]
        noise = hashlib.sha512(str(number).encode()).digest()
        self.append(r.LICENCE_READ, {r.VERDICT: 2, r.LICENCE_TOKEN: noise[:8], r.FINDINGS: []})
        notice = {
            r.CASE: number,
            r.PV: f"000001-{number:05}",
            r.OFFENCE: "66/D-24",
            r.TARIFF: 1,
            r.AMOUNT: 500000,
            r.POINTS: 6,
        }
        self.append(r.NOTICE, notice, private=noise * 3)
        self.append(r.ACKNOWLEDGED, {r.CASE: number})
        intent = self.append(r.PAYMENT_INTENT, {r.CASE: number, r.AMOUNT: 500000})[r.SEQ]
        body = {
            r.CASE: number,
            r.INTENT: intent,
            r.AMOUNT: 500000,
            r.OUTCOME: outcome,
            r.LAST4: "1234",
            r.CRYPTOGRAM: noise[:8],
            r.TVR: noise[8:13],
        }
        sealed = {} if outcome == r.OUTCOME_DECLINED else {"sealed": noise * 4}
        self.append(r.PAYMENT_OUTCOME, body, **sealed)
        self.append(r.RECEIPT_PRINTED, {r.CASE: number, r.COPY: r.COPY_DRIVER})
        kept = r.DISPOSITION_RETURNED if outcome == r.OUTCOME_APPROVED else r.DISPOSITION_RETAINED
        self.append(r.LICENCE_DISPOSITION, {r.CASE: number, r.DISPOSITION: kept})
        self.append(r.CASE_CLOSED, {r.CASE: number, r.CLOSURE: r.CLOSURE_PAID})
        if self._settles and number % self._settles == 0:
            self.settle()
        assert self.journal.first_retained <= self.keeps(), "records went before their time"

    def _wrong(self) -> int:
        """By how many seconds the server's clock is ahead now, or behind. Each time further than ever before: who counted its leaps whole
        would count the first one only, of those that are all as long, and there is nothing yet then that could go.
        """
        number = self.transactions
        if self._sound or number % 7 != 3 and number % 14 != 4:
            return 0
        return (WRONG if number % 7 == 3 else -WRONG) * (1 + number // 7)

    def acknowledge(self, seq: int) -> None:
        """The server says that it has everything up to `seq`, and no more. What it no longer has must be kept from when the terminal has that
        on storage: who is cut off before hears it again, with the time by which anything may go, before anything goes.
        """
        since = [utc for last, utc in self._had if last >= seq] or [self.clock.utc]
        self.acked_before, self.acked = self.acked, seq
        self.journal.acknowledge(seq, CRYPTO.sha256(self.shown[seq]))
        self._had = [(last, utc) for last, utc in self._had if last < seq] + [(seq, since[0])]

    def restored(self) -> None:
        """The server has lost the most of what is kept here; a terminal that sells on, or is cut off now, keeps it."""
        self.acknowledge(min(self.journal.first_retained + 4, self.acked))
        self.append(r.OUTAGE_BEGIN, {r.REASON: "NET-001"})
        self.journal.make_room()

    def keeps(self) -> int:
        """The first record that must be kept: the one after the last that the server has had for as long as that is asked for,
        but for what two leaps of its clock may count.
        """
        old = self.clock.utc - min(self.journal.retention, FLOOR) + 2 * self.journal.leap
        return max([last for last, utc in self._had if utc < old], default=0) + 1

    def settle(self) -> None:
        """What a synchronisation writes, and the officer's answers to it: each licence that may go back is read of at once."""
        self._settled += 1
        if self._settled % LACKS == 2 and not self._sound:
            self.restored()
        self.acknowledge(self.journal.head_seq)
        view = self.journal.view
        for intent in list(view.provisional):
            case, amount, pv = view.provisional[intent]
            body = {r.CASE: case, r.PV: pv, r.INTENT: intent, r.AMOUNT: amount, r.OUTCOME: r.OUTCOME_APPROVED}
            self.append(r.AUTHORISATION_RESULT, body)
        sealed = dict(view.sealed)
        self.append(r.CARD_DATA_ERASED, {r.INTENTS: sorted(sealed), r.RECEIPT: bytes(32)})
        for intent in sorted(sealed):
            self.journal.erase_blob("sealed", sealed[intent])
        for case, *_ in [view.releases[intent] for intent in sorted(view.releases)]:
            self.append(r.LICENCE_DISPOSITION, {r.CASE: case, r.DISPOSITION: r.DISPOSITION_RELEASE_GRANTED})
        assert not view.releases, "an answered release is due still"
