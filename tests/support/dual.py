"""Helpers for tests that run on both runtimes: importable by CPython and by MicroPython.

A shared test is a plain `def test_x()` or `async def test_x()` with `assert` only. `record` values are compared between the two
runtimes, so that a silent difference fails; `vectors` and `vector_cases` read the shared test vectors.
"""

import json
import os
import sys

ON_DEVICE = sys.implementation.name == "micropython"


class Skip(Exception):
    """Raised by a test that cannot run here; its text is the reason."""


class VectorsMissing(Skip):
    """The shared vectors are not on this machine; counts as a failure where they are required (CI)."""


class _State:
    """What the runner hands over and collects; one per process."""

    vectors = ""
    lines = ""
    scratch = ""
    records = []


def configure(vectors_dir, lines_dir, scratch_dir=""):
    """Called by the runner: where the vectors lie, and where their line-by-line form lies (device only), empty = absent; a folder to write in."""
    _State.vectors = vectors_dir
    _State.lines = lines_dir
    _State.scratch = scratch_dir


def scratch(name):
    """The path of a file of that name in a folder that a test on this runtime may write in ("": the folder); gone when the session ends."""
    return _State.scratch + "/" + name


def start():
    """Called by the runner before each run of a test."""
    _State.records = []


def records():
    """Called by the runner after a test: the recorded (name, text) pairs in order."""
    return _State.records


def record(name, value):
    """Note a value (bytes-like, str, int, bool or None) under a name; both runtimes must note the same pairs."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        text = "bytes:" + bytes(value).hex()
    elif isinstance(value, str):
        text = "str:" + value
    else:
        text = "other:" + str(value)
    _State.records.append((name, text))


def skip(reason):
    """Leave the test, saying why."""
    raise Skip(reason)


def raises(expected, function, *args, **kwargs):
    """Call `function` and return the exception of class `expected` that it raises; fails if it raises none."""
    try:
        function(*args, **kwargs)
    except expected as error:
        return error
    raise AssertionError("expected " + expected.__name__ + ", nothing was raised")


async def araises(expected, awaitable):
    """Await `awaitable` and return the exception of class `expected` that it raises; fails if it raises none."""
    try:
        await awaitable
    except expected as error:
        return error
    raise AssertionError("expected " + expected.__name__ + ", nothing was raised")


def vector_path(path):
    """The host path of a vectors file ("suit/example0.suit.hex"); skips if the vectors are absent."""
    if not _State.vectors:
        raise VectorsMissing("the shared vectors are not here (TASDID_VECTORS)")
    full = _State.vectors + "/" + path
    try:
        os.stat(full)
    except OSError:
        raise VectorsMissing("the vectors lack " + path)
    return full


def vectors(path):
    """The whole parsed JSON of a vectors file; for small ones (a device heap holds about 20 KB of it). Skips if absent."""
    with open(vector_path(path)) as stream:
        return json.load(stream)


def vector_cases(path, *keys):
    """The items of a list in a vectors file, one at a time, so that a small heap holds one only. Skips if absent.

    `vector_cases(p)` for a top-level list, `vector_cases(p, "k")` for d["k"]; with two keys ("testGroups", "tests") yields
    (group without its inner lists, test) for each inner item.
    """
    full = vector_path(path)
    if _State.lines:
        return _pick(_lines_of(_State.lines + "/" + path + ".lines"), keys)
    return _pick(_walk_file(full), keys)


def _pick(rows, keys):
    wanted = "/".join(keys)
    outer = keys[0] if len(keys) == 2 else None
    group = None
    count = 0
    for row in rows:
        where = row[0]
        if where == wanted:
            count += 1
            yield (group, row[1]) if outer is not None else row[1]
        elif outer is not None and where == outer:
            group = row[1]
    if not count:
        raise AssertionError("no cases under " + (wanted or "the top level"))


def _lines_of(path):
    stream = open(path)  # noqa: SIM115  closed below
    try:
        while True:
            line = stream.readline()
            if not line:
                return
            yield json.loads(line)
    finally:
        stream.close()


def _walk_file(path):
    with open(path) as stream:
        return walk(json.load(stream))


def walk(document):
    """Flatten a parsed vectors file into (path of keys, item) rows, outer items before their inner ones, inner lists left out."""
    rows = []
    if isinstance(document, list):
        for item in document:
            rows.append(("", item))
        return rows
    for key in document:
        if _is_rows(document[key]):
            for item in document[key]:
                inner = [k for k in item if _is_rows(item[k])]
                rows.append((key, {k: item[k] for k in item if k not in inner}))
                for k in inner:
                    for case in item[k]:
                        rows.append((key + "/" + k, case))
    return rows


def _is_rows(value):
    return isinstance(value, list) and len(value) > 0 and isinstance(value[0], dict)
