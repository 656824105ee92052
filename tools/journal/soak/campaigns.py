"""The campaigns of the soak. Each runs the workload once per worker and looks at its share of the images, identical
ones once.

- cuts: at every program and erase of N transactions: not begun, stopped half-way, stopped half-way with garbage, done but not told.
- turns: the same in small segments that go soon: rotation, acknowledgement, a server that was restored and clean-up all come within a score
  of transactions.
- bytes: at every byte of every program (and every page of every erase) of N transactions.
- doubles: at every operation of N transactions, and again at every operation of the recovery and of the append after it.
- twice: the same in the small segments of `turns`.
- flips: every bit of every page that reading back touches, after N transactions (a page that is never read cannot change what is read).
- faults: stuck, misdirected and doubled pages, pages copied over others, at sampled places.
- pending: the same damage where most can be lost: N transactions in small segments, only the first of them acknowledged; every sector erased,
  zeroed and exchanged with every other, sampled pages copied over others, both copies of each approved outcome, every seventh bit.
"""

import random
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from drivers.storage_littlefs import LittlefsStorage
from protocol import cbor
from protocol import records as r
from protocol.errors import JournalError
from sim.parts.nor import tails
from sim.parts.nor.flash import BLOCK, ERASE, PAGE, NorFlash
from tools.journal.soak.checks import FAILURES, Expected, Eyes, NotHeld, after_cut, describe, open_journal
from tools.journal.soak.damage import ENDLESS, MORE_READS, Intact, frames, money, told, unnamed, why_stopped
from tools.journal.soak.rig import BLOCKS, CRYPTO, STEP, Rig
from tools.journal.soak.seconds import Second, Seconds
from tools.journal.soak.spoiling import copies, on_payments, on_sectors
from tools.journal.soak.volume import Traced

TAILS = (tails.SHORT, tails.BLANK, tails.GARBAGE, tails.DONE)
KEPT_FAILURES = 10
AGAIN_EVERY = 4
ACKNOWLEDGED = 5  # transaction after which the pending campaign synchronises, the only time
EVERY_BIT = 7  # of a byte all eight are met in seven bytes


class Tally:
    """What a worker counted."""

    def __init__(self) -> None:
        self.seen: set[tuple[int, int, int]] = set()
        self.eyes = Eyes()
        self.seconds = Seconds()
        self.operations = self.made = self.images = 0
        self.words: Counter[str] = Counter()
        self.failures: list[str] = []
        self.started = time.process_time()

    def fresh(self, blocks: list[bytes], counter: int, shown: int) -> bool:
        """Count an image; False if the same one was looked at already in the same situation."""
        self.made += 1
        key = (hash(tuple(blocks)), counter, shown)
        if key in self.seen:
            return False
        self.seen.add(key)
        self.images += 1
        return True

    def failed(self, where: str, error: BaseException) -> None:
        """Keep the first failures, count all."""
        self.words["NOT HELD"] += 1
        if len(self.failures) < KEPT_FAILURES:
            self.failures.append(f"{where}: {describe(error)}")

    def report(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "operations": self.operations, "images": self.made, "distinct": self.images, "run": self.eyes.runs + self.seconds.runs,
            "outcomes": dict(self.words), "failures": self.failures, "cpu_seconds": round(time.process_time() - self.started, 1),
        }  # fmt: skip


def _watching(
    transactions: int,
    look: Callable[[NorFlash, Rig, str, int, int, bytes], None],
    tally: Tally,
    share: int,
    shares: int,
    rig: Rig | None = None,
) -> Rig:
    """Run the workload with `look` at this worker's share of the operations."""
    rig = rig or Rig()

    def watch(flash: NorFlash, kind: str, block: int, offset: int, data: bytes) -> None:
        tally.operations += 1
        if tally.operations % shares == share:
            look(flash, rig, kind, block, offset, data)

    rig.flash.watch = watch
    for _ in range(transactions):
        rig.transaction()
    return rig


def _image(
    flash: NorFlash, kind: str, block: int, offset: int, data: bytes, tail: str, reached: int = -1
) -> list[bytes]:
    blocks = list(flash.blocks)
    blocks[block] = tails.cut(kind, blocks[block], offset, data, tail, reached, flash.operations + 1)
    return blocks


def _try(tally: Tally, where: str, blocks: list[bytes], expected: Expected, again: bool) -> None:
    try:
        after_cut(blocks, expected, again, tally.eyes)
    except FAILURES as error:
        tally.failed(where, error)
    else:
        tally.words["absent or identical"] += 1


def cuts(
    transactions: int, share: int, shares: int, progress: Callable[[int], None], rig: Rig | None = None
) -> dict[str, Any]:
    """Every operation, four tails."""
    tally = Tally()

    def look(flash: NorFlash, rig: Rig, kind: str, block: int, offset: int, data: bytes) -> None:
        expected = Expected(rig)
        for tail in TAILS:
            blocks = _image(flash, kind, block, offset, data, tail)
            if tally.fresh(blocks, expected.counter, expected.shown):
                _try(
                    tally, f"operation {flash.operations + 1} {tail}", blocks, expected, tally.images % AGAIN_EVERY == 0
                )
        progress(rig.transactions)

    rig = _watching(transactions, look, tally, share, shares, rig)
    return tally.report() | {"wear": rig.flash.wear(), "records": len(rig.shown), "raised_bits": rig.flash.raised_bits}


