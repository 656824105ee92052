"""Whether a terminal is off: an export opens its storage as the terminal would, mends it, and counts in its secure element; two at once spoil both.

Two things tell of a live one. A simulated world holds the lock of its folder, in which the store and the element's state lie; and a
process of this machine runs a board (`terminal.boards`) whose wiring names that storage. A board without /proc is not seen.
"""

import contextlib
import itertools
import json
import os
from collections.abc import Iterator
from pathlib import Path

from protocol.errors import ConfigError
from tools.house import held

TODO = "switch the terminal off (Ctrl-C ends `make run`), then export"
BOARDS = b"terminal.boards."


@contextlib.contextmanager
def off(*paths: Path) -> Iterator[None]:
    """Keep worlds out in whose folders these paths lie, for the block's length. ConfigError CFG-071 one runs, CFG-108 a terminal does."""
    with contextlib.ExitStack() as locks:
        for folder in sorted({path.resolve().parent for path in paths}):
            try:
                locks.enter_context(held.alone_if_a_world(folder, TODO))
            except OSError as error:
                raise ConfigError(f"the lock in {folder} cannot be opened", "CFG-070", TODO, error.errno) from error
        for process in Path("/proc").glob("[0-9]*"):
            if any(_same(named, path) for named in _stores(process) for path in paths):
                raise ConfigError(f"process {process.name} is a terminal that uses this storage", "CFG-108", TODO)
        yield


def _stores(process: Path) -> Iterator[Path]:
    """The storage that a board's process was started with, by its wiring."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError):  # ended meanwhile, another's, or no wiring
        words = (process / "cmdline").read_bytes().split(b"\0")
        for board, wiring in itertools.pairwise(words):
            if board.startswith(BOARDS):
                place = Path(os.readlink(process / "cwd"))
                yield place / json.loads((place / os.fsdecode(wiring)).read_text())["store"]


def _same(one: Path, other: Path) -> bool:
    with contextlib.suppress(OSError):
        return one.samefile(other)
    return False
