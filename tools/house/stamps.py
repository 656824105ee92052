"""Stamps: skip a set-up step whose inputs have not changed since it last succeeded.

A stamp is a file with a SHA-256 over the step's inputs (file contents and words). It is written only after success.
"""

import hashlib
from pathlib import Path


def digest(*inputs: "Path | str") -> str:
    """SHA-256 (hex) over the contents of the given files and the given words, in order; a missing file counts as empty."""
    total = hashlib.sha256()
    for item in inputs:
        data = item.encode() if isinstance(item, str) else (item.read_bytes() if item.is_file() else b"")
        total.update(len(data).to_bytes(8, "big") + data)
    return total.hexdigest()


def is_current(stamp: Path, value: str) -> bool:
    """True if `stamp` records `value`."""
    return stamp.is_file() and stamp.read_text().strip() == value


def write(stamp: Path, value: str) -> None:
    """Record `value` in `stamp`."""
    stamp.parent.mkdir(parents=True, exist_ok=True)
    stamp.write_text(value + "\n")
