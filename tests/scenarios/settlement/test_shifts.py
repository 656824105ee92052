"""What shifts come to: money between two of them, the figures of the summary, a power cut before it was read. Real terminal, server and acquirer."""

from typing import Any
from unittest import mock

import pytest

from protocol import records as r
from sim.worlds.simulation import centre as centres
from sim.worlds.simulation import mutations, remembered
from sim.worlds.simulation.draws.faults import Fault
from sim.worlds.simulation.draws.plan import Plan, draw
from sim.worlds.simulation.factory import device_name, factory
from sim.worlds.simulation.officer import Officer, Task
from sim.worlds.simulation.parts import HOW
from sim.worlds.simulation.run import Outcome, Simulation, play

AMOUNT = 500_000
AWAY = Fault("outage", 0, 1, 600)
DEFERRED = [Task("fine", "amina", "asks-1"), Task("close")]
CLOSING = [
    Task("fine", "amina", "asks-1"),
    *[Task("idle")] * 5,
    Task("close"),
]  # the result comes with the session of the closing
VOIDED = [Task("fine", "amina", "approves-1"), Task("sync"), Task("void", card="approves-1"), Task("close")]


def _play(tasks: list[Task], *faults: Fault) -> Outcome:
    return play(Plan(0, [tasks], list(faults)))


def _whole(tasks: list[Task], *faults: Fault) -> str:
    outcome = _play(tasks, *faults)
    assert outcome.broken == [], "\n".join([*outcome.story, *outcome.broken])
    return "\n".join(outcome.story)


def _broken(build: str, tasks: list[Task], *faults: Fault) -> str:
    with mutations.by_name(build).patch():
        return "\n".join(_play(tasks, *faults).broken)


def _away() -> Any:
    """The officer stays away from the log-in screen until everything has settled."""
    logs_in = Officer._on_login_number

    def stays(officer: Officer) -> str | int:
        return 120_000 if officer.done and not officer.settled() else logs_in(officer)

    return mock.patch.object(Officer, "_on_login_number", stays)


def _closings() -> list[tuple[int, int, dict[int, Any]]]:
    return [(entry[r.SEQ], entry[r.FIRST], entry[r.TOTALS]) for entry in factory().records(r.SHIFT_CLOSED)]


def test_a_result_that_comes_between_two_shifts_counts_in_the_second() -> None:
    with _away():
        _whole(DEFERRED, AWAY)
        one, two = _closings()
        (result,) = factory().records(r.AUTHORISATION_RESULT)
        assert one[0] < result[r.SEQ] < factory().records(r.SHIFT_OPENED)[1][r.SEQ]
        assert (one[1:], two[1:]) == (
            (1, {2: [1, AMOUNT]}),
            (one[0] + 1, {11: [1, AMOUNT]}),
        )
        broken = _broken("shift-at-opening", DEFERRED, AWAY)
    assert "has an alarm RECON for which nobody gave a cause" in broken
    assert "its shifts together come to {2: [1, 500000]}, its records to" in broken


def test_a_result_that_comes_with_the_session_of_a_closing_counts_in_the_next_shift() -> None:
    _whole(CLOSING, Fault("outage", 0, 1, 15))
    one, two = _closings()
    (result,) = factory().records(r.AUTHORISATION_RESULT)
    assert one[0] < result[r.SEQ] < factory().records(r.SHIFT_OPENED)[1][r.SEQ]
    assert one[2] == {2: [1, AMOUNT]} and two[1:] == (one[0] + 1, {11: [1, AMOUNT]})


def test_what_was_voided_is_not_taken_off_what_was_paid() -> None:
    _whole(VOIDED)
    assert _closings()[0][2] == {1: [2, 2 * AMOUNT], 20: [1, AMOUNT]}
    assert "shows a shift, closed by record" in _broken("void-off-paid", VOIDED)


@pytest.mark.parametrize("how", HOW)
def test_a_power_cut_behind_a_closing_hides_nothing(how: str) -> None:
    untold = 0
    for operation in range(26, 38, 2):
        cut = Fault("cut", 0, operation, how)
        assert f"the power goes at durable operation {operation}" in _whole(DEFERRED, AWAY, cut)
        untold += "nobody was shown what the shift came to" in _broken("shift-untold", DEFERRED, AWAY, cut)
    assert untold > 0


@pytest.mark.parametrize("seed", [93, 241, 1819])
def test_who_has_a_copied_terminal_closes_its_shift_once_all_of_it_is_on_file(seed: int) -> None:
    """Not once some of it is: the copy, or the one that it was copied from, lies beside the chain by then, in part."""
    simulation = Simulation(draw(seed))
    settles, left = Officer._settle, {}
    on_file = "SELECT (SELECT COUNT(*) FROM raw WHERE record = ?) + (SELECT COUNT(*) FROM forks WHERE record = ?)"

    def settle(officer: Officer) -> str | int:
        key = settles(officer)
        device = next(one for one in simulation.devices if one.officer is officer)
        if key == "3" and device_name(device.index) in simulation.oracle.expected_twins:
            acked = device.terminal.journal.acked_seq
            behind = [data for record, data in device.records() if record[r.SEQ] > acked]
            left[device.label] = sum(not factory().look(on_file, data, data) for data in behind)
        return key

    with mock.patch.object(Officer, "_settle", settle), remembered.recall():
        try:
            simulation.play(False)
        finally:
            centres.current(None)
    assert simulation.oracle.broken == [] and set(left.values()) == {0}, left
