"""Two officers decide about money in suspense and about forks while faults go on: each story takes place, and every invariant holds.

The invariants are the simulation's own; each test says from the story that what it is about took place.
"""

import re
from unittest import mock

import pytest

from server.ingest import results
from server.office import decisions
from sim.worlds.simulation import mutations
from sim.worlds.simulation.draws.faults import Fault
from sim.worlds.simulation.draws.plan import Plan, draw
from sim.worlds.simulation.four_eyes import FIRST, SECOND, Officers, another
from sim.worlds.simulation.officer import Task
from sim.worlds.simulation.run import Outcome, play, simulate
from sim.worlds.simulation.verdicts.copying import Copying
from sim.worlds.simulation.verdicts.notebook import Entry, Notebook

FINES = [Task("fine", "amina", "approves-1"), Task("fine", "karim", "approves-2"), Task("fine", "amina", "approves-1")]
SYNCS = [Task("sync"), *[Task("idle", seconds=60), Task("sync")] * 6, Task("close")]
LOST = [Fault("outage", 0, 1, 230), Fault("lost-money", 0, 30, 20)]
APPROVED = r"approves (proposal \d+ about gap \d+ of TSD-\d+)\n"
STORIES = {
    "a wrong finding is undone": (13, 0, r"wrongly\n(.*\n)*.*decision \d+ undone(.*\n)*.*approves"),
    "a part first, the rest later": (13, 0, r"approves proposal 1 about (gap \d+ of \S+)\n(.*\n)*.*approves proposal \d+ about \1"),
    "a proposal is overtaken": (4, 0, r"proposes 1 about (gap \d+ of \S+):.*\n((?!approves).*\n)*.*proposes 2 about \1"),
    "a restore forgets a decision": (7, 1, APPROVED + r"(.*\n)*.*restored from a backup(.*\n)*.*approves \1\n"),
    "approved after a restore": (1, 2, r"proposes (\d+) about (gap .*):.*\n((?!approves).*\n)*.*restored(.*\n)*.*approves proposal \1 about \2"),
}  # fmt: skip


def told(outcome: Outcome, words: str) -> None:
    """Every invariant holds, and the story tells of it."""
    story = "\n".join(outcome.story) + "\n"
    assert outcome.broken == [], story + "\n".join(outcome.broken)
    assert re.search(words, story), story


@pytest.mark.parametrize("what", STORIES)
def test_officers_decide_about_suspense(what: str) -> None:
    how, backup, words = STORIES[what]
    forgotten = [Fault("decision-forgotten", -1, backup, 120)] if backup else []
    told(play(Plan(0, [[*FINES, *SYNCS]], [*LOST, Fault("suspense-decided", -1, 60, how), *forgotten])), words)


def test_nothing_is_quiet_before_what_is_in_suspense_is_decided() -> None:
    with mock.patch.object(decisions, "items", lambda _connection: []):
        outcome = play(Plan(0, [[*FINES, *SYNCS]], [*LOST, Fault("suspense-decided", -1, 60, 1)]))
    assert any("never becomes quiet" in one for one in outcome.broken), outcome.broken


@pytest.mark.parametrize(("seed", "words"), [(93, "it stands"), (241, "it is given back")])
def test_officers_decide_about_forks(seed: int, words: str) -> None:
    told(simulate(seed), rf"{words}\n(.*\n)*.*approves proposal \d+ about payment")


def copied(how: int) -> Outcome:
    """A terminal and its copy take payments without a network, and officers decide about them."""
    work = Fault("copy-works", 0, 1, how)
    return play(Plan(0, [Copying(work).tasks], [Fault("twin", 0, 1), work, Fault("fork-decided", -1, 60, 1)]))


def test_deferred_payments_of_a_copied_terminal_wait_until_officers_have_decided() -> None:
    told(copied(3), r"approves proposal \d+ about payment(.*\n)*.*results=[1-9]")


def test_a_copied_terminal_that_works_leaves_a_payment_or_more_to_decide() -> None:
    for how in range(1, 9):
        told(copied(how), r"approves proposal \d+ about payment")


def test_a_result_that_a_terminal_waits_for_and_is_never_told_is_noticed() -> None:
    with mock.patch.object(results, "tell", lambda *_: None):
        broken = copied(3).broken
    assert any("waits for the result of payment" in one for one in broken), broken


def test_a_deferred_payment_that_is_given_back_and_never_declined_is_noticed() -> None:
    with mutations.by_name("back-unjudged").patch():
        broken = simulate(902).broken
    assert any("is deferred and was decided, and has no result" in one for one in broken), broken


def test_what_is_collected_is_what_the_host_has_captured_and_nobody_has_on_file() -> None:
    told(simulate(25), r"about gap \d+ of \S+: [1-9]\d* collected, \d+ nothing\n(.*\n)*.*approves")


def test_seeds_that_decide_nothing_are_as_they_were() -> None:
    """Whatever draws no officers has nothing else of theirs."""
    own = {"suspense-decided", "fork-decided", "decision-forgotten", "lost-money", "lost-booked", "copy-works"}
    kinds = [{fault.kind for fault in draw(seed).faults} & own for seed in range(400)]
    assert all(not found or found & {"suspense-decided", "fork-decided"} for found in kinds)
    assert 20 < sum(map(bool, kinds)) < 120


def test_the_notebook_forgets_what_a_restored_backup_forgets() -> None:
    item = decisions.Item(1, "TSD-000001", 1, 7)
    right, undo = Entry(item, 100, number=1, at=5), Entry(item, 100, undoes=1, number=2, at=15)
    book = Notebook(lambda: 20, [], [right, undo])
    assert book.standing() == []
    book.restores.append((10, 20))
    assert book.standing() == [right] and book.decided("TSD-000001") == (100, 0)


def test_an_officers_signature_is_his_own() -> None:
    officers = Officers()
    assert another(FIRST) == SECOND and another(SECOND) == FIRST
    assert officers.office.verify(officers.sign(SECOND, "a kind", {1: 2}), "a kind") == (SECOND, {1: 2})
