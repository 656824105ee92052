"""`tasdid bench`: measure, and print the figures that documents quote.

    tasdid bench                    all of them
    tasdid bench licence --json     one, as lines of JSON: one document a line, a line a case
    tasdid bench reconnect --full   at its full size: 2,000 terminals at once, each with 90 fines of 30 days

The measurements live in tests/benchmarks, one module each with `main(arguments)`; each says in its docstring what it measures and
against what. Figures are this machine's. Exit codes: 0 measured, 1 a measurement failed, 2 no such one, 3 the tests are not here.
"""

import importlib
import inspect
import sys
from typing import Annotated

import typer

from protocol.errors import ConfigError
from tools.house.errors import MissingPart
from tools.house.paths import ROOT

FOLDER = ROOT / "tests" / "benchmarks"
HELPERS = ("channel", "minimum")


def available() -> list[str]:
    """The names of the measurements: modules of tests/benchmarks but helpers and device halves."""
    names = [path.stem for path in FOLDER.glob("*.py") if not path.stem.endswith("_device")]
    return sorted(name for name in names if name not in HELPERS and not name.startswith("_"))


def run(
    what: Annotated[list[str] | None, typer.Argument(help="what to measure; everything if not given")] = None,
    as_json: Annotated[
        bool,
        typer.Option(
            "--json", help="a JSON document on each line (not one for the whole) where a measurement has text too"
        ),
    ] = False,
    full: Annotated[
        bool,
        typer.Option(
            "--full",
            help="reconnect at its full size: 2,000 terminals at once, 90 fines of 30 days each; else 100 of 10",
        ),
    ] = False,
    device: Annotated[bool, typer.Option(help="measure on MicroPython too")] = True,
) -> None:
    """Measure and print figures. Exit codes: 0 measured, 1 a measurement failed, 2 no such one."""
    if not FOLDER.is_dir():
        raise MissingPart("CFG-089", "the measurements are not installed", "run this in a checkout of the project")
    known = available()
    for name in what or known:
        if name not in known:
            raise ConfigError(f"there is no measurement {name!r}", "CFG-089", "one of: " + ", ".join(known))
    if str(ROOT) not in sys.path:
        sys.path.insert(0, str(ROOT))  # tests are no installed package
    failed = False
    measured = [importlib.import_module(f"tests.benchmarks.{name}") for name in what or known]
    if full and not any(hasattr(module, "FULL") for module in measured):
        raise ConfigError("no such measurement has a full size", "CFG-089", "tasdid bench reconnect --full")
    for module in measured:
        main = module.main
        options = [*(["--json"] if as_json else []), *([] if device else ["--no-device"])]
        options += ["--full"] if full and hasattr(module, "FULL") else []
        failed = bool(main(options) if inspect.signature(main).parameters else main()) or failed
    if failed:
        raise typer.Exit(1)
