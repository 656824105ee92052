"""The two oracles of the soak.

After a cut: every file is as before the storage operation under way or as after it (a new one may be there and empty);
the journal opens; its head is the last record that was shown or, byte for byte, the one being written; and the next
append works. After damage: every record and blob is what it was, or a code or a gap names it.
"""

from typing import Any

from drivers.storage_littlefs import LittlefsStorage
from protocol import records as r
from protocol.errors import JournalError
from sim.parts.nor.flash import NorFlash
from terminal.journal.journal import Journal
from tools.journal.soak.rig import CRYPTO, DEVICE, RETENTION, Element, HandClock, Rig, now

FOLDERS = ("journal", "copies", "sealed", "private", "state")
READS = 200_000


class NotHeld(Exception):
    """An oracle did not hold; the text says where."""


class Expected:
    """What a rig must look like after a cut at this instant: taken over, since the rig goes on."""

    def __init__(self, rig: Rig) -> None:
        self.files = rig.storage.files
        self.name, self.after = rig.storage.name, rig.storage.after
        self.serial = rig.storage.serial
        self.counter = rig.element.value
        self.utc = rig.clock.utc
        self.shown = len(rig.shown)
        self.last = rig.shown.get(self.shown, b"")
        self.pending = rig.journal.pending


def open_journal(storage: LittlefsStorage, counter: int, utc: int) -> tuple[Journal, Element]:
    """Open the journal on a mounted volume."""
    element = Element(counter)
    journal = Journal(storage, element, HandClock(utc), CRYPTO, DEVICE)
    journal.retention = RETENTION
    now(journal.open())
    return journal, element


