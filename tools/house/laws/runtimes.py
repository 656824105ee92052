"""Which files of the shared packages belong to one runtime only: the listed exceptions to the law of imports.

The list is `exceptions.txt` beside this file; the law itself is in docs/architecture.md and checked by `imports.py`.
"""

from fnmatch import fnmatchcase
from pathlib import Path

LIST = Path(__file__).with_name("exceptions.txt")
_RUNTIMES = ("cpython", "micropython")
_HOST = "host"
SHARED = ("protocol", "drivers", "terminal")
"""The packages that run on both runtimes, in the order in which they may import one another."""


def exceptions() -> "list[tuple[str, str]]":
    """The listed exceptions: (glob of a path relative to the project root, "cpython", "micropython", "host" or "+module")."""
    rows = []
    for line in LIST.read_text().splitlines():
        words = line.split(None, 2)
        if words and not line.startswith("#"):
            pattern, what, _why = words
            rows.append((pattern, what))
    return rows


def only_runtime(path: str) -> str:
    """ "cpython" or "micropython" if the file (relative, with slashes) is listed for that runtime only, else ""."""
    for pattern, what in exceptions():
        if what in _RUNTIMES and fnmatchcase(path, pattern):
            return what
    return ""


def for_host(path: str) -> bool:
    """Whether only a host uses the file: it runs on both runtimes, and is not in the terminal's image."""
    return any(what == _HOST and fnmatchcase(path, pattern) for pattern, what in exceptions())


def extra_imports(path: str) -> "set[str]":
    """The modules that this file may import beyond those of its package."""
    return {what[1:] for pattern, what in exceptions() if what.startswith("+") and fnmatchcase(path, pattern)}
