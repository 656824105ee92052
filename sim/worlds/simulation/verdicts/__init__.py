"""What two officers of the back office decide about money in suspense, and about payments that a fork holds, drawn apart so that the rest of a
seed's plan is what it always was.

    suspense-decided   in half of the seeds that lose records: they look at the list of what is in suspense, find out what became of it, and decide
    fork-decided       in most of the seeds that copy a terminal: they look at the list of what forks hold, and decide

They do as `tasdid server suspense` and `tasdid server fork` do, with the real functions. They are wrong at times, and take that back; decide about a
part first; propose again before anybody has approved; try alone what takes two, which must be refused. When the faults are over nobody is wrong any
more, and nothing may be left to decide. In some of the first seeds a backup is restored that no other draw wanted, about the time of the decision.

    draw.py       which seeds
    notebook.py   what they have signed, and what of it a restored backup has not forgotten
    truth.py      what became of money in suspense: from what was destroyed, and from the host's book
    desk.py       to propose, and to approve a while later
    money.py      about suspense
    branches.py   about forks
    judged.py     what must hold of it all
"""

from sim.worlds.simulation.verdicts.draw import FORGOTTEN, draw

__all__ = ["FORGOTTEN", "draw"]
