"""`tasdid` as it ends and what it says, called in this process: a start of Python for each of hundreds of calls would take longer than they do.
That a process of its own does the same is held by tests/house/test_cli.py and by those that run one here.
"""

import io
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout

from tools import cli


def _stream(content: str = "") -> io.TextIOWrapper:
    return io.TextIOWrapper(io.BytesIO(content.encode()), encoding="utf-8", write_through=True)


def _written(stream: io.TextIOWrapper) -> str:
    stream.seek(0)
    return stream.read()


@contextmanager
def _typed(stdin: str) -> Iterator[None]:
    kept, sys.stdin = sys.stdin, _stream(stdin)
    try:
        yield
    finally:
        sys.stdin = kept


def tasdid(*words: object, stdin: str = "") -> "subprocess.CompletedProcess[str]":
    """What a command says, and its exit code."""
    out, err = _stream(), _stream()
    code: object = 0
    command = [*map(str, words)]
    with redirect_stdout(out), redirect_stderr(err), _typed(stdin):
        try:
            cli.main(command)
        except SystemExit as ended:
            code = ended.code or 0
    assert isinstance(code, int), code
    return subprocess.CompletedProcess(command, code, _written(out), _written(err))
