"""Prints what the protocol core costs on 32-bit MicroPython: time in a 192 KiB heap, and the smallest heap that passes.

    .venv/bin/python -m tests.benchmarks.core

The code runs from bytecode in a ROMFS image, as on a device. The heap is found by bisection to 1 KiB. Times are this machine's.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from tools.image import build_image, device_command

ROOT = Path(__file__).resolve().parents[2]
WORK = {
    "p256": ("P-256 verification", 20),
    "p384": ("P-384 verification", 10),
    "p384-full": ("P-384 verification with 150 KB alive", 10),
    "sign1": ("COSE_Sign1 of 1,000 bytes, parsed and checked", 10),
    "des": ("3DES and retail MAC of 16 KiB in 240-byte pieces", 2),
    "sha512": ("SHA-512 of 3 KiB", 10),
    "cbor": ("CBOR record of about 300 bytes decoded", 100),
}


def run(image: Path, name: str, rounds: int, heap: int) -> "tuple[int, int] | None":
    """(microseconds, bytes live before) in a heap of `heap` KiB, or None if it does not fit."""
    command = device_command(image, "tests.benchmarks.core_device", f"{heap}k", [name, str(rounds)])
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    if done.returncode != 0:
        return None
    micros, live = done.stdout.split()
    return int(micros), int(live)


def smallest_heap(image: Path, name: str) -> int:
    """KiB of the smallest heap in which the work passes."""
    low, high = 4, 192
    while high - low > 1:
        middle = (low + high) // 2
        if run(image, name, 1, middle) is None:
            low = middle
        else:
            high = middle
    return high


def main() -> int:
    """Measure and print one line of JSON for each piece of work."""
    with tempfile.TemporaryDirectory() as folder:
        image = Path(folder) / "core.img"
        build_image(image, ("protocol",), [ROOT / "tests" / "benchmarks"], optimise=0, strict=False)
        for name, (what, rounds) in WORK.items():
            measured = run(image, name, rounds, 192)
            if measured is None:
                print(json.dumps({"work": what, "error": "does not run in 192 KiB"}))
                return 1
            smallest = smallest_heap(image, name)
            print(json.dumps({"work": what, "us": measured[0], "live": measured[1], "smallest_heap_kib": smallest}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
