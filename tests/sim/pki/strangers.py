"""Programs nobody here wrote, run on what we made: openssl and opensc-tool."""

import shutil
import subprocess
from pathlib import Path

from tests.support import strict


def run(program: str, *words: str, stdin: bytes = b"") -> str:
    """Standard output of a program that must succeed; skips (fails in CI) if it is not installed."""
    if shutil.which(program) is None:
        strict.skip_missing(f"{program} is not installed")
    done = subprocess.run([program, *words], input=stdin, capture_output=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr.decode(errors="replace")
    return done.stdout.decode(errors="replace")


def pem_of(der: bytes, path: Path) -> Path:
    """A DER certificate as a PEM file, converted by openssl."""
    source = path.with_suffix(".der")
    source.write_bytes(der)
    run("openssl", "x509", "-inform", "DER", "-in", str(source), "-out", str(path))
    return path
