"""`make setup`: everything that running and testing needs, each step skipped when nothing changed since it last succeeded.

Run by the system's Python before anything is installed: `python3 -m tools.house.setup`. What this machine cannot give is said
in plain words at the end; only a missing Python environment stops it (exit code 3).
"""

import sys
import time

from tools.house import environment, fonts, micropython, system
from tools.house.errors import HouseError

STEPS = ((system, False), (environment, True), (micropython, False), (fonts, False))
"""The steps in order, and whether the set-up must fail if the step does."""


def main() -> int:
    """Run the steps; 0, or 3 if the machine lacks what cannot be done without."""
    began = time.monotonic()
    notes: "list[str]" = []
    for step, needed in STEPS:
        try:
            notes += step.ensure(_say)
        except HouseError as error:
            if needed:
                print(f"setup: {error}", file=sys.stderr)
                return 3
            notes.append(str(error))
    for note in notes:
        _say(f"note: {note}")
    took = time.monotonic() - began
    _say(f"ready in {took:.1f} s" + (f", {len(notes)} notes above" if notes else ""))
    return 0


def _say(sentence: str) -> None:
    print(f"setup: {sentence}", flush=True)


if __name__ == "__main__":
    sys.exit(main())
