"""Hooks of the test suite: shared tests on both runtimes, strictness in CI. The work is done in tests/support."""

import gc
import os
from collections import Counter
from typing import Any

import pytest

from tests.support import collect, strict
from tools.house.paths import ROOT


def pytest_pycollect_makeitem(collector: Any, name: str, obj: Any) -> Any:
    """A shared test becomes two items; everything else is collected as ever."""
    if isinstance(collector, pytest.Module) and collect.is_shared(collector.path) and name.startswith("test_"):
        if callable(obj) and not isinstance(obj, type):
            return collect.items_for(collector, name, obj)
    return None


LONG = (
    "tests/model/test_settlement_model.py",
    "tests/scenarios/settlement/test_seeds.py",
    "tests/tools/test_server.py",
    "tests/scenarios/test_bad_input_cpython.py",
    "tests/conformance/licence/test_tears.py",
    "tests/conformance/journal/test_soak.py",
    "tests/e2e/test_page_cpython.py",
    "tests/e2e/test_licence_flows_cpython.py",
    "tests/e2e/emv/test_canary_cpython.py",
    "tests/e2e/emv/test_tap_cpython.py",
    "tests/e2e/test_voids_cpython.py",
    "tests/e2e/test_demo_cpython.py",
    "tests/server/web/test_processes.py",
    "tests/server/web/test_waiting_cards.py",
    "tests/terminal/payment/test_tap_durable.py",
    "tests/terminal/payment/test_signature_paper.py",
)
"""Files that take longest, or have few tests that take long, longest first: begun last, one of them would be waited for alone."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long files first, then those with most tests. Tests marked `soak` run with TASDID_SOAK=1 only."""
    places = {ROOT / name: at for at, name in enumerate(LONG)}
    tests = Counter(item.path for item in items)
    files = {path: (places.get(path, len(LONG)), -tests[path], at) for at, path in enumerate(tests)}
    items.sort(key=lambda item: files[item.path])
    if os.environ.get("TASDID_SOAK") != "1":
        for item in items:
            if item.get_closest_marker("soak"):
                item.add_marker(pytest.mark.skip(reason="a long test: TASDID_SOAK=1"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tell the device which tests it will run. What has been loaded stays to the end: looking for garbage in it takes a seventh of all time."""
    collect.plan(session.items)
    gc.collect()
    gc.freeze()


def pytest_sessionfinish() -> None:
    """End every device process."""
    collect.finish()


def pytest_report_header() -> str:
    """Say what the suite finds on this machine."""
    from tests.support import device

    why_not = device.shared().why_not()
    found = f"32-bit MicroPython: {why_not or 'heap ' + device.heap()}; vectors: {'here' if device.vectors_dir() else 'absent'}"
    return found + ("; missing parts fail (CI)" if strict.required() else "")
