"""The contract of storage over a POSIX folder and over littlefs on CPython: the suite that MicroPython's own passes too."""

import builtins
import errno
import os

import pytest

from drivers.storage_folder import FolderStorage
from drivers.storage_littlefs import LittlefsStorage
from protocol.errors import JournalError
from tests.drivers import storage_suite as suite

MADE = {
    "folder": lambda path: FolderStorage(str(path / "store")),
    "littlefs": lambda path: LittlefsStorage(suite.RamFlash(), fresh=True),
}


@pytest.mark.parametrize("kind", list(MADE))
@pytest.mark.parametrize("part", [suite.behaves, suite.names_its_troubles])
def test_it_does_what_the_contract_says(kind, part, tmp_path):
    part(MADE[kind](tmp_path))


class _Faults:
    """Has the system calls of this process below one folder fail with EIO from the n-th on."""

    def __init__(self, monkeypatch, root):
        self.left, self.root = -1, str(root)
        for module, name in (
            *((os, name) for name in ("open", "listdir", "stat", "statvfs", "makedirs", "rename", "remove")),
            (builtins, "open"),
        ):
            monkeypatch.setattr(module, name, self._failing(getattr(module, name), True))
        for name in ("write", "fsync", "pread", "pwrite", "fstat"):
            monkeypatch.setattr(os, name, self._failing(getattr(os, name), False))

    def _failing(self, real, by_path):
        def call(*words, **named):
            if self.left < 0 or (by_path and not str(words[0]).startswith(self.root)):
                return real(*words, **named)
            if self.left == 0:
                raise OSError(errno.EIO, "EIO")
            self.left -= 1
            return real(*words, **named)

        return call

    def fail(self, at):
        left, self.left = self.left, at
        return left != 0


@pytest.mark.parametrize("method", list(suite.CODES))
def test_every_system_call_that_fails_ends_in_a_code_of_its_method(method, tmp_path, monkeypatch):
    faults = _Faults(monkeypatch, tmp_path)
    made = [0]

    def again():
        made[0] += 1
        root = tmp_path / str(made[0])
        storage = FolderStorage(str(root / "store" if method == "mount" else root))
        if method != "mount":
            suite.fill(storage)
        return storage, faults.fail

    assert suite.fails_with_a_code(method, again) > 0


@pytest.mark.parametrize("method", [method for method in suite.CODES if method not in ("mount", "sync")])
def test_every_access_that_fails_ends_in_a_code_of_its_method(method):
    flash = suite.RamFlash()
    suite.fill(LittlefsStorage(flash, fresh=True))
    image = bytes(flash.data)

    def again():
        flash.left = -1
        flash.data[:] = image
        storage = LittlefsStorage(flash)

        def fail(at):
            left, flash.left = flash.left, at
            return left != 0

        return storage, fail

    assert suite.fails_with_a_code(method, again) > 0


def test_a_volume_that_cannot_be_mounted_has_a_code():
    flash = suite.RamFlash()
    LittlefsStorage(flash, fresh=True)
    at = flash.left = 0
    while True:
        try:
            LittlefsStorage(flash)
            break
        except JournalError as error:
            assert error.code == "JRN-013"
        at += 1
        flash.left = at
    assert at > 1