def turns(transactions: int, share: int, shares: int, progress: Callable[[int], None]) -> dict[str, Any]:
    """`cuts` where segments are small, settlements frequent, and what is acknowledged soon old enough to go."""
    rig = _turning()
    report = cuts(transactions, share, shares, progress, rig)
    return report | {"gone": rig.journal.first_retained - 1}


def _turning() -> Rig:
    return Rig(settles=2, segment_bytes=2048, step=2 * STEP)


def every_byte(transactions: int, share: int, shares: int, progress: Callable[[int], None]) -> dict[str, Any]:
    """Every byte of every program; erases by the page."""
    tally = Tally()

    def look(flash: NorFlash, rig: Rig, kind: str, block: int, offset: int, data: bytes) -> None:
        expected = Expected(rig)
        points = range(0, BLOCK + 1, PAGE) if kind == ERASE else range(len(data) + 1)
        for reached in points:
            blocks = _image(flash, kind, block, offset, data, tails.BLANK, reached)
            if tally.fresh(blocks, expected.counter, expected.shown):
                _try(
                    tally, f"operation {flash.operations + 1} byte {reached}", blocks, expected, tally.images % 16 == 0
                )
        progress(rig.transactions)

    _watching(transactions, look, tally, share, shares)
    return tally.report()


def doubles(
    transactions: int, share: int, shares: int, progress: Callable[[int], None], rig: Rig | None = None
) -> dict[str, Any]:
    """A cut, and another in the recovery from it."""
    tally = Tally()
    seconds = tally.seconds

    def look(flash: NorFlash, rig: Rig, kind: str, block: int, offset: int, data: bytes) -> None:
        expected = Expected(rig)
        for tail in TAILS:
            blocks = _image(flash, kind, block, offset, data, tail)
            key = (hash(tuple(blocks)), expected.counter, expected.shown)
            if key in tally.seen:
                continue
            tally.seen.add(key)
            where = f"operation {flash.operations + 1} {tail}, then"
            try:
                found = seconds.of(blocks, expected.counter, expected.utc)
            except FAILURES as error:
                tally.failed(where, error)
                continue
            for second in found:
                tally.made += 1
                tally.images += second.first
                _judge_second(tally, f"{where} {second.where}", second, expected)
        progress(rig.transactions)

    _watching(transactions, look, tally, share, shares, rig)
    return tally.report()


def twice(transactions: int, share: int, shares: int, progress: Callable[[int], None]) -> dict[str, Any]:
    """`doubles` as `turns` is `cuts`."""
    rig = _turning()
    return doubles(transactions, share, shares, progress, rig) | {"gone": rig.journal.first_retained - 1}


def _judge_second(tally: Tally, where: str, second: Second, expected: Expected) -> None:
    if second.error is not None:
        tally.failed(where, second.error)
        return
    shown = expected.shown if second.shown is None else second.shown
    if not shown <= second.head <= max(shown, expected.shown) + 1:
        tally.failed(where, NotHeld(f"head {second.head}, {shown} before"))
    elif second.head == expected.shown + 1 == shown and second.hash != CRYPTO.sha256(expected.pending):
        tally.failed(where, NotHeld("the record under way changed"))
    elif second.head == expected.shown and second.head and second.hash != CRYPTO.sha256(expected.last):
        tally.failed(where, NotHeld("the last record shown changed"))
    else:
        tally.words["absent or identical"] += 1


