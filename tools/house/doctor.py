"""Looks at the machine: each part that the project uses, whether it is here, and what goes without it.

Standard library only, so that it also runs before anything is installed: `python3 -m tools.house.doctor`.
"""

import os
import shutil
import sys
from pathlib import Path
from typing import NamedTuple

from tools.house import environment, fonts, stamps, system
from tools.house.paths import ROOT, VENV, cache_dir
from tools.house.toolchain import why_unavailable


class Finding(NamedTuple):
    """One part: its name, whether it is here, the state in words, and what goes without it."""

    part: str
    ok: bool
    state: str
    without: str


def examine() -> list[Finding]:
    """All findings, in the order in which one would mend them."""
    return [_python(), _environment(), *_micropython(), *_fonts(), *_system(), _vectors(), _cache()]


def _python() -> Finding:
    ok = sys.version_info >= environment.OLDEST
    return Finding("Python", ok, sys.version.split()[0], "everything; use Python 3.11 or newer")


def _environment() -> Finding:
    if not (VENV / "bin" / "python").exists():
        return Finding("Python packages", False, "no .venv", "everything; run `make setup`")
    current = stamps.is_current(VENV / ".stamp", environment.stamp_value())
    return Finding("Python packages", current, "as pinned" if current else "not as pinned", "run `make setup`")


def _micropython() -> list[Finding]:
    rows = []
    for bits, without in ((32, "the tests on the device's runtime"), (64, "the cross-check with 64-bit objects")):
        why_not = why_unavailable(bits)
        rows.append(Finding(f"MicroPython, {bits}-bit", not why_not, why_not or "runs", without))
    return rows


def _fonts() -> list[Finding]:
    here = fonts.is_present()
    return [Finding("font Vazirmatn", here, "here" if here else "missing", "receipts are drawn with DejaVu Sans")]


def _system() -> list[Finding]:
    lacking = system.missing()
    known = system.wanted()
    rows = [Finding(name, name not in lacking, "missing" if name in lacking else "here", known[name]) for name in known]
    pcscd = shutil.which("pcscd") is not None
    rows.append(Finding("pcscd program", pcscd, "here" if pcscd else "missing", "tests with real PC/SC"))
    return rows


def _vectors() -> Finding:
    folder = Path(os.environ.get("TASDID_VECTORS") or ROOT.parent / "shared" / "vectors")
    here = folder.is_dir()
    return Finding(
        "shared test vectors", here, "here" if here else "absent (TASDID_VECTORS)", "tests against published vectors"
    )


def _cache() -> Finding:
    folder = cache_dir()
    while not folder.exists():
        folder = folder.parent
    free = shutil.disk_usage(folder).free
    return Finding(
        "space in the cache folder", free > 500_000_000, f"{free // 1_000_000} MB free", "fetching toolchains"
    )


def main() -> int:
    """Print the findings plainly; 1 if something is missing."""
    findings = examine()
    for finding in findings:
        mark = "ok     " if finding.ok else "MISSING"
        print(f"{mark} {finding.part}: {finding.state}" + ("" if finding.ok else f" (without it: {finding.without})"))
    return 0 if all(finding.ok for finding in findings) else 1


if __name__ == "__main__":
    sys.exit(main())
