"""`tasdid demo`: one patrol end to end, told step by step; exit code 0 only if every check in it held."""

import asyncio
import json
import shlex
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from protocol.errors import ConfigError, TasdidError
from tools.house.toolchain import APPLICATION_HEAP, application_heap

HELD, DID_NOT_HOLD = 0, 1
LANGUAGES = ("ar", "fr", "en")
RUNTIMES = ("cpython", "micropython")


def run(
    lang: Annotated[str, typer.Option(help="ar, fr or en: the terminal's language and the story's")] = "fr",
    runtime: Annotated[str, typer.Option(help="cpython or micropython: what the terminal runs on")] = "cpython",
    out: Annotated[Path | None, typer.Option(help="keep receipts (PNG), journal and trace in this folder")] = None,
    link: Annotated[str, typer.Option(help="pcsc or tcp: how CPython reaches the cards")] = "pcsc",
    heap: Annotated[
        str, typer.Option(help=f"MicroPython's heap, {APPLICATION_HEAP} or more, e.g. 4m")
    ] = APPLICATION_HEAP,
    as_json: Annotated[bool, typer.Option("--json", help="the same for programs: one JSON document")] = False,
) -> None:
    """One patrol, from log-in to the shift's close, with a power cut, no network at first, four drivers and three bank cards."""
    for value, allowed, option in (
        (lang, LANGUAGES, "--lang"),
        (runtime, RUNTIMES, "--runtime"),
        (link, ("pcsc", "tcp"), "--link"),
    ):
        if value not in allowed:
            raise typer.BadParameter(f"{option} is one of: {', '.join(allowed)}")
    application_heap(heap)
    keep = out is not None
    folder = out if out is not None else Path(tempfile.mkdtemp(prefix="tasdid-demo-"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "events.jsonl").touch()
    except OSError as error:
        raise ConfigError(
            f"the folder {folder} cannot be used ({error.strerror})", "CFG-070", "choose another --out", error.errno
        ) from None
    try:
        report = asyncio.run(_play(folder, lang, runtime, link, heap, as_json))
    finally:
        if not keep:
            shutil.rmtree(folder, ignore_errors=True)
    if as_json:
        typer.echo(json.dumps(report, ensure_ascii=False, indent=1))
    else:
        _summary(report, folder if keep else None)
    raise typer.Exit(HELD if report["ok"] else DID_NOT_HOLD)


async def _play(folder: Path, lang: str, runtime: str, link: str, heap: str, quiet: bool) -> dict[str, Any]:
    """Set up a world in `folder`, play the patrol, and report."""
    from sim.links import pcscd
    from sim.worlds.fleet import Fleet
    from sim.worlds.patrol import Patrol
    from sim.worlds.world import World, cpython_terminal

    began = time.monotonic()
    note = pcscd.why_not() if runtime == "cpython" and link == "pcsc" else ""
    if note:
        link = "tcp"
        print(f"cards over TCP instead of PC/SC: {note}", file=sys.stderr)
    world_folder = folder / "world"
    shutil.rmtree(world_folder, ignore_errors=True)
    command = cpython_terminal if runtime == "cpython" else _device(heap)
    world = World(Fleet.make(world_folder), runtime, link, lang, command)
    steps: list[dict[str, Any]] = []

    def say(step: dict[str, Any]) -> None:
        steps.append(step)
        if not quiet:
            typer.echo(f"{len(steps):2}. {step['text']}")

    patrol = Patrol(world, folder, lang, say)
    failure = ""
    try:
        await world.start()
        await patrol.run()
    except (AssertionError, TasdidError, OSError, RuntimeError, TimeoutError) as error:
        failure = f"{type(error).__name__}: {str(error) or 'what was waited for did not come'}"
    finally:
        _keep_trace(world, folder)
        await world.close()
    checks = patrol.checks
    return {
        "log": world.terminal.tail()[-600:] if failure and hasattr(world, "terminal") else "",
        "ok": not failure and bool(checks) and all(check["ok"] for check in checks),
        "failure": failure, "runtime": runtime, "cards": world.link, "language": lang, "seconds": round(time.monotonic() - began, 1),
        "steps": steps, "checks": checks, "receipts": [path.name for path in patrol.receipts], "heap": _heap(world),
    }  # fmt: skip


def _device(heap: str) -> Any:
    """How to start the terminal on 32-bit MicroPython out of the ROMFS image of these sources."""
    from tools.image import device_command, device_image

    image = device_image()
    return lambda wiring: device_command(image, "terminal.boards.mcu", heap, [str(wiring)])


def _heap(world: Any) -> dict[str, int] | None:
    """The most that was alive on MicroPython's heap after a collection, and what was free then."""
    seen = [event for event in world.diagnostic.events if event["event"] == "heap"]
    most = max(seen, key=lambda event: event["live"], default=None)
    return None if most is None else {"live": most["live"], "free": most["free"]}


def _keep_trace(world: Any, folder: Path) -> None:
    """The technician's events, the masked APDUs of both readers, and the journal as it lies in the terminal's storage."""
    from sim.worlds import evidence

    (folder / "events.jsonl").write_text(
        "".join(json.dumps(event, ensure_ascii=False) + "\n" for event in world.diagnostic.events)
    )
    with (folder / "apdu.txt").open("w") as trace:
        for name in ("licence", "payment"):
            for command, response in getattr(getattr(world, f"{name}_slot", None), "log", []):
                trace.write(f"{name} > {command.hex().upper()}\n{name} < {_masked(command, response)}\n")
    journal = folder / "journal"
    journal.mkdir(exist_ok=True)
    for number, segment in enumerate(evidence.segments(world.fleet.store(world.runtime)), 1):
        (journal / f"{number:06}.seg").write_bytes(segment)


def _masked(command: bytes, response: bytes) -> str:
    """A response fit for a trace: what READ RECORD gives (it holds the card's number) is only counted."""
    if command[1:2] == b"\xb2" and len(response) > 2:
        return f"({len(response) - 2} bytes) {response[-2:].hex().upper()}"
    return response.hex().upper()


def _summary(report: dict[str, Any], folder: Path | None) -> None:
    """What held and what did not."""
    for check in report["checks"]:
        if not check["ok"]:
            details = ", ".join(f"{key}={value}" for key, value in check.items() if key not in ("check", "ok"))
            typer.echo(f"NOT HELD: {check['check']} ({details})", err=True)
    if report["failure"]:
        typer.echo(f"The patrol broke off: {report['failure']}", err=True)
    held = sum(check["ok"] for check in report["checks"])
    if report["failure"]:
        typer.echo(
            f"It broke off after {len(report['checks'])} checks; what the terminal said last: {report['log']}", err=True
        )
    typer.echo(
        f"{held} of {len(report['checks'])} checks held, {report['seconds']} s, {report['runtime']}, cards over {report['cards']}."
    )
    if report["heap"]:
        live, free = report["heap"]["live"], report["heap"]["free"]
        typer.echo(
            f"MicroPython heap: at most {live} bytes alive after a collection (looked at twice a second), {free} free."
        )
    if folder is None:
        typer.echo("--out DIR keeps receipts, journal and trace.")
        return
    typer.echo(f"Receipts, journal and trace are in {folder}.")
    if report["receipts"]:
        called = sys.argv[0] if Path(sys.argv[0]).name == "tasdid" else "tasdid"
        keys = str(folder / "world" / "receipt-keys.json")
        words = [called, "receipt", "verify", "--png", str(folder / report["receipts"][0]), "--keys", keys]
        typer.echo(f"To verify one: {shlex.join(words)}")
