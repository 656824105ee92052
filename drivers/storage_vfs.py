"""Durable storage on a MicroPython file system (littlefs 2, `vfs.VfsLfs2`). MicroPython only.

littlefs makes a file durable on `flush` (lfs_file_sync) and replaces a file's content atomically on rename; folders
need no sync of their own. Codes: `drivers.contracts.storage`.
"""

import os

from drivers.contracts.storage import NEW, Storage, missing, refused, unmounted, unreadable

_ENOENT = 2
_EEXIST = 17
_FOLDER = 0x4000


class VfsStorage(Storage):
    """Files below the mount point `root`, e.g. "/flash". `mounting` is called by `mount` to mount it; without it the volume
    is mounted already.
    """

    def __init__(self, root: str, mounting=None) -> None:  # noqa: ANN001 - callable or None
        self._root = root + "/"
        self._mounting = mounting
        self._folders: "list[str]" = []

    def mount(self) -> None:
        """Once. Raises JRN-013."""
        if self._mounting is None:
            return
        try:
            self._mounting()
        except OSError as error:
            raise unmounted(error.errno)
        self._mounting = None

    def names(self, folder: str) -> list:
        """Sorted file names in `folder`; temporary files of a cut `replace` are not listed."""
        return sorted(self.each(folder))

    def each(self, folder: str):  # noqa: ANN201 - iterator of names
        """The same one by one."""
        try:
            for entry in os.ilistdir(self._root + folder):  # type: ignore[attr-defined]
                if not entry[0]:  # so it says, again and again, that a block cannot be read
                    raise unreadable(folder)
                if not entry[1] & _FOLDER and not entry[0].endswith(".tmp"):
                    yield entry[0]
        except OSError as error:
            if error.errno != _ENOENT:
                raise unreadable(folder)

    def size(self, name: str) -> int:
        """Length in bytes, -1 if absent."""
        try:
            stat = os.stat(self._root + name)
            return -1 if stat[0] & _FOLDER else stat[6]
        except OSError as error:
            if error.errno == _ENOENT:
                return -1
            raise unreadable(name)

    def read_into(self, name: str, offset: int, buffer: object) -> int:
        """Read from `offset`; returns the number of bytes."""
        try:
            file = open(self._root + name, "rb")  # noqa: SIM115  closed below
            try:
                file.seek(offset)
                return file.readinto(buffer) or 0  # type: ignore[attr-defined]
            finally:
                file.close()
        except OSError as error:
            raise (missing if error.errno == _ENOENT else unreadable)(name)

    def append(self, name: str, data: bytes) -> None:
        """Append; the flush syncs it."""
        self._write(name, data, "ab")

    def replace(self, name: str, data: bytes) -> None:
        """Old or new content after a power cut, nothing between."""
        new = name[: name.rfind("/") + 1] + NEW
        self._write(new, data, "wb")
        try:
            os.rename(self._root + new, self._root + name)
        except OSError as error:
            raise refused(error.errno)

    def remove(self, name: str) -> None:
        """Delete durably."""
        try:
            os.remove(self._root + name)
        except OSError as error:
            if error.errno != _ENOENT:
                raise refused(error.errno)

    def free_bytes(self) -> int:
        """Free blocks times block size."""
        try:
            stat = os.statvfs(self._root)
        except OSError as error:
            raise unreadable(error.errno)
        return stat[0] * stat[3]  # type: ignore[index]

    def _write(self, name: str, data: bytes, mode: str) -> None:
        folder = name.rsplit("/", 1)[0] if "/" in name else ""
        try:
            if folder and folder not in self._folders:
                try:
                    os.mkdir(self._root + folder)
                except OSError as error:
                    if error.errno != _EEXIST:
                        raise
                self._folders.append(folder)
            file = open(self._root + name, mode)  # noqa: SIM115  closed below
            try:
                file.write(data)
                file.flush()
            finally:
                file.close()
        except OSError as error:
            raise refused(error.errno)
