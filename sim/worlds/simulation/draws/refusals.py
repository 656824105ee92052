"""The acquirer's host refuses to judge (12 invalid transaction, 30 format error, 63 security violation), drawn apart so that the rest of a seed's
plan is what it always was; nothing is restored, copied, lost or refunded in these seeds. Only a reversal is turned down in seeds of their own
before a restore, which may have forgotten that its void ended so.

What is refused fails: an alarm names it, it is listed, and goes out again only when a person says so (`server.office.failures`). Here an officer
of the back office looks at the list every now and then, has each item asked again, as a repeat, and gives some authorisations up, all of which is
signed (`server.office.rulings`). The host has heard one in three of these requests all the same, save reversals and what a card waits for: what is
refused there is told to the driver. In some seeds it has carried a reversal out, its answer is lost, and it refuses the repeats, once, twice or for
ever: what is true it says on the telephone only.
"""

import random
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import Connection, text

from protocol.errors import ParameterError
from server.acquirer import outbox
from server.acquirer.iso import reference
from server.ledger.posting import Identity
from server.office import failures, rulings
from server.store import tables as t
from server.store.engine import reading
from sim.worlds.simulation.centre import HOLDS_S, Centre
from sim.worlds.simulation.draws.faults import RARE, REFUSALS, REVERSAL_REFUSED, REVERSAL_UNSAID, Fault
from sim.worlds.simulation.factory import factory
from sim.worlds.simulation.four_eyes import FIRST, SECOND, Officers
from sim.worlds.simulation.schedule import Pause

SHARE = 0.12  # of the seeds in which it may happen
GIVEN_UP = 0.3  # of the authorisations
UNSAID = 0.4  # of these seeds
RESTORED = 0.25  # of the seeds with a restore and none of the other rare faults
FOR_EVER = 99
ASKED_FIRST = 0.5  # of the reversals: the acquirer is asked on the telephone, and the request not sent again
LOOK_MS = (20_000, 60_000, 200_000)
_LIMITS = rulings.Limits(holds=HOLDS_S)
_ANY_FAILED = "SELECT 1 FROM outbox WHERE state = 3 LIMIT 1"
_SAID = "SELECT what FROM audit WHERE code = 'ACQUIRER' AND device = :d"
_GIVEN_BACK = "SELECT 1 FROM outbox WHERE device = :d AND epoch = :e AND intent = :i AND step = 3"


def draw(seed: int, faults: list[Fault]) -> list[Fault]:
    """Which requests are refused; nothing in most seeds."""
    if any(fault.kind == "backup-restore" for fault in faults):
        return _before_a_restore(seed, faults)
    rng = random.Random(f"refusals {seed}")
    kinds = {fault.kind for fault in faults}
    apart = any(kind in RARE and kind != "new-set" or kind == "refund" or kind.startswith("lost-") for kind in kinds)
    if rng.random() >= SHARE or apart:
        return []
    taken = {fault.at for fault in faults if fault.device < 0}
    counts = [at for at in rng.sample(range(1, 9), rng.randint(1, 4)) if at not in taken]
    found = [Fault(rng.choice(tuple(REFUSALS)), -1, at, rng.choice((0, 1, 1))) for at in counts]
    if rng.random() < UNSAID:
        found.append(Fault(REVERSAL_UNSAID, -1, rng.randint(1, 3), rng.choice((1, 2, FOR_EVER))))
    return found


def _before_a_restore(seed: int, faults: list[Fault]) -> list[Fault]:
    """A reversal that is turned down, and then the database is restored: the terminal may have told its driver by then."""
    rng = random.Random(f"refused and restored {seed}")
    apart = any(fault.kind == "refund" or fault.kind.startswith("lost-") for fault in faults)
    return [] if apart or rng.random() >= RESTORED else [Fault(REVERSAL_REFUSED, -1, rng.randint(1, 3))]


class Desk:
    """The officer of the back office who looks at what failed."""

    def __init__(self, seed: int, centre: Centre, tell: Callable[[str], None]) -> None:
        self._rng = random.Random(f"refused {seed}")
        self._centre, self._tell = centre, tell
        self._officers = Officers()

    def idle(self) -> bool:
        """Whether nothing is left that can be asked again."""
        if not factory().look(_ANY_FAILED):
            return True
        with reading(self._centre.engine) as connection:
            return not any(item["again"] for item in failures.listed(connection))

    async def work(self, utc: Callable[[], int]) -> None:
        """Look, decide, wait."""
        pause = self._rng.choice(LOOK_MS)
        while True:
            await Pause(pause)
            if self._centre.up and not self.idle():
                self._decide(utc())

    def _decide(self, now: int) -> None:
        with self._centre.engine.begin() as connection:
            found = [item for item in failures.listed(connection) if item["again"]]
            done: set[Any] = set()
            for item in found:
                identity = (item["device"], item["epoch"], item["intent"])
                if identity in done:
                    continue
                done.add(identity)
                what = "given up"
                if item["step"] == failures.STEPS[t.STEP_AUTHORISE] and self._rng.random() < GIVEN_UP:
                    self._rule(connection, identity, rulings.GIVE_UP, now)
                elif item["step"] == failures.STEPS[t.STEP_REVERSE] and self._rng.random() < ASKED_FIRST:
                    what = self._by_telephone(connection, identity, now)
                else:
                    what = self._rule(connection, identity, rulings.AGAIN, now) + " asked again"
                self._tell(f"payment {identity[2]} of {identity[0]}, answered {item['response']}: {what}")
        self._centre.after_commit()

    def _rule(self, connection: Connection, identity: Identity, ruling: str, now: int) -> str:
        """An officer signs, and another one too where one alone may not; what was done."""
        payload = rulings.draft(connection, identity, ruling, "the acquirer was asked", now, _LIMITS)
        first = self._officers.sign(FIRST, rulings.RULING, payload)
        both = rulings.needs_second(connection, payload)
        second = self._officers.sign(SECOND, rulings.RULING, payload) if both else None
        return rulings.decide(connection, self._officers.office, first, now, second, _LIMITS)

    def _by_telephone(self, connection: Connection, identity: Identity, now: int) -> str:
        """A reversal that failed ends as the acquirer says it has; what nobody took the acquirer reverses by hand."""
        said = "it is reversed, says the acquirer"
        if not self._centre.is_reversed(identity):
            entry = self._centre.book.entries.get(reference(identity))
            if outbox.reversible(connection, identity):
                try:
                    self._rule(connection, identity, rulings.GIVE_UP, now)
                except ParameterError:
                    return "left for later: the acquirer may act on an earlier request"
                return "it is not reversed, says the acquirer"
            if entry is None:
                return "left as it is: the acquirer knows nothing of it"
            entry.reversed = True
            said = "the acquirer reverses it by hand"
        try:
            self._rule(connection, identity, rulings.REVERSED, now)
        except ParameterError:
            return "left for later: the acquirer may not have heard of it yet"
        return said


def unnamed(connection: Any, centre: Centre) -> Iterator[str]:
    """Sentences about refusals that no alarm names; a clearing that was refused may since be given back, which says so itself."""
    for (name, epoch, intent), step, response in centre.refused:
        said = list(connection.execute(text(_SAID), {"d": name}).scalars())
        mine = {"d": name, "e": epoch, "i": intent}
        back = step == t.STEP_CLEAR and connection.execute(text(_GIVEN_BACK), mine).first() is not None
        what = f"step {step} of payment {intent}: the acquirer answered {response}"
        if not back and not any(one.startswith(what) for one in said):
            yield f"step {step} of payment {intent} of {name} was refused ({response}), and nobody was told"
