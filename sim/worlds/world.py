"""One terminal and everything around it: the parts, the cards' slots, the radio, the server, the acquirer, as they are wired in a patrol.

Server, acquirer, secure element and terminal are processes of their own; display, keypad, scanner, printer, slots and radio are models in this
one. Everything listens on the loopback, on free ports, and is ended by `close`, by the process ids that were started here.
"""

import asyncio
import ctypes
import json
import re
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from server import certificates
from sim.cards.base import Card
from sim.links import pcscd
from sim.links.slot import Slot
from sim.links.slot_server import LinkSlot
from sim.links.vpcd import VpcdSlot
from sim.parts import pn532
from sim.parts.escpos import EscPosPrinter, PtyLink
from sim.parts.lights import Lights
from sim.parts.st7789 import St7789Panel
from sim.worlds.fleet import Fleet
from sim.worlds.lines import ByteSink, ByteStream, DiagnosticLine, Gateway, Line

ROOT = Path(__file__).resolve().parents[2]
KEYS = {
    **{digit: digit.encode() for digit in "0123456789"},
    "ok": b"\r", "cancel": b"\x1b", "clear": b"\x08", "up": b"\x11", "down": b"\x12", "menu": b"\x13", "lang": b"\x14",
}  # fmt: skip
TerminalCommand = Callable[[Path], list[str]]
"""The words that start a terminal with the wiring file given; the tools that start a world know how to build an image."""


def cpython_terminal(wiring: Path) -> list[str]:
    """The Linux board on this interpreter."""
    return [sys.executable, "-m", "terminal.boards.linux", str(wiring)]


def _end_with_parent() -> None:
    """In the child: end when the process that started it does, however that one ends (prctl PR_SET_PDEATHSIG, Linux)."""
    ctypes.CDLL(None).prctl(1, signal.SIGKILL)


class ProcessFailed(RuntimeError):
    """A process of the world ended or did not start; the text is the end of what it wrote."""


class Process:
    """A child process; its first output lines end in its ports."""

    def __init__(self, name: str, command: list[str], log: Path) -> None:
        self.name = name
        self.command = command
        self.log = log
        self.ports: list[int] = []
        self._child: asyncio.subprocess.Process | None = None

    @property
    def port(self) -> int:
        """The first port that it announced."""
        return self.ports[0]

    async def start(self, announces: int = 1) -> None:
        """Start it; wait for the lines that announce its ports. Raises ProcessFailed."""
        errors = self.log.open("ab")
        try:
            self._child = await asyncio.create_subprocess_exec(
                *self.command,
                cwd=ROOT,
                stdin=asyncio.subprocess.DEVNULL,
                preexec_fn=_end_with_parent,
                stderr=errors,
                stdout=asyncio.subprocess.PIPE if announces else errors,
            )
        finally:
            errors.close()
        self.ports = []
        for _ in range(announces):
            assert self._child.stdout is not None
            line = await asyncio.wait_for(self._child.stdout.readline(), 20)
            announced = re.search(rb"(\d+)/?\s*$", line)
            if announced is None:
                raise ProcessFailed(f"{self.name} did not start: {self.tail()}")
            self.ports.append(int(announced[1]))

    @property
    def running(self) -> bool:
        """Whether it is alive."""
        return self._child is not None and self._child.returncode is None

    def tail(self) -> str:
        """The end of its log."""
        return self.log.read_text(errors="replace")[-800:] if self.log.exists() else ""

    async def kill(self) -> None:
        """End it at once, as a power cut does."""
        if self._child is not None and self._child.returncode is None:
            self._child.send_signal(signal.SIGKILL)
            await self._child.wait()
        self._child = None


