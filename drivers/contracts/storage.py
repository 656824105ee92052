"""Contract of durable storage: a small tree of named files on flash (littlefs) or on a POSIX folder.

Names are `[a-z0-9_.-]`, one folder level (`journal/000001.seg`). What `append` and `replace` return from is durable: it survives
a power cut. Synchronous on purpose: nothing else may happen between an append and its durability.

Whatever goes wrong is a JournalError, on every storage the same: JRN-010 missing file, JRN-011 too large, JRN-012 refuses to
write, JRN-013 cannot be mounted, JRN-014 cannot be read.
"""

from protocol.errors import JournalError

UNREADABLE = "JRN-014"
NEW = "new.tmp"  # what a `replace` is writing, beside the file that it becomes: what a cut leaves is overwritten by the next


class Storage:
    """One volume."""

    def mount(self) -> None:
        """Make the volume usable, before all else; once more changes nothing. Raises JRN-013."""

    def names(self, folder: str) -> list:
        """Sorted names of the files in `folder` (empty list if there is no such folder). Raises JRN-014."""
        raise NotImplementedError

    def each(self, folder: str):  # noqa: ANN201 - iterator of names
        """The same one by one, in any order, for folders of thousands: nothing may be written before it has ended. Raises JRN-014."""
        return iter(self.names(folder))

    def size(self, name: str) -> int:
        """Length in bytes, -1 if absent. Raises JRN-014."""
        raise NotImplementedError

    def read_into(self, name: str, offset: int, buffer: object) -> int:
        """Read from `offset` into `buffer` (bytearray or memoryview); returns how many bytes. Raises JRN-010, JRN-014."""
        raise NotImplementedError

    def read(self, name: str, limit: int = 65536) -> bytes:
        """The whole file. Raises JRN-010 if absent, JRN-011 if larger than `limit`, JRN-014."""
        size = self.size(name)
        if size < 0:
            raise missing(name)
        if size > limit:
            raise JournalError("stored file is larger than it may be", "JRN-011", detail=name)
        buffer = bytearray(size)
        count = self.read_into(name, 0, buffer)
        return bytes(memoryview(buffer)[:count])

    def append(self, name: str, data: bytes) -> None:
        """Append and make durable. Raises JRN-012, if the volume is full too."""
        raise NotImplementedError

    def replace(self, name: str, data: bytes) -> None:
        """Write a whole file: after a power cut either the old or the new content is there. Raises JRN-012."""
        raise NotImplementedError

    def remove(self, name: str) -> None:
        """Delete durably; no error if absent. Raises JRN-012."""
        raise NotImplementedError

    def free_bytes(self) -> int:
        """Free space on the volume. Raises JRN-014."""
        raise NotImplementedError

    def sync(self, name: str) -> None:
        """Make durable what is found in a file, should the process that wrote it have ended before it was; no error if absent. Nothing
        to do where what is not durable is not found (littlefs). Raises JRN-012.
        """


def missing(name: str) -> JournalError:
    """JRN-010."""
    return JournalError("stored file is missing", "JRN-010", detail=name)


def refused(reason: object) -> JournalError:
    """JRN-012."""
    return JournalError("storage refuses to write", "JRN-012", "call a technician", reason)


def unmounted(reason: object) -> JournalError:
    """JRN-013."""
    return JournalError("the storage cannot be mounted", "JRN-013", "call a technician", reason)


def unreadable(what: object) -> JournalError:
    """JRN-014."""
    return JournalError("storage cannot be read", UNREADABLE, "call a technician", what)
