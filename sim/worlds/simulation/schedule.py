"""Virtual time: coroutines that pause, woken in order of time, then of age. Milliseconds."""

import heapq
from collections.abc import Callable, Coroutine, Generator
from typing import Any

START_UTC = 1_800_000_000  # 15 January 2027, when every simulation begins


class Pause:
    """`await Pause(ms)`: go on after that much virtual time."""

    def __init__(self, ms: int) -> None:
        self._ms = ms

    def __await__(self) -> Generator[int, None, None]:
        yield self._ms


class Task:
    """A coroutine on the schedule."""

    def __init__(self, coroutine: Coroutine[Any, Any, Any]) -> None:
        self.coroutine = coroutine
        self.done = False


class Schedule:
    """The clock and what waits for it."""

    def __init__(self) -> None:
        self.now = 0
        self._order = 0
        self._queue: list[tuple[int, int, Task | Callable[[], object]]] = []

    @property
    def utc(self) -> int:
        """Seconds since 1970."""
        return START_UTC + self.now // 1000

    def call(self, delay: int, what: Callable[[], object]) -> None:
        """Call `what` after `delay` ms."""
        self._push(delay, what)

    def again(self, every: int, what: Callable[[], None], until: int) -> None:
        """Call `what`, which looks every `every` ms whether something has changed: at the first of these times at which something can have, since
        a wake-up or `until` comes before it.
        """
        change = min(until, self._queue[0][0]) if self._queue else until
        self._push(every * max(1, -(-(change - self.now) // every)), what)

    def spawn(self, coroutine: Coroutine[Any, Any, Any], delay: int = 0) -> Task:
        """Start a coroutine after `delay` ms."""
        task = Task(coroutine)
        self._push(delay, task)
        return task

    def _push(self, delay: int, what: "Task | Callable[[], object]") -> None:
        self._order += 1
        heapq.heappush(self._queue, (self.now + max(0, delay), self._order, what))

    def run(self, until: Callable[[], bool], horizon: int, steps: int = 150_000) -> bool:
        """Go on until `until()` holds (True), or the virtual time passes `horizon` ms or `steps` wake-ups (False)."""
        for _ in range(steps):
            if until():
                return True
            if not self._queue or self._queue[0][0] > horizon:
                return False
            self.now, _, what = heapq.heappop(self._queue)
            if isinstance(what, Task):
                self._step(what)
            else:
                what()
        return False

    def _step(self, task: Task) -> None:
        if task.done:
            return
        try:
            delay = task.coroutine.send(None)
        except StopIteration:
            task.done = True
            return
        self._push(delay, task)


def inline(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine that never pauses to its end."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("a coroutine that has to run inline wants to wait")
