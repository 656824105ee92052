"""The ten scenarios of design §4, each played with the real terminal and server: nothing lost, nothing twice.

Each test says what goes wrong and, from the story, that it did; the invariants are the simulation's own
(`sim.worlds.simulation.oracle.judge`).
"""

import os
from typing import Any
from unittest import mock

import pytest

from protocol import records, sync
from server.acquirer import iso
from sim.worlds.simulation.draws.asked import IN_VAIN, SLOW
from sim.worlds.simulation.draws.faults import GRANTS, WORDS, Fault
from sim.worlds.simulation.draws.plan import Plan
from sim.worlds.simulation.factory import factory
from sim.worlds.simulation.officer import Task
from sim.worlds.simulation.parts import HOW
from sim.worlds.simulation.run import Outcome, play

SOAK = os.environ.get("TASDID_SOAK") == "1"
SHIFT = [
    Task("fine", "amina", "approves-1"),
    Task("sync"),
    Task("fine", "karim", "asks-1"),
    Task("sync"),
    Task("idle", seconds=120),
    Task("fine", "amina", "declines"),
    Task("sync"),
    Task("close"),
]
OFFLINE = Fault("outage", 0, 1, 50)  # so that payments are provisional and approved offline
OPERATIONS = 84  # durable operations of SHIFT, about


def held(faults: list[Fault], *told: str, tasks: list[list[Task]] | None = None) -> Outcome:
    """Play it; every invariant holds, and the story tells of what was to go wrong."""
    outcome = play(Plan(0, tasks or [SHIFT], faults))
    story = "\n".join(outcome.story)
    assert outcome.broken == [], "\n".join([*outcome.story, *outcome.broken])
    for words in told:
        assert words in story, story
    return outcome


def test_nothing_goes_wrong() -> None:
    outcome = held([])
    assert (
        outcome.figures["outcomes_shown"] == 4 and outcome.figures["captures"] == 2
    )  # the refused card was tried twice


@pytest.mark.parametrize("how", HOW)
def test_1_power_cut_at_any_durable_operation(how: str) -> None:
    step = 1 if SOAK else 4
    for operation in range(1 + HOW.index(how) % step, OPERATIONS, step):
        held([OFFLINE, Fault("cut", 0, operation, how)], f"the power goes at durable operation {operation}")


def test_1_two_power_cuts_the_second_during_recovery() -> None:
    for operation in range(3, OPERATIONS, 2 if SOAK else 9):
        cuts = [Fault("cut", 0, operation, "torn"), Fault("cut", 0, operation + 1, "garbage")]
        held([OFFLINE, *cuts], f"the power goes at durable operation {operation + 1}")


@pytest.mark.parametrize("message", range(1, 9))
def test_2_the_server_commits_and_the_acknowledgement_is_lost(message: int) -> None:
    held([Fault("lose-reply", 0, message)], "lose-reply")
    held([Fault("die-after-commit", -1, message)], "the server dies (after the commit)")


@pytest.mark.parametrize("message", range(1, 9))
def test_3_the_server_dies_before_the_commit(message: int) -> None:
    held([Fault("die-before-commit", -1, message)], "the server dies (before the commit)")


@pytest.mark.parametrize("kind", ["die-before-send", "die-after-answer", "host-silent", "host-deaf"])
def test_3_the_server_dies_while_it_asks_the_acquirer(kind: str) -> None:
    for request in (1, 2, 3):
        outcome = held([OFFLINE, Fault(kind, -1, request)])
        assert outcome.figures["captures"] == 2


@pytest.mark.parametrize("kind", list(WORDS))
@pytest.mark.parametrize("unheard", [0, 1])
def test_3_the_acquirer_leaves_open_what_it_did(kind: str, unheard: int) -> None:
    """Late, in progress, malfunction, unavailable: whether it had acted or not, in any step, nothing stands and nothing is taken twice."""
    for request in (1, 2, 3):
        for before in ([], [OFFLINE]):
            outcome = held([*before, Fault(kind, -1, request, unheard)], f"the acquirer says {WORDS[kind]}")
            assert outcome.figures["captures"] <= 2


@pytest.mark.parametrize("kind", ["host-late", "host-busy", "host-broken"])
@pytest.mark.parametrize("tap", [False, True])
def test_3_a_late_answer_while_the_card_waits_is_reversed_once(kind: str, tap: bool) -> None:
    """The card's payment is declined as in doubt, given back at the host, and the next try is another payment."""
    tasks = [Task("fine", "karim", "asks-1", tap=tap), Task("sync"), Task("close")]
    outcome = held([Fault(kind, -1, 1)], f"says {WORDS[kind]} to step 1", tasks=[tasks])
    assert (outcome.figures["reversals"], outcome.figures["captures"]) == (1, 1)


