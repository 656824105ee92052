"""Prints what reading a licence costs: commands, bytes, time on a simulated channel, CPU on both runtimes, heap.

    .venv/bin/python -m tests.benchmarks.licence [--json]          (also: tasdid bench licence)

Each case reads a simulated licence to its verdict. Commands and bytes stand against the least conversation for the same files
(`minimum`), time against that conversation's pure time on the same channel (`channel`): what is above is this reader's, its
measured CPU included. CPU is this machine's, the best of a few runs: processor time on CPython, but wall time in the reader's steps
on MicroPython, which has no clock of processor time: there, whatever else this machine does counts too. On MicroPython the same
conversation is replayed out of a ROMFS image; the heap is the smallest that passes, found by bisection to 1 KiB. There the portrait is decoded as
it comes into 112 x 144 dots and not kept, as the terminal does it; CPython keeps it. No microcontroller is measured: its CPU time
is a multiple of this machine's MicroPython. With --json each case is a JSON document on a line of its own.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from protocol.crypto.native import NativeCrypto
from protocol.licence import mrz
from protocol.licence.reader import read_licence
from protocol.licence.trust.anchors import TrustSet
from sim.cards.licence import build, mrz_lines, profile
from sim.cards.licence.people import PEOPLE
from sim.pki import Pki, make_pki
from tests.benchmarks import channel, minimum
from tests.benchmarks.licence_device import random_bytes
from tools.house.toolchain import why_unavailable
from tools.image import build_image, device_command

ROOT = Path(__file__).resolve().parents[2]
TODAY = "20250611"
ROUNDS = 5
POINT = 65
COM, SOD, CARD_ACCESS = 0x1E, 0x1D, 0x1C

CASES: dict[str, tuple[str, bool]] = {
    "identity, BAC": ("amina", False),
    "identity, BAC, chip authentication (AES)": ("agreement-aes128", False),
    "identity, BAC, chip authentication (3DES)": ("agreement-3des", False),
    "identity, BAC, active authentication (RSA)": ("active-rsa-sha1", False),
    "identity, PACE": ("pace-gm-p256", False),
    "with portrait, BAC": ("amina", True),
    "with portrait, BAC, chip authentication (AES)": ("agreement-aes128", True),
    "with portrait, PACE": ("pace-gm-p256", True),
    "identity, BAC, short answers": ("amina, short", False),
    "with portrait, BAC, short answers": ("amina, short", True),
}
"""Name → (profile of the simulated licence, whether with its portrait of about 16 KB). "short": a Le beyond a file's end gives what is
there (6282) instead of 6Cxx, so that a file's length need not be known to read it in one command."""


class Recorded:
    """One reading: its exchanges, the CPU of the machine on CPython, its verdict."""

    def __init__(self, name: str, portrait: bool, pki: Pki) -> None:
        name, _, short = name.partition(", ")
        self.profile = {**profile(name), "quirks": {"over_read": "6282"}} if short else profile(name)
        self.portrait = portrait
        self.pki = pki
        self.card = build(self.profile, pki)
        self.sizes = {file: len(data) for file, data in self.card.content.files.items()}
        self.exchanges: list[tuple[bytes, bytes]] = []
        self.verdict, self.cpu_s = min((self._run() for _ in range(ROUNDS)), key=lambda found: found[1])

    def _run(self) -> tuple[int, float]:
        parsed = mrz.parse(mrz_lines(PEOPLE[self.profile["person"]]))
        trust = TrustSet(self.pki.anchors())
        machine = read_licence(NativeCrypto(), parsed, random_bytes(), trust, TODAY, (1, 11), self.portrait)
        self.card.power_off()
        self.exchanges, answer, spent = [], None, 0.0
        while True:
            began = time.process_time()
            try:
                request: Any = machine.send(answer)
            except StopIteration as end:
                return end.value.verdict, spent + time.process_time() - began
            spent += time.process_time() - began
            answer = None
            if request[0] == "apdu":
                answer = self.card.respond(request[1])
                self.exchanges.append((request[1], answer))

    def least(self, lengths_known: bool) -> "list[tuple[bytes, int]]":
        """The least conversation for the files that this reading read: (command, length of the answer)."""
        proofs = [number for number in (13, 14) if number in self.sizes]
        wanted = [COM, SOD, 1, 11, *proofs, *([4] if self.portrait else [])]
        files = [self.sizes[file] for file in wanted]
        chunk, again = self.card.quirks.chunk, not lengths_known and self.card.quirks.over_read == "6C"
        if "pace" in self.profile:
            found, block = minimum.pace(files, chunk, again, self.sizes[CARD_ACCESS], POINT), 16
        else:
            found, block = minimum.bac(files, chunk, again), 8
        if "agreement" in self.profile:
            minimum.chip_authentication(found, POINT, block, self.profile["agreement"]["suite"] != "3DES")
        if "active" in self.profile:
            minimum.active_authentication(found, 128, block)
        return [(header + bytes(command - 4), answer) for header, command, answer in found.exchanges]


