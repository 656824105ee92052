"""The Spin models of settlement (terminal, radio, server, officers) and of the acquirer (outbox, host): searched exhaustively within their
bounds, wrong variants fail by the invariant that they break, and every action names code that exists.

The bounds in CI are those at the models' heads; with TASDID_SOAK=1 wider ones, each alone. No bit-state hashing: `pan` stores every state
it reaches. `python -m tests.model.test_settlement_model` prints bounds, states and times.
"""

import re
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support import strict

SETTLEMENT, ACQUIRER = (Path(__file__).with_name(f"{name}.pml") for name in ("settlement", "acquirer"))
ROOT = Path(__file__).resolve().parents[2]
Bounds = tuple[str, ...]
BASE: tuple[tuple[Path, Bounds], ...] = ((SETTLEMENT, ()), (ACQUIRER, ()))
ALONE: tuple[Bounds, ...] = (
    ("VOIDS=0",),
    ("VOIDS=0", "REFUNDS=1"),
    ("REFUSALS=2", "RESTORES=0"),
    ("REFUSALS=1", "RESTORES=1"),
)
"""Of the acquirer: a payment that no void ends stands, or the centre gives it back; the host refuses to judge a void's reversal, and a restored
database has forgotten that.
"""
WIDER: tuple[tuple[Path, Bounds], ...] = (
    (SETTLEMENT, ("RECORDS=3",)),
    (SETTLEMENT, ("CUTS=2",)),
    (SETTLEMENT, ("RESTORES=2",)),
    (SETTLEMENT, ("WITHDRAWALS=2",)),
    (SETTLEMENT, ("FAULTS=2", "CUTS=0")),
    (ACQUIRER, ("RESTORES=3", "DEATHS=2", "LATE=2")),
    (ACQUIRER, ("REFUNDS=1",)),
    (ACQUIRER, ("REFUSALS=2",)),
)
COVERED: tuple[Bounds, ...] = (
    ("NO_EPOCH", "NO_REPLY_EPOCH"),
    ("TAMPERED",),
    ("NO_ACK_HASH",),
    ("TAMPERED", "NO_SEEN"),
    ("TAMPERED", "NO_PREV_HASH"),
)
"""What is not needed where the rest is there: the epoch in a batch and in a reply, since the nonce is of one session and that of one
epoch; the secure element's counter for that no second history is taken in unseen; the hash in an acknowledgement, since that counter stops a terminal
whose storage was put back before it hears one; that a HELLO counts once, since what it undoes is said again under a new nonce; and the hash before a
batch's first record, since an honest terminal sends none that does not go on from WELCOME's hash. Also so at the bounds of `BASE` without TAMPERED.
"""
WRONG: tuple[tuple[Path, Bounds, str], ...] = (
    (SETTLEMENT, ("ACK_BEFORE_COMMIT",), "acknowledged_not_kept"),
    (SETTLEMENT, ("SHOW_BEFORE_DURABLE",), "shown_lost"),
    (SETTLEMENT, ("NO_DEDUP",), "posted_twice"),
    (SETTLEMENT, ("NO_COUNTER",), "shown_lost"),
    (SETTLEMENT, ("TAMPERED", "NO_FORK"), "fork_unflagged"),
    (SETTLEMENT, ("TAMPERED", "NO_ACK_HASH"), "acknowledged_not_kept"),
    (SETTLEMENT, ("EPOCH_2_REFUSED",), "no_progress"),
    (SETTLEMENT, ("NOTHING_TAKEN",), "no_progress"),
    (SETTLEMENT, ("NO_ACK",), "not_answered"),
    (SETTLEMENT, ("NO_NONCE",), "no_progress"),
    (SETTLEMENT, ("NO_NONCE", "NO_EPOCH"), "old_epoch_taken"),
    (SETTLEMENT, ("NO_REPLY_NONCE",), "acknowledged_not_kept"),
    (SETTLEMENT, ("NO_REPLY_NONCE", "NO_REPLY_EPOCH"), "acknowledged_not_kept"),
    (SETTLEMENT, ("OLD_SESSION_LIVES",), "no_progress"),
    (SETTLEMENT, ("OLD_SESSION_RESTORED",), "no_progress"),
    (SETTLEMENT, ("OVERTAKEN_COUNTS",), "no_progress"),
    (SETTLEMENT, ("APPROVAL_NOT_TAKEN",), "no_progress"),
    (ACQUIRER, ("AGAIN_AS_NEW",), "sent_as_new_twice"),
    (ACQUIRER, ("AGAIN_AS_NEW", "ANYBODY_COUNTS"), "captured_twice"),
    (ACQUIRER, ("RESTORED_AS_NEW",), "sent_as_new_twice"),
    (ACQUIRER, ("ANY_HELLO_SETTLES", "VOIDS=0"), "sent_as_new_twice"),
    (ACQUIRER, ("SEND_BEFORE_COMMIT",), "sent_as_new_twice"),
    (ACQUIRER, ("OUT_OF_TURN",), "paid_after_void"),
    (ACQUIRER, ("FORGOTTEN",), "not_settled"),
    (ACQUIRER, ("REFUNDS=1", "VOIDS=0", "NOT_ASKED"), "not_settled"),
    (ACQUIRER, ("REFUNDS=1", "VOIDS=0", "NOT_FOLLOWED"), "not_settled"),
    (ACQUIRER, ("REFUNDS=1", "VOIDS=0", "RESTORED_AT_ONCE"), "not_settled"),
    (ACQUIRER, ("REFUSALS=1", "RESTORES=1", "WORD_UNHEARD"), "reversed_unseen"),
    (ACQUIRER, ("REFUSALS=1", "RESTORES=1", "WORD_NOT_AWAITED"), "reversed_unseen"),
    (ACQUIRER, ("REFUSALS=2", "RESTORES=0", "REFUSAL_ENDS"), "not_settled"),
    (ACQUIRER, ("REFUSALS=2", "RESTORES=0", "BELIEVED_AT_ONCE"), "reversed_unseen"),
)
"""Model, what is wrong, the invariant that breaks."""


