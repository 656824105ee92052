"""Overwriting what is no longer used: after a payment, freed memory still holds the card's number until something else is put there.

On MicroPython all free blocks are taken once, in ever smaller pieces (a bytearray is filled with zeros when it is made), and let go again.
What the collector takes for used stays, and it takes every word on the C stack for an address: so this runs as a task of its own, straight
from the event loop. Frames that once held a card's data lie deeper, and none of them is on the stack then, nor what they left in it.
On CPython freed memory goes back to allocators that cannot be reached from here: nothing is done, and `docs/emv.md` says so.
"""

import asyncio
import gc
import sys

from protocol.crypto import collector

_PIECES = (4096, 512, 64, 16)  # bytes: from large holes to single blocks


async def free_memory() -> None:
    """Overwrite the free part of the heap with zeros."""
    if sys.implementation.name == "micropython":
        gc.collect()
        try:
            task = asyncio.create_task(_overwrite())
        except MemoryError:  # there is none for a task: from here, the payment has ended all the same
            _fill()
        else:
            await task


async def _overwrite() -> None:
    _fill()


def _fill() -> None:
    gc.collect()
    before = collector.hold()
    try:
        _take()
    finally:
        collector.release(before)
        gc.collect()


def _take() -> None:
    """Take every hole, then let go link by link: a stale word on the C stack may keep one link alive, never the chain."""
    chain = None
    for size in _PIECES:
        try:
            while True:
                chain = [chain, bytearray(size)]
        except MemoryError:
            continue  # no hole of this size is left
    while chain is not None:
        rest = chain[0]
        chain[0] = chain[1] = None
        chain = rest
