"""How pytest collects and runs the shared tests: each once on CPython and once on 32-bit MicroPython.

A shared test is a plain function `test_*` in tests/{protocol,drivers,terminal}/**/test_*.py, except files named *_cpython.py.
Files named *_micropython.py run on the device only.
A file with a DEVICE_HEAP gets that heap, warmed as the application is (`phases.warm`).
The two laws beyond passing: no heap growth from one run to the next on the device, and equal `dual.record` values on both.
"""

import asyncio
import inspect
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support import device, dual, strict
from tools.house.laws.runtimes import SHARED
from tools.house.paths import ROOT

_host_records: dict[str, list[tuple[str, str]]] = {}


def is_shared(path: Path) -> bool:
    """True for a test file that belongs to both runtimes (or to the device only)."""
    parts = path.relative_to(ROOT).parts if path.is_relative_to(ROOT) else ()
    return parts[:1] == ("tests",) and parts[1:2] != () and parts[1] in SHARED and not path.stem.endswith("_cpython")


def items_for(collector: pytest.Module, name: str, obj: Any) -> list[pytest.Item]:
    """The items of one test function."""
    found: list[pytest.Item] = []
    if not collector.path.stem.endswith("_micropython"):
        found.append(HostItem.from_parent(collector, name=f"{name}[cpython]", callobj=obj))
    found.append(DeviceItem.from_parent(collector, name=f"{name}[micropython32]", function=obj))
    return found


class HostItem(pytest.Function):
    """A shared test on CPython."""

    def runtest(self) -> None:
        """Run it once; keeps what it records for the comparison."""
        dual.configure(device.vectors_dir(), "", device.shared().scratch("host"))
        dual.start()
        try:
            result = self.obj()
            if inspect.iscoroutine(result):
                asyncio.run(result)
        except dual.VectorsMissing as reason:
            strict.skip_missing(str(reason))
        except dual.Skip as reason:
            pytest.skip(str(reason))
        _host_records[_key(self.path, self.obj.__name__)] = list(dual.records())


class DeviceItem(pytest.Item):
    """A shared test on 32-bit MicroPython; one device process serves the planned tests of a file, in order."""

    def __init__(self, *, function: Any, **rest: Any) -> None:
        super().__init__(**rest)
        self.function = function
        self.test_name = function.__name__

    def runtest(self) -> None:
        """Wait for this test's report from the device and judge it."""
        dev = device.shared()
        if dev.why_not():
            strict.skip_missing(dev.why_not())
        outcome = _module_run(self).outcome(self.test_name)
        if "skip" in outcome:
            strict.skip_missing(outcome["skip"]) if outcome["missing"] else pytest.skip(outcome["skip"])
        for section in outcome["printed"]:
            self.add_report_section("call", "stdout", section + "\n")
        if outcome.get("leak"):
            raise DeviceFailure(f"heap leak: each further run kept {outcome['leak']} B more (at most 64 may stay)")
        if not outcome["ok"]:
            raise DeviceFailure(outcome["error"])
        self.user_properties.append(("heap", (outcome["held"], outcome["free"])))
        _compare(_host_records.get(_key(self.path, self.test_name)), outcome["records"])

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException], style: Any = None) -> Any:
        """The device's own traceback instead of ours."""
        if isinstance(excinfo.value, DeviceFailure):
            return f"on 32-bit MicroPython (heap {_own_heap(self) or device.heap()}):\n{excinfo.value}"
        return super().repr_failure(excinfo, style)

    def reportinfo(self) -> tuple[Path, int, str]:
        """Where the test stands."""
        return self.path, self.function.__code__.co_firstlineno - 1, self.name


class DeviceFailure(Exception):
    """A test that failed on the device; the text is the device's traceback or the law that was broken."""


class ModuleRun:
    """The device process of one test file and the outcomes read so far."""

    def __init__(self, module: str, names: list[str], heap: str) -> None:
        self.process = device.shared().run_module(module, names, heap)
        self._lines: Iterator[dict] = self.process.lines()
        self._outcomes: dict[str, dict] = {}
        self._records: list[tuple[str, str]] = []
        self._fatal = ""

    def outcome(self, name: str) -> dict:
        """The outcome of one test, reading on until it comes; a dead process fails it with the reason."""
        while name not in self._outcomes and not self._fatal:
            line = next(self._lines, None)
            if line is None:
                self._fatal = self.process.ended or "the device ended without reporting this test"
            elif "fatal" in line:
                self._fatal = line["fatal"] + _compile_errors()
            elif "record" in line:
                self._records.append((line["key"], line["text"]))
            elif "end" in line:
                self._outcomes[line["end"]] = dict(line, records=self._records, printed=self.process.printed)
                self._records, self.process.printed = [], []
        if name not in self._outcomes:
            return {"ok": False, "error": self._fatal, "printed": self.process.printed, "records": []}
        return self._outcomes[name]


_runs: dict[str, ModuleRun] = {}
_plans: dict[str, list[str]] = {}


def plan(items: list[pytest.Item]) -> None:
    """Called when collection is over: which tests of which file the device will run."""
    _plans.clear()
    for item in items:
        if isinstance(item, DeviceItem):
            _plans.setdefault(_module(item.path), []).append(item.test_name)


def finish() -> None:
    """Called at the end of the session: end every device process."""
    for run in _runs.values():
        run.process.close()
    _runs.clear()
    device.close_shared()


def _module_run(item: DeviceItem) -> ModuleRun:
    module = _module(item.path)
    if module not in _runs:
        for other in _runs.values():  # the one before has reported everything it was asked for
            other.process.close()
        _runs[module] = ModuleRun(module, _plans.get(module, [item.test_name]), _own_heap(item))
    return _runs[module]


def _own_heap(item: pytest.Item) -> str:
    """The heap that the file of a test asks for, or ""."""
    return getattr(item.getparent(pytest.Module).obj, "DEVICE_HEAP", "")  # type: ignore[union-attr]


def _module(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts)


def _key(path: Path, name: str) -> str:
    return f"{path}::{name}"


def _compare(host: "list[tuple[str, str]] | None", dev: list[tuple[str, str]]) -> None:
    """The difference law: what both runtimes recorded must be equal. Nothing to compare if CPython's run was not selected."""
    if host is None or sorted(host) == sorted(
        dev
    ):  # a JSON object's order differs there, and so may the order of records
        return
    host, dev = sorted(host), sorted(dev)
    for (host_name, host_text), (dev_name, dev_text) in zip(host, dev, strict=False):
        if (host_name, host_text) != (dev_name, dev_text):
            raise DeviceFailure(
                f"the runtimes differ: CPython {host_name}={host_text}, MicroPython {dev_name}={dev_text}"
            )
    raise DeviceFailure(f"the runtimes differ: CPython recorded {len(host)} values, MicroPython {len(dev)}")


def _compile_errors() -> str:
    errors = device.shared().image().errors
    return "".join(f"\nnot in the image, since mpy-cross refuses it: {name}: {text}" for name, text in errors.items())