_OVER = {
    "held = 0",
    "resumed = 0",
    "showed = 0",
    "rounds = 0",
    "excused = 0",
}  # after a testimony, or three rounds for nothing
_TESTIMONY = {"up.e = epoch", "up.a = (k+1)", "up.b = counter", "up.h = (hist&((1<<(2*counter))-1))"}
_ANOTHER_CHAIN = {
    "branch = 1",
    "k = ( ((in.a<acked)) -> (in.a) : (acked) )",
}  # "TAMPERED" reaches these and the testimony
_REFUSED = {
    "out.e = in.e",
    "out.a = 0",
    "out.h = 0",
    "out.b = 45",
    "out.b = 16",
}  # SRV-045; a bound batch of another epoch
_WITHDRAWN = {"approval_seq = 0", "useless = 0"}  # by a HELLO without trouble
_OF_REFUNDS = {"assert(!(forgotten))", "clear_row = 4", "reverse_row = 3", "inquiry = 0", "inquiry = 1"}
_DECIDED = {"paid_after_void = ((captured>0)&&!(reversed))", "assert(!(paid_after_void))"}  # by a person, of a refusal
_OF_REFUSALS = {"reverse_row = 5", "reverse_row = 6", "said = 30"} | _DECIDED
NEVER: dict[Path, set[str]] = {
    SETTLEMENT: _OVER | _TESTIMONY | _ANOTHER_CHAIN | _REFUSED | _WITHDRAWN,
    ACQUIRER: {"captured_twice = 1", "said = 0"} | _OF_REFUNDS | _OF_REFUSALS,
}
"""Statements that are never reached, somewhere, within the bounds of `BASE`."""


@dataclass(frozen=True)
class Search:
    """What an exhaustive search found."""

    errors: int
    states: int
    broken: str  # the invariant, if any
    never: frozenset[str]  # statements that were never reached
    whole: bool
    seconds: float  # of CPU
    mebibytes: float
    said: str


def search(folder: Path, model: Path, defines: Bounds = (), optimise: str = "-O2") -> Search:
    """Search `model` with these definitions."""
    if shutil.which("spin") is None or shutil.which("gcc") is None:
        strict.skip_missing("spin and gcc are not here (Debian packages; `make setup` as root)")
    for command in (
        ["spin", "-a", *(f"-D{define}" for define in defines), str(model)],
        ["gcc", "-w", optimise, "-DSAFETY", "-DCOLLAPSE", "-DVECTORSZ=1024", "-o", "pan", "pan.c"],
    ):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        ["./pan", "-E", "-m400000", "-w24"], cwd=folder, capture_output=True, text=True, timeout=1500, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = done.stdout
    found = [
        re.search(pattern, said) for pattern in (r"errors: (\d+)", r"([\d.e+]+) states, stored", r"([\d.]+)\ttotal")
    ]
    assert all(found), said + done.stderr
    errors, states, memory = (float(match[1]) for match in found if match)
    assert "max search depth too small" not in said
    broken = re.search(r"assertion violated\s+!\((\w+)\)", said)
    return Search(
        int(errors),
        int(states),
        broken[1] if broken else "",
        frozenset(re.findall(r"\.pml:\d+, state \d+, \"([^\"]+)\"", said)),
        "Search not completed" not in said,
        after.ru_utime - before.ru_utime,
        memory,
        said,
    )


