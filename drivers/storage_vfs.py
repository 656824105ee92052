"""Durable storage on a mounted MicroPython file system (littlefs 2, `vfs.VfsLfs2`). MicroPython only.

littlefs makes a file durable on `flush` (lfs_file_sync) and replaces a file's content atomically on rename; folders
need no sync of their own.
"""

import os

from drivers.contracts.storage import Storage
from protocol.errors import JournalError
from protocol.pack import stable_sorted

_ENOENT = 2


class VfsStorage(Storage):
    """Files below the mount point `root`, e.g. "/flash"."""

    def __init__(self, root: str) -> None:
        self._root = root + "/"
        self._folders: "list[str]" = []

    def names(self, folder: str) -> list:
        """Sorted file names in `folder`; temporary files of a cut `replace` are not listed."""
        try:
            return stable_sorted([n for n in os.listdir(self._root + folder) if not n.endswith(".tmp")])
        except OSError as error:
            if error.errno == _ENOENT:
                return []
            raise

    def size(self, name: str) -> int:
        """Length in bytes, -1 if absent."""
        try:
            return os.stat(self._root + name)[6]
        except OSError as error:
            if error.errno == _ENOENT:
                return -1
            raise

    def read_into(self, name: str, offset: int, buffer: object) -> int:
        """Read from `offset`; returns the number of bytes."""
        try:
            file = open(self._root + name, "rb")  # noqa: SIM115  closed below
        except OSError:
            raise JournalError("stored file is missing", "JRN-010", detail=name)
        try:
            file.seek(offset)
            return file.readinto(buffer) or 0  # type: ignore[attr-defined]
        finally:
            file.close()

    def read(self, name: str, limit: int = 65536) -> bytes:
        """The whole file."""
        size = self.size(name)
        if size < 0:
            raise JournalError("stored file is missing", "JRN-010", detail=name)
        if size > limit:
            raise JournalError("stored file is larger than it may be", "JRN-011", detail=name)
        buffer = bytearray(size)
        self.read_into(name, 0, buffer)
        return bytes(buffer)

    def append(self, name: str, data: bytes) -> None:
        """Append; the close syncs it."""
        self._write(name, data, "ab")

    def replace(self, name: str, data: bytes) -> None:
        """Old or new content after a power cut, nothing between."""
        self._write(name + ".tmp", data, "wb")
        os.rename(self._root + name + ".tmp", self._root + name)

    def remove(self, name: str) -> None:
        """Delete durably."""
        try:
            os.remove(self._root + name)
        except OSError as error:
            if error.errno != _ENOENT:
                raise

    def free_bytes(self) -> int:
        """Free blocks times block size."""
        stat = os.statvfs(self._root)
        return stat[0] * stat[3]  # type: ignore[index]

    def _write(self, name: str, data: bytes, mode: str) -> None:
        folder = name.rsplit("/", 1)[0] if "/" in name else ""
        try:
            if folder and folder not in self._folders:
                try:
                    os.mkdir(self._root + folder)
                except OSError as error:
                    if error.errno != 17:  # EEXIST
                        raise
                self._folders.append(folder)
            file = open(self._root + name, mode)  # noqa: SIM115  closed below
            try:
                file.write(data)
                file.flush()
            finally:
                file.close()
        except OSError as error:
            raise JournalError("storage refuses to write", "JRN-012", "call a technician", error.errno)