@pytest.mark.parametrize("kind", IN_VAIN)
def test_3_what_a_card_approves_when_its_issuer_is_asked_in_vain_is_cleared_and_erased(kind: str) -> None:
    """Sealed, posted, captured, and then no card data are left: the oracle looks at every terminal."""
    tasks = [Task("fine", "karim", "alone-1"), Task("sync"), Task("close")]
    outcome = held([Fault(kind, -1, 1)], f"waits for its issuer ({kind})", tasks=[tasks])
    assert [entry[records.REASON] for entry in factory().records(records.PAYMENT_OUTCOME)] == ["Y3"]
    assert (outcome.figures["captures"], outcome.figures["reversals"]) == (1, 0)


@pytest.mark.parametrize("seconds", [1, 15, 90])
@pytest.mark.parametrize("before", [[], [Fault("host-silent", -1, 3)], [Fault("backup-restore", -1, 12, 40)]])
def test_3_an_approval_that_comes_after_its_case_was_given_up_is_reversed(seconds: int, before: list[Fault]) -> None:
    """The reversal may overtake the question: the host knows nothing of it then, approves it later, and is asked until it cannot."""
    tasks = [Task("fine", "karim", "asks-1"), Task("sync"), Task("close")]
    outcome = held([*before, Fault(SLOW, -1, 1, seconds)], "question of earlier and says 00", tasks=[tasks])
    assert (outcome.figures["captures"], outcome.figures["reversals"]) == (1, 1)


DEFERRED = [
    Task("fine", "karim", "asks-1"),
    Task("idle", seconds=60),
    Task("sync"),
    Task("idle", seconds=60),
    Task("sync"),
    Task("close"),
]
WAITING = [Task("fine", "karim", "asks-1"), Task("sync"), Task("close")]


@pytest.mark.parametrize("kind", list(GRANTS))
def test_3_the_issuer_grants_otherwise_than_asked(kind: str) -> None:
    """In part, less than it says, by another code: one capture for each approved payment, whole; nothing else stands."""
    for request in (1, 2, 3):
        for before in ([], [OFFLINE]):
            outcome = held([*before, Fault(kind, -1, request)])
            assert outcome.figures["captures"] <= 2
            if kind == "host-vip":
                assert (outcome.figures["reversals"], outcome.figures["captures"]) == (0, 2)


@pytest.mark.parametrize("kind", ["host-partial", "host-less"])
@pytest.mark.parametrize("tap", [False, True])
def test_3_an_approval_in_part_while_the_card_waits_is_reversed_once(kind: str, tap: bool) -> None:
    tasks = [Task("fine", "karim", "asks-1", tap=tap), *WAITING[1:]]
    outcome = held([Fault(kind, -1, 1)], f"word on the authorisation is {GRANTS[kind]}", tasks=[tasks])
    assert (outcome.figures["reversals"], outcome.figures["captures"]) == (1, 1)


@pytest.mark.parametrize(
    ("kind", "reversals", "captures"), [("host-partial", 1, 0), ("host-less", 1, 0), ("host-vip", 0, 1)]
)
def test_3_a_deferred_payment_is_granted_otherwise_than_asked(kind: str, reversals: int, captures: int) -> None:
    """What is granted in part is declined and given back; an approval by another code than 00 is one."""
    faults = [OFFLINE, Fault(kind, -1, 1)]
    outcome = held(faults, f"word on the authorisation is {GRANTS[kind]}", tasks=[DEFERRED])
    assert (outcome.figures["reversals"], outcome.figures["captures"]) == (reversals, captures)


@pytest.mark.parametrize("end", ["host-silent", "host-deaf", "die-before-send", "die-after-answer"])
def test_3_the_reversal_of_an_approval_in_part_meets_trouble_too(end: str) -> None:
    outcome = held([OFFLINE, Fault("host-partial", -1, 1), Fault(end, -1, 2)], tasks=[DEFERRED])
    assert (outcome.figures["reversals"], outcome.figures["captures"]) == (1, 0)


@pytest.mark.parametrize(("taken", "restored"), [(30, 150), (60, 400), (100, 400)])
def test_10_restored_from_before_an_approval_in_part_was_given_back(taken: int, restored: int) -> None:
    faults = [OFFLINE, Fault("host-partial", -1, 1), Fault("backup-restore", -1, taken, restored)]
    outcome = held(faults, "word on the authorisation is partial", "restored from a backup", tasks=[DEFERRED])
    assert (outcome.figures["reversals"], outcome.figures["captures"]) == (1, 0)


def _broken(patch: Any, kind: str, tasks: list[Task], *before: Fault) -> list[str]:
    with patch:
        return play(Plan(0, [tasks], [*before, Fault(kind, -1, 1)]), hasty=True).broken


