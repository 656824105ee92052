"""What records say beside their money: the oracle holds it against what a person was shown, typed or held out, and the centre's cases too."""

from types import SimpleNamespace
from typing import Any

import pytest

from protocol import records as r
from sim.worlds.simulation import mutations
from sim.worlds.simulation.draws.faults import Fault
from sim.worlds.simulation.draws.plan import Plan
from sim.worlds.simulation.officer import Task
from sim.worlds.simulation.oracle.arrivals import Arrivals
from sim.worlds.simulation.oracle.written import Written
from sim.worlds.simulation.run import play

REPORT, CASE = "000001-00003", 3
LATER = [Task("fine", "amina", later=True), Task("sync"), Task("close")]
POOR = [Task("fine", "amina", "asks-poor"), Task("idle", seconds=240), Task("sync"), Task("close")]
ASKS = [Task("fine", "amina", "asks-1"), Task("sync"), Task("close")]
DEFERRED = [Task("fine", "amina", "asks-1"), Task("idle", seconds=240), Task("sync"), Task("close")]
REFUNDED = [Task("fine", "amina", "approves-1"), Task("sync"), Task("idle", seconds=120), Task("sync"), Task("close")]
DECLINED = [Task("fine", "amina", "declines"), Task("sync"), Task("close")]
NEXT = [Task("fine", "karim", "approves-1"), Task("sync"), Task("close")]
GIVEN_UP = Task("fine", "amina", "approves-1", abandon=1)
LEFT = Task("fine", "amina", later=True, leaves=True)
AWAY = Fault("outage", 0, 1, 150)


@pytest.mark.parametrize(
    ("build", "tasks", "faults", "words"),
    [
        ("release-declined", POOR, [AWAY], "releases the licence of report 000001-00001, of which it has no approval"),
        ("scheme-const", ASKS, [], "has CIB TEST as the scheme of card asks-1; it has EDAHABIA TEST"),
        ("last4-first4", ASKS, [], "as the last digits of card asks-1"),
        ("points-zero", LATER, [], "points; its notice has ("),
        ("officer-lost", LATER, [], "is of officer 1; officer 1007 is logged in"),
        ("unpaid-closed-paid", LATER, [], "closes a case as 1; the officer was told to do 2 with the licence"),
        ("case-offence", LATER, [], "the centre has no such case as notice"),
        ("hand-untold", [LATER[0], *NEXT], [Fault("cut", 0, 21, "after")], "begins a case; no officer was told of 2"),
        (
            "given-up-untold",
            [GIVEN_UP, *NEXT],
            [Fault("cut", 0, 13, "after")],
            "begins a case; no officer was told of 1",
        ),
        (
            "given-up-untold",
            [GIVEN_UP, *NEXT],
            [Fault("cut", 0, 20, "after")],
            "begins a case; no officer was told of 1",
        ),
        ("unanswered-closes", [LEFT, *NEXT], [], "closes a case, and nobody has answered what to do with the licence"),
        ("declined-untold", [DECLINED[0], *NEXT], [Fault("cut", 0, 22, "after")], "told that the payment was declined"),
        ("result-code", DEFERRED, [AWAY], "is told no reason of payment"),
        ("refund-one-officer", REFUNDED, [Fault("refund", -1, 60)], "one officer alone has had payment"),
        ("owed-not-declined", DECLINED, [], "the report says that {'count': 0, 'amount': 0} is owed"),
        (
            "other-amount-silent",
            ASKS,
            [Fault("host-partial", -1, 1)],
            "was granted for another amount, and nobody was told",
        ),
    ],
)
def test_what_is_recorded_or_kept_otherwise_than_it_was_shown_or_done_is_named(
    build: str, tasks: list[Task], faults: list[Fault], words: str
) -> None:
    plan = Plan(0, [tasks], faults)
    assert play(plan).broken == []
    with mutations.by_name(build).patch():
        broken = play(plan).broken
    assert any(words in sentence for sentence in broken), broken


class Terminal:
    """One that writes records and shows screens, past the real application."""

    def __init__(self, lost: set[str] | None = None) -> None:
        self.written: list[dict[int, Any]] = []
        self.broken: list[str] = []
        self.missing = SimpleNamespace(devices=lost or set())
        self.tampered: set[str] = set()
        self.arrivals = Arrivals()
        self.officer = SimpleNamespace(gone=False)
        self.in_force = self.clocks = SimpleNamespace(wrote=lambda _device, _record: None)  # not judged here
        self.label, self.index, self.works, self.presented = "terminal 1", 0, True, ""
        self.fail = self.broken.append
        self.judge: Any = Written(self)  # type: ignore[arg-type]
        self.show("home")

    @property
    def terminal(self) -> Any:
        return SimpleNamespace(journal=SimpleNamespace(head_seq=len(self.written), view=SimpleNamespace(case=None)))

    def held(self, first: int) -> list[tuple[dict[int, Any], bytes]]:
        return [(record, b"") for record in self.written[first - 1 :]]

    def write(self, kind: int, **body: Any) -> None:
        keys = {getattr(r, name): value for name, value in body.items()}
        self.written.append({r.KIND: kind, r.SEQ: len(self.written) + 1, r.OFFICER: 0, r.CASE: CASE, **keys})

    def show(self, screen: str, **fields: Any) -> None:
        self.arrivals.shown("TSD-000001", screen, fields)
        self.judge.shown(self, screen, fields)

    def release(self) -> None:
        self.show("licence_hand", disposition=r.DISPOSITION_RELEASE_GRANTED, days=0, pv=REPORT)

    def read(self) -> None:
        self.write(r.LICENCE_DISPOSITION, DISPOSITION=r.DISPOSITION_RELEASE_GRANTED)
        self.show("home")