def after_cut(blocks: list[bytes], expected: Expected, again: bool, opened: set[tuple[int, str, int]]) -> None:
    """The oracle for cuts; `again` also appends and opens once more.

    What the journal makes of a volume depends on its files and the counter alone: files that were opened in the same
    state before (`opened`) are compared, not opened again, unless `again` asks for it.
    """
    flash = NorFlash(len(blocks), blocks)
    storage = LittlefsStorage(flash)
    state = (expected.serial, _files(storage, expected), expected.counter)
    if state in opened and not again:
        return
    opened.add(state)
    counter = expected.counter
    journal, element = open_journal(storage, counter, expected.utc)
    _head(journal, expected)
    if again:
        head = journal.head_seq
        now(journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"}))
        later, _ = open_journal(LittlefsStorage(flash), element.value, expected.utc)
        if later.head_seq != head + 1 or later.head_hash != journal.head_hash:
            raise NotHeld("what was appended after the recovery is not there at the next boot")


def _head(journal: Journal, expected: Expected) -> None:
    if journal.losses.gaps or journal.losses.damaged:
        raise NotHeld("an honest cut is taken for damage")
    if journal.head_seq == expected.shown:
        if journal.head_seq and journal.head_hash != CRYPTO.sha256(expected.last):
            raise NotHeld("the last record shown is not what was shown")
    elif journal.head_seq != expected.shown + 1 or journal.head_hash != CRYPTO.sha256(expected.pending):
        raise NotHeld(f"head {journal.head_seq} after {expected.shown} were shown")


def _contents(storage: LittlefsStorage, likely: dict[str, bytes]) -> dict[str, bytes]:
    """Every file's content; `likely` says how long they probably are."""
    found = {}
    for folder in FOLDERS:
        for short in storage.names(folder):
            name = f"{folder}/{short}"
            buffer = bytearray(len(likely.get(name, b"")) + 1)
            count = storage.read_into(name, 0, buffer)
            found[name] = bytes(buffer[:count]) if count < len(buffer) else storage.read(name, 1 << 20)
    return found


def _files(storage: LittlefsStorage, expected: Expected) -> str:
    """Every file old or, if it is the one under way, new. Returns "old", "new" or "empty": how that one was found."""
    found = _contents(storage, expected.files)
    state = "old"
    for name in found.keys() | expected.files.keys():
        content = found.get(name)
        if content == expected.files.get(name):
            continue
        state = "new" if content else "empty"
        if name == expected.name and content == b"" and name not in expected.files:
            continue  # littlefs commits a new file's name before its content
        if name != expected.name or content != expected.after:
            raise NotHeld(f"{name} is neither old nor new")
    return state


class Intact:
    """What must be read from an undamaged image: records, blobs, view; and the pages that reading touches."""

    def __init__(self, rig: Rig) -> None:
        self.blocks = list(rig.flash.blocks)
        self.counter, self.utc = rig.element.value, rig.clock.utc
        self.shown = dict(rig.shown)
        self.acked = rig.journal.acked_seq
        self.first = rig.journal.first_retained
        self.view = rig.journal.view.snapshot()
        self.files = dict(rig.storage.files)
        self.blobs = {n: c for n, c in rig.storage.files.items() if n.split("/")[0] in ("sealed", "private")}
        flash = NorFlash(len(self.blocks), self.blocks)
        flash.touched = set()
        word = self.judge(flash, True)
        if word != "intact":
            raise NotHeld(f"the undamaged image is {word}")
        self.pages = sorted(page for page in flash.touched if page < len(self.blocks) * 16)

    def judge(self, flash: NorFlash, whole: bool = False) -> str:
        """One of "intact", "recovered", "named CODE"; raises NotHeld if something is silently different.

        Files that are all as they were need no opening (see `after_cut`), unless `whole` asks for it.
        """
        flash.reads_left = READS
        try:
            storage = LittlefsStorage(flash)
            if not whole and _contents(storage, self.files) == self.files:
                return "intact"
            journal, _ = open_journal(storage, self.counter, self.utc)
            lost = self._records(journal)
            named = self._blobs(journal) or bool(lost)
        except JournalError as error:
            return f"named {error.code}"
        if journal.acked_seq > self.acked:
            raise NotHeld("more is acknowledged than the server acknowledged")
        if named:
            return "named gap" if lost else "named blob"
        losses = journal.losses
        if losses.recovered or losses.damaged or losses.torn or journal.acked_seq != self.acked:
            return "recovered"
        if journal.head_seq != len(self.shown) or journal.view.snapshot() != self.view:
            raise NotHeld("the state differs although nothing is named")
        return "intact"

    def _records(self, journal: Journal) -> list[int]:
        """Sequence numbers that are not to be read; each must lie in a declared gap."""
        kept: dict[int, bytes] = {}
        for record, data, _ in journal.entries(1):
            kept[record[r.SEQ]] = data
            if record[r.SEQ] <= len(self.shown):
                if data != self.shown[record[r.SEQ]]:
                    raise NotHeld(f"record {record[r.SEQ]} differs")
            elif record[r.KIND] != r.GAP:
                raise NotHeld(f"record {record[r.SEQ]} was never written")
        declared = [(gap[r.FIRST], gap[r.GAP_LAST]) for gap in journal.losses.gaps]
        lost = [seq for seq in range(self.first, len(self.shown) + 1) if seq not in kept]
        for seq in lost:
            if seq > self.acked and not any(first <= seq <= last for first, last in declared):
                raise NotHeld(f"record {seq} is missing and no gap names it")
        return lost

    def _blobs(self, journal: Journal) -> bool:
        """Whether a blob is not to be read; it must be named."""
        named = False
        for name, content in self.blobs.items():
            folder, seq = name.split("/")
            found = journal.blob(folder, int(seq))
            if found == content:
                continue
            if found is not None:
                raise NotHeld(f"{name} differs")
            named = True
            if (folder, int(seq)) not in journal.losses.blobs and journal.record_at(int(seq)) is not None:
                raise NotHeld(f"{name} is missing and not named")
        return named


def describe(error: BaseException) -> str:
    """An oracle's or any other exception in one line."""
    return f"{type(error).__name__}: {error}"


Result = dict[str, Any]
