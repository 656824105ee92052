"""`tasdid emv`: payment cards on the bench.

    tasdid emv pay --reader pcsc:0 --amount 2000 --offline --json --trace out.json
    tasdid emv replay out.json
    tasdid emv explain out.json --lang ar

Exit codes: 0 approved, provisional, or told; 1 declined, or a replay that differs from its recording; 2 bad input, no card, a card that left
(the payment is told as interrupted, its trace is written); 3 no reader.
A PIN is asked for on the console, or read from standard input with --pin-stdin; it is never an argument, never kept, never written.
"""

import asyncio
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from protocol.errors import CardError, ConfigError
from tools.house.errors import MissingPart
from tools.house.paths import ROOT

app = typer.Typer(no_args_is_help=True, help="Pay with a card on a reader, replay a recording, explain a decision.")
OUTCOMES = {1: "approved", 2: "provisional", 3: "declined", 4: "interrupted"}
_STREAMS = ("/dev/stdout", "/dev/null")  # what else than a file a trace may go into
_NO_READER = ("CRD-010", "CRD-011", "CRD-012")

Params = Annotated[
    Path | None, typer.Option(help='set "emv": signed (.cose) or its body as JSON; the simulator\'s if not given')
]
Lang = Annotated[str, typer.Option(help="ar, fr or en")]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object")]


@app.callback()
def emv() -> None:
    """Pay with a card on a reader, replay a recording, explain a decision."""


@app.command()
def pay(
    amount: Annotated[str, typer.Option(help="dinars, e.g. 2000 or 2000.50")],
    reader: Annotated[str, typer.Option(help="pcsc:N, pcsc:NAME, link:host:port or pn532:tty:PATH")] = "pcsc:0",
    online: Annotated[bool, typer.Option("--online/--offline", help="with a test issuer, or without any")] = False,
    contactless: Annotated[
        bool, typer.Option("--contactless/--contact", help="the card is held to an antenna: entry point, Kernel 2 or 3")
    ] = False,
    params: Params = None,
    application: Annotated[
        str,
        typer.Option(
            help="of several on the card: its place in the list (contact), or its AID; the card's first if not given"
        ),
    ] = "",
    world: Annotated[
        Path | None, typer.Option(help="folder of the simulated world whose issuers answer online")
    ] = None,
    trace: Annotated[Path | None, typer.Option(help="write exchange and explanation into this file")] = None,
    pin_stdin: Annotated[bool, typer.Option("--pin-stdin", help="read the PIN from standard input")] = False,
    lang: Lang = "en",
    as_json: AsJson = False,
) -> None:
    """Pay with any card on a reader; nothing is captured. Exit codes: 0 approved or provisional, 1 declined, 2 bad input or card, 3 no reader."""
    from terminal.boards.linux import card_reader
    from tools.emv import params as parameters
    from tools.emv import report
    from tools.emv.pay import Payment, TestIssuer, listing

    lang = _language(lang)
    centimes = _centimes(amount)
    _writable(trace)
    folder = (world or ROOT / "var" / "cpython") / "pki" / "schemes"
    place, aid = _application(application, contactless)
    known = parameters.load(params)
    listed = listing(known, contactless)
    payment = Payment(
        centimes, parameters.narrowed(known, aid) if aid else known, _pin_from_stdin if pin_stdin else _pin_from_console,
        TestIssuer(folder) if online else None, lambda line: print(line, file=sys.stderr, flush=True), contactless, place, listed,
    )  # fmt: skip
    try:
        result = asyncio.run(payment.run(card_reader(reader)))
    except CardError as error:
        if payment.steps:
            _tell(report.interrupted(error, payment, lang), as_json)
            _write(trace, report.trace_interrupted(error, payment))
        if error.code in _NO_READER:
            raise MissingPart(error.code, error.message, error.hint or "check that the reader is connected") from error
        raise
    _tell(report.of(result, payment.steps, lang), as_json)
    _write(trace, report.trace(result, payment))
    if result.outcome not in (1, 2):
        raise typer.Exit(1)


@app.command()
def replay(
    file: Annotated[
        Path, typer.Argument(help='recording: {"steps": [{"command", "response"}], "terminal": {tag: hex}}')
    ],
    params: Params = None,
    lang: Lang = "en",
    as_json: AsJson = False,
) -> None:
    """Run the kernel against a recorded exchange. Exit codes: 0 as recorded, 1 it differs, 2 bad input."""
    from tools.emv import params as parameters
    from tools.emv import record, report
    from tools.emv.replay import Replay

    lang = _language(lang)
    recording = record.load(file)
    known = parameters.read(params) if params is not None else parameters.sample_body()
    if known is not None:
        parameters.checked(known, params.name if params is not None else parameters.SAMPLE.name)
    played = Replay(recording, known)
    result = played.run()
    found: dict[str, Any] = report.of(result, recording["steps"], lang) if result is not None else {"outcome": None}
    if played.interrupted:
        found = {"outcome": OUTCOMES[4], "reason": recording.get("reason", ""), "commands": len(recording["steps"])}
    found["differences"] = played.differences
    if played.assumed:
        found["assumed"] = played.assumed
    _tell(found, as_json)
    if played.differences:
        raise typer.Exit(1)


