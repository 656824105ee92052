"""What two officers of the back office decide about money in suspense, and about payments that a fork holds, drawn apart so that the rest of a
seed's plan is what it always was.

    suspense-decided     in most of the seeds that lose records: they look at the list of what is in suspense, find out what became of it, and decide
    fork-decided         in most of the seeds that copy a terminal: they look at the list of what forks hold, and decide
    decision-forgotten   in a third of both, about: a backup of the time of a proposal is restored a while later
    lost-money           in some of the seeds that lose nothing: a terminal without a network loses approved payments (`losing.py`)
    copy-works           in most of those that copy a terminal: it and its copy take payments where neither has a network (`copying.py`)
    twin-online          in three of ten of these: one of the two keeps its network, or both do, and cards are put to their issuers under one identity
    lost-booked          so it does of what a backup lacks, and the acquirer has captured

They do as `tasdid server suspense` and `tasdid server fork` do, with the real functions. They are wrong at times, and take that back; decide about a
part first; propose again before anybody has approved; try alone what takes two, and twice what is done: that must be refused. At the end nothing may
be left to decide.

    draw.py       which seeds
    losing.py     losses with money in them
    notebook.py   what the officers have signed, and what of it a restored backup has not forgotten
    truth.py      what became of money in suspense: from what was destroyed, and from the host's book
    desk.py       to propose, and to approve a while later
    money.py      about suspense
    branches.py   about forks
    desks.py      those that a plan asks for
    judged.py     what must hold of it all
"""

from sim.worlds.simulation.verdicts.draw import draw, speaking

__all__ = ["draw", "speaking"]