def _name(value: object) -> str:
    return value.stem if isinstance(value, Path) else "+".join(value) if isinstance(value, tuple) else str(value)


@pytest.mark.timeout(400)
@pytest.mark.parametrize(("model", "bounds"), BASE, ids=_name)
def test_no_reachable_state_breaks_an_invariant(tmp_path: Path, model: Path, bounds: Bounds) -> None:
    found = search(tmp_path, model, bounds)
    assert found.errors == 0 and found.whole, found.said
    assert found.states > 1_000_000, "the bounds leave hardly anything to search"
    never = {text for text in found.never if text != "-end-"}
    assert never <= NEVER[model], never - NEVER[model]


@pytest.mark.parametrize("bounds", ALONE, ids=_name)
def test_what_the_whole_model_leaves_out_holds_alone(tmp_path: Path, bounds: Bounds) -> None:
    found = search(tmp_path, ACQUIRER, bounds)
    assert found.errors == 0 and found.whole, found.said
    assert found.states > 50_000, "the bounds leave hardly anything to search"
    for bound, mine in (("REFUNDS=1", _OF_REFUNDS), ("REFUSALS=1", _OF_REFUSALS)):
        assert (
            bound not in bounds or "RESTORES=0" in bounds or not found.never & mine
        )  # the terminal's word needs a restore


@pytest.mark.timeout(400)
@pytest.mark.parametrize("defines", COVERED, ids=_name)
def test_what_another_check_covers_can_be_left_out(tmp_path: Path, defines: Bounds) -> None:
    found = search(tmp_path, SETTLEMENT, defines)
    assert found.errors == 0 and found.whole, found.said


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize(("model", "bounds"), WIDER, ids=_name)
def test_wider_bounds(tmp_path: Path, model: Path, bounds: Bounds) -> None:
    found = search(tmp_path, model, bounds)
    assert found.errors == 0 and found.whole, found.said


@pytest.mark.parametrize(("model", "wrong", "invariant"), WRONG, ids=_name)
def test_a_wrong_variant_breaks_the_invariant_that_is_named(
    tmp_path: Path, model: Path, wrong: Bounds, invariant: str
) -> None:
    assert all(re.search(rf"\b{define.split('=')[0]}\b", model.read_text()) for define in wrong)
    found = search(tmp_path, model, wrong, "-O0")
    assert (found.errors, found.broken) == (1, invariant), found.said


def test_each_action_names_a_function_that_exists() -> None:
    for model, least in ((SETTLEMENT, 30), (ACQUIRER, 12)):
        named = re.findall(r"@ (\S+):(\w+)", model.read_text())
        assert len(named) >= least
        for path, function in named:
            assert re.search(rf"^\s*(async )?def {function}\(", (ROOT / path).read_text(), re.M), (
                f"{path}: no {function}"
            )


def _report(wider: bool) -> Iterator[str]:
    """One line per search."""
    searches = [*((model, bounds, "") for model, bounds in (WIDER if wider else BASE))]
    if not wider:
        searches += [(ACQUIRER, bounds, "") for bounds in ALONE]
        searches += [*((SETTLEMENT, defines, "") for defines in COVERED), *WRONG]
    for model, defines, _ in searches:
        with tempfile.TemporaryDirectory() as folder:
            found = search(Path(folder), model, defines)
        held = f"breaks {found.broken}" if found.errors else "holds" if found.whole else "not completed"
        what = f"{model.stem} {' '.join(defines)}".strip()
        yield f"{what}: {held}; {found.states:,} states, {found.seconds:.1f} s of CPU, {found.mebibytes:.0f} MiB"


if __name__ == "__main__":
    for line in _report("--wider" in sys.argv[1:]):
        print(line, flush=True)
