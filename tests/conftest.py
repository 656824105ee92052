"""Hooks of the test suite: shared tests on both runtimes, strictness in CI. The work is done in tests/support."""

from typing import Any

import pytest

from tests.support import collect, strict


def pytest_pycollect_makeitem(collector: Any, name: str, obj: Any) -> Any:
    """A shared test becomes two items; everything else is collected as ever."""
    if isinstance(collector, pytest.Module) and collect.is_shared(collector.path) and name.startswith("test_"):
        if callable(obj) and not isinstance(obj, type):
            return collect.items_for(collector, name, obj)
    return None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `soak` run with TASDID_SOAK=1 only."""
    import os

    if os.environ.get("TASDID_SOAK") != "1":
        for item in items:
            if item.get_closest_marker("soak"):
                item.add_marker(pytest.mark.skip(reason="a long test: TASDID_SOAK=1"))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Tell the device which tests it will run."""
    collect.plan(session.items)


def pytest_sessionfinish() -> None:
    """End every device process."""
    collect.finish()


def pytest_report_header() -> str:
    """Say what the suite finds on this machine."""
    from tests.support import device

    why_not = device.shared().why_not()
    found = f"32-bit MicroPython: {why_not or 'heap ' + device.heap()}; vectors: {'here' if device.vectors_dir() else 'absent'}"
    return found + ("; missing parts fail (CI)" if strict.required() else "")
