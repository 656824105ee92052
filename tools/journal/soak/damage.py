"""The oracle for damage: every record and blob is what it was, or a gap record of the chain or a code names it, or the terminal itself knows
that the server has had it. Where that is all there is for one of the lost records, the image counts apart ("acknowledged"): nothing names it.

A code that stops the terminal is counted apart ("stopped CODE"), and holds only where there is nothing to go on from (`why_stopped`).
Also the way of judging every bit flip of an image in bearable time (`judge_flip`).
"""

from collections.abc import Callable, Iterable
from typing import Any

from drivers.contracts.storage import Storage
from protocol import cbor
from protocol import records as r
from protocol.errors import JournalError
from sim.parts.nor.flash import BLOCK, PAGE, PAGES
from terminal.journal.frames import SegmentReader, new_window
from terminal.journal.journal import Journal
from tools.journal.soak.checks import FOLDERS, NotHeld, contents, open_journal
from tools.journal.soak.rig import CRYPTO, DEVICE, Element, HandClock, Rig, now
from tools.journal.soak.volume import Traced, Volume

READS = 200_000
MORE_READS = (
    100 * READS
)  # a few seconds; damaged pointers make littlefs read in long rings, none of those that were met takes a fifth of it
ENDLESS = "does not end"  # who needs these too; nothing is judged then, and no soak holds that has one
SMALLEST = 4
FREE = 900_000  # numbers of segments that there are not
FILLING = 8


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


def frames(files: dict[str, bytes]) -> dict[int, list[tuple[str, bytes]]]:
    """For each record the files in which it lies and its frame there."""
    found: dict[int, list[tuple[str, bytes]]] = {}
    reader = SegmentReader(Files(files), new_window())
    for name in files:
        if name.startswith(("journal/", "copies/")):
            for seq, offset, length in reader.index(name):
                found.setdefault(seq, []).append((name, files[name][offset - 7 : offset + length + 4]))
    return found


def _one_bit(a: bytes, b: bytes) -> bool:
    """Whether two contents differ in one bit."""
    return len(a) == len(b) and (int.from_bytes(a, "big") ^ int.from_bytes(b, "big")).bit_count() == 1


def readable(storage: Storage, name: str) -> bytes:
    """What can be read of a file, zeros in the place of what cannot; in the smallest pieces that littlefs's sectors end at."""
    try:
        size = storage.size(name)
        return storage.read(name, 1 << 20) if size >= 0 else b""
    except JournalError:
        pass
    content = bytearray()
    try:
        size = storage.size(name)
    except JournalError:
        return b""
    while len(content) < size:
        piece = bytearray(SMALLEST)
        try:
            count = storage.read_into(name, len(content), piece)
        except JournalError:
            count = SMALLEST
            piece = bytearray(SMALLEST)
        if not count:
            break
        content += piece[:count]
    return bytes(content)


def _refused(doing: Callable[..., Any], *words: Any) -> bool:
    try:
        doing(*words)
    except JournalError:
        return True
    return False


