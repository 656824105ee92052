"""The contract of storage over MicroPython's own littlefs, the way the handheld uses it."""

import os

from drivers.flash_file import FileFlash
from drivers.storage_vfs import VfsStorage
from protocol.errors import JournalError
from tests.drivers import storage_suite as suite
from tests.support.dual import scratch

try:
    import vfs
except ImportError:  # where the tests are collected
    pass

ROOT = "/suite"


def _mounting(flash):
    """What mounts the volume on the device that `flash` gives."""
    return lambda: vfs.mount(vfs.VfsLfs2(flash(), progsize=64, readsize=64, lookahead=32), ROOT)


class _Volume:
    """A volume that was formatted, to be mounted by the storage."""

    def __init__(self):
        self.flash = suite.RamFlash()
        vfs.VfsLfs2.mkfs(self.flash, progsize=64, readsize=64, lookahead=32)
        self.storage = VfsStorage(ROOT, _mounting(lambda: self.flash))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.flash.left = -1
        try:
            vfs.umount(ROOT)
        except OSError:
            pass


def test_it_does_what_the_contract_says():
    with _Volume() as volume:
        suite.behaves(volume.storage)


def test_what_is_asked_wrongly_has_the_codes_of_every_storage():
    with _Volume() as volume:
        suite.names_its_troubles(volume.storage)


def test_what_cut_replacements_leave_is_one_file_at_most():
    with _Volume() as volume:
        volume.storage.mount()
        volume.storage.replace("sealed/0", b"first")
        for seq in range(1, 120, 3):
            volume.flash.left = seq
            try:
                volume.storage.replace("sealed/" + str(seq), bytes(1000))
            except JournalError:
                pass
            volume.flash.left = -1
            vfs.umount(ROOT)
            volume.storage = VfsStorage(ROOT, _mounting(lambda: volume.flash))
            volume.storage.mount()
        found = [entry[0] for entry in os.ilistdir(ROOT + "/sealed")]
        assert len([name for name in found if name.endswith(".tmp")]) == 1, found
        volume.storage.replace("sealed/99", b"new")
        found = [entry[0] for entry in os.ilistdir(ROOT + "/sealed")]
        assert "99" in found and not [name for name in found if name.endswith(".tmp")], found


def test_what_is_open_already_is_mounted_by_nobody():
    with _Volume() as volume:
        volume.storage.mount()
        other = VfsStorage(ROOT)
        other.mount()
        other.append("a/b", b"x")
        assert volume.storage.read("a/b") == b"x"


def test_every_access_that_fails_ends_in_a_code_of_its_method():
    volume = _Volume()
    with volume:
        suite.fill(volume.storage)
    image = bytes(volume.flash.data)
    for method in suite.CODES:
        if method == "mount":
            continue

        def made():
            volume.__exit__()
            volume.flash.data[:] = image
            volume.storage = VfsStorage(ROOT, _mounting(lambda: volume.flash))
            volume.storage.mount()

            def fail(at):
                left, volume.flash.left = volume.flash.left, at
                return left != 0

            return volume.storage, fail

        named = suite.fails_with_a_code(method, made)
        assert named > 0 or method in ("sync",), method
    volume.__exit__()


def _code_of_mounting(flash):
    try:
        VfsStorage(ROOT, _mounting(flash)).mount()
    except JournalError as error:
        return error.code
    vfs.umount(ROOT)
    return ""


def test_a_volume_that_cannot_be_mounted_has_a_code():
    assert _code_of_mounting(suite.RamFlash) == "JRN-013"
    assert _code_of_mounting(lambda: FileFlash(scratch("no flash there"))) == "JRN-013"
    with open(scratch("short.img"), "wb") as file:
        file.write(b"\xff" * 100)
    assert _code_of_mounting(lambda: FileFlash(scratch("short.img"))) == "JRN-013"
    volume = _Volume()
    at = 0
    while True:
        volume.flash.left = at
        if not _code_of_mounting(lambda: volume.flash):
            break
        at += 1
    assert at > 1
