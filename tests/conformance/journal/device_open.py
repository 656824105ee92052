"""Runs on MicroPython: opens the journal in a flash image and prints "milliseconds records heap-in-use-after".

micropython device_open.py IMAGE COUNTER
"""

import asyncio
import gc
import sys
import time

import vfs

from drivers.flash_file import FileFlash
from drivers.storage_vfs import VfsStorage
from protocol.crypto.pure import PureCrypto
from terminal.journal.journal import Journal
from tests.support.parts import CountingElement, HandClock


async def main(path, counter):
    """Mount, open, report. Collecting often, as the board does, keeps free memory in one piece."""
    gc.threshold(4096)
    vfs.mount(vfs.VfsLfs2(FileFlash(path), progsize=64, readsize=64, lookahead=32), "/flash")
    element = CountingElement()
    element.counters[0] = counter
    gc.collect()
    before = gc.mem_alloc()
    journal = Journal(VfsStorage("/flash"), element, HandClock(), PureCrypto(), "TSD-000001")
    began = time.ticks_ms()
    await journal.open()
    taken = time.ticks_diff(time.ticks_ms(), began)
    gc.collect()
    print(taken, journal.head_seq, gc.mem_alloc() - before)


asyncio.run(main(sys.argv[1], int(sys.argv[2])))