class World:
    """The wiring. `runtime` is "cpython" or "micropython"; `link` "pcsc" or "tcp" for the card slots (MicroPython: always tcp).

    Payment cards are inserted into `payment_slot` or tapped on `field`, the antenna of a PN532 on a pty. With `licence_on_air` licences are laid on
    that antenna too (`licence_slot` is `field`), else on a slot of their own.
    """

    def __init__(
        self,
        fleet: Fleet,
        runtime: str = "cpython",
        link: str = "pcsc",
        language: str = "fr",
        command: TerminalCommand = cpython_terminal,
        licence_on_air: bool = False,
    ) -> None:
        self.fleet = fleet
        self.runtime = runtime
        self.link = link if runtime == "cpython" else "tcp"
        self.language = language
        self.command = command
        self.trace: Path | None = None  # where the terminal explains its payments, if it is to
        self.display = St7789Panel()
        self.screen = ByteSink(self._to_display)
        self.keypad = Line()
        self.scanner = Line()
        self.diagnostic = DiagnosticLine()
        self.lights = Lights()
        self.indicator = ByteStream(self.lights.feed)
        self.printer = EscPosPrinter()
        self.paper = PtyLink(self.printer)
        self.licence_on_air = licence_on_air
        self.antenna = pn532.Pn532()
        self.field = self.antenna.field
        """The field of the handheld's antenna: where cards are tapped."""
        self.antenna_line = pn532.PtyLink(self.antenna)
        self.licence_slot: Slot
        self.payment_slot: Slot
        self.gateway: Gateway
        self._processes: list[Process] = []
        self.terminal: Process

    def _to_display(self, frame: bytes) -> None:
        if frame[0] == 0:
            self.display.command(frame[3])
        else:
            self.display.data(frame[3:])

    async def start(self) -> None:
        """Start everything but the terminal."""
        folder = self.fleet.folder
        python = sys.executable
        keys, issuers = self.fleet.acquirer_keys, folder / "pki" / "schemes"
        command = [python, "-m", "sim.acquirer", "--port", "0", "--keys", str(keys), "--issuers", str(issuers)]
        command += ["--diary", str(folder / "acquirer.diary")]
        if self.fleet.acquirer_profiles.exists():
            command += ["--profiles", str(self.fleet.acquirer_profiles)]
        acquirer = self._process("acquirer", command)
        element = self._process(
            "secure-element", [python, "-m", "sim.parts.secure_element", "--state", str(self.fleet.element_state)]
        )
        await asyncio.gather(acquirer.start(), element.start())
        config = self.fleet.write_server_config(acquirer.port)
        server = self._process(
            "server",
            [
                python,
                "-m",
                "server",
                "--db",
                f"sqlite:///{folder / 'server.db'}",
                "--port",
                "0",
                "--tls-port",
                "0",
                "--config",
                str(config),
            ],
        )
        await server.start(announces=2)
        self.server = server
        self.element = element
        self.gateway = Gateway(server.ports[1])
        for line in (self.screen, self.keypad, self.scanner, self.diagnostic, self.indicator, self.gateway):
            await line.start()
        await self.paper.start()
        await self.antenna_line.start()
        if self.link == "pcsc":
            pcscd.ensure()
            self.licence_slot, self.payment_slot = VpcdSlot(pcscd.FIRST_PORT), VpcdSlot(pcscd.FIRST_PORT + 1)
        else:
            self.licence_slot, self.payment_slot = LinkSlot(), LinkSlot()
        if self.licence_on_air:
            self.licence_slot = self.field
        await self.licence_slot.start()
        await self.payment_slot.start()

    async def close(self) -> None:
        """Stop everything that was started here."""
        for slot in ("licence_slot", "payment_slot"):
            if hasattr(self, slot):
                await getattr(self, slot).close()
        await self.field.remove()
        for process in reversed(self._processes):
            await process.kill()
        for line in (
            self.screen,
            self.keypad,
            self.scanner,
            self.diagnostic,
            self.indicator,
            *([self.gateway] if hasattr(self, "gateway") else []),
        ):
            await line.close()
        await self.paper.close()
        await self.antenna_line.close()

    def _process(self, name: str, command: list[str]) -> Process:
        process = Process(name, command, self.fleet.folder / f"{name}.log")
        self._processes.append(process)
        return process

    # the terminal's power

    async def power_on(self) -> None:
        """Boot the terminal."""
        self.antenna.reset()
        command = self._terminal_command()
        self.terminal = self._process("terminal", command)
        await self.terminal.start(announces=0)

    async def power_cut(self) -> None:
        """Take the battery out: the terminal's process ends at once; what was not durable is gone."""
        await self.terminal.kill()
        self._processes.remove(self.terminal)
        self.lights.off()

    def _terminal_command(self) -> list[str]:
        wiring = self.fleet.folder / "wiring.json"
        wiring.write_text(json.dumps(self._wiring(), indent=1))
        return self.command(wiring)

    def _wiring(self) -> dict[str, str]:
        return {
            "language": self.language,
            "store": str(self.fleet.store(self.runtime)),
            "display": self.screen.wiring,
            "keypad": self.keypad.wiring,
            "scanner": self.scanner.wiring,
            "diagnostic": self.diagnostic.wiring,
            "secure_element": f"tcp:127.0.0.1:{self.element.port}",
            "printer": f"tty:{self.paper.path}",
            "licence_reader": self._reader(self.licence_slot),
            "payment_reader": self._reader(self.payment_slot),
            "contactless_reader": self._reader(self.field),
            "indicator": self.indicator.wiring,
            "server": self.gateway.wiring.replace("tcp:", "tls:"),
            "server_ca": str(self.fleet.tls / "ca.der"),
            "server_name": certificates.NAME,
            **({"trace": str(self.trace)} if self.trace is not None else {}),
        }

    def _reader(self, slot: Slot) -> str:
        if slot is self.field:
            return f"pn532:tty:{self.antenna_line.path}"
        if isinstance(slot, VpcdSlot):
            return f"pcsc:{slot.reader_name}"
        assert isinstance(slot, LinkSlot)
        return f"link:127.0.0.1:{slot.port}"

    # what a person does

    def press(self, *keys: str) -> None:
        """Press keys by name; a word of digits is typed digit by digit."""
        for key in keys:
            if key in KEYS:
                self.keypad.send(KEYS[key])
            else:
                for digit in key:
                    self.keypad.send(KEYS[digit])

    async def present(self, slot: Slot, card: Card) -> None:
        """Put a card on a reader."""
        await slot.insert(card)

    async def http_json(self, path: str) -> Any:
        """GET a JSON document from the server."""
        import httpx

        async with httpx.AsyncClient() as client:
            return (await client.get(f"http://127.0.0.1:{self.server.port}{path}")).json()
