"""`tasdid journal`: export a terminal's journal, verify an export without the server, and the soak that cuts the journal's power.

    tasdid journal export --store FOLDER --element STATE FILE      from a Linux handheld's store (or --flash IMAGE, a littlefs volume)
    tasdid journal verify FILE --json                              chain, signatures, counters, totals
    tasdid journal soak --transactions 1000 --jobs 2               see tools.journal.soak

Exit codes: 0 it holds, 1 something does not, 2 bad input.
"""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

HELD, DID_NOT_HOLD = 0, 1

app = typer.Typer(no_args_is_help=True, help="Export and verify a terminal's journal.")


@app.callback()
def journal() -> None:
    """Export and verify a terminal's journal."""


@app.command()
def soak(
    transactions: Annotated[int, typer.Option(help="transactions of the cut campaign; the others take a fiftieth")] = 1000,
    only: Annotated[str, typer.Option(help="one campaign: cuts, bytes, doubles, flips or faults")] = "",
    every: Annotated[int, typer.Option(help="look at every n-th operation or bit only; 1 is the whole proof")] = 1,
    jobs: Annotated[int, typer.Option(help="worker processes")] = os.cpu_count() or 1,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document on standard output")] = False,
) -> None:
    """Cut the journal's power at every flash operation, and damage its flash; exit code 1 if an oracle does not hold."""
    from tools.journal.soak.run import FULL, run

    if only and only not in FULL:
        raise typer.BadParameter(f"one of: {', '.join(FULL)}")
    sizes = {name: transactions if name == "cuts" else max(1, transactions * count // 1000) for name, count in FULL.items() if only in ("", name)}
    report = run(sizes, jobs, every)
    if as_json:
        typer.echo(json.dumps(report, indent=1))
    for figures in report.values():
        for failure in figures["failures"]:
            typer.echo(f"NOT HELD {figures['campaign']}: {failure}", err=True)
    raise typer.Exit(HELD if all(figures["ok"] for figures in report.values()) else DID_NOT_HOLD)
