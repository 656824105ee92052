"""The two oracles of the soak.

After a cut: every file is as before the storage operation under way or as after it (a new one may be there and empty);
the journal opens; its head is the last record that was shown or, byte for byte, the one being written, with its blobs and
its second copy beside it; what it declares erased is; nothing went before its time; what counts as acknowledged is what the server said last; and the
next append works, and is no damage to the boot behind it. After damage: every record and blob is
what it was, or a code or a gap names it.
"""

from typing import Any

from drivers.contracts.storage import Storage
from drivers.storage_littlefs import LittlefsStorage
from protocol import records as r
from protocol.errors import TasdidError
from terminal.journal.chain import copy_name
from terminal.journal.journal import Journal
from terminal.journal.shelf import COPIED
from tools.journal.soak.remembered import RememberingJournal
from tools.journal.soak.rig import CRYPTO, DEVICE, RETENTION, Element, HandClock, Rig, leap, now
from tools.journal.soak.volume import Observer, Traced, Volume

FOLDERS = ("journal", "copies", "sealed", "private", "state")


class NotHeld(Exception):
    """An oracle did not hold; the text says where."""


FAILURES = (NotHeld, TasdidError, AssertionError, LookupError, ValueError, TypeError, OSError)


class Expected:
    """What a rig must look like after a cut at this instant: taken over, since the rig goes on."""

    def __init__(self, rig: Rig) -> None:
        self.files = rig.storage.files
        self.name, self.after = rig.storage.name, rig.storage.after
        self.serial = rig.storage.serial
        self.counter = rig.element.value
        self.utc = rig.clock.utc
        self.shown = len(rig.shown)
        self.keeps = rig.keeps()
        self.acked = (rig.acked_before if self.name == "state/acked" else rig.acked, rig.acked)
        self.last = rig.shown.get(self.shown, b"")
        self.pending = rig.journal.pending


def open_journal(storage: Storage, counter: int, utc: int, element: "Element | None" = None) -> tuple[Journal, Element]:
    """Open the journal on a mounted volume, with a new element that stands at `counter` or the given one."""
    element = element or Element(counter)
    journal = RememberingJournal(storage, element, HandClock(utc), CRYPTO, DEVICE)
    journal.retention = RETENTION
    journal.leap = leap(RETENTION)
    now(journal.open())
    journal.hear(utc)
    journal.make_room()
    return journal, element


class Head:
    """Where a journal was found to stand: `head` and `hash`; `named` if something is declared lost; `counter` of the
    element afterwards. `later` is the same after one more append and another boot.
    """

    def __init__(self, journal: Journal, element: Element) -> None:
        self.head, self.hash = journal.head_seq, journal.head_hash
        self.first, self.acked = journal.first_retained, journal.acked_seq
        self.named = bool(journal.losses.gaps or journal.losses.damaged)
        self.counter = element.value
        self.appended = self.hash
        self.beside = beside(journal)
        self.later: Head | None = None


def beside(journal: Journal) -> str:
    """What is wrong beside the last record, if anything: a blob that it names or its second copy is missing, card data are
    there that it declares erased.
    """
    item = journal.record_at(journal.head_seq)
    if item is None:
        return ""
    record, seq = item[0], journal.head_seq
    for folder, digest in (("sealed", r.SEALED), ("private", r.PRIVATE)):
        if digest in record and journal.blob(folder, seq) is None:
            return f"record {seq} is there and its {folder} blob is not"
    shelf = journal._shelf
    if record[r.KIND] in COPIED and seq not in [at[0] for at in shelf.reader.index(copy_name(shelf.segments[-1][0]))]:
        return f"record {seq} has no second copy"
    if any(journal._storage.size(journal._blob_name("sealed", outcome)) >= 0 for outcome in journal.view.erased):
        return f"sealed card data are there that record {seq} or one before it declares erased"
    return ""


def look_at_head(flash: Traced, counter: int, utc: int) -> Head:
    """Mount and open."""
    return Head(*open_journal(Volume(flash), counter, utc))


def look_twice(flash: Traced, counter: int, utc: int) -> Head:
    """Mount, open, append a record; mount and open again."""
    journal, element = open_journal(Volume(flash), counter, utc)
    found = Head(journal, element)
    now(journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"}))
    found.appended = journal.head_hash
    found.later = Head(*open_journal(Volume(flash), element.value, utc))
    return found


class Eyes:
    """The observers of one worker, and the states of files in which the journal was opened already."""

    def __init__(self) -> None:
        self.likely: dict[str, bytes] = {}
        self.contents = Observer(lambda flash: contents(Volume(flash), self.likely))
        self.boots = Observer(look_twice)
        self.opened: set[tuple[int, str, int]] = set()

    @property
    def runs(self) -> int:
        """Images that were read or opened for real."""
        return self.contents.runs + self.boots.runs


def after_cut(blocks: list[bytes], expected: Expected, again: bool, eyes: Eyes) -> None:
    """The oracle for cuts: the files; then the journal's head, an append, and the head after it.

    What the journal makes of a volume depends on its files and the counter alone: files that were opened in the same
    state before are compared, not opened again, unless `again` asks for it or it costs nothing.
    """
    eyes.likely = expected.files
    state = (expected.serial, _files(eyes.contents.see(blocks), expected), expected.counter)
    situation = (expected.counter, expected.utc)
    if state in eyes.opened and not again and not eyes.boots.knows(blocks, *situation):
        return
    eyes.opened.add(state)
    found: Head = eyes.boots.see(blocks, *situation)
    _head(found, expected)
    if found.later is None or found.later.head != found.head + 1 or found.later.hash != found.appended:
        raise NotHeld("what was appended after the recovery is not there at the next boot")
    if found.later.named:
        raise NotHeld("what was appended after the recovery from an honest cut is taken for damage at the next boot")


def _head(found: Head, expected: Expected) -> None:
    if found.named:
        raise NotHeld("an honest cut is taken for damage")
    if found.first > expected.keeps:
        raise NotHeld(f"kept from record {found.first} on, and not from {expected.keeps}")
    if found.acked not in expected.acked:
        raise NotHeld(f"{found.acked} records count as acknowledged, and the server has said {expected.acked[1]}")
    if found.beside:
        raise NotHeld(found.beside)
    if found.head == expected.shown:
        if found.head and found.hash != CRYPTO.sha256(expected.last):
            raise NotHeld("the last record shown is not what was shown")
    elif found.head != expected.shown + 1 or found.hash != CRYPTO.sha256(expected.pending):
        raise NotHeld(f"head {found.head} after {expected.shown} were shown")


def contents(storage: LittlefsStorage, likely: dict[str, bytes]) -> dict[str, bytes]:
    """Every file's content; `likely` says how long they probably are."""
    found = {}
    for folder in FOLDERS:
        for short in storage.names(folder):
            name = f"{folder}/{short}"
            buffer = bytearray(len(likely.get(name, b"")) + 1)
            count = storage.read_into(name, 0, buffer)
            found[name] = bytes(buffer[:count]) if count < len(buffer) else storage.read(name, 1 << 20)
    return found


def _files(found: dict[str, bytes], expected: Expected) -> str:
    """Every file old or, if it is the one under way, new. Returns "old", "new" or "empty": how that one was found."""
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


def describe(error: BaseException) -> str:
    """An oracle's or any other exception in one line."""
    return f"{type(error).__name__}: {error}"


Result = dict[str, Any]
