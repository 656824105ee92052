"""Voids and abandoned cases with the real terminal and server, whatever goes wrong in between: reversed once or not at all, never shown
as done before it is.

The invariants are the simulation's own (`sim.worlds.simulation.oracle.judge`); each test says from the figures that it happened.
"""

import os
from typing import Any
from unittest import mock

import pytest

from protocol import sync as m
from server.acquirer import settling, voids
from server.ingest.voiding import Voiding
from sim.worlds.simulation.draws.faults import Fault
from sim.worlds.simulation.draws.plan import Plan
from sim.worlds.simulation.officer import Task
from sim.worlds.simulation.parts import HOW
from sim.worlds.simulation.run import Outcome, play
from terminal.sync import Sync

SOAK = os.environ.get("TASDID_SOAK") == "1"
PAID = Task("fine", "amina", "approves-1")
VOID = Task("void", card="approves-1")
SHIFT = [PAID, VOID, Task("sync"), Task("idle", seconds=60), Task("sync"), Task("close")]
FIRST, OPERATIONS = 14, 64  # durable operations of SHIFT, from the payment's outcome on, about


def held(tasks: list[Task], faults: list[Fault], *told: str) -> Outcome:
    """Play it; every invariant holds, and the story tells of what was to go wrong."""
    outcome = play(Plan(0, [tasks], faults))
    story = "\n".join(outcome.story)
    assert outcome.broken == [], "\n".join([*outcome.story, *outcome.broken])
    for words in told:
        assert words in story, story
    return outcome


def test_a_void_gives_back_once_and_the_case_is_paid_again() -> None:
    figures = held(SHIFT, []).figures
    assert (figures["voids"], figures["captures"], figures["outcomes_shown"]) == (1, 1, 2)


def test_after_a_void_the_driver_may_pay_later_or_the_case_may_be_given_up() -> None:
    later = held([PAID, Task("void", card="approves-1", later=True), Task("close")], []).figures
    assert (later["voids"], later["captures"], later["abandoned"]) == (1, 0, 0)
    given_up = held([PAID, Task("void", card="approves-1", abandon=2), Task("close")], []).figures
    assert (given_up["voids"], given_up["captures"], given_up["abandoned"]) == (1, 0, 1)


def test_an_authorised_payment_is_voided_too() -> None:
    figures = held(
        [Task("fine", "karim", "asks-1"), Task("void", card="asks-1", later=True), Task("close")], []
    ).figures
    assert (figures["voids"], figures["captures"]) == (1, 0)


@pytest.mark.parametrize("reason", [1, 2, 3, 4, 5])
def test_an_abandoned_case_is_closed_with_its_reason_and_numbers_go_on(reason: int) -> None:
    given_up = Task("fine", "amina", "approves-1", abandon=reason)
    figures = held([given_up, PAID, given_up, Task("close")], []).figures
    assert (figures["abandoned"], figures["captures"]) == (2, 1)


def test_without_a_network_nothing_is_voided() -> None:
    figures = held([PAID, VOID, Task("sync")], [Fault("outage", 0, 1, 300)], "screen: error RSK-013").figures
    assert (figures["voids"], figures["captures"]) == (0, 1)


@pytest.mark.parametrize("card", ["approves-2", "asks-1", "declines"])
def test_another_card_voids_nothing(card: str) -> None:
    figures = held([PAID, Task("void", card=card), Task("close")], [], "screen: error RSK-012").figures
    assert (figures["voids"], figures["captures"]) == (0, 1)


@pytest.mark.parametrize(
    "before",
    [
        [],
        [Task("fine", "amina", "declines", later=True)],
        [PAID, Task("close"), Task("sync")],
        [PAID, Task("void", card="approves-1", later=True)],
    ],
    ids=["nothing", "unpaid", "another-shift", "voided"],
)
def test_there_is_nothing_to_void(before: list[Task]) -> None:
    held([*before, VOID], [], "screen: error RSK-010")


def test_only_the_last_payment_of_the_shift_is_voided() -> None:
    figures = held(
        [PAID, Task("fine", "karim", "approves-2"), VOID, Task("close")], [], "screen: error RSK-012"
    ).figures
    assert (figures["voids"], figures["captures"]) == (0, 2)


@pytest.mark.parametrize("kind", ["host-silent", "host-deaf", "host-later", "die-before-send", "die-after-answer"])
@pytest.mark.parametrize("asked", [1, 2, 3])
def test_an_acquirer_that_gives_no_word_leaves_the_void_open_until_it_does(kind: str, asked: int) -> None:
    figures = held(SHIFT, [Fault(kind, -1, asked), Fault(kind, -1, asked + 1)]).figures
    assert figures["voids"] == 1 and figures["captures"] <= 1


@pytest.mark.parametrize("kind", ["busy", "die-before-commit", "die-after-commit", "server-down"])
def test_a_server_that_dies_over_any_message_of_a_void(kind: str) -> None:
    for message in range(2, 14, 1 if SOAK else 3):
        held(SHIFT, [Fault(kind, -1, message, 20)])


@pytest.mark.parametrize("kind", ["lose-reply", "lose-request"])
def test_a_message_lost_on_either_way(kind: str) -> None:
    for message in range(2, 14, 1 if SOAK else 3):
        held(SHIFT, [Fault(kind, 0, message)])


@pytest.mark.parametrize("how", HOW)
def test_power_cut_at_any_durable_operation_of_a_void(how: str) -> None:
    for operation in range(FIRST + HOW.index(how), OPERATIONS, 1 if SOAK else 6):
        held(SHIFT, [Fault("cut", 0, operation, how)])


def test_card_torn_at_any_command_of_a_void() -> None:
    for command in range(1, 12, 1 if SOAK else 2):
        held(SHIFT, [Fault("tear", 0, 2, command)])


@pytest.mark.parametrize("restored", [40, 60, 90, 150])
def test_the_database_restored_from_before_the_void(restored: int) -> None:
    held([Task("idle", seconds=30), *SHIFT], [Fault("backup-restore", -1, 20, restored)])


def _broken(patch: object) -> list[str]:
    with patch:  # type: ignore[attr-defined]
        cleared = [PAID, Task("sync"), Task("idle", seconds=90), VOID, Task("close")]
        return play(Plan(0, [cleared], [Fault("host-deaf", -1, 2)]), hasty=True).broken


def test_a_build_that_takes_the_wish_for_the_deed_is_caught() -> None:
    plain = Sync._adopt

    async def adopt(self: Any, welcome: dict[int, Any]) -> None:
        case = self.journal.view.voiding
        if case is not None:
            end = {
                m.RESULT_EPOCH: 1,
                m.RESULT_INTENT: case.intent,
                m.RESULT_OUTCOME: 2,
                m.RESULT_REASON: "",
                m.RESULT_REF: "",
            }
            welcome[m.VOIDS] = [end]
        await plain(self, welcome)

    assert any("the host will capture it" in said for said in _broken(mock.patch.object(Sync, "_adopt", adopt)))


def test_a_build_that_gives_back_without_an_opposite_entry_is_caught() -> None:
    def reversed_(connection: Any, answer: Any, _row: Any, now: int) -> None:
        voids.end(connection, answer.identity, 2, answer.response, now)

    assert _broken(mock.patch.object(settling, "_reversed", reversed_))


def test_a_build_that_forgets_the_reversal_is_caught() -> None:
    def reverse(self: Any) -> None:
        for row in self._reversals:
            identity = (row["device"], row["epoch"], row["intent"])
            voids.end(self._work.connection, identity, 2, "00", self._work.now)

    assert _broken(mock.patch.object(Voiding, "reverse", reverse))
