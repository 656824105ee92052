"""To propose a decision, and to approve it a while later: what decisions about suspense and about forks share.

Every act is a transaction of its own, as a command makes it. The functions are the real ones, of
`server.office.decisions` or `server.office.branches`.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from sqlalchemy import Connection

from protocol.errors import ParameterError
from sim.worlds.simulation.centre import Centre
from sim.worlds.simulation.draws.faults import Fault
from sim.worlds.simulation.factory import factory
from sim.worlds.simulation.four_eyes import FIRST, SECOND, Officers, another
from sim.worlds.simulation.schedule import Pause, Schedule
from sim.worlds.simulation.verdicts.notebook import Entry, Notebook

LOOK_MS = (10_000, 20_000, 45_000, 90_000)
HURRIED_MS = 5_000
WAITS_MS = (1_000, 20_000, 60_000, 240_000)  # until the second officer signs
ALONE, AGAIN, ONCE_MORE = (
    0.5,
    0.2,
    0.3,
)  # how often one tries alone; proposes anew before an approval; sends an approval twice
BESIDE_MS = 7  # what is decided never falls together with a backup, which is made on a full second
LATER = 0.2  # left for another look
OVER_A_RESTORE = 0.5  # of the proposals before one: approved after it
_SUMS = "SELECT COALESCE(SUM(amount), 0) FROM legs WHERE account LIKE ?"
ACCOUNTS = ("treasury", "receivable", "missing", "suspense")


@dataclass
class Pending:
    """A proposal that waits for the other officer; `then`: what the notebook says of it once it is approved. `held`: what the list said."""

    number: int
    payload: dict[int, Any]
    officer: int
    at: int
    due: int
    then: Entry
    held: Any


def sums() -> dict[str, int]:
    """The ledger's balances by kind of account, by plain SQL."""
    return {kind: factory().look(_SUMS, kind + ":%") for kind in ACCOUNTS}


