"""Device half of tests/benchmarks/recovery.py: boots the journal in a folder, prints milliseconds and the last record's number."""

import asyncio
import time

from drivers.storage_vfs import VfsStorage
from protocol.crypto.pure import PureCrypto
from terminal.journal.journal import Journal


class _Element:
    """The counter where the journal left it."""

    def __init__(self, counter):
        self._counter = counter

    async def counter(self, index):
        return self._counter

    async def increment(self, index):
        self._counter += 1
        return self._counter


class _Clock:
    """For the gap records that a boot after damage appends."""

    def now(self):
        return 1700000000, 1


def main(args):
    """`args`: folder, counter."""
    journal = Journal(VfsStorage(args[0]), _Element(int(args[1])), _Clock(), PureCrypto(), "TSD-000001")
    began = time.ticks_ms()
    asyncio.run(journal.open())
    print(time.ticks_diff(time.ticks_ms(), began), journal.head_seq)