def flips(transactions: int, share: int, shares: int, progress: Callable[[int], None], step: int = 1) -> dict[str, Any]:
    """Every bit (or every `step`-th) of every page that matters."""
    rig = Rig()
    for _ in range(transactions):
        rig.transaction()
    whole = Intact(rig)
    tally = Tally()
    total = len(whole.pages) * PAGE * 8
    for number in range(share * step, total, shares * step):
        page = whole.pages[number // (PAGE * 8)]
        bit = number % (PAGE * 8)
        tally.made += 1
        tally.images += 1
        _judge(tally, f"page {page} bit {bit}", whole.judge_flip, page, bit // 8, bit % 8)
        progress(number * transactions // total)
    report = tally.report()
    report["pages"], report["bits"], report["on_files"] = len(whole.pages), total, whole.on_files
    return report


def _judge(tally: Tally, where: str, judge: Callable[..., str], *what: Any) -> None:
    try:
        tally.words[judge(*what)] += 1
    except FAILURES as error:
        tally.failed(where, error)


def faults(
    transactions: int, share: int, shares: int, progress: Callable[[int], None], samples: int = 400
) -> dict[str, Any]:
    """Pages stuck, misdirected, doubled while the workload runs; pages and sectors copied over others afterwards."""
    tally = Tally()
    chance = random.Random(5 + share)
    for number in range(share, samples // 10, shares):
        rig = Rig()
        for _ in range(2):
            rig.transaction()
        place = (chance.randrange(2, BLOCKS), chance.randrange(16))
        at = rig.flash.operations + chance.randrange(1, 800)
        name = ("stuck", "stray", "double")[number % 3]
        if name == "stuck":
            rig.flash.stuck = {chance.randrange(32, BLOCKS * 16) for _ in range(40)}
        else:
            setattr(rig.flash, name, {at: place})
        _run_on(tally, rig, transactions, f"{name} {place} at {at}")
        progress(number * transactions // max(samples // 10, 1))
    rig = Rig()
    for _ in range(transactions):
        rig.transaction()
    whole = Intact(rig)
    for _ in range(samples // shares):
        flash = Traced(whole.blocks)
        source, target = chance.choice(whole.pages), chance.choice(whole.pages)
        if chance.random() < 0.5:
            flash.copy_page(source, target)
        else:
            a, b = source // 16, target // 16
            flash.blocks[a], flash.blocks[b] = flash.blocks[b], flash.blocks[a]
        tally.made += 1
        tally.images += 1
        _judge(tally, f"page {source} over {target}", whole.judge, flash)
    return tally.report()


def _run_on(tally: Tally, rig: Rig, transactions: int, where: str) -> None:
    """Go on over a faulty flash: the run may stop with a code; what was shown must then be there or be named."""
    tally.made += 1
    tally.images += 1
    stopped = ""
    rig.flash.reads_left = MORE_READS
    try:
        for _ in range(transactions):
            rig.transaction()
    except JournalError as error:
        stopped = error.code
    flash = Traced(rig.flash.blocks)
    flash.reads_left = MORE_READS
    try:
        word = _left(rig, flash)
    except FAILURES as error:
        if flash.reads_left:
            tally.failed(where, error)
            return
        word = ENDLESS
    if not (flash.reads_left and rig.flash.reads_left):
        word = ENDLESS
    tally.words[f"{word}, stopped by {stopped}" if stopped and word != ENDLESS else word] += 1


def _left(rig: Rig, flash: Traced) -> str:
    """What a boot finds of the records that a rig has shown, as `Intact.judge` says it. Raises NotHeld."""
    storage = None
    try:
        storage = LittlefsStorage(flash)
        journal, _ = open_journal(storage, rig.element.value, rig.clock.utc)
        if journal.acked_seq > rig.acked:
            raise NotHeld("more is acknowledged than the server acknowledged")
        kept, declared = told(journal)
        for seq, data in kept.items():
            if seq in rig.shown:
                if data != rig.shown[seq]:
                    raise NotHeld(f"record {seq} differs")
                continue
            record = cbor.decode(data)
            if seq > len(rig.shown) + 1 or record[r.KIND] == r.GAP:  # the next one may be the record under way
                money(rig.shown, seq, record, journal)
        lost = sorted({seq for seq in rig.shown if seq >= rig.keeps()} - kept.keys())
        if lost:
            return "acknowledged" if unnamed(lost, declared, journal, rig.acked) else "named gap"
        return "recovered" if journal.losses.recovered or journal.losses.damaged else "intact"
    except JournalError as error:
        if storage is not None:
            why_stopped(error.code, storage, frames(rig.storage.files).get(len(rig.shown), ()))
        return f"stopped {error.code}"


def unacknowledged(transactions: int) -> Rig:
    """A rig with several segments of which the server has acknowledged the beginning only."""
    rig = Rig(settles=0, segment_bytes=4096)
    for number in range(transactions):
        rig.transaction()
        if number == ACKNOWLEDGED:
            rig.settle()
    return rig


def pending(
    transactions: int, share: int, shares: int, progress: Callable[[int], None], samples: int = 3000
) -> dict[str, Any]:
    """Damage to several segments that nobody has acknowledged."""
    whole = Intact(unacknowledged(transactions))
    tally = Tally()
    damages = [*on_sectors(whole), *copies(whole, samples), *on_payments(whole)]
    bits = range(0, len(whole.pages) * PAGE * 8, EVERY_BIT)
    for number in range(share, len(damages) + len(bits), shares):
        tally.made += 1
        tally.images += 1
        if number < len(damages):
            where, damage = damages[number]
            flash = Traced(whole.blocks)
            damage(flash)
            _judge(tally, where, whole.judge, flash)
        else:
            bit = bits[number - len(damages)]
            page = whole.pages[bit // (PAGE * 8)]
            _judge(tally, f"page {page} bit {bit % (PAGE * 8)}", whole.judge_flip, page, bit // 8 % PAGE, bit % 8)
        progress(number * transactions // (len(damages) + len(bits)))
    report = tally.report()
    report["pages"], report["bits"], report["on_files"] = len(whole.pages), len(bits), whole.on_files
    return report


CAMPAIGNS: dict[str, Callable[..., dict[str, Any]]] = {
    "cuts": cuts,
    "turns": turns,
    "bytes": every_byte,
    "doubles": doubles,
    "twice": twice,
    "flips": flips,
    "faults": faults,
    "pending": pending,
}
