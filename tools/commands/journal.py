"""`tasdid journal`: export a terminal's journal, verify an export without the server, and the soak that cuts the
journal's power.

    tasdid journal export --store FOLDER --element STATE FILE    from a Linux handheld's store (or --flash IMAGE, a
    littlefs volume); --epoch N for an older epoch
    tasdid journal verify FILE --key KEYS --json                 chain, signatures, counters, totals; KEYS is a file with the pinned
    key: the centre's devices.json, what it gives under /api/receipt-keys, or a world's receipt-keys.json
    tasdid journal room --flash 8192 --fines 40 --days 60        how long a flash lasts
    tasdid journal soak --transactions 1000 --jobs 2             see tools.journal.soak

Exit codes: 0 it holds (verify without --key: together, under a key that nobody has checked), 1 something does not, 2 bad input, 5 (verify) only
the centre can say: records are missing of which the terminal says that the centre acknowledged them.
"""

import json
import os
from pathlib import Path
from typing import Annotated

import typer

HELD, DID_NOT_HOLD, ASK = 0, 1, 5
POINT = 65  # bytes of a public key, an uncompressed point of P-256
WORDS = {
    "holds": "the journal holds",
    "unpinned": "it holds together, but WHOSE KEY IT IS NOBODY HAS CHECKED: give --key",
    "ask": "the journal does not stand alone: ASK THE CENTRE",
}
CODES = {"holds": HELD, "unpinned": HELD, "ask": ASK}
KEYS = "devices.json of the centre, its /api/receipt-keys, or receipt-keys.json of a world"

app = typer.Typer(no_args_is_help=True, help="Export and verify a terminal's journal.")


@app.callback()
def journal() -> None:
    """Export and verify a terminal's journal."""


