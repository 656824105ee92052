"""The process ends between write and fsync, or fsync fails, and it starts again; then the power goes: an honest terminal opens."""

import asyncio
import os

import pytest

from drivers.storage_folder import FolderStorage
from protocol import records as r
from protocol.crypto.pure import PureCrypto
from protocol.errors import JournalError
from terminal.journal.journal import Journal
from terminal.vault import Vault
from tests.support.parts import CountingElement, HandClock

OUTCOME = {r.CASE: 1, r.INTENT: 1, r.AMOUNT: 500, r.OUTCOME: r.OUTCOME_APPROVED}


class Killed(BaseException):
    """The process is no more."""


class Disk:
    """What of a folder is on the medium: content since a file's last write and fsync, entries since their folder's last fsync. An fsync
    that failed leaves the pages clean, as Linux does: only what is written again is dirty.
    """

    def __init__(self, root, monkeypatch):
        self.root, self.ends, self.after = str(root), None, -1
        self.content, self.entries, self.dirty = {}, set(), set()
        self._real = {name: getattr(os, name) for name in ("fsync", "write", "pwrite")}
        monkeypatch.setattr(os, "fsync", self._fsync)
        for name in ("write", "pwrite"):
            monkeypatch.setattr(os, name, self._writing(name))

    @staticmethod
    def _path(handle):
        return os.readlink(f"/proc/self/fd/{handle}")

    def _writing(self, name):
        def write(handle, *words):
            self.dirty.add(self._path(handle))
            return self._real[name](handle, *words)

        return write

    def _fsync(self, handle):
        path = self._path(handle)
        if self.after == 0:
            self.after = -1
            if isinstance(self.ends, OSError):
                self.dirty.discard(path)
            raise self.ends
        self.after -= 1
        if os.path.isdir(path):
            self.entries = {entry for entry in self.entries if os.path.dirname(entry) != path}
            self.entries |= {os.path.join(path, name) for name in os.listdir(path)}
        elif path in self.dirty:
            self.dirty.discard(path)
            with open(path, "rb") as file:
                self.content[os.fstat(handle).st_ino] = file.read()

    def cut(self):
        """The power goes: what is not on the medium is gone."""
        for folder, _, names in os.walk(self.root, topdown=False):
            for name in names:
                path = os.path.join(folder, name)
                known = self.content.get(os.stat(path).st_ino)
                if known is None or path not in self.entries or (folder not in self.entries and folder != self.root):
                    os.remove(path)
                else:
                    with open(path, "wb") as file:
                        file.write(known)


async def _open(root, element):
    vault = Vault(FolderStorage(str(root)), element, PureCrypto())
    await vault.open()
    journal = Journal(vault, element, HandClock(), PureCrypto(), "TSD-000001")
    await journal.open()
    return journal


async def _day(root, element, disk, before):
    journal = await _open(root, element)
    for number in range(before):
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: f"{number}"})
    disk.after = disk.at
    try:
        await journal.append(r.PAYMENT_OUTCOME, OUTCOME, sealed=b"card")
    except (Killed, JournalError):
        pass
    else:
        return False
    disk.after = -1
    again = await _open(root, element)  # the same machine, its page cache still there: this is what is shown and sent
    seen = again.head_seq, again.head_hash, [item[0][r.SEQ] for item in again.entries(1)]
    disk.cut()
    last = await _open(root, element)
    assert (last.head_seq, last.head_hash, [item[0][r.SEQ] for item in last.entries(1)]) == seen
    assert not last.losses.gaps and not last.losses.recovered
    if last.head_seq > before:
        assert last.blob("sealed", last.head_seq) == b"card"
        main = (root / "journal" / "000001.seg").read_bytes()
        assert (root / "copies" / "000001.seg").read_bytes() in main
    return True


@pytest.mark.parametrize("before", [0, 3])
@pytest.mark.parametrize("ends", [Killed(), OSError(5, "EIO")], ids=["killed", "EIO"])
def test_what_a_boot_finds_is_durable_before_the_counter_vouches_for_it(ends, before, tmp_path, monkeypatch):
    at = 0
    while True:
        root = tmp_path / str(at)
        disk = Disk(root, monkeypatch)
        disk.ends, disk.at = ends, at
        hit = asyncio.run(_day(root, CountingElement(), disk, before))
        monkeypatch.undo()
        if not hit:
            break
        at += 1
    assert at >= 6  # blob, record and copy, each with its folder


async def _first_day(root, element, disk):
    journal = await _open(root, element)
    disk.after = disk.at
    try:
        await journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})
    except (Killed, JournalError):
        pass
    else:
        return False
    disk.after = -1
    again = await _open(root, element)
    for _ in range(5):
        await again.append(r.HEALTH_EVENT, {r.HEALTH: "boot"})  # it has no second copy, whose folder would be new
    disk.cut()
    last = await _open(root, element)
    assert (last.head_seq, last.head_hash) == (again.head_seq, again.head_hash)
    return True


@pytest.mark.parametrize("ends", [Killed(), OSError(5, "EIO")], ids=["killed", "EIO"])
def test_what_is_shown_after_the_next_start_lies_in_folders_that_stay(ends, tmp_path, monkeypatch):
    """The process that makes a folder ends before the folder above it is synced."""
    at = 0
    while True:
        root = tmp_path / str(at)
        disk = Disk(root, monkeypatch)
        disk.ends, disk.at = ends, at
        hit = asyncio.run(_first_day(root, CountingElement(), disk))
        monkeypatch.undo()
        if not hit:
            break
        at += 1
    assert at >= 3  # the folder above, record and folder
