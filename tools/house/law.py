"""Which files of the shared packages belong to one runtime only: the listed exceptions to the import law.

The list is `import_law.txt`; the law itself is in docs/architecture.md and enforced by tests/house/test_import_law.py.
"""

from fnmatch import fnmatchcase

from tools.house.paths import HOUSE

LIST = HOUSE / "import_law.txt"
SHARED = ("protocol", "drivers", "terminal")
"""The packages that run on both runtimes, in the order in which they may import one another."""


def exceptions() -> "list[tuple[str, str]]":
    """The listed exceptions: (glob of a path relative to the project root, "cpython" or "micropython")."""
    rows = []
    for line in LIST.read_text().splitlines():
        words = line.split(None, 2)
        if words and not line.startswith("#"):
            pattern, runtime, _why = words
            rows.append((pattern, runtime))
    return rows


def only_runtime(path: str) -> str:
    """ "cpython" or "micropython" if the file (relative, with slashes) is listed for that runtime only, else ""."""
    for pattern, runtime in exceptions():
        if fnmatchcase(path, pattern):
            return runtime
    return ""
