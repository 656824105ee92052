"""`tasdid licence`: read a driving licence on any PC/SC reader, or judge files read before.

    tasdid licence read --reader pcsc:0 --mrz "$(cat mrz.txt)" --trust csca.der --out dump
    tasdid licence verify dump --trust csca.der --json

Exit codes: 0 "data and chip genuine" or "data genuine, chip not proven"; 1 any other verdict; 2 bad input, no card, a wrong MRZ;
3 no reader or no PC/SC service. Findings beside a good verdict (expired, …) do not change the exit code: read them.
"""

import asyncio
import datetime as dt
import re
import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from protocol.errors import CardError, ConfigError, LicenceError, MrzError
from tools.house.errors import MissingPart

app = typer.Typer(no_args_is_help=True, help="Read a driving licence, or judge files read before.")

Trust = Annotated[
    Path | None, typer.Option(help="anchors: a certificate (DER, PEM), a signed set (.cose), or a folder of them")
]
TrustKey = Annotated[Path | None, typer.Option(help="public key (PEM) that the signed set must hold under")]
Today = Annotated[str, typer.Option(help="judge as of this day, YYYYMMDD; today in Algeria (UTC+1) if not given")]
AsJson = Annotated[bool, typer.Option("--json", help="print one JSON object")]

_NO_READER = ("CRD-010", "CRD-011", "CRD-012")
_ASK_AGAIN = ("LIC-021", "LIC-024", "LIC-030")  # the person, not the chip, can mend these


@app.callback()
def licence() -> None:
    """Read a driving licence, or judge files read before."""


@app.command()
def read(
    reader: Annotated[str, typer.Option(help="pcsc:N, pcsc:NAME, link:host:port or pn532:tty:PATH")] = "pcsc:0",
    mrz: Annotated[
        str, typer.Option(help="the machine-readable lines (line ends, \\n or / between them), or - for standard input")
    ] = "",
    can: Annotated[str, typer.Option(help="card access number instead of the MRZ (PACE only)")] = "",
    trust: Trust = None,
    trust_key: TrustKey = None,
    out: Annotated[
        Path | None, typer.Option(help="write EF.COM, EF.SOD, DGn and portrait.png into this new or empty folder")
    ] = None,
    trace: Annotated[bool, typer.Option("--trace", help="print decoded APDUs, personal data masked")] = False,
    wait: Annotated[int, typer.Option(help="seconds to wait for the card", min=1, max=3600)] = 30,
    today: Today = "",
    as_json: AsJson = False,
) -> None:
    """Read a licence. Exit codes: 0 data genuine, 1 another verdict, 2 bad input or card, 3 no reader."""
    from protocol.crypto.native import NativeCrypto
    from tools.licence import dump, report, session
    from tools.trust import load

    if out is not None:
        dump.must_be_free(out)  # before somebody waits for the card
    key = _access_key(mrz, can)
    anchors, remarks = load.anchors(trust, trust_key)
    _remark(remarks)
    try:
        reading, files = asyncio.run(
            session.read(_reader(reader), NativeCrypto(), key, anchors, _day(today), wait * 1000, _progress, trace)
        )
    except CardError as error:
        if error.code in _NO_READER:
            raise MissingPart(error.code, error.message, error.hint or "check that the reader is connected") from error
        raise
    except LicenceError as error:
        if error.code in _ASK_AGAIN:
            raise
        _tell(report.unreadable(error), as_json)
        raise typer.Exit(1) from error
    found = report.of(reading, files)
    if out is not None:
        found["written"] = _write(out, files, bytes(reading.portrait or b""), found)
    _tell(found, as_json)
    if not found["believed"]:
        raise typer.Exit(1)


@app.command()
def verify(
    folder: Annotated[Path, typer.Argument(help="folder with EF.SOD, EF.COM and DGn")],
    trust: Trust = None,
    trust_key: TrustKey = None,
    today: Today = "",
    as_json: AsJson = False,
) -> None:
    """Judge dumped files, naming each group that fails. Exit codes: 0 data genuine, 1 another verdict, 2 bad input."""
    from protocol.crypto.native import NativeCrypto
    from tools.licence import dump, offline, report
    from tools.trust import load

    files = dump.load(folder)
    anchors, remarks = load.anchors(trust, trust_key)
    _remark(remarks)
    _remark(offline.padding(files))
    files = offline.trimmed(files)
    reading = offline.judge(NativeCrypto(), files, anchors, _day(today))
    found = report.of(reading, files)
    _tell(found, as_json)
    if not found["believed"]:
        raise typer.Exit(1)


def _access_key(mrz: str, can: str) -> Any:
    """The Mrz of --mrz or --can. ConfigError CFG-087, MrzError whose message names the field."""
    from protocol.licence import mrz as formats

    if bool(mrz) == bool(can):
        raise ConfigError("give either --mrz or --can", "CFG-087", "see tasdid licence read --help")
    if can:
        return formats.from_can(can)
    text = sys.stdin.read() if mrz == "-" else mrz.replace("\\n", "\n").replace("/", "\n")
    try:
        return formats.parse(text)
    except MrzError as error:
        raise MrzError(f"MRZ: {error.message}", error.code, "type it again as printed", error.detail) from error


def _reader(spec: str) -> Any:
    """The card reader that --reader names. ConfigError CFG-042."""
    from terminal.boards.config import LICENCE_RATE
    from terminal.boards.linux import card_reader

    return card_reader(spec, rate=LICENCE_RATE)


def _day(text: str) -> str:
    from terminal import localtime

    if not text:
        return localtime.yyyymmdd(int(time.time()))  # as the terminal reckons
    try:
        if not re.fullmatch("[0-9]{8}", text):
            raise ValueError("not eight digits")
        dt.datetime.strptime(text, "%Y%m%d")
        return text
    except ValueError as error:
        raise ConfigError("--today is no date", "CFG-087", "write YYYYMMDD") from error


def _progress(line: str) -> None:
    from tools import plain

    print(plain.line(line), file=sys.stderr, flush=True)


def _remark(remarks: list[str]) -> None:
    for line in remarks:
        _progress(line)


def _write(out: Path, files: dict[int, bytes], picture: bytes, found: dict[str, Any]) -> list[str]:
    """Dump the files and the portrait (a whole DG4, or DG6 of an EU licence); what cannot be decoded is a finding."""
    from drivers import picture_pillow
    from protocol.licence.errors import GroupError
    from protocol.licence.profile import group_of
    from tools.licence import dump, words

    written = dump.write(out, files)
    if picture:
        try:
            image = picture_pillow.decode(picture)
            path = out / "portrait.png"
            path.touch(mode=0o600)
            image.save(path)
            written.append(path)
        except GroupError as error:
            found["findings"] += words.findings([("LIC-215", group_of(picture[0]))])
            _progress(f"{error.code} {error.message}")
    return [path.name for path in written]


def _tell(found: dict[str, Any], as_json: bool) -> None:
    from tools import plain
    from tools.licence import words

    print(plain.as_json(found) if as_json else "\n".join(words.in_words(found)))
