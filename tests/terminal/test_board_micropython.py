"""The microcontroller's board: its ports are built before its flash is looked at, so that there is a screen to say what is wrong with it."""

from drivers.storage_vfs import VfsStorage
from protocol.errors import JournalError
from tests.support.dual import raises, scratch

try:
    import vfs
except ImportError:  # where the tests are collected
    pass

SERIAL = ("secure_element", "keypad", "printer")
LINKS = ("display", "server", "diagnostic")


def test_the_ports_are_there_whatever_the_flash_holds():
    from terminal.boards import mcu

    path = scratch("board.img")
    wiring = {"store": path, "licence_reader": "link:127.0.0.1:9", "payment_reader": "link:127.0.0.1:9"}
    for name in SERIAL:
        wiring[name] = "tcp:127.0.0.1:9"
    for name in LINKS:
        wiring[name] = "tcp:127.0.0.1:9"
    for size in (0, 1000, 32 * 4096):
        with open(path, "wb") as file:
            for _ in range(size // 8):
                file.write(b"\xff" * 8)
        storage = mcu.ports(wiring).storage
        assert isinstance(storage, VfsStorage)
        assert raises(JournalError, storage.mount).code == "JRN-013"
    from drivers.flash_file import FileFlash

    vfs.VfsLfs2.mkfs(FileFlash(path), progsize=64, readsize=64, lookahead=32)
    storage.mount()
    storage.mount()
    storage.replace("state/acked", b"x")
    vfs.umount("/flash")
