"""Keeps what a server does beside its answers: a task that ends although nobody has ended it is said in the log, and begun again."""

import asyncio
import logging
import time
import traceback
from collections.abc import Awaitable, Callable

from server import codes

FIRST_S, MOST_S = 1.0, 60.0
"""Seconds before it is begun again: longer each time, until it has gone on for the latter."""
_log = logging.getLogger("tasdid.server")


async def keep(name: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do `work`, over and over, until cancelled."""
    wait = FIRST_S
    while True:
        began = time.monotonic()
        try:
            await work()
            _log.error("%s %s has ended; it is begun again", codes.UNEXPECTED, name)
        except Exception as error:  # noqa: BLE001 - that is what this is for
            _log.error("%s %s has ended: %s; it is begun again\n%s", codes.UNEXPECTED, name, *told(error))
        if time.monotonic() - began >= MOST_S:
            wait = FIRST_S
        await asyncio.sleep(wait)
        wait = min(2 * wait, MOST_S)


def told(error: Exception) -> tuple[str, str]:
    """An error's name, and the places that it went through: not what it says, which may quote a message."""
    return type(error).__name__, "".join(traceback.format_tb(error.__traceback__))
