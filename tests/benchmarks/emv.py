"""Prints what a payment costs, contact and contactless: commands against the least that EMV needs, CPU of the kernel on both runtimes, smallest heap.

    .venv/bin/python -m tests.benchmarks.emv [--json] [--no-device]          (also: tasdid bench emv)

Each case pays with a simulated card. The least number of commands is counted by hand from what the standard makes a terminal send (below);
GET RESPONSE and repeats with another Le (T=0) are the transport's and counted apart. CPU is the kernel's alone, without the card's, this
machine's, the best of a few rounds. On MicroPython the same exchange is replayed out of a ROMFS image; the heap is the smallest that
passes, found by bisection to 1 KiB, recording and parameters in it included. No microcontroller is measured.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

from cryptography.utils import CryptographyDeprecationWarning

from protocol import cbor
from protocol.crypto.native import NativeCrypto
from protocol.emv.contactless import entry
from protocol.emv.contactless.params import ContactlessParams
from protocol.emv.contactless.torn import TornLog
from protocol.emv.kernel import transact
from protocol.emv.params import EmvParams
from sim.acquirer import emv as host
from sim.acquirer import issuer
from sim.cards.base import Card
from sim.cards.emv import build, contactless, profile
from sim.pki import Pki, make_pki
from sim.worlds.fleet import emv_body
from tools.house.toolchain import why_unavailable
from tools.image import build_image, device_command

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = 20
UN = bytes.fromhex("A1B2C3D4")
TXN = {"amount": 500_000, "currency": 12, "country": 12, "date": "261122", "time": "093000", "type": 0, "counter": 1}

# name: (card, with the issuer's answer, least commands: what they are)
CASES: dict[str, tuple[str, bool, dict[str, int]]] = {
    "CIB-like, CDA, plaintext PIN, TC offline": (
        "cib-approve",
        False,
        {"select": 3, "gpo": 1, "records": 6, "pin": 2, "gac": 1},
    ),
    "CIB-like, DDA, no network, deferred or declined": (
        "cib-dda",
        False,
        {"select": 3, "gpo": 1, "records": 6, "dda": 1, "pin": 2, "gac": 2},
    ),
    "CIB-like, CDA, enciphered PIN, TC offline": (
        "cib-enciphered-pin",
        False,
        {"select": 3, "gpo": 1, "records": 6, "pin": 3, "gac": 1},
    ),
    "CIB-like, online, EXTERNAL AUTHENTICATE": (
        "cib-online",
        True,
        {"select": 3, "gpo": 1, "records": 6, "pin": 2, "gac": 2, "issuer": 1},
    ),
    "Edahabia-like, online, ARPC in GENERATE AC": (
        "edahabia-online",
        True,
        {"select": 3, "gpo": 1, "records": 6, "pin": 2, "gac": 2},
    ),
    "Edahabia-like, no network, provisional": (
        "edahabia-online",
        False,
        {"select": 3, "gpo": 1, "records": 6, "pin": 2, "gac": 2},
    ),
}
"""select: each application of the terminal's list once, and the chosen one again (Book 1, 12.3.3, 12.4); records: those of the AFL; pin: the try
counter, so that the last try can be announced, the challenge where enciphered, VERIFY (Book 3, 10.5.1); gac: GENERATE AC."""


TAPS: dict[str, tuple[dict[str, Any], bool, dict[str, int]]] = {
    "contactless, Kernel 3, fDDA, TC offline": (
        {"scheme": "cib", "number": 81, "kernel": 3},
        False,
        {"select": 2, "gpo": 1, "records": 3},
    ),
    "contactless, Kernel 3, fDDA, online": (
        {"scheme": "cib", "number": 82, "kernel": 3, "tap": "online"},
        True,
        {"select": 2, "gpo": 1, "records": 3},
    ),
    "contactless, Kernel 2, relay resistance, CDA, TC offline": (
        {"scheme": "cib", "number": 83, "kernel": 2, "verify": "none"},
        False,
        {"select": 2, "gpo": 1, "relay": 1, "records": 6, "gac": 1},
    ),
    "contactless, Kernel 2, relay resistance, CDA, online": (
        {"scheme": "cib", "number": 84, "kernel": 2, "verify": "none", "tap": "online"},
        True,
        {"select": 2, "gpo": 1, "relay": 1, "records": 6, "gac": 1},
    ),
}
"""Name: (card, with the issuer's answer, least commands). select: directory and application (Book B, 3.3); relay: EXCHANGE RELAY RESISTANCE DATA
once; records: those of the AFL. The design's targets for the terminal's logic: 20 ms on CPython, 100 ms on MicroPython."""
ELAPSED = 54  # units of 100 µs: a card that is not far away


class Paid:
    """One payment: its exchange and the kernel's CPU on CPython."""

    def __init__(self, name: str, answered: bool, pki: Pki, tapped: dict[str, Any] | None = None) -> None:
        self.pki = pki
        self.body = emv_body(pki)
        self.tapped = tapped is not None
        self.pin = b"" if tapped is not None else str(profile(name).get("pin", "1234")).encode()
        self.card: Card = contactless.build(tapped, pki) if tapped is not None else build(profile(name), pki)
        self._answered = answered
        self.online: dict[str, Any] | None = None
        self.steps: list[list[bytes]] = []
        self.seconds = 0.0
        self.result = self._run()

    def _run(self) -> Any:
        if self.tapped:
            machine = entry.transact(TXN, ContactlessParams(self.body), NativeCrypto(), UN, TornLog())
        else:
            machine = transact(TXN, EmvParams(self.body), NativeCrypto(), UN)
        facts: dict[str, Any] = {}
        answer: Any = None
        self.card.power_on()
        while True:
            began = time.perf_counter()
            try:
                request = machine.send(answer)
            except StopIteration as stop:
                self.seconds += time.perf_counter() - began
                return stop.value
            self.seconds += time.perf_counter() - began
            if request[0] in ("apdu", "timed_apdu"):
                command = bytes(request[1])
                answer = self.card.respond(command)
                self.steps.append([command, answer])
                if request[0] == "timed_apdu":
                    answer = (answer, ELAPSED)
            elif request[0] == "online":
                answer = self.online = self._issuer(bytes(request[1]), facts) if self._answered else None
            else:
                if request[0] == "identified":
                    facts = dict(request[1])
                answers = {
                    "pin": bytearray(self.pin),
                    "choose": 0,
                    "random": bytes(request[1]) if request[0] == "random" else b"",
                }
                answer = answers.get(request[0])

    def _issuer(self, de55: bytes, facts: dict[str, Any]) -> dict[str, Any]:
        pan = bytes(facts["pan"]).decode()
        master = self.pki.schemes.issuer_of(pan).master_keys.ac
        return {
            "arc": "00",
            "data": issuer.answer(master, None, pan, facts["psn"], host.parse(de55), True, ""),
            "auth_code": "000000",
        }

    def counted(self) -> tuple[int, int]:
        """(commands, GET RESPONSE and repeats of the transport)."""
        transport = sum(
            1
            for i, (command, _) in enumerate(self.steps)
            if command[1] == 0xC0 or (i and self.steps[i - 1][1][-2:-1] == b"\x6c")
        )
        return len(self.steps) - transport, transport

    def file(self) -> bytes:
        """The recording for the device's half."""
        case = {
            "body": self.body,
            "tapped": self.tapped,
            "elapsed": ELAPSED,
            "txn": TXN,
            "un": UN,
            "pin": self.pin,
            "online": self.online,
            "steps": self.steps,
            "outcome": self.result.outcome,
        }
        return cbor.encode(case, max_size=1 << 20)


def device_run(image: Path, recording: Path, rounds: int, heap: int) -> "tuple[int, int] | None":
    """(microseconds, bytes alive before) in a heap of `heap` KiB, or None if it does not fit."""
    command = device_command(image, "tests.benchmarks.emv_device", f"{heap}k", [str(recording), str(rounds)])
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        return None
    micros, live = done.stdout.split()[-2:]
    return int(micros), int(live)


def smallest_heap(image: Path, recording: Path) -> int:
    """KiB of the smallest heap in which the payment passes."""
    low, high = 16, 192
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if device_run(image, recording, 1, middle) else (middle, high)
    return high


def measure(name: str, pki: Pki, image: Path | None, folder: Path) -> dict[str, Any]:
    """One case's line."""
    if name in TAPS:
        tapped, answered, least = TAPS[name]
        paid = [Paid(name, answered, pki, tapped) for _ in range(ROUNDS)]
    else:
        card, answered, least = CASES[name]
        paid = [Paid(card, answered, pki) for _ in range(ROUNDS)]
    commands, transport = paid[0].counted()
    found: dict[str, Any] = {
        "case": name, "outcome": paid[0].result.reason, "commands": commands, "least": sum(least.values()), "transport": transport,
        "cpython_us": round(min(p.seconds for p in paid) * 1e6),
    }  # fmt: skip
    if image is not None:
        recording = folder / "case.cbor"
        recording.write_bytes(paid[0].file())
        measured = device_run(image, recording, 5, 256)
        if measured is None:
            return {**found, "error": "does not run in 256 KiB"}
        found |= {
            "micropython_us": measured[0],
            "live": measured[1],
            "smallest_heap_kib": smallest_heap(image, recording),
        }
    return found


def main(arguments: list[str] | None = None) -> int:
    """Measure and print; 1 if a case needs more commands than the least, or does not run."""
    parser = argparse.ArgumentParser(description="what a payment costs")
    parser.add_argument("--json", action="store_true", help="lines of JSON")
    parser.add_argument("--no-device", action="store_true", help="CPython only")
    options = parser.parse_args(arguments)
    failed = False
    warnings.simplefilter("ignore", CryptographyDeprecationWarning)  # EMV is triple DES
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        image = None if options.no_device or why_unavailable() else folder / "emv.img"
        if image is not None:
            build_image(image, ("protocol",), [ROOT / "tests" / "benchmarks"], optimise=0, strict=False)
        pki = make_pki(folder / "pki")
        for case in (*CASES, *TAPS):
            found = measure(case, pki, image, folder)
            failed = failed or "error" in found or found["commands"] > found["least"]
            print(json.dumps(found) if options.json else _line(found), flush=True)
    return int(failed)


def _line(found: dict[str, Any]) -> str:
    parts = [f"{found['case']} ({found['outcome']}): {found['commands']} commands, least {found['least']}"]
    parts.append(f"CPython {found['cpython_us'] / 1000:.2f} ms")
    if "micropython_us" in found:
        parts.append(f"MicroPython {found['micropython_us'] / 1000:.1f} ms, heap {found['smallest_heap_kib']} KiB")
    return ", ".join(parts)


if __name__ == "__main__":
    sys.exit(main())