def figures(name: str, recorded: Recorded) -> dict[str, Any]:
    """Commands and bytes against the minimum; times at all rates."""
    sent = [(command, len(answer)) for command, answer in recorded.exchanges]
    least, known = recorded.least(False), recorded.least(True)
    row: dict[str, Any] = {
        "case": name,
        "verdict": recorded.verdict,
        "commands": len(sent),
        "commands_least": len(least),
        "commands_least_lengths_known": len(known),
        "bytes": _bytes(sent),
        "bytes_least": _bytes(least),
        "bytes_least_lengths_known": _bytes(known),
        "cpu_cpython_ms": round(recorded.cpu_s * 1000, 1),
    }
    for rate in channel.RATES:
        took, needs, knowing = (_seconds(part, rate) for part in (sent, least, known))
        total = took + recorded.cpu_s
        row[f"at_{rate}"] = {
            "pure_ms": round(needs * 1000, 1),
            "pure_lengths_known_ms": round(knowing * 1000, 1),
            "channel_ms": round(took * 1000, 1),
            "total_ms": round(total * 1000, 1),
            "overhead_pct": round(100 * (total / needs - 1), 1),
            "overhead_lengths_known_pct": round(100 * (total / knowing - 1), 1),
        }
    return row


def _bytes(exchanges: "list[tuple[bytes, int]]") -> int:
    return sum(len(command) + answer for command, answer in exchanges)


def _seconds(exchanges: "list[tuple[bytes, int]]", rate: int) -> float:
    return sum(channel.exchange_s(command, answer, rate) for command, answer in exchanges)


class Device:
    """Replays on 32-bit MicroPython out of an image of `protocol`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.image = folder / "licence.img"
        build_image(self.image, ("protocol", "drivers"), [ROOT / "tests" / "benchmarks"], optimise=2, strict=False)

    def write(self, recorded: Recorded) -> None:
        """Lay the conversation and what belongs to it beside the image."""
        lines = "".join(f"{command.hex()} {answer.hex()}\n" for command, answer in recorded.exchanges)
        (self.folder / "conversation").write_text(lines)
        case = {
            "mrz": mrz_lines(PEOPLE[recorded.profile["person"]]), "anchor": recorded.pki.csca.der.hex(), "today": TODAY,
            "portrait": recorded.portrait,
        }  # fmt: skip
        (self.folder / "case.json").write_text(json.dumps(case))

    def run(self, heap: int) -> "tuple[int, int, int] | None":
        """(CPU microseconds, verdict, live bytes before) in a heap of `heap` KiB; None if it does not fit."""
        arguments = [str(self.folder / "conversation"), str(self.folder / "case.json")]
        command = device_command(self.image, "tests.benchmarks.licence_device", f"{heap}k", arguments)
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
        if done.returncode != 0:
            return None
        spent, verdict, live = map(int, done.stdout.split())
        return spent, verdict, live

    def figures(self, recorded: Recorded) -> dict[str, Any]:
        """CPU in 192 KiB (best of three) and the smallest heap that passes with the same verdict."""
        self.write(recorded)
        runs = [self.run(192) for _ in range(3)]
        good = [run for run in runs if run is not None and run[1] == recorded.verdict]
        if len(good) < len(runs):
            return {"micropython": "does not pass in 192 KiB"}
        low, high = 16, 192
        while high - low > 1:
            middle = (low + high) // 2
            found = self.run(middle)
            if found is not None and found[1] == recorded.verdict:
                high = middle
            else:
                low = middle
        return {
            "cpu_micropython_ms": round(min(run[0] for run in good) / 1000, 1),
            "live_bytes": good[0][2],
            "smallest_heap_kib": high,
        }


def measure(with_device: bool = True) -> list[dict[str, Any]]:
    """All cases."""
    rows = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        pki = make_pki(folder / "pki")
        why = why_unavailable(32) if with_device else "not asked for"
        device = None if why else Device(folder)
        for name, (which, portrait) in CASES.items():
            recorded = Recorded(which, portrait, pki)
            row = figures(name, recorded)
            row.update(device.figures(recorded) if device else {"micropython": why})
            for rate in channel.RATES:
                if "cpu_micropython_ms" in row:
                    at = row[f"at_{rate}"]
                    at["total_micropython_ms"] = round(at["channel_ms"] + row["cpu_micropython_ms"], 1)
            rows.append(row)
    return rows


def main(arguments: "list[str] | None" = None) -> int:
    """Print a line of text, or of JSON, for each case."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--json", action="store_true", help="one line of JSON for each case")
    parser.add_argument("--no-device", action="store_true", help="leave MicroPython out")
    options = parser.parse_args(arguments)
    for row in measure(not options.no_device):
        print(json.dumps(row) if options.json else _line(row))
    return 0


def _line(row: dict[str, Any]) -> str:
    at = row["at_424"]
    parts = [
        f"{row['case']}: {row['commands']} commands ({row['commands_least']} least)",
        f"{row['bytes']} bytes ({row['bytes_least']} least)",
        f"424 kbit/s {at['total_ms']} ms of which CPU {row['cpu_cpython_ms']}, pure {at['pure_ms']}",
        f"overhead {at['overhead_pct']} % ({at['overhead_lengths_known_pct']} % with lengths known)",
    ]
    if "smallest_heap_kib" in row:
        parts.append(
            f"MicroPython {at['total_micropython_ms']} ms, CPU {row['cpu_micropython_ms']}, heap {row['smallest_heap_kib']} KiB"
        )
    return "; ".join(parts)


if __name__ == "__main__":
    sys.exit(main())
