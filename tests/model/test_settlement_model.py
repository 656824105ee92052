"""The Spin model of terminal, radio and server: searched exhaustively within its bounds, wrong variants fail, and every
action names code that exists.

Bounds in CI: 2 records, 1 power cut, 1 death of the server, 1 restore, 1 rollback of the flash, 1 lost or doubled message,
5 sessions; with TASDID_SOAK=1 wider ones, each alone. No bit-state hashing: `pan` stores
every state it reaches.
"""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support import strict

MODEL = Path(__file__).with_name("settlement.pml")
ROOT = Path(__file__).resolve().parents[2]
SOAK = os.environ.get("TASDID_SOAK") == "1"
WIDER = (("-DRECORDS=3",), ("-DCUTS=2",), ("-DLOSSES=2",), ("-DDEATHS=2",), ("-DHELLOS=7",))
WRONG = ("ACK_BEFORE_COMMIT", "SHOW_BEFORE_DURABLE", "NO_DEDUP", "NO_COUNTER")


def search(folder: Path, *defines: str) -> tuple[int, int, str]:
    """(errors, states stored, what pan wrote) of the exhaustive search."""
    if shutil.which("spin") is None or shutil.which("gcc") is None:
        strict.skip_missing("spin and gcc are not here (Debian packages; `make setup` as root)")
    for command in (
        ["spin", "-a", *defines, str(MODEL)],
        ["gcc", "-w", "-O2", "-DSAFETY", "-DCOLLAPSE", "-DVECTORSZ=1024", "-o", "pan", "pan.c"],
    ):
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
    done = subprocess.run(
        ["./pan", "-E", "-m400000", "-w24"], cwd=folder, capture_output=True, text=True, timeout=1500, check=False
    )
    errors = re.search(r"errors: (\d+)", done.stdout)
    states = re.search(r"(\d+) states, stored", done.stdout)
    assert errors and states, done.stdout + done.stderr
    assert "max search depth too small" not in done.stdout
    return int(errors[1]), int(states[1]), done.stdout


@pytest.mark.timeout(400)
def test_no_reachable_state_breaks_an_invariant(tmp_path: Path) -> None:
    errors, states, said = search(tmp_path)
    assert errors == 0, said
    assert "Search not completed" not in said
    assert states > 1_000_000, "the bounds leave hardly anything to search"
    unreached = re.findall(r"settlement\.pml:(\d+), state \d+, \"([^\"]+)\"", said)
    never = {
        text for _, text in unreached if "assert(0)" not in text and "-end-" not in text and "lied = 1" not in text
    }
    assert never <= {"stop"}, f"actions that never happen within the bounds: {never}"


@pytest.mark.soak
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("bounds", WIDER, ids=lambda bounds: bounds[0])
def test_wider_bounds(tmp_path: Path, bounds: tuple[str, ...]) -> None:
    errors, _, said = search(tmp_path, *bounds)
    assert errors == 0 and "Search not completed" not in said, said


@pytest.mark.parametrize("variant", WRONG)
def test_a_wrong_variant_fails(tmp_path: Path, variant: str) -> None:
    errors, _, said = search(tmp_path, f"-D{variant}")
    assert errors == 1 and "assertion violated" in said, said


def test_each_action_names_a_function_that_exists() -> None:
    named = re.findall(r"@ (\S+):(\w+)", MODEL.read_text())
    assert len(named) >= 15
    for path, function in named:
        assert re.search(rf"^\s*(async )?def {function}\(", (ROOT / path).read_text(), re.M), f"{path}: no {function}"
