"""Runs shared tests on the device: imports one test module out of ROMFS and reports each test as lines on standard output.

Each line is MARK + JSON. `main([module, plan, vectors, lines, scratch, warm])`: plan is a host file with one test name per line; `warm`, if not
empty: begin as the application does, with every phase loaded and dropped once (`phases.warm`). The collector comes as often as the application's:
else garbage that stands about splits the heap, and which file finds no room is chance. Each test runs at least twice; what its second run leaves on
the heap beyond what the first left is a leak (up to RUNS tries, since a pool of interned names may grow once more).
"""

import asyncio
import gc
import io
import json
import sys

from terminal import phases
from tests.support import dual

MARK = "\x01"
LEAK_LIMIT = 64
"""Bytes that may stay on the heap from one run to the next: four blocks of the 32-bit build."""
RUNS = 4


def main(args):
    """Run the planned tests of one module, or answer calls of one function (`main(["call", module, function, inputs])`)."""
    if args[0] == "call":
        return call(args[1], args[2], args[3])
    module, plan, vectors, lines, scratch, warm = args
    dual.configure(vectors, lines, scratch)
    gc.threshold(phases.COLLECT_EVERY)
    if warm:
        phases.warm()
    loaded = load(module)
    if loaded is None:
        return 1
    with open(plan) as stream:
        names = stream.read().split()
    for name in names:
        gc.collect()
        emit({"begin": name})
        emit(run(loaded, name))
    return 0


def load(module):
    """Import a module by its dotted name; reports a fatal line and returns None if that fails."""
    try:
        __import__(module)
        return sys.modules[module]
    except Exception as error:  # noqa: BLE001  it is reported
        emit({"fatal": trace(error)})
        return None


def run(module, name):
    """One test: its runs, its records, its heap figures."""
    function = getattr(module, name, None)
    if function is None:
        return {"end": name, "ok": False, "error": "the device does not find " + name + " in this module"}
    before = 0
    growth = []
    for turn in range(RUNS):
        error = once(function)
        if error is not None:
            error["end"] = name
            return error
        gc.collect()
        gc.collect()
        held = gc.mem_alloc()
        if turn:
            growth.append(held - before)
            if growth[-1] <= LEAK_LIMIT:
                break
        before = held
    if turn:
        for key, text in dual.records():
            emit({"record": name, "key": key, "text": text})
    leak = growth[-1] > LEAK_LIMIT
    return {"end": name, "ok": not leak, "leak": growth if leak else None, "held": held, "free": gc.mem_free()}


def once(function):
    """Run a test function once; None if it passed, else what to report."""
    dual.start()
    try:
        result = function()
        if hasattr(result, "send"):
            try:
                asyncio.run(result)
            finally:
                asyncio.new_event_loop()
    except dual.VectorsMissing as reason:
        return {"skip": str(reason), "missing": True}
    except dual.Skip as reason:
        return {"skip": str(reason), "missing": False}
    except (Exception, SystemExit, KeyboardInterrupt) as error:  # noqa: BLE001  it is reported
        return {"ok": False, "error": trace(error)}
    return None


def call(module, name, path):
    """Call module.name(*args) for each line of JSON (a list of arguments) in `path`; one result line each."""
    loaded = load(module)
    if loaded is None:
        return 1
    function = getattr(loaded, name)
    stream = open(path)  # noqa: SIM115  closed below
    while True:
        line = stream.readline()
        if not line:
            break
        try:
            result = {"result": pack(function(*unpack(json.loads(line))))}
        except Exception as error:  # noqa: BLE001  it is reported
            result = {"raised": type(error).__name__, "code": getattr(error, "code", None), "trace": trace(error)}
        emit(result)
        line = result = None
        gc.collect()
    stream.close()
    return 0


def pack(value):
    """Make bytes fit for JSON: {"$b": hex}; tuples become lists."""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return {"$b": bytes(value).hex()}
    if isinstance(value, (list, tuple)):
        return [pack(item) for item in value]
    if isinstance(value, dict):
        return {"$d": [[pack(key), pack(value[key])] for key in value]}
    return value


def unpack(value):
    """The inverse of `pack`."""
    if isinstance(value, list):
        return [unpack(item) for item in value]
    if isinstance(value, dict):
        if "$b" in value:
            return bytes.fromhex(value["$b"])
        return {unpack(pair[0]): unpack(pair[1]) for pair in value["$d"]}
    return value


def trace(error):
    """An exception's traceback as text."""
    text = io.StringIO()
    sys.print_exception(error, text)
    return text.getvalue()


def emit(line):
    """One report line."""
    print(MARK + json.dumps(line))
