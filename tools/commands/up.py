"""`tasdid up`: a world to play in by hand: acquirer, server, secure element's stand-in, terminal, and the page, until Ctrl-C.

The world is made on first use in a folder of its own for each runtime (a device's journal and its secure element belong
together) and found again afterwards. Everything listens on the loopback only. Errors: CFG-070 the folder cannot be used,
CFG-071 another `tasdid up` uses it, CFG-072 its data cannot be read, CFG-073 a part did not start, CFG-030 the port is taken.
"""

import asyncio
import contextlib
import json
import signal
import socket
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer
import uvicorn

from protocol.errors import ConfigError
from tools.house import held
from tools.house.toolchain import APPLICATION_HEAP, application_heap

LANGUAGES = ("ar", "fr", "en")
RUNTIMES = ("cpython", "micropython")
LINKS = ("pcsc", "tcp")
USUAL_PORT = 8077
HOST = "127.0.0.1"
_PYTHON_LOOP = {"timeout_keep_alive": 30, "timeout_graceful_shutdown": 2, "access_log": False, "log_level": "warning"}

WORDS = {
    "first": {
        "fr": "Première fois : clés, cartes et jeux signés sont créés…", "ar": "أول مرة: يجري إنشاء المفاتيح والبطاقات…",
        "en": "First time: keys, cards and signed sets are being made…",
    },
    "page": {"fr": "Page", "ar": "الصفحة", "en": "Page"},
    "officer": {"fr": "Agent", "ar": "العون", "en": "Officer"},
    "cards": {"fr": "Cartes", "ar": "البطاقات", "en": "Cards"},
    "data": {"fr": "Données", "ar": "البيانات", "en": "Data"},
    "pin": {"fr": "code", "ar": "الرمز", "en": "PIN"},
    "approve": {
        "fr": "accepte hors ligne : payée, permis rendu", "ar": "تقبل دون شبكة: مدفوعة",
        "en": "approves offline: paid, licence returned",
    },
    "online": {
        "fr": "interroge sa banque : acceptée en ligne, provisoire sans réseau", "ar": "تسأل البنك: تقبل مع الشبكة، مؤقتة بدونها",
        "en": "asks its bank: approved online, provisional without a network",
    },
    "decline": {"fr": "refuse : rien n'est pris", "ar": "ترفض: لم يقتطع شيء", "en": "declines: nothing is taken"},
    "reset": {"fr": "`make reset` les efface", "ar": "يمحوها make reset", "en": "`make reset` deletes them"},
    "stop": {"fr": "Ctrl-C arrête tout.", "ar": "Ctrl-C يوقف كل شيء.", "en": "Ctrl-C stops everything."},
    "stopped": {
        "fr": "Tout est arrêté ; rien n'est perdu.", "ar": "توقف كل شيء؛ لم يضع شيء.",
        "en": "Everything has stopped; nothing is lost.",
    },
}  # fmt: skip


def run(
    port: Annotated[
        int | None, typer.Option(help=f"the page's port; {USUAL_PORT} if free, else any free one", min=0, max=65535)
    ] = None,
    lang: Annotated[str, typer.Option(help="ar, fr or en: the terminal's language and the page's")] = "fr",
    runtime: Annotated[str, typer.Option(help="cpython or micropython: what the terminal runs on")] = "cpython",
    link: Annotated[str, typer.Option(help="pcsc or tcp: how CPython reaches the cards")] = "pcsc",
    data: Annotated[
        Path | None, typer.Option(help="the folder of the world's data; var/ in the project if not given")
    ] = None,
    heap: Annotated[
        str, typer.Option(help=f"MicroPython's heap, {APPLICATION_HEAP} or more, e.g. 4m")
    ] = APPLICATION_HEAP,
    as_json: Annotated[bool, typer.Option("--json", help="say address, numbers and PINs as one line of JSON")] = False,
) -> None:
    """Start simulator and server, serve the page on which one officer's day is played by hand; Ctrl-C stops everything."""
    for value, known, option in (
        (lang, LANGUAGES, "--lang"),
        (runtime, RUNTIMES, "--runtime"),
        (link, LINKS, "--link"),
    ):
        if value not in known:
            raise typer.BadParameter(f"{option} is one of: {', '.join(known)}")
    application_heap(heap)
    from server.web.serve import deafen

    with _listening(port) as listener, _own_folder(_folder(data) / runtime) as folder:
        asyncio.run(_play(listener, folder, lang, runtime, link, heap, as_json))
        deafen()
    if not as_json:
        typer.echo(WORDS["stopped"][lang])


def _folder(data: Path | None) -> Path:
    if data is not None:
        return data.absolute()
    from tools.house.paths import ROOT

    return ROOT / "var"