def _refuses_files(storage: Storage) -> bool:
    """Whether one of a few new files is not taken."""
    numbers = range(FREE, FREE + FILLING)
    return any(_refused(storage.append, f"journal/{number}.seg", bytes(BLOCK // 2)) for number in numbers)


def why_stopped(code: str, storage: Storage, last: "Iterable[tuple[str, bytes]]") -> None:
    """Raises NotHeld if the terminal could go on. `last`: the files and frames of the last record.

    JRN-014: a folder of the journal cannot be listed. JRN-012: the volume takes no file. JRN-025: no segment has a head. JRN-030:
    the last record lies nowhere, and nothing tells this from a storage that was rolled back.
    """
    if code == "JRN-014":
        if any(_refused(storage.names, folder) for folder in FOLDERS):
            return
    elif code == "JRN-012":
        if _refuses_files(storage):
            return
    elif code == "JRN-025":
        reader = SegmentReader(storage, new_window())
        if not any(reader.head("journal/" + name) for name in storage.names("journal")):
            return
    elif code == "JRN-030" and not any(frame in readable(storage, name) for name, frame in last):
        return
    raise NotHeld(f"stopped by {code}, and could go on")


def told(journal: Journal) -> tuple[dict[int, bytes], set[int]]:
    """({sequence number: bytes} of every record that can be read, the numbers that gap records of the chain name; where no
    record is taken, those that the next batches name).
    """
    kept: dict[int, bytes] = {}
    declared: set[int] = set()
    for gap in journal.losses.gaps if journal.room.uncounted() else ():
        declared.update(range(gap[r.FIRST], gap[r.GAP_LAST] + 1))
    for record, data, _ in journal.entries(1):
        kept[record[r.SEQ]] = data
        if record[r.KIND] == r.GAP:
            declared.update(range(record[r.FIRST], record[r.GAP_LAST] + 1))
    return kept, declared


def unnamed(lost: "Iterable[int]", declared: set[int], journal: Journal, acked: int) -> list[int]:
    """The lost records that nothing names but what the terminal keeps of the server's acknowledgement, which the server (`acked`) has given.
    Raises NotHeld for one that is neither: it is lost in silence.
    """
    found = [seq for seq in lost if seq not in declared]
    for seq in found:
        if seq > acked:
            raise NotHeld(f"record {seq} is missing and no gap names it")
        if seq > journal.view.once:
            raise NotHeld(
                f"record {seq} is missing, no gap names it and the terminal does not know that it was acknowledged"
            )
    return found


def money(shown: dict[int, bytes], seq: int, gap: dict[int, Any], journal: Journal) -> None:
    """Raises NotHeld if record `seq`, which the boot has written, is no gap record, or does not say what approved money is among the lost records. It
    may say nothing only where it cannot know: no head is whole that tells how much there was before them.
    """
    if gap[r.KIND] != r.GAP:
        raise NotHeld(f"record {seq} was never written")
    lost = [cbor.decode(shown[at]) for at in range(gap[r.FIRST], gap[r.GAP_LAST] + 1) if at in shown]
    steps = [r.approved_step(record) for record in lost]
    told = (gap.get(r.GAP_COUNT), gap.get(r.GAP_TOTAL))
    if told == (None, None):
        shelf = journal._shelf
        heads = [shelf.head(number) for number, _ in shelf.segments]
        if shelf.segments[0][0] == shelf.lowest or any(head and head[0].seq < gap[r.FIRST] for head in heads):
            raise NotHeld(f"gap record {seq} does not say what money is lost")
    elif told != (sum(count for count, _ in steps), sum(total for _, total in steps)):
        raise NotHeld(
            f"gap record {seq} says {told[0]} payments are lost, and it is {sum(count for count, _ in steps)}"
        )


class Intact:
    """What must be read from an undamaged image: records, blobs, view; and the pages that reading touches."""

    def __init__(self, rig: Rig) -> None:
        self.blocks = list(rig.flash.blocks)
        self.counter, self.utc = rig.element.value, rig.clock.utc
        self.shown = dict(rig.shown)
        self.acked = rig.acked
        self.frames = frames(rig.storage.files)
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
        self.parts = self._trace()  # the pages that mounting and each file depend on

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
        names = [name for name, needs in self.parts.items() if page in needs]
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
        """One of "intact", "recovered", "named gap", "named blob", "acknowledged", "stopped CODE"; raises NotHeld if something is silently different,
        or if the terminal stops although it could go on. ENDLESS: littlefs does not come to an end within `MORE_READS`.

        Files that are all as they were need no opening (see `after_cut`), unless `whole` asks for it.
        """
        patient = Traced(flash.blocks)
        for tried, reads in ((flash, READS), (patient, MORE_READS)):
            tried.reads_left = reads
            try:
                word = self._judge_volume(tried, whole)
            except NotHeld:
                if tried.reads_left:
                    raise
            else:
                if tried.reads_left:
                    return word
        return ENDLESS

    def _judge_volume(self, flash: Traced, whole: bool) -> str:
        try:
            storage = Volume(flash)
        except JournalError as error:
            return f"stopped {error.code}"
        try:
            if not whole and contents(storage, self.files) == self.files:
                return "intact"
        except JournalError:
            pass
        return self._judge(storage)

    def _judge(self, storage: Storage) -> str:
        try:
            journal, _ = open_journal(storage, self.counter, self.utc)
        except JournalError as error:
            why_stopped(error.code, storage, self.frames.get(len(self.shown), ()))
            return f"stopped {error.code}"
        try:
            lost, silent = self._records(journal, storage)
            blobs = self._blobs(journal)
        except JournalError as error:
            raise NotHeld(f"the journal opens, and {error.code} when it is read") from error
        self._meaning(journal)
        if journal.acked_seq > self.acked:
            raise NotHeld("more is acknowledged than the server acknowledged")
        if lost:
            return "acknowledged" if silent else "named gap"
        if blobs:
            return "named blob"
        losses = journal.losses
        if losses.recovered or losses.damaged or losses.torn or journal.acked_seq != self.acked:
            return "recovered"
        if journal.head_seq != len(self.shown) or journal.view.snapshot() != self.view:
            raise NotHeld("the state differs although nothing is named")
        return "intact"

    def _meaning(self, journal: Journal) -> None:
        """What the terminal takes for the state of its cases must not contradict the records of their payments, be others lost."""
        view = journal.view
        said = [("an orphan", *cut) for cut in [view.orphan, *view.cut.values()] if cut and cut[0]]
        for what, case in (
            ("the open case", view.case),
            ("the paid case", view.last),
            ("the voided case", view.voiding),
        ):
            if case is not None:
                outcome = case.outcome_record or {}
                for intent in {case.intent, outcome.get(r.INTENT, 0)} - {0}:
                    said.append((what, intent, case.number, case.amount))
        for what, intent, number, amount in said:
            record = cbor.decode(self.shown[intent])
            if (record.get(r.CASE), record.get(r.AMOUNT)) != (number, amount):
                raise NotHeld(f"{what} {number} takes the payment of case {record.get(r.CASE)} for its own")

    def _records(self, journal: Journal, storage: Storage) -> tuple[list[int], list[int]]:
        """(sequence numbers that are not to be read, those of them that nothing names); none may lie whole in its own segment."""
        kept, declared = told(journal)
        for seq, data in kept.items():
            if seq <= len(self.shown):
                if data != self.shown[seq]:
                    raise NotHeld(f"record {seq} differs")
            else:
                money(self.shown, seq, cbor.decode(data), journal)
        lost = [seq for seq in range(self.first, len(self.shown) + 1) if seq not in kept]
        contents: dict[str, bytes] = {}
        for seq in lost:
            for name, frame in self.frames[seq]:
                if name not in contents:
                    contents[name] = readable(storage, name)
                if frame in contents[name]:
                    raise NotHeld(f"record {seq} counts as lost and lies whole in {name}")
        return lost, unnamed(lost, declared, journal, self.acked)

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
