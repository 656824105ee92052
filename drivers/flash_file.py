"""A block device in a host file, for MicroPython's `vfs.VfsLfs2` on the Unix build: the handheld's flash while it is a
process. MicroPython only.

Extended interface (offset within a block), 4 KiB blocks. Erased bytes read 0xFF. It has no NOR semantics of its own.
"""

BLOCK = 4096


class FileFlash:
    """`path` must exist and be a whole number of blocks long."""

    def __init__(self, path: str) -> None:
        self._file = open(path, "r+b")  # noqa: SIM115  open as long as the power is on
        self._file.seek(0, 2)
        self._blocks = self._file.tell() // BLOCK
        self._blank = b"\xff" * 256

    def readblocks(self, block: int, buffer: object, offset: int = 0) -> int:
        """Fill `buffer` from `offset` in `block`."""
        self._file.seek(block * BLOCK + offset)
        self._file.readinto(buffer)  # type: ignore[attr-defined]
        return 0

    def writeblocks(self, block: int, buffer: object, offset: int = 0) -> int:
        """Program `buffer` at `offset` in `block`."""
        self._file.seek(block * BLOCK + offset)
        self._file.write(buffer)  # type: ignore[arg-type]
        return 0

    def ioctl(self, operation: int, argument: int) -> "int | None":
        """MicroPython's block protocol: 3 sync, 4 count, 5 size, 6 erase."""
        if operation == 3:
            self._file.flush()
            return 0
        if operation == 4:
            return self._blocks
        if operation == 5:
            return BLOCK
        if operation == 6:
            self._file.seek(argument * BLOCK)
            for _ in range(BLOCK // 256):
                self._file.write(self._blank)
            return 0
        return None
