"""`make reset` deletes worlds that nobody plays in; a lock that is deleted while somebody takes it keeps nobody out and is no lock."""

import fcntl
from pathlib import Path

import pytest

from protocol.errors import ConfigError
from tools.house import held, reset


def test_worlds_that_do_not_run_are_deleted(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    var = tmp_path / "var"
    for runtime in ("cpython", "micropython"):
        (var / runtime / "store").mkdir(parents=True)
        (var / runtime / held.LOCK).touch()
    for _ in range(2):  # the second time nothing is there
        assert reset.main([str(var)]) == 0 and not var.exists()
    assert "make run" in capsys.readouterr().out


def test_one_running_world_keeps_the_other_too(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for runtime in ("cpython", "micropython"):
        (tmp_path / runtime).mkdir()
        (tmp_path / runtime / held.LOCK).touch()
    with held.alone(tmp_path / "micropython", ""):
        assert reset.main([str(tmp_path)]) == 2
    assert (tmp_path / "cpython" / held.LOCK).exists() and (tmp_path / "micropython" / held.LOCK).exists()
    told = capsys.readouterr()
    assert "CFG-071" in told.err and "micropython" in told.err and "Ctrl-C" in told.err and not told.out


def test_a_lock_deleted_at_that_moment_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def deleted(*_: object) -> None:
        (tmp_path / held.LOCK).unlink()
        (tmp_path / held.LOCK).touch()

    monkeypatch.setattr(fcntl, "flock", deleted)
    with pytest.raises(ConfigError) as refused, held.alone(tmp_path, ""):
        pass
    assert refused.value.code == "CFG-071"


def test_the_front_door_resets_by_this_command() -> None:
    assert "tools.house.reset" in (Path(__file__).parents[2] / "Makefile").read_text().partition("\nreset:")[2]
