"""Durable storage on littlefs 2 through littlefs-python, over any block device of MicroPython's protocol. CPython only.

It serves the tests (over a simulated NOR flash) and the technician's reading of a handheld's flash image. The file
system's parameters are those of the handheld (`terminal.boards.mcu`): 64-byte reads and programs, 4 KiB sectors, caches
of 256 bytes, as MicroPython's VfsLfs2 sets them. Codes: `drivers.contracts.storage`.

Version on the disk: 2.1, as MicroPython 1.25 formats. It reads a volume of 2.0 and makes it one of 2.1 with its first write,
and so does this module; what one of them wrote, the other reads and writes on (`tests/conformance/journal/
test_device_image.py`). MicroPython keeps a file's time of modification beside it, this module writes none.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from littlefs import LittleFSError, UserContext, lfs

from drivers.contracts.storage import Storage, missing, refused, unmounted, unreadable

_NOENT = -2
_EXIST = -17
_READ = lfs.LFSFileFlag(1)
_APPEND = lfs.LFSFileFlag(0x0100 | 0x0800 | 2)  # create, append, write only
_WHOLE = lfs.LFSFileFlag(0x0100 | 0x0400 | 2)  # create, truncate, write only
_UNIT = 64
_CACHE = 4 * _UNIT  # as VfsLfs2 does
_DISK = 0x00020001  # told 2.0, littlefs-python refuses what a handheld wrote
_LOOKAHEAD = 32


class _Context(UserContext):
    """littlefs-python's callbacks on a block device."""

    def __init__(self, device: Any) -> None:  # the library's own would allocate a buffer
        self.device = device
        self.in_size = 0
        self.failed = False

    def read(self, cfg: Any, block: int, off: int, size: int) -> bytearray:
        buffer = bytearray(size)
        if self.device.readblocks(block, buffer, off) < 0:
            self.failed = True
        return buffer

    def prog(self, cfg: Any, block: int, off: int, data: bytes) -> int:
        return self.device.writeblocks(block, data, off)

    def erase(self, cfg: Any, block: int) -> int:
        return self.device.ioctl(6, block)

    def sync(self, cfg: Any) -> int:
        return self.device.ioctl(3, 0)


class LittlefsStorage(Storage):
    """The volume on `device`; `fresh` formats it first. Raises JournalError JRN-013."""

    context: Any = _Context  # how littlefs-python is answered; the soak has a faster one

    def __init__(self, device: Any, fresh: bool = False) -> None:
        self._context = self.context(device)
        self._config = lfs.LFSConfig(
            context=self._context,
            block_size=device.ioctl(5, 0),
            block_count=device.ioctl(4, 0),
            read_size=_UNIT,
            prog_size=_UNIT,
            cache_size=_CACHE,
            lookahead_size=_LOOKAHEAD,
            block_cycles=100,
            disk_version=_DISK,
        )
        self._fs = lfs.LFSFilesystem()
        self._folders: "set[str]" = set()
        try:
            if fresh:
                lfs.format(self._fs, self._config)
            lfs.mount(self._fs, self._config)
        except LittleFSError as error:
            raise unmounted(error.code) from None

    def close(self) -> None:
        """Unmount; writes nothing."""
        lfs.unmount(self._fs)

    @contextmanager
    def _reading(self, what: Any) -> Iterator[None]:
        """JRN-014 where littlefs or the device fails: littlefs-python takes what a device does not give for zeros."""
        self._context.failed = False
        try:
            yield
        except LittleFSError as error:
            raise unreadable(what or error.code) from None
        finally:
            if self._context.failed:
                raise unreadable(what) from None

    def names(self, folder: str) -> list:
        """Sorted file names in `folder`; temporary files of a cut `replace` are not listed."""
        found = []
        with self._reading(folder):
            try:
                handle = lfs.dir_open(self._fs, folder)
            except LittleFSError as error:
                if error.code == _NOENT:
                    return []
                raise
            try:
                while entry := lfs.dir_read(self._fs, handle):
                    if entry.type == 1 and not entry.name.endswith(".tmp"):
                        found.append(entry.name)
            finally:
                lfs.dir_close(self._fs, handle)
        return sorted(found)

    def size(self, name: str) -> int:
        """Length in bytes, -1 if absent."""
        with self._reading(name):
            try:
                found = lfs.stat(self._fs, name)
            except LittleFSError as error:
                if error.code == _NOENT:
                    return -1
                raise
            return found.size if found.type == 1 else -1

    def read_into(self, name: str, offset: int, buffer: Any) -> int:
        """Read from `offset`; returns the number of bytes."""
        with self._reading(name):
            try:
                file = lfs.file_open(self._fs, name, _READ)
            except LittleFSError as error:
                if error.code == _NOENT:
                    raise missing(name) from None
                raise
            try:
                if offset:
                    lfs.file_seek(self._fs, file, offset, 0)
                data = lfs.file_read(self._fs, file, len(buffer))
            finally:
                lfs.file_close(self._fs, file)
        buffer[: len(data)] = data
        return len(data)

    def append(self, name: str, data: bytes) -> None:
        """Append and sync."""
        self._write(name, data, _APPEND)

    def replace(self, name: str, data: bytes) -> None:
        """Old or new content after a power cut: littlefs commits a whole file's new content at once, when it is
        synced.
        """
        self._write(name, data, _WHOLE)

    def remove(self, name: str) -> None:
        """Delete durably."""
        try:
            lfs.remove(self._fs, name)
        except LittleFSError as error:
            if error.code != _NOENT:
                raise refused(error.code) from None

    def free_bytes(self) -> int:
        """Free blocks times block size."""
        with self._reading(""):
            used = lfs.fs_size(self._fs)
        return (self._config.block_count - used) * self._config.block_size

    def _write(self, name: str, data: bytes, flags: lfs.LFSFileFlag) -> None:
        try:
            self._make_folder(name)
            file = lfs.file_open(self._fs, name, flags)
            try:
                lfs.file_write(self._fs, file, bytes(data))
            finally:
                lfs.file_close(self._fs, file)
        except LittleFSError as error:
            raise refused(error.code) from None

    def _make_folder(self, name: str) -> None:
        folder = name.rsplit("/", 1)[0] if "/" in name else ""
        if not folder or folder in self._folders:
            return
        try:
            lfs.mkdir(self._fs, folder)
        except LittleFSError as error:
            if error.code != _EXIST:
                raise
        self._folders.add(folder)
