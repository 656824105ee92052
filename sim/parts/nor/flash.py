"""A serial NOR flash (W25Q class): 4 KiB sectors, 256-byte pages, programming only clears bits, erasing sets a whole
sector.

It speaks MicroPython's block protocol (`readblocks`, `writeblocks`, `ioctl`), so it stands under `vfs.VfsLfs2` there
and under littlefs-python through `drivers.storage_littlefs`. One program of at most a page, or one erase of a sector,
is an *operation*; operations are numbered from 1. The power can go at any of them (`cut_at`, `tail`): the operation is
then left as `sim.parts.nor.tails` says, and everything after it fails with EIO until `power_on`. Also: stuck pages, a
page programmed elsewhere or twice, flipped bits, wear counters.

It does not model timing, status registers, suspend, or read disturb. Blocks are immutable bytes: a copy of the whole
flash is a list of references, which is what makes a campaign over every operation affordable.
"""

from typing import TYPE_CHECKING

from sim.parts.nor import tails

if TYPE_CHECKING:
    from collections.abc import Callable

BLOCK = 4096
PAGE = 256
PAGES = BLOCK // PAGE
EIO = 5
BLANK = b"\xff" * BLOCK

PROGRAM = "program"
ERASE = "erase"


class NorFlash:
    """`blocks` sectors of 4 KiB, erased, or the content of `image` (list of 4096-byte bytes, or one bytes object)."""

    def __init__(self, blocks: int, image=None) -> None:  # noqa: ANN001 - list of bytes, bytes or None
        if image is None:
            self.blocks = [BLANK] * blocks
        elif isinstance(image, list):
            self.blocks = list(image)
        else:
            self.blocks = [bytes(image[i * BLOCK : (i + 1) * BLOCK]) for i in range(blocks)]
        self.erases = [0] * blocks
        self.programs = 0
        self.operations = 0
        self.raised_bits = 0  # programs that asked for a 0 to become 1: real flash ignores them
        self.dead = False
        self.cut_at = 0  # number of the operation at which the power goes; 0 = never
        self.cut_byte = -1  # how far a cut program came; -1 = half
        self.tail = tails.SHORT
        self.reads_left = (
            -1
        )  # after so many reads the part is silent (EIO): a file system that runs in circles is found so
        self.watch: "Callable[[NorFlash, str, int, int, bytes], None] | None" = (
            None  # called with (flash, kind, block, offset, data) before each operation
        )
        self.touched: "set[int] | None" = None  # a set of block * 16 + page that collects what is read
        self.stuck: "set[int] | tuple" = ()  # block * 16 + page of pages that take no program any more
        self.stray = {}  # operation number -> (block, page): the page is programmed there instead
        self.double = {}  # operation number -> (block, page): the page is programmed there as well

    # --- MicroPython's block protocol ---------------------------------------------------------------------------

    def readblocks(self, block: int, buffer, offset: int = 0) -> int:  # noqa: ANN001 - writable buffer
        """Fill `buffer` from `offset` in `block`; may run over sector ends. 0, or -EIO without power."""
        size = len(buffer)
        if self.dead or self.reads_left == 0:
            return -EIO
        self.reads_left -= 1
        if self.touched is not None:
            for page in range((block * BLOCK + offset) // PAGE, (block * BLOCK + offset + size - 1) // PAGE + 1):
                self.touched.add(page)
        if offset + size <= BLOCK:
            buffer[:] = self.blocks[block][offset : offset + size]
            return 0
        done = 0
        while done < size:
            part = min(BLOCK - offset, size - done)
            buffer[done : done + part] = self.blocks[block][offset : offset + part]
            done += part
            block += 1
            offset = 0
        return 0

    def writeblocks(self, block: int, buffer, offset: int = 0) -> int:  # noqa: ANN001 - bytes-like
        """Program `buffer` page by page. 0, or -EIO when the power goes or is gone."""
        done = 0
        while done < len(buffer):
            part = min(PAGE - offset % PAGE, len(buffer) - done)
            if not self._operate(PROGRAM, block + offset // BLOCK, offset % BLOCK, bytes(buffer[done : done + part])):
                return -EIO
            done += part
            offset += part
        return 0

    def ioctl(self, operation: int, argument: int):  # noqa: ANN201 - int or None
        """3 sync, 4 count, 5 size, 6 erase one sector."""
        if operation == 3:
            return -EIO if self.dead else 0
        if operation == 4:
            return len(self.blocks)
        if operation == 5:
            return BLOCK
        if operation == 6:
            return 0 if self._operate(ERASE, argument, 0, b"") else -EIO
        return 0

    # --- operations -----------------------------------------------------------------------------------------------

    def _operate(self, kind: str, block: int, offset: int, data: bytes) -> bool:
        if self.dead:
            return False
        if self.watch is not None:
            self.watch(self, kind, block, offset, data)
        self.operations += 1
        if self.operations == self.cut_at:
            self.dead = True
            self.blocks[block] = tails.cut(
                kind, self.blocks[block], offset, data, self.tail, self.cut_byte, self.operations
            )
            return False
        if kind == ERASE:
            self.erases[block] += 1
            self.blocks[block] = BLANK
            return True
        self.programs += 1
        target = self.stray.get(self.operations) if self.stray else None
        if target is not None:
            self._program(target[0], target[1] * PAGE, data)
            return True
        self._program(block, offset, data)
        target = self.double.get(self.operations) if self.double else None
        if target is not None:
            self._program(target[0], target[1] * PAGE, data)
        return True

    def _program(self, block: int, offset: int, data: bytes) -> None:
        if self.stuck and (block * BLOCK + offset) // PAGE in self.stuck:
            return
        old = self.blocks[block]
        end = offset + len(data)
        before = old[offset:end]
        if before != BLANK[: len(data)]:
            cleared = bytes([a & b for a, b in zip(before, data)])  # noqa: B905 - equal lengths; strict= is absent on MicroPython
            if cleared != data:
                self.raised_bits += 1
            data = cleared
        self.blocks[block] = old[:offset] + data + old[end:]

    # --- what a test does to it -------------------------------------------------------------------------------------

    def copy(self) -> "NorFlash":
        """A flash of the same content with the power on and no faults set; wear counts start at 0."""
        return NorFlash(len(self.blocks), self.blocks)

    def power_on(self) -> None:
        """The power is back; content as the cut left it."""
        self.dead = False
        self.cut_at = 0

    def flip(self, block: int, byte: int, bit: int) -> None:
        """Flip one stored bit, whichever way."""
        old = self.blocks[block]
        self.blocks[block] = old[:byte] + bytes((old[byte] ^ (1 << bit),)) + old[byte + 1 :]

    def copy_page(self, source: int, target: int) -> None:
        """Put page `source`'s content in page `target`'s place (numbers count pages of the whole flash)."""
        start = source % PAGES * PAGE
        data = self.blocks[source // PAGES][start : start + PAGE]
        old = self.blocks[target // PAGES]
        start = target % PAGES * PAGE
        self.blocks[target // PAGES] = old[:start] + data + old[start + PAGE :]

    def wear(self) -> dict:
        """{"erases": all, "most": of one sector, "mean": per sector (times 100), "programs": pages}."""
        total = sum(self.erases)
        return {
            "erases": total,
            "most": max(self.erases),
            "mean_x100": total * 100 // len(self.erases),
            "programs": self.programs,
        }

    def image(self) -> bytes:
        """The whole content."""
        return b"".join(self.blocks)