def judged(terminal: Terminal, outcome: int) -> None:
    terminal.write(r.AUTHORISATION_RESULT, OUTCOME=outcome)


def test_a_release_is_due_by_an_approval_once() -> None:
    terminal = Terminal()
    judged(terminal, r.OUTCOME_APPROVED)
    terminal.release()
    terminal.release()  # the power went before anybody had answered
    terminal.read()
    assert terminal.broken == []
    terminal.release()
    assert "releases the licence of report 000001-00003" in terminal.broken[0]


def test_a_declined_payment_releases_nothing_on_no_screen_and_by_no_record() -> None:
    terminal = Terminal()
    judged(terminal, r.OUTCOME_DECLINED)
    terminal.release()
    terminal.read()
    assert len(terminal.broken) == 2 and "record 2 releases the licence" in terminal.broken[1]


def test_a_release_that_nobody_was_told_of_is_not_recorded() -> None:
    terminal = Terminal()
    judged(terminal, r.OUTCOME_APPROVED)
    terminal.read()
    (said,) = terminal.broken
    assert said.endswith("and nobody was")


def test_where_the_word_that_somebody_was_told_was_destroyed_he_is_told_again() -> None:
    terminal = Terminal(lost={"TSD-000001"})
    judged(terminal, r.OUTCOME_APPROVED)
    terminal.release()
    terminal.read()
    terminal.release()
    assert terminal.broken == []


@pytest.mark.parametrize(
    ("wrote", "fine"),
    [
        (r.DISPOSITION_RETURNED, True),
        (r.DISPOSITION_RELEASE_GRANTED, True),
        (r.DISPOSITION_RETAINED, False),
    ],
)
def test_the_record_of_a_refused_void_says_that_the_licence_goes_back(wrote: int, fine: bool) -> None:
    """What is shown after the power went may be a release, where the record says that the driver waited."""
    terminal = Terminal()
    terminal.write(r.VOID, VOID_STATE=r.VOID_REFUSED, DISPOSITION=wrote)
    terminal.show("void_result", state=r.VOID_REFUSED)
    terminal.release()
    terminal.read()
    assert (terminal.broken == []) == fine


@pytest.mark.parametrize(
    ("word", "closure"),
    [
        (r.OUTCOME_APPROVED, r.CLOSURE_PAID),
        (r.OUTCOME_PROVISIONAL, r.CLOSURE_PROVISIONAL),
        (r.OUTCOME_DECLINED, r.CLOSURE_DECLINED),
        (r.OUTCOME_INTERRUPTED, r.CLOSURE_UNPAID),
    ],
)
def test_a_case_is_closed_as_the_last_word_on_it(word: int, closure: int) -> None:
    for one in (r.CLOSURE_PAID, r.CLOSURE_PROVISIONAL, r.CLOSURE_DECLINED, r.CLOSURE_UNPAID):
        terminal = Terminal()
        shown = ("interrupted", {}) if word == r.OUTCOME_INTERRUPTED else ("outcome", {"outcome": word})
        terminal.show(shown[0], **shown[1])
        terminal.write(r.CASE_CLOSED, CLOSURE=one)
        terminal.show("home")
        assert (terminal.broken == []) == (one == closure)


def test_a_record_is_of_the_officer_who_has_typed_the_number() -> None:
    terminal = Terminal()
    terminal.show("login_number", entry="1007", second=False)
    terminal.show("login_pin", stars=0, second=False)
    terminal.write(r.LOGIN, OFFICER=1007)
    terminal.show("login_number", entry="1012", second=True)
    terminal.show("login_pin", stars=0, second=True)
    terminal.write(r.VOID, VOID_STATE=r.VOID_ASKED, OFFICER=1007, SECOND_OFFICER=1012)
    terminal.show("void_result", state=r.VOID_ASKED)
    assert terminal.broken == []
    terminal.write(r.VOID, VOID_STATE=r.VOID_ASKED, OFFICER=1012, SECOND_OFFICER=1007)
    terminal.show("home")
    assert len(terminal.broken) == 2
