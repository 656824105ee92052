"""Durable storage on littlefs 2 through littlefs-python, over any block device of MicroPython's protocol. CPython only.

It serves the tests (over a simulated NOR flash) and the technician's reading of a handheld's flash image. The file
system's parameters are those of the handheld (`terminal.boards.mcu`): 256-byte reads and programs, 4 KiB sectors, 1
KiB caches, as MicroPython's VfsLfs2 sets them. JRN-010 missing file, JRN-011 too large, JRN-012 refuses to write,
JRN-013 cannot be mounted, JRN-014 cannot be read.
"""

from typing import Any

from littlefs import LittleFSError, UserContext, lfs

from drivers.contracts.storage import Storage
from protocol.errors import JournalError

_NOENT = -2
_EXIST = -17
_READ = lfs.LFSFileFlag(1)
_APPEND = lfs.LFSFileFlag(0x0100 | 0x0800 | 2)  # create, append, write only
_WHOLE = lfs.LFSFileFlag(0x0100 | 0x0400 | 2)  # create, truncate, write only
_CACHE = 1024
_DISK = 0x00020000  # what MicroPython 1.25's littlefs writes; a later one would not be mounted there
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
        self._config = lfs.LFSConfig(
            context=self.context(device),
            block_size=device.ioctl(5, 0),
            block_count=device.ioctl(4, 0),
            read_size=256,
            prog_size=256,
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
            raise JournalError("the storage cannot be mounted", "JRN-013", "call a technician", error.code) from None

    def close(self) -> None:
        """Unmount; writes nothing."""
        lfs.unmount(self._fs)

    def names(self, folder: str) -> list:
        """Sorted file names in `folder`; temporary files of a cut `replace` are not listed."""
        try:
            handle = lfs.dir_open(self._fs, folder)
        except LittleFSError as error:
            if error.code == _NOENT:
                return []
            raise _unreadable(folder, error) from None
        found = []
        try:
            while entry := lfs.dir_read(self._fs, handle):
                if entry.type == 1 and not entry.name.endswith(".tmp"):
                    found.append(entry.name)
        except LittleFSError as error:
            raise _unreadable(folder, error) from None
        finally:
            lfs.dir_close(self._fs, handle)
        return sorted(found)

    def size(self, name: str) -> int:
        """Length in bytes, -1 if absent."""
        try:
            return lfs.stat(self._fs, name).size
        except LittleFSError as error:
            if error.code == _NOENT:
                return -1
            raise _unreadable(name, error) from None

    def read_into(self, name: str, offset: int, buffer: Any) -> int:
        """Read from `offset`; returns the number of bytes."""
        try:
            file = lfs.file_open(self._fs, name, _READ)
        except LittleFSError as error:
            if error.code == _NOENT:
                raise JournalError("stored file is missing", "JRN-010", detail=name) from None
            raise _unreadable(name, error) from None
        try:
            if offset:
                lfs.file_seek(self._fs, file, offset, 0)
            data = lfs.file_read(self._fs, file, len(buffer))
        except LittleFSError as error:
            raise _unreadable(name, error) from None
        finally:
            lfs.file_close(self._fs, file)
        buffer[: len(data)] = data
        return len(data)

    def read(self, name: str, limit: int = 65536) -> bytes:
        """The whole file."""
        size = self.size(name)
        if size < 0:
            raise JournalError("stored file is missing", "JRN-010", detail=name)
        if size > limit:
            raise JournalError("stored file is larger than it may be", "JRN-011", detail=name)
        buffer = bytearray(size)
        count = self.read_into(name, 0, buffer)
        return bytes(buffer[:count])

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
                raise _refused(error) from None

    def free_bytes(self) -> int:
        """Free blocks times block size."""
        try:
            used = lfs.fs_size(self._fs)
        except LittleFSError as error:
            raise _unreadable("", error) from None
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
            raise _refused(error) from None

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


def _refused(error: LittleFSError) -> JournalError:
    return JournalError("storage refuses to write", "JRN-012", "call a technician", error.code)


def _unreadable(name: str, error: LittleFSError) -> JournalError:
    return JournalError("storage cannot be read", "JRN-014", "call a technician", name or error.code)
