"""`tasdid doctor`: what this machine has of what the project uses, and what is skipped without it."""

import json

import typer

from tools.house import doctor


def run(as_json: bool = typer.Option(False, "--json", help="Print a JSON list instead of a table.")) -> None:
    """Say what is here, what is missing and what that skips. Exit code 1 if something is missing."""
    findings = doctor.examine()
    if as_json:
        print(json.dumps([finding._asdict() for finding in findings], ensure_ascii=False))
    else:
        _print_table(findings)
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


def _print_table(findings: list[doctor.Finding]) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("part", "state", "without it", box=None, pad_edge=False)
    for finding in findings:
        state = f"[green]{finding.state}[/]" if finding.ok else f"[red]{finding.state}[/]"
        table.add_row(finding.part, state, "" if finding.ok else finding.without)
    Console().print(table)
