"""What the soak runs: the terminal's own Journal over littlefs-python over `sim.parts.nor`, with a secure element and
a clock that take no time.

Nothing in it waits, so a coroutine is stepped by hand (`now`) instead of under an event loop: a check can run inside a
flash operation of another journal, which is how every operation's images are looked at without running everything
anew.
"""

import hashlib
from collections.abc import Coroutine
from typing import Any

from drivers.contracts.secure_element import SecureElement
from drivers.contracts.small import Clock
from drivers.contracts.storage import Storage
from drivers.storage_littlefs import LittlefsStorage
from protocol import records as r
from protocol.crypto.native import NativeCrypto
from sim.parts.nor.flash import NorFlash
from tools.journal.soak.remembered import RememberingJournal


class Digests(NativeCrypto):
    """SHA-256 from hashlib: the same digests, without an OpenSSL context for each."""

    def sha256(self, data: "bytes | bytearray | memoryview") -> bytes:
        """32 bytes."""
        return hashlib.sha256(data).digest()


DEVICE = "TSD-000001"
CRYPTO = Digests()
BLOCKS = 96  # the reserve (`terminal.journal.journal.RESERVE`) and 64 sectors to work in
RETENTION = 6 * 3600
STEP = 1200  # seconds between transactions


def now(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never waits to its end."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise RuntimeError("the coroutine waits for something")


class Element(SecureElement):
    """Two counters and signatures that are digests: the soak compares bytes, it does not verify."""

    def __init__(self, counter: int = 0) -> None:
        self.value = counter

    async def sign(self, slot: int, digest: bytes) -> bytes:
        """64 bytes that depend on the digest only."""
        half = hashlib.sha256(digest).digest()
        return half + half

    async def counter(self, index: int) -> int:
        """The journal's counter."""
        return self.value

    async def increment(self, index: int) -> int:
        """One step."""
        self.value += 1
        return self.value


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
    """One handheld's flash, storage, element, clock and journal, with the list of records that have been shown."""

    def __init__(self) -> None:
        self.flash = NorFlash(BLOCKS)
        self.storage = Watched(LittlefsStorage(self.flash, fresh=True))
        self.element = Element()
        self.clock = HandClock()
        self.journal = NotingJournal(self.storage, self.element, self.clock, CRYPTO, DEVICE)
        self.journal.retention = RETENTION
        self.shown: dict[int, bytes] = {}
        self.transactions = 0
        now(self.journal.open())

    def append(self, kind: int, body: dict, **blobs: bytes) -> dict:
        """Append and count as shown."""
        record = now(self.journal.append(kind, body, **blobs))
        self.shown[record[r.SEQ]] = self.journal.pending
        return record

    def transaction(self) -> None:
        """One fine as the terminal writes it; every fifth is followed by an acknowledgement, results and the erasure
        of card data.
        """
        number = self.transactions = self.transactions + 1
        self.clock.utc += STEP
        self.journal.server_utc = self.clock.utc  # heard a moment ago: what is old enough may go
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
        self.append(r.LICENCE_DISPOSITION, {r.CASE: number, r.DISPOSITION: r.DISPOSITION_RETURNED})
        self.append(r.CASE_CLOSED, {r.CASE: number, r.CLOSURE: r.CLOSURE_PAID})
        if number % 5 == 0:
            self.settle()

    def settle(self) -> None:
        """What a synchronisation writes."""
        self.journal.acknowledge(self.journal.head_seq, self.journal.head_hash)
        view = self.journal.view
        for intent in list(view.provisional):
            case, amount, pv = view.provisional[intent]
            body = {r.CASE: case, r.PV: pv, r.INTENT: intent, r.AMOUNT: amount, r.OUTCOME: r.OUTCOME_APPROVED}
            self.append(r.AUTHORISATION_RESULT, body)
        sealed = dict(view.sealed)
        self.append(r.CARD_DATA_ERASED, {r.INTENTS: sorted(sealed), r.RECEIPT: bytes(32)})
        for intent in sorted(sealed):
            self.journal.erase_blob("sealed", sealed[intent])
