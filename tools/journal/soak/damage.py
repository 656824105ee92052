"""The oracle for damage: every record and blob is what it was, or a code or a gap names it.

Also the way of judging every bit flip of an image in bearable time (`judge_flip`).
"""

from typing import Any

from drivers.contracts.storage import Storage
from protocol import records as r
from protocol.errors import JournalError
from sim.parts.nor.flash import PAGE, PAGES
from terminal.journal.journal import Journal
from tools.journal.soak.checks import FOLDERS, NotHeld, contents, open_journal
from tools.journal.soak.rig import CRYPTO, DEVICE, Element, HandClock, Rig, now
from tools.journal.soak.volume import Traced, Volume

READS = 200_000


class Files(Storage):
    """Files in memory, for the journal to open."""

    def __init__(self, files: dict[str, bytes]) -> None:
        self.files = files

    def names(self, folder: str) -> list[str]:
        """Of a folder, sorted."""
        start = folder + "/"
        return sorted(name[len(start) :] for name in self.files if name.startswith(start))

    def size(self, name: str) -> int:
        """-1 if absent."""
        return len(self.files[name]) if name in self.files else -1

    def read_into(self, name: str, offset: int, buffer: Any) -> int:
        """JRN-010 if absent."""
        data = self.read(name)[offset : offset + len(buffer)]
        buffer[: len(data)] = data
        return len(data)

    def read(self, name: str, limit: int = 65536) -> bytes:
        """JRN-010 if absent."""
        if name not in self.files:
            raise JournalError("stored file is missing", "JRN-010", detail=name)
        return self.files[name]

    def append(self, name: str, data: bytes) -> None:
        """At the end."""
        self.files[name] = self.files.get(name, b"") + bytes(data)

    def replace(self, name: str, data: bytes) -> None:
        """All of it."""
        self.files[name] = bytes(data)

    def remove(self, name: str) -> None:
        """No error if absent."""
        self.files.pop(name, None)

    def free_bytes(self) -> int:
        """Enough."""
        return 1 << 20


def _one_bit(a: bytes, b: bytes) -> bool:
    """Whether two contents differ in one bit."""
    return len(a) == len(b) and (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).bit_count() == 1


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
        self.on_files = 0  # flips that were judged on the files
        self.blobs = {n: c for n, c in rig.storage.files.items() if n.split("/")[0] in ("sealed", "private")}
        flash = Traced(self.blocks)
        word = self.judge(flash, True)
        if word != "intact":
            raise NotHeld(f"the undamaged image is {word}")
        self.pages = sorted(flash.needs | self._read_plainly())
        self._parts = self._trace()

    def _read_plainly(self) -> set[int]:
        """The pages that the journal reads which remembers nothing: it asks for other pieces of a file."""
        flash = Traced(self.blocks)
        journal = Journal(Volume(flash), Element(self.counter), HandClock(self.utc), CRYPTO, DEVICE)
        now(journal.open())
        if len([*journal.entries(1)]) < len(self.shown) - self.first:
            raise NotHeld("the undamaged image lacks records")
        return flash.needs

    def _trace(self) -> dict[str, set[int]]:
        """The pages that mounting ("") and reading each file after it depend on."""
        flash = Traced(self.blocks)
        storage = Volume(flash)
        parts = {"": flash.needs}
        for folder in FOLDERS:
            flash.needs = set()
            storage.names(folder)
            parts[""] = parts[""] | flash.needs
        for name in self.files:
            flash.needs = set()
            storage.read(name, 1 << 20)
            parts[name] = flash.needs
        return parts

    def judge_flip(self, page: int, byte: int, bit: int) -> str:
        """As `judge`, of the image with one bit of a page other.

        Where the page is read for one file's sake only, that file alone is read back through littlefs, the others being
        read as ever; and if one bit of it is then other, the page holds its content and no structure, and the journal is opened
        on the files. In every other case it is opened on the damaged volume.
        """
        flash = Traced(self.blocks)
        flash.flip(page // PAGES, page % PAGES * PAGE + byte, bit)
        names = [name for name, needs in self._parts.items() if page in needs]
        if len(names) != 1 or not names[0]:
            return self.judge(flash)
        name = names[0]
        try:
            content = Volume(flash).read(name, 1 << 20)
        except JournalError:
            return self.judge(flash)
        if not _one_bit(content, self.files[name]):
            return self.judge(flash)
        self.on_files += 1
        return self._judge(Files({**self.files, name: content}))

    def judge(self, flash: Traced, whole: bool = False) -> str:
        """One of "intact", "recovered", "named CODE"; raises NotHeld if something is silently different.

        Files that are all as they were need no opening (see `after_cut`), unless `whole` asks for it.
        """
        flash.reads_left = READS
        try:
            storage = Volume(flash)
            if not whole and contents(storage, self.files) == self.files:
                return "intact"
        except JournalError as error:
            return f"named {error.code}"
        return self._judge(storage)

    def _judge(self, storage: Storage) -> str:
        try:
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
