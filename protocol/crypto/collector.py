"""Holding MicroPython's collector back while a computation leaves nothing behind but garbage.

On a terminal the collector runs every few kilobytes, so that what lives stays together. A curve's arithmetic makes a megabyte of numbers of
which none lives on: beside much that lives, collecting would take most of the time. Held back, it runs when memory is used up. On CPython
both functions do nothing.
"""

import gc
import sys

_DEVICE = sys.implementation.name == "micropython"


def hold() -> int:
    """Collect only when memory is used up; returns what `release` needs."""
    if not _DEVICE:
        return -1
    before = gc.threshold()  # type: ignore[attr-defined]
    gc.threshold(-1)  # type: ignore[attr-defined]
    return before


def release(before: int) -> None:
    """Collect as often as before `hold`."""
    if _DEVICE:
        gc.threshold(before)  # type: ignore[attr-defined]
