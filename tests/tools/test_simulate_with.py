"""`tasdid simulate --with`: only seeds that draw these kinds of fault; a kind that there is not is named at once."""

import pytest
import typer

from sim.worlds.simulation.draws.plan import draw
from tools.commands import simulate


def test_only_seeds_that_draw_all_of_the_kinds_are_found() -> None:
    found = simulate._drawing("lost-any,two-workers", 100, 2)
    assert len(found) == 2 and found[0] >= 100
    for seed in found:
        assert {"lost-any", "two-workers"} <= {fault.kind for fault in draw(seed).faults}


def test_a_kind_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(typer.BadParameter, match="backup-restore, busy, .*two-workers"):
        simulate._drawing("lost-any,nonsense", 0, 1)
