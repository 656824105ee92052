"""`make reset`: delete the worlds of `make run`, unless one of them runs.

    python -m tools.house.reset [FOLDER]     FOLDER: var/ of the project if not given

Needs nothing that is installed. Exit codes: 0 it is gone, 2 a world runs in it (CFG-071) or it cannot be deleted (CFG-070).
"""

import contextlib
import shutil
import sys
from pathlib import Path

from protocol.errors import ConfigError
from tools.house import held
from tools.house.paths import ROOT

TODO = "stop it (Ctrl-C where it runs), then `make reset` again"


def reset(folder: Path) -> None:
    """Delete the folder and the worlds in it; nothing if one of them runs. ConfigError CFG-070, CFG-071."""
    with contextlib.ExitStack() as locks:
        try:
            for lock in sorted(folder.glob("*/" + held.LOCK)):
                locks.enter_context(held.alone(lock.parent, TODO))
            if folder.exists():
                shutil.rmtree(folder)
        except OSError as error:
            raise ConfigError(
                f"the folder {folder} cannot be deleted ({error.strerror})", "CFG-070", "see whose it is", error.errno
            ) from error


def main(arguments: list[str]) -> int:
    """Command line; see the module's docstring."""
    folder = Path(arguments[0]) if arguments else ROOT / "var"
    try:
        reset(folder)
    except ConfigError as error:
        print(f"make reset: {error.code} {error.message} — {error.hint}", file=sys.stderr)
        return 2
    print(f"{folder.name}/ is gone; the next 'make run' starts afresh")
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
