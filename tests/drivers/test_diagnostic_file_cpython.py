"""The trace on the side: what cannot be written is lost and counted, nothing else happens."""

import json
import os
from pathlib import Path
from typing import Any

import pytest

from drivers import diagnostic_file
from drivers.diagnostic_file import FileDiagnostic
from protocol.errors import ConfigError


class _Port:
    def __init__(self) -> None:
        self.seen: list[str] = []

    def emit(self, event: str, _fields: dict[str, Any]) -> None:
        self.seen.append(event)


def _port(path: Path) -> tuple[_Port, FileDiagnostic]:
    port = _Port()
    return port, FileDiagnostic(port, str(path))  # type: ignore[arg-type]


def test_events_of_its_kinds_are_lines_of_the_file_and_all_go_on(tmp_path: Path) -> None:
    port, trace = _port(tmp_path / "trace")
    for event in ("emv", "boot", "emv"):
        trace.emit(event, {"tvr": "00"})
    lines = (tmp_path / "trace").read_text().splitlines()
    assert [json.loads(line) for line in lines] == [{"event": "emv", "tvr": "00"}] * 2
    assert port.seen == ["emv", "boot", "emv"] and trace.lost == 0


@pytest.mark.parametrize("error", [OSError(28, "full"), BrokenPipeError()])
def test_a_file_that_takes_nothing_any_more_ends_no_payment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    class Full:
        def write(self, _line: bytes) -> int:
            raise error

    port, trace = _port(tmp_path / "trace")
    monkeypatch.setattr(trace, "_file", Full())
    trace.emit("emv", {})
    assert port.seen == ["emv"] and trace.lost == 1


def test_a_disk_that_is_full_now_and_then_takes_no_more_than_the_bound_and_joins_no_lines(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk that takes all, nothing, or half a line, in turn."""
    monkeypatch.setattr(diagnostic_file, "MOST", 2000)
    _, trace = _port(tmp_path / "trace")
    real = trace._file
    turn = iter(range(1000))

    class Disk:
        def write(self, line: bytes) -> int:
            case = next(turn) % 4
            if case == 1:
                raise OSError(28, "full")
            return real.write(line[: len(line) // 2] if case == 2 else line)

    monkeypatch.setattr(trace, "_file", Disk())
    for number in range(200):
        trace.emit("emv", {"number": number})
    data = (tmp_path / "trace").read_bytes()
    assert 1900 < len(data) <= 2000
    whole = [line for line in data.split(b"\n") if line.endswith(b"}")]
    numbers = [json.loads(line)["number"] for line in whole]
    assert numbers == sorted(set(numbers)) and len(numbers) > 30 and trace.lost == 200 - len(numbers)


def test_what_could_block_is_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "pipe", tmp_path, Path("/dev/full"), tmp_path / "absent" / "trace", Path("a\0b")):
        with pytest.raises(ConfigError) as caught:
            _port(path)
        assert caught.value.code == "CFG-043"
