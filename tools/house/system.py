"""Debian packages that the project uses: which are missing, and installing them when that is possible.

Installation never starts a service (a policy-rc.d that exits 101, put back as it was) and never fails the set-up: what
cannot be installed is named, with what goes without it.
"""

import os
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

from tools.house.paths import HOUSE

LIST = HOUSE / "system-packages.txt"
POLICY = Path("/usr/sbin/policy-rc.d")


def wanted() -> "dict[str, str]":
    """Package name → what it is for, in the list's order."""
    rows = {}
    for line in LIST.read_text().splitlines():
        if line.strip() and not line.startswith("#"):
            name, _, purpose = line.partition("|")
            rows[name.strip()] = purpose.strip()
    return rows


def missing() -> "list[str]":
    """The wanted packages that dpkg does not know as installed; all of them where there is no dpkg."""
    if shutil.which("dpkg-query") is None:
        return list(wanted())
    shown = subprocess.run(
        ["dpkg-query", "-W", "-f", "${Package} ${db:Status-Abbrev}\n", *wanted()],
        capture_output=True, text=True, check=False, timeout=60,
    ).stdout  # fmt: skip
    installed = {line.split()[0] for line in shown.splitlines() if line.split()[1:2] == ["ii"]}
    return [name for name in wanted() if name not in installed]


def ensure(log=print) -> "list[str]":
    """Install what is missing if this is root on Debian; returns one sentence per package that is still missing."""
    lacking = missing()
    if not lacking:
        return []
    if shutil.which("apt-get") is None:
        return [_sentence(name, "there is no apt here") for name in lacking]
    if os.geteuid() != 0:
        hint = "as root: apt-get install --no-install-recommends " + " ".join(lacking)
        return [_sentence(name, "not running as root") for name in lacking] + [hint]
    log(f"Debian packages are installed: {' '.join(lacking)}")
    with _no_services():
        if _apt_get("update") != 0:
            log("  apt-get update failed; its older lists are used")
        if _apt_get("install", *lacking) != 0:
            for name in lacking:  # one that cannot be had must not keep the others away
                _apt_get("install", name)
    return [_sentence(name, "apt-get could not install it") for name in missing()]


def _sentence(name: str, why: str) -> str:
    return f"{name} is missing ({why}); goes without it: {wanted()[name]}"


def _apt_get(*words: str) -> int:
    environment = dict(os.environ, DEBIAN_FRONTEND="noninteractive", LC_ALL="C")
    command = ["apt-get", "-qq", "-y", "--no-install-recommends", "-o", "Dpkg::Use-Pty=0", *words]
    done = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=1500, check=False
    )
    if done.returncode != 0:
        print("\n".join(done.stderr.splitlines()[-6:]))
    return done.returncode


@contextmanager
def _no_services():
    """A policy-rc.d that forbids starting services; whatever stood there before comes back."""
    before = POLICY.with_name("policy-rc.d.before-tasdid")
    if POLICY.exists():
        POLICY.rename(before)
    try:
        POLICY.write_text("#!/bin/sh\nexit 101\n")
        POLICY.chmod(0o755)
        yield
    finally:
        POLICY.unlink(missing_ok=True)
        if before.exists():
            before.rename(POLICY)
