"""Hand inputs made on CPython (by hypothesis or a reference implementation) to a function on the device, for *_cpython.py tests.

inputs = cross.examples(st.binary(max_size=64), count=200)
for data, got in zip(inputs, cross.run_on_device("protocol.base45", "encode", inputs)): assert got == base45.encode(data)
"""

import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

from tests.support import device, device_runner, strict


class DeviceRaised(Exception):
    """What the device's function raised: `name` of the class, `code` if it has one, `trace` as text."""

    def __init__(self, name: str, code: "str | None", trace: str) -> None:
        super().__init__(f"{name} {code or ''}".strip())
        self.name = name
        self.code = code
        self.trace = trace

    def __eq__(self, other: object) -> bool:
        return isinstance(other, DeviceRaised) and (self.name, self.code) == (other.name, other.code)

    def __hash__(self) -> int:
        return hash((self.name, self.code))


def examples(strategy: "SearchStrategy[Any]", count: int = 200) -> list[Any]:
    """`count` inputs drawn from a hypothesis strategy, the same at every run."""
    drawn: list[Any] = []

    @settings(
        max_examples=count, derandomize=True, database=None, deadline=None, suppress_health_check=list(HealthCheck)
    )
    @given(strategy)
    def collect(value: Any) -> None:
        drawn.append(value)

    collect()
    return drawn[:count]


def run_on_device(module: str, function: str, inputs: Sequence[Any], heap: str = "") -> list[Any]:
    """Call `module.function(input)` on the device for each input; a tuple input is the argument list. `heap`: another than the tests' own.

    Values may be None, bool, int, str, bytes, list, dict (bytes keys and all); tuples come back as lists. What a call raised
    stands in the results as a DeviceRaised. Skips (fails in CI) if the device cannot run here.
    """
    dev = device.shared()
    if dev.why_not():
        strict.skip_missing(dev.why_not())
    with tempfile.NamedTemporaryFile("w", suffix=".inputs", dir=dev.folder) as stream:
        for item in inputs:
            arguments = list(item) if isinstance(item, tuple) else [item]
            stream.write(json.dumps(device_runner.pack(arguments), ensure_ascii=False) + "\n")
        stream.flush()
        return _collect(dev.start("call", module, function, str(Path(stream.name)), size=heap), len(inputs))


def on_host(function: Any, inputs: Sequence[Any]) -> list[Any]:
    """The same calls on CPython, in the same form, so that the two lists can be compared with ==."""
    results: list[Any] = []
    for item in inputs:
        arguments = item if isinstance(item, tuple) else (item,)
        try:
            results.append(device_runner.unpack(json.loads(json.dumps(device_runner.pack(function(*arguments))))))
        except Exception as error:  # noqa: BLE001  what it raises is the result that is compared
            results.append(DeviceRaised(type(error).__name__, getattr(error, "code", None), ""))
    return results


def _collect(process: device.DeviceProcess, count: int) -> list[Any]:
    results: list[Any] = []
    try:
        for line in process.lines():
            if "fatal" in line:
                raise AssertionError(f"the device could not import the module:\n{line['fatal']}")
            if "raised" in line:
                results.append(DeviceRaised(line["raised"], line["code"], line["trace"]))
            else:
                results.append(device_runner.unpack(line["result"]))
    finally:
        process.close()
    if len(results) != count:
        raise AssertionError(f"the device answered {len(results)} of {count} calls: {process.ended}")
    return results
