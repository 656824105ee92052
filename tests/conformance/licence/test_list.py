"""The list itself: every requirement has a test."""

import importlib
from pathlib import Path

from tests.conformance.licence.requirements import MET, REQUIREMENTS


def test_every_requirement_has_a_test() -> None:
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        importlib.import_module(f"tests.conformance.licence.{path.stem}")
    assert sorted(set(REQUIREMENTS) - set(MET)) == []
