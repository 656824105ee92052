"""Contract of durable storage: a small tree of named files on flash (littlefs) or on a POSIX folder.

Names are `[a-z0-9_.-]`, one folder level (`journal/000001.seg`). What `append` and `replace` return from is durable: it survives
a power cut. Synchronous on purpose: nothing else may happen between an append and its durability.
"""


class Storage:
    """One mounted volume."""

    def names(self, folder: str) -> list:
        """Sorted names of the files in `folder` (empty list if there is no such folder)."""
        raise NotImplementedError

    def size(self, name: str) -> int:
        """Length in bytes, -1 if absent."""
        raise NotImplementedError

    def read_into(self, name: str, offset: int, buffer: object) -> int:
        """Read from `offset` into `buffer` (bytearray or memoryview); returns how many bytes. Raises JournalError JRN-010."""
        raise NotImplementedError

    def read(self, name: str, limit: int = 65536) -> bytes:
        """The whole file. Raises JournalError JRN-010 if absent, JRN-011 if larger than `limit`."""
        raise NotImplementedError

    def append(self, name: str, data: bytes) -> None:
        """Append and make durable. Raises JournalError JRN-012 if the volume is full."""
        raise NotImplementedError

    def replace(self, name: str, data: bytes) -> None:
        """Write a whole file: after a power cut either the old or the new content is there."""
        raise NotImplementedError

    def remove(self, name: str) -> None:
        """Delete durably; no error if absent."""
        raise NotImplementedError

    def free_bytes(self) -> int:
        """Free space on the volume."""
        raise NotImplementedError
