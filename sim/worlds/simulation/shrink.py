"""From a failing seed to a short story: leave out faults one by one, then tasks, then terminals, as long as an
invariant still breaks.

The shrunk plan breaks at least one of the sentences of the same kind (its text without numbers) as the original, so
that the story told is the story of that failure.
"""

import re
from dataclasses import replace

from sim.worlds.simulation import run
from sim.worlds.simulation.draws.plan import Plan
from sim.worlds.simulation.run import Outcome

MOST_RUNS = 200


def kinds(broken: list[str]) -> set[str]:
    """What broke, without names and numbers."""
    return {re.sub(r"\d+", "N", sentence.split(":")[0]) for sentence in broken}


class Shrinker:
    """One failure being made smaller."""

    def __init__(self, failed: Outcome) -> None:
        self.best = failed
        self.wanted = kinds(failed.broken)
        self.runs = 0

    def _try(self, plan: Plan) -> bool:
        if self.runs >= MOST_RUNS:
            return False
        self.runs += 1
        outcome = run.play(plan)
        if outcome.broken and kinds(outcome.broken) & self.wanted:
            self.best = outcome
            return True
        return False

    def shrink(self) -> Outcome:
        """The smallest failing plan found, played."""
        smaller = True
        while smaller:
            smaller = self._drop_faults() | self._drop_tasks() | self._drop_terminals()
        return self.best

    def _drop_faults(self) -> bool:
        """Halves first, then one by one."""
        dropped = False
        size = max(1, len(self.best.plan.faults) // 2)
        while size >= 1:
            at = 0
            while at < len(self.best.plan.faults):
                faults = self.best.plan.faults
                if self._try(replace(self.best.plan, faults=faults[:at] + faults[at + size :])):
                    dropped = True
                else:
                    at += size
            size //= 2
        return dropped

    def _drop_tasks(self) -> bool:
        dropped = False
        for device in range(len(self.best.plan.tasks)):
            at = 0
            while at < len(self.best.plan.tasks[device]):
                tasks = [list(own) for own in self.best.plan.tasks]
                del tasks[device][at]
                if self._try(replace(self.best.plan, tasks=tasks)):
                    dropped = True
                else:
                    at += 1
        return dropped

    def _drop_terminals(self) -> bool:
        """The last terminal, when nothing is tied to it."""
        plan = self.best.plan
        last = len(plan.tasks) - 1
        if last < 1 or any(fault.device >= last for fault in plan.faults):
            return False
        return self._try(replace(plan, tasks=plan.tasks[:-1]))


def shrink(failed: Outcome) -> tuple[Outcome, int]:
    """(the smallest failure found, how many runs it took)."""
    shrinker = Shrinker(failed)
    return shrinker.shrink(), shrinker.runs


def story(outcome: Outcome) -> list[str]:
    """A failure told: what was done, what went wrong, what happened, what broke."""
    lines = [f"seed {outcome.plan.seed}"]
    for index, tasks in enumerate(outcome.plan.tasks):
        lines.append(f"  terminal {index + 1}: " + ("; ".join(task.tell() for task in tasks) or "nothing but settling"))
    lines += ["  fault: " + fault.tell() for fault in outcome.plan.faults]
    lines += ["  " + line for line in outcome.story]
    return lines + ["  BROKEN: " + sentence for sentence in outcome.broken]
