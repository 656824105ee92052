"""Looking at a flash image once for all images that cannot look different.

What littlefs and the journal do with an image depends on the pages they read (or program without having erased their
sector first), and on nothing else of it. `Traced` notes those pages. `Observer` keeps the last looks with them: an image that
differs from one already looked at only in pages that this look did not depend on would be read, opened and appended to in just the
same way, so its result is taken over. All else is run for real.
"""

from collections.abc import Callable
from typing import Any

from littlefs import UserContext

from drivers.storage_littlefs import LittlefsStorage
from protocol.errors import TasdidError
from sim.parts.nor.flash import BLOCK, ERASE, PAGE, PAGES, NorFlash

KEPT = 8


class Traced(NorFlash):
    """A flash of this content that notes in `needs` the pages (of the whole flash) a run can have depended on."""

    def __init__(self, blocks: list[bytes]) -> None:
        super().__init__(len(blocks), blocks)
        self.wiped: set[int] = set()  # sectors that this run has erased: what was in them matters no more
        self._noted: set[tuple[int, int, int]] = set()  # (sector, offset, size)
        self._pages: set[int] = set()

    @property
    def needs(self) -> set[int]:
        """The pages so far."""
        for block, offset, size in self._noted:
            page = block * PAGES
            self._pages.update(range(page + offset // PAGE, page + (offset + size - 1) // PAGE + 1))
        self._noted.clear()
        return self._pages

    @needs.setter
    def needs(self, pages: set[int]) -> None:
        self._noted.clear()
        self._pages = pages

    def piece(self, block: int, offset: int, size: int) -> bytes:
        """What is read, nothing without power or when the reads have run out."""
        if self.dead or self.reads_left == 0:
            return b""
        self.reads_left -= 1
        if offset + size > BLOCK:
            first = self._note(block, offset, BLOCK - offset)
            return first + self._note(block + 1, 0, size - len(first))
        return self._note(block, offset, size)

    def _note(self, block: int, offset: int, size: int) -> bytes:
        if block not in self.wiped:
            self._noted.add((block, offset, size))
        return self.blocks[block][offset : offset + size]

    def _operate(self, kind: str, block: int, offset: int, data: bytes) -> bool:
        done = super()._operate(kind, block, offset, data)
        if kind == ERASE:
            if done:
                self.wiped.add(block)
        elif block not in self.wiped:
            self._noted.add((block, offset, 1))
        return done


class _Context(UserContext):
    """As `drivers.storage_littlefs` answers littlefs-python, with slices of the model's own sectors."""

    in_size = 0
    failed = False

    def __init__(self, device: Traced) -> None:  # the library's own would allocate a buffer
        self.device = device
        self.write = device.writeblocks

    def prog(self, cfg: Any, block: int, off: int, data: bytes) -> int:
        return self.write(block, data, off)

    def read(self, cfg: Any, block: int, off: int, size: int) -> Any:
        found = self.device.piece(block, off, size)
        if not found:
            self.failed = True
            return bytes(size)
        return found

    def erase(self, cfg: Any, block: int) -> int:
        return self.device.ioctl(6, block)

    def sync(self, cfg: Any) -> int:
        return self.device.ioctl(3, 0)


class Volume(LittlefsStorage):
    """littlefs on a traced flash, configured as ever."""

    context = _Context


class Observer:
    """Remembers the last results of `look(flash, *situation)`, an error included; `runs` counts those that were run."""

    def __init__(self, look: Callable[..., Any]) -> None:
        self._look = look
        self._known: list[tuple[list[bytes], tuple[Any, ...], set[int], Any]] = []
        self.runs = 0
        self.needs: set[int] = set()  # what the last result depends on

    def knows(self, blocks: list[bytes], *situation: Any) -> bool:
        """Whether `see` would not have to run anything."""
        return self._find(blocks, situation) is not None

    def see(self, blocks: list[bytes], *situation: Any) -> Any:
        """The result for an image in a situation. Raises what looking at it raised."""
        known = self._find(blocks, situation)
        if known is None:
            flash = Traced(blocks)
            self.runs += 1
            try:
                result = self._look(flash, *situation)
            except (TasdidError, AssertionError, LookupError, ValueError, TypeError) as error:
                result = error
            known = (list(blocks), situation, flash.needs, result)
            self._known = [*self._known[1 - KEPT :], known]
        self.needs = known[2]
        if isinstance(known[3], Exception):
            raise known[3].with_traceback(None)
        return known[3]

    def _find(self, blocks: list[bytes], situation: tuple[Any, ...]) -> "tuple[Any, ...] | None":
        for known in reversed(self._known):
            if known[1] == situation and not _matters(known[0], blocks, known[2]):
                return known
        return None


def _matters(old: list[bytes], new: list[bytes], needs: set[int]) -> bool:
    """Whether two images differ in a page of `needs`."""
    for block, (a, b) in enumerate(zip(old, new, strict=True)):
        if a is b or a == b:
            continue
        for page in range(PAGES):
            start = page * PAGE
            if block * PAGES + page in needs and a[start : start + PAGE] != b[start : start + PAGE]:
                return True
    return False