@app.command()
def soak(
    transactions: Annotated[
        int, typer.Option(help="transactions of the cut campaign; the others take a fiftieth", min=1)
    ] = 1000,
    only: Annotated[
        str, typer.Option(help="one campaign: cuts, turns, bytes, doubles, twice, flips, faults or pending")
    ] = "",
    every: Annotated[
        int, typer.Option(help="look at every n-th operation or bit only; 1 is the whole proof", min=1)
    ] = 1,
    jobs: Annotated[int, typer.Option(help="worker processes", min=1, max=64)] = os.cpu_count() or 1,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document on standard output")] = False,
) -> None:
    """Cut the journal's power at every flash operation, and damage its flash; exit code 1 if an oracle does not hold."""
    from tools.journal.soak.run import FULL, run

    if only and only not in FULL:
        raise typer.BadParameter(f"one of: {', '.join(FULL)}")
    sizes = {
        name: transactions if name == "cuts" else max(1, transactions * count // 1000)
        for name, count in FULL.items()
        if only in ("", name)
    }
    report = run(sizes, jobs, every)
    if as_json:
        typer.echo(json.dumps(report, indent=1))
    for figures in report.values():
        for failure in figures["failures"]:
            typer.echo(f"NOT HELD {figures['campaign']}: {failure}", err=True)
    raise typer.Exit(HELD if all(figures["ok"] for figures in report.values()) else DID_NOT_HOLD)


@app.command()
def room(
    flash: Annotated[int, typer.Option(min=256, max=65536, help="size of the flash in KiB")] = 8192,
    fines: Annotated[int, typer.Option(min=1, help="fines a day")] = 40,
    days: Annotated[int, typer.Option(min=1, help="days, each with its synchronisation")] = 60,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document on standard output")] = False,
) -> None:
    """Play so many days on a flash of this size; exit code 1 if a sale is refused for want of room."""
    from tools.journal.room import run

    report = run(flash, fines, days)
    if as_json:
        typer.echo(json.dumps(report, indent=1))
    else:
        for name, value in report.items():
            typer.echo(f"{name.replace('_', ' ')}: {'none' if value is None else value}")
    raise typer.Exit(HELD if report["refused_on_day"] is None else DID_NOT_HOLD)


@app.command()
def export(
    out: Annotated[Path, typer.Argument(help="the file to write")],
    store: Annotated[Path | None, typer.Option(help="the store's folder (linux handheld)")] = None,
    flash: Annotated[
        Path | None, typer.Option(help="a flash image with a littlefs volume (microcontroller handheld)")
    ] = None,
    element: Annotated[str, typer.Option(help="the secure element: tcp:host:port, or the stand-in's state file")] = "",
    epoch: Annotated[int, typer.Option(min=0, help="an older epoch; 0: the present one")] = 0,
) -> None:
    """Export a terminal's journal as one signed file; the terminal must be off. A journal that does not open is exported
    as far as it can be read, and the file says so: exit code 1 then.
    """
    from protocol.errors import ConfigError
    from terminal.journal.export import ENDED
    from tools.journal import live
    from tools.journal.exporting import NO_IDENTITY, export_store

    if (store is None) == (flash is None):
        raise ConfigError("give either --store or --flash", "CFG-101", "see tasdid journal export --help")
    if not element:
        raise ConfigError(
            "give --element: only the secure element can close an export", "CFG-102", "tcp:host:port or its state file"
        )
    paths = [path for path in (store, flash, None if element.startswith("tcp:") else Path(element)) if path is not None]
    with live.off(*paths):
        done = export_store(out, store, flash, element, epoch)
    typer.echo(
        f"{done.count} records of epoch {done.epoch} exported to {out}; check them with: tasdid journal verify {out} --key KEYS"
    )
    typer.echo(f"KEYS is a file with the terminal's pinned key: {KEYS}")
    for other in done.others:
        typer.echo(f"epoch {other} is on the storage too: tasdid journal export --epoch {other}")
    if done.trouble == ENDED:
        typer.echo(f"epoch {done.epoch} is not the one that goes on: raw records, as far as they can be read")
    elif done.trouble:
        why = "no identity, the records name the device" if done.trouble == NO_IDENTITY else "the journal does not open"
        typer.echo(f"{done.trouble}: {why}; these are raw records, as far as they can be read", err=True)
        raise typer.Exit(DID_NOT_HOLD)


@app.command()
def verify(
    file: Annotated[Path, typer.Argument(help="an exported journal")],
    key: Annotated[
        str | None,
        typer.Option(help=f"the device's pinned public key: {2 * POINT} hex digits, or a list of keys: {KEYS}"),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="one JSON document on standard output")] = False,
) -> None:
    """Verify an exported journal without the server. Exit codes: 0 it holds (without --key: together, whose key it is nobody has checked), 1 it does
    not, 2 no exported journal, 5 only the centre can say.
    """
    from protocol.errors import JournalError
    from tools.journal import reading
    from tools.journal.verify import verify as check

    try:
        data = file.read_bytes()
    except OSError as error:
        raise JournalError("the file cannot be read", "JRN-050", str(error.strerror)) from None
    try:
        report = check(data, _pinned(key, data))
    except reading.Unreadable as error:
        hint = "check --key" if key and error.code == "JRN-060" else "export it again"
        raise JournalError(str(error), error.code, hint) from None
    if as_json:
        typer.echo(json.dumps(report, indent=1))
    else:
        word = WORDS.get(report["verdict"], "the journal DOES NOT HOLD")
        span = f"{report['records']} records ({report['first']} to {report['last']})"
        typer.echo(
            f"{report['device']}: {span}, {report['signatures']} signatures verified, key {report['key']}: {word}."
        )
        for finding in report["findings"]:
            typer.echo(f"{finding['code']} {finding['kind']}, record {finding['seq'] or '-'}: {finding['text']}")
    raise typer.Exit(CODES.get(report["verdict"], DID_NOT_HOLD))


def _pinned(key: str | None, data: bytes) -> bytes | None:
    """The pinned key of --key; None if the option is not given. ConfigError CFG-103: it is no key, an empty one neither, nor a list with one."""
    from protocol.errors import ConfigError
    from tools.journal import reading

    if key is None:
        return None
    said: str = key
    try:
        if Path(key).is_file():
            export = reading.read(data)
            entry = json.loads(Path(key).read_text("utf-8"))[export.device]
            said = entry["public_key"] if isinstance(entry, dict) else entry  # a provisioning list says more
            if isinstance(said, list):  # of a terminal that has had several: the export's own, if that is one of them
                said = export.key.hex() if export.key.hex() in said else said[0]
        point = bytes.fromhex(said)
    except (OSError, ValueError, LookupError, TypeError):  # OSError: longer than a file's name may be
        point = b""
    if len(point) != POINT:
        raise ConfigError(
            "the pinned key is malformed or absent from the list", "CFG-103", f"give {2 * POINT} hex digits or {KEYS}"
        )
    return point
