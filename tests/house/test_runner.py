"""The dual-runtime runner itself: each of its laws bites. A small project with failing tests is run by a pytest of its own."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support import dual, needs
from tools.house.paths import ROOT

SAMPLE = """
from tests.support.dual import record, skip, vector_path, ON_DEVICE

kept = []


def test_passes():
    record("word", b"same")


def test_fails_on_both():
    assert 1 == 2


def test_leaks():
    kept.append(bytes(500))


def test_differs():
    record("where", "device" if ON_DEVICE else "host")


def test_skips():
    skip("not today")


def test_needs_absent_vectors():
    vector_path("there/is/no/such/file")


async def test_async_passes():
    import asyncio
    await asyncio.sleep(0)


async def test_async_fails():
    raise ValueError("from a coroutine")


def test_runs_out_of_memory_on_the_device():
    if ON_DEVICE:
        bytearray(10_000_000)


def test_ends_the_process():
    if ON_DEVICE:
        import uctypes
        uctypes.bytearray_at(0, 4)[0] = 1


def test_after_the_end():
    pass
"""


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Test id → PASSED, FAILED or SKIPPED of the sample, run in a copy of the house."""
    needs.micropython(32)
    return _run(_house(tmp_path_factory.mktemp("house")), {})[0]


def _house(root: Path) -> Path:
    for name in (
        "tests/support",
        "tests/conftest.py",
        "tools",
        "protocol/__init__.py",
        "protocol/errors.py",
        "terminal/__init__.py",
        "terminal/phases.py",
        "pyproject.toml",
    ):
        target = root / name
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(ROOT / name)
    for name in ("drivers", "tests/protocol"):
        (root / name).mkdir(parents=True)
    (root / "tests" / "protocol" / "test_sample.py").write_text(SAMPLE)
    return root


def _run(root: Path, extra: dict[str, str]) -> tuple[dict[str, str], str]:
    environment = dict(os.environ, TASDID_HOUSE_ROOT=str(root), TASDID_VECTORS=str(root / "none"))
    environment.pop("CI", None)
    environment.pop("TASDID_REQUIRE_VECTORS", None)
    command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", "--rootdir", str(root), "tests/protocol"]
    done = subprocess.run(
        command, cwd=root, env={**environment, **extra}, capture_output=True, text=True, timeout=120, check=False
    )
    found = {}
    for line in done.stdout.splitlines():
        words = line.split()
        if len(words) > 1 and "::" in words[0] and words[1] in ("PASSED", "FAILED", "SKIPPED"):
            found[words[0].split("::")[1]] = words[1]
    return found, done.stdout


@pytest.mark.parametrize(
    ("test", "host", "dev"),
    [
        ("test_passes", "PASSED", "PASSED"),
        ("test_fails_on_both", "FAILED", "FAILED"),
        ("test_leaks", "PASSED", "FAILED"),
        ("test_differs", "PASSED", "FAILED"),
        ("test_skips", "SKIPPED", "SKIPPED"),
        ("test_needs_absent_vectors", "SKIPPED", "SKIPPED"),
        ("test_async_passes", "PASSED", "PASSED"),
        ("test_async_fails", "FAILED", "FAILED"),
        ("test_runs_out_of_memory_on_the_device", "PASSED", "FAILED"),
        ("test_ends_the_process", "PASSED", "FAILED"),
        ("test_after_the_end", "PASSED", "FAILED"),
    ],
)
def test_each_law_of_the_runner_bites(outcome: dict[str, str], test: str, host: str, dev: str):
    assert (outcome[f"{test}[cpython]"], outcome[f"{test}[micropython32]"]) == (host, dev)


def test_absent_vectors_fail_where_they_are_required(tmp_path: Path):
    needs.micropython(32)
    found, text = _run(_house(tmp_path), {"CI": "true"})
    assert found["test_needs_absent_vectors[cpython]"] == "FAILED"
    assert found["test_needs_absent_vectors[micropython32]"] == "FAILED"
    assert found["test_skips[cpython]"] == "SKIPPED"
    assert "missing where it is required" in text


def test_an_absent_device_skips_and_fails_in_ci(tmp_path: Path):
    root = _house(tmp_path)
    found, _ = _run(root, {"TASDID_CACHE": str(tmp_path / "empty")})
    assert found["test_passes[micropython32]"] == "SKIPPED"
    assert found["test_passes[cpython]"] == "PASSED"
    found, _ = _run(root, {"TASDID_CACHE": str(tmp_path / "empty"), "CI": "true"})
    assert found["test_passes[micropython32]"] == "FAILED"


def test_vector_cases_walk_groups_and_their_inner_items():
    document = {"groups": [{"n": 1, "tests": [{"a": 1}, {"a": 2}]}, {"n": 2, "tests": [{"a": 3}]}], "other": 5}
    rows = dual.walk(document)
    cases = list(dual._pick(rows, ("groups", "tests")))
    assert [(group["n"], case["a"]) for group, case in cases] == [(1, 1), (1, 2), (2, 3)]
    assert [item["n"] for item in dual._pick(rows, ("groups",))] == [1, 2]
