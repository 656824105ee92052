"""Deliberately broken builds, to show that the simulation would notice: each replaces one function of the real code for
the length of a `with`.

The list is closed by a test: every mutation must be caught in some of the seeds it is tried on. None of them is
reachable in a real build.
"""

from sim.worlds.simulation.mutations.base import Mutation
from sim.worlds.simulation.mutations.knowing import KNOWING
from sim.worlds.simulation.mutations.office import OFFICE
from sim.worlds.simulation.mutations.server import SERVER
from sim.worlds.simulation.mutations.terminal import TERMINAL

MUTATIONS = (*TERMINAL, *SERVER, *OFFICE, *KNOWING)


def by_name(name: str) -> Mutation:
    """The mutation `name`. KeyError."""
    return {mutation.name: mutation for mutation in MUTATIONS}[name]
