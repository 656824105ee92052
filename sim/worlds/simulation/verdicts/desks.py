"""The desks that a plan's faults ask for, with one notebook, which the oracle reads as well."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from sim.worlds.simulation.schedule import Schedule
from sim.worlds.simulation.verdicts.branches import Forks
from sim.worlds.simulation.verdicts.desk import Desk
from sim.worlds.simulation.verdicts.draw import FORGOTTEN, FORKS, MONEY
from sim.worlds.simulation.verdicts.money import Money

if TYPE_CHECKING:
    from sim.worlds.simulation.centre import Centre
    from sim.worlds.simulation.oracle.judge import Oracle


def desks(plan: Any, centre: "Centre", schedule: Schedule, oracle: "Oracle", tell: Callable[[str], None]) -> list[Desk]:
    """None for most plans. `plan`: a `plan.Plan`."""
    book, found = oracle.decided, []
    book.now = lambda: schedule.now
    book.restores = [(one.at * 1000, int(one.value) * 1000) for one in plan.faults if one.kind == "backup-restore"]
    forgets = next((fault for fault in plan.faults if fault.kind == FORGOTTEN), None)
    for fault in plan.faults:
        if fault.kind == MONEY:
            book.decides_money = True
            found.append(Money(fault, centre, schedule, book, tell, oracle.fail, forgets, missing=oracle.missing))
        elif fault.kind == FORKS:
            book.decides_forks = True
            found.append(Forks(fault, centre, schedule, book, tell, oracle.fail, forgets))
    return found
