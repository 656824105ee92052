"""The acquirer's host writes no warnings of its libraries into a command's output."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CALLS = """
import warnings
from sim.acquirer import issuer
from pyemv import ac, kd
key = kd.derive_icc_mk_a(bytes(range(16)), b"6280990000000017", b"01")
ac.generate_ac(kd.derive_common_sk(key, bytes(8)), bytes(20), ac.PaddingType.EMV, 8)
warnings.warn("of our own", stacklevel=1)
"""


def test_the_one_warning_of_pyemv_is_not_heard_and_others_are() -> None:
    done = subprocess.run(
        [sys.executable, "-c", CALLS], cwd=ROOT, capture_output=True, text=True, timeout=60, check=True
    )
    assert "TripleDES" not in done.stderr and "of our own" in done.stderr
