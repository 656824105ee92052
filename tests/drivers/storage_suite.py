"""What every storage must do (drivers/contracts/storage.py): one suite, run over each driver and on both runtimes.

`RamFlash` stands under littlefs on either; it fails when it is told to.
"""

from protocol.errors import JournalError

BLOCK = 512
BLOCKS = 64
CODES = {
    "mount": "JRN-013",
    "names": "JRN-014",
    "size": "JRN-014",
    "read_into": "JRN-014",
    "read": "JRN-014",
    "free_bytes": "JRN-014",
    "append": "JRN-012",
    "replace": "JRN-012",
    "remove": "JRN-012",
    "sync": "JRN-012",
}
BIG = bytes(range(250)) * 8


class RamFlash:
    """A block device in memory. After `left` more accesses it answers EIO; -1: never."""

    def __init__(self):
        self.data = bytearray(b"\xff" * (BLOCK * BLOCKS))
        self.left = -1

    def _fails(self):
        if self.left == 0:
            return True
        if self.left > 0:
            self.left -= 1
        return False

    def readblocks(self, block, buffer, offset=0):
        if self._fails():
            return -5
        start = block * BLOCK + offset
        buffer[:] = memoryview(self.data)[start : start + len(buffer)]
        return 0

    def writeblocks(self, block, buffer, offset=0):
        if self._fails():
            return -5
        start = block * BLOCK + offset
        self.data[start : start + len(buffer)] = buffer
        return 0

    def ioctl(self, operation, argument):
        if operation == 4:
            return BLOCKS
        if operation == 5:
            return BLOCK
        if operation == 6:
            if self._fails():
                return -5
            self.data[argument * BLOCK : (argument + 1) * BLOCK] = b"\xff" * BLOCK
        return 0


def calls(storage):
    """{method: a call of it that has something to do} over what `fill` wrote."""
    return {
        "mount": storage.mount,
        "names": lambda: storage.names("journal"),
        "size": lambda: storage.size("journal/000002.seg"),
        "read_into": lambda: storage.read_into("journal/000002.seg", 700, bytearray(900)),
        "read": lambda: storage.read("journal/000002.seg"),
        "free_bytes": storage.free_bytes,
        "append": lambda: storage.append("copies/000001.seg", BIG),
        "replace": lambda: storage.replace("state/acked", BIG),
        "remove": lambda: storage.remove("journal/000001.seg"),
        "sync": lambda: storage.sync("journal/000002.seg"),
    }


def fill(storage):
    """Some files."""
    storage.mount()
    for name in ("journal/000001.seg", "journal/000002.seg", "journal/000010.seg"):
        storage.append(name, BIG)
    storage.replace("state/acked", b"old")


def _code(doing):
    try:
        doing()
    except JournalError as error:
        return error.code
    return ""


def behaves(storage):
    """What the contract says, nothing being wrong."""
    fill(storage)
    storage.mount()
    for name in ("journal/000001.seg", "journal/000002.seg", "state/acked", "absent"):
        storage.sync(name)
    assert storage.names("journal") == ["000001.seg", "000002.seg", "000010.seg"]
    assert storage.names("absent") == [] and storage.size("journal/000003.seg") == storage.size("absent/1") == -1
    assert storage.size("journal") == -1
    storage.append("journal/000001.seg", b"end")
    buffer = bytearray(8)
    assert storage.read_into("journal/000001.seg", 1998, buffer) == 5 and buffer == b"\xf8\xf9end\0\0\0"
    assert storage.read_into("journal/000001.seg", 3000, buffer) == 0
    assert storage.read("journal/000002.seg") == BIG
    storage.replace("state/acked", b"newer")
    assert storage.read("state/acked") == b"newer" and storage.names("state") == ["acked"]
    free = storage.free_bytes()
    assert free > 4 * BLOCK
    storage.remove("journal/000002.seg")
    storage.remove("journal/000002.seg")
    assert storage.names("journal") == ["000001.seg", "000010.seg"]


def names_its_troubles(storage):
    """The codes of what a caller asks wrongly, the same on every storage."""
    fill(storage)
    buffer = bytearray(4)
    assert _code(lambda: storage.read("absent/1")) == _code(lambda: storage.read("journal/9")) == "JRN-010"
    assert _code(lambda: storage.read_into("absent/1", 0, buffer)) == "JRN-010"
    assert _code(lambda: storage.read("journal/000001.seg", 1999)) == "JRN-011"
    assert _code(lambda: storage.read("journal")) == "JRN-010"
    assert _code(lambda: storage.read_into("journal", 0, buffer)) == "JRN-014"
    for write in (storage.append, storage.replace):
        assert _code(lambda write=write: write("journal", b"x")) == "JRN-012"
        assert _code(lambda write=write: write("state/acked/1", b"x")) == "JRN-012"
    assert _code(lambda: storage.names("state/acked")) == "JRN-014"
    assert _code(lambda: storage.size("state/acked/1")) == "JRN-014"
    assert _code(lambda: storage.read_into("state/acked/1", 0, buffer)) == "JRN-014"
    assert _code(lambda: storage.remove("state/acked/1")) == "JRN-012"
    assert _code(lambda: storage.remove("journal")) == "JRN-012"


def fails_with_a_code(method, made, most=400):
    """`made()` gives (storage over `fill`'s files, function that has the n-th access from now on and all after it fail). Every access
    of a method fails once: what comes is a result or the code of this method. Returns how many failures had a code.
    """
    named = 0
    for at in range(most):
        storage, fail = made()
        fail(at)
        try:
            code = _code(calls(storage)[method])
        finally:
            through = fail(-1)
        if code:
            assert code == CODES[method], (method, at, code)
            named += 1
        if through:
            return named
    raise AssertionError("it never came to an end")
