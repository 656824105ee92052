"""Durable storage in a POSIX folder (CPython on Linux): fsync of the file, and of the folder where its entry changed.

`replace` writes a temporary file, makes it durable, renames it over the old one and makes the folder durable. A folder
where a file should be counts as no file. Codes: `drivers.contracts.storage`.
"""

import os

from drivers.contracts.storage import NEW, Storage, missing, refused, unmounted, unreadable


class FolderStorage(Storage):
    """Files below `root`, which is made if it is absent."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._made: "set[str]" = set()  # folders whose entry in the one above this process has synced

    def mount(self) -> None:
        """Make the root folder."""
        try:
            self._make(self._root)
        except OSError as error:
            raise unmounted(error.errno) from None

    def names(self, folder: str) -> list:
        """Sorted file names in `folder`; temporary files of a cut `replace` are not listed."""
        path = os.path.join(self._root, folder)
        try:
            found = os.listdir(path)
        except FileNotFoundError:
            return []
        except OSError:
            raise unreadable(folder) from None
        return sorted(n for n in found if not n.endswith(".tmp") and not os.path.isdir(os.path.join(path, n)))

    def size(self, name: str) -> int:
        """Length in bytes, -1 if absent."""
        path = self._path(name)
        try:
            return -1 if os.path.isdir(path) else os.stat(path).st_size
        except FileNotFoundError:
            return -1
        except OSError:
            raise unreadable(name) from None

    def read_into(self, name: str, offset: int, buffer: object) -> int:
        """Read from `offset`; returns the number of bytes."""
        try:
            with open(self._path(name), "rb", buffering=0) as file:
                file.seek(offset)
                return file.readinto(buffer) or 0  # type: ignore[arg-type]
        except FileNotFoundError:
            raise missing(name) from None
        except OSError:
            raise unreadable(name) from None

    def append(self, name: str, data: bytes) -> None:
        """Append and fsync; a new file's folder entry too."""
        path = self._place(name)
        fresh = not os.path.exists(path)
        self._write(path, data, os.O_APPEND)
        if fresh:
            self._sync_folders(os.path.dirname(path))

    def replace(self, name: str, data: bytes) -> None:
        """Old or new content after a power cut, nothing between."""
        path = self._place(name)
        new = os.path.join(os.path.dirname(path), NEW)
        self._write(new, data, os.O_TRUNC)
        try:
            os.rename(new, path)
        except OSError as error:
            raise refused(error.errno) from None
        self._sync_folders(os.path.dirname(path))

    def remove(self, name: str) -> None:
        """Delete durably."""
        path = self._path(name)
        try:
            os.remove(path)
        except FileNotFoundError:
            return
        except OSError as error:
            raise refused(error.errno) from None
        self._sync_folders(os.path.dirname(path))

    def free_bytes(self) -> int:
        """Free space for an unprivileged user."""
        try:
            stat = os.statvfs(self._root)
        except OSError as error:
            raise unreadable(error.errno) from None
        return stat.f_bavail * stat.f_frsize

    def sync(self, name: str) -> None:
        """File, its folder and the root. What is in the file is written once more: after an fsync that failed Linux takes the
        pages for clean, and another fsync would have nothing to do.
        """
        path = self._path(name)
        try:
            mine = os.access(path, os.W_OK)  # not where a technician only reads
            handle = os.open(path, os.O_RDWR if mine else os.O_RDONLY)
            try:
                if mine:
                    _write_again(handle)
                os.fsync(handle)
            finally:
                os.close(handle)
        except FileNotFoundError:
            return
        except OSError as error:
            raise refused(error.errno) from None
        self._sync_folders(os.path.dirname(path), self._root)

    def _path(self, name: str) -> str:
        return os.path.join(self._root, name)

    def _place(self, name: str) -> str:
        """The path of a file that is about to be written, in a folder that is there."""
        path = self._path(name)
        folder = os.path.dirname(path)
        try:
            self._make(folder)
        except OSError as error:
            raise refused(error.errno) from None
        return path

    def _make(self, folder: str) -> None:
        """Make a folder and those above it, each synced into the one above; so is, once, one that was there at the start: the process that
        made it may have ended before it did that.
        """
        above, there = os.path.dirname(folder), os.path.isdir(folder)
        if there and folder not in self._made:
            try:
                _sync_folder(above)
            except PermissionError:  # who may not read it has made nothing in it that counts
                pass
        elif folder and not there:
            self._make(above)
            os.mkdir(folder)
            _sync_folder(above)
        self._made.add(folder)

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
            raise refused(error.errno) from None

    @staticmethod
    def _sync_folders(*paths: str) -> None:
        try:
            for path in paths:
                _sync_folder(path)
        except OSError as error:
            raise refused(error.errno) from None


def _sync_folder(path: str) -> None:
    handle = os.open(path or ".", os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _write_again(handle: int) -> None:
    try:
        content = os.pread(handle, os.fstat(handle).st_size, 0)
    except OSError:
        return  # damaged: what can be read of it is the reader's matter
    os.pwrite(handle, content, 0)