@pytest.mark.parametrize("kind", ["host-partial", "host-less"])
def test_3_a_build_that_does_not_look_at_the_amount_of_an_answer_is_caught(kind: str) -> None:
    for tasks, before in ((DEFERRED, [OFFLINE]), (WAITING, [])):
        assert _broken(mock.patch.object(iso.Answer, "about", lambda *_: True), kind, tasks, *before)


def test_3_a_server_that_approves_only_00_is_caught() -> None:
    for tasks, before in ((DEFERRED, [OFFLINE]), (WAITING, [])):
        assert _broken(mock.patch.object(sync, "APPROVED", ("00",)), "host-vip", tasks, *before)


@pytest.mark.parametrize(
    "kind",
    [
        "duplicate-request",
        "late-duplicate",
        "truncate-request",
        "truncate-reply",
        "flip-request",
        "flip-reply",
        "stale-reply",
    ],
)
def test_4_messages_duplicated_reordered_truncated_altered(kind: str) -> None:
    for message in range(1, 10, 1 if SOAK else 2):
        held([OFFLINE, Fault(kind, 0, message, 5 + 37 * message)], kind)


def test_5_two_connections_of_one_device() -> None:
    """Messages of a session that timed out arrive in the middle of the next one."""
    for message in range(1, 9):
        for seconds in (9, 31, 62):
            held([Fault("delay-request", 0, message, seconds)], "delay-request")


def test_6_thirty_days_offline_then_all_at_once() -> None:
    """Six here; the two thousand are `tasdid bench reconnect`'s."""
    month = 30 * 86400
    shifts = [
        [Task("fine", "amina", card), Task("fine", "karim", "asks-2")]
        for card in ("approves-1", "approves-2", "asks-1") * 2
    ]
    faults = [Fault("outage", device, 1, month) for device in range(6)]
    faults += [Fault("drawer", device, 300, month) for device in range(6)]
    outcome = held(faults, "switched off", tasks=shifts)
    assert outcome.virtual_s > month and outcome.figures["outcomes_shown"] == 12


def test_7_flash_rolled_back_or_copied_stops_the_terminal() -> None:
    held([Fault("rollback", 0, 20, 60)], "storage put back", "screen: error JRN-030")
    held([Fault("clone", 0, 60)], "terminal 1's clone: screen: error JRN-03")


def test_7_a_twin_with_the_keys_is_flagged_as_a_fork() -> None:
    outcome = held([Fault("twin", 0, 30)], "terminal 1's twin")
    assert any("SRV-07" in line for line in outcome.story), "neither branch was told that the server holds another"
    assert outcome.figures["forks"] > 0, "the second branch was not kept"


@pytest.mark.parametrize(
    ("copied", "taken", "restored"),
    [(20, 1, 200), (20, 100, 130), (60, 1, 130), (60, 30, 300), (100, 100, 200), (150, 1, 300)],
)
def test_7_and_10_copied_and_restored_the_centre_has_every_record_of_both(
    copied: int, taken: int, restored: int
) -> None:
    """Whoever speaks first after the restore, and whatever it had acknowledged or kept beside the chain before."""
    faults = [Fault("twin", 0, copied), Fault("backup-restore", -1, taken, restored)]
    outcome = held(faults, "terminal 1's twin", "restored from a backup")
    assert outcome.figures["forks"] > 0


@pytest.mark.parametrize("seconds", [-40 * 366 * 86400, -400 * 86400, -3600, 3600, 400 * 86400, 5 * 366 * 86400])
def test_8_clock_reset_or_years_off(seconds: int) -> None:
    for at in (2, 40, 90):
        held([Fault("clock-jump", 0, at, seconds)], "the clock jumps")


@pytest.mark.parametrize("at", [20, 35, 50, 75, 100])
def test_9_old_release_with_a_backlog_is_upgraded(at: int) -> None:
    held([OFFLINE, Fault("upgrade", 0, at)], "upgraded from 0.1.0")


def test_9_a_newer_parameter_set_arrives_in_mid_backlog() -> None:
    held([Fault("new-set", -1, 10), OFFLINE])


@pytest.mark.parametrize(("taken", "restored"), [(1, 70), (30, 90), (60, 100), (100, 400)])
def test_10_the_server_is_restored_from_an_older_backup(taken: int, restored: int) -> None:
    outcome = held([Fault("backup-restore", -1, taken, restored)], "restored from a backup")
    assert outcome.figures["captures"] == 2


def test_10_restored_while_a_clock_is_years_ahead() -> None:
    """Whether a request may have been sent before is not the terminal's clock to say."""
    held([Fault("clock-jump", 0, 2, 5 * 366 * 86400), Fault("backup-restore", -1, 60, 400)], "restored from a backup")