@app.command()
def explain(
    file: Annotated[
        Path,
        typer.Argument(
            help="trace of `tasdid emv pay`, a board's trace file, or a terminal's events (one a line, or GET /api/events)"
        ),
    ],
    lang: Lang = "fr",
    as_json: AsJson = False,
) -> None:
    """Say in words why each payment of a trace ended as it did. Exit codes: 0 told, 2 no explanation in it."""
    from tools.emv import report

    lang = _language(lang)
    told = [report.told(entry, lang) for entry in report.explanations(file)]
    if as_json:
        typer.echo(json.dumps(told, ensure_ascii=False, indent=1))
        return
    for entry in told:
        typer.echo(
            "\n".join([entry["title"], *("  " + line for line in entry["lines"]), "  = " + entry["decisive"], ""])
        )


def _language(lang: str) -> str:
    from tools.emv.explain import LANGUAGES

    if lang not in LANGUAGES:
        raise ConfigError("no such language", "CFG-095", "ar, fr or en", lang)
    return lang


def _centimes(text: str) -> int:
    whole, _, part = text.partition(".")
    if not text.isascii() or not whole.isdigit() or not (part.isdigit() or not part) or len(part) > 2 or len(whole) > 9:
        raise ConfigError("--amount is no amount to pay", "CFG-095", "dinars, e.g. 2000 or 2000.50")
    centimes = int(whole) * 100 + int(part.ljust(2, "0") or 0)
    if not centimes:
        raise ConfigError("--amount is no amount to pay", "CFG-095", "more than nothing")
    return centimes


def _writable(trace: Path | None) -> None:
    """CFG-095 before any card is touched if the trace could not be written; a file that is there stays as it is."""
    if trace is None:
        return
    hint = "name a file in a folder that is there"
    try:
        fresh = not trace.exists()
        if not (fresh or trace.is_file() or str(trace) in _STREAMS):  # opening a pipe may wait for ever
            raise ConfigError("--trace is no file", "CFG-095", hint)
        with trace.open("ab"):
            pass
        if fresh:
            trace.resolve().unlink()
    except OSError as error:
        raise ConfigError("--trace cannot be written", "CFG-095", hint) from error


def _write(trace: Path | None, found: dict[str, Any]) -> None:
    """The trace, after the result was told: CFG-095 if it cannot be written after all."""
    try:
        if trace is not None:
            trace.write_text(json.dumps(found, indent=1))
    except OSError as error:
        raise ConfigError("--trace could not be written", "CFG-095", "the result above stands") from error


def _application(text: str, contactless: bool) -> tuple[int, bytes]:
    """(place in the card's list from 1, b"") or (0, AID); (0, b"") for the card's first. CFG-095."""
    if not text:
        return 0, b""
    if text.isascii() and text.isdigit() and len(text) <= 2 and int(text) >= 1 and not contactless:
        return int(text), b""
    try:
        aid = bytes.fromhex(text)
    except ValueError:
        aid = b""
    if not 5 <= len(aid) <= 16:
        hint = "its AID in hexadecimal" + ("" if contactless else ", or its place in the list, from 1")
        raise ConfigError("--application is none", "CFG-095", hint)
    return 0, aid


def _pin_from_console(tries: int | None, last: bool) -> str:
    import getpass

    note = " (last try)" if last else f" ({tries} left)" if tries is not None else ""
    return _typed(lambda: getpass.getpass(f"PIN{note}, empty to pass: "))


def _pin_from_stdin(_tries: int | None, _last: bool) -> str:
    return _typed(lambda: sys.stdin.readline().strip())


def _typed(read: Callable[[], str]) -> str:
    """What was typed. CFG-095, without a word of it, if it is no text of ASCII characters."""
    try:
        text = read()
    except UnicodeDecodeError:
        text = "\udcff"
    if not text.isascii():
        raise ConfigError("what was given as PIN is no line of digits", "CFG-095", "4 to 12 digits, or an empty line")
    return text


def _tell(found: dict[str, Any], as_json: bool) -> None:
    from tools.emv import mask

    found = mask.plain(found)
    if as_json:
        typer.echo(json.dumps(found, ensure_ascii=False, indent=1))
        return
    for key, value in found.items():
        if isinstance(value, list):
            typer.echo(f"{key}:")
            for line in value:
                typer.echo(
                    "  " + (" ".join(str(part) for part in line) if isinstance(line, (list, tuple)) else str(line))
                )
        elif value not in (None, ""):
            typer.echo(f"{key}: {value}")
