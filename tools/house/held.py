"""Whose a world's folder is: `tasdid up` holds the lock of its folder while it runs, and so does whoever must not meet a running world there.

The lock is the file `up.lock` in the folder, held by flock(2): the system lets go of it when its holder ends, however it ends.
"""

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

from protocol.errors import ConfigError

LOCK = "up.lock"


@contextlib.contextmanager
def alone(folder: Path, todo: str) -> Iterator[None]:
    """Hold `folder` for this process alone; `todo` says what a person is to do if another has it.

    ConfigError CFG-071: another has it, or deleted it at this moment. OSError if the lock's file cannot be opened.
    """
    path = folder / LOCK
    with path.open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            found = path.stat()
        except OSError as error:
            raise ConfigError(f"a running `tasdid up` (`make run`) uses {folder}", "CFG-071", todo) from error
        if not os.path.samestat(found, os.fstat(lock.fileno())):  # a lock that was deleted meanwhile keeps nobody out
            raise ConfigError(f"the folder {folder} was deleted and made anew at this moment", "CFG-071", "try again")
        yield


@contextlib.contextmanager
def alone_if_a_world(folder: Path, todo: str) -> Iterator[None]:
    """The same where a world has ever run; any other folder is left as it is."""
    if not (folder / LOCK).exists():
        yield
        return
    with alone(folder, todo):
        yield