@contextlib.contextmanager
def _listening(port: int | None) -> Iterator[socket.socket]:
    """A listening loopback socket: the port asked for, else the usual one, else any. ConfigError CFG-030."""
    from server.web.serve import listen

    try:
        listener = listen(HOST, USUAL_PORT if port is None else port)
    except ConfigError:
        if port is not None:
            raise
        listener = listen(HOST, 0)
    with listener:
        yield listener


@contextlib.contextmanager
def _own_folder(folder: Path) -> Iterator[Path]:
    """The folder, made if need be, held for this process alone. ConfigError CFG-070, CFG-071."""
    kept = contextlib.ExitStack()
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        kept.enter_context(held.alone(folder, "stop it, or choose another --data"))
    except OSError as error:
        raise ConfigError(
            f"the folder {folder} cannot be used ({error.strerror})", "CFG-070", "choose another --data", error.errno
        ) from error
    with kept:
        yield folder


async def _play(
    listener: socket.socket, folder: Path, lang: str, runtime: str, link: str, heap: str, as_json: bool
) -> None:
    """Start the world, serve the page until a signal, end the world."""
    from server.web.serve import EndingServer
    from sim.web.app import build
    from sim.web.console import Console
    from sim.worlds.world import ProcessFailed, World
    from tools.house import fonts

    page: EndingServer | None = None
    this = asyncio.current_task()
    assert this is not None

    def stop() -> None:
        if page is None:
            this.cancel()
        else:
            page.force_exit = page.should_exit
            page.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    world = World(_fleet(folder, lang, as_json), runtime, _link(runtime, link), lang, _command(runtime, folder, heap))
    console = Console(world)
    try:
        await console.start()
        page = EndingServer(uvicorn.Config(build(console, lang, fonts.folder()), **_PYTHON_LOOP), hears=False)
        typer.echo(_greeting(console, listener, folder, lang, as_json))
        sys.stdout.flush()
        await page.serve(sockets=[listener])
    except (ProcessFailed, TimeoutError) as error:
        raise ConfigError(
            "a part of the world did not start", "CFG-073", f"the logs in {folder} say why", str(error)
        ) from error
    except asyncio.CancelledError:
        pass  # stopped before the page was there
    finally:
        await console.close()


def _fleet(folder: Path, lang: str, quiet: bool) -> Any:
    """The world's keys, people and cards. ConfigError CFG-072."""
    from sim.worlds.fleet import Fleet

    if not (folder / "people.json").exists() and not quiet:
        typer.echo(WORDS["first"][lang])
    try:
        return Fleet.make(folder)
    except (ValueError, KeyError, OSError) as error:
        raise ConfigError(
            f"the data in {folder} cannot be read", "CFG-072", "`make reset` starts afresh", type(error).__name__
        ) from error


def _link(runtime: str, link: str) -> str:
    """PC/SC where it can be had; says why not."""
    from sim.links import pcscd

    note = pcscd.why_not() if (runtime, link) == ("cpython", "pcsc") else ""
    if note:
        typer.echo(f"cards over TCP instead of PC/SC: {note}", err=True)
        return "tcp"
    return link


def _command(runtime: str, folder: Path, heap: str) -> Any:
    """How the terminal is started: this interpreter, or 32-bit MicroPython out of a freshly built image."""
    from sim.worlds.world import cpython_terminal

    if runtime == "cpython":
        return cpython_terminal
    from tools.image import build_image, device_command

    image = folder / "device.romfs"
    build_image(image)
    return lambda wiring: device_command(image, "terminal.boards.mcu", heap, [str(wiring)])


def _greeting(console: Any, listener: socket.socket, folder: Path, lang: str, as_json: bool) -> str:
    """What a person needs in order to begin; with `as_json` the same for a program, in one line."""
    table = console.wallet.describe()
    address = f"http://{HOST}:{listener.getsockname()[1]}/"
    if as_json:
        about = {"data": str(folder), "runtime": console.world.runtime, "link": console.world.link}
        return json.dumps(
            {"address": address, **about, "officer": table["officer"], "cards": table["cards"]}, ensure_ascii=False
        )

    def word(key: str) -> str:
        return WORDS[key][lang]

    rows = [
        (word("page"), address),
        (word("officer"), f"{table['officer']['number']}, {word('pin')} {table['officer']['pin']}"),
        *(
            (word("cards") if not at else "", f"{card['label']:14} {word('pin')} {card['pin']}   {word(card['risk'])}")
            for at, card in enumerate(table["cards"])
        ),
        (word("data"), f"{folder}   ({word('reset')})" if folder.parent == _folder(None) else str(folder)),
    ]
    lines = [f"  {title:9} {text}" for title, text in rows]
    return "\n".join(["", *lines, "", f"  {word('stop')}", ""])
