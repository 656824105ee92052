"""A terminal whose shift was closed where there is no network, and that nobody touches before all is done: real terminal, server and acquirer."""

from unittest import mock

from protocol import records as r
from sim.worlds.simulation.draws.faults import Fault
from sim.worlds.simulation.draws.plan import Plan
from sim.worlds.simulation.factory import factory
from sim.worlds.simulation.officer import Officer, Task
from sim.worlds.simulation.parts import HOW
from sim.worlds.simulation.run import Outcome, play

OUTAGE_S = 900
SHIFT = [Task("fine", "amina", "approves-1"), Task("fine", "karim", "asks-1"), Task("close")]


def _left(*faults: Fault) -> Outcome:
    """The officer puts it on the shelf; who comes back finds that it has sent everything, taken every result and erased the card data."""
    logs_in = Officer._on_login_number

    def stays_away(officer: Officer) -> str | int:
        return 120_000 if officer.done and not officer.settled() else logs_in(officer)

    with mock.patch.object(Officer, "_on_login_number", stays_away):
        outcome = play(Plan(0, [SHIFT], [Fault("outage", 0, 1, OUTAGE_S), *faults]))
    assert outcome.broken == [], "\n".join([*outcome.story, *outcome.broken])
    return outcome


def test_what_it_owes_is_sent_settled_and_erased_once_the_shelf_has_a_network() -> None:
    assert _left().figures["captures"] == 2
    out, back = [entry[r.SEQ] for entry in factory().records(r.LOGIN)]
    for kind in (r.SHIFT_CLOSED, r.OUTAGE_END, r.AUTHORISATION_RESULT, r.CARD_DATA_ERASED):
        assert out < factory().records(kind)[0][r.SEQ] < back
    assert back < factory().records(r.LICENCE_DISPOSITION)[-1][r.SEQ]  # told to who came back


def test_the_power_may_go_on_the_shelf_too() -> None:
    for second in (OUTAGE_S - 60, OUTAGE_S + 60, OUTAGE_S + 400):
        assert _left(Fault("pull", 0, second)).figures["captures"] == 2
    for operation in range(34, 58, 3):
        story = "\n".join(_left(Fault("cut", 0, operation, HOW[operation % len(HOW)])).story)
        assert f"the power goes at durable operation {operation}" in story
