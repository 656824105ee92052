"""Durable storage in a POSIX folder (CPython on Linux): fsync of the file, and of the folder where its entry changed.

`replace` writes a temporary file, makes it durable, renames it over the old one and makes the folder durable.
"""

import os

from drivers.contracts.storage import Storage
from protocol.errors import JournalError


class FolderStorage(Storage):
    """Files below `root`, which is made if it is absent."""

    def __init__(self, root: str) -> None:
        self._root = root
        os.makedirs(root, exist_ok=True)

    def names(self, folder: str) -> list:
        """Sorted file names in `folder`; temporary files of a cut `replace` are not listed."""
        try:
            found = os.listdir(os.path.join(self._root, folder))
        except FileNotFoundError:
            return []
        return sorted(n for n in found if not n.endswith(".tmp"))

    def size(self, name: str) -> int:
        """Length in bytes, -1 if absent."""
        try:
            return os.stat(self._path(name)).st_size
        except FileNotFoundError:
            return -1

    def read_into(self, name: str, offset: int, buffer: object) -> int:
        """Read from `offset`; returns the number of bytes."""
        try:
            with open(self._path(name), "rb", buffering=0) as file:
                file.seek(offset)
                return file.readinto(buffer) or 0  # type: ignore[arg-type]
        except FileNotFoundError:
            raise JournalError("stored file is missing", "JRN-010", detail=name) from None

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
        """Append and fsync; a new file's folder entry too."""
        path = self._path(name)
        fresh = not os.path.exists(path)
        self._write(path, data, os.O_APPEND)
        if fresh:
            self._sync_folder(os.path.dirname(path))

    def replace(self, name: str, data: bytes) -> None:
        """Old or new content after a power cut, nothing between."""
        path = self._path(name)
        self._write(path + ".tmp", data, os.O_TRUNC)
        os.rename(path + ".tmp", path)
        self._sync_folder(os.path.dirname(path))

    def remove(self, name: str) -> None:
        """Delete durably."""
        path = self._path(name)
        try:
            os.remove(path)
        except FileNotFoundError:
            return
        self._sync_folder(os.path.dirname(path))

    def free_bytes(self) -> int:
        """Free space for an unprivileged user."""
        stat = os.statvfs(self._root)
        return stat.f_bavail * stat.f_frsize

    def _path(self, name: str) -> str:
        path = os.path.join(self._root, name)
        folder = os.path.dirname(path)
        if not os.path.isdir(folder):
            os.makedirs(folder, exist_ok=True)
            self._sync_folder(os.path.dirname(folder))
        return path

    def _write(self, path: str, data: bytes, flag: int) -> None:
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | flag, 0o600)
            try:
                view = memoryview(data)
                while view:
                    view = view[os.write(handle, view) :]
                os.fsync(handle)
            finally:
                os.close(handle)
        except OSError as error:
            raise JournalError("storage refuses to write", "JRN-012", "call a technician", error.errno) from None

    @staticmethod
    def _sync_folder(path: str) -> None:
        handle = os.open(path or ".", os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
