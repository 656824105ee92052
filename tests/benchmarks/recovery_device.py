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


def main(args):
    """`args`: folder, counter."""
    journal = Journal(VfsStorage(args[0]), _Element(int(args[1])), None, PureCrypto(), "TSD-000001")
    began = time.ticks_ms()
    asyncio.run(journal.open())
    print(time.ticks_diff(time.ticks_ms(), began), journal.head_seq)
