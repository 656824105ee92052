"""The coverage-guided fuzzer on each target: few runs in CI, millions with TASDID_SOAK=1 (TASDID_FUZZ_RUNS says how many).

Oracle: no crash other than coded errors, no input that takes longer than ten seconds, memory below 300 MB for the whole process.
"""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.licence import seeds
from tests.fuzz.licence.targets import TARGETS
from tests.sim.pki import made
from tests.support import needs
from tools.house.paths import ROOT

SOAK = os.environ.get("TASDID_SOAK") == "1"
WEIGHT = {"sod": 0.2, "certificates": 0.5, "reading": 0.2, "files": 0.1, "answers": 0.2, "infos": 0.5, "picture": 0.03}
"""Slow targets get a part of the runs only."""
FRESH = ["/bin/sh", "-c", '"$@"; exit $?', "sh"]
"""A shell between: Linux counts the memory of the process that started another as that one's peak, and this test's may be large."""


def runs(name: str) -> int:
    """How many inputs this target gets."""
    wanted = int(os.environ.get("TASDID_FUZZ_RUNS") or (1_000_000 if SOAK else 2000))
    return max(int(wanted * WEIGHT.get(name, 1)), 100)


@pytest.mark.timeout(4 * 3600 if SOAK else 120)
@pytest.mark.parametrize("name", sorted(TARGETS))
def test_nothing_but_coded_errors_gets_out(name: str, tmp_path: Path) -> None:
    needs.module("atheris", "atheris")
    pki, corpus = made.shared(), tmp_path / "corpus"
    corpus.mkdir()
    for at, seed in enumerate(seeds.seeds(name, pki)):
        (corpus / f"seed-{at}").write_bytes(seed)
    (tmp_path / "anchor.der").write_bytes(pki.csca.der)
    (tmp_path / "list.der").write_bytes(seeds.lists(pki)[0])
    options = [f"-runs={runs(name)}", "-max_len=4096", "-timeout=10", "-rss_limit_mb=300", "-len_control=0", "-print_final_stats=1",
               f"-artifact_prefix={tmp_path}/"]  # fmt: skip
    if not SOAK:
        options.append("-seed=1")
    words = [sys.executable, "-m", "tests.fuzz.licence.coverage", name, str(corpus), *options]
    done = subprocess.run(
        [*FRESH, *words],
        cwd=ROOT, capture_output=True, timeout=4 * 3600, check=False,
    )  # fmt: skip
    report = done.stderr.decode(errors="replace") + done.stdout.decode(errors="replace")
    assert done.returncode == 0, report[-4000:]
    executed = re.search(r"number_of_executed_units: *(\d+)", report)
    assert executed and int(executed[1]) >= runs(name), report[-2000:]
