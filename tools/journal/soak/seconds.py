"""A second cut: at each operation of the recovery from a first one, and of the append after it.

The recovery runs once; at each of its operations the image that a cut would leave is taken, as the campaigns do with the
workload, and booted from.
"""

from protocol import records as r
from sim.parts.nor import tails
from sim.parts.nor.flash import PAGES, NorFlash
from tools.journal.soak.checks import FAILURES, Head, look_at_head, open_journal
from tools.journal.soak.rig import Element, now
from tools.journal.soak.volume import Observer, Traced, Volume

TAILS = (tails.BLANK, tails.GARBAGE)


class Second:
    """What a second cut left: `shown` is the head that the interrupted run had opened with, None if it had not come
    so far.
    """

    def __init__(self, where: str, shown: "int | None", first: bool) -> None:
        self.where = where
        self.shown = shown
        self.first = first  # an image that was not met before
        self.head = 0
        self.hash = b""
        self.error: Exception | None = None


class Seconds:
    """All second cuts of the images of one worker."""

    def __init__(self) -> None:
        self._boots = Observer(look_at_head)
        self._runs = Observer(self._recover)

    @property
    def runs(self) -> int:
        """Images booted from for real."""
        return self._boots.runs + self._runs.runs

    def of(self, blocks: list[bytes], counter: int, utc: int) -> list[Second]:
        """One for each operation of recovery and append, and each tail. Raises what the recovery raises."""
        return self._runs.see(blocks, counter, utc)

    def _recover(self, flash: Traced, counter: int, utc: int) -> list[Second]:
        found: list[Second] = []
        seen: set[tuple[int, int]] = set()
        element = Element(counter)
        shown: list[int | None] = [None]

        def watch(part: NorFlash, kind: str, block: int, offset: int, data: bytes) -> None:
            for tail in TAILS:
                cut = list(part.blocks)
                cut[block] = tails.cut(kind, cut[block], offset, data, tail, -1, part.operations + 1)
                key = (hash(tuple(cut)), element.value)
                second = Second(f"{tail} at {part.operations + 1}", shown[0], key not in seen)
                seen.add(key)
                self._boot(flash, second, cut, element.value, utc)
                found.append(second)

        flash.watch = watch
        journal = open_journal(Volume(flash), counter, utc, element)[0]
        shown[0] = journal.head_seq
        now(journal.append(r.HEALTH_EVENT, {r.HEALTH: "boot"}))
        flash.watch = None
        return found

    def _boot(self, flash: Traced, second: Second, cut: list[bytes], counter: int, utc: int) -> None:
        """Boot from `cut`; what that depends on the recovery as a whole depends on, unless the recovery wrote it."""
        try:
            found: Head = self._boots.see(cut, counter, utc)
            second.head, second.hash = found.head, found.hash
        except FAILURES as error:
            second.error = error
        flash.needs |= {page for page in self._boots.needs if page // PAGES not in flash.wiped}
