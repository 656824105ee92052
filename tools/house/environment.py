"""The Python environment `.venv`: made by venv, filled with the pinned packages, the project installed editable.

pip takes whatever configuration the machine has; no index is named here.
"""

import importlib.util
import shutil
import subprocess
import sys
from pathlib import Path

from tools.house import stamps
from tools.house.errors import HouseError, MissingPart
from tools.house.paths import ROOT, TYPINGS, VENV

REQUIREMENTS = ROOT / "requirements.txt"
PCSC_REQUIREMENTS = ROOT / "requirements-pcsc.txt"
STUBS_REQUIREMENTS = ROOT / "requirements-stubs.txt"
PYPROJECT = ROOT / "pyproject.toml"
OLDEST = (3, 11)


def ensure(log=print) -> "list[str]":
    """Make or update `.venv` and `typings/`; returns sentences about what was left out. Raises HouseError."""
    _ensure_venv(log)
    python = VENV / "bin" / "python"
    value = stamp_value()
    if not stamps.is_current(VENV / ".stamp", value):
        log("Python packages are installed into .venv (about a minute the first time)")
        _pip(python, "install", "--requirement", str(REQUIREMENTS))
        _pip(python, "install", "--no-deps", "--no-build-isolation", "--editable", str(ROOT))
        stamps.write(VENV / ".stamp", value)
    _ensure_stubs(python, log)
    return _ensure_pcsc(python, log)


def stamp_value() -> str:
    """What `.venv/.stamp` records when the environment is as pinned."""
    return stamps.digest(REQUIREMENTS, _packaging())


def _packaging() -> str:
    """The part of pyproject.toml that an installation depends on: everything before the tools' settings."""
    return PYPROJECT.read_text().split("[tool.pytest")[0]


def _ensure_venv(log) -> None:
    if sys.version_info < OLDEST:
        raise MissingPart("H-PY-OLD", f"Python {sys.version.split()[0]} is too old", "use Python 3.11 or newer")
    if (VENV / "bin" / "python").exists() and _runs(VENV / "bin" / "python"):
        return
    if any(importlib.util.find_spec(name) is None for name in ("venv", "ensurepip")):
        raise MissingPart(
            "H-PY-VENV", "python3 has no venv or no ensurepip", "apt install python3-venv, then `make setup`"
        )
    log("the environment .venv is made")
    shutil.rmtree(VENV, ignore_errors=True)
    done = subprocess.run(
        [sys.executable, "-m", "venv", str(VENV)], capture_output=True, text=True, check=False, timeout=300
    )
    if done.returncode != 0:
        raise MissingPart(
            "H-PY-VENV", (done.stdout + done.stderr).strip()[-300:], "apt install python3-venv, then `make setup`"
        )


def _ensure_stubs(python: Path, log) -> None:
    value = stamps.digest(STUBS_REQUIREMENTS)
    if stamps.is_current(TYPINGS / ".stamp", value):
        return
    log("MicroPython's type stubs are installed into typings/")
    shutil.rmtree(TYPINGS, ignore_errors=True)
    _pip(python, "install", "--no-deps", "--target", str(TYPINGS), "--requirement", str(STUBS_REQUIREMENTS))
    stamps.write(TYPINGS / ".stamp", value)


def _ensure_pcsc(python: Path, log) -> "list[str]":
    """pyscard is built from source and may fail where its headers are missing: that skips PC/SC, nothing else."""
    value = stamps.digest(PCSC_REQUIREMENTS, sys.version)
    stamp = VENV / ".stamp-pcsc"
    if stamps.is_current(stamp, value):
        return []
    log("pyscard is built")
    try:
        _pip(python, "install", "--requirement", str(PCSC_REQUIREMENTS))
    except HouseError:
        return ["pyscard could not be built (needs gcc, python3-dev, libpcsclite-dev); goes without it: PC/SC cards"]
    stamps.write(stamp, value)
    return []


def _runs(python: Path) -> bool:
    try:
        return (
            subprocess.run([str(python), "-c", "import pip"], capture_output=True, timeout=60, check=False).returncode
            == 0
        )
    except OSError:
        return False


def _pip(python: Path, *words: str) -> None:
    command = [str(python), "-m", "pip", "--quiet", "--disable-pip-version-check", *words]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=1500)
    if done.returncode != 0:
        lines = [line for line in done.stderr.splitlines() if "is ignored" not in line]
        errors = [line for line in lines if line.startswith("ERROR")] or lines
        causes = [line for line in lines if "connection broken by" in line][:1]
        message = "\n".join(causes + errors[-8:])
        raise HouseError("H-PIP", message, "check pip's configuration and the network, then `make setup` again")
