"""Two processes that ask the acquirer in turn, drawn apart so that the rest of a seed's plan is what it always was.

The second one, and the first one beside it, take their time: the host answers after a while, and a process may stand still (a machine that is
moved, a disk that is full) before it writes anything down, for longer than what it has claimed is its own. After a request's last look at the
outbox (`server.acquirer.outbox.hold`) it stands still for less than that: what comes between these two nobody can see.
"""

import random
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sqlalchemy import Connection

from server.acquirer.iso import Answer, Request
from server.acquirer.link import AcquirerLink
from server.codes import AcquirerError
from sim.worlds.simulation.draws.faults import Fault
from sim.worlds.simulation.schedule import Pause

if TYPE_CHECKING:
    from sim.worlds.simulation.centre import Centre

KIND = "two-workers"
SHARE = 0.1  # of the seeds
STILL = 0.15  # of the times that something is written down
ANSWERED_MS = (200, 2_000, 9_000)
BEFORE_SENDING_MS = (0, 0, 0, 40_000)
STILL_MS = (20_000, 70_000, 150_000, 400_000)


class ServerDied(BaseException):
    """The server's process ended; no code of it may catch this."""


def draw(seed: int) -> list[Fault]:
    """Whether two processes ask; the fault's number is how they take their time."""
    rng = random.Random(f"workers {seed}")
    if rng.random() >= SHARE:
        return []
    return [Fault(KIND, -1, rng.randint(1, 1_000_000))]


class Line(AcquirerLink):
    """The connection to the host: at once, and with a `rng` after a while, as long as the centre is in the `life` in which it was opened."""

    def __init__(self, centre: "Centre", rng: random.Random | None) -> None:
        self._centre, self._rng, self._life = centre, rng, centre.life

    async def exchange(self, request: Request, now: int) -> Answer:
        """One request and its answer."""
        rng = self._rng
        if rng is None:
            return self._centre.ask_host(request, now)
        await self._pass(rng.choice(BEFORE_SENDING_MS))
        answer, error = None, None
        try:
            answer = self._centre.ask_host(request, now)
        except AcquirerError as silence:
            error = silence
        await self._pass(rng.choice(ANSWERED_MS))
        if answer is None:
            raise error or AssertionError
        return answer

    async def write(self, operation: Callable[[Connection], Any], device: str = "") -> Any:  # noqa: ARG002 - SQLite knows one writer
        """One operation, in a transaction of its own."""
        if self._rng is not None and self._rng.random() < STILL:
            await self._pass(self._rng.choice(STILL_MS))
        with self._centre.engine.begin() as connection:
            return operation(connection)

    async def _pass(self, ms: int) -> None:
        """Time passes; a process that ended meanwhile does nothing any more."""
        if ms and not self._centre.hurried:
            await Pause(ms)
        if self._centre.life != self._life:
            raise ServerDied

    async def close(self) -> None:
        """Nothing is open."""