class Desk:
    """Two officers. A subclass looks at its list; `real` is the module whose functions they use."""

    real: Any

    def __init__(
        self, fault: Fault, centre: Centre, schedule: Schedule, book: Notebook,
        tell: Callable[[str], None], fail: Callable[[str], None], forgets: Fault | None,
    ) -> None:  # fmt: skip
        self.rng = random.Random(f"officers {fault.value}")
        self.begins = fault.at * 1000 + BESIDE_MS
        self.centre, self.schedule, self.book = centre, schedule, book
        self.tell, self.fail = tell, fail
        self.waiting: dict[Any, Pending] = {}
        self._forgets, self._proposals, self._restore = forgets, 0, 0
        self._whims = self.rng.choice((0, 2, 4, 6))
        self._officers = Officers()

    @property
    def hurried(self) -> bool:
        """Whether the faults are over: nobody waits for anything any more."""
        return self.centre.hurried

    def whim(self, share: float) -> bool:
        """Whether they do something that they need not, with a probability of `share`; a few times in all, or it would never end."""
        does = self._whims > 0 and self.rng.random() < share
        self._whims -= does
        return does

    def puts_off(self, about: Any) -> bool:
        """Whether nothing is proposed about it today: a proposal waits, which may be overtaken, or it is left for another day."""
        return not self.whim(AGAIN) if about in self.waiting else not self.hurried and self.rng.random() < LATER

    def idle(self) -> bool:
        """Whether nothing is left to decide."""
        raise NotImplementedError

    def look(self) -> None:
        """Read the list, propose."""
        raise NotImplementedError

    def holds(self, about: Any) -> Any:
        """What the list says now of what a proposal is about; None if it is not in it."""
        raise NotImplementedError

    async def work(self) -> None:
        """Look every now and then; approve what is due."""
        while True:
            await Pause(HURRIED_MS if self.hurried else self.rng.choice(LOOK_MS))
            if not self.centre.up or self.idle():
                continue
            for about, pending in list(self.waiting.items()):
                if self.hurried or pending.due <= self.schedule.now:
                    del self.waiting[about]
                    self._approve(about, pending)
            self.look()

    def act(self, what: Callable[[Connection], Any]) -> str:
        """One transaction; the code with which it was refused, "" if it was not."""
        try:
            with self.centre.engine.begin() as connection:
                what(connection)
        except ParameterError as refused:
            return refused.code
        finally:
            self.centre.after_commit()
        return ""

    def propose(self, about: Any, drafted: Callable[[Connection], dict[int, Any]], then: Entry, held: Any) -> None:
        """One officer signs; in some cases he tries the other's part as well, or has overtaken a proposal that waits."""
        former = self.waiting.pop(about, None)
        officer = another(former.officer) if former else self.rng.choice((FIRST, SECOND))
        made: list[Any] = []
        self._keep_a_backup(0)
        before = sums()

        def enter(connection: Connection) -> None:
            payload = drafted(connection)
            signed = self._officers.sign(officer, self.real.PROPOSAL, payload)
            made[:] = [self.real.propose(connection, self._officers.office, signed, self.schedule.utc), payload]

        if refused := self.act(enter):
            self.fail(
                f"what {self.name(about)} is about was read from the list, and the proposal is refused: {refused}"
            )
            return
        if sums() != before:
            self.fail(f"a proposal about {self.name(about)} has changed the ledger")
        self._keep_a_backup(1)
        pending = Pending(made[0], made[1], officer, self.schedule.now, self._due(), then, held)
        self.waiting[about] = pending
        self.tell(f"officer {officer} proposes {pending.number} about {self.name(about)}: {self.words(then)}")
        if self.rng.random() < ALONE and self._sign(pending, officer) != "PRM-033":
            self.fail(f"officer {officer} alone has proposed and approved what is decided about {self.name(about)}")
        if former is not None and not self._sign(former, officer):
            self.fail(f"proposal {former.number} about {self.name(about)} was overtaken, and is approved")

    def _keep_a_backup(self, after: int) -> None:
        """Before a proposal, or `after` it: a backup that is restored a while later, unless all is quiet by then."""
        self._proposals += not after
        fault = self._forgets
        if fault is None or fault.at != 2 * self._proposals - 1 + after or self.hurried:
            return
        image, made = self.centre.backup(), self.schedule.now

        def put_back() -> None:
            if not self.hurried:
                self.book.restores.append((made, self.schedule.now))
                self.centre.restore(image)

        later = int(fault.value) * 1000 + 1
        self._restore = made + later
        self.schedule.call(later, put_back)

    def _due(self) -> int:
        """When the other officer comes to it: soon, or after a restore that is to come."""
        now = self.schedule.now
        for restore in (self._restore, *(restore for _, restore in self.book.restores)):
            if now < restore and self.rng.random() < OVER_A_RESTORE:
                return restore + self.rng.choice(WAITS_MS)
        return now + self.rng.choice(WAITS_MS)

    def _sign(self, pending: Pending, officer: int) -> str:
        """An officer's approval of what he has read; the code with which it is refused."""
        approval = self._officers.sign(officer, self.real.APPROVAL, pending.payload)
        return self.act(lambda c: self.real.approve(c, self._officers.office, approval, self.schedule.utc))

    def _approve(self, about: Any, pending: Pending) -> None:
        """The other officer reads the proposal by its number, and signs it if it is the one."""
        officer, found = another(pending.officer), {}

        def read(connection: Connection) -> None:
            found.update(self.real.proposed(connection, about, pending.number))

        before = sums()
        refused = self.act(read) or ("" if found == pending.payload else "another proposal has its number")
        refused = refused or self._sign(pending, officer)
        if refused:
            self.tell(f"proposal {pending.number} about {self.name(about)} is not approved: {refused}")
            since = self.book.restored(pending.at)
            if not since and self.holds(about) == pending.held:
                self.fail(f"nothing has changed about {self.name(about)}, and its approval is refused: {refused}")
            return
        self.tell(f"officer {officer} approves proposal {pending.number} about {self.name(about)}")
        after = sums()
        entry = replace(pending.then, at=self.schedule.now, number=pending.number)
        self.book.entries.append(entry)
        self.approved(entry, {kind: after[kind] - before[kind] for kind in ACCOUNTS})
        if self.rng.random() < ONCE_MORE and not self._sign(pending, officer):
            self.fail(f"proposal {pending.number} about {self.name(about)} is approved twice")

    def approved(self, entry: Entry, moved: dict[str, int]) -> None:
        """A decision is carried out, and has moved so much on the ledger."""
        raise NotImplementedError

    def name(self, about: Any) -> str:
        """What is decided about, in words."""
        raise NotImplementedError

    def words(self, entry: Entry) -> str:
        """What is decided, in words."""
        raise NotImplementedError
