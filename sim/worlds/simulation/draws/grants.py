"""What the host says that is neither a plain approval nor a plain refusal, drawn apart so that the rest of a seed's plan is what it always was.

host-partial, host-less, host-vip   the issuer approves half of the amount (10, or 00 with a smaller field 4), or the whole as 11
host-late, host-busy, host-broken   68, 09 or 96 instead of an answer; the host has acted, or not
"""

import random
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from sqlalchemy import text

from server import codes
from sim.worlds.simulation.draws.faults import GRANTS, WORDS, Fault

if TYPE_CHECKING:
    from sim.worlds.simulation.centre import Centre

_SAID = "SELECT 1 FROM audit WHERE device = :d AND code = :c AND what LIKE :w"
SHARE = 0.04  # of the seeds
_WORDS = tuple(kind for kind in WORDS if kind != "host-later")  # that one is drawn with the others


def unnamed(connection: Any, centre: "Centre") -> Iterator[str]:
    """Sentences about approvals of another amount that no alarm names."""
    for (name, _, intent), step in centre.granted:
        what = f"step {step} of payment {intent}: asked about %, the acquirer answered %"
        if connection.execute(text(_SAID), {"d": name, "c": codes.OTHER_AMOUNT, "w": what}).first() is None:
            yield f"step {step} of payment {intent} of {name} was granted for another amount, and nobody was told"


def draw(seed: int, faults: list[Fault]) -> list[Fault]:
    """Which requests are answered so; nothing in most seeds."""
    rng = random.Random(f"half granted {seed}")
    if rng.random() >= SHARE:
        return []
    taken = {fault.at for fault in faults if fault.device < 0}
    found = []
    for at in rng.sample(range(1, 9), rng.randint(2, 4)):
        kind = rng.choice((*GRANTS, *_WORDS))
        value = rng.choice((0, 1)) if kind in _WORDS else 0
        if at not in taken:
            found.append(Fault(kind, -1, at, value))
    return found
